"""Comparisons in which a side is another tool's result: never more is said than that side supports.

Each process that a tool ran is a launch. From six of them on each side there is an interval, as of the harness's own;
below that there is a ratio and no verdict. Conditions that a side does not tell are told as such.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.analysis import stats
from harness.analysis.cells import Cell, cells_of
from harness.analysis.comparability import CONDITIONS, NAMES, UNKNOWN, Difference
from harness.analysis.compare import CONSTANT, EXACT, MARGINS, SHARES, side_of
from harness.analysis.launch_checks import LAUNCHES_FOR_INTERVAL
from harness.analysis.summaries import launch_values
from harness.errors import UnknownName, UsageError
from harness.foreign.result import ForeignResult, names, processes
from harness.model.gate import Comparison
from harness.model.metrics import REGISTRY
from harness.store.store import StoredRun

HARNESS = "harness"
# Which benchmarks are held against each other; it says no more than that.
BENCHMARK = "benchmark"
_MOST_NAMES = 5
# Another tool measures something else: CUDA events, a queue's wait, the mean of many. Of these a difference means that
# nothing is compared; the others are told.
TOOL, BOARD, RUNTIME, SCENARIO = "tool", "board", "runtime", "scenario"
_NAMES: Mapping[str, str] = {
    "tool": TOOL,
    "board": BOARD,
    "number of cores": BOARD,
    "runtime": RUNTIME,
    "provider in force": RUNTIME,
    "precision": "precision",
    "scenario": SCENARIO,
    "batch": SCENARIO,
    "samples of a query": SCENARIO,
    "parallel requests": SCENARIO,
    "target rate": SCENARIO,
    "API": SCENARIO,
    "inputs": "inputs",
}
MEANINGLESS = (TOOL, BOARD, RUNTIME, SCENARIO)
ALLOWED = tuple(dict.fromkeys((*NAMES, TOOL)))


@dataclass(frozen=True)
class Figure:
    """A metric of a cell: what stands for it, and its value of each process, as far as they are known."""

    point: float
    values: tuple[float, ...] = ()
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Outside:
    """A side of a comparison, whatever measured it. cells: by name, figures by metric; resolution_s: by cell, of its
    latencies; lacks: what the tool does not tell."""

    name: str
    tool: str
    cells: Mapping[str, Mapping[str, Figure]]
    conditions: Mapping[str, str] = field(default_factory=dict)
    resolution_s: Mapping[str, float] = field(default_factory=dict)
    lacks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def of_result(result: ForeignResult) -> Outside:
    """Another tool's."""
    cells, resolutions = {}, {}
    for name in names(result):
        found = processes(result, name)
        metrics = dict.fromkeys(metric for one in found for metric in one.metrics)
        cells[name] = {
            metric: _figure([one.metrics[metric] for one in found if metric in one.metrics]) for metric in metrics
        }
        resolutions[name] = max(one.resolution_s for one in found)
    shown = f"{result.kind} ({', '.join(result.sources)})"
    conditions = {"tool": result.kind, **result.conditions}
    return Outside(shown, result.kind, cells, conditions, resolutions, result.lacks, result.notes)


def of_run(stored: StoredRun) -> Outside:
    """The harness's own, seen as another tool's would be. Cells that are invalid are left out, with a note."""
    found = cells_of(stored)
    kept = [cell for cell in found if cell.result.verdict != "invalid"]
    several = len({cell.key[0] for cell in found}) < len(found)
    cells = {" ".join(cell.key) if several else cell.key[0]: _figures(cell) for cell in kept}
    notes = tuple(f"{' '.join(cell.key)} is invalid and left out" for cell in found if cell not in kept)
    trials = [trial for cell in kept for trial in cell.timed]
    conditions = {"tool": HARNESS}
    for condition in CONDITIONS:
        values = {str(value) for trial in trials if (value := condition.read(trial)) is not None}
        if values:
            conditions[condition.label] = " and ".join(sorted(values))
    return Outside(stored.run.id, HARNESS, cells, conditions, notes=notes)


def differences(baseline: Outside, candidate: Outside, allowed: Collection[str] = ()) -> tuple[Difference, ...]:
    """What differs, and what a side does not tell, what makes it meaningless first. UnknownName for an allowed name
    that is none."""
    for name in allowed:
        if name not in ALLOWED:
            raise UnknownName("condition", name, ALLOWED)
    found = []
    for label in dict.fromkeys((*_NAMES, *baseline.conditions, *candidate.conditions)):
        before, after = (side.conditions.get(label, UNKNOWN) for side in (baseline, candidate))
        if before != after:
            name = _NAMES.get(label, "system")
            known = UNKNOWN not in (before, after)
            sentence = f"{label}: {before} in the baseline, {after} in the candidate"
            found.append(Difference(name, sentence, name in MEANINGLESS and known and name not in allowed))
    found += [Difference(BENCHMARK, sentence) for sentence in _names_apart(baseline, candidate)]
    return tuple(sorted(found, key=lambda one: not one.meaningless))


def _names_apart(baseline: Outside, candidate: Outside) -> Iterator[str]:
    """What is held against another name, and what against nothing."""
    if _alone(baseline, candidate):
        before, after = next(iter(baseline.cells)), next(iter(candidate.cells))
        if before != after:
            yield f"benchmark: {before} in the baseline, {after} in the candidate, the only one of each"
        return
    for word, side, other in (("baseline", baseline, candidate), ("candidate", candidate, baseline)):
        lone = [name for name in side.cells if name not in other.cells]
        if lone:
            yield f"benchmarks of the {word} alone, which are not compared: {_some(lone)}"


