"""Values to JSON and back with exact keys, the canonical form, and content ids. The one place that sees dicts.

Canonical JSON: sorted keys, no blanks, no NaN, UTF-8; the id is the first 16 hex digits of its SHA-256, which keeps
file names short and makes a collision among a million values about as likely as 1 in 30 million.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar, Union, get_args, get_origin

from harness.errors import UsageError, suggest

T = TypeVar("T")
Json = Any  # the JSON edge: str, int, float, bool, None, list, dict


def to_json(value: object) -> Json:
    """Frozen dataclasses, tuples and mappings as plain JSON values."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, tuple | list | frozenset):
        items = [to_json(item) for item in value]
        return sorted(items) if isinstance(value, frozenset) else items
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"{type(value).__name__} has no JSON form")


def canonical(value: object) -> str:
    """The one JSON text of a value."""
    return json.dumps(to_json(value), sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def content_id(value: object) -> str:
    """16 hex digits that change with anything in the value."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:16]


def from_json(kind: type[T], data: Json, where: str) -> T:
    """Build a frozen dataclass from plain JSON. Unknown and missing keys and wrong types are UsageErrors.

    `where` names the file and the key path for the message.
    """
    if not isinstance(data, Mapping):
        raise UsageError(f"{where}: expected a table, found {type(data).__name__}")
    hints, fields = _shape(kind)  # type: ignore[arg-type]  # mypy does not see that types hash
    for key in data:
        if key not in fields:
            raise UsageError(f"{where}: unknown key {key!r}; {suggest(key, fields)}")
    values = {}
    for name, field in fields.items():
        if name in data:
            values[name] = _convert(hints[name], data[name], f"{where}: {name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise UsageError(f"{where}: the key {name!r} is missing")
    try:
        return kind(**values)
    except UsageError as error:  # of the value's own check, which cannot know where it came from
        raise UsageError(f"{where}: {error}") from None


@functools.cache
def _shape(kind: type[Any]) -> tuple[dict[str, Any], dict[str, dataclasses.Field[Any]]]:
    """Type hints and fields of a dataclass; resolving hints anew costs more than the rest of the decoding."""
    return typing.get_type_hints(kind), {field.name: field for field in dataclasses.fields(kind)}


@functools.cache
def _parts(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """A hint taken apart, likewise once."""
    return get_origin(hint), get_args(hint)


def _convert(hint: Any, data: Json, where: str) -> Any:
    origin, arguments = _parts(hint)
    if origin in (Union, types.UnionType):
        if data is None and type(None) in arguments:
            return None
        (inner,) = [argument for argument in arguments if argument is not type(None)]
        return _convert(inner, data, where)
    if origin is typing.Literal:
        if data not in arguments:
            raise UsageError(f"{where}: {data!r} is not one of {', '.join(map(str, arguments))}")
        return data
    if dataclasses.is_dataclass(hint):
        return from_json(typing.cast("type", hint), data, where)
    if origin is tuple:
        return tuple(_convert(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(_listed(data, where)))
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(data, Mapping):
            raise UsageError(f"{where}: expected a table, found {type(data).__name__}")
        if arguments[1] is Any:  # facts of a trial: taken as they are
            return {str(key): item for key, item in data.items()}
        return {str(key): _convert(arguments[1], item, f"{where}.{key}") for key, item in data.items()}
    return _scalar(hint, data, where)


def _scalar(hint: Any, data: Json, where: str) -> Any:
    if hint is Any or hint is object:
        return data
    if hint is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if not isinstance(data, hint) or (hint is not bool and isinstance(data, bool)):
        raise UsageError(f"{where}: expected {hint.__name__}, found {data!r}")
    return data


def _listed(data: Json, where: str) -> list[Json]:
    if not isinstance(data, list):
        raise UsageError(f"{where}: expected a list, found {data!r}")
    return data
