"""From files to one ForeignResult, one reader per kind. Owns files and what is wrong with them; readers know texts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from harness.errors import NewerSchema, UnknownName, UsageError
from harness.foreign import loadgen, openvino, ort_perf, pytest_benchmark, trtexec
from harness.foreign.result import NO_PROCESSES, SCHEMA, ForeignResult, names, processes, result_from

Reader = Callable[[str, str], ForeignResult]
READERS: Mapping[str, Reader] = {one.KIND: one.read for one in (pytest_benchmark, trtexec, openvino, ort_perf, loadgen)}
# As many as the harness wants of launches, before it gives an interval.
_ENOUGH = 6
# Larger ones are no result of a benchmark; reading one whole would take the machine's memory.
MOST_BYTES = 512 * 2**20


def read(kind: str, paths: Sequence[Path]) -> ForeignResult:
    """The results of one process each, as one. UsageError where one is no result of that kind, or where they are not
    of the same benchmarks under the same conditions."""
    if kind not in READERS:
        raise UnknownName("kind of result", kind, READERS)
    known: dict[bytes, Path] = {}
    found = []
    for path in paths:
        text = _text(path)
        content = hashlib.sha256(text.strip().encode("utf-8", "replace")).digest()
        if content in known:
            raise UsageError(f"{known[content]} and {path} hold the same: one process, which counts once; name it once")
        known[content] = path
        found.append(_one(kind, text, path))
    return found[0] if len(found) == 1 else _together(found)


def read_kept(path: Path) -> ForeignResult:
    """What `import --json` wrote. UsageError, NewerSchema."""
    with _shallow(path):
        return _kept(path)


def _kept(path: Path) -> ForeignResult:
    try:
        data = json.loads(_text(path))
    except ValueError as error:
        raise UsageError(f"{path} is no JSON ({error}): name what wrote it, as KIND:{path}") from None
    schema = data.get("schema") if isinstance(data, dict) else None
    if isinstance(schema, str) and schema.startswith("harness.foreign/") and schema != SCHEMA:
        raise NewerSchema(f"{path} is of {schema}; this harness knows {SCHEMA}: install a newer one")
    if schema != SCHEMA:
        raise UsageError(f"{path} is no {SCHEMA}: name what wrote it, as KIND:{path}; known: {', '.join(READERS)}")
    try:
        return result_from(data, str(path))
    except OverflowError:  # a whole number that no float holds
        raise UsageError(f"{path} holds a number that nothing measures: write it anew with `import --json`") from None


def _one(kind: str, text: str, path: Path) -> ForeignResult:
    if not text.strip():
        raise UsageError(f"{path} is empty: name the file that {kind} wrote")
    with _shallow(path):
        return READERS[kind](text, str(path))


@contextmanager
def _shallow(path: Path) -> Iterator[None]:
    """UsageError for JSON that is nested so deeply that it cannot be read, or cannot be printed."""
    try:
        yield
    except RecursionError:
        raise UsageError(f"{path} is nested too deeply for a result: name the file that the tool wrote") from None


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(f"{path} has more than {MOST_BYTES >> 20} MiB: name a result, not a trace or a model")
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}; name a file") from None
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        content = content.decode("utf-16", "replace").encode("utf-8", "replace")  # as a Windows shell redirects
    if b"\0" in content[:8192]:
        raise UsageError(f"{path} is a binary file: name the text that the tool wrote")
    return content.decode("utf-8-sig", "replace")


def _together(found: Sequence[ForeignResult]) -> ForeignResult:
    first = found[0]
    for other in found[1:]:
        if names(other) != names(first):
            raise UsageError(
                f"{other.sources[0]} holds {', '.join(names(other))}, and {first.sources[0]} holds "
                f"{', '.join(names(first))}: processes of one thing hold the same"
            )
        differs = [label for label, value in first.conditions.items() if other.conditions.get(label) != value]
        differs += [label for label in other.conditions if label not in first.conditions]
        if differs or other.tool != first.tool:
            what = ", ".join(differs) or "the tool's version"
            raise UsageError(f"{other.sources[0]} differs from {first.sources[0]} in {what}: compare them instead")
    cells = tuple(cell for one in found for cell in one.cells)
    whole = replace(first, sources=tuple(source for one in found for source in one.sources), cells=cells)
    fewest = min(len(processes(whole, name)) for name in names(whole))
    lacks = dict.fromkeys(lack for one in found for lack in one.lacks if lack != NO_PROCESSES)
    few = (f"{fewest} processes: an interval needs {_ENOUGH}",) if fewest < _ENOUGH else ()
    notes = tuple(dict.fromkeys(note for one in found for note in one.notes))
    return replace(whole, lacks=(*few, *lacks), notes=notes)
