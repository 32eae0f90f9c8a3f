"""From the launch effects of one metric to an outcome with its bounds. Owns the error levels; knows no cell's fate.

Two margins (statistics.md, 4.6): a regression where the lower bound of the slowdown is above the tolerance, a pass
where the upper one is below the limit, else inconclusive. Bounds are Student's t over launches.

Levels. alpha is for the gate as a whole, split by Bonferroni over metrics x looks. Where a regression has to show
itself again in fresh launches at level c, a false one needs two independent errors, at most first * c in probability;
so first = alpha / (metrics * looks * c) spends alpha, and it is never above alpha itself. For 20 metrics and 3 looks
that is t = 4.5 instead of 8.7 at 6 launches: the same guarantee from half the interval (tests/study/gate_power.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from harness.analysis.stats import Values
from harness.model.gate import FEWEST_LAUNCHES, Outcome, Policy, Rule

LEAST_ERROR = 1e-6  # of the mean effect: figures such as memory may not vary at all (statistics.md, 4.6)
MOST_LAUNCHES = 60
# A slowdown above this, relative, is no promise to anyone; and a logarithm above this is no number when it is undone.
MOST_DETECTABLE, MOST_LOG = 10.0, 700.0
# Relative differences below this are rounding, not noise: no real clock repeats a ratio this exactly.
ROUNDING = 1e-9
# Of a detectable change: no one reads more digits; and points by which a power is then known to 0.0005.
PRECISION, POINTS = 1e-4, 512


@dataclass(frozen=True)
class Levels:
    """One-sided error levels of one look at one metric. first: of a regression when first seen; again: in the fresh
    launches, of which there are `fresh`, 0 where none are asked; missed: of a pass."""

    first: float
    again: float
    missed: float
    fresh: int = 0


@dataclass(frozen=True)
class Bounds:
    """Logarithms; arrays where many are judged at once. low at `first`, high at `missed`; error of the mean."""

    mean: Values
    low: Values
    high: Values
    error: Values


def levels_of(policy: Policy, metrics: int) -> Levels:
    """How the policy's errors are spent over `metrics` (of all cells together) and its looks."""
    looks = len(policy.looks)
    bonferroni = policy.alpha / (max(1, metrics) * looks)
    first = min(policy.alpha, bonferroni / policy.confirm_alpha) if policy.confirm else bonferroni
    return Levels(first, policy.confirm_alpha, policy.beta / looks, policy.confirm)


def bounds(effects: Values, first: float, missed: float) -> Bounds:
    """Bounds of the mean over the last axis (launches)."""
    count = effects.shape[-1]
    mean = np.asarray(effects.mean(axis=-1))
    error = np.maximum(effects.std(axis=-1, ddof=1) / math.sqrt(count), LEAST_ERROR)
    low, high = mean - t_above(first, count - 1) * error, mean + t_above(missed, count - 1) * error
    return Bounds(mean, low, high, error)


def outcome_of(found: Bounds, rule: Rule) -> Outcome:
    """Of one metric."""
    if found.low > math.log1p(rule.tolerance):
        return "regression"
    if found.high < -math.log1p(rule.tolerance):
        return "improvement"
    return "pass" if found.high < math.log1p(rule.limit) else "inconclusive"


def unusable(effects: Sequence[float], unit: str) -> str:
    """Why no verdict can rest on these effects; empty where one can. unit: of the metric; bytes may be constant."""
    count = len(effects)
    if count == 0:
        return "no launch gave a value"
    if not all(map(math.isfinite, effects)):
        return f"{sum(not math.isfinite(one) for one in effects)} of {count} launches gave no number"
    if count < FEWEST_LAUNCHES:
        some = "launch" if count == 1 else "launches"
        return f"{count} {some}: the noise between launches cannot be known from fewer than {FEWEST_LAUNCHES}"
    if unit != "B" and max(effects) - min(effects) < ROUNDING:
        return f"all {count} launches gave the same ratio to the last digit: a clock that does not measure"
    return ""


