"""Each check of a series fires on one hand-made record and is silent on another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.analysis import series_checks
from harness.analysis.context import Context
from harness.model.trial import Phases, Record, Samples, Trial
from harness.model.verdict import verdict_of
from tests.support.host_side import CASE, DEVICE, column, facts, only, samples, trial

COUNT = 1000


def steady(seed: int = 0) -> np.ndarray:
    return 1e-3 * np.exp(0.01 * np.random.default_rng(seed).standard_normal(COUNT))


def launch(values: np.ndarray, number: int = 0, **changes: Any) -> Trial:
    begin = 100.0 * (number + 1)
    starts = begin + np.concatenate(([0.0], np.cumsum(values)[:-1]))
    taken = Samples(column(starts), column(values), column([0] * len(values)))
    phases = Phases(warm_up_steady=True, steady_start_s=begin, steady_end_s=begin + float(values.sum()))
    return trial([0.001], **{"launch": number, "samples": taken, "phases": phases, **changes})


def context(*trials: Trial) -> Context:
    return Context(Record(CASE, trials), facts(), DEVICE, None)


def calm(number: int = 6) -> list[Trial]:
    return [launch(steady(n), n) for n in range(number)]


def test_every_check_is_tested_here() -> None:
    names = {name for name in globals() if name.startswith("test_")}
    for check in series_checks.CHECKS:
        assert {f"test_{check.__name__}_fires", f"test_{check.__name__}_is_silent"} <= names


def everything_is_silent(check: Any) -> None:
    for record in (context(*calm()), context(), context(launch(steady()[:20])), context(trial([]))):
        assert list(check(record)) == []


def test_drift_fires() -> None:
    ramp = np.linspace(1, 1.15, COUNT)
    one = only(series_checks.drift, context(*calm(5), launch(steady(9) * ramp, 5)))
    assert (one.code, one.severity) == ("drift", "note")
    assert "within 1 of 6 launches, most by +14" in one.evidence
    assert "(a ramp, launch 5)" in one.evidence
    step = np.where(np.arange(COUNT) < 400, 1.0, 0.8)
    most = only(series_checks.drift, context(*[launch(steady(n) * step, n) for n in range(4)], *calm(2)))
    assert most.severity == "doubt"
    assert "within 4 of 6 launches, most by -20" in most.evidence
    assert "(a step," in most.evidence


def test_drift_is_silent() -> None:
    everything_is_silent(series_checks.drift)


def two_levels(seed: int) -> np.ndarray:
    return steady(seed) * np.where(np.random.default_rng(100 + seed).random(COUNT) < 0.4, 1.25, 1.0)


def test_two_modes_fires() -> None:
    found = only(series_checks.two_modes, context(*[launch(two_levels(n), n) for n in range(4)], *calm(2)))
    assert (found.code, found.severity) == ("two_modes", "doubt")
    assert "4 of 6 launches have two modes" in found.evidence
    assert "1.25" in found.evidence
    assert only(series_checks.two_modes, context(launch(two_levels(0)), *calm(2))).severity == "note"


def test_two_modes_is_silent() -> None:
    everything_is_silent(series_checks.two_modes)


def with_bursts(seed: int, length: int) -> np.ndarray:
    values = steady(seed)
    for start in (100, 400, 700):
        values[start : start + length] = 4e-3
    return values


def test_outlier_bursts_fires() -> None:
    short = only(series_checks.outlier_bursts, context(*[launch(with_bursts(n, 6), n) for n in range(6)]))
    assert (short.code, short.severity) == ("outlier_bursts", "note")
    assert "in 6 of 6 launches; in launch 0: 3 bursts of up to 6 in a row, 54" in short.evidence
    assert "up to 1.8% of a launch" in short.evidence
    long = [launch(with_bursts(n, 30), n) for n in range(6)]
    assert only(series_checks.outlier_bursts, context(*long)).severity == "doubt"
    assert only(series_checks.outlier_bursts, context(*long[:2], *calm(4))).severity == "note"


def test_outlier_bursts_is_silent() -> None:
    everything_is_silent(series_checks.outlier_bursts)


def test_stood_still_fires() -> None:
    """Ten seconds in which a virtual machine stood still, between two inferences or in one of them."""
    values = steady()
    paused = launch(values)
    starts = np.asarray(paused.samples.start_s) + np.where(np.arange(COUNT) < 500, 0.0, 10.0)
    paused = replace(paused, samples=replace(paused.samples, start_s=column(starts)))
    found = only(series_checks.stood_still, context(paused, *calm(2)))
    assert (found.code, found.severity) == ("stood_still", "doubt")
    assert "nothing happened for 10 s in the midst of launch 0 (1 of 3 launches)" in found.evidence
    values[300] = 10.1
    assert only(series_checks.stood_still, context(launch(values))).severity == "doubt"


def test_clock_backwards_fires() -> None:
    back = launch(steady())
    starts = np.asarray(back.samples.start_s) - np.where(np.arange(COUNT) < 500, 0.0, 0.2)
    found = only(
        series_checks.clock_backwards, context(replace(back, samples=replace(back.samples, start_s=column(starts))))
    )
    assert found.severity == "invalid"
    assert verdict_of((found,)) == "invalid"
    values = steady()
    values[3] = -1e-3
    assert only(series_checks.clock_backwards, context(launch(values))).severity == "invalid"


def test_clock_backwards_is_silent() -> None:
    everything_is_silent(series_checks.clock_backwards)


def test_stood_still_is_silent() -> None:
    everything_is_silent(series_checks.stood_still)
    slow = launch(0.5 + steady()[:50])  # an inference of half a second is no pause
    assert list(series_checks.stood_still(context(slow))) == []


def test_no_steady_state_fires() -> None:
    ramp = np.linspace(1, 1.3, COUNT)
    found = only(series_checks.no_steady_state, context(*[launch(steady(n) * ramp, n) for n in range(6)]))
    assert (found.code, found.severity) == ("no_steady_state", "doubt")
    assert "over 6 launches no point in the first 500 inferences" in found.evidence


def test_no_steady_state_is_silent() -> None:
    everything_is_silent(series_checks.no_steady_state)


def test_the_warm_up_belongs_to_the_profile() -> None:
    """A launch whose measured part is level says so of the whole: the warm-up before it may be anything."""
    trials = [replace(one, warm_up=samples([0.002] * 100)) for one in calm()]
    assert list(series_checks.no_steady_state(context(*trials))) == []


def test_what_the_agent_saw_already_is_not_said_twice() -> None:
    ramp = np.linspace(1, 1.3, COUNT)
    trials = [launch(steady(n) * ramp, n) for n in range(6)]
    restless = [replace(one, phases=replace(one.phases, warm_up_steady=False)) for one in trials]
    assert list(series_checks.no_steady_state(context(*restless))) == []


@pytest.mark.parametrize("check", series_checks.CHECKS)
def test_nan_and_zero_durations_break_no_check(check: Any) -> None:
    values = steady()
    values[5] = np.nan
    for broken in (values, np.zeros(COUNT), np.full(COUNT, np.nan)):
        assert all(found.code for found in check(context(*[launch(broken, n) for n in range(6)])))
