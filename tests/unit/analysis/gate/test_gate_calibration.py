"""What a machine's noise lets a gate decide, from A/A launches whose noise is known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from harness.analysis.gate import calibration, decide
from harness.model.gate import Policy, Rule
from harness.model.policy import DEFAULT
from tests.support import fake_launches

MEDIAN = Rule("latency_p50_s", 0.02, 0.05)
POLICY = Policy((MEDIAN,), confirm=5)
LEVELS = decide.levels_of(POLICY, calibration.FAMILY)


def logs(sigma: float, count: int = 20, mean: float = 0.0) -> np.ndarray:
    """Exactly that mean and that standard deviation, seeded."""
    drawn = np.random.default_rng(3).standard_normal(count)
    return mean + sigma * (drawn - drawn.mean()) / drawn.std(ddof=1)


def floor(values: np.ndarray, launch_s: float = 1.0) -> calibration.Floor:
    return calibration.floor(MEDIAN, values, (POLICY, LEVELS), launch_s)


def test_an_unbiased_quiet_machine() -> None:
    found = floor(logs(0.004))
    assert (found.bias, found.biased) == (pytest.approx(0.0, abs=1e-9), False)
    assert found.sigma == pytest.approx(0.004)
    half = 2.093 * 0.004 / math.sqrt(20)  # t, 97.5 %, 19 degrees of freedom
    assert (found.low, found.high) == (pytest.approx(-half, rel=2e-3), pytest.approx(half, rel=2e-3))
    assert (found.launches, found.seconds) == (6, 11.0)  # 6 of a look, 5 to confirm


@pytest.mark.parametrize(("bias", "biased"), [(0.004, True), (-0.004, True), (0.002, False), (0.0, False)])
def test_bias_must_contain_nothing_or_be_small(bias: float, biased: bool) -> None:
    found = floor(logs(0.0005, mean=math.log1p(bias)))
    assert found.biased is biased
    assert found.bias == pytest.approx(bias, abs=1e-6)


def test_a_large_bias_that_noise_explains_is_none() -> None:
    assert not floor(logs(0.02, mean=0.005)).biased


def test_what_is_found_in_a_time() -> None:
    found = floor(logs(0.004))
    # 15 launches of 1 s, 5 of them to confirm: a look at 10.
    assert found.found["15"] == pytest.approx(decide.detectable(0.004, 10, MEDIAN, LEVELS))
    # A look at 55 would see less than five fresh launches show again in 95 of 100 gates, so those decide.
    alone = decide.detectable(0.004, 5, MEDIAN, replace(LEVELS, first=LEVELS.again, fresh=0))
    assert found.found["60"] == pytest.approx(alone, abs=1e-4)
    assert found.found["60"] < found.found["15"] < 0.05


def test_slow_launches_leave_no_time_for_a_look() -> None:
    assert floor(logs(0.004), launch_s=2.0).found["15"] is None


def test_more_noise_needs_more_launches_until_none_suffice() -> None:
    needed = [floor(logs(sigma)).launches for sigma in (0.004, 0.012, 0.015, 0.016, 0.1)]
    # From 1.57 % on, five fresh launches show a slowdown of the limit again in fewer than 95 of 100 gates.
    assert needed == [6, 8, 11, None, None]


def test_without_confirmation_the_looks_alone_count() -> None:
    policy = replace(POLICY, confirm=0)
    found = calibration.floor(MEDIAN, logs(0.018), (policy, decide.levels_of(policy, 20)), 1.0)
    assert found.launches is not None
    assert found.seconds == found.launches


def test_what_a_launch_keeps_of_the_one_before() -> None:
    assert calibration.carried(np.array([1.0, -1.0] * 10)) == pytest.approx(-0.95)
    assert calibration.carried(np.repeat([1.0, -1.0], 10)) == pytest.approx(0.85)
    assert calibration.carried(np.full(9, 0.25)) == 0.0


@pytest.mark.parametrize(("sigma", "passes"), [(0.004, True), (0.05, False)])
def test_resampled_gates_raise_no_alarm(sigma: float, passes: bool) -> None:
    alarms, passed = calibration.resampled(POLICY, [MEDIAN], [logs(sigma)], seed=1, gates=2000)
    assert alarms <= 0.01
    assert (passed > 0.95) is passes


def test_resampled_gates_are_the_same_for_the_same_seed() -> None:
    noisy = Policy((Rule("latency_p50_s", 0.0, 0.01),), alpha=0.4, confirm=0)
    one, again, other = (
        calibration.resampled(noisy, noisy.rules, [logs(0.004)], seed=seed, gates=500) for seed in (1, 1, 2)
    )
    assert one == again
    assert one != other
    assert one[0] > 0.05  # a level of 40 % does raise alarms: the count can count


def test_launches_to_floors_of_every_metric() -> None:
    generator = np.random.default_rng(5)
    launches = [fake_launches.launch(generator, blocks=8, size=70) for _ in range(20)]
    launches = [fake_launches.with_figures(one, "load_s", "s", 0.1 + 0.001 * i, 0.1) for i, one in enumerate(launches)]
    found = calibration.calibrated(launches, [1.5] * 19 + [9.0], DEFAULT, seed=0, gates=200)
    floors = {one.metric: one for one in found.floors}
    assert (found.n, found.launch_s, found.gates) == (20, 1.5, 200)
    assert floors["latency_p50_s"].sigma == pytest.approx(0.0035 * math.sqrt(1.25), rel=0.4)
    assert not floors["latency_p50_s"].biased
    assert floors["load_s"].biased  # 1 % and more on average
    assert found.absent["memory_peak_bytes"].startswith("20 of 20 launches have none")
    assert set(floors) | set(found.absent) == {rule.metric for rule in DEFAULT.rules}
    assert found.alarms <= 0.01
    assert any("load" in reason for reason in found.reasons)


def test_a_clock_that_repeats_itself_has_no_floor() -> None:
    one = fake_launches.launch(np.random.default_rng(5), size=70)
    found = calibration.calibrated([one] * 8, [1.0] * 8, POLICY, seed=0, gates=50)
    assert found.floors == ()
    assert "a clock that does not measure" in found.absent["latency_p50_s"]
    assert math.isnan(found.alarms)
