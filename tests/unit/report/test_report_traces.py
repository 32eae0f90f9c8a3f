"""Distributions, timelines and sensor strips: thinning keeps the extremes, time is laid out, absence has words."""

import math
from array import array
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from harness.model.trial import Channel, Samples, Trace
from harness.report.sections.distribution import pooled_latency_s
from harness.report.sections.panels import rate
from harness.report.sections.timeline import LONGEST_GAP_S, Timeline, layout
from harness.report.sections.timeline_plot import drawn
from harness.report.thinning import KEPT_TAIL, kept, thinned
from tests.support.drawn import distribution_of, timeline_of
from tests.support.example_run import NO_POWER, example_run


@pytest.fixture(scope="module")
def run():
    return example_run()


def plot_of(found: Timeline) -> dict:
    return drawn(found.tracks, found.marks.lanes, found.panels, found.length_s)


def test_the_curve_keeps_both_extremes_and_the_whole_tail():
    indices = kept(100_000)
    assert indices[0] == 0
    assert indices[-KEPT_TAIL:].tolist() == list(range(100_000 - KEPT_TAIL, 100_000))
    assert len(indices) < 260
    assert kept(5).tolist() == [0, 1, 2, 3, 4]


def test_curves_pool_the_launches_and_fall_from_one_to_one_in_n(run):
    result, records = run
    curve = distribution_of(result, records).curves[0]
    durations = pooled_latency_s(records[result.cases[0].case.id])
    assert curve.count == len(durations) == sum(len(t.samples) for t in records[result.cases[0].case.id].trials)
    assert (curve.share[0], curve.share[-1]) == (1.0, pytest.approx(1 / curve.count, rel=1e-5))
    assert curve.latency_ms[-1] == pytest.approx(durations.max() * 1e3, rel=1e-5)
    assert curve.latency_ms[0] == pytest.approx(durations.min() * 1e3, rel=1e-5)


def test_the_marks_are_the_tables_percentiles(run):
    result, records = run
    curve = distribution_of(result, records).curves[1]
    metrics = result.cases[1].metrics
    assert [(mark.label, mark.share) for mark in curve.marks] == [("p50", 0.5), ("p90", 0.1), ("p99", 0.01)]
    assert [mark.latency_ms for mark in curve.marks] == [
        metrics[f"latency_{mark.label}_s"].point * 1e3 for mark in curve.marks
    ]


def test_a_case_without_samples_is_left_out_with_the_reason(run):
    result, records = run
    first = result.cases[0].case.id
    failed = tuple(
        replace(trial, status="failed", message="the agent was killed", samples=Samples())
        for trial in records[first].trials
    )
    without = {**records, first: replace(records[first], trials=failed)}
    assert distribution_of(result, without).left_out == (("fast", "the agent was killed"),)
    assert "fast" not in {track.label for track in timeline_of(result, without).tracks}


def test_every_span_of_time_keeps_its_fastest_and_slowest():
    times = np.arange(10_000) * 1e-3
    value = np.ones(10_000)
    value[[17, 5_003]] = [9.0, 0.1]
    indices = thinned(times, value, 50)
    assert {17, 5_003} <= set(indices.tolist())
    assert len(indices) <= 100


def test_trials_follow_each_other_by_their_start_and_long_waits_are_cut(run):
    _, records = run
    trials = sorted((t for r in records.values() for t in r.trials), key=lambda t: t.order)[:3]
    late = replace(trials[2], started_utc="2026-03-16T09:00:00+00:00")
    first, second, third = layout([trials[0], trials[1], late])
    begins = [t.traces[0].time_s[0] + shift for t, shift in zip(trials, (first, second, third), strict=True)]
    assert begins[0] == 0.0
    assert begins[1] == pytest.approx(4.0)  # as the example's clock has it
    end = max(trials[1].samples.start_s[-1], trials[1].traces[0].time_s[-1]) + second
    assert begins[2] == pytest.approx(end + LONGEST_GAP_S)


def test_all_trials_lie_on_one_axis_without_overlap(run):
    spans = sorted(
        (segment.time_s[0], segment.time_s[-1]) for track in timeline_of(*run).tracks for segment in track.segments
    )
    assert len(spans) == 24
    assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))


def test_strips_show_what_was_read_in_their_units(run):
    panels = {panel.title: panel for panel in timeline_of(*run).panels}
    assert set(panels) == {"Temperature", "Clock", "Other load"}
    assert [line.name for line in panels["Temperature"].lines] == ["thermal:cpu-thermal_0", "thermal:gpu-thermal_1"]
    assert (panels["Clock"].lines[0].low, panels["Clock"].lines[0].high) == (1.2, 1.8)
    assert panels["Other load"].lines[0].high == pytest.approx(0.05, abs=0.02)
    assert not any(value is not None and math.isnan(value) for value in panels["Temperature"].lines[0].value)


