"""What another tool's file holds, as a value: cells of processes, conditions, and what it lacks. Reads no file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.foreign.checks import number
from harness.model.codec import Json, from_json, to_json

# 1: first version.
SCHEMA = "harness.foreign/1"
# Figures are a tool's own, scaled and divided by each other.
_MOST_KEPT = 1e100
# What the kinds lack has these beginnings, so that everything that says it says it alike.
NO_PROCESSES = "no process level: one process, so nothing is known of the next"
NO_SAMPLES = "no raw samples: quantiles and means as the tool formed them"
NO_STATE = "no power mode, clocks, temperature or other load"


@dataclass(frozen=True)
class ForeignCell:
    """One process's figures of one benchmark. metrics: by names of the registry, SI. count: inferences behind them,
    None where it is not told. samples_s: latencies in order, empty where the file has none. resolution_s: of the
    printed latencies, 0 where they are not rounded to be noticed. missing: reasons for figures that the file has but
    that are no metric here."""

    name: str
    metrics: Mapping[str, float]
    count: int | None = None
    samples_s: tuple[float, ...] = ()
    resolution_s: float = 0.0
    missing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ForeignResult:
    """Of one file, or of several processes together. Cells of one name are processes of one benchmark. conditions: by
    label, what is known of where and how; lacks: sentences; started_utc: empty where it is not told."""

    kind: str
    sources: tuple[str, ...]
    tool: str
    cells: tuple[ForeignCell, ...]
    conditions: Mapping[str, str] = field(default_factory=dict)
    lacks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    started_utc: str = ""
    schema: str = SCHEMA


def names(result: ForeignResult) -> tuple[str, ...]:
    """Of its benchmarks, each once, in order."""
    return tuple(dict.fromkeys(cell.name for cell in result.cells))


def processes(result: ForeignResult, name: str) -> tuple[ForeignCell, ...]:
    """The processes of one benchmark."""
    return tuple(cell for cell in result.cells if cell.name == name)


def result_json(result: ForeignResult) -> Json:
    """harness.foreign/1; a `compare` takes it for one of its runs."""
    told = to_json(result)
    return {"schema": told.pop("schema"), **told}


def result_from(data: Json, where: str) -> ForeignResult:
    """Back again. UsageError."""
    found = from_json(ForeignResult, data, where)
    for cell in found.cells:
        for metric, value in cell.metrics.items():
            number(value, f"{where}: {cell.name}: {metric}", _MOST_KEPT)
        for value in (*cell.samples_s, cell.resolution_s):
            number(value, f"{where}: {cell.name}", _MOST_KEPT)
    return found
