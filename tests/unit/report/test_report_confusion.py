"""Confusion matrices: the teacher's shares, what the others do otherwise, and what stays out, with its reason."""

from dataclasses import replace

import numpy as np
import pytest
from plotly import graph_objects

from harness.report.blocks import Figure, Paragraph, Table
from harness.report.cases import shown
from harness.report.sections import confusion
from harness.report.sections.confusion import MOST_DRAWN, MOST_ROWS, MOST_TABLED, section, tint
from tests.support.example_outputs import counts_of, full_run, many, with_answers, with_recorded_answers
from tests.support.example_run import example_run, with_case

NAMES = ("fast", "fast-int8")


def measured(names=NAMES):
    return with_answers(example_run(names), {name: counts_of(name) for name in names})


def figures_of(run) -> list[Figure]:
    return [block for block in section(shown(*run)).blocks if isinstance(block, Figure)]


def text_of(run) -> str:
    found = section(shown(*run))
    return " ".join(getattr(block, "text", "") for block in found.blocks)


def text_in(cell) -> str:
    return cell if isinstance(cell, str) else getattr(cell, "label", None) or cell.text


def overview_of(run) -> dict[str, tuple[str, ...]]:
    table = next(block for block in section(shown(*run)).blocks if isinstance(block, Table) and not block.folded)
    return {row[0].label: tuple(text_in(cell) for cell in row[1:]) for row in table.rows}


def test_the_first_matrix_is_the_teachers_own_in_per_cent_of_each_class():
    first, _ = figures_of(measured())
    assert first.legend[0][0].label == "fast"
    assert first.legend[0][1] == "its own answers; measured here on 1000 images"
    (cells,) = first.plot["data"]
    assert cells["z"] == counts_of("fast").tolist()  # of 100 images of each class
    assert [cell[1] for row in cells["customdata"] for cell in row] == [100] * 100
    assert (cells["zmin"], cells["zmax"]) == (0.0, 100.0)


def test_the_others_are_differences_to_it_in_percentage_points():
    _, second = figures_of(measured())
    assert second.legend[0][1] == "minus fast; measured here on 1000 images"
    (cells,) = second.plot["data"]
    expected = counts_of("fast-int8") - counts_of("fast")
    assert cells["z"] == expected.tolist()
    assert [cell[0] for row in cells["customdata"] for cell in row] == counts_of("fast-int8").ravel().tolist()
    assert cells["zmax"] == -cells["zmin"] == pytest.approx(np.abs(expected).max())
    row, column = np.argwhere(expected < 0)[0].tolist()
    assert cells["text"][row][column] == f"−{-expected[row, column]}.0"
    assert "" in cells["text"][0]


def test_the_table_of_a_difference_holds_the_cases_own_counts():
    _, second = figures_of(measured())
    counts = counts_of("fast-int8")
    assert second.table.headings[0] == "true class"
    assert second.table.rows[3][0] == "cat"
    assert second.table.rows[3][1:] == (*(str(count) for count in counts[3]), str(counts[3].sum()))


def test_the_overview_names_the_largest_confusion_and_what_rose_most():
    counts = np.diag([90] * 10)
    counts[:, 0] += 10  # every class is taken for an airplane
    worse = counts.copy()
    worse[3, 3], worse[3, 5] = 70, 20
    found = overview_of(with_answers(example_run(NAMES), {"fast": counts, "fast-int8": worse}))
    assert found["fast"] == ("automobile taken for airplane", "10.0", "—", "—", "—")
    assert found["fast-int8"] == ("cat taken for dog", "20.0", "fast", "cat taken for dog", "+20.0")


def test_what_was_recorded_before_says_so_and_is_compared_all_the_same():
    run = with_answers(example_run(NAMES), {"fast": counts_of("fast")})
    run = with_recorded_answers(run, {name: counts_of(name, 1000) for name in NAMES})
    first, second = figures_of(run)
    assert first.legend[0][1].endswith("measured here on 1000 images")  # measured beats recorded
    assert second.legend[0][1] == "minus fast; recorded, 10000 images; not measured here"
    expected = counts_of("fast-int8", 1000) / 10 - counts_of("fast")
    assert np.array(second.plot["data"][0]["z"]) == pytest.approx(expected)


def test_an_invalid_case_is_held_against_nothing_and_nothing_against_it():
    run = measured(("fast", "fast-int8", "wide"))
    assert overview_of(run)["wide"][2] == "—"
    assert overview_of(run)["wide"][-1] == "invalid; measured here on 1000 images"
    result, records = run
    broken = with_case(result, "fast", verdict="invalid"), records
    assert {row[2] for row in overview_of(broken).values()} == {"—"}


