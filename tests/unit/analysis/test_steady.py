"""Profiles with a known end of the warm-up, and some that have none."""

from __future__ import annotations

import numpy as np
import pytest

from harness.analysis.steady import welch_profile

COUNT = 2000


def launches(level: np.ndarray, seed: int = 0, number: int = 5) -> list[np.ndarray]:
    """Of other speeds, each with its noise and the same profile."""
    generator = np.random.default_rng(seed)
    return [1e-3 * (1 + n) * level * np.exp(0.03 * generator.standard_normal(len(level))) for n in range(number)]


def found(level: np.ndarray, **changes: int) -> int | None:
    profile = welch_profile(launches(level, **changes))
    assert profile is not None
    return profile.found


@pytest.mark.parametrize("excess", [0.2, 0.5, 3.0])
def test_a_block_of_slow_inferences_is_the_warm_up(excess: float) -> None:
    level = np.ones(COUNT)
    level[:100] += excess
    assert found(level) == pytest.approx(100, abs=6)


def test_half_as_much_is_added_and_no_more_than_half_of_a_launch_taken() -> None:
    level = np.ones(COUNT)
    level[:100] = 2
    profile = welch_profile(launches(level))
    assert profile is not None
    assert profile.found is not None
    assert profile.warm_up == round(1.5 * profile.found)
    level[:800] = 2
    late = welch_profile(launches(level))
    assert late is not None
    assert (late.found, late.warm_up) == (pytest.approx(800, abs=6), 1000)


def test_without_a_warm_up_it_begins_at_once() -> None:
    assert [found(np.ones(COUNT), seed=seed) for seed in range(5)] == [0] * 5


@pytest.mark.parametrize(
    "level",
    [
        np.linspace(1, 1.2, COUNT),
        np.linspace(1.2, 1, COUNT),
        np.where(np.arange(COUNT) < 1400, 1.0, 1.1),
        1 + 0.5 * np.exp(-np.arange(COUNT) / 1500),
    ],
)
def test_there_is_no_steady_state(level: np.ndarray) -> None:
    assert found(level) is None


def test_a_level_that_only_passes_through_is_not_steady() -> None:
    """From 0.9 up to 1.1 and on: it crosses 1 in the first half and stays nowhere."""
    level = np.concatenate([np.linspace(0.8, 1.3, 1000), np.ones(1000)])
    assert found(level) in (None, *range(980, 1001))


def test_a_burst_in_one_launch_of_five_moves_nothing() -> None:
    given = launches(np.ones(COUNT))
    given[2][:300] *= 1.5
    profile = welch_profile(given)
    assert profile is not None
    assert profile.found == 0


def test_too_little_to_tell() -> None:
    assert welch_profile([]) is None
    assert welch_profile(launches(np.ones(COUNT), number=2)) is None
    assert welch_profile(launches(np.ones(79))) is None
    assert welch_profile([np.zeros(COUNT)] * 5) is None
