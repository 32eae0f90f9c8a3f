"""Operators: shares of the profiled time by operator and by executed precision, and why a case has none."""

from dataclasses import replace

import pytest
from plotly import graph_objects

from harness.report.blocks import Figure
from harness.report.cases import shown
from harness.report.sections.operators import HOW, MOST_DRAWN, MOST_PARTS, MOST_ROWS, account, section
from tests.support.example_outputs import FLOAT_ACCOUNT, INT8_ACCOUNT, full_run, kernel, many, with_accounts
from tests.support.example_run import example_run

NAMES = ("fast", "fast-int8")
ACCOUNTS = {"fast": FLOAT_ACCOUNT, "fast-int8": INT8_ACCOUNT}


def run_of(accounts=ACCOUNTS, names=NAMES):
    return with_accounts(example_run(names), accounts)


def figures_of(run) -> dict[str, Figure]:
    return {block.id: block for block in section(shown(*run)).blocks if isinstance(block, Figure)}


def text_of(run) -> str:
    return " ".join(getattr(block, "text", "") for block in section(shown(*run)).blocks)


def bars_of(figure: Figure) -> dict[str, dict[str, float]]:
    """Shares by case and part, as drawn."""
    found: dict[str, dict[str, float]] = {}
    for trace in figure.plot["data"]:
        for share, about in zip(trace["x"], trace["customdata"], strict=True):
            found.setdefault(about[0], {})[trace["name"]] = share
    return found


def test_bars_are_shares_of_the_profiled_time():
    found = bars_of(figures_of(run_of())["operators"])
    assert found["fast"] == {"Conv": pytest.approx(60), "Relu": pytest.approx(30), "Gemm": pytest.approx(10)}
    assert found["fast-int8"]["QLinearConv"] == pytest.approx(50)
    assert sum(found["fast-int8"].values()) == pytest.approx(100)


def test_precisions_are_those_executed_in_the_words_of_variants():
    found = bars_of(figures_of(run_of())["precisions"])
    assert found == {
        "fast": {"fp32": pytest.approx(100)},
        "fast-int8": {"int8": pytest.approx(50), "fp32": pytest.approx(50)},
    }
    rows = {(row[0].label, row[2]): row[3:] for row in figures_of(run_of())["precisions"].table.rows}
    assert rows["fast-int8", "int8"] == ("50.0", "12", "12")
    assert rows["fast-int8", "fp32"] == ("50.0", "2", "0")  # quantizers and softmax: floats by design


def test_the_table_has_every_operator_with_its_provider_and_time():
    table = figures_of(run_of())["operators"].table
    assert len(table.rows) == len(FLOAT_ACCOUNT) + len(INT8_ACCOUNT)
    assert table.rows[0][0].label == "fast"
    assert table.rows[0][1:] == ("Conv", "CPU", "fp32", "yes", "12", "0.600", "60.0")


def test_few_are_named_and_the_rest_is_one_part():
    long = [kernel(f"Op{number:02d}", "float", (20 - number) * 1e-5) for number in range(20)]
    figure = figures_of(run_of({"fast": long}))["operators"]
    (shares,) = bars_of(figure).values()
    assert len(shares) == MOST_PARTS + 1
    assert shares["other"] == pytest.approx(100 * sum(range(1, 13)) / sum(range(1, 21)), abs=1e-3)
    assert sum(shares.values()) == pytest.approx(100, abs=1e-3)
    assert [name.label for name, _ in figure.legend] == [f"Op{number:02d}" for number in range(8)] + ["other"]
    assert len(figure.table.rows) == 20
    assert "the remaining 12 are “other”" in text_of(run_of({"fast": long}))


def test_parts_are_told_apart_without_colour():
    long = [kernel(f"Op{number:02d}", "float", (20 - number) * 1e-5) for number in range(20)]
    figure = figures_of(run_of({"fast": long}))["operators"]
    looks = {(name.style.colour, name.style.glyph) for name, _ in figure.legend}
    assert len(looks) == MOST_PARTS + 1
    patterns = [trace["marker"]["pattern"]["shape"] for trace in figure.plot["data"]]
    assert patterns == [""] * 6 + ["/"] * 2 + ["."]


