"""Series over runs: what belongs together, where it moved, by commit; and how seldom the test cries wolf."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.analysis.change_points import ALPHA, change_points
from harness.analysis.history import history
from harness.errors import UnknownName
from harness.model.trial import Environment
from harness.store.store import StoredRun
from tests.study import history as study
from tests.support import host_side
from tests.support.host_side import CASE, facts, plan, trial

SPREAD = [-0.011, -0.006, -0.002, 0.003, 0.004, 0.012]
LARGE = replace(CASE, variant="large", artifact_sha256="b" * 64)
CASES = {"small": CASE, "large": LARGE}
MACHINE = {"cpu": "a CPU", "machine": "x86_64", "cores": 2}


def stored(
    number: int, levels: Mapping[str, float], *, machine: Mapping[str, Any] = MACHINE, size: int = 1000, **changes: Any
) -> StoredRun:
    """The run of day `number`: six launches of each case about its level in ms."""
    trials = []
    cases = {name: CASES.get(name, replace(CASE, variant=name)) for name in levels}
    for name, level in levels.items():
        case = cases[name]
        for launch, log in enumerate(SPREAD):
            times = [1e-3 * level * math.exp(log)] * 64
            environment = Environment({}, {}, dict(machine))
            trials.append(
                trial(times, case=case, launch=launch, id=f"{case.variant}-{launch}", environment=environment,
                      run=f"run-{number:02d}",
                      order=len(trials), memory={"end_peak_rss_bytes": 1e8})
            )  # fmt: skip
    planned = replace(
        plan(tuple(cases.values()), 6), artifacts={case.id: facts(size_bytes=size) for case in cases.values()}
    )
    held = host_side.stored(trials, planned)
    day = f"2026-01-{number + 1:02d}T00:00:00Z"
    run = replace(held.run, id=f"run-{number:02d}", started_utc=day, commit=f"{number:040x}", **changes)
    return replace(held, run=run)


def noisy(levels: Sequence[float], seed: int = 0) -> list[float]:
    """With half a per cent between runs."""
    generator = np.random.default_rng(seed)
    return [level * math.exp(0.005 * float(generator.standard_normal())) for level in levels]


def runs(levels: Sequence[float], **changes: Any) -> list[StoredRun]:
    return [stored(number, {"small": level}, **changes) for number, level in enumerate(levels)]


def test_a_series_is_in_order_of_time_with_intervals_and_commits() -> None:
    (series,) = history(runs([1.0, 1.01, 0.99])[::-1], ["latency_p50_s"]).series
    assert [point.run for point in series.points] == ["run-00", "run-01", "run-02"]
    first = series.points[0]
    assert first.value == pytest.approx(1e-3 * math.exp(0.0005), rel=1e-5)  # the median of six is between two
    assert (first.low, first.high, first.n) == (
        pytest.approx(1e-3 * math.exp(-0.011)), pytest.approx(1e-3 * math.exp(0.012)), 6,
    )  # fmt: skip
    assert first.commit == "0" * 40
    assert (series.variant, series.backend, series.scenario, series.device) == (
        "small",
        "null",
        "single-stream",
        "bench",
    )
    assert series.machine["board"] == "x86_64 a CPU"
    assert series.moves == ()


def test_a_move_is_found_with_its_run_and_its_size() -> None:
    found = history(runs(noisy([1.0] * 7 + [1.06] * 5)), ["latency_p50_s"])
    (move,) = found.series[0].moves
    assert (move.index, move.side) == (7, "worse")
    assert move.change == pytest.approx(0.06, abs=0.006)
    assert move.p < ALPHA


def test_an_improvement_and_a_relapse_are_two_moves() -> None:
    (series,) = history(runs(noisy([1.0] * 6 + [0.9] * 6 + [1.0] * 6)), ["latency_p50_s"]).series
    assert [(move.index, move.side) for move in series.moves] == [(6, "better"), (12, "worse")]


def test_throughput_is_better_when_it_rises() -> None:
    (series,) = history(runs(noisy([1.0] * 6 + [0.9] * 6)), ["throughput_per_s"]).series
    (move,) = series.moves
    assert (move.index, move.side) == (6, "better")
    assert move.change > 0.09


def test_a_move_below_the_margin_is_none_unless_it_is_asked_for() -> None:
    held = runs([level * math.exp(0.0005 * (-1) ** i) for i, level in enumerate([1.0] * 8 + [1.01] * 8)])
    assert history(held, ["latency_p50_s"]).series[0].moves == ()
    (move,) = history(held, ["latency_p50_s"], margin=0.005).series[0].moves
    assert (move.index, move.change) == (8, pytest.approx(0.01, abs=1e-3))


def test_a_move_that_another_one_dwarfs_goes_without_taking_it_along() -> None:
    """1, then 1.5 % more, which is below the margin, then 5 % more: one move, from the level of both before it."""
    steps = [1.0] * 8 + [1.015] * 8 + [1.07] * 8
    held = runs([level * math.exp(0.0005 * (-1) ** i) for i, level in enumerate(steps)])
    (move,) = history(held, ["latency_p50_s"]).series[0].moves
    assert move.index == 16
    assert move.change == pytest.approx(1.07 / 1.0075 - 1, abs=1e-3)


def test_fewer_than_six_runs_are_no_history() -> None:
    assert history(runs([1.0, 1.0, 5.0, 5.0, 5.0]), ["latency_p50_s"]).series[0].moves == ()


def test_one_run_that_stands_out_is_no_move() -> None:
    levels = noisy([1.0] * 12)
    for place in (0, 5, 11):
        out = [level * (1.5 if i == place else 1) for i, level in enumerate(levels)]
        assert history(runs(out), ["latency_p50_s"]).series[0].moves == ()


def test_counts_move_wherever_they_differ() -> None:
    held = [stored(number, {"small": 1.0}, size=size) for number, size in enumerate([1000, 1000, 1200, 1200])]
    (series,) = history(held, ["model_size_bytes"]).series
    (move,) = series.moves
    assert (move.index, move.change, move.side, move.p) == (2, pytest.approx(0.2), "worse", 0.0)


def test_another_machine_or_device_begins_another_series() -> None:
    held = runs([1.0, 1.0, 1.0])
    held += [stored(number, {"small": 2.0}, machine={**MACHINE, "cpu": "another"}) for number in (3, 4)]
    other = stored(5, {"small": 3.0})
    held.append(replace(other, run=replace(other.run, device=replace(other.run.device, name="bench-2"))))
    found = history(held, ["latency_p50_s"]).series
    assert [(one.device, len(one.points)) for one in found] == [("bench", 3), ("bench", 2), ("bench-2", 1)]
    assert len({(one.device, one.machine_id) for one in found}) == 3
    assert all(one.moves == () for one in found)


def test_variants_and_metrics_are_series_of_their_own() -> None:
    held = [stored(number, {"small": 1.0, "large": 4.0}) for number in range(3)]
    found = history(held, ["latency_p50_s", "latency_mean_s"]).series
    assert [(one.variant, one.metric) for one in found] == [
        ("large", "latency_p50_s"), ("large", "latency_mean_s"),
        ("small", "latency_p50_s"), ("small", "latency_mean_s"),
    ]  # fmt: skip
    (only,) = history(held, ["latency_p50_s"], variants=["small"]).series
    assert only.variant == "small"


def test_against_a_reference_what_slows_the_whole_machine_down_cancels() -> None:
    whole = noisy([1.0] * 6 + [1.3] * 6)
    small = [level * (1.05 if number >= 8 else 1.0) for number, level in enumerate(whole)]
    held = [
        stored(number, {"small": level, "large": 4 * slow})
        for number, (level, slow) in enumerate(zip(small, whole, strict=True))
    ]
    plain = history(held, ["latency_p50_s"], variants=["small"]).series[0]
    assert 6 in [move.index for move in plain.moves]
    (relative,) = history(held, ["latency_p50_s"], reference="large").series
    assert (relative.variant, relative.reference) == ("small", "large")
    assert relative.points[0].value == pytest.approx(0.25)
    (move,) = relative.moves
    assert (move.index, move.change) == (8, pytest.approx(0.05, abs=1e-6))


def test_a_reference_that_is_nowhere_is_told() -> None:
    found = history(runs([1.0, 1.0]), ["latency_p50_s"], reference="absent")
    assert found.series == ()
    assert "no run holds absent" in found.notes[0]


def test_an_invalid_case_is_left_out_with_its_reason() -> None:
    held = runs([1.0, 1.0])
    broken = replace(held[1], trials=tuple(replace(one, status="failed", message="died") for one in held[1].trials))
    found = history([held[0], broken], ["latency_p50_s"])
    assert [point.run for point in found.series[0].points] == ["run-00"]
    assert found.notes[0].startswith("run-01: small is invalid (")


def test_a_run_that_cannot_be_analysed_is_left_out_with_a_note() -> None:
    held = [stored(number, {"small": 1.0}, size=10**400 if number == 1 else 1000) for number in range(3)]
    found = history(held, ["latency_p50_s", "model_size_bytes"])
    assert [[point.run for point in one.points] for one in found.series] == [["run-00", "run-02"]] * 2
    (note,) = found.notes
    assert note.startswith("run-01 cannot be analysed and is left out (OverflowError: ")


def test_a_metric_that_no_run_has_is_no_series_and_one_that_is_unknown_is_named() -> None:
    assert history(runs([1.0]), ["energy_per_inference_j"]).series == ()
    with pytest.raises(UnknownName, match="latency_p50_s"):
        history(runs([1.0]), ["latency_p50"])


def test_many_series_share_the_error_level() -> None:
    """Of ten series each is tested at a tenth of it, so that the whole keeps the rate: what one alone shows, one of ten
    does not."""
    levels = [1.0, 1.004, 0.997, 1.026, 1.019, 1.022]
    ((place, p),) = change_points([math.log(level) for level in levels])
    assert (place, ALPHA / 10 < p < ALPHA) == (3, True)
    assert len(history(runs(levels), ["latency_p50_s"]).series[0].moves) == 1
    others = {f"other-{number}": 1.0 for number in range(9)}
    many = [stored(number, {"small": level, **others}) for number, level in enumerate(levels)]
    assert not any(one.moves for one in history(many, ["latency_p50_s"]).series)


@pytest.mark.parametrize("noise", [name for name in study.NOISES if "correlated" not in name])
@pytest.mark.parametrize("count", [7, 20])
def test_false_alarms_stay_near_the_nominal_rate(noise: str, count: int) -> None:
    """Of 400 at 1 %: 12 or more have a chance of 0.2 %. The study has more of them, and what correlated runs do."""
    assert study.alarms(study.ours, noise, count, 400) * 400 <= 11


@pytest.mark.parametrize(
    ("count", "step", "place", "least"), [(7, 5, 3, 0.7), (12, 5, 6, 0.95), (20, 3, 10, 0.85), (20, 5, 17, 0.85)]
)
def test_moves_are_found(count: int, step: float, place: int, least: float) -> None:
    assert study.found(study.ours, "normal", count, step, place, 200) >= least


def test_what_came_and_went_is_found() -> None:
    """No single split shows it."""
    assert study.found(study.ours, "normal", 20, 5, 6, 200, until=13) >= 0.9


def test_a_method_that_cries_wolf_fails_the_same_check() -> None:
    assert study.alarms(lambda values: [1] if np.ptp(values) > 0.03 else [], "normal", 20, 400) * 400 > 11


def test_the_same_series_has_the_same_moves_and_its_mirror_too() -> None:
    logs = [float(value) for value in study.series("outliers", 40, 3, 5.0, 20)]
    found = change_points(logs)
    assert found == change_points(logs)
    assert [place for place, _ in change_points([-log for log in logs])] == [place for place, _ in found]
    assert change_points([log + 7 for log in logs])[0][0] == found[0][0]


@pytest.mark.parametrize("logs", [[], [0.0], [0.0] * 50, [0.0, 1.0, 2.0, 3.0, 4.0]])
def test_nothing_is_found_in_nothing(logs: list[float]) -> None:
    assert change_points(logs) == ()


def test_a_step_without_any_noise_is_found() -> None:
    ((place, p),) = change_points([0.0] * 5 + [0.1] * 5)
    assert (place, p) == (5, pytest.approx(0.0, abs=1e-6))
