"""The radar: ratios by their printed formulas, the teacher as the ring, axes and cases left out with their reasons."""

import math
from dataclasses import replace

import plotly.graph_objects
import pytest

from harness.report.blocks import Figure, Number, Paragraph, Table
from harness.report.cases import shown
from harness.report.sections import radar
from tests.support.example_power import power_run
from tests.support.example_run import NO_POWER, THROTTLED, example_run, renamed, with_case, without_metric


def blocks_of(run):
    return radar.section(shown(*run)).blocks


def sides_of(run, label: str = "fast-int8"):
    found = radar.radar(shown(*run))
    return next(one.sides for one in found.rows if one.one.label == label)


def polygon(run, label: str = "fast-int8"):
    return next(trace for trace in blocks_of(run)[0].plot["data"] if trace["name"] == label)


def with_metric(run, variant: str, metric: str, **changes):
    result, records = run
    case = next(case for case in result.cases if case.case.variant == variant)
    return with_case(
        result, variant, metrics={**case.metrics, metric: replace(case.metrics[metric], **changes)}
    ), records


def test_every_ratio_says_how_many_times_better():
    run = power_run()
    fast, quantized = (case.metrics for case in run[0].cases[:2])
    sides = {name: side.better for name, side in sides_of(run).items()}
    for name in ("latency_p50_s", "power_mean_w", "model_size_bytes", "memory_peak_bytes"):
        assert sides[name] == pytest.approx(fast[name].point / quantized[name].point)
    assert sides["throughput_per_s"] == pytest.approx(
        quantized["throughput_per_s"].point / fast["throughput_per_s"].point
    )
    assert sides["accuracy_top1"] == pytest.approx((1 - 0.9398) / (1 - 0.9291))  # wrong answers
    assert sides["latency_p50_s"] > 1 > sides["accuracy_top1"]


def test_a_doubling_takes_the_same_step_and_the_teacher_is_the_ring_at_one():
    run = power_run()
    better = [side.better for side in sides_of(run).values()]
    assert polygon(run)["r"] == pytest.approx([math.log2(one) for one in [*better, better[0]]], rel=1e-5)
    ring = polygon(run, "teacher")
    assert set(ring["r"]) == {0.0}
    assert "fast" not in {trace["name"] for trace in blocks_of(run)[0].plot["data"]}


def test_beyond_the_bounds_a_point_stays_on_the_rim_and_the_table_has_the_ratio():
    run = with_metric(power_run(), "fast-int8", "model_size_bytes", point=1102.344, low=1102.344, high=1102.344)
    assert sides_of(run)["model_size_bytes"].better == pytest.approx(1000)
    assert max(polygon(run)["r"]) == pytest.approx(math.log2(radar.CLIPPED))
    figure = blocks_of(run)[0]
    assert figure.table.rows[0][5] == Number("×1000", pytest.approx(1000))
    assert figure.plot["layout"]["polar"]["radialaxis"]["range"][1] < 7
    assert "beyond ×64 and ×1/64 a point stays on the rim" in figure.notes[0]


def test_an_axis_that_nobody_has_is_left_out_with_its_reason():
    section = blocks_of(example_run())
    assert len(section[0].plot["data"][0]["theta"]) == len(radar.SIDES)  # five axes and back
    assert section[1].text == f"No axis for mean power: the teacher’s: {NO_POWER}."


def test_what_one_case_lacks_is_a_gap_and_a_reason_in_its_cell():
    run = power_run()
    assert polygon(run, "sketch")["r"][-2] is None
    figure = blocks_of(run)[0]
    row = next(row for row in figure.table.rows if row[0].label == "sketch")
    assert row[-1] == Number("— (its weights are random: an accuracy would mean nothing)", None)


def test_overlapping_intervals_mark_a_ratio():
    run = power_run()
    teacher = run[0].cases[0].metrics["memory_peak_bytes"]
    assert sides_of(run)["memory_peak_bytes"].unclear
    assert not sides_of(run)["latency_p50_s"].unclear
    row = blocks_of(run)[0].table.rows[0]
    assert row[6] == Number(
        "~ ×1.00", pytest.approx(teacher.point / run[0].cases[1].metrics["memory_peak_bytes"].point)
    )


