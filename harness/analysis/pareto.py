"""Which of several candidates are worth choosing: Pareto's dominance between estimates that have intervals.

Pure numpy; knows no verdict and no case: its caller decides who may compete, and says it in words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.analysis.stats import Values
from harness.model.metrics import REGISTRY
from harness.model.verdict import Summary

State = Literal["front", "possibly dominated", "dominated"]
# Of two candidates, by number, in a figure, by number: whether they can be told apart; None: as their intervals say.
ToldApart = Callable[[int, int, int], bool | None]


@dataclass(frozen=True)
class Standing:
    """best: by the points alone nobody is at least as good in every figure and better in one, so that a line of the
    front runs through it. by: the number of the first candidate that dominates it, or possibly does."""

    state: State
    best: bool
    by: int | None = None


def standings(candidates: Sequence[Sequence[Summary]], told_apart: ToldApart | None = None) -> tuple[Standing, ...]:
    """Of each candidate among all of them, each given by its summaries of the same metrics in the same order.

    Dominated: by another one whose points are at least as good in every figure, and in one of them clearly better, as
    the intervals separate. Possibly dominated: by one that is clearly worse in none, and is either at least as good in
    all by its points, or clearly better in one. Where an interval is missing nothing is clearly better, and a point
    that is worse counts as clearly worse: what is not known excuses nobody.

    told_apart: a better comparison than that of two intervals, asked only where those overlap or are missing, the
    points differ, and it decides something. Separate intervals need none: their half-widths add up to more than the
    half-width of the difference, however the two errors go together.
    """
    if not candidates:
        return ()
    figures = np.array([_row(summaries) for summaries in candidates])
    return tuple(_standing(number, figures, told_apart) for number in range(len(candidates)))


def _row(summaries: Sequence[Summary]) -> list[tuple[float, float, float]]:
    """Per figure (point, low, high), turned so that more is better; NaN for the ends of a missing interval."""
    found = []
    for one in summaries:
        sign = 1.0 if REGISTRY[one.metric].better == "higher" else -1.0
        ends = (np.nan, np.nan) if one.low is None or one.high is None else sorted((sign * one.low, sign * one.high))
        found.append((sign * one.point, *ends))
    return found


def _standing(number: int, figures: Values, told_apart: ToldApart | None) -> Standing:
    """figures: candidates x figures x (point, low, high)."""
    point, low, high = figures[..., 0], figures[..., 1], figures[..., 2]
    better: NDArray[np.bool_] = low > high[number]
    known = np.isfinite(low) & np.isfinite(high[number])
    worse = np.where(known, high < low[number], point < point[number])
    if told_apart is not None:
        hopeless = np.any(high < low[number], axis=1, keepdims=True)
        undecided = ~better & ~hopeless & (point != point[number])
        for other, figure in np.argwhere(undecided).tolist():
            told = told_apart(number, other, figure)
            if told is not None:
                ahead = bool(point[other, figure] > point[number, figure])
                better[other, figure], worse[other, figure] = told and ahead, told and not ahead
    clearly_better, clearly_worse = np.any(better, axis=1), np.any(worse, axis=1)
    as_good = np.all(point >= point[number], axis=1) & np.any(point > point[number], axis=1)
    dominating = np.flatnonzero(as_good & clearly_better)
    possibly = np.flatnonzero(~clearly_worse & (as_good | clearly_better))
    best = not bool(as_good.any())
    if len(dominating):
        return Standing("dominated", best, int(dominating[0]))
    if len(possibly):
        return Standing("possibly dominated", best, int(possibly[0]))
    return Standing("front", best)