def confirms(fresh: Sequence[float], rule: Rule, again: float) -> bool:
    """Whether fresh launches show the regression again: their lower bound at level `again` is above the tolerance."""
    found = bounds(np.asarray(fresh, np.float64), again, 0.5)
    return bool(found.low > math.log1p(rule.tolerance))


def p_above(found: Bounds, count: int, threshold: float) -> float:
    """One-sided p of a mean above `threshold` (a logarithm)."""
    from scipy.special import stdtr

    return float(stdtr(count - 1, -(found.mean - threshold) / found.error))


def relative(log: float) -> float | None:
    """A logarithm of a ratio as a relative change; None of one that is too large for any number."""
    return math.expm1(log) if log < MOST_LOG else None


def detectable(sigma: float, count: int, rule: Rule, levels: Levels, power: float = 0.95) -> float | None:
    """The smallest slowdown, relative, that a look at `count` launches of noise `sigma` (log) finds with that power,
    and that the fresh launches show again, where they are asked; None where it is above +1000 %.

    By the noncentral t. The sum of two quantiles that statistics.md, 4.4, has instead forgets that the noise is itself
    estimated: what it promises with 95 % at 6 launches and 20 metrics is found in about 90 % of the looks.
    """
    steps = [(math.sqrt(count), t_above(levels.first, count - 1), count - 1)]
    if levels.fresh:
        steps.append((math.sqrt(levels.fresh), t_above(levels.again, levels.fresh - 1), levels.fresh - 1))
    least = LEAST_ERROR * math.sqrt(count)
    return smallest_found(rule, steps, max(sigma, least), power)


def smallest_found(
    rule: Rule, steps: Sequence[tuple[float, float, int]], spread: float, power: float = 0.95
) -> float | None:
    """The smallest slowdown, relative, that every step finds, with that power in all; None where it is above +1000 %.

    spread: standard deviation of one value (log). A step: that deviation over the error of what it looks at, the t it
    has to exceed, and its degrees of freedom. Steps are independent, so their powers multiply."""

    def found(distance: float) -> float:
        return math.prod(_power(distance * scale, t, freedom) for scale, t, freedom in steps)

    # How far above the tolerance it must be, in standard deviations of one value.
    least, enough = 0.0, (math.log1p(MOST_DETECTABLE) - math.log1p(rule.tolerance)) / spread
    if not found(enough) >= power:
        return None
    while enough - least > PRECISION * enough:
        middle = (least + enough) / 2
        least, enough = (least, middle) if found(middle) >= power else (middle, enough)
    return math.expm1(math.log1p(rule.tolerance) + enough * spread)


def launches_needed(sigma: float, rule: Rule, levels: Levels, power: float = 0.95) -> int | None:
    """The fewest launches of a look, from 6, after which a slowdown of the limit is detectable; None above 60, and
    where so few fresh launches as are asked would not show it again."""
    for count in range(6, MOST_LAUNCHES + 1):
        smallest = detectable(sigma, count, rule, levels, power)
        if smallest is not None and smallest <= rule.limit:
            return count
    return None


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm's adjusted p, in the given order; for display. Source: S. Holm, Scand. J. Statist. 6 (1979)."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, running = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = running
    return tuple(adjusted)


@cache
def t_above(level: float, freedom: int) -> float:
    """The value that Student's t exceeds with probability `level`, 0.5 at most; infinite where it is too far out."""
    from scipy.special import stdtrit  # late: `harness --help` needs no scipy

    return abs(float(stdtrit(freedom, level)))  # of a level too small for it, its infinity has either sign


def _power(shift: float, t: float, freedom: int) -> float:
    """P(T > t) of the noncentral t, whose centre is `shift`: a mean of that many standard errors over one as it is
    estimated, averaged over what the estimate may be."""
    from scipy.special import ndtr

    return float(ndtr(shift - t * _spreads(freedom)).mean())


@cache
def _spreads(freedom: int) -> Values:
    """Estimated over true standard deviation, at evenly spaced probabilities."""
    from scipy.special import gammaincinv

    shares = (np.arange(POINTS) + 0.5) / POINTS
    return np.asarray(np.sqrt(2 * gammaincinv(freedom / 2, shares) / freedom), np.float64)