def test_a_counter_becomes_its_rate_over_at_least_half_a_second():
    times, cores = rate(np.arange(0.0, 2.0, 0.125), np.arange(0.0, 2.0, 0.125) * 0.25 + 7)
    assert times.tolist() == [0.5, 1.0, 1.5]
    assert cores.tolist() == [0.25, 0.25, 0.25]


def test_sensors_that_could_not_be_read_are_words_not_an_empty_strip(run):
    result, records = run
    bare = {
        key: replace(record, trials=tuple(replace(trial, traces=()) for trial in record.trials))
        for key, record in records.items()
    }
    facts = {"sensors": {"unavailable": {"thermal": "no readable zone"}}}
    timeline = timeline_of(replace(result, environment={"facts": facts}), bare)
    assert timeline.panels == ()
    assert timeline.absent[0] == f"Power: no channel was readable ({NO_POWER})."
    assert timeline.absent[1] == "Temperature: no channel was readable (no readable zone)."
    assert "cpufreq" in timeline.absent[2]


def test_a_channel_that_only_failed_is_not_drawn(run):
    result, records = run
    dead = Trace(
        Channel("thermal", "z", "degC", "gauge", "zone", "thermal zone"), array("d", [1.0]), array("d", [math.nan])
    )
    only = {
        key: replace(record, trials=tuple(replace(trial, traces=(dead,)) for trial in record.trials))
        for key, record in records.items()
    }
    assert timeline_of(result, only).panels == ()


def test_a_counter_read_too_briefly_for_a_rate_says_that(run):
    result, records = run
    brief = {
        key: replace(
            record,
            trials=tuple(
                replace(t, traces=tuple(replace(x, time_s=x.time_s[:4], value=x.value[:4]) for x in t.traces))
                for t in record.trials
            ),
        )
        for key, record in records.items()
    }
    timeline = timeline_of(result, brief)
    assert timeline.absent[1:] == ("Other load: read, but no trial holds enough readings to draw.",)


def test_the_hottest_reading_survives_the_thinning(run):
    result, records = run
    channel = Channel("thermal", "z", "degC", "gauge", "zone", "thermal zone")
    value = array("d", [50.0] * 4001)
    value[1234] = 91.0
    first = result.cases[0].case.id
    trial = records[first].trials[0]
    trace = Trace(channel, array("d", (trial.samples.start_s[0] + 0.001 * i for i in range(4001))), value)
    only = {first: replace(records[first], trials=(replace(trial, traces=(trace,)),))}
    line = timeline_of(result, only).panels[0].lines[0]
    assert (line.low, line.high) == (50.0, 91.0)
    assert len(line.value) < 200


def short(records, readings: int) -> dict:
    """The records with trials of so many inferences and so many readings of the other processes' idle counter."""
    channel = Channel("others", "other_busy", "s", "counter", "machine", "kernel counter")
    shortened = {}
    for key, record in records.items():
        trials = []
        for trial in record.trials:
            start = trial.samples.start_s[0]
            time_s = array("d", (start + 0.5 * index for index in range(readings)))
            samples = Samples(*(column[:2] for column in (trial.samples.start_s, trial.samples.duration_s, array("d"))))
            trace = Trace(channel, time_s, array("d", [3.0] * readings))
            trials.append(replace(trial, samples=samples, traces=(trace,)))
        shortened[key] = replace(record, trials=tuple(trials))
    return shortened


@pytest.mark.parametrize(("readings", "mode"), [(2, "lines+markers"), (3, "lines+markers"), (4, "lines")])
def test_a_piece_too_short_for_a_line_has_markers(run, readings, mode):
    result, records = run
    figure = plot_of(timeline_of(result, short(records, readings)))
    strip = next(trace for trace in figure["data"] if trace["name"] == "others:other_busy")
    assert strip["mode"] == mode  # a counter of n readings is a rate of n - 1
    assert figure["data"][0]["mode"] == "lines+markers"
    assert {trace["mode"] for trace in plot_of(timeline_of(*run))["data"][:4]} == {"lines"}


def test_a_load_of_nothing_is_drawn_above_the_axis(run):
    result, records = run
    timeline = timeline_of(result, short(records, 4))
    assert (timeline.panels[0].lines[0].low, timeline.panels[0].lines[0].high) == (0.0, 0.0)
    bottom, top = plot_of(timeline)["layout"]["yaxis3"]["range"]  # the second is the phases'
    assert bottom < 0.0 < top