def test_a_teacher_without_answers_leaves_the_parent():
    result, records = with_answers(example_run(), {name: counts_of(name) for name in NAMES})
    sketch = next(one for one in result.cases if one.case.variant == "sketch")
    result = with_case(result, "sketch", artifact=replace(sketch.artifact, role="teacher"))
    assert overview_of((result, records))["fast-int8"][2] == "fast"
    assert "sketch (its weights are random: an accuracy would mean nothing)" in text_of((result, records))


def test_other_classes_are_not_held_against_these():
    counts = {"fast": counts_of("fast"), "fast-int8": counts_of("fast-int8", classes=4)}
    run = with_answers(example_run(NAMES), counts, dataset_sha256=None)
    assert [figure.legend[0][1].partition(";")[0] for figure in figures_of(run)] == ["its own answers"] * 2
    assert figures_of(run)[1].plot["data"][0]["x"] == ["0", "1", "2", "3"]


def test_a_class_without_images_is_blank():
    counts = counts_of("fast")
    counts[4] = 0
    first, second = figures_of(with_answers(example_run(NAMES), {"fast": counts, "fast-int8": counts_of("fast-int8")}))
    assert first.plot["data"][0]["z"][4] == [None] * 10
    assert first.plot["data"][0]["text"][4] == [""] * 10
    assert second.plot["data"][0]["z"][4] == [None] * 10


def test_two_scenarios_of_one_file_are_one_matrix():
    result, records = measured(("fast",))
    (one,) = result.cases
    again = replace(one.case, scenario=replace(one.case.scenario, label="again"))
    record = records[one.case.id]
    both = replace(result, cases=(replace(one, case=again), one))
    run = both, {**records, again.id: replace(record, case=again, trials=record.trials[:-1])}
    (figure,) = figures_of(run)
    assert figure.legend[0][0].label == "fast · single-stream"  # the one with the pass over the images
    assert "Not drawn" not in text_of(run)


def test_without_answers_words_stand_in_place_of_the_matrices():
    found = section(shown(*example_run(NAMES)))
    assert not [block for block in found.blocks if isinstance(block, Figure | Table)]
    assert found.blocks[0].kind == "none"
    assert "fast, fast-int8 (its accuracy is known, but not what it took each image for)" in found.blocks[1].text
    assert section(shown(replace(example_run(NAMES)[0], cases=()), {})).blocks[0].kind == "none"


def test_a_pass_that_failed_says_why():
    result, records = measured(("fast",))
    (record,) = records.values()
    failed = replace(record.trials[-1], status="failed", message="evaluate: MemoryError: 4 GiB\n  in the agent")
    records = {record.case.id: replace(record, trials=(*record.trials[:-1], failed))}
    assert "fast (evaluate: MemoryError: 4 GiB)" in text_of((result, records))


def test_a_thousand_cases_are_drawn_as_few_and_say_the_rule():
    run = many(measured(("fast",)), 1000)
    found = section(shown(*run))
    assert len(figures_of(run)) == MOST_DRAWN
    tables = [block for block in found.blocks if isinstance(block, Table)]
    assert len(tables) == 1 + MOST_TABLED - MOST_DRAWN
    assert len(tables[0].rows) == MOST_ROWS
    assert f"the first {MOST_DRAWN} of 1000 matrices" in text_of(run)


def test_very_many_classes_are_listed_and_not_drawn():
    counts = counts_of("fast", classes=60)
    run = with_answers(example_run(("fast",)), {"fast": counts}, dataset_sha256=None)
    assert figures_of(run) == []
    listed = next(block for block in section(shown(*run)).blocks if isinstance(block, Table) and block.folded)
    wrong = counts - np.diag(counts.diagonal())
    assert listed.rows[0][2] == str(wrong.max())
    assert "With more than 20 classes" in text_of(run)


def test_a_tint_lets_the_paper_through():
    assert tint("#0072B2", 1.0) == "rgba(0,114,178,0.720)"
    assert tint("#0072B2", 0.0) == "rgba(0,114,178,0.000)"


def test_plotly_knows_every_attribute():
    for figure in figures_of(full_run(example_run())):
        graph_objects.Figure(figure.plot)


def test_no_change_at_all_is_a_scale_of_a_point():
    same = {name: counts_of("fast") for name in NAMES}
    _, second = figures_of(with_answers(example_run(NAMES), same))
    assert second.plot["data"][0]["zmax"] == confusion.LEAST_RANGE_PP
    assert overview_of(with_answers(example_run(NAMES), same))["fast-int8"][3:] == ("none", "—")


def test_answers_of_one_origin_say_so_once_above_the_table():
    said = "The answers of every case: measured here on 1000 images."
    assert said in [block.text for block in section(shown(*measured())).blocks if isinstance(block, Paragraph)]