def test_what_is_not_valid_is_neither_drawn_nor_a_measure():
    run = power_run()
    assert "wide" not in {name.label for name, _ in blocks_of(run)[0].legend}
    assert blocks_of(run)[-1].text == "Not drawn: wide (invalid)."
    result = with_case(run[0], "fast", verdict="invalid", findings=(THROTTLED,))
    section = blocks_of((result, run[1]))
    assert section[0] == Paragraph(
        "No case has a teacher that was measured alike, neither of them invalid, to be set against.", "none"
    )
    assert "(its teacher fast is invalid)" in section[1].text


def test_what_is_doubtful_is_drawn_fainter_and_marked():
    result, records = power_run()
    alone = with_case(result, "fast-int8", verdict="doubtful")
    figure = blocks_of((alone, records))[0]
    # Of the valid ones none is doubtful by it, and they go first.
    assert [(name.label, remark) for name, remark in figure.legend] == [("sketch", ""), ("fast-int8", "doubtful")]
    faint, full = polygon((alone, records)), polygon((alone, records), "sketch")
    assert faint["opacity"] < full["opacity"] == 1
    assert faint["marker"]["symbol"].endswith("-open")
    sides = sides_of((alone, records))
    assert [name for name, side in sides.items() if not side.unclear] == ["model_size_bytes"]  # a count is as it is
    assert "Faint, with open symbols" in figure.notes[1]
    assert "Faint" not in blocks_of((result, records))[0].notes[1]


def test_a_doubtful_teacher_makes_all_that_was_measured_against_it_doubtful():
    result, records = power_run()
    run = with_case(result, "fast", verdict="doubtful"), records
    figure = blocks_of(run)[0]
    assert {remark for _, remark in figure.legend} == {"doubtful teacher"}
    assert all(side.unclear == (name != "model_size_bytes") for against in radar.radar(shown(*run)).rows
               for name, side in against.sides.items() if side.better is not None)  # fmt: skip
    assert figure.notes[1].startswith("Compared with fast (doubtful), measured alike.")


def test_one_variant_has_nobody_to_be_set_against():
    (only,) = blocks_of(example_run(("fast",)))
    assert only.kind == "none"
    assert blocks_of((replace(example_run()[0], cases=()), {}))[0].kind == "none"


def test_with_fewer_than_three_axes_there_is_a_table_and_no_chart():
    run = example_run(("fast", "fast-int8"))
    for name in ("throughput_per_s", "memory_peak_bytes", "accuracy_top1"):
        run = without_metric(run[0], name, "not asked for"), run[1]
    words, table, *_ = blocks_of(run)
    assert words.text == "Too few figures can be set against the teacher’s for a chart: 2 of 6."
    assert isinstance(table, Table)
    assert [cell.text for cell in table.rows[0][2:]] == ["×3.40", "×3.32"]
    assert not any(isinstance(block, Figure) for block in blocks_of(run))


def test_no_wrong_answer_is_no_ratio():
    run = with_metric(power_run(), "fast", "accuracy_top1", point=1.0, low=0.999, high=1.0)
    assert sides_of(run)["accuracy_top1"].reason == "no wrong answer to compare"


def test_of_many_cases_those_on_the_front_are_drawn_first():
    result, records = example_run(("fast", "fast-int8"))
    slow = result.cases[0]
    cases = [slow]
    for number in range(80):
        again = replace(slow.case, variant=f"v{number}", input_seed=0, artifact_sha256=f"{number:064d}")
        p50 = slow.metrics["latency_p50_s"]
        metrics = dict(slow.metrics) | {
            "latency_p50_s": replace(p50, point=p50.point * 2, low=p50.low * 2, high=p50.high * 2)
        }
        artifact = replace(slow.artifact, variant=again.variant, parent="fast")
        cases.append(replace(slow, case=again, metrics=metrics, artifact=artifact))
    run = replace(result, cases=(*cases, result.cases[1])), records
    figure = blocks_of(run)[0]
    assert [name.label for name, _ in figure.legend] == ["fast-int8", "v0", "v1", "v2", "v3", "v4"]
    assert len(figure.table.rows) == radar.ROWS_MOST
    assert "6 of 81 here. 21 more cases are in the trade-off table alone." in figure.notes[1]


def test_plotly_knows_every_attribute_and_names_stay_text():
    run = renamed(*power_run(), "fast-int8", "<i>x</i>")
    figure = blocks_of(run)[0]
    plotly.graph_objects.Figure(figure.plot)
    assert "&lt;i&gt;x&lt;/i&gt;" in {trace["name"] for trace in figure.plot["data"]}
