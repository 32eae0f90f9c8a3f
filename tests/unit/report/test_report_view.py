"""What a page says is what the result says: numbers, reasons, verdicts, and who may stand on the front."""

from dataclasses import replace

import pytest

from harness.model.metrics import show
from harness.report.rows import COLUMNS
from harness.report.view import View, build_view
from tests.support.drawn import plane_of
from tests.support.example_run import (
    NO_ACCURACY,
    NO_POWER,
    THROTTLED,
    example_run,
    with_case,
    without_metric,
)


@pytest.fixture(scope="module")
def run():
    return example_run()


@pytest.fixture(scope="module")
def view(run) -> View:
    return build_view(*run)


def row_of(view: View, label: str):
    return next(row for row in view.rows if row.label == label)


def cell_of(view: View, label: str, metric: str):
    return next(cell for cell in row_of(view, label).cells if cell.column.metric == metric)


def test_every_number_and_interval_in_the_table_is_the_results_own(run, view):
    result, _ = run
    shown = 0
    for case, row in zip(result.cases, view.rows, strict=True):
        for metric, cell in zip(COLUMNS, row.cells, strict=True):
            if metric in case.metrics:
                summary = case.metrics[metric]
                assert cell.text == show(metric, summary.point)
                low, high = show(metric, summary.low), show(metric, summary.high)
                assert cell.interval == ("" if low == cell.text == high else f"[{low}, {high}]")
                shown += 1
    assert shown == 4 * 11 - 2 * 4 - 1  # power and energy are missing everywhere, one accuracy too


def test_a_missing_metric_is_a_dash_with_its_reason_and_a_mark_to_a_footnote(view):
    cell = cell_of(view, "sketch", "accuracy_top1")
    assert (cell.text, cell.reason) == ("—", NO_ACCURACY)
    assert (cell.mark, NO_ACCURACY) in view.footnotes
    marks = {
        cell_of(view, row.label, name).mark for row in view.rows for name in ("power_mean_w", "energy_per_inference_j")
    }
    assert marks == {"a"}
    assert dict(view.footnotes)["a"] == NO_POWER


def test_a_metric_that_is_neither_measured_nor_excused_is_not_recorded():
    result, records = example_run(("fast",))
    result = with_case(result, "fast", metrics={}, missing={})
    view = build_view(result, records)
    assert {cell.text for cell in view.rows[0].cells} == {"—"}
    assert view.footnotes == (("a", "not recorded"),)


def test_changes_are_ratios_to_the_parent_or_percentage_points(run, view):
    result, _ = run
    fast, quantized = (case.metrics["throughput_per_s"].point for case in result.cases[:2])
    (change,) = cell_of(view, "fast-int8", "throughput_per_s").changes  # its parent is its teacher
    assert (change.text, change.reference.mark) == (f"×{quantized / fast:.2f}", "PT")
    assert [change.text for change in cell_of(view, "fast-int8", "accuracy_top1").changes] == ["−1.07 pp"]
    assert cell_of(view, "fast", "throughput_per_s").changes == ()
    assert row_of(view, "fast-int8").references == ("PT: against its parent, fast",)


def test_an_invalid_case_keeps_its_numbers_shows_its_reason_and_is_compared_with_nothing(view):
    row = row_of(view, "wide")
    assert row.verdict == "invalid"
    assert row.reasons == (f"throttled: {THROTTLED.evidence}",)
    assert {cell.changes for cell in row.cells} == {()}
    assert not any(cell.best for cell in row.cells)
    assert row.references == ("not compared: invalid",)
    assert cell_of(view, "wide", "latency_p50_s").text != "—"


def test_a_note_is_a_finding_but_no_reason(view):
    assert row_of(view, "fast").reasons == ()
    assert "background-load" in {row.finding.code for row in view.findings}


def test_the_front_holds_valid_cases_that_no_other_one_beats_in_both(run):
    plane = plane_of(*run)
    assert {point.label for point in plane.points if point.undominated} == {"fast", "fast-int8"}
    # wide is the most accurate of all, and invalid.
    assert max(plane.points, key=lambda point: point.y.point).label == "wide"
    assert dict(plane.left_out) == {"sketch": f"top-1: {NO_ACCURACY}"}


def test_a_case_that_another_one_dominates_leaves_the_front():
    result, records = example_run(("fast", "fast-int8"))
    fast, quantized = (dict(case.metrics) for case in result.cases)

    def on_front(**changed: object) -> list[bool]:
        plane = plane_of(with_case(result, "fast-int8", metrics={**quantized, **changed}), records)
        return [point.undominated for point in plane.points]

    top1 = quantized["accuracy_top1"]
    assert on_front() == [True, True]  # faster, but less accurate
    better = replace(top1, point=0.95, low=0.946, high=0.954)
    assert on_front(accuracy_top1=better) == [False, True]  # better in both
    assert on_front(accuracy_top1=fast["accuracy_top1"]) == [False, True]  # as accurate, and faster
    more_accurate = {"latency_p50_s": fast["latency_p50_s"], "accuracy_top1": better}
    assert on_front(**more_accurate) == [False, True]  # as fast, and more accurate
    same = {name: fast[name] for name in ("latency_p50_s", "accuracy_top1")}
    assert on_front(**same) == [True, True]  # neither is better


