"""A ratio that moves within a launch, and what is no such thing: common ramps, noise, too few launches."""

from __future__ import annotations

import numpy as np

from harness.analysis.gate.drift import ratio_drift
from harness.analysis.gate.effects import Launch, Side
from harness.analysis.stats import Values

PAIRS, LENGTH = 20, 10


def side(level: Values, seed: int, noise: float = 0.005) -> Side:
    """20 blocks of 10 inferences around a level by block."""
    chance = np.random.default_rng(seed)
    times = np.repeat(level, LENGTH) * (1 + noise * chance.standard_normal(PAIRS * LENGTH))
    return Side(1e-3 * times, np.repeat(np.arange(PAIRS, dtype=np.float64), LENGTH))


def launches(before: Values, after: Values, count: int = 6, noise: float = 0.005) -> list[Launch]:
    return [Launch(side(before, 2 * i, noise), side(after, 2 * i + 1, noise)) for i in range(count)]


STILL, RISING = np.ones(PAIRS), np.linspace(1.0, 1.15, PAIRS)


def test_one_side_that_becomes_slower_is_no_steady_state() -> None:
    said = ratio_drift(launches(STILL, RISING))
    assert said.startswith("no steady state: from the first to the last third of a launch the candidate becomes ")
    assert " slower beside the baseline, in 6 launches alike" in said
    assert " faster beside the baseline" in ratio_drift(launches(RISING, STILL))


def test_two_per_cent_from_the_first_to_the_last_third_are_too_many() -> None:
    """A ratio that rises evenly moves by 14 of 19 parts of its rise between the middles of these thirds."""
    for rise, said in ((0.045, True), (0.035, True), (0.024, False), (0.02, False)):
        found = ratio_drift(launches(STILL, np.linspace(1.0, 1.0 + rise, PAIRS), noise=0.001))
        assert bool(found) is said, (rise, found)


def test_a_ramp_of_both_cancels() -> None:
    """Bar 6 of statistics.md: +15 % over a launch, in both."""
    assert ratio_drift(launches(RISING, RISING)) == ""


def test_noise_is_no_drift() -> None:
    assert all(ratio_drift(launches(STILL, STILL, noise=0.2)) == "" for _ in range(3))


def test_a_shift_between_launches_is_none_within_them() -> None:
    some = [Launch(side(STILL * (1 + 0.1 * i), 2 * i), side(STILL, 2 * i + 1)) for i in range(6)]
    assert ratio_drift(some) == ""


def test_too_little_tells_nothing() -> None:
    assert ratio_drift([]) == ""
    assert ratio_drift(launches(STILL, RISING, count=2)) == ""
    broken = Launch(side(STILL, 0), Side(np.array([]), np.array([])))
    assert ratio_drift([broken] * 6) == ""
