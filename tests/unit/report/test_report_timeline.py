"""Power, phases and marks on the run's axis; runs of very many trials and cases; what is listed of them."""

import math
from array import array
from dataclasses import replace

import numpy as np
import pytest

from harness.model.codec import to_json
from harness.model.power import Power, PowerTotal
from harness.model.trial import Channel, Environment, Samples, Trace
from harness.model.verdict import Summary
from harness.report.cases import shown
from harness.report.chosen import MOST_LINES, chosen
from harness.report.sections import timeline as timeline_section
from harness.report.sections.marks import marks
from harness.report.sections.panels import Placed, Told, panels
from harness.report.sections.timeline import FIRST_ROWS, MOST_ROWS, MOST_SYMBOLS, SLOWEST_ROWS
from harness.report.sensed import role
from harness.report.thinning import LEAST_SPANS, MOST_SPANS, grain, merged
from tests.support.drawn import distribution_of, timeline_of
from tests.support.example_run import STARTED, example_run
from tests.support.example_sensors import BUSY_W, DEVICE, IDLE_S, IDLE_W, PLUG, RAIL, SUPPLY_LOSS, example_sensors


@pytest.fixture(scope="module")
def run():
    return example_sensors()


@pytest.fixture(scope="module")
def found(run):
    return timeline_of(*run)


def lanes_of(found) -> dict:
    return {lane.name: lane for lane in found.marks.lanes}


def repeated(launches: int, names=("fast", "wide")):
    """The run with so many launches of each case, none with sensors: the first one's inferences again and again."""
    result, records = example_run(names)
    many = {}
    for index, (key, record) in enumerate(records.items()):
        trial = replace(record.trials[0], traces=())
        many[key] = replace(
            record,
            trials=tuple(
                replace(
                    trial,
                    id=f"{key}-{launch}",
                    launch=launch,
                    order=launch * len(names) + index,
                    started_utc=STARTED.isoformat(),
                )
                for launch in range(launches)
            ),
        )
    return result, many


def test_the_total_comes_first_and_every_channel_says_its_part(found):
    power = next(panel for panel in found.panels if panel.unit == "W")
    said = [(line.name, line.said) for line in power.lines]
    assert said == [
        (RAIL, "total, board input; board rail"),
        (PLUG, "total, wall; external meter; its rate over at least 0.2 s"),
        ("ina:VDD_CPU_power", "part; board rail"),
    ]
    rail = power.lines[0]
    assert (rail.low, rail.high) == (IDLE_W, BUSY_W)


def test_an_energy_counter_is_drawn_as_its_rate(found):
    plug = next(panel for panel in found.panels if panel.unit == "W").lines[1]
    assert plug.high == pytest.approx(BUSY_W * SUPPLY_LOSS, rel=1e-3)
    assert plug.low == pytest.approx(IDLE_W * SUPPLY_LOSS, rel=1e-3)


def test_a_counter_that_begins_anew_draws_no_power_there():
    channel = Channel("rapl", "package-0_energy", "J", "counter", "package", "hardware counter")
    joules = [5.0, 6.0, 7.0, 0.5, 1.5, 2.5]
    trace = Trace(channel, array("d", range(6)), array("d", joules))
    trial = replace(example_run(("fast",))[1].popitem()[1].trials[0], traces=(trace,))
    (power,), _ = panels([Placed(trial, 0.0)], Told(Power(), {}))
    assert [value for value in power.lines[0].value if value is not None] == [1.0, 1.0, 1.0, 1.0]


def test_a_load_that_ticks_put_below_nothing_is_drawn_as_nothing_and_says_so():
    channel = Channel("others", "other_busy", "s", "counter", "machine", "kernel counter")
    trace = Trace(channel, array("d", [0.0, 1.0, 2.0]), array("d", [5.0, 4.94, 5.44]))
    trial = replace(example_run(("fast",))[1].popitem()[1].trials[0], traces=(trace,))
    (load,), _ = panels([Placed(trial, 0.0)], Told(Power(), {}))
    assert [value for value in load.lines[0].value if value is not None] == [0.0, pytest.approx(0.5)]
    assert "mean over at least 0.5 s; what ticks put below 0 is drawn as 0" in load.lines[0].said


def test_a_modelled_power_is_drawn_and_said_to_be_in_no_figure():
    channel = Channel("jtop", "total_power", "W", "gauge", "board", "modelled")
    trace = Trace(channel, array("d", [0.0, 1.0, 2.0]), array("d", [3.0, 4.0, 3.0]))
    trial = replace(example_run(("fast",))[1].popitem()[1].trials[0], traces=(trace,))
    (power,), _ = panels([Placed(trial, 0.0)], Told(Power(), {}))
    assert power.lines[0].said == "in no total; modelled, in no figure"


