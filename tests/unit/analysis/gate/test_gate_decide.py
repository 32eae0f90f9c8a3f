"""Bounds, levels and outcomes against the formulas as printed in statistics.md, 4.6. Bar 2 of its section 5."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats as reference

from harness.analysis.gate import decide
from harness.analysis.gate.decide import Levels
from harness.analysis.gate.replay import replay
from harness.model.gate import Policy, Rule

RULE = Rule("latency_p50_s", 0.02, 0.05)
STRICT = Policy((RULE,), confirm=0)


def as_printed(d: np.ndarray, families: int, looks: int) -> tuple[str, float, float, float]:
    """statistics.md, 4.6, line by line."""
    count, alpha, beta, tau, delta = len(d), 0.01, 0.05, 0.02, 0.05
    se = max(d.std(ddof=1) / np.sqrt(count), 1e-6)
    low = d.mean() - reference.t.isf(alpha / (families * looks), count - 1) * se
    up = d.mean() + reference.t.isf(beta / looks, count - 1) * se
    p = reference.t.sf((d.mean() - np.log1p(tau)) / se, count - 1)
    if low > np.log1p(tau):
        return "regression", low, up, p
    if up < np.log1p(delta):
        return "improvement" if up < -np.log1p(tau) else "pass", low, up, p
    return "inconclusive", low, up, p


@pytest.mark.parametrize("mean", [-0.05, 0.0, 0.02, 0.03, 0.035, 0.05, 0.10])
@pytest.mark.parametrize("count", [6, 10, 16])
def test_without_a_confirmation_the_decision_is_the_printed_one(mean: float, count: int) -> None:
    generator = np.random.default_rng(7)
    levels = decide.levels_of(STRICT, 20)
    for sigma in (0.0, 0.002, 0.01):
        effects = mean + sigma * generator.standard_normal(count)
        outcome, low, up, p = as_printed(effects, 20, 3)
        found = decide.bounds(effects, levels.first, levels.missed)
        assert decide.outcome_of(found, RULE) == outcome
        assert (float(found.low), float(found.high)) == pytest.approx((low, up), rel=1e-6)
        assert decide.p_above(found, count, math.log1p(0.02)) == pytest.approx(p, rel=1e-6)


def test_every_outcome_occurs_in_the_comparison_above() -> None:
    means = (-0.05, 0.0, 0.03, 0.10)
    seen = {as_printed(mean + step * np.arange(6), 20, 3)[0] for mean in means for step in (0.002, 0.01)}
    assert seen == {"improvement", "pass", "inconclusive", "regression"}


@pytest.mark.parametrize("count", [6, 10, 16])
def test_at_the_tolerance_one_metric_alarms_as_often_as_alpha_says(count: int) -> None:
    """Bar 2: one metric, one look, alpha 1 %, normal noise of 0.4 %: 0.5 to 1.3 % of 40,000 (its own error: 0.05 %)."""
    levels = Levels(0.01, 0.05, 0.05)
    generator = np.random.default_rng(20261121)
    effects = math.log1p(0.02) + 0.004 * generator.standard_normal((40_000, count))
    share = float((decide.bounds(effects, levels.first, levels.missed).low > math.log1p(0.02)).mean())
    assert 0.005 <= share <= 0.013


@pytest.mark.parametrize("count", [6, 10, 16])
def test_at_the_limit_one_metric_passes_as_seldom_as_beta_says(count: int) -> None:
    generator = np.random.default_rng(20261122)
    effects = math.log1p(0.05) + 0.004 * generator.standard_normal((40_000, count))
    share = float((decide.bounds(effects, 0.01, 0.05).high < math.log1p(0.05)).mean())
    assert 0.045 <= share <= 0.055


def test_alpha_is_spent_over_metrics_looks_and_the_confirmation() -> None:
    assert decide.levels_of(STRICT, 20).first == pytest.approx(0.01 / 60)
    both = decide.levels_of(Policy((RULE,)), 20)
    assert both.first * both.again * 20 * 3 == pytest.approx(0.01)
    assert both.missed * 3 == pytest.approx(0.05)
    assert decide.levels_of(Policy((RULE,)), 1).first == 0.01  # never above alpha, however few metrics there are


def by_the_noncentral_t(change: float, sigma: float, count: int, levels: Levels) -> float:
    """Chance that a look finds a change and the fresh launches show it again, by scipy's distribution."""
    distance = (math.log1p(change) - math.log1p(0.02)) / sigma
    steps = [(count, levels.first)] + ([(levels.fresh, levels.again)] if levels.fresh else [])
    return math.prod(
        float(reference.nct.sf(reference.t.isf(level, number - 1), number - 1, distance * math.sqrt(number)))
        for number, level in steps
    )


