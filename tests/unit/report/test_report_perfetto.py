"""The Chrome trace: slices and counters at their places on the run's axis, names, thinning, empty runs."""

import json
import math
from array import array
from dataclasses import replace

import numpy as np
import pytest

from harness.model.trial import Channel, Phases, Trace
from harness.report import perfetto, reporter
from harness.report.cases import shown
from harness.report.perfetto import MOST_EVENTS, SENSORS, most_each, place, readings
from harness.report.sections.timeline import layout
from tests.support.example_run import example_run, renamed

POWER = Channel("ina", "VDD_IN_power", "W", "gauge", "board input", "board rail")


def trace(run) -> dict:
    return json.loads(reporter("perfetto").render(*run))


def of_kind(run, kind: str) -> list[dict]:
    return [event for event in trace(run)["traceEvents"] if event["ph"] == kind]


@pytest.fixture(scope="module")
def run():
    return example_run(("fast", "wide"))


def with_trials(run, change):
    """The same run with every trial changed."""
    result, records = run
    return result, {
        key: replace(record, trials=tuple(change(trial) for trial in record.trials)) for key, record in records.items()
    }


def test_every_inference_is_a_slice_of_its_length_at_its_place(run):
    result, records = run
    trials = sorted((trial for record in records.values() for trial in record.trials), key=lambda trial: trial.order)
    shifts = layout(trials)
    slices = [event for event in of_kind(run, "X") if event["name"] == "inference"]
    assert len(slices) == sum(len(trial.samples) for trial in trials)
    first = next(event for event in slices if (event["pid"], event["tid"]) == (perfetto.FIRST_CASE, 1))
    begin, length = trials[0].samples.start_s[0], trials[0].samples.duration_s[0]
    assert first["ts"] == pytest.approx((begin + shifts[0]) * 1e6, abs=2e-3)
    assert first["dur"] == pytest.approx(length * 1e6, abs=2e-3)
    assert first["args"] == {"number": 0}
    total = sum(event["dur"] for event in slices if event["pid"] == perfetto.FIRST_CASE)
    fast = records[result.cases[0].case.id]
    assert total == pytest.approx(1e6 * sum(sum(trial.samples.duration_s) for trial in fast.trials), rel=1e-6)


def test_the_axis_begins_at_nought_and_slices_of_a_thread_never_overlap(run):
    ends: dict[tuple[int, int], float] = {}
    slices = of_kind(run, "X")
    assert min(event["ts"] for event in trace(run)["traceEvents"] if "ts" in event) == pytest.approx(0, abs=1e-3)
    for event in sorted(slices, key=lambda event: event["ts"]):
        thread = (event["pid"], event["tid"])
        # Both are whole nanoseconds; in microseconds as floats their sum may be off in the last digit.
        assert round(event["ts"] * 1e3) >= round(ends.get(thread, 0.0) * 1e3)
        ends[thread] = event["ts"] + event["dur"]
    assert len(ends) == 12


def test_cases_are_processes_and_trials_are_threads_each_with_its_name(run):
    names = {(event["pid"], event["name"], event.get("tid")): event["args"] for event in of_kind(run, "M")}
    assert names[SENSORS, "process_name", None] == {"name": "sensors of pi4"}
    assert names[2, "process_name", None] == {"name": "fast"}
    assert names[3, "process_labels", None] == {"labels": "invalid: throttled"}
    assert names[3, "thread_name", 2] == {"name": "launch 1 (trial 3 of the run)"}
    used = {(event["pid"], event["tid"]) for event in of_kind(run, "X")}
    assert used == {(pid, tid) for pid, name, tid in names if name == "thread_name"}


def test_power_temperature_and_clocks_are_counters_with_scope_and_provenance(run):
    powered = with_trials(run, lambda trial: replace(trial, traces=(*trial.traces, watts(trial, (4.0, 5.5, math.nan)))))
    counters = of_kind(powered, "C")
    assert {event["name"] for event in counters} == {
        "ina:VDD_IN_power, W (board input, board rail)",
        "thermal:cpu-thermal_0, °C (zone, thermal zone)",
        "thermal:gpu-thermal_1, °C (zone, thermal zone)",
        "cpu:cpu3_clock, MHz (core, cpufreq)",
    }
    read = [event["args"]["W"] for event in counters if event["name"].startswith("ina")]
    assert read == [4.0, 5.5] * 12  # a failed reading is no reading
    assert {event["args"]["MHz"] for event in counters if event["name"].startswith("cpu:")} == {1800.0, 1200.0}
    assert {event["pid"] for event in counters} == {SENSORS}


