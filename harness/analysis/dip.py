"""Hartigan's dip: how far values are from every distribution with one mode. Pure numpy; knows no launch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.analysis.stats import Values

Knots = NDArray[np.int64]
# Times the root of the number of values: the 99 % quantile for uniform values, the hardest that have one mode. It was
# 0.59, 0.60, 0.61 and 0.63 for 100, 250, 500 and 1,000 values (5,000 draws each, diptest 0.12).
CRITICAL = 0.63
# Equal values are set apart by this share of the range, so that every hull is a function of its value.
APART = 1e-9


def dip(values: Values) -> float:
    """The greatest distance between the empirical distribution and the nearest unimodal one, at most 1/4.

    The modal interval shrinks until the convex minorant at its left and the concave majorant at its right leave no
    wider gap than what was found outside of it. Source: P. M. Hartigan, Applied Statistics 34 (1985), AS 217.
    """
    x = np.sort(values)
    count = len(x)
    if count < 4 or x[-1] <= x[0]:
        return 1 / (2 * max(count, 1))
    x = (x - x[0]) / (x[-1] - x[0]) + APART * np.arange(count)
    low, high, found = 0, count - 1, 1.0
    while True:
        minorant, majorant = _hull(x, low, high, 1), _hull(x, low, high, -1)
        gap, left, right = _widest(x, minorant, majorant)
        if gap < found:
            break
        outside = (
            _farthest(x, minorant[minorant <= left], 1),
            _farthest(x, majorant[majorant >= right], -1),
        )
        found = max(found, *outside)
        if (left, right) == (low, high):
            break
        low, high = left, right
    return found / (2 * count)


def _hull(x: Values, low: int, high: int, sign: int) -> Knots:
    """Knots of the greatest convex minorant (sign 1) or least concave majorant (-1) of rank over value."""
    at = x.tolist()
    kept: list[int] = []
    for i in range(low, high + 1):
        while len(kept) > 1 and sign * _turn(at, kept[-2], kept[-1], i) <= 0:
            kept.pop()
        kept.append(i)
    return np.array(kept)


def _turn(at: list[float], a: int, b: int, c: int) -> float:
    """Above 0 where the line through three points (value, rank) turns upwards."""
    return (c - b) * (at[b] - at[a]) - (b - a) * (at[c] - at[b])


def _widest(x: Values, minorant: Knots, majorant: Knots) -> tuple[float, int, int]:
    """The widest gap between the hulls, in ranks, and the knots around it: left of the minorant, right of the other."""
    knots = np.union1d(minorant, majorant)[1:-1]
    if not len(knots):
        return 1.0, int(minorant[0]), int(majorant[-1])
    gaps = np.interp(x[knots], x[majorant], majorant) - np.interp(x[knots], x[minorant], minorant) + 1
    widest = int(np.argmax(gaps))
    at = knots[widest]
    left = minorant[np.searchsorted(minorant, at, "right") - 1]
    right = majorant[np.searchsorted(majorant, at, "left")]
    return float(gaps[widest]), int(left), int(right)


def _farthest(x: Values, knots: Knots, sign: int) -> float:
    """How far the ranks get from a hull, at least 1."""
    if len(knots) < 2:
        return 1.0
    inside = np.arange(knots[0], knots[-1] + 1)
    away = sign * (inside - np.interp(x[inside], x[knots], knots)) + 1
    return max(1.0, float(away.max()))
