"""Recall, precision and F1 by class: the numbers of the dots, their intervals, and which classes of many are drawn."""

from dataclasses import replace

import numpy as np
import pytest
from plotly import graph_objects

from harness.datasets import cifar10
from harness.model.proportion import wilson_interval
from harness.report.answers import answered
from harness.report.blocks import Figure, Table
from harness.report.cases import shown
from harness.report.sections.classes import MOST_CLASSES, MOST_DRAWN, MOST_ROWS, hardest, section
from tests.support.example_outputs import counts_of, full_run, many, with_answers, with_recorded_answers
from tests.support.example_run import example_run

COUNTS = np.array([[90, 10, 0], [20, 80, 0], [0, 0, 0]])
NAMES = ("fast", "fast-int8")


def run_of(counts, names=("fast",), **changes):
    return with_answers(example_run(names), dict.fromkeys(names, counts), **changes)


def figures_of(run) -> dict[str, Figure]:
    return {block.id: block for block in section(shown(*run)).blocks if isinstance(block, Figure)}


def text_of(run) -> str:
    return " ".join(getattr(block, "text", "") for block in section(shown(*run)).blocks)


def test_three_figures_draw_the_three_measures_in_per_cent():
    found = figures_of(run_of(COUNTS, dataset_sha256=None))
    assert set(found) == {"classes-recall", "classes-precision", "classes-f1"}
    dots = {name: figure.plot["data"][0] for name, figure in found.items()}
    assert dots["classes-recall"]["x"] == [90.0, 80.0]  # the third class has no image
    assert dots["classes-precision"]["x"] == [pytest.approx(81.818, abs=1e-3), pytest.approx(88.889, abs=1e-3)]
    assert dots["classes-f1"]["x"] == [pytest.approx(85.714, abs=1e-3), pytest.approx(84.211, abs=1e-3)]


def test_only_recall_has_whiskers_and_they_are_wilsons():
    found = figures_of(run_of(COUNTS, dataset_sha256=None))
    low, high = wilson_interval(90, 100)
    whiskers = found["classes-recall"].plot["data"][0]["error_x"]
    assert whiskers["array"][0] == pytest.approx(100 * high - 90, abs=1e-3)
    assert whiskers["arrayminus"][0] == pytest.approx(90 - 100 * low, abs=1e-3)
    assert "error_x" not in found["classes-precision"].plot["data"][0]
    assert found["classes-recall"].table.rows[0][1] == f"90.0 [{100 * low:.1f}, {100 * high:.1f}]"


def test_a_share_of_nothing_is_a_dash_and_no_dot():
    found = figures_of(run_of(COUNTS, dataset_sha256=None))
    for figure in found.values():
        assert figure.table.rows[0][3] == "—"
        assert len(figure.plot["data"][0]["y"]) == 2


def test_cases_of_a_class_lie_on_lines_of_their_own_in_the_legends_order():
    found = figures_of(with_answers(example_run(NAMES), {name: counts_of(name) for name in NAMES}))["classes-recall"]
    first, second = (trace["y"] for trace in found.plot["data"])
    assert [name.label for name, _ in found.legend] == list(NAMES) == [trace["name"] for trace in found.plot["data"]]
    assert all(a < b < a + 1 for a, b in zip(first, second, strict=True))
    assert [round(value) for value in first] == list(range(10))
    assert found.plot["layout"]["yaxis"]["ticktext"][3] == "cat"
    assert found.plot["layout"]["yaxis"]["range"] == [9.5, -0.5]


def test_a_case_that_is_not_valid_is_open_and_faint():
    run = with_answers(example_run(("fast", "wide")), {name: counts_of(name) for name in ("fast", "wide")})
    valid, invalid = figures_of(run)["classes-recall"].plot["data"]
    assert valid["opacity"] == 1.0 > invalid["opacity"]
    assert invalid["marker"]["symbol"].endswith("-open")
    assert figures_of(run)["classes-recall"].legend[1][1] == "invalid"


def test_of_many_classes_those_that_are_recalled_least_are_drawn():
    counts = np.diag(np.full(30, 100))
    for label in (3, 17, 29):
        counts[label, label], counts[label, 0] = 60, 40
    run = run_of(counts, dataset_sha256=None)
    standing, _ = answered(shown(*run))
    picked = hardest(standing)
    assert len(picked) == MOST_CLASSES
    assert {3, 17, 29} <= set(picked)
    assert picked == tuple(sorted(picked))
    assert f"of 30 classes the {MOST_CLASSES} that a drawn case recalls least" in text_of(run)
    assert len(figures_of(run)["classes-f1"].table.headings) == 1 + MOST_CLASSES


def test_where_the_answers_come_from_is_said():
    run = with_answers(example_run(NAMES), {"fast": counts_of("fast")})
    run = with_recorded_answers(run, {"fast-int8": counts_of("fast-int8", 1000)})
    said = text_of(run)
    assert "fast: measured here on 1000 images; fast-int8: recorded, 10000 images; not measured here." in said
    assert "Over 100 to 1000 images of each class" in said


def test_calibration_is_told_as_recorded_where_it_is():
    run = with_recorded_answers(example_run(NAMES), {"fast": counts_of("fast")})
    table = next(block for block in section(shown(*run)).blocks if isinstance(block, Table))
    assert "recorded earlier for exactly these files; not measured here" in table.folded
    assert [row[0].label for row in table.rows] == ["fast"]
    assert table.rows[0][table.headings.index("ECE")] == "0.031"
    lowest = int(np.argmin(counts_of("fast").diagonal()))
    assert table.rows[0][table.headings.index("lowest recall")].endswith(f"({cifar10.CLASSES[lowest]})")
    assert not [block for block in section(shown(*run_of(counts_of("fast")))).blocks if isinstance(block, Table)]


def test_other_classes_are_named_and_not_drawn():
    counts = {"fast": counts_of("fast"), "fast-int8": counts_of("fast-int8", classes=4)}
    run = with_answers(example_run(NAMES), counts, dataset_sha256=None)
    assert len(figures_of(run)["classes-recall"].plot["data"]) == 1
    assert "fast-int8 (it has 4 classes of its own)" in text_of(run)


def test_without_answers_words_stand_in_place_of_the_figures():
    found = section(shown(*example_run(NAMES)))
    assert found.blocks[0].kind == "none"
    assert not [block for block in found.blocks if isinstance(block, Figure)]
    assert section(shown(replace(example_run(NAMES)[0], cases=()), {})).blocks[0].kind == "none"


def test_a_thousand_cases_are_drawn_as_few_and_say_the_rule():
    run = many(run_of(counts_of("fast")), 1000)
    figure = figures_of(run)["classes-recall"]
    assert len(figure.plot["data"]) == MOST_DRAWN
    assert len(figure.table.rows) == MOST_ROWS
    assert f"the first {MOST_DRAWN} of 1000 cases; the tables have the first {MOST_ROWS}" in text_of(run)


def test_plotly_knows_every_attribute():
    for figure in figures_of(full_run(example_run())).values():
        graph_objects.Figure(figure.plot)
