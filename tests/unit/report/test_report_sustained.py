"""Burst against sustained: minutes that are known, ranks before and after, and the command where nothing lasted."""

from dataclasses import replace

import plotly.graph_objects
import pytest

from harness.analysis.sustained import steady_length_s
from harness.model.trial import Record
from harness.report.blocks import Commands, Figure, Number, Paragraph
from harness.report.cases import shown
from harness.report.sections import sustained
from tests.support.example_long import MINUTES, long_run
from tests.support.example_run import THROTTLED, example_run, with_case


def blocks_of(run):
    return sustained.section(shown(*run)).blocks


def row_of(run, label: str):
    return next(row for row in blocks_of(run)[0].table.rows if row[0].label == label)


@pytest.fixture(scope="module")
def run():
    return long_run()


def test_lines_are_the_medians_of_minutes(run):
    traces = {trace["name"]: trace for trace in blocks_of(run)[0].plot["data"] if trace["mode"] == "lines+markers"}
    assert {name: tuple(trace["y"]) for name, trace in traces.items()} == MINUTES
    assert traces["fast"]["x"] == [1, 2, 3, 4, 5]
    assert traces["fast"]["text"][-1] == "80.0 % of the first minute’s speed"


def test_the_row_of_a_case_that_slows_down(run):
    row = row_of(run, "fast")
    assert row[1:6] == (
        Number("6", 6), Number("5", 5), Number("1.00", pytest.approx(1e-3)), Number("1.25", pytest.approx(1.25e-3)),
        Number("80.0 %", pytest.approx(0.8)),
    )  # fmt: skip
    assert row[6:9] == ("[80.0 %, 80.0 %]", "level", "after 1 min 30 s in 6 of 6")
    assert [cell.value for cell in row[9:11]] == [2, 3]
    assert len(row) == len(sustained.HEADINGS)


def test_the_order_that_changes_is_said(run):
    assert blocks_of(run)[0].notes[1] == (
        "The order changes from the first minute to the last: fast from rank 2 to 3, sketch from rank 3 to 2."
    )
    calm = long_run({"fast": (1.0, 1.0), "fast-int8": (0.3, 0.3)}, ())
    assert blocks_of(calm)[0].notes[1].startswith("The order of the 2 ranked cases is the same")
    alone = long_run({"fast": (1.0, 1.0)}, ())
    assert blocks_of(alone)[0].notes[1].startswith("Fewer than two cases are ranked")


def test_the_first_mark_of_throttling_is_drawn_on_its_line(run):
    mark = next(trace for trace in blocks_of(run)[0].plot["data"] if trace["mode"] == "markers")
    assert (mark["name"], mark["x"], mark["y"]) == ("fast", [2.0], [1.1])  # 90 s are the middle of minute 2
    assert mark["text"] == ["1 min 30 s"]
    assert row_of(run, "sketch")[8] == "none"


def test_a_device_that_shows_no_marks_is_not_said_to_be_free_of_them():
    assert row_of(long_run(watched=False), "fast")[8] == "— (no mark of throttling is read on this device)"


def test_what_still_moves_at_the_end_is_said():
    assert row_of(long_run({"fast": (1.0, 1.0, 1.1)}, ()), "fast")[7] == "still moving in 6 of 6"


def test_throttling_keeps_nobody_out_of_the_ranks_and_other_doubts_do(run):
    result, records = run
    hot = with_case(result, "fast", verdict="invalid", findings=(replace(THROTTLED, code="throttled"),))
    assert [cell.value for cell in row_of((hot, records), "fast")[9:11]] == [2, 3]
    other = with_case(
        result, "fast", verdict="doubtful", findings=(replace(THROTTLED, code="machine_busy", severity="doubt"),)
    )
    assert row_of((other, records), "fast")[9:] == (Number("—", None), Number("—", None), "doubtful")
    assert [cell.value for cell in row_of((other, records), "sketch")[9:11]] == [2, 2]
    faint = [trace["opacity"] < 1 for trace in blocks_of((other, records))[0].plot["data"]]
    assert faint == [False, False, True, True]  # drawn last, with its mark


def test_launches_of_different_length_are_compared_over_the_minutes_they_share():
    result, records = long_run({"fast": (1.0, 1.0, 2.0)}, ())
    _, shorter = long_run({"fast": (1.0, 1.0)}, ())
    key = next(iter(records))
    mixed = Record(records[key].case, (*records[key].trials[:3], *shorter[key].trials[3:]))
    row = row_of((result, {key: mixed}), "fast")
    assert row[2] == Number("2", 2)
    assert row[5] == Number("75.0 %", pytest.approx(0.75))  # each launch against its own last minute


def test_short_launches_are_said_to_be_short_and_how_to_measure():
    run = example_run(("fast", "fast-int8"))
    words, commands = blocks_of(run)
    lengths = [steady_length_s(trial) for record in run[1].values() for trial in record.trials]
    assert isinstance(words, Paragraph)
    assert words.kind == "none"
    assert f"lasted {min(lengths):.3g} to {max(lengths):.3g} s. Burst and sustained" in words.text
    assert commands == Commands(("harness run cifar10 --device pi4 --data 'my runs' --sustain 10m",))


def test_the_command_drops_what_would_keep_it_short():
    words = ["harness", "run", "mine", "--quick", "--budget", "3", "--seed=2", "--sustain=2m", "--budget=7"]
    assert sustained.command({"command": words}) == "harness run mine --seed=2 --sustain 10m"
    assert sustained.command({"command": ["harness", "gate"]}) == ""
    assert sustained.command({}) == ""


def test_without_a_command_or_a_launch_there_are_words():
    result, records = example_run(("fast",))
    (said,) = blocks_of((replace(result, run={}), records))
    assert said.text.endswith("`harness run --sustain 10m` measures it.")
    (nothing,) = blocks_of((result, {}))
    assert nothing.text.startswith("No launch’s timed inferences are at hand")
    assert blocks_of((replace(result, cases=()), {}))[0].kind == "none"


def test_a_short_case_beside_long_ones_is_left_out_with_its_reason(run):
    result, records = run
    _, short = example_run(("sketch",))
    mixed = {**records, **short}
    assert blocks_of((result, mixed))[1].text == "Not drawn: sketch (under 2 whole minutes a launch)."


def test_many_cases_keep_to_the_rule():
    result, records = long_run({"fast": (1.0, 1.0)}, ())
    case, trials = result.cases[0], next(iter(records.values())).trials
    cases, kept = [], {}
    for number in range(15):
        again = replace(case.case, variant=f"v{number}", input_seed=number)
        cases.append(replace(case, case=again))
        kept[again.id] = Record(again, trials)
    figure = blocks_of((replace(result, cases=tuple(cases)), kept))[0]
    assert len({trace["name"] for trace in figure.plot["data"]}) == len(figure.legend) == sustained.DRAWN_MOST
    assert figure.notes[0].endswith("The first 12 of 15 cases are drawn.")
    assert len(figure.table.rows) == 15


def test_plotly_knows_every_attribute(run):
    figure = blocks_of(run)[0]
    assert isinstance(figure, Figure)
    plotly.graph_objects.Figure(figure.plot)
