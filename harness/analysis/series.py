"""One launch's latencies as a series in time: how correlated, whether it drifts, has two modes, or bursts of slow ones.

Pure numpy over durations in seconds; knows no trial and judges nothing. None of this enters an interval between
launches: it says how far a launch can be believed. Rates quoted below are of `python -m tests.study.intervals`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from harness.analysis import stats
from harness.analysis.dip import CRITICAL, dip
from harness.analysis.stats import Values

# Block medians per launch for the tests of drift; statistics.md 3.7 measured both tests on as many.
BLOCKS = 20
# Under this many inferences a block is no block, and nothing is said of drift.
LEAST_PER_BLOCK = 5
DRIFT_P = 0.01
# Smaller shifts are no news: launches differ by more.
LEAST_SHIFT = 0.02
# Seeded draws behind the permutation test: 1 % is then known to about +-0.1 %.
DRAWS = 10_000
# Values that the dip is taken of: evenly thinned, which also thins their correlation.
DIP_VALUES = 200
# Modes nearer than this, or of fewer values, move no statistic that is reported.
LEAST_MODE_GAP = 0.05
LEAST_MODE_SHARE = 0.10
# Slow: so much above the median, and so many robust standard deviations.
SLOW_RATIO = 1.5
SLOW_SPREADS = 6.0
# Fewer in a row happen by chance where 3 % are slow: 0.03^4 is one in a million.
LEAST_BURST = 4


@dataclass(frozen=True)
class Drift:
    """A change of level within a launch. `change`: relative, last level over first; `kind`: what saw it."""

    kind: str
    change: float
    p_kendall: float
    p_cusum: float


@dataclass(frozen=True)
class Modes:
    """Two levels that a launch went to and fro between, s, and the share of inferences at the higher one."""

    low_s: float
    high_s: float
    share_high: float


@dataclass(frozen=True)
class Burst:
    """Slow inferences in a row: the first one's number, how many, and the time they took beyond the median."""

    first: int
    count: int
    excess_s: float


def autocorrelation_time(values: Values) -> float:
    """Integrated autocorrelation time in inferences by Geyer's initial positive sequence; 1 where nothing varies.

    tau = -1 + 2 sum of (rho(2m) + rho(2m+1)) up to the first such pair that is not positive. Never below 1: a series
    that alternates is not credited with more values than it has. Source: Geyer, Statistical Science 7 (1992), 3.3.
    """
    count = len(values)
    centred = values - values.mean() if count else values
    if count < 4 or not float(np.abs(centred).max()) > 1e-12 * float(np.abs(values).max()):
        return 1.0
    size = 1 << (2 * count - 1).bit_length()
    covariance = np.fft.irfft(np.abs(np.fft.rfft(centred, size)) ** 2, size)[:count]
    rho = covariance / covariance[0]
    pairs = rho[0 : count - 1 : 2] + rho[1:count:2]
    ends = np.flatnonzero(pairs <= 0)
    kept = pairs[: int(ends[0])] if len(ends) else pairs
    return max(1.0, 2 * float(kept.sum()) - 1)


def quantile_time(values: Values, q: float) -> float:
    """Autocorrelation time of being at or below the q-quantile: what the error of that quantile depends on."""
    return autocorrelation_time((values <= stats.quantile(values, q)).astype(np.float64)) if len(values) else 1.0


def effective_size(values: Values, q: float = 0.5) -> float:
    """As many independent values would tell the q-quantile as well. A diagnostic: launches vary far more than this."""
    return len(values) / quantile_time(values, q)


