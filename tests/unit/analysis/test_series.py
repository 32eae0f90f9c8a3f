"""Series with a known answer: an AR(1) time, a step, a ramp, two levels, a burst; and series that have none of it."""

from __future__ import annotations

import numpy as np
import pytest

from harness.analysis import series
from harness.analysis.dip import dip

COUNT = 2000


def noise(seed: int, sigma: float = 0.03, count: int = COUNT) -> np.ndarray:
    return 1e-3 * np.exp(sigma * np.random.default_rng(seed).standard_normal(count))


def autoregressive(phi: float, seed: int, count: int = 20_000) -> np.ndarray:
    shocks = np.random.default_rng(seed).standard_normal(count)
    found = np.zeros(count)
    for index in range(1, count):
        found[index] = phi * found[index - 1] + shocks[index]
    return found


@pytest.mark.parametrize(("phi", "tau"), [(0.0, 1.0), (0.5, 3.0), (0.9, 19.0)])
def test_the_autocorrelation_time_of_an_ar1_series(phi: float, tau: float) -> None:
    """(1 + phi) / (1 - phi), known from 20,000 values to about 10 %."""
    assert series.autocorrelation_time(autoregressive(phi, 1)) == pytest.approx(tau, rel=0.15)


def test_the_sum_ends_at_the_first_pair_that_is_not_positive() -> None:
    """Period 4: rho = 1, 0.., so the first pair counts and the second, -1 and 0, ends it: tau = 2 * 1 - 1."""
    assert series.autocorrelation_time(np.tile([0.0, 1.0, 0.0, -1.0], 500)) == pytest.approx(1.0, abs=0.01)


def test_a_series_is_never_credited_with_more_values_than_it_has() -> None:
    alternating = np.tile([1.0, 2.0], 100)
    assert series.autocorrelation_time(alternating) == 1.0
    assert series.effective_size(alternating) == 200
    assert series.effective_size(np.full(50, 0.001)) == 50
    assert series.effective_size(np.zeros(0)) == 0


def test_the_effective_size_of_a_quantile() -> None:
    values = autoregressive(0.9, 2)
    median, tail = series.effective_size(values), series.effective_size(values, 0.99)
    # By Orthant probabilities the sign of an AR(1) series has sum 2/pi asin(phi^k): 12.3 inferences each.
    assert len(values) / median == pytest.approx(12.3, rel=0.2)
    assert tail > median  # excursions into a tail are shorter than those about the median


@pytest.mark.parametrize("at", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("size", [0.1, -0.1])
def test_a_step_is_seen_with_its_size(at: float, size: float) -> None:
    values = noise(3)
    values[int(at * COUNT) :] *= 1 + size
    found = series.drift(values)
    assert found is not None
    assert found.kind == "step"
    assert found.change == pytest.approx(size, abs=0.02)
    assert found.p_cusum <= 0.01


def test_a_ramp_is_seen_with_its_size() -> None:
    found = series.drift(noise(4) * np.linspace(1, 1.1, COUNT))
    assert found is not None
    assert found.kind == "ramp"
    assert found.change == pytest.approx(0.1, abs=0.02)
    assert found.p_kendall <= 0.01


@pytest.mark.parametrize(
    "values",
    [
        noise(5),
        noise(5) * np.linspace(1, 1.01, COUNT),  # certain, and too small to matter
        np.full(COUNT, 1e-3),
        np.linspace(1, 2, 99),  # too few for 20 blocks
        np.zeros(COUNT),
        np.full(COUNT, np.nan),
        np.zeros(0),
    ],
)
def test_no_drift(values: np.ndarray) -> None:
    assert series.drift(values) is None


def test_two_levels_are_two_modes() -> None:
    generator = np.random.default_rng(6)
    values = noise(7, 0.015) * np.where(generator.random(COUNT) < 0.3, 1.2, 1.0)
    found = series.two_modes(values)
    assert found is not None
    assert (found.low_s, found.high_s) == pytest.approx((1e-3, 1.2e-3), rel=0.01)
    assert found.share_high == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize(
    "values",
    [
        noise(8),
        noise(8, 0.3),
        np.round(noise(8), 5),  # a clock of 10 us
        np.where(np.random.default_rng(9).random(COUNT) < 0.05, 2.0, 1.0) * noise(8),  # a tail, not a level
        np.concatenate([noise(8)[:1000], 1.2 * noise(8)[:1000]]),  # a step: one change tells of no two modes
        np.random.default_rng(10).uniform(1.0, 1.3, COUNT),
        np.full(COUNT, 1e-3),
        np.full(50, 1e-3),
        np.zeros(COUNT),
        np.full(COUNT, np.nan),
    ],
)
def test_one_mode(values: np.ndarray) -> None:
    assert series.two_modes(values) is None


def test_a_burst_is_told_with_its_place_and_cost() -> None:
    values = noise(11, 0.01)
    values[100:110] = 3e-3
    values[104] = 1e-3  # a quick one among them does not end it
    values[500] = values[600] = 5e-3  # single ones are no burst
    (found,) = series.bursts(values)
    assert (found.first, found.count) == (100, 9)
    assert found.excess_s == pytest.approx(9 * 2e-3, rel=0.01)


@pytest.mark.parametrize("values", [noise(12), 1e-3 * (1 + np.random.default_rng(1).pareto(3.0, COUNT)), np.zeros(0)])
def test_no_burst(values: np.ndarray) -> None:
    """In a heavy tail 2 % are slow, and never four in a row."""
    assert series.bursts(values) == ()


@pytest.mark.parametrize(
    ("values", "expected"),
    # Made with R's algorithm (diptest 0.12): a reference of its own, ties among them.
    [
        ([-0.65, -0.17, 1.66, 0.66, -1.64, -0.01, -0.62, 0.15, -1.61, 0.24, 0.24, 1.58], 0.0808080808),
        (
            [
                0.32,
                0.51,
                -1.49,
                2.25,
                -1.92,
                1.1,
                -0.33,
                -0.88,
                -0.66,
                -0.67,
                6.38,
                5.89,
                7.48,
                4.17,
                6.0,
                5.11,
                6.78,
                3.88,
                5.66,
                6.21,
            ],
            0.0963015647,
        ),
        ([6.5, 0.1, 1.2, 0.1, 1.1, 1.8, 1.9, 2.2, 0.5, 0.1, 0.1, 1.4, 0.4, 0.9, 1.3], 0.0794871795),
    ],
)
def test_the_dip_is_hartigans(values: list[float], expected: float) -> None:
    assert dip(np.array(values)) == pytest.approx(expected, abs=1e-6)


def test_the_dip_of_two_far_halves_is_a_quarter() -> None:
    halves = np.concatenate([np.linspace(0, 0.001, 500), np.linspace(1, 1.001, 500)])
    assert dip(halves) == pytest.approx(0.25, abs=0.002)
    assert dip(np.full(10, 1.0)) == 0.05  # 1 / 2n, the least there is