def test_how_it_was_taken_is_said():
    assert HOW in text_of(run_of())
    assert "not the latency" in HOW


def test_the_first_launch_that_has_an_account_is_taken():
    result, records = run_of({"fast": FLOAT_ACCOUNT}, ("fast",))
    (record,) = records.values()
    moved = replace(record, trials=(*record.trials[1:], record.trials[0]))
    (named,) = shown(result, {record.case.id: moved}).cases
    assert account(named).duration_s == pytest.approx(1e-3)
    failed = replace(record, trials=tuple(replace(one, status="failed") for one in record.trials))
    (named,) = shown(result, {record.case.id: failed}).cases
    assert account(named) is None


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({}, "fast (onnxruntime gave no account of its operators)"),
        ({"operators": []}, "fast (onnxruntime gave no account of its operators)"),
        ({"operators_missing": "no space left"}, "fast (the profiler failed: no space left)"),
        ({"operators": [kernel("Conv", "float", 0.0)]}, "fast (onnxruntime gave no account of its operators)"),
    ],
)
def test_a_case_without_an_account_says_why(facts, said):
    result, records = example_run(("fast",))
    (record,) = records.values()
    first = record.trials[0]
    told = replace(first, environment=replace(first.environment, facts=facts))
    run = result, {record.case.id: replace(record, trials=(told, *record.trials[1:]))}
    assert said in text_of(run)
    assert figures_of(run) == {}
    assert section(shown(*run)).blocks[0].kind == "none"


def test_without_records_words_stand_in_place_of_the_figures():
    assert "fast, fast-int8 (its launches are not at hand)" in text_of((example_run(NAMES)[0], {}))
    assert section(shown(replace(example_run(NAMES)[0], cases=()), {})).blocks[0].kind == "none"


def test_what_a_runtime_does_not_tell_is_not_guessed():
    found = run_of({"fast": [kernel("fused", "", 1e-4, provider=""), kernel("odd", "float8", 1e-4)]}, ("fast",))
    rows = {row[1]: row[2:4] for row in figures_of(found)["operators"].table.rows}
    assert rows == {"fused": ("not told", "not told"), "odd": ("CPU", "float8")}


def test_a_case_that_is_not_valid_is_faint_and_says_so():
    run = run_of({"fast": FLOAT_ACCOUNT, "wide": FLOAT_ACCOUNT}, ("fast", "wide"))
    plot = figures_of(run)["operators"].plot
    valid, invalid = plot["data"][0]["marker"]["opacity"]
    assert valid == 1.0 > invalid
    assert [note["text"] for note in plot["layout"]["annotations"]] == ["● fast", "■ wide (invalid)"]


def test_a_thousand_cases_are_drawn_as_few_and_say_the_rule():
    run = many(run_of({"fast": FLOAT_ACCOUNT}, ("fast",)), 1000)
    found = figures_of(run)
    assert len(bars_of(found["operators"])) == MOST_DRAWN
    assert len(found["operators"].table.rows) <= MOST_ROWS
    assert len(found["precisions"].table.rows) == MOST_ROWS
    assert f"the first {MOST_DRAWN} of 1000 cases" in text_of(run)
    assert "the first 200 of 1000 cases" in found["operators"].table.folded


def test_a_hostile_operator_is_text():
    bad = "<img src=x onerror=alert(1)>"
    figure = figures_of(run_of({"fast": [kernel(bad, "float", 1e-4)]}))["operators"]
    assert figure.plot["data"][0]["name"].startswith("&lt;img")
    assert figure.legend[0][0].label == bad  # the page escapes it


def test_plotly_knows_every_attribute():
    for figure in figures_of(full_run(example_run())).values():
        graph_objects.Figure(figure.plot)
