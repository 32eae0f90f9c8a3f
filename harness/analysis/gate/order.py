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
    if len(halves) < FEWEST_LAUNCHES:
        return f"{len(halves)} launches with both orders; an order effect needs {FEWEST_LAUNCHES}"
    values = np.asarray(halves, np.float64)
    mean, error = float(values.mean()), float(values.std(ddof=1)) / math.sqrt(len(values))
    half = t_above(_LEVEL, len(values) - 1) * error
    low, high = mean - half, mean + half
    matters = (low > 0 or high < 0) and abs(mean) > WORTH_SAYING
    bias, least, most = (math.expm1(one) for one in (mean, low, high))
    told = f"running second within a pair of blocks costs {bias:+.2%} ({least:+.2%} to {most:+.2%}, {len(values)}"
    end = "it cancels, as the order is random"
    if matters:
        end = "more than 0.3 %: the order is random, so no side gains, but the runs disturb each other"
    return OrderEffect(len(values), bias, least, most, matters, f"{told} launches); {end}")


def _of_launch(launch: effects.Launch, drop: int) -> float | None:
    logs = effects.block_logs(launch, drop)
    if isinstance(logs, effects.Absent) or len(logs) != len(launch.candidate_second):
        return None
    second = np.array(launch.candidate_second, bool)
    if not second.any() or second.all():
        return None
    return float(np.median(logs[second]) - np.median(logs[~second])) / 2