def drift(values: Values) -> Drift | None:
    """A ramp or a step within a launch, of 2 % or more; None where there is none, or too little to tell.

    Medians of 20 blocks; Kendall's test against time sees ramps, a CUSUM of ranks with its permutation distribution
    sees steps; each at p <= 0.01. Sources: Mann, Econometrica 13 (1945); Pettitt, Applied Statistics 28 (1979).
    """
    if len(values) < BLOCKS * LEAST_PER_BLOCK:
        return None
    size = len(values) // BLOCKS  # less than a block is left over, and left out
    blocks = np.sort(values[: size * BLOCKS].reshape(BLOCKS, size), axis=1)
    medians = np.array([stats.ordered_median(block) for block in blocks])
    first, last = stats.median(medians[: BLOCKS // 2]), stats.median(medians[BLOCKS // 2 :])
    if not (np.isfinite(medians).all() and min(first, last) > 0):
        return None
    p_kendall, slope = _kendall(medians)
    p_cusum, at = _cusum(medians)
    found = []
    ramp = slope * (BLOCKS - 1)
    level = stats.median(medians)
    if p_kendall <= DRIFT_P and abs(ramp) >= LEAST_SHIFT * level:
        found.append(("ramp", (level + ramp / 2) / (level - ramp / 2) - 1))
    before, after = stats.median(medians[:at]), stats.median(medians[at:])
    if p_cusum <= DRIFT_P and abs(after / before - 1) >= LEAST_SHIFT:
        found.append(("step", after / before - 1))
    if not found:
        return None
    # Both see either shape; that one names it which leaves less unexplained.
    kind, change = min(found, key=lambda one: _unexplained(medians, one[0], slope, at))
    return Drift(kind, change, p_kendall, p_cusum)


def two_modes(values: Values) -> Modes | None:
    """Two levels at least 5 % apart with at least 10 % of the inferences at each; None where one mode explains all.

    The test is Hartigan's dip at 1 %, the greatest distance to the nearest unimodal distribution, which supposes no
    shape and is not moved by a heavy tail. Its null, the uniform distribution, is the hardest unimodal one, so false
    flags are far rarer: none of 2,000 launches, heavy-tailed ones among them. A correlated series strays from its
    distribution as a shorter one would: the critical value is that of its effective size.
    Source: Hartigan and Hartigan, Annals of Statistics 13 (1985).
    """
    if len(values) < BLOCKS * LEAST_PER_BLOCK or not bool(np.all(values > 0)):
        return None
    thin = values[_evenly(len(values))]
    logs = np.log(_without_steps(np.sort(thin)))
    cut = _best_cut(logs)
    above = values > math.exp((logs[cut - 1] + logs[cut]) / 2)
    share = float(above.mean())
    if share in (0.0, 1.0):
        return None
    low, high = stats.median(values[~above]), stats.median(values[above])
    if high < low * (1 + LEAST_MODE_GAP) or min(share, 1 - share) < LEAST_MODE_SHARE:
        return None
    independent = len(thin) / max(1.0, quantile_time(thin, cut / len(logs)))
    return Modes(low, high, share) if dip(logs) * math.sqrt(independent) > CRITICAL else None


def bursts(values: Values) -> tuple[Burst, ...]:
    """Four slow inferences in a row or more, one quick one among them allowed. Slow: 1.5 times the median, and 6 robust
    standard deviations above it."""
    if not len(values):
        return ()
    median = stats.median(values)
    slow = np.flatnonzero(values > max(SLOW_RATIO * median, median + SLOW_SPREADS * stats.spread(values)))
    if len(slow) < LEAST_BURST:
        return ()
    groups = np.split(slow, np.flatnonzero(np.diff(slow) > 2) + 1)
    return tuple(
        Burst(int(one[0]), len(one), float((values[one] - median).sum())) for one in groups if len(one) >= LEAST_BURST
    )


@cache
def _pairs(count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of every later and its earlier one."""
    return np.tril_indices(count, -1)


@lru_cache(maxsize=256)  # launches of one case are of some lengths, not of thousands
def _evenly(count: int) -> NDArray[np.int64]:
    """Indices of as many values as the dip is taken of, evenly thinned."""
    return np.linspace(0, count - 1, min(count, DIP_VALUES)).astype(np.int64)


def _heaps(values: Values) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each value the number of its heap of equals, in ascending order, and how many each heap holds."""
    order = np.argsort(values, kind="stable")
    ascending = values[order]
    heap = np.concatenate(([0], np.cumsum(ascending[1:] != ascending[:-1])))
    of = np.empty(len(values), np.int64)
    of[order] = heap
    return of, np.bincount(heap)


def _kendall(medians: Values) -> tuple[float, float]:
    """Two-sided p of Kendall's S against time, by its normal approximation, and Theil and Sen's slope per block.

    Source: Kendall, Rank Correlation Methods, chapter 4 (variance with ties).
    """
    count = len(medians)
    later, earlier = _pairs(count)
    difference = medians[later] - medians[earlier]
    score = float(np.sign(difference).sum())
    ties = _heaps(medians)[1].astype(float)
    variance = (count * (count - 1) * (2 * count + 5) - float((ties * (ties - 1) * (2 * ties + 5)).sum())) / 18
    slope = stats.median(difference / (later - earlier))
    if variance <= 0 or score == 0:
        return 1.0, slope
    return math.erfc((abs(score) - 1) / math.sqrt(2 * variance)), slope


def _cusum(medians: Values) -> tuple[float, int]:
    """P of the largest standardised sum of centred ranks, and the block at which the level after it begins."""
    order = np.argsort(np.argsort(medians, kind="stable"), kind="stable").astype(np.float64)
    inverse, counts = _heaps(medians)
    ranks = (np.bincount(inverse, order) / counts)[inverse]
    sums = _standardised(ranks - ranks.mean())
    null = _cusum_null(len(medians))
    beyond = len(null) - int(np.searchsorted(null, sums.max() - 1e-9))
    return (beyond + 1) / (len(null) + 1), int(np.argmax(sums)) + 1


@cache
def _cusum_null(count: int) -> Values:
    """Ascending statistics of seeded permutations of so many ranks."""
    ranks = np.tile(np.arange(count, dtype=np.float64) - (count - 1) / 2, (DRAWS, 1))
    return np.sort(_standardised(np.random.default_rng(0).permuted(ranks, axis=1)).max(axis=1))


def _standardised(centred: Values) -> Values:
    """Sizes of the sums up to each place but the last, over their standard deviation up to a constant."""
    count = centred.shape[-1]
    place = np.arange(1, count)
    sums: Values = np.abs(np.cumsum(centred, axis=-1)[..., :-1]) / np.sqrt(place * (count - place))
    return sums


def _unexplained(medians: Values, kind: str, slope: float, at: int) -> float:
    """Mean distance of the blocks from a ramp or a step."""
    if kind == "ramp":
        rest = medians - slope * np.arange(len(medians))
        return float(np.abs(rest - np.median(rest)).mean())
    parts = (medians[:at], medians[at:])
    return float(np.concatenate([np.abs(part - np.median(part)) for part in parts]).mean())


def _without_steps(ordered: Values) -> Values:
    """Equal values spread over the step that a clock counts in, half of it either way: each heap of a coarse clock
    would be a mode of its own."""
    apart = np.diff(ordered)
    distinct = 1 + int(np.count_nonzero(apart))
    if distinct < 2 or distinct > len(ordered) / 2:
        return ordered
    inverse, counts = _heaps(ordered)
    step = float(apart[apart > 0].min())
    first = np.concatenate(([0], np.cumsum(counts)[:-1]))
    within = (np.arange(len(ordered)) - first[inverse] + 0.5) / counts[inverse] - 0.5
    spread: Values = ordered + within * step
    return spread


def _best_cut(logs: Values) -> int:
    """How many of the ascending values form the lower of two groups with the least squares within (Otsu's rule); the
    slowest 5 % count as the one before them, or a tail would be a group of its own."""
    count = len(logs)
    clipped = np.minimum(logs, stats.ordered_quantile(logs, 0.95))
    cuts = np.arange(max(1, round(LEAST_MODE_SHARE * count)), min(count, round((1 - LEAST_MODE_SHARE) * count) + 1))
    below = np.cumsum(clipped)[cuts - 1]
    # Least squares within is greatest squares between.
    between = below**2 / cuts + (clipped.sum() - below) ** 2 / (count - cuts)
    return int(cuts[np.argmax(between)])