def test_roles_follow_the_devices_file():
    power = Power((PowerTotal(("rapl:package-0_energy", "rapl:package-1_energy"), "package"),), ("rapl:core_energy",))
    assert role("rapl:package-1_energy", power) == "added up to the total, package"
    assert role("rapl:core_energy", power) == "part"
    assert role("rapl:psys_energy", power) == "in no total"
    assert role("battery:BAT0_power", Power((PowerTotal(("battery:*_power",), "battery"),))) == "total, battery"


def test_two_collectors_with_a_channel_of_one_name_are_two_lines():
    names = ("ina", "tegrastats")
    channels = [Channel(name, "VDD_IN_power", "W", "gauge", "rail", "board rail") for name in names]
    traces = tuple(Trace(one, array("d", [0.0, 1.0]), array("d", [2.0, 3.0])) for one in channels)
    trial = replace(example_run(("fast",))[1].popitem()[1].trials[0], traces=traces)
    (power,), _ = panels([Placed(trial, 0.0)], Told(Power(), {}))
    assert [line.name for line in power.lines] == ["ina:VDD_IN_power", "tegrastats:VDD_IN_power"]


def test_without_a_sensor_of_power_every_reason_is_said():
    result, records = example_run(("fast",))
    facts = {"sensors": {"unavailable": {"rapl": "no zone", "battery": "no gauge"}}}
    found = timeline_of(replace(result, environment={"facts": facts}), records)
    assert found.absent[0] == "Power: no channel was readable (rapl: no zone; battery: no gauge)."


def test_phases_are_laid_on_the_runs_axis(run, found):
    _, records = run
    lanes = lanes_of(found)
    trials = sorted((trial for record in records.values() for trial in record.trials), key=lambda trial: trial.order)
    first = trials[0]
    shift = -first.traces[0].time_s[0]
    assert len(lanes["steady part"].spans) == len(trials)
    assert lanes["steady part"].spans[0] == pytest.approx(
        (first.phases.steady_start_s + shift, first.phases.steady_end_s + shift)
    )
    begin, end = lanes["idle"].spans[0]
    assert (begin + first.traces[0].time_s[0], end - begin) == pytest.approx((first.phases.idle_before_start_s, IDLE_S))
    assert lanes["idle"].tinted == lanes["steady part"].tinted == ()


