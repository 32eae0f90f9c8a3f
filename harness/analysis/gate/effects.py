"""From a launch (both sides, fresh processes) to one log effect per metric. Knows no margin and no verdict.

An effect is ln(candidate / baseline), turned so that positive is worse. The median's is the median over pairs of
neighbouring blocks, so that a drift of the machine cancels; others take the whole launch (statistics.md, 4.5). It is a
difference of logarithms, not the logarithm of a ratio: swapping the sides then negates it to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from harness.analysis import stats
from harness.model.gate import Rule
from harness.model.metrics import REGISTRY
from harness.model.policy import better

# Below this many pairs of blocks a launch's effect is not the median of anything.
FEWEST_PAIRS = 4
# A position in a block counts as settled when it takes, over all blocks, at most this much longer than the block.
SETTLED = 1.02
FLOOR = "latency_p10_s"  # evidence beside the median, never gated: blind to partial slowdowns (statistics.md, 3.7)
MEDIAN = "latency_p50_s"
QUANTILES = {FLOOR: 0.1, "latency_p90_s": 0.9, "latency_p95_s": 0.95, "latency_p99_s": 0.99, "latency_p999_s": 0.999}
MEAN, THROUGHPUT = "latency_mean_s", "throughput_per_s"
TIMED = (MEDIAN, *QUANTILES, MEAN, THROUGHPUT)


@dataclass(frozen=True)
class Figure:
    """One number of a whole launch that is not a latency: memory, energy per inference, load."""

    value: float
    unit: str


@dataclass(frozen=True)
class Side:
    """What one process of a launch did: seconds per inference, the block (numbered from 0) each ran in, figures by
    metric. `absent`: why a figure is missing."""

    duration_s: stats.Values
    block: stats.Values
    figures: Mapping[str, Figure] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Launch:
    """Both sides of one launch. candidate_second: per pair of blocks, whether the candidate ran after the baseline.

    alternated: blocks of one number ran next to each other; False where both did not fit in memory and ran one after
    the other, whole.
    """

    baseline: Side
    candidate: Side
    candidate_second: tuple[bool, ...] = ()
    candidate_started_second: bool | None = None
    alternated: bool = True


@dataclass(frozen=True)
class Effect:
    """log: positive is worse. baseline, candidate: the launch's own values, for display."""

    log: float
    baseline: float
    candidate: float


@dataclass(frozen=True)
class Absent:
    """Why a launch has no effect of a metric. broken: what is there cannot be right; else it was not measured. scarce:
    there are too few inferences for it, as busy neighbours may leave in one launch and not in another."""

    reason: str
    broken: bool = False
    scarce: bool = False


LaunchEffects = Mapping[str, Effect | Absent]


def launch_effects(launch: Launch, rules: Iterable[Rule], drop: int = 0) -> LaunchEffects:
    """The effect of every rule's metric, and of the floor. drop: inferences left out at the head of each block."""
    directions = {rule.metric: better(rule) for rule in rules}
    timed = _timed(launch, drop)
    found: dict[str, Effect | Absent] = {}
    for metric, direction in {FLOOR: "lower", **directions}.items():
        if metric not in TIMED:
            found[metric] = _of_figures(launch, metric, direction)
        elif isinstance(timed, Absent):
            found[metric] = timed
        elif metric == MEDIAN and launch.alternated:
            found[metric] = _paired(*timed, direction)
        else:
            found[metric] = _whole(metric, *timed, direction)
    return found


def settling(launches: Sequence[Launch]) -> int:
    """How many inferences at the head of a block are slow from the switch: up to the last position, in the block's
    first half, whose median over all blocks exceeds 1.02 of its block. Both sides, so that it favours neither."""
    blocks = [
        block for one in launches for side in (one.baseline, one.candidate) for block in _blocks(side, 0).values()
    ]
    usable = [block / np.median(block) for block in blocks if len(block) >= 4 and np.all(block > 0)]
    if not usable:
        return 0
    half = min(len(block) for block in usable) // 2
    profile = np.median(np.stack([block[:half] for block in usable]), axis=0)
    slow = np.flatnonzero(profile > SETTLED)
    return int(slow[-1]) + 1 if len(slow) else 0


def block_logs(launch: Launch, drop: int = 0) -> stats.Values | Absent:
    """ln(candidate / baseline) of the medians of each pair of blocks, in the order of the blocks."""
    timed = _timed(launch, drop)
    if isinstance(timed, Absent):
        return timed
    baseline, candidate = ([float(np.median(block)) for block in blocks.values()] for blocks in timed)
    return np.asarray(np.log(candidate) - np.log(baseline), np.float64)