def test_a_doubtful_case_is_never_on_the_front():
    result, records = example_run(("fast", "fast-int8"))
    doubt = replace(THROTTLED, severity="doubt")
    plane = plane_of(with_case(result, "fast-int8", verdict="doubtful", findings=(doubt,)), records)
    assert {point.label for point in plane.points if point.undominated} == {"fast"}


def test_without_one_valid_case_there_is_no_front():
    result, records = example_run()
    for name in ("fast", "fast-int8", "sketch"):
        result = with_case(result, name, verdict="invalid", findings=(THROTTLED,))
    plane = plane_of(result, records)
    assert len(plane.points) == 3
    assert not any(point.undominated for point in plane.points)
    assert build_view(result, records).head.counts == "4 cases: 4 invalid; 1 skipped"


def test_accuracy_missing_everywhere_leaves_an_empty_plane_with_every_reason():
    result, records = example_run()
    plane = plane_of(without_metric(result, "accuracy_top1", "no data"), records)
    assert plane.points == ()
    assert [reason for _, reason in plane.left_out] == ["top-1: no data"] * 4


def test_the_head_says_when_and_how_far():
    result, _ = example_run()
    assert build_view(result, {}).head.when == "2026-03-14 09:26:53 – 09:28:29 UTC"
    assert build_view(result, {}).head.state == "24 of 24 trials"
    run = {**result.run, "finished_utc": None, "trials_done": 7, "trials_failed": 2}
    head = build_view(replace(result, run=run), {}).head
    assert head.interrupted
    assert head.state == "interrupted, 7 of 24 trials, 2 failed"


def test_a_run_that_recorded_nothing_of_itself_says_so_and_breaks_nothing():
    result, records = example_run(("fast",))
    view = build_view(replace(result, run={}, device={}, environment={}, skips=()), records)
    assert view.head.device == "not recorded"
    assert [section.id for section in view.last] == ["state", "skips", "conditions", "provenance", "again"]


def test_an_exact_count_has_no_interval():
    result, records = example_run(("fast",))
    size = result.cases[0].metrics["model_size_bytes"]
    metrics = {**result.cases[0].metrics, "model_size_bytes": replace(size, low=size.point, high=size.point)}
    view = build_view(with_case(result, "fast", metrics=metrics), records)
    assert cell_of(view, "fast", "model_size_bytes").interval == ""


def test_findings_are_said_once_the_gravest_first():
    result, records = example_run()
    result = with_case(result, "sketch", findings=result.cases[0].findings)
    found = build_view(result, records).findings
    assert [(row.finding.code, [label for label, _ in row.cases]) for row in found] == [
        ("throttled", ["wide"]),
        ("background-load", ["fast", "sketch"]),
    ]


def test_findings_of_one_kind_stand_together_with_their_advice_once():
    result, records = example_run()
    other = replace(THROTTLED, evidence="the clock fell from 1.8 to 1.6 GHz in 1 of 6 launches")
    result = with_case(result, "sketch", findings=(other, replace(THROTTLED, advice="wait")))
    kinds = build_view(result, records).finding_kinds
    assert [[(row.cases[0][0], row.finding.advice[:4]) for row in rows] for rows in kinds] == [
        [("sketch", "cool"), ("wide", "cool")],
        [("sketch", "wait")],
        [("fast", "")],
    ]


def test_cases_of_one_variant_are_told_apart_by_what_differs():
    result, _ = example_run(("fast", "wide"))
    again = replace(result.cases[0].case, backend="null")
    view = build_view(replace(result, cases=(*result.cases, replace(result.cases[0], case=again))), {})
    assert [row.label for row in view.rows] == ["fast · onnxruntime", "wide", "fast · null"]
    assert view.rows[0].style.colour == view.rows[2].style.colour != view.rows[1].style.colour
    assert view.rows[0].style.dash != view.rows[2].style.dash


def test_an_unreadable_trial_is_told_once():
    result, records = example_run(("fast", "wide"))
    damaged = {key: replace(record, damaged=("trial-3: truncated",)) for key, record in records.items()}
    assert build_view(result, damaged).damaged == ("trial-3: truncated",)
    assert build_view(replace(result, notes=("Left out: trial-3: truncated",)), damaged).damaged == ()


@pytest.mark.parametrize(
    ("title", "facts", "shown_as"),
    [
        ("This machine", {"cpu": "AMD EPYC", "cores": 2}, "This machine: AMD EPYC, 2 cores"),
        ("This machine", {"cpu": "AMD EPYC"}, "This machine: AMD EPYC"),
        ("This machine", {}, "This machine"),
        ("A bench", {"cpu": "AMD EPYC", "cores": 2}, "A bench"),
    ],
)
def test_the_machine_at_hand_is_headed_by_its_processor(title, facts, shown_as):
    result, records = example_run()
    here = replace(result, device={"title": title}, environment={"facts": facts})
    assert build_view(here, records).head.device == shown_as
