"""Conditions: asked for against in force over all launches, heat and clocks from the traces, where power was read."""

from array import array
from dataclasses import replace

import pytest

from harness.model.trial import Channel, Environment, Trace
from harness.report.blocks import Paragraph, Section, Table
from harness.report.cases import shown
from harness.report.conditions import NOT_ASKED, environments_of, flattened, settings
from harness.report.sections import conditions
from harness.report.sensed import MOST_COURSES, courses, device_power, launches, power_channels, waiting
from tests.support.example_run import NO_POWER, example_run
from tests.support.example_sensors import CAVEAT, DEVICE, PLUG, RAIL, SUPPLY, example_sensors


@pytest.fixture(scope="module")
def run():
    return example_sensors()


@pytest.fixture(scope="module")
def found(run) -> Section:
    return conditions.section(shown(*run))


def table(found: Section, caption: str) -> Table:
    return next(block for block in found.blocks if isinstance(block, Table) and block.caption == caption)


def rows(found: Section, caption: str) -> dict:
    return {row[0]: row[1:] for row in table(found, caption).rows}


def paragraphs(found: Section, kind: str) -> list[str]:
    return [block.text for block in found.blocks if isinstance(block, Paragraph) and block.kind == kind]


def with_environment(records, key: str, launch: int, environment: Environment) -> dict:
    trials = tuple(
        replace(trial, environment=environment) if trial.launch == launch else trial for trial in records[key].trials
    )
    return {**records, key: replace(records[key], trials=trials)}


def test_a_setting_that_did_not_take_is_marked():
    environment = {
        "requested": {"governor": "performance", "nice": 0, "affinity": "last", "cores": "2,3"},
        "in_force": {"governor": "ondemand", "nice": 0, "affinity": [3], "cores": [2, 3]},
    }
    assert {one.key for one in settings([environment]) if one.differs} == {"governor"}


def test_nested_settings_become_dotted_keys():
    assert flattened({"a": {"b": 1, "c": {}}, "d": None}) == {"a.b": "1", "a.c": "none", "d": "not recorded"}


def test_the_state_of_a_board_is_listed_even_where_nobody_asked_for_any():
    found = {one.key: one for one in settings([{"in_force": {"nice": 0}, "facts": {"governors": ["schedutil"]}}])}
    assert (found["state.power_mode"].requested, found["state.power_mode"].in_force) == (NOT_ASKED, "not recorded")
    assert found["state.governor"].in_force == "schedutil"


def test_what_the_board_itself_says_did_not_take_differs_whatever_the_words():
    environment = {
        "requested": {"state": {"clocks": "locked", "fan": 100}},
        "in_force": {"state": {"clocks": "locked", "fan": 100}},
        "facts": {"state_problems": [{"control": "clocks"}]},
    }
    assert {one.key for one in settings([environment]) if one.differs} == {"state.clocks"}


def test_a_setting_that_moved_during_a_launch_is_a_line_of_its_own():
    environment = {"requested": {"nice": 0}, "in_force": {"nice": 0, "at_end": {"nice": 5}}}
    found = {one.key: one for one in settings([environment])}
    assert (found["nice"].differs, found["nice at the end"].in_force, found["nice at the end"].differs) == (
        False,
        "5",
        True,
    )
    assert "at_end.nice" not in found


def test_launches_that_had_it_otherwise_are_counted(run):
    result, records = run
    key = result.cases[0].case.id
    environment = records[key].trials[0].environment
    other = replace(environment, in_force={**environment.in_force, "threads": 2})
    changed = with_environment(records, key, 3, other)
    found = [one for one in settings(environments_of(result, shown(result, changed).cases)) if one.key == "threads"]
    assert [(one.in_force, one.differs, one.launches) for one in found] == [
        ("1", False, "23 of 24 launches"),
        ("2", True, "1 of 24 launches"),
    ]


def test_where_no_record_is_at_hand_the_runs_own_environment_stands():
    result, _ = example_run(("fast",))
    assert environments_of(result, shown(result, {}).cases) == (result.environment,)
    assert environments_of(replace(result, environment={}), ()) == ()


def test_the_section_says_what_was_not_in_force(found):
    assert rows(found, "Settings, as asked for and as read back")["governor"] == ("performance", "ondemand (differs)")
    assert rows(found, "Settings, as asked for and as read back")["fan"] == ("100", "100")
    assert "Not in force as asked for: governor. The numbers are of what was in force." in paragraphs(found, "alert")


def test_heat_clocks_and_supply_run_from_the_first_reading_to_the_last(found):
    over = rows(found, "Supply, heat and clocks over the run")
    assert over["thermal:cpu-thermal_0"] == ("°C", "50", "73", "50", "91")
    assert over["cpu:cpu3_clock"] == ("GHz", "1.5", "1.5", "1.2", "1.5")
    assert over[SUPPLY] == ("V", "5.1", "5.1", "4.6", "5.1")
    assert next(iter(over)) == SUPPLY
    assert RAIL not in over