@pytest.mark.parametrize("policy", [Policy((RULE,)), STRICT], ids=["confirmed", "strict"])
@pytest.mark.parametrize("sigma", [0.001, 0.004, 0.02])
@pytest.mark.parametrize(("count", "metrics"), [(3, 1), (6, 20), (16, 20), (60, 1)])
def test_what_is_detectable_has_the_power_that_is_promised(
    count: int, metrics: int, sigma: float, policy: Policy
) -> None:
    levels = decide.levels_of(policy, metrics)
    change = decide.detectable(sigma, count, RULE, levels)
    assert change is not None
    assert by_the_noncentral_t(change, sigma, count, levels) == pytest.approx(0.95, abs=0.001)


@pytest.mark.parametrize("policy", [Policy((RULE,)), STRICT], ids=["confirmed", "strict"])
@pytest.mark.parametrize("count", [6, 10, 16])
def test_what_is_detectable_is_found_and_confirmed_in_95_of_100_simulated_gates(count: int, policy: Policy) -> None:
    """One look of the real procedure, 40,000 gates of one slower metric (their own error: 0.1 %), no later look."""
    policy = replace(policy, looks=(count,))
    levels, sigma, generator = decide.levels_of(policy, 20), 0.004, np.random.default_rng(3)
    smallest = decide.detectable(sigma, count, RULE, levels)
    assert smallest is not None
    centre = math.log1p(smallest)
    seen, fresh = (
        centre + sigma * generator.standard_normal((40_000, 1, number)) for number in (count, max(1, policy.confirm))
    )
    found = replay(policy, policy.rules, seen, fresh, levels)
    assert found.regression.mean() == pytest.approx(0.95, abs=0.004)


def test_the_confirmation_is_part_of_the_promise() -> None:
    """At 60 launches a look sees far less than the fresh ones show again: those decide."""
    levels = decide.levels_of(Policy((RULE,)), 20)
    assert levels.fresh == Policy.confirm
    alone, both = (decide.detectable(0.004, 60, RULE, replace(levels, fresh=fresh)) for fresh in (0, levels.fresh))
    assert alone is not None
    assert both is not None
    assert alone < 0.0235 < 0.026 < both


@pytest.mark.parametrize("alpha", [1e-6, 1e-30, 1e-300])
@pytest.mark.parametrize("sigma", [0.004, 3.0, 1e6])
def test_what_so_few_launches_cannot_show_is_none(alpha: float, sigma: float) -> None:
    strict = decide.levels_of(replace(STRICT, alpha=alpha, looks=(3,)), 1)
    found = decide.detectable(sigma, 3, RULE, strict)
    assert found is None
    assert decide.launches_needed(3.0, RULE, strict) is None


def test_a_level_too_small_for_any_t_raises_no_alarm() -> None:
    assert decide.t_above(1e-300, 5) == math.inf
    found = decide.bounds(np.array([0.69, 0.70, 0.71, 0.69, 0.70, 0.71]), 1e-300, 0.05)
    assert decide.outcome_of(found, RULE) == "inconclusive"


def test_a_change_too_large_for_a_number_is_none() -> None:
    assert decide.relative(math.log(2)) == pytest.approx(1.0)
    assert decide.relative(-1e9) == -1.0
    assert decide.relative(1e9) is None


@pytest.mark.parametrize("sigma", [0.001, 0.004, 0.01, 0.02])
def test_launches_needed_are_the_fewest_that_find_the_limit(sigma: float) -> None:
    levels = decide.levels_of(STRICT, 20)
    needed = decide.launches_needed(sigma, RULE, levels)
    assert needed is not None
    assert by_the_noncentral_t(0.05, sigma, needed, levels) >= 0.9499
    assert needed == 6 or by_the_noncentral_t(0.05, sigma, needed - 1, levels) < 0.95


def test_the_printed_sum_of_two_quantiles_promises_too_much() -> None:
    """statistics.md, 4.4: at 6 launches and 20 metrics its 95 % are about 90."""
    levels = replace(decide.levels_of(Policy((RULE,)), 20), fresh=0)
    quantiles = decide.t_above(levels.first, 5) + decide.t_above(0.05, 5)
    change = math.expm1(math.log1p(0.02) + quantiles * 0.004 / math.sqrt(6))
    assert 0.85 < by_the_noncentral_t(change, 0.004, 6, levels) < 0.93


def test_holm() -> None:
    assert decide.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert decide.holm([]) == ()
    assert decide.holm([0.9, 0.8]) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("effects", "unit", "words"),
    [
        ([], "s", "no launch gave a value"),
        ([0.1], "s", "1 launch: the noise between launches cannot be known from fewer than 3"),
        ([0.1, 0.2], "s", "2 launches: the noise"),
        ([0.1, math.nan, 0.2], "s", "1 of 3 launches gave no number"),
        ([0.1] * 6, "s", "all 6 launches gave the same ratio to the last digit"),
        ([0.0] * 6, "J", "all 6 launches gave the same ratio"),
        ([0.0] * 6, "B", ""),
        ([0.1, 0.2, 0.3], "s", ""),
    ],
)
def test_effects_that_carry_no_verdict(effects: list[float], unit: str, words: str) -> None:
    found = decide.unusable(effects, unit)
    assert words in found
    assert bool(found) == bool(words)
