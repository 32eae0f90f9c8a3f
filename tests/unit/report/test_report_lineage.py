"""The tree of variants and its table: order, parents that were not measured, changes, doubts, many variants."""

from dataclasses import replace

import plotly.graph_objects
import pytest

from harness.model.verdict import RunResult
from harness.report.blocks import Figure, Number, Paragraph, Table
from harness.report.cases import shown
from harness.report.names import COLOURS
from harness.report.plots import NEUTRAL
from harness.report.sections import lineage
from harness.report.sections.lineage_plot import MOST_DRAWN
from tests.support.example_run import THROTTLED, example_run, renamed, with_case


def family(parents: dict[str, str | None]) -> RunResult:
    """The variants of these names, alike but for their parents."""
    result, _ = example_run(("fast",))
    fast = result.cases[0]
    cases = tuple(
        replace(
            fast, case=replace(fast.case, variant=name), artifact=replace(fast.artifact, variant=name, parent=parent)
        )
        for name, parent in parents.items()
    )
    return replace(result, cases=cases)


def blocks(result: RunResult) -> tuple[object, ...]:
    return lineage.section(shown(result, {})).blocks


def table(result: RunResult) -> Table:
    for block in blocks(result):
        if isinstance(block, Figure):
            return block.table
        if isinstance(block, Table):
            return block
    raise AssertionError


def row(result: RunResult, variant: str) -> dict[str, object]:
    """Cells by heading; of two columns called change the last."""
    found = table(result)
    line = next(line for line in found.rows if getattr(line[0], "label", line[0]) == variant)
    return dict(zip(found.headings, line, strict=True))


def said(result: RunResult) -> str:
    notes = [note for block in blocks(result) if isinstance(block, Figure) for note in block.notes]
    return " ".join([*notes, *(block.text for block in blocks(result) if isinstance(block, Paragraph))])


def figure(result: RunResult) -> Figure:
    (found,) = (block for block in blocks(result) if isinstance(block, Figure))
    return found


def nodes(result: RunResult) -> list[tuple[str, int, int | None]]:
    return [(node.variant, node.depth, node.parent) for node in lineage.tree(shown(result, {}).cases)]


def test_children_stand_below_their_parent_in_the_order_of_the_cases():
    result = family({"small-int8": "small", "large": None, "small": "large", "other": None, "large-int8": "large"})
    assert nodes(result) == [
        ("large", 0, None), ("small", 1, 0), ("small-int8", 2, 1), ("large-int8", 1, 0), ("other", 0, None),
    ]  # fmt: skip


def test_a_parent_that_was_not_measured_is_there_by_its_name():
    result = family({"a": "gone", "b": "gone"})
    assert nodes(result) == [("gone", 0, None), ("a", 1, 0), ("b", 1, 0)]
    cells = row(result, "gone")
    assert cells["verdict"] == lineage.NOT_HERE
    assert row(result, "a")["made from"] == "gone (not measured here)"
    assert row(result, "a")["parent’s SHA-256"] == "not recorded"
    drawn = figure(result).plot["data"][1]
    assert drawn["marker"]["symbol"][0] == "circle-open"
    assert drawn["marker"]["color"][:2] == [NEUTRAL, COLOURS[0]]
    assert "gone</b> (not measured here)" in drawn["text"][0]


@pytest.mark.parametrize("parents", [{"a": "a"}, {"a": "b", "b": "a"}, {"a": "b", "b": "c", "c": "b"}])
def test_a_ring_of_parents_is_cut_and_loses_nobody(parents):
    assert sorted(name for name, _, _ in nodes(family(parents))) == sorted(parents)


def test_each_step_has_its_change_with_the_doubt_of_the_comparison():
    result, _ = example_run()
    cells = row(result, "fast-int8")
    size, p50 = (result.cases[1].metrics[name] for name in ("model_size_bytes", "latency_p50_s"))
    assert cells["size, MB"] == Number("0.332", size.point)
    assert cells["p50, ms"].value == p50.point
    assert cells["made from"] == "fast"
    assert cells["parent’s SHA-256"] == result.cases[0].artifact.sha256[:12]
    assert cells["recipe"] == result.cases[1].artifact.recipe_id
    line = next(line for line in table(result).rows if getattr(line[0], "label", "") == "fast-int8")
    assert [line[index] for index in (6, 8, 10)] == ["×0.301", "−1.07 pp", "×0.294"]
    assert [text for text in figure(result).plot["data"][1]["text"] if "×0.301 · −1.07 pp · ×0.294" in text]


def test_a_change_within_the_noise_is_marked_and_explained():
    result, _ = example_run(("fast", "fast-int8"))
    fast, small = result.cases
    metrics = {**small.metrics, "latency_p50_s": fast.metrics["latency_p50_s"]}
    result = with_case(result, "fast-int8", metrics=metrics)
    assert row(result, "fast-int8")["change"] == "~ ×1.00"
    assert "Intervals overlap: p50 of fast-int8." in said(result)
    assert "~ marks" not in said(example_run(("fast", "fast-int8"))[0])


