"""Traces whose integral is known: the energy is right, and the stated interval holds it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from harness.analysis.energy import Energy, add, counter_energy, integrate_power
from harness.analysis.readings import update_period, visible_step

REPEATS = 1000
WINDOW_S = 10.0
Random = np.random.Generator
Case = Callable[[Random], tuple[Energy | str, float]]


def polls(random: Random, period_s: float, jitter: float = 0.3) -> np.ndarray:
    """Times around the window that begins at 0 to 1 s, none exactly on its period."""
    count = int(15 / period_s)
    return -1 + (np.arange(count) + random.uniform(-jitter, jitter, count)) * period_s


def window(random: Random) -> tuple[float, float]:
    start = random.uniform(0, 1)
    return start, start + WINDOW_S


def held(power: Callable[[np.ndarray], np.ndarray], times: np.ndarray, period_s: float, random: Random) -> np.ndarray:
    """What a sensor that renews its value every `period_s` shows at those times."""
    phase = random.uniform(0, period_s)
    return power(np.floor((times - phase) / period_s) * period_s + phase)


def ramp(time):
    return 5 + 0.2 * time


def ramp_energy(start: float, end: float) -> float:
    return 5 * (end - start) + 0.1 * (end**2 - start**2)


def a_ramp_read_with_jitter(random: Random):
    times, (start, end) = polls(random, 0.02), window(random)
    return integrate_power(times, ramp(times), start, end), ramp_energy(start, end)


def a_ramp_with_a_third_of_its_readings_missing(random: Random):
    times, (start, end) = polls(random, 0.01), window(random)
    power = np.where((random.uniform(size=len(times)) < 1 / 3) & (abs(times - start) > 0.05), math.nan, ramp(times))
    power[abs(times - end) < 0.05] = ramp(times[abs(times - end) < 0.05])
    return integrate_power(times, power, start, end), ramp_energy(start, end)


def steps(random: Random, period_s: float, update_period_s: float | None = None):
    times, (start, end) = polls(random, period_s), window(random)
    inner, levels = np.sort(random.uniform(start, end, 3)), random.uniform(4, 8, 4)
    shown = levels[np.searchsorted(inner, times)]
    if update_period_s:
        shown = held(lambda time: levels[np.searchsorted(inner, time)], times, update_period_s, random)
    edges = np.concatenate(([start], inner, [end]))
    return integrate_power(times, shown, start, end, update_period_s=update_period_s), float(np.diff(edges) @ levels)


def steps_between_readings(random: Random):
    return steps(random, 0.01)


def a_step_at_the_very_end(random: Random):
    """As the measured part ends: load before, idle after."""
    times, (start, end) = polls(random, 0.01), window(random)
    return integrate_power(times, np.where(times < end, 10.0, 4.0), start, end), 10 * WINDOW_S


def noise_of_one_percent(random: Random):
    times, (start, end) = polls(random, 0.01), window(random)
    return integrate_power(times, random.normal(6, 0.06, len(times)), start, end), 6 * WINDOW_S


def a_ramp_of_a_sensor_that_repeats_itself(random: Random):
    times, (start, end) = polls(random, 0.01, 0.1), window(random)
    found = integrate_power(times, held(ramp, times, 0.1, random), start, end, update_period_s=0.1)
    return found, ramp_energy(start, end)


def rounded(random: Random, mean_w: float, spread_w: float, slope_w: float = 0.0):
    """In steps of 400 mW, as an AGX Orin's; the mean lies anywhere between two steps."""
    times, (start, end) = polls(random, 0.01), window(random)
    level = mean_w + random.uniform(0, 0.4)
    power = np.rint((level + slope_w * times + random.normal(0, spread_w, len(times))) / 0.4) * 0.4
    found = integrate_power(times, power, start, end, update_period_s=0.01, step_w=0.4)
    return found, level * WINDOW_S + slope_w * (end**2 - start**2) / 2


def steps_of_400_mw_under_a_restless_load(random: Random):
    return rounded(random, 30, 0.3)


def steps_of_400_mw_along_a_ramp(random: Random):
    return rounded(random, 8, 0, 0.5)


