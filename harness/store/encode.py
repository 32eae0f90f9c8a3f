"""A trial as files and back: facts as JSON, columns as Parquet. Owns the format of schema 1, not the folder layout."""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from harness.errors import NewerSchema, StoreError, UsageError
from harness.model.case import Case
from harness.model.codec import Json, from_json, to_json
from harness.model.trial import (
    SCHEMA,
    TRIAL_SCHEMA,
    Channel,
    Environment,
    Outputs,
    Phases,
    Samples,
    Trace,
    Trial,
    no_values,
)

T = TypeVar("T")
Values = np.ndarray[Any, np.dtype[np.float64]]
# What trials of one run have in common, decoded once and held once: by its kind and its very text.
Known = dict[tuple[object, str], Any]

_PLAIN = ("id", "run", "mode", "launch", "order", "started_utc", "status", "message", "stop_reason", "wall_s")
_WARM_UP, _STEADY = 0, 1


def facts_of(trial: Trial) -> Json:
    """Everything of a trial but its columns."""
    return {
        "schema": TRIAL_SCHEMA,
        **{name: getattr(trial, name) for name in _PLAIN},
        "case_id": trial.case.id,
        "case": to_json(trial.case),
        "environment": to_json(trial.environment),
        "phases": to_json(trial.phases),
        "memory": to_json(trial.memory),
        # JSON has no NaN: a value that is not finite is null.
        "signature": [value if math.isfinite(value) else None for value in trial.outputs.signature],
        "finite": trial.outputs.finite,
        "dataset_sha256": trial.dataset_sha256,
        "arms": list(trial.arms),
        "channels": [to_json(trace.channel) for trace in trial.traces],
    }


def tables_of(trial: Trial) -> dict[str, pa.Table]:
    """The columns of a trial as tables by file stem; a table without rows is left out."""
    tables = {
        "samples": _samples_table(trial),
        "traces": _traces_table(trial.traces),
        "outputs": _outputs_table(trial.outputs),
    }
    return {name: table for name, table in tables.items() if table.num_rows}


def trial_from(facts: Json, tables: Mapping[str, pa.Table], where: str, known: Known | None = None) -> Trial:
    """A trial from its facts and tables. NewerSchema and StoreError name the file.

    known: filled and used while the trials of one run are read, which share their case and their channels.
    """
    check_schema(facts, where)
    known = {} if known is None else known
    try:
        warm_up, samples = _samples_from(tables.get("samples"))
        return Trial(
            **{name: facts[name] for name in _PLAIN},
            case=_shared(Case, facts["case"], where, known),
            environment=from_json(Environment, facts["environment"], where),
            phases=from_json(Phases, facts["phases"], where),
            memory=facts["memory"],
            outputs=_outputs_from(tables.get("outputs"), facts),
            warm_up=warm_up,
            samples=samples,
            arms=tuple(facts["arms"]),
            traces=_traces_from(
                tables.get("traces"), [_shared(Channel, one, where, known) for one in facts["channels"]]
            ),
            dataset_sha256=facts["dataset_sha256"],
        )
    except KeyError as error:
        raise StoreError(f"{where}: the key {error} is missing; the file is not a whole trial") from None
    except UsageError as error:  # of the codec: a key that is unknown, a value of the wrong type
        raise StoreError(str(error)) from None
    except (TypeError, ValueError, AttributeError) as error:
        raise StoreError(f"{where}: not the facts of a trial ({error}); the file was changed by hand") from None


def check_schema(facts: Json, where: str) -> None:
    """Refuse what this version cannot read, saying which version wrote it."""
    name = facts.get("schema") if isinstance(facts, dict) else None
    family, _, number = str(name).partition("/")
    if family not in ("harness.trial", "harness.run") or not number.isdecimal():
        raise StoreError(f"{where}: schema {name!r} is not one of this harness; remove or repair the file")
    if int(number) > SCHEMA:
        raise NewerSchema(f"{where}: written with schema {name}, this harness reads up to {SCHEMA}; upgrade it")


def column(values: pa.ChunkedArray) -> array[float]:
    """A Parquet column as a plain array of doubles."""
    return _column(values.to_numpy())