def test_what_is_invalid_is_compared_with_nothing_and_drawn_open():
    result = with_case(example_run(("fast", "fast-int8"))[0], "fast-int8", verdict="invalid")
    assert row(result, "fast-int8")["change"] == "—"
    assert row(result, "fast-int8")["verdict"] == "invalid"
    drawn = figure(result).plot["data"][1]
    assert drawn["marker"]["symbol"] == ["circle", "square-open"]
    assert "(invalid)" in drawn["text"][1]
    assert "×" not in drawn["text"][1]
    assert "Compared with nothing, as invalid: fast-int8." in said(result)


def test_changes_of_a_doubtful_case_are_shown_and_marked():
    result, _ = example_run(("fast", "fast-int8"))
    finding = replace(THROTTLED, code="drift", severity="doubt")
    result = with_case(result, "fast-int8", verdict="doubtful", findings=(finding,))
    line = next(line for line in table(result).rows if getattr(line[0], "label", "") == "fast-int8")
    assert [line[index] for index in (6, 8, 10)] == ["×0.301", "−1.07 pp", "~ ×0.294"]
    assert "×0.301 · −1.07 pp · ~ ×0.294" in figure(result).plot["data"][1]["text"][1]
    assert "marked ~ in what the doubt touches: fast-int8 (drift)." in said(result)
    assert "Compared with nothing" not in said(result)


def test_a_missing_metric_leaves_a_dash_and_no_change():
    result, _ = example_run(("fast", "fast-int8"))
    metrics = {name: one for name, one in result.cases[1].metrics.items() if name != "accuracy_top1"}
    cells = row(with_case(result, "fast-int8", metrics=metrics), "fast-int8")
    assert cells["top-1, %"] == Number("—", None)


def test_a_variant_measured_otherwise_than_its_parent_has_no_change():
    result, _ = example_run(("fast", "fast-int8"))
    small = result.cases[1]
    result = with_case(result, "fast-int8", case=replace(small.case, backend="tensorrt"))
    assert row(result, "fast-int8")["made from"] == "fast (not measured alike)"
    assert row(result, "fast-int8")["change"] == "—"
    assert "The figure’s latencies are of pi4 · onnxruntime · single-stream" in said(result)


def test_one_variant_and_unrelated_ones_are_a_table_and_a_sentence():
    assert "The one variant of this run was made from no other" in said(family({"a": None}))
    assert "None of the 2 variants of this run was made from another one" in said(family({"a": None, "b": None}))
    assert len(table(family({"a": None, "b": None})).rows) == 2
    assert "no lineage to show" in said(family({}))


def test_a_thousand_variants_are_all_in_the_table_and_the_first_are_drawn():
    result = family({f"v{index}": f"v{index - 1}" if index else None for index in range(1000)})
    found = figure(result)
    assert len(found.table.rows) == 1000
    assert len(found.plot["data"][1]["x"]) == MOST_DRAWN
    assert any(f"Of 1000 variants the first {MOST_DRAWN}" in note for note in found.notes)


@pytest.mark.parametrize("count", [2, 40])
def test_every_row_of_the_tree_is_as_high_and_its_lines_have_right_angles(count):
    result = family({f"v{index}": "v0" if index else None for index in range(count)})
    plot = figure(result).plot
    assert plot["layout"]["yaxis"]["range"] == [count - 0.5, -0.5]
    across, down = plot["data"][0]["x"], plot["data"][0]["y"]
    assert across[3::4] == [None] * (count - 1)
    for index in range(0, len(across), 4):
        assert across[index] == across[index + 1]  # straight down
        assert down[index + 1] == down[index + 2]  # then across
    plotly.graph_objects.Figure(plot)


def test_a_hostile_name_stays_text_in_the_tree():
    result, records = example_run(("fast", "fast-int8"))
    result, _ = renamed(result, records, "fast-int8", "<b>x</b>" * 30)
    text = figure(result).plot["data"][1]["text"][1]
    assert text.startswith(" <b>&lt;b&gt;x&lt;/b&gt;")
    assert "…" in text


def test_a_long_name_in_the_tree_keeps_its_end():
    result, records = example_run(("fast", "fast-int8"))
    result, _ = renamed(result, records, "fast-int8", "a-network-of-a-long-name-pruned-int8")
    assert "<b>a-network-of-a-lo…runed-int8</b>" in figure(result).plot["data"][1]["text"][1]


def test_agreement_with_a_teacher_has_its_column_where_it_is_known():
    result, _ = example_run(("fast", "fast-int8"))
    assert "agrees with what taught it, %" not in table(result).headings
    taught = replace(result.cases[1].artifact, agreement_with_teacher=0.9446)
    cells = row(with_case(result, "fast-int8", artifact=taught), "fast-int8")
    assert cells["agrees with what taught it, %"] == "94.46"