def test_a_reading_that_failed_is_neither_first_nor_least():
    channel = Channel("thermal", "z", "degC", "gauge", "zone", "thermal zone")
    trial = example_run(("fast",))[1].popitem()[1].trials[0]
    trace = Trace(channel, array("d", range(4)), array("d", [float("nan"), 40.0, 42.0, float("nan")]))
    (course,), more = courses([replace(trial, traces=(trace,))], None)
    assert (course.first, course.last, course.low, course.high, more) == (40.0, 42.0, 40.0, 42.0, 0)


def test_of_a_hundred_clocks_those_of_measured_cores_are_listed_beside_the_hottest_zones():
    trial = example_run(("fast",))[1].popitem()[1].trials[0]
    clocks = [Channel("cpu", f"cpu{core}_clock", "Hz", "gauge", "core", "cpufreq") for core in range(100)]
    zones = [Channel("thermal", f"z{number}", "degC", "gauge", "zone", "thermal zone") for number in range(30)]
    traces = [Trace(one, array("d", [0.0, 1.0]), array("d", [1e9, 1e9])) for one in clocks]
    traces += [Trace(one, array("d", [0.0, 1.0]), array("d", [40.0, 40.0 + at])) for at, one in enumerate(zones)]
    measured = replace(trial, traces=tuple(traces), environment=Environment(in_force={"affinity": "77"}))
    listed, more = courses([measured], None)
    assert (len(listed), more) == (MOST_COURSES, 130 - MOST_COURSES)
    assert listed[0].name == "thermal:z29"
    assert next(one.name for one in listed if one.unit == "GHz") == "cpu:cpu77_clock"


def test_power_tells_where_it_was_read_how_and_what_to_know_of_it(run, found):
    result, _ = run
    assert dict(table(found, "Power").rows)["fast"] == result.cases[0].metrics["energy_per_inference_j"].method.replace(
        "+-", "±"
    )
    channels = rows(found, "Channels of power")
    assert channels[RAIL] == ("total, board input", "rail", "board rail", "W", "13 ms", "50", "none")
    assert channels[PLUG] == ("total, wall", "wall", "external meter", "J", "not seen", "50", "none")
    assert list(channels) == [RAIL, PLUG, "ina:VDD_CPU_power"]
    assert f"To know of it: {CAVEAT}." in paragraphs(found, "note")


def test_modelled_power_is_named_as_such_and_failed_readings_are_counted():
    channel = Channel("jtop", "total_power", "W", "gauge", "board", "modelled")
    trial = example_run(("fast",))[1].popitem()[1].trials[0]
    trace = Trace(channel, array("d", range(4)), array("d", [1.0, float("nan"), 1.0, 1.0]))
    (one,) = power_channels([replace(trial, traces=(trace,))], device_power({}))
    assert (one.source, one.measured, one.failed, one.period_s, one.per_s) == ("modelled", False, 0.25, None, None)


def test_power_that_was_not_measured_has_its_reason():
    found = conditions.section(shown(*example_run(("fast", "wide"))))
    assert f"No figure of power for fast, wide: {NO_POWER}." in paragraphs(found, "none")
    assert not [block for block in found.blocks if isinstance(block, Table) and "ower" in block.caption]


def test_waits_are_told_and_a_restless_board_is_an_alert(run, found):
    _, records = run
    told = waiting(launches(shown(*run).cases))
    assert (told.trials, told.restless, sum(told.waited_s)) == (24, 1, sum(2.0 + order for order in range(24)))
    assert "Waited for a calm board before 24 trials: 324 s in all, 2 to 25 s each" in "".join(
        paragraphs(found, "alert")
    )
    assert (
        waiting([replace(trial, environment=Environment()) for record in records.values() for trial in record.trials])
        is None
    )


def test_the_board_and_its_runtimes_are_named(found):
    board = rows(found, "Board")
    assert board["device"] == (f"{DEVICE.title} ({DEVICE.name})",)
    assert board["memory"] == ("3.7 GiB",)
    assert board["runtimes"] == ("onnxruntime 1.22.0, numpy 1.26.4",)
    assert board["supply"] == (f"read by {SUPPLY}, see below",)


def test_what_a_trial_tells_of_itself_alone_is_no_condition(found):
    folded = [block for block in found.blocks if isinstance(block, Table) and block.folded.startswith("Everything")]
    keys = {row[0] for row in folded[0].rows}
    assert "kernel" in keys
    assert not {key for key in keys if key.startswith(("load_average", "settled", "sensors", "state_problems"))}


def test_a_run_that_recorded_nothing_says_so_in_every_part():
    result, records = example_run(("fast",))
    bare = {key: replace(one, trials=tuple(replace(t, traces=()) for t in one.trials)) for key, one in records.items()}
    found = conditions.section(shown(replace(result, device={}, environment={}), bare))
    assert all(isinstance(block, Paragraph) and block.kind == "none" for block in found.blocks)
    assert [text.partition(":")[0] for text in paragraphs(found, "none")] == [
        "Board",
        "Settings",
        "Temperatures, clocks and supply over the run",
        "Waits for a calm board",
        "No figure of power for fast",
        "The device’s file as it was used",
        "Everything else that the board said of itself",
    ]
