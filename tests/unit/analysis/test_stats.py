"""Every formula against values worked out by hand or taken from a printed table."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.analysis import stats

# Student's t, 97.5 %, as printed in any table; above 5 degrees the expansion is within 0.1 %.
T_975 = {5: 2.5706, 6: 2.4469, 7: 2.3646, 10: 2.2281, 15: 2.1314, 23: 2.0687, 30: 2.0423, 60: 2.0003, 1000: 1.9623}


def test_quantiles_interpolate() -> None:
    values = np.array([4.0, 1.0, 3.0, 2.0])
    assert stats.quantile(values, 0.5) == 2.5
    assert stats.quantile(values, 0.9) == pytest.approx(3.7)
    assert stats.quantile(values, 1.0) == 4.0


@pytest.mark.parametrize(
    ("count", "ranks"),
    # By Conover's table: the largest k with 1 - 2 P(Binomial(n, 1/2) < k) >= 0.95.
    [(6, (1, 6)), (7, (1, 7)), (8, (1, 8)), (9, (2, 8)), (10, (2, 9)), (12, (3, 10)), (15, (4, 12)), (20, (6, 15))],
)
def test_the_interval_of_the_median_is_of_these_ranks(count: int, ranks: tuple[int, int]) -> None:
    values = [float(value) for value in range(1, count + 1)]
    assert stats.order_interval(values[::-1]) == ranks


def test_under_six_values_there_is_no_interval() -> None:
    for count in range(6):
        assert stats.order_interval([1.0] * count) is None
        assert stats.covered(count) is None


@pytest.mark.parametrize(
    ("count", "share"), [(6, 31 / 32), (7, 63 / 64), (8, 127 / 128), (9, 492 / 512), (10, 1002 / 1024), (20, 0.9586)]
)
def test_it_says_how_much_it_covers(count: int, share: float) -> None:
    """By hand: of 6 values all lie on one side of the median in 2 of 64 cases; of 9, at most one does in 20 of 512."""
    assert stats.covered(count) == pytest.approx(share, abs=5e-5)


def test_the_interval_covers_the_median_as_often_as_it_says() -> None:
    """3,000 skewed samples of each size; the standard error of a coverage near 0.96 is then 0.0036."""
    generator = np.random.default_rng(20260101)
    for count in range(6, 21):
        draws = generator.lognormal(0.0, 0.5, (3000, count))  # its median is 1
        intervals = [stats.order_interval(draw) for draw in draws.tolist()]
        covered = np.mean([interval is not None and interval[0] <= 1 <= interval[1] for interval in intervals])
        assert covered >= 0.95 - 2 * 0.0036, count


@pytest.mark.parametrize(("q", "needed"), [(0.5, 11), (0.9, 64), (0.95, 130), (0.99, 662)])
def test_samples_that_a_pooled_quantile_needs(q: float, needed: int) -> None:
    assert stats.needed_for_quantile(q) == needed
    at_most_one = [q**n + n * (1 - q) * q ** (n - 1) for n in (needed - 1, needed)]
    assert at_most_one[0] > 0.01 >= at_most_one[1]


@pytest.mark.parametrize(("q", "needed"), [(0.5, 10), (0.9, 50), (0.95, 100), (0.99, 500), (0.999, 5000)])
def test_samples_that_a_launch_needs_for_its_own_quantile(q: float, needed: int) -> None:
    assert stats.needed_per_launch(q) == needed


@pytest.mark.parametrize("freedom", sorted(T_975))
def test_a_paired_change_uses_students_t(freedom: int) -> None:
    """Log ratios, half of them a above and half of them a below a mean of log 1.03 (the odd one on it)."""
    count, spread, mean = freedom + 1, 0.01, math.log(1.03)
    half_count = count // 2
    logs = [mean + spread] * half_count + [mean - spread] * half_count + [mean] * (count % 2)
    deviation = spread * math.sqrt(2 * half_count / (count - 1))
    half = T_975[freedom] * deviation / math.sqrt(count)
    change, low, high = stats.paired_change(logs)
    assert change == pytest.approx(0.03)
    assert (math.log1p(high) - mean) == pytest.approx(half, rel=1.2e-3)
    assert (mean - math.log1p(low)) == pytest.approx(half, rel=1.2e-3)


def test_no_change_has_no_width() -> None:
    assert stats.paired_change([0.0] * 6) == (0.0, 0.0, 0.0)


def test_the_spread_is_the_deviation_of_normal_values_and_blind_to_a_tail() -> None:
    assert stats.spread(np.array([1.0, 2.0, 3.0, 4.0, 100.0])) == pytest.approx(1.4826)
    normal = np.random.default_rng(1).normal(10.0, 2.0, 20_000)
    assert stats.spread(normal) == pytest.approx(2.0, rel=0.03)


def test_jitter_is_the_mean_step_from_one_to_the_next() -> None:
    assert stats.jitter(np.array([1.0, 3.0, 2.0, 2.0])) == pytest.approx(1.0)
    assert stats.jitter(np.array([5.0])) == 0.0
    ramp = np.linspace(1.0, 2.0, 1001)  # a spread of 0.37, and hardly any jitter
    assert stats.jitter(ramp) == pytest.approx(0.001)
    assert stats.spread(ramp) == pytest.approx(0.25 * 1.4826)


# A table of Student's t; of 2.5 degrees by numerical integration of the density: 0.97500 up to there.
@pytest.mark.parametrize(("freedom", "t"), [(1, 12.7062), (3, 3.1824), (6, 2.4469), (2.5, 3.5747), (30, 2.0423)])
def test_students_t_needs_no_whole_degrees(freedom: float, t: float) -> None:
    assert stats._student_975(freedom) == pytest.approx(t, rel=1e-4)


def test_the_ratio_of_two_samples_by_hand() -> None:
    """Five logs: one is cut off at either end, which leaves -1, 0 and 1 (in per cent) with winsorised variance 1.

    Each mean has variance 4 * 1 / (3 * 2) = 2/3, so that d = 4/3 and t has 4 degrees of freedom.
    """
    logs = [-0.5, -0.01, 0.0, 0.01, 0.3]
    ratio, low, high = stats.ratio_interval(logs, [one + math.log(2.0) for one in logs])
    half = 2.7764 * 0.01 * math.sqrt(4 / 3)
    assert ratio == pytest.approx(2.0)
    assert (math.log(low / 2), math.log(high / 2)) == pytest.approx((-half, half), rel=1e-4)


def test_the_ratio_of_two_constants_has_no_width() -> None:
    assert stats.ratio_interval([0.0] * 6, [math.log(1.5)] * 8) == pytest.approx((1.5, 1.5, 1.5))
