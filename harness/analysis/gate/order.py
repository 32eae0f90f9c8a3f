"""Whether it matters who runs second. Reports a bias of the order; the seeded random order cancels it from effects.

On the machine of statistics.md running second in a pair cost 0.1 to 0.2 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.analysis.gate import effects
from harness.analysis.gate.decide import t_above
from harness.model.gate import FEWEST_LAUNCHES

WORTH_SAYING = 0.003  # the bias that a calibration accepts (statistics.md, 4.10)
_LEVEL = 0.025


@dataclass(frozen=True)
class OrderEffect:
    """Relative cost of running second, with its 95 % interval, from n launches. matters: real and worth saying."""

    n: int
    bias: float
    low: float
    high: float
    matters: bool
    reason: str


def order_effect(launches: Sequence[effects.Launch], drop: int = 0) -> OrderEffect | str:
    """Of the blocks of each pair; a sentence where it cannot be told.

    Per launch: half the difference between the pairs in which the candidate ran second and those in which it ran first,
    so that the candidate's own effect cancels; Student's t over launches.
    """
    halves = [half for launch in launches if (half := _of_launch(launch, drop)) is not None]
    return _tested(halves, "running second within a pair of blocks")


def start_effect(logs: Sequence[float], candidate_started_second: Sequence[bool]) -> OrderEffect | str:
    """Of the processes' start, from launch effects: half the difference of the two groups, Welch's interval."""
    second = np.array([log for log, flag in zip(logs, candidate_started_second, strict=True) if flag])
    first = np.array([log for log, flag in zip(logs, candidate_started_second, strict=True) if not flag])
    if min(len(first), len(second)) < 2:
        return "each side must start second in two launches before an order effect can be told"
    parts = [float(group.var(ddof=1)) / len(group) for group in (second, first)]
    error = math.sqrt(sum(parts)) / 2
    if error == 0:
        return "the launches do not vary: no order effect can be told"
    # Welch-Satterthwaite, rounded down to the safe side.
    freedom = max(
        1, int(sum(parts) ** 2 / sum(v**2 / (len(g) - 1) for v, g in zip(parts, (second, first), strict=True)))
    )
    return _said(len(logs), float(second.mean() - first.mean()) / 2, error, freedom, "starting second")


def _of_launch(launch: effects.Launch, drop: int) -> float | None:
    logs = effects.block_logs(launch, drop)
    if isinstance(logs, effects.Absent) or len(logs) != len(launch.candidate_second):
        return None
    second = np.array(launch.candidate_second, bool)
    if not second.any() or second.all():
        return None
    return float(np.median(logs[second]) - np.median(logs[~second])) / 2


def _tested(halves: Sequence[float], what: str) -> OrderEffect | str:
    if len(halves) < FEWEST_LAUNCHES:
        return f"{len(halves)} launches with both orders; an order effect needs {FEWEST_LAUNCHES}"
    values = np.asarray(halves, np.float64)
    error = float(values.std(ddof=1)) / math.sqrt(len(values))
    return _said(len(values), float(values.mean()), error, len(values) - 1, what)


def _said(count: int, mean: float, error: float, freedom: int, what: str) -> OrderEffect:
    half = t_above(_LEVEL, freedom) * error
    low, high = mean - half, mean + half
    real = low > 0 or high < 0
    matters = real and abs(mean) > WORTH_SAYING
    shown = (
        f"{what} costs {math.expm1(mean):+.2%} ({math.expm1(low):+.2%} to {math.expm1(high):+.2%}, {count} launches)"
    )
    tail = "more than 0.3 %: the order is random, so no side gains, but the runs disturb each other" if matters else ""
    reason = f"{shown}; {tail}" if tail else f"{shown}; it cancels, as the order is random"
    return OrderEffect(count, math.expm1(mean), math.expm1(low), math.expm1(high), matters, reason)