def watts(trial, values: tuple[float, ...]) -> Trace:
    start = trial.samples.start_s[0]
    return Trace(POWER, array("d", [start + 0.1 * index for index in range(len(values))]), array("d", values))


def test_an_energy_counter_becomes_the_mean_power_between_readings():
    channel = replace(POWER, unit="J", kind="counter")
    time_s, value = readings(channel, np.array([0.0, 0.5, 1.5, 2.0]), np.array([10.0, 12.0, 1.0, 2.5]))
    assert time_s.tolist() == [0.0, 1.5]  # between 12 J and 1 J it has wrapped
    assert value.tolist() == [4.0, 3.0]


def test_rest_before_and_after_is_a_slice_of_its_own(run):
    def rested(trial):
        begin, end = trial.samples.start_s[0], trial.samples.start_s[-1]
        phases = Phases(
            idle_before_start_s=begin - 99.0,
            idle_before_end_s=begin - 98.0,
            idle_after_start_s=end + 1.0,
            idle_after_end_s=end + 3.0,
        )
        return replace(trial, phases=phases)

    idle = [event for event in of_kind(with_trials(run, rested), "X") if event["name"] == "idle"]
    # Before the first trial the axis has not begun; later ones lie where the axis has room.
    assert [round(event["dur"]) for event in idle].count(2_000_000) == 12
    assert all(event["ts"] >= 0 for event in idle)


def test_over_the_stated_number_events_are_thinned_and_extremes_stay(run):
    def longer(trial):
        count = 20_000
        duration = np.full(count, 1e-4)
        duration[12_345] = 3e-3
        start = trial.samples.start_s[0] + 1e-3 * np.arange(count)
        return replace(
            trial,
            samples=replace(trial.samples, start_s=array("d", start), duration_s=array("d", duration)),
        )

    long = with_trials(run, longer)
    found = trace(long)
    slices = [event for event in found["traceEvents"] if event["name"] == "inference"]
    assert 10_000 < len(found["traceEvents"]) < MOST_EVENTS
    assert "over 200000 events: each trial is cut into" in found["otherData"]["thinning"]
    slowest = [event for event in slices if event["dur"] > 2e3]
    assert [event["args"]["number"] for event in slowest] == [12_345] * 12
    assert trace(run)["otherData"]["thinning"].startswith("none")
    assert most_each(place(shown(*run))) is None


def test_an_inference_whose_duration_failed_is_left_out(run):
    def broken(trial):
        duration = array("d", trial.samples.duration_s)
        duration[0] = math.nan
        return replace(trial, samples=replace(trial.samples, duration_s=duration))

    before = sum(event["name"] == "inference" for event in of_kind(run, "X"))
    assert sum(event["name"] == "inference" for event in of_kind(with_trials(run, broken), "X")) == before - 12


@pytest.mark.parametrize("name", ["<script>", "שלום", "\u202eabc\x00", "x" * 200, '"},{'])
def test_names_are_escaped_and_shown_as_far_as_they_can_be(run, name):
    source = reporter("perfetto").render(*renamed(*run, "fast", name))
    assert source.isascii()
    names = [event["args"]["name"] for event in json.loads(source)["traceEvents"] if event["name"] == "process_name"]
    assert len(names) == 3
    assert not any(character in names[1] for character in "\u202e\x00")


def test_without_records_or_cases_it_is_a_trace_that_says_so(run):
    result, _ = run
    for nothing in ((result, {}), (replace(result, cases=()), {})):
        assert trace(nothing)["otherData"]["missing"] == "no trial's timed inferences are at hand"
        assert {event["ph"] for event in trace(nothing)["traceEvents"]} == {"M"}


def test_a_failed_trial_says_so_in_its_name(run):
    failed = with_trials(run, lambda trial: replace(trial, status="failed"))
    names = [event["args"]["name"] for event in of_kind(failed, "M") if event["name"] == "thread_name"]
    assert all(name.endswith("of the run, failed)") for name in names)


def test_the_file_is_small_lines_in_one_object_with_the_run_beside_the_events(run):
    source = reporter("perfetto").render(*run).decode()
    assert max(map(len, source.splitlines())) < 1000
    found = json.loads(source)
    assert found["displayTimeUnit"] == "ms"
    other = found["otherData"]
    assert (other["run"], other["suite"], other["device"], other["trials"]) == (
        "20260314-092653-pi4",
        "cifar10",
        "pi4",
        12,
    )