def _column(values: np.ndarray[Any, Any]) -> array[float]:
    """Copied once, straight from the table's own memory."""
    result = no_values()
    result.frombytes(np.ascontiguousarray(values, np.float64).view(np.uint8).data)
    return result


def _shared(kind: type[T], data: Json, where: str, known: Known) -> T:
    key = kind, json.dumps(data)
    if key not in known:
        known[key] = from_json(kind, data, where)
    return known[key]  # type: ignore[no-any-return]  # what stands under a kind is of it


def _samples_table(trial: Trial) -> pa.Table:
    parts = [(_WARM_UP, trial.warm_up), (_STEADY, trial.samples)]
    phase = np.repeat([code for code, _ in parts], [len(part) for _, part in parts]).astype(np.int8)
    columns = {name: np.concatenate([_view(getattr(part, name)) for _, part in parts]) for name in _SAMPLE_COLUMNS}
    if any(len(part.device_s) for _, part in parts):
        columns[_DEVICE] = np.concatenate([_device(part) for _, part in parts])
    return pa.table({"phase": phase, **columns})


def _device(part: Samples) -> Values:
    return _view(part.device_s) if len(part.device_s) else np.full(len(part), np.nan)


_SAMPLE_COLUMNS = ("start_s", "duration_s", "block")
_DEVICE = "device_s"  # only where the backend tells it


def _samples_from(table: pa.Table | None) -> tuple[Samples, Samples]:
    if table is None:
        return Samples(), Samples()
    count = int(np.count_nonzero(table.column("phase").to_numpy() == _WARM_UP))
    names = (*_SAMPLE_COLUMNS, _DEVICE) if _DEVICE in table.column_names else _SAMPLE_COLUMNS
    columns = [table.column(name).to_numpy() for name in names]
    return Samples(*(_column(one[:count]) for one in columns)), Samples(*(_column(one[count:]) for one in columns))


def _traces_table(traces: tuple[Trace, ...]) -> pa.Table:
    counts = [len(trace.time_s) for trace in traces]
    return pa.table(
        {
            "channel": np.repeat(np.arange(len(traces), dtype=np.int32), counts),
            "time_s": np.concatenate([_view(trace.time_s) for trace in traces] or [np.zeros(0)]),
            "value": np.concatenate([_view(trace.value) for trace in traces] or [np.zeros(0)]),
        }
    )


def _traces_from(table: pa.Table | None, channels: list[Channel]) -> tuple[Trace, ...]:
    if table is None:
        return tuple(Trace(channel, no_values(), no_values()) for channel in channels)
    time_s, value = (table.column(name).to_numpy() for name in ("time_s", "value"))
    ends = np.searchsorted(table.column("channel").to_numpy(), np.arange(len(channels) + 1)).tolist()
    return tuple(
        Trace(channel, _column(time_s[first:last]), _column(value[first:last]))
        for channel, (first, last) in zip(channels, pairwise(ends), strict=True)
    )


def _outputs_table(outputs: Outputs) -> pa.Table:
    count = len(outputs.top1)
    if count == 0:
        return pa.table({"top1": np.zeros(0)})
    logits = _view(outputs.logits).reshape(count, -1).astype(np.float32)
    named = {f"logit_{index}": logits[:, index] for index in range(logits.shape[1])}
    return pa.table({"top1": _view(outputs.top1), "label": _view(outputs.label), **named})


def _outputs_from(table: pa.Table | None, facts: Json) -> Outputs:
    signature = tuple(float("nan") if value is None else float(value) for value in facts["signature"])
    if table is None:
        return Outputs(signature, facts["finite"])
    rows = np.column_stack([table.column(name).to_numpy() for name in table.column_names if name.startswith("logit_")])
    logits = no_values()
    logits.frombytes(np.ascontiguousarray(rows, np.float64).tobytes())
    top1, label = _named(table, ("top1", "label"))
    return Outputs(signature, facts["finite"], top1, label, logits)


def _named(table: pa.Table, names: tuple[str, ...]) -> list[array[float]]:
    return [column(table.column(name)) for name in names]


def _view(values: array[float]) -> Values:
    return np.frombuffer(values, np.float64) if len(values) else np.zeros(0)
