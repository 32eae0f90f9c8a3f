"""Estimates and their intervals. Owns the formulas and their sources; knows no trial and no metric.

The launch (a fresh process) is the unit of evidence, not the inference: between-launch variance was 92-100 % of all
variance on machines like the one this was built on, so intervals are taken over launches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from harness.model.proportion import Z

Values = NDArray[np.float64]
CONFIDENCE = 0.95
# A launch's own quantile is used when at least this many of its samples lie beyond it.
BEYOND_QUANTILE = 5
# Makes the median absolute deviation of normal values their standard deviation: 1 / Phi^-1(3/4).
NORMAL_MAD = 1.4826
# Cut off at either end of the launches where two runs are compared.
TRIMMED = 0.2


def quantile(values: Values, q: float) -> float:
    """The q-quantile by linear interpolation between order statistics (Hyndman and Fan, type 7)."""
    return ordered_quantile(np.sort(values), q)


def ordered_quantile(ascending: Values, q: float) -> float:
    """The same of values that are in order: to the bit what numpy.quantile gives, whose preparations take twenty times
    as long as sorting a launch does. NaN, which sorts last, where one is among them."""
    last = len(ascending) - 1
    place = last * q
    below = min(math.floor(place), last)
    low, high, greatest = (float(ascending[index]) for index in (below, min(below + 1, last), last))
    if math.isnan(greatest):
        return math.nan
    share = place - below
    # From the nearer of the two, as numpy does.
    return low + (high - low) * share if share < 0.5 else high - (high - low) * (1 - share)


def median(values: Values) -> float:
    """The middle value, or the mean of the two: to the bit what numpy.median gives."""
    return ordered_median(np.sort(values))


def ordered_median(ascending: Values) -> float:
    """The same of values that are in order."""
    half = len(ascending) // 2
    if math.isnan(ascending[-1]):
        return math.nan
    return float(ascending[half] if len(ascending) % 2 else (ascending[half - 1] + ascending[half]) / 2)


def spread(values: Values) -> float:
    """Median absolute deviation from the median times 1.4826, which the slow tail cannot move.

    Source: Hampel, JASA 69 (1974).
    """
    return NORMAL_MAD * median(np.abs(values - median(values)))


def jitter(values: Values) -> float:
    """Mean absolute difference of successive values: what a consumer feels from one to the next. Unlike a spread it
    holds nothing of a slow drift. 0 of a single value.

    Source: the delay variation of consecutive packets, RFC 3393 and RFC 5481 (4.1); of each its size.
    """
    return float(np.abs(np.diff(values)).mean()) if len(values) > 1 else 0.0


def order_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Distribution-free 95 % interval for the median, from order statistics; None under 6 values.

    The innermost pair (k-th smallest, k-th largest) that covers at least 95 %; how much it does is `covered`. It is not
    drawn in where that is more (Hettmansperger and Sheather, Statistics and Probability Letters 4, 1986): drawn in to
    96.5 %, such intervals cover 95.8 to 96.9 % of a fixed number of launches, but 94.6 after a stop rule that ends at
    8, 10 and 16 of them (60,000 synthetic runs, launches 1.5 % apart), where these cover 95.1. Source: Conover,
    Practical Nonparametric Statistics, 3.2.
    """
    ordered, k = sorted(values), _rank(len(values))
    return None if k is None else (ordered[k - 1], ordered[len(ordered) - k])


def covered(count: int) -> float | None:
    """Chance that the order interval of so many values holds the median: 96.9 % of 6, 99.2 of 8, 97.9 of 10, 95.9 of
    20; None where there is no interval."""
    k = _rank(count)
    return None if k is None else _within(count, k)


@cache
def _rank(count: int) -> int | None:
    """Of the innermost pair that covers enough; None where none does."""
    return max((k for k in range(1, count // 2 + 1) if _within(count, k) >= CONFIDENCE), default=None)


def _within(count: int, k: int) -> float:
    """1 - 2 P(Binomial(count, 1/2) < k)."""
    return 1.0 - 2 * sum(math.comb(count, below) for below in range(k)) / 2.0**count


@cache
def needed_for_quantile(q: float) -> int:
    """Fewest samples that support a q-quantile: with 99 % confidence, at most one in the tail would be seen if the
    true quantile were higher. 64 for p90 and 662 for p99, as in MLPerf LoadGen's early stopping (its appendix)."""
    count = math.ceil(1 / (1 - q))
    while q**count + count * (1 - q) * q ** (count - 1) > 0.01:
        count += 1
    return count


def needed_per_launch(q: float) -> int:
    """Samples of one launch from which its own q-quantile is used: p99 needs 500."""
    return math.ceil(BEYOND_QUANTILE / (1 - q) - 1e-9)


def paired_change(ratios_log: Sequence[float]) -> tuple[float, float, float]:
    """Mean relative change and 95 % interval from paired log ratios, by Student's t. (change, low, high), as shares."""
    values = np.asarray(ratios_log, float)
    half = _t_975(len(values) - 1) * float(values.std(ddof=1)) / math.sqrt(len(values))
    mean = float(values.mean())
    return math.expm1(mean), math.expm1(mean - half), math.expm1(mean + half)


def ratio_interval(baseline_log: Sequence[float], candidate_log: Sequence[float]) -> tuple[float, float, float]:
    """Ratio candidate over baseline of two independent samples of logs with its 95 % interval: (ratio, low, high).

    Yuen's trimmed t: means without the highest and the lowest fifth, winsorised variances, Welch's degrees of freedom.
    Its coverage was 93.3 to 97.2 % from 6 launches on, with outliers, heavy tails, skew, unequal spreads and numbers
    (tests.study.intervals); Welch's t is up to 98.4 % there at three times the width, and an interval of ranks
    (Hodges and Lehmann) falls to 87 % where 20 calm launches meet 6 restless ones. Source: Yuen, Biometrika 61 (1974).
    """
    base, candidate = (_trimmed(np.sort(np.asarray(logs, np.float64))) for logs in (baseline_log, candidate_log))
    difference, variance = candidate[0] - base[0], candidate[1] + base[1]
    if variance <= 0:
        return (math.exp(difference),) * 3
    freedom = variance**2 / (base[1] ** 2 / (base[2] - 1) + candidate[1] ** 2 / (candidate[2] - 1))
    half = _student_975(freedom) * math.sqrt(variance)
    return math.exp(difference), math.exp(difference - half), math.exp(difference + half)


def _trimmed(ordered: Values) -> tuple[float, float, int]:
    """Trimmed mean, its variance, and how many values it is of."""
    count = len(ordered)
    cut = int(TRIMMED * count)
    left = count - 2 * cut
    winsorised = np.clip(ordered, ordered[cut], ordered[count - cut - 1])
    variance = (count - 1) * float(winsorised.var(ddof=1)) / (left * (left - 1))
    return float(ordered[cut : count - cut].mean()), variance, left


def _student_975(freedom: float) -> float:
    """97.5 % quantile of Student's t; the degrees of freedom need not be whole."""
    from scipy.special import stdtrit  # only those who compare pay for it

    return float(stdtrit(freedom, 0.975))


def _t_975(freedom: int) -> float:
    """97.5 % quantile of Student's t by the Cornish-Fisher expansion; within 0.1 % from 5 degrees of freedom on.

    Source: Abramowitz and Stegun, 26.7.5.
    """
    z, v = Z, float(freedom)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    fourth = (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160
    return z + first / v + second / v**2 + third / v**3 + fourth / v**4
