"""Size by content: parts that add up to the file to the byte, each file once, and why one has none."""

from dataclasses import replace
from pathlib import Path

import pytest
from plotly import graph_objects

from harness.artifacts.locks import read_lock
from harness.artifacts.onnx_file import inspect
from harness.model.case import Part
from harness.report.blocks import Figure
from harness.report.cases import shown
from harness.report.sections.composition import MOST_DRAWN, MOST_PARTS, MOST_ROWS, section
from tests.support.example_outputs import full_run, many, with_parts
from tests.support.example_run import example_run, with_case

SUITES = Path(__file__).resolve().parents[3] / "suites"
LOCK = read_lock(SUITES / "cifar10.lock.json")
NAMES = ("fast", "fast-int8")


def figure_of(run) -> Figure:
    (found,) = (block for block in section(shown(*run)).blocks if isinstance(block, Figure))
    return found


def text_of(run) -> str:
    return " ".join(getattr(block, "text", "") for block in section(shown(*run)).blocks)


def drawn_of(figure: Figure) -> dict[str, float]:
    """Lengths of the bars by file, in the axis' unit."""
    found: dict[str, float] = {}
    for trace in figure.plot["data"]:
        for size, about in zip(trace["x"], trace["customdata"], strict=True):
            found[about[0]] = found.get(about[0], 0.0) + size
    return found


def summed_of(figure: Figure) -> dict[str, int]:
    """Bytes by file, of the table's rows but the last of each."""
    found: dict[str, int] = {}
    for row in figure.table.rows:
        if row[1] != "the whole file":
            found[row[0].label] = found.get(row[0].label, 0) + int(row[4].replace(",", ""))
    return found


def test_bars_and_table_add_up_to_the_size_of_the_file():
    run = with_parts(example_run(NAMES), NAMES)
    sizes = {one.case.variant: one.metrics["model_size_bytes"].point for one in run[0].cases}
    assert summed_of(figure_of(run)) == sizes
    assert drawn_of(figure_of(run)) == {name: pytest.approx(size * 1e-6, rel=1e-4) for name, size in sizes.items()}
    assert figure_of(run).plot["layout"]["xaxis"]["title"]["text"] == "size of the file, MB"
    whole = [row for row in figure_of(run).table.rows if row[1] == "the whole file"]
    assert [row[3:] for row in whole] == [("1.10 MB", "1,102,344", "100.0"), ("0.332 MB", "331,872", "100.0")]


@pytest.mark.parametrize("name", ["fast", "fast-pruned-int8", "paper-student"])
def test_a_released_file_adds_up(name):
    locked = LOCK[name]
    found = inspect(SUITES / locked.file, {})
    result, records = example_run(("fast",))
    artifact = replace(locked, composition=found.composition)
    figure = figure_of((with_case(result, "fast", artifact=artifact), records))
    assert summed_of(figure) == {"fast": locked.size_bytes}
    scale = 1e-6 if locked.size_bytes >= 1e6 else 1e-3
    assert drawn_of(figure) == {"fast": pytest.approx(locked.size_bytes * scale, rel=1e-4)}
    stored = "int8" if locked.precision == "int8" else "fp16"
    assert figure.legend[0][0].label == f"Conv {stored}"


def test_small_files_are_in_kilobytes():
    run = with_parts(example_run(("fast-int8",)), ("fast-int8",))
    assert figure_of(run).plot["layout"]["xaxis"]["title"]["text"] == "size of the file, kB"
    assert drawn_of(figure_of(run)) == {"fast-int8": pytest.approx(331.872, rel=1e-4)}


def test_a_file_that_several_cases_ran_is_one_bar():
    result, records = with_parts(example_run(("fast",)), ("fast",))
    (one,) = result.cases
    again = replace(one, case=replace(one.case, backend="onnxruntime-cuda"))
    run = replace(result, cases=(one, again)), records
    assert list(drawn_of(figure_of(run))) == ["fast"]
    twin = replace(one, case=replace(one.case, variant="twin"))
    assert list(drawn_of(figure_of((replace(result, cases=(one, twin)), records)))) == ["fast and 1 more"]


def test_parts_that_do_not_add_up_are_not_drawn():
    result, records = example_run(("fast",))
    artifact = replace(result.cases[0].artifact, composition=(Part("graph", 5),))
    said = text_of((with_case(result, "fast", artifact=artifact), records))
    assert "fast (its parts add up to 5 B, and the file has 1102344 B)" in said


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("fast.onnx", "the run was stored without it; measure again to have it"),
        ("model.pt2", "its file is no ONNX file, and no other kind is read"),
        ("smoke/fast.json", "its file is no ONNX file, and no other kind is read"),
    ],
)
def test_what_is_not_known_says_why(file, said):
    result, records = example_run(("fast",))
    found = section(shown(with_case(result, "fast", artifact=replace(result.cases[0].artifact, file=file)), records))
    assert found.blocks[0].kind == "none"
    assert found.blocks[1].text == f"Not drawn: fast ({said})."


def test_a_run_without_cases_is_a_sentence():
    found = section(shown(replace(example_run(NAMES)[0], cases=()), {}))
    assert [block.kind for block in found.blocks] == ["none"]


def test_few_parts_are_named_and_the_rest_is_one():
    result, records = example_run(("fast",))
    parts = tuple(Part("values", 1000 - number, f"Op{number}", "fp32") for number in range(20))
    artifact = replace(result.cases[0].artifact, size_bytes=sum(one.size_bytes for one in parts), composition=parts)
    run = with_case(result, "fast", artifact=artifact), records
    figure = figure_of(run)
    assert [name.label for name, _ in figure.legend] == [*(f"Op{number} fp32" for number in range(MOST_PARTS)), "other"]
    assert drawn_of(figure) == {"fast": pytest.approx(artifact.size_bytes * 1e-3)}
    assert len(figure.table.rows) == 21
    assert "the remaining 12 are “other”" in text_of(run)


def test_a_thousand_files_are_drawn_as_few_and_say_the_rule():
    run = many(with_parts(example_run(("fast",)), ("fast",)), 1000)
    assert len(drawn_of(figure_of(run))) == MOST_DRAWN
    assert len(figure_of(run).table.rows) <= MOST_ROWS
    assert f"the first {MOST_DRAWN} of 1000 files" in text_of(run)


def test_plotly_knows_every_attribute():
    graph_objects.Figure(figure_of(full_run(example_run())).plot)
