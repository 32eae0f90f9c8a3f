"""Energy by rail on the page: bars of known height, a total that is never stacked, words where there is no energy."""

from dataclasses import replace

import plotly.graph_objects
import pytest

from harness.report.blocks import Figure, Number
from harness.report.cases import shown
from harness.report.sections import rails
from tests.support.example_power import BOARD, CPU, GPU, INPUT, power_run
from tests.support.example_run import NO_POWER, example_run, renamed


def figure_of(run) -> Figure:
    return next(block for block in rails.section(shown(*run)).blocks if isinstance(block, Figure))


def text_of(run) -> str:
    return " ".join(block.text for block in rails.section(shown(*run)).blocks if hasattr(block, "text"))


@pytest.fixture(scope="module")
def run():
    return power_run()


@pytest.fixture(scope="module")
def figure(run) -> Figure:
    return figure_of(run)


def test_bars_are_idle_and_above_idle_of_each_rail(figure):
    """Of fast: 4 + 6 mJ of the GPU, 8 + 22 of the CPU."""
    bars = [trace for trace in figure.plot["data"] if trace["type"] == "bar"]
    assert [trace["name"] for trace in bars] == [GPU, GPU, CPU, CPU]
    assert [trace["x"][0] for trace in bars] == pytest.approx([4, 6, 8, 22], rel=0.01)
    assert [bool(trace["marker"].get("pattern")) for trace in bars] == [True, False, True, False]  # idle is hatched
    assert INPUT not in {trace["name"] for trace in bars}
    assert figure.plot["layout"]["barmode"] == "stack"


def test_the_total_is_a_mark_of_its_own_with_its_interval(run, figure):
    mark = next(trace for trace in figure.plot["data"] if trace["name"] == "total")
    totals = [case.metrics["energy_per_inference_j"] for case in run[0].cases]
    assert mark["x"] == [pytest.approx(one.point * 1e3) for one in totals]
    assert mark["error_x"]["array"] == [pytest.approx((one.high - one.point) * 1e3) for one in totals]
    assert mark["y"] == [0, -1, -2, -3]


def test_an_invalid_case_is_faint_and_says_so(figure):
    bar = figure.plot["data"][0]
    assert [one < 1 for one in bar["marker"]["opacity"]] == [False, False, False, True]
    assert figure.plot["layout"]["annotations"][3]["text"] == "wide (invalid): 75.0 mJ"


def test_the_table_has_every_rail_with_its_share(figure):
    rows = [row for row in figure.table.rows if row[0].label == "fast"]
    assert [row[1] for row in rows] == [f"total: {INPUT}", GPU, CPU]
    assert [row[2].value for row in rows] == pytest.approx([0.050, 0.010, 0.030], rel=0.003)
    assert rows[0][2].text == "50.0"
    assert [row[4].text for row in rows] == ["20.0", "4.00", "8.00"]
    assert [row[5].value for row in rows] == pytest.approx([0.030, 0.006, 0.022], rel=0.01)
    assert [row[6].text for row in rows] == ["100.0 %", "20.0 %", "60.0 %"]
    assert all(len(row) == len(figure.table.headings) for row in figure.table.rows)


def test_notes_name_the_boundary_and_the_legend_names_the_rails(figure):
    assert f"Total: {INPUT} (module input, board rail)." in figure.notes
    assert [name.label for name, _ in figure.legend] == [GPU, CPU]


def test_an_unknown_idle_is_said_and_drawn_as_no_idle():
    def busy(trial):
        return replace(trial, phases=replace(trial.phases, idle_after_end_s=None))

    found = figure_of(power_run(("fast",), changed=busy))
    assert found.table.rows[1][4] == Number(
        "— (idle after the steady part was not waited for (idle_s of [power] in the device's file))", None
    )
    assert found.plot["data"][0]["x"] == [0.0]
    assert "idle not known" in found.plot["data"][1]["text"][0]


def test_a_rail_that_rests_at_more_than_it_works_at_has_no_negative_bar():
    found = figure_of(power_run(("fast",), levels={"fast": {INPUT: 5.0, GPU: 0.1, CPU: 3.0}}))
    assert found.plot["data"][0]["x"] == [pytest.approx(1.0, rel=0.01)]
    assert found.plot["data"][1]["x"] == [0.0]
    assert found.table.rows[1][5].text == "−3.00"


def test_replayed_power_draws_nothing_and_says_so():
    run = power_run(provenance="replayed")
    assert text_of(run) == "No energy can be broken down: replayed, not measured."


def test_a_run_that_measured_no_energy_says_why_once():
    assert text_of(example_run()) == f"No energy can be broken down: {NO_POWER}."
    assert text_of((replace(example_run()[0], cases=()), {})) == "No energy can be broken down: no case was measured."


def test_cases_without_energy_are_left_out_with_their_reason(run):
    result, records = run
    fast = result.cases[0]
    metrics = {name: one for name, one in fast.metrics.items() if name != "energy_per_inference_j"}
    missing = {**fast.missing, "energy_per_inference_j": "the meter fell asleep"}
    changed = replace(result, cases=(replace(fast, metrics=metrics, missing=missing), *result.cases[1:]))
    assert text_of((changed, records)) == "Not drawn: fast (the meter fell asleep)."


def test_a_total_alone_is_a_bar_of_its_own():
    alone = replace(BOARD, power=replace(BOARD.power, parts=()))
    found = figure_of(power_run(("fast",), board=alone))
    assert {trace["name"] for trace in found.plot["data"]} == {INPUT, "total"}
    assert [trace["x"][0] for trace in found.plot["data"][:2]] == pytest.approx([20, 30], rel=0.01)


def test_hostile_names_and_many_cases_keep_to_the_rules(run):
    found = figure_of(renamed(*run, "fast", "<b>&" + "x" * 200))
    assert "<b>" not in found.plot["layout"]["annotations"][0]["text"]
    result, records = power_run(("fast",))
    case = result.cases[0]
    many, kept = [], {}
    for number in range(25):
        again = replace(case.case, variant=f"v{number}", input_seed=number)
        many.append(replace(case, case=again, artifact=replace(case.artifact, variant=again.variant)))
        kept[again.id] = replace(records[case.case.id], case=again)
    found = figure_of((replace(result, cases=tuple(many)), kept))
    assert len(found.plot["layout"]["annotations"]) == rails.DRAWN_MOST
    assert "The first 20 of 25 cases are drawn, in the table’s order." in found.notes


def test_plotly_knows_every_attribute(figure):
    plotly.graph_objects.Figure(figure.plot)