_Blocks = dict[int, stats.Values]


def _timed(launch: Launch, drop: int) -> tuple[_Blocks, _Blocks] | Absent:
    """The blocks of both sides without their heads; Absent where no honest effect can come of them."""
    for name, side in (("baseline", launch.baseline), ("candidate", launch.candidate)):
        reason = _unusable(side)
        if reason:
            return Absent(f"{name}: {reason}", broken=True)
    baseline, candidate = _blocks(launch.baseline, drop), _blocks(launch.candidate, drop)
    if not launch.alternated:
        return (baseline, candidate) if baseline and candidate else Absent("no inference is left", broken=True)
    if baseline.keys() != candidate.keys():
        return Absent(
            f"{len(baseline)} blocks of the baseline, {len(candidate)} of the candidate: no pairs", broken=True
        )
    if len(baseline) < FEWEST_PAIRS:
        return Absent(f"{len(baseline)} pairs of blocks; at least {FEWEST_PAIRS} are needed", broken=True)
    return baseline, candidate


def _unusable(side: Side) -> str:
    times = side.duration_s
    if len(times) == 0:
        return "no inference was timed"
    if len(times) != len(side.block):
        return f"{len(times)} times with {len(side.block)} numbers of blocks"
    if not np.all(np.isfinite(times)):
        return f"{int(np.sum(~np.isfinite(times)))} of {len(times)} times are no number"
    if np.any(times <= 0):
        return f"{int(np.sum(times <= 0))} of {len(times)} times are zero or negative: the clock is too coarse or wrong"
    if len(times) > 1 and np.ptp(times) == 0:
        return f"all {len(times)} inferences took exactly {times[0]:.6g} s: a clock that does not measure"
    return ""


def _blocks(side: Side, drop: int) -> _Blocks:
    numbers = np.asarray(side.block, np.int64)
    parts = {int(number): np.asarray(side.duration_s, np.float64)[numbers == number] for number in np.unique(numbers)}
    return {number: part[drop:] for number, part in parts.items() if len(part) > drop}


def _paired(baseline: _Blocks, candidate: _Blocks, direction: str) -> Effect | Absent:
    pairs = [(float(np.median(baseline[k])), float(np.median(candidate[k]))) for k in baseline]
    log = float(np.median([math.log(after) - math.log(before) for before, after in pairs]))
    medians = [float(np.median(np.concatenate(list(side.values())))) for side in (baseline, candidate)]
    return Effect(_turned(log, direction), medians[0], medians[1])


def _whole(metric: str, baseline: _Blocks, candidate: _Blocks, direction: str) -> Effect | Absent:
    before, after = (np.concatenate(list(side.values())) for side in (baseline, candidate))
    q = 0.5 if metric == MEDIAN else QUANTILES.get(metric)
    if q is not None and q > 0.5:
        needed, fewest = stats.needed_per_launch(q), min(len(before), len(after))
        if fewest < needed:
            return Absent(f"{fewest} inferences a launch; p{q * 100:g} needs {needed}", scarce=True)
    statistic: Callable[[stats.Values], float]
    if q is not None:
        level = q
        statistic = lambda values: stats.quantile(values, level)  # noqa: E731
    elif metric == MEAN:
        statistic = lambda values: float(values.mean())  # noqa: E731
    else:
        statistic = lambda values: len(values) / float(values.sum())  # noqa: E731
    return _ratio(statistic(before), statistic(after), direction)


def _of_figures(launch: Launch, metric: str, direction: str) -> Effect | Absent:
    before, after = launch.baseline.figures.get(metric), launch.candidate.figures.get(metric)
    if before is None and after is None:
        reasons = launch.baseline.absent.get(metric) or launch.candidate.absent.get(metric)
        return Absent(reasons or "was not measured")
    if before is None or after is None:
        name, side = ("baseline", launch.baseline) if before is None else ("candidate", launch.candidate)
        return Absent(f"is missing of the {name} alone: {side.absent.get(metric) or 'was not measured'}", broken=True)
    unit = REGISTRY[metric].unit
    if before.unit != unit or after.unit != unit:
        return Absent(f"is in {before.unit} and {after.unit}, to be compared in {unit}", broken=True)
    return _ratio(before.value, after.value, direction)


def _ratio(before: float, after: float, direction: str) -> Effect | Absent:
    for name, value in (("baseline", before), ("candidate", after)):
        if not math.isfinite(value) or value <= 0:
            return Absent(f"is {value:g} of the {name}: a ratio needs a number above zero", broken=True)
    return Effect(_turned(math.log(after) - math.log(before), direction), before, after)


def _turned(log: float, direction: str) -> float:
    return log if direction == "lower" else -log
