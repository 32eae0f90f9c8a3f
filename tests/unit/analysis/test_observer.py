"""The cost of the sensors, from blocks whose cost is known."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from harness.analysis.observer import observer_cost
from tests.support.host_side import samples, trace, trial

READ = (trace("process", "rss", [(0.0, 1.0)]),)


def observed(pairs: int, on_s: float, off_s: float, count: int = 10):
    """Pairs of blocks in alternating order; every block's first inference is ten times slower."""
    arms, durations, block = [], [], []
    for pair in range(pairs):
        for arm in ("on", "off") if pair % 2 else ("off", "on"):
            level = {"on": on_s, "off": off_s}[arm] * (1 + 0.2 * pair)  # drift, which pairs cancel
            durations += [10 * level] + [level] * (count - 1)
            block += [len(arms)] * count
            arms.append(arm)
    return trial(mode="observer", samples=samples(durations, block=block), arms=tuple(arms), traces=READ)


def test_without_a_sensor_there_is_no_cost() -> None:
    assert observer_cost(replace(observed(24, 1.03e-3, 1e-3), traces=())) is None


def test_three_percent_are_found_as_three_percent() -> None:
    cost = observer_cost(observed(24, 1.03e-3, 1e-3))
    assert (cost.variant, cost.pairs) == ("small", 24)
    assert (cost.median, cost.median_low, cost.median_high) == pytest.approx((0.03, 0.03, 0.03), abs=1e-9)
    assert cost.p99 is None  # 240 samples an arm


def test_a_clock_that_cannot_feel_the_sensors_says_nothing() -> None:
    assert observer_cost(observed(6, 1e-3, 1e-3)) is None


def test_the_interval_is_students_over_the_pairs() -> None:
    """Six pairs, half of them at +2 %, half at +4 % (in logs): t of 5 degrees is 2.571."""
    parts = [observed(1, math.exp(change) * 1e-3, 1e-3) for change in (0.02, 0.04) * 3]
    durations = [value for part in parts for value in part.samples.duration_s]
    block = [index // 10 for index in range(len(durations))]
    arms = tuple(arm for part in parts for arm in part.arms)
    cost = observer_cost(trial(mode="observer", samples=samples(durations, block=block), arms=arms, traces=READ))
    half = 2.5706 * 0.01 * math.sqrt(6 / 5) / math.sqrt(6)
    expected = [math.expm1(0.03 + shift) for shift in (0, -half, half)]
    assert (cost.median, cost.median_low, cost.median_high) == pytest.approx(expected, rel=1e-3)


def test_the_tail_is_compared_from_662_samples_an_arm_on() -> None:
    assert observer_cost(observed(6, 1.03e-3, 1e-3, count=110)).p99 is None  # 660
    assert observer_cost(observed(6, 1.03e-3, 1e-3, count=111)).p99 == pytest.approx(0.03)


def test_too_few_pairs_say_nothing() -> None:
    assert observer_cost(observed(5, 1.03e-3, 1e-3)) is None
