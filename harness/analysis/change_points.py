"""Where the level of a series of few values moves. Owns the test and its error rate; knows no run and no metric.

Change points are found as by Apache Otava (Fleming and others, ICPE 2023): E-divisive's splitting of logarithms with a
t-test instead of permutations, in an easy and a strict pass. In addition: the p-value of the best of all splits
(Bonferroni), outliers drawn in to 4 standard deviations, a split in three for what came and went, and neighbours that
resemble each other allowed for.

By tests/study/history.py, at a nominal 1 %: false alarms in 0.3 to 1.4 % of A/A series of 7 to 40 runs (normal, t3, 5 %
outliers; up to 2.8 % of exponential noise), in 3 to 5 % where neighbours correlate by 0.3 and 3 to 10 % at 0.5. Otava's
own default raised them in 0.7 to 12 % of the former, and its package wants one version of numpy and clients of a
warehouse, a database and a chat. Pelt of ruptures: up to 48 % with squares; 0 to 2 % with absolute values, by which it
finds a move three runs ago in 44 to 70 % where this finds it in 75 to 96 %; it is compiled and takes 0.8 s to import.
So neither is a dependency.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from harness.analysis import stats

# A level needs so many runs: two that agree may be chance.
FEWEST = 3
ALPHA = 0.01
# So much more easily convinced is the first pass (Otava's factor).
EASILY = 10.0
# In robust standard deviations from the median: further out, one run would speak for many.
CLIPPED = 4.0
# Of logarithms: less than a hundredth of a per cent is no noise of a run.
LEAST_NOISE = 1e-4


def change_points(logs: Sequence[float], alpha: float = ALPHA) -> tuple[tuple[int, float], ...]:
    """Where the level of a series of logarithms moves: the first index of each new level, with its p-value.

    Two passes, as Otava's: one that is easily convinced splits the series; in the second each split has to hold between
    its two neighbouring levels, the weakest going first.
    """
    values = np.asarray(logs, np.float64)
    places: list[int] = []
    waiting = [(0, len(values))]
    while waiting:
        start, end = waiting.pop()
        inner = [start + place for place in _candidates(values[start:end], EASILY * alpha)]
        places += inner
        edges = [start, *inner, end]
        waiting += list(pairwise(edges)) if inner else []
    return _strict(values, sorted(places), alpha)


def _strict(values: stats.Values, places: list[int], alpha: float) -> tuple[tuple[int, float], ...]:
    """Those that hold, with their p-values."""
    while places:
        places = _refined(values, places)
        edges = [0, *places, len(values)]
        shrunk = _correlated(values, edges)
        found = [
            (place, _p_between(values[start:end], place - start, shrunk))
            for start, place, end in zip(edges, places, edges[2:], strict=False)
        ]
        weakest = max(found, key=lambda one: one[1])
        if weakest[1] <= alpha:
            return tuple(found)
        places = [place for place in places if place != weakest[0]]
    return ()


def _refined(values: stats.Values, places: Sequence[int]) -> list[int]:
    """Each place where it parts best what lies between its neighbours: seen from afar a great step hides a small."""
    edges = [0, *places, len(values)]
    for number in range(1, len(edges) - 1):
        start, end = edges[number - 1], edges[number + 1]
        ends = np.arange(FEWEST, end - start - FEWEST + 1)
        t = _t_of_part(_tamed(values[start:end]), np.zeros_like(ends), ends)
        edges[number] = start + int(ends[np.argmax(t)])
    return edges[1:-1]


def _candidates(values: stats.Values, level: float) -> list[int]:
    """One place, or two between which the series differs from what is before and behind; none above the level.

    The second is for what came and went, which no single split shows. Source: Olshen et al., Biostatistics 5 (2004).
    """
    count = len(values)
    if count < 2 * FEWEST:
        return []
    starts, ends = np.triu_indices(count + 1, FEWEST)
    possible = (
        ((starts == 0) | (starts >= FEWEST)) & ((ends == count) | (count - ends >= FEWEST)) & (ends - starts < count)
    )
    starts, ends = starts[possible], ends[possible]
    t = _t_of_part(_tamed(values), starts, ends)
    best: list[int] = []
    least = level
    single = (starts == 0) | (ends == count)
    for chosen, splits in ((starts == 0, float((starts == 0).sum())), (~single, float((~single).sum()))):
        if chosen.any():
            place = int(np.argmax(np.where(chosen, t, -1.0)))
            p = splits * _two_sided(float(t[place]), count)
            if p <= least:
                best = [one for one in (int(starts[place]), int(ends[place])) if 0 < one < count]
                least = p
    return best


def _p_between(values: stats.Values, place: int, shrunk: float) -> float:
    """Of two neighbouring levels: how likely the best of all splits of one level differs as much as this one."""
    count = len(values)
    t = _t_of_part(_tamed(values), np.array([0]), np.array([place]))[0]
    return min(1.0, (count - 2 * FEWEST + 1) * _two_sided(float(t) * shrunk, count))


def _t_of_part(values: stats.Values, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> stats.Values:
    """Student's t of each part against the rest."""
    count, sums = len(values), np.concatenate([[0.0], np.cumsum(values)])
    size, part = ends - starts, sums[ends] - sums[starts]
    inner, outer = part / size, (sums[-1] - part) / (count - size)
    within = (values**2).sum() - size * inner**2 - (count - size) * outer**2
    error = np.sqrt(np.maximum(within, 1e-12) / (count - 2) * (1 / size + 1 / (count - size)))
    return np.asarray(np.abs(inner - outer) / error)


def _two_sided(t: float, count: int) -> float:
    from scipy.special import stdtr  # late: only those who look at a history pay for it

    return 2 * float(stdtr(count - 2, -t))


def _tamed(values: stats.Values) -> stats.Values:
    """In robust standard deviations from the median, outliers drawn in. Noise by successive differences, which a change
    of level enters but once."""
    noise = stats.NORMAL_MAD * float(np.median(np.abs(np.diff(values)))) / math.sqrt(2)
    return np.clip((values - np.median(values)) / max(noise, LEAST_NOISE), -CLIPPED, CLIPPED)


def _correlated(values: stats.Values, edges: Sequence[int]) -> float:
    """By how much neighbours that resemble each other lessen a t: sqrt((1 - r) / (1 + r)), r of lag 1 within levels,
    plus 1/n for each of them, by which it is too small. Source: Bayley and Hammersley, JRSS Suppl. 8 (1946)."""
    parts = [_tamed(values[start:end]) for start, end in pairwise(edges)]
    residual = [part - part.mean() for part in parts]
    power = sum(float((part**2).sum()) for part in residual)
    if power <= 0:
        return 1.0
    r = sum(float((part[1:] * part[:-1]).sum()) for part in residual) / power + len(parts) / len(values)
    r = min(0.9, max(0.0, r))
    return math.sqrt((1 - r) / (1 + r))