def a_counter_that_wrapped_and_was_unwrapped(random: Random):
    """As RAPL's: renewed every millisecond in steps of 61 uJ, starting over at 65.5 J, read every 50 ms."""
    times, (start, end) = polls(random, 0.05), window(random)
    energy = held(lambda time: 20 * (time + 2) + random.uniform(0, 65), times, 0.001, random)
    raw = np.floor(energy / 61e-6) * 61e-6 % 65.5
    unwrapped = np.concatenate(([raw[0]], raw[0] + np.cumsum(np.diff(raw) % 65.5)))
    return counter_energy(times, unwrapped, start, end, update_period_s=0.001), 20 * WINDOW_S


def seen_in(case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of all repeats: relative errors, whether the interval held the truth, half widths as a share."""
    random = np.random.default_rng(4)
    found = [case(random) for _ in range(REPEATS)]
    errors = np.array([abs(one.joules / true - 1) for one, true in found])
    inside = np.array([one.low_j <= true <= one.high_j for one, true in found])
    return errors, inside, np.array([one.relative for one, _ in found])


@pytest.mark.parametrize(
    "case",
    [
        a_ramp_read_with_jitter,
        a_ramp_with_a_third_of_its_readings_missing,
        steps_between_readings,
        a_step_at_the_very_end,
        noise_of_one_percent,
        a_ramp_of_a_sensor_that_repeats_itself,
        steps_of_400_mw_under_a_restless_load,
        steps_of_400_mw_along_a_ramp,
        a_counter_that_wrapped_and_was_unwrapped,
    ],
)
def test_the_energy_is_right_within_a_thousandth_and_inside_its_interval(case: Case) -> None:
    errors, inside, widths = seen_in(case)
    assert np.mean((errors <= 0.001) & inside) >= 0.95
    assert np.median(widths) < 0.02  # an interval that holds everything tells nothing


def a_light_load_in_coarse_steps(random: Random):
    return rounded(random, 4, 0.0)


def a_light_load_that_flips_between_two_steps(random: Random):
    return rounded(random, 4, 0.05)


def a_drift_through_two_steps(random: Random):
    return rounded(random, 4, 0, 0.06)


def steps_seen_by_a_slow_sensor(random: Random):
    return steps(random, 0.01, 0.1)


def noise_of_ten_percent_seen_500_times(random: Random):
    times, (start, end) = polls(random, 0.02), window(random)
    return integrate_power(times, random.normal(6, 0.6, len(times)), start, end), 6 * WINDOW_S


def a_counter_of_a_watt_hour_hundredth(random: Random):
    times, (start, end) = polls(random, 0.2), window(random)
    energy = held(lambda time: 60 * time + random.uniform(0, 36), times, 1.0, random)
    return counter_energy(times, np.floor(energy / 36) * 36, start, end, update_period_s=1.0), 60 * WINDOW_S


@pytest.mark.parametrize(
    ("case", "bound"),
    [
        # Half a step, of the smallest power: every reading of a constant load is wrong by the same amount.
        (a_light_load_in_coarse_steps, 0.2 / 4),
        (a_light_load_that_flips_between_two_steps, 0.2 / 4),
        (a_drift_through_two_steps, 0.2 / 4),
        # Three steps of up to 4 W, each known to half an update period, of 40 J at least.
        (steps_seen_by_a_slow_sensor, 3 * 4 * 0.05 / 40),
        # Five standard errors: 0.1 / sqrt(500) each.
        (noise_of_ten_percent_seen_500_times, 5 * 0.1 / math.sqrt(500)),
        # A step at either edge, and a second of 60 W at either edge.
        (a_counter_of_a_watt_hour_hundredth, (36 + 60) / 600),
    ],
)
def test_what_cannot_be_known_to_a_thousandth_has_an_interval_that_says_so(case: Case, bound: float) -> None:
    errors, inside, widths = seen_in(case)
    assert np.mean(errors > 0.001) > 0.05  # the other bar is out of reach
    assert errors.max() <= bound
    assert np.mean(inside) >= 0.95
    assert np.median(widths) <= 4 * bound


TIMES = np.arange(0.0, 12.01, 0.1)


def test_a_constant_power_is_power_times_time_with_its_facts() -> None:
    found = integrate_power(TIMES, np.full(len(TIMES), 3.0), 1.0, 11.0)
    assert isinstance(found, Energy)
    assert (found.joules, found.mean_w, found.window_s) == pytest.approx((30.0, 3.0, 10.0))
    assert (found.low_j, found.high_j) == pytest.approx((30.0, 30.0))
    assert (found.readings, found.distinct, found.method) == (101, 101, "trapezoids")
    assert (found.period_s, found.longest_gap_s) == pytest.approx((0.1, 0.1))
    assert found.coverage == pytest.approx(1.0)
    assert (found.step_w, found.update_period_s) == (None, None)


def test_both_edges_are_interpolated() -> None:
    """A ramp of 1 W/s from 0.25 to 2.65 s, read at whole seconds."""
    found = integrate_power(np.arange(5.0), np.arange(5.0), 0.25, 2.65)
    assert isinstance(found, Energy)
    assert found.joules == pytest.approx((2.65**2 - 0.25**2) / 2)


def test_readings_out_of_order_and_two_of_one_instant_are_put_right() -> None:
    times, power = np.array([3.0, 0, 1, 2, 2, 4]), np.array([3.0, 0, 1, 1.5, 2.5, 4])
    found = integrate_power(times, power, 0.0, 4.0)
    assert isinstance(found, Energy)
    assert (found.joules, found.readings) == (pytest.approx(8.0), 5)


def test_a_missing_reading_is_left_out_and_its_gap_is_told() -> None:
    power = np.where((TIMES > 3.05) & (TIMES < 3.65), math.nan, 2.0)  # 3.1 .. 3.6: seven periods without a reading
    found = integrate_power(TIMES, power, 1.0, 11.0)
    assert isinstance(found, Energy)
    assert (found.joules, found.readings) == (pytest.approx(20.0), 95)
    assert found.longest_gap_s == pytest.approx(0.7)
    assert found.coverage == pytest.approx(1 - (0.7 - 0.3) / 10)


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (TIMES[TIMES > 0.45], "there is no reading before the window begins; one is needed within 0.3 s"),
        (TIMES[TIMES < 0.35], "there is no reading after the window ends"),
        (TIMES[(TIMES < 0.05) | (TIMES > 0.45)], "the nearest reading lies 0.4 s before the window begins"),
        (TIMES[(TIMES < 9.95) | (TIMES > 10.45)], "the nearest reading lies 0.5 s after the window ends"),
        (TIMES[:1], "1 readings: power needs two"),
        (np.array([0.0, 0.3, 20.0]), "window too short: 0 new readings in 9.6 s"),
    ],
)
def test_without_a_reading_near_both_edges_there_is_none(times: np.ndarray, said: str) -> None:
    start, end = 0.4, 10.0
    if times[-1] < 1:
        start, end = 0.1, 0.31
        said = said.replace("0.4", "0.1")
        times = times[times <= end]
    for reason in (
        integrate_power(times, np.ones(len(times)), start, end),
        counter_energy(times, times.copy(), start, end),
    ):
        assert isinstance(reason, str)
        assert said in reason


def test_an_empty_window_has_no_energy() -> None:
    assert "ends 2 s before it begins" in str(integrate_power(TIMES, TIMES, 5.0, 3.0))


def test_a_value_that_is_held_becomes_neither_stairs_nor_one_long_ramp() -> None:
    """A plug that renews 5 W and later 9 W once a second, polled ten times a second."""
    times = np.arange(0.0, 12.0, 0.1)
    power = np.where(times < 5.95, 5.0, 9.0)
    found = integrate_power(times, power, 1.0, 11.0, update_period_s=1.0)
    assert isinstance(found, Energy)
    assert (found.readings, found.distinct, found.period_s) == (101, 10, pytest.approx(1.0, abs=0.06))
    # The 9 W came between the renewals at 4.95 and 5.95 s: a ramp between these two, and not one from the beginning on.
    assert found.joules == pytest.approx(5 * 4.45 + 9 * 5.55)
    assert found.low_j <= 5 * 4 + 9 * 6
    assert found.high_j >= 5 * 4.9 + 9 * 5.1


def test_equal_readings_of_a_fast_sensor_are_no_repeats() -> None:
    power = np.repeat([4.0, 4.4, 4.0], [40, 41, 40])
    found = integrate_power(TIMES, power, 1.0, 11.0, update_period_s=0.013)
    assert isinstance(found, Energy)
    assert (found.distinct, found.readings) == (101, 101)


def test_stairs_of_a_slow_sensor_lag_and_its_own_readings_do_not() -> None:
    """Renewed at whole seconds, polled at 20 Hz: stairs would be half a second late, 0.1 W of 6.2."""
    times = np.arange(0.0, 12.5, 0.05)
    found = integrate_power(times, ramp(np.floor(times)), 1.0, 11.0, update_period_s=1.0)
    assert isinstance(found, Energy)
    assert found.joules == pytest.approx(ramp_energy(1, 11), rel=0.001)
    assert abs(float(np.mean(ramp(np.floor(times[20:220])))) * 10 / ramp_energy(1, 11) - 1) > 0.015


def test_a_step_told_by_the_device_widens_the_interval_of_a_steady_load() -> None:
    """Uniform within a step: 2.2 / sqrt(12) of it, and 6/101 more for as many readings."""
    found = integrate_power(TIMES, np.full(len(TIMES), 4.0), 1.0, 11.0, step_w=0.4)
    assert isinstance(found, Energy)
    half = (2.2 + 6 / 101) * 0.4 / math.sqrt(12) * 10
    assert (found.high_j - found.joules, found.joules - found.low_j) == pytest.approx((half, half))
    assert found.step_w == 0.4


def test_a_step_is_seen_where_values_come_again_in_its_multiples() -> None:
    assert visible_step(np.tile([3.99, 4.39, 3.99, 4.79], 10)) == pytest.approx(0.4)
    assert visible_step(np.repeat(np.arange(8) * 0.04, 5)) == pytest.approx(0.04)
    assert visible_step(np.repeat([5.0, 9.0], 50)) is None  # two plateaus
    assert visible_step(np.tile([1.0, 1.1, 2.718, 1.35], 20)) is None
    assert visible_step(np.random.default_rng(0).normal(5, 1, 500)) is None
    assert visible_step(np.full(50, 3.0)) is None


@pytest.mark.parametrize(("poll_s", "period_s"), [(0.01, 0.1), (0.02, 0.1), (0.05, 1.0)])
def test_the_update_period_is_found_from_changes(poll_s: float, period_s: float) -> None:
    random = np.random.default_rng(1)
    times = np.arange(0, 100 * period_s, poll_s)
    values = random.normal(5, 0.3, 200)[(times / period_s + 1e-9).astype(int)]
    assert update_period(times, values) == pytest.approx(period_s, abs=poll_s * 1.01)


def test_the_update_period_is_not_guessed() -> None:
    assert update_period(TIMES, np.repeat([1.0, 2.0, 3.0], [40, 41, 40])) is None  # three values tell none
    # A step a second: a slow sensor, or a coarse one. The slow one is the careful guess.
    assert update_period(TIMES, np.floor(TIMES)) == pytest.approx(1.0, abs=0.01)


def test_a_counter_is_interpolated_at_both_edges() -> None:
    found = counter_energy(np.arange(5.0), 100 + 2.5 * np.arange(5.0), 0.5, 3.25)
    assert isinstance(found, Energy)
    assert (found.joules, found.mean_w, found.method) == (pytest.approx(6.875), pytest.approx(2.5), "counter")


def test_a_gap_costs_a_counter_nothing() -> None:
    kept = (TIMES < 3.05) | (TIMES > 7.05)
    found = counter_energy(TIMES[kept], 5 * TIMES[kept], 1.0, 11.0)
    assert isinstance(found, Energy)
    assert found.joules == pytest.approx(50.0)
    assert found.longest_gap_s == pytest.approx(4.1)


def test_a_counter_that_falls_was_reset() -> None:
    joules = np.where(TIMES < 6, 500 + TIMES, TIMES)
    assert counter_energy(TIMES, joules, 1.0, 11.0) == (
        "the counter fell from 505.9 to 6 J: it was reset, or a wrap went unseen"
    )
    earlier = counter_energy(TIMES, joules, 7.0, 11.0)  # before the window it may
    assert isinstance(earlier, Energy)
    assert earlier.joules == pytest.approx(4.0)


def test_a_counter_that_stands_still_has_no_energy() -> None:
    assert counter_energy(TIMES, np.full(len(TIMES), 7.0), 1.0, 11.0) == (
        "the counter stood still for the whole window of 10 s"
    )


def test_channels_are_added_with_their_intervals() -> None:
    one = Energy(10, 9, 11, 5.0, 100, 90, 0.05, 1.0, 0.06, 0.4, "trapezoids", 0.013)
    other = Energy(20, 19.5, 20.5, 5.0, 50, 40, 0.1, 0.9, 0.3, None, "trapezoids")
    assert add([one, other]) == Energy(30, 28.5, 31.5, 5.0, 50, 40, 0.1, 0.9, 0.3, 0.4, "trapezoids", 0.013)
    assert add([one, other]).relative == pytest.approx(0.05)