def compare(baseline: Outside, candidate: Outside, margins: Mapping[str, float] = MARGINS) -> tuple[Comparison, ...]:
    """Every metric that either side has, of the cells that both have. UsageError where that is none."""
    pairs = _matched(baseline, candidate)
    return tuple(one for old, new in pairs for one in _of_cell(baseline, candidate, (old, new), margins))


def _matched(baseline: Outside, candidate: Outside) -> tuple[tuple[str, str], ...]:
    """Names of both sides; a single cell on each side belongs together whatever they are called, which `differences`
    tells."""
    if _alone(baseline, candidate):
        return ((next(iter(baseline.cells)), next(iter(candidate.cells))),)
    pairs = tuple((name, name) for name in candidate.cells if name in baseline.cells)
    if not pairs:
        listed = [_some(list(side.cells)) or "none" for side in (baseline, candidate)]
        raise UsageError(
            f"the two have no benchmark in common: the baseline has {listed[0]}; the candidate has {listed[1]}; "
            "compare results of the same benchmarks"
        )
    return pairs


def _alone(baseline: Outside, candidate: Outside) -> bool:
    """One benchmark on each side: a tool may name it by its file, which has another name each time."""
    return len(baseline.cells) == len(candidate.cells) == 1


def _some(listed: Sequence[str]) -> str:
    more = len(listed) - _MOST_NAMES
    return ", ".join(listed[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _of_cell(
    baseline: Outside, candidate: Outside, pair: tuple[str, str], margins: Mapping[str, float]
) -> Iterator[Comparison]:
    sides = (baseline, candidate)
    figures = [side.cells[name] for side, name in zip(sides, pair, strict=True)]
    resolution = max(side.resolution_s.get(name, 0.0) for side, name in zip(sides, pair, strict=True))
    for metric in REGISTRY:
        before, after = (known.get(metric) for known in figures)
        if before is None and after is None:
            continue
        margin = margins.get(metric, MARGINS[metric])
        blank = Comparison(pair[1], metric, "unclear", margin)
        if before is None or after is None:
            word = "baseline" if before is None else "candidate"
            points = (None if before is None else before.point, None if after is None else after.point)
            reason = f"the {word} does not have it"
            yield replace(blank, baseline=points[0], candidate=points[1], missing=reason)
            continue
        tools = (baseline.tool, candidate.tool)
        yield _compared(
            replace(blank, baseline=before.point, candidate=after.point), (before, after), tools, resolution
        )


def _compared(
    blank: Comparison, figures: tuple[Figure, Figure], tools: tuple[str, str], resolution_s: float
) -> Comparison:
    before, after = figures
    if not all(math.isfinite(one.point) and one.point > 0 for one in figures):
        return replace(blank, missing=f"no ratio of {after.point:g} to {before.point:g}: both must be above 0")
    blank = replace(blank, ratio=after.point / before.point, n=min(len(one.values) for one in figures))
    if blank.metric in EXACT:
        return _judged(replace(blank, low=blank.ratio, high=blank.ratio, n=1, method="exact"))
    reason = _why_unclear(blank.metric, figures, tools, resolution_s)
    if reason:
        return replace(blank, missing=reason)
    logs = [[math.log(value) for value in one.values] for one in figures]
    ratio, low, high = stats.ratio_interval(logs[0], logs[1])
    method = f"{len(logs[0])} and {len(logs[1])} processes, not paired; trimmed means of logs, Yuen's t"
    return _judged(replace(blank, ratio=ratio, low=low, high=high, method=method))


def _why_unclear(metric: str, figures: tuple[Figure, Figure], tools: tuple[str, str], resolution_s: float) -> str:
    if metric in SHARES:
        return "not the same images for certain: compare two runs of the harness"
    for word, tool, one in zip(("baseline", "candidate"), tools, figures, strict=True):
        count = len(one.values)
        if count < LAUNCHES_FOR_INTERVAL:
            some = "1 process" if count == 1 else f"{count} processes"
            return f"{word}: {some} of {tool}; the interval cannot be known from fewer than {LAUNCHES_FOR_INTERVAL}"
        if not all(math.isfinite(value) and value > 0 for value in one.values):
            return f"{word}: a process gave {min(one.values):g}, which must be above 0"
        if REGISTRY[metric].unit != "B" and max(one.values) <= min(one.values) * (1 + CONSTANT):
            return f"{word}: all {count} processes gave {one.point:.6g}: rounded, or a clock this coarse"
        if REGISTRY[metric].unit == "s" and resolution_s > 0.1 * (max(one.values) - min(one.values)):
            return f"{word}: times are rounded to {resolution_s:g} s, too coarse for what is between its processes"
    return ""


def _judged(one: Comparison) -> Comparison:
    assert one.low is not None  # noqa: S101  # its callers give both
    assert one.high is not None  # noqa: S101
    return replace(one, side=side_of(one.metric, one.low, one.high, one.margin))


def _figure(values: Sequence[float]) -> Figure:
    """The median of the processes, as of launches."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    point = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    interval = stats.order_interval(values)
    return Figure(point, tuple(values), *(interval or (None, None)))


def _figures(cell: Cell) -> dict[str, Figure]:
    by_launch = launch_values(cell.timed)
    found = {}
    for metric, summary in cell.result.metrics.items():
        values = tuple(float(value) for value in by_launch.get(metric, ()) if value is not None)
        found[metric] = Figure(summary.point, values, summary.low, summary.high)
    return found