def test_throttling_is_a_span_through_all_strips_in_the_launches_it_was_in(run, found):
    _, records = run
    throttled = lanes_of(found)["throttled"]
    wide = next(record for record in records.values() if record.case.variant == "wide")
    assert len(throttled.spans) == len(throttled.tinted) == 4
    assert {key for key, words in found.marks.by_trial.items() if "throttled" in words} == {
        trial.id for trial in wide.trials[2:]
    }
    half = wide.trials[2].samples.start_s[len(wide.trials[2].samples) // 2]
    length = wide.trials[2].phases.steady_end_s - half
    assert throttled.spans[0][1] - throttled.spans[0][0] == pytest.approx(length, abs=0.05)
    assert "Throttled: throttle:throttled in 4 of 24 trials, in the steady part of 4." in found.marks.notes


def test_a_limit_that_stands_all_the_time_is_marked_but_not_through_all_strips(found):
    capped = lanes_of(found)["clock capped"]
    assert capped.spans
    assert capped.tinted == ()
    assert any(
        "frequency_capped_cpu0 in 24 of 24 trials, in the steady part of 24, all the time" in note
        for note in found.marks.notes
    )


def flagged(name: str, values: list[float], unit: str = "flag", provenance: str = "firmware"):
    """A trial of ten seconds, steady from 4 to 8, with one channel read each second."""
    channel = Channel("throttle", name, unit, "gauge" if unit == "flag" else "counter", "board", provenance)
    trial = example_run(("fast",))[1].popitem()[1].trials[0]
    phases = replace(trial.phases, steady_start_s=4.0, steady_end_s=8.0)
    trace = Trace(channel, array("d", range(len(values))), array("d", values))
    return replace(trial, phases=phases, traces=(trace,))


def marked(trial):
    return marks([Placed(trial, 0.0)], 10.0, {})


def test_a_flag_lasts_until_the_next_reading_that_is_down():
    found = marked(flagged("throttled", [0, 0, 1, 1, 0, 0, 0, 0, 1, 1]))
    lane = next(lane for lane in found.lanes if lane.name == "throttled")
    assert lane.spans == ((2.0, 4.0), (8.0, 9.0))


def test_an_event_lies_between_the_readings_of_which_the_second_counted_it():
    found = marked(flagged("throttled_core0", [7, 7, 7, 7, 7, 9, 9, 9], unit="event"))
    lane = next(lane for lane in found.lanes if lane.name == "throttled")
    assert lane.spans == ((4.0, 5.0),)


def test_what_was_latched_before_and_never_rose_is_no_mark():
    found = marked(flagged("under_voltage_since_boot", [1, 1, 1, 1, 1], unit="event"))
    assert "under-voltage" not in {lane.name for lane in found.lanes}
    assert "Read and never seen: under-voltage (throttle:under_voltage_since_boot)." in found.notes


def test_a_mark_outside_the_steady_part_says_so():
    trial = flagged("throttled", [0, 1, 0, 0, 0, 0, 0, 0])
    assert marked(trial).by_trial[trial.id] == "throttled outside the steady part"
    trial = flagged("throttled", [0, 1, 0, 0, 0, 1, 0, 0])
    assert marked(trial).by_trial[trial.id] == "throttled"


def test_a_power_limit_of_a_gpu_is_a_family_of_its_own():
    found = marked(flagged("frequency_capped_gpu0_sw_power_cap", [0, 0, 0, 0, 0, 1, 1], provenance="nvml"))
    assert {"power limit"} == {lane.name for lane in found.lanes} - {"steady part", "warm-up"}


def test_a_reading_that_failed_is_neither_up_nor_down():
    found = marked(flagged("throttled", [0, 0, math.nan, math.nan, 0, 0]))
    assert "throttled" not in {lane.name for lane in found.lanes}


def test_what_was_not_read_may_have_happened():
    found = marks(
        [Placed(example_run(("fast",))[1].popitem()[1].trials[0], 0.0)], 10.0, {"unavailable": {"throttle": "a guest"}}
    )
    assert found.notes == ("Not read, so it may have happened: throttling, under-voltage, capped clocks (a guest).",)


def test_spans_that_a_screen_cannot_part_are_one():
    assert merged([(5.0, 6.0), (0.0, 1.0), (1.05, 2.0), (5.5, 5.6)], 0.1) == ((0.0, 2.0), (5.0, 6.0))
    assert merged([(0.0, 1.0), (1.2, 2.0)], 0.1) == ((0.0, 1.0), (1.2, 2.0))


def test_trials_are_cut_coarser_the_more_there_are_and_at_last_as_one():
    assert (grain(1, 800).spans, grain(0, 800).spans) == (MOST_SPANS, MOST_SPANS)
    assert (grain(40, 800).spans, grain(40, 800).whole) == (20, False)
    assert grain(100, 800).spans == LEAST_SPANS
    assert (grain(101, 800).spans, grain(101, 800).whole) == (800, True)


def test_of_very_many_trials_the_extremes_survive_and_the_points_stay_few():
    result, records = repeated(700)
    first = result.cases[0].case.id
    slow = records[first].trials[333]
    duration = array("d", slow.samples.duration_s)
    duration[10] = 0.5
    trials = list(records[first].trials)
    trials[333] = replace(slow, samples=Samples(slow.samples.start_s, duration, slow.samples.block))
    found = timeline_of(result, {**records, first: replace(records[first], trials=tuple(trials))})
    assert found.grain.whole
    drawn = [value for segment in found.tracks[0].segments for value in segment.latency_ms]
    least = min(min(trial.samples.duration_s) for trial in trials)
    assert (max(drawn), min(drawn)) == (500.0, pytest.approx(least * 1e3, rel=1e-5))
    assert sum(len(segment.time_s) for track in found.tracks for segment in track.segments) <= 2 * found.grain.spans
    assert all(len(track.medians.time_s) == MOST_SYMBOLS and track.grouped for track in found.tracks)


def test_of_very_many_trials_the_first_the_last_and_the_slowest_are_listed():
    result, records = repeated(150)
    found = timeline_of(result, records)
    orders = [int(row[0]) for row in found.table]
    assert len(orders) <= 2 * FIRST_ROWS + SLOWEST_ROWS <= MOST_ROWS
    assert orders == sorted(orders)
    assert set(range(FIRST_ROWS)) | set(range(300 - FIRST_ROWS, 300)) <= set(orders)
    assert f"of 300 trials {len(orders)} are listed" in found.listed
    assert timeline_of(*repeated(100)).listed == ""


def test_the_slowest_trial_of_many_is_listed_wherever_it_ran():
    result, records = repeated(150)
    wide = result.cases[1].case.id
    trials = list(records[wide].trials)
    slow = trials[70].samples
    trials[70] = replace(trials[70], samples=Samples(slow.start_s, array("d", [9.0] * len(slow)), slow.block))
    found = timeline_of(result, {**records, wide: replace(records[wide], trials=tuple(trials))})
    row = next(row for row in found.table if row[0] == "141")
    assert row[7] == "9000"


def test_a_row_has_the_ranges_and_the_marks_of_its_trial(found):
    row = next(row for row in found.table if row[1].label == "wide" and row[2] == "2")
    assert row[8:] == ("61 to 79", "2 to 5", "throttled; under-voltage; clock capped")
    assert found.table[0][8:] == ("50 to 58", "2 to 5", "clock capped")


def test_the_symbols_are_the_launches_medians(run, found):
    result, records = run
    track = found.tracks[0]
    trials = records[result.cases[0].case.id].trials
    assert track.medians.latency_ms == pytest.approx(
        [float(np.median(one.samples.duration_s)) * 1e3 for one in trials], rel=1e-5
    )
    assert not track.grouped


def accuracy(summary: Summary, point: float) -> Summary:
    return replace(summary, point=point, low=point - 0.001, high=point + 0.001)


def many_cases(count: int):
    """So many cases of one variant each, with the first one's record; the later, the slower and the more accurate."""
    result, records = example_run(("fast",))
    one, record = result.cases[0], records[result.cases[0].case.id]
    cases, found = [], {}
    for number in range(count):
        case = replace(one.case, variant=f"v{number:04d}")
        metrics = dict(one.metrics)
        for name in ("latency_p50_s", "latency_p99_s"):
            known, by = metrics[name], 1 + number
            metrics[name] = replace(known, point=known.point * by, low=known.low * by, high=known.high * by)
        metrics["accuracy_top1"] = accuracy(metrics["accuracy_top1"], 0.5 + 0.01 * min(number, 5))
        cases.append(replace(one, case=case, artifact=replace(one.artifact, variant=case.variant), metrics=metrics))
        found[case.id] = replace(record, case=case, trials=record.trials[:1])
    return replace(result, cases=tuple(cases)), found


def test_of_a_thousand_cases_the_front_and_the_slowest_are_drawn_and_the_rule_says_so():
    result, records = many_cases(1000)
    found = chosen(shown(result, records).cases)
    labels = [one.label for one in found.cases]
    assert len(labels) == MOST_LINES
    assert labels[:6] == [f"v{number:04d}" for number in range(6)]  # six accuracies, so that the front has six
    assert labels[6:] == [f"v{number:04d}" for number in range(990, 1000)]
    assert found.rule.startswith(f"Of 1000 cases {MOST_LINES} are drawn: the 6 fastest on the front")
    distribution = distribution_of(result, records)
    assert (len(distribution.curves), distribution.chosen) == (MOST_LINES, found.rule)


def test_a_front_longer_than_the_figure_leaves_room_for_the_worst():
    result, records = many_cases(40)
    cases = []
    for number, one in enumerate(result.cases):
        better = accuracy(one.metrics["accuracy_top1"], 0.5 + 0.01 * number)
        cases.append(replace(one, metrics={**one.metrics, "accuracy_top1": better}))
    labels = [one.label for one in chosen(shown(replace(result, cases=tuple(cases)), records).cases).cases]
    assert labels == [f"v{number:04d}" for number in (*range(12), *range(36, 40))]


def test_what_may_be_dominated_is_chosen_as_the_front_shows_it():
    result, records = many_cases(40)
    last = result.cases[39]
    p50 = replace(last.metrics["latency_p50_s"], low=0.0)  # it may be the fastest, for all that is known
    cases = (*result.cases[:39], replace(last, metrics={**last.metrics, "latency_p50_s": p50}))
    found = chosen(shown(replace(result, cases=cases), records).cases)
    assert "the 7 fastest on the front" in found.rule


def test_few_cases_are_all_drawn_without_a_rule(run):
    found = chosen(shown(*run).cases)
    assert (len(found.cases), found.rule) == (4, "")
    # The front's two, and the slowest of the others.
    assert [one.label for one in chosen(shown(*run).cases, 3).cases] == ["fast", "fast-int8", "wide"]


def test_a_case_that_is_not_valid_is_drawn_fainter_with_open_symbols(run):
    figure = timeline_section.section(shown(*run)).blocks[0]
    by_name = {}
    for trace in figure.plot["data"]:
        by_name.setdefault(trace["name"], []).append(trace)
    line, symbols = by_name["wide"]
    assert line["opacity"] < by_name["fast"][0]["opacity"] == 1.0
    assert (symbols["marker"]["symbol"], by_name["fast"][1]["marker"]["symbol"]) == ("triangle-up-open", "circle")


def test_a_device_record_of_another_making_breaks_nothing(run):
    result, records = run
    for device in ({}, {"power": "12 V"}, {"power": {"totals": 3}}):
        power = next(
            panel for panel in timeline_of(replace(result, device=device), records).panels if panel.unit == "W"
        )
        assert {line.said.partition(";")[0] for line in power.lines} == {"in no total"}


def test_environments_of_sensors_are_those_of_the_device(run):
    result, _ = run
    assert result.device == to_json(DEVICE)
    assert Environment(**result.environment).in_force["threads"] == 1
