"""Energy against latency: the energies of the result, who dominates, and words where nothing was measured."""

from dataclasses import replace

import plotly.graph_objects
import pytest

from harness.report.blocks import Figure, Paragraph
from harness.report.cases import shown
from harness.report.sections import energy_front
from tests.support.example_power import power_run
from tests.support.example_run import NO_POWER, example_run, with_case, without_metric

ENERGY = "energy_per_inference_j"


def blocks_of(run):
    return energy_front.section(shown(*run)).blocks


def test_energies_are_the_results_and_the_cheapest_and_fastest_dominates():
    run = power_run()
    figure = blocks_of(run)[0]
    assert isinstance(figure, Figure)
    traces = {trace["name"]: trace for trace in figure.plot["data"]}
    for case in run[0].cases:
        energy = case.metrics[ENERGY]
        assert traces[case.case.variant]["y"] == [pytest.approx(energy.point * 1e3)]
        assert traces[case.case.variant]["error_y"]["array"] == [pytest.approx((energy.high - energy.point) * 1e3)]
    assert [row[-1] for row in figure.table.rows] == [
        "dominated by fast-int8", "on the front", "dominated by fast-int8", "invalid, kept off the front",
    ]  # fmt: skip
    plotly.graph_objects.Figure(figure.plot)


def test_the_table_says_how_each_energy_was_read():
    figure = blocks_of(power_run(("fast",)))[0]
    assert "module input, board rail ina:VDD_IN_power, trapezoids" in figure.table.rows[0][5]


def test_without_an_energy_a_sentence_gives_the_reason():
    assert blocks_of(example_run()) == (Paragraph(f"No energy was measured: {NO_POWER}.", "none"),)


def test_reasons_that_differ_name_their_cases():
    result, records = example_run()
    result = with_case(result, "wide", missing={ENERGY: "window too short"})
    (said,) = blocks_of((result, records))
    assert said.text == f"No energy was measured: fast, fast-int8, sketch: {NO_POWER}; wide: window too short."


def test_replayed_power_is_no_energy():
    assert blocks_of(power_run(provenance="replayed"))[0].text == "No energy was measured: replayed, not measured."


def test_an_energy_without_a_latency_and_a_run_without_a_case_are_words():
    result, records = power_run()
    assert (
        "both an energy and a latency" in blocks_of((without_metric(result, "latency_p50_s", "gone"), records))[0].text
    )
    assert blocks_of((replace(result, cases=()), {}))[0].text == "No case was measured, so there is no energy."


def test_a_case_without_an_energy_is_named_under_the_figure():
    result, records = power_run()
    metrics = {name: one for name, one in result.cases[2].metrics.items() if name != ENERGY}
    changed = with_case(result, "sketch", metrics=metrics, missing={ENERGY: "the plug was pulled"})
    assert blocks_of((changed, records))[1].text == "Not drawn: sketch (energy: the plug was pulled)."
