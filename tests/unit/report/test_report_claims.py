"""What is claimed of one case against another, and of an accuracy: no more than the intervals and counts bear."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness import analysis
from harness.model.metrics import show, significant
from harness.report.cases import shown
from harness.report.comparison import (
    NO_INTERVAL,
    OF_TIMING,
    OVERLAP,
    TOO_FEW_INFERENCES,
    TOO_FEW_LAUNCHES,
    decimal,
    doubt,
)
from harness.report.sections import front
from harness.report.view import View, build_view
from tests.support.drawn import plane_of
from tests.support.example_run import example_run, with_case


def sources_of(result, records) -> str:
    return front.sources(shown(result, records).cases)


def cells_of(view: View, index: int) -> dict:
    return {cell.column.metric: cell for cell in view.rows[index].cells}


def changes_of(cell) -> list[tuple[str, str]]:
    return [(change.text, change.doubt) for change in cell.changes]


def against_fast(factor: float, *, launches: int = 6) -> View:
    """fast-int8 with the latencies of fast times a factor; under 6 launches neither has an interval."""
    result, records = example_run(("fast", "fast-int8"))
    for index, name in enumerate(("fast", "fast-int8")):
        metrics = dict(result.cases[index].metrics)
        for metric in ("latency_p50_s", "latency_p90_s", "latency_p99_s", "throughput_per_s"):
            base = example_run(("fast",))[0].cases[0].metrics[metric]
            moved = [value * (factor if index else 1.0) for value in (base.point, base.low, base.high)]
            bounds = moved[1:] if launches >= 6 else [None, None]
            metrics[metric] = replace(base, n=launches, point=moved[0], low=bounds[0], high=bounds[1])
        result = with_case(result, name, metrics=metrics)
    return build_view(result, records)


def with_top1(view_of: str, **changes: object):
    result, records = example_run(("fast", "fast-int8"))
    case = next(case for case in result.cases if case.case.variant == view_of)
    top1 = replace(case.metrics["accuracy_top1"], **changes)
    return with_case(result, view_of, metrics={**case.metrics, "accuracy_top1": top1}), records


@pytest.mark.parametrize(
    ("factor", "said"),
    [
        (0.999, "no clear difference in p50 latency ({value} ms) against fast;"),
        (0.9, "10.0 % lower p50 latency ({value} ms) against fast;"),
        (1.2, "20.0 % higher p50 latency ({value} ms) against fast;"),
        (2.5, "2.5× higher p50 latency ({value} ms) against fast;"),
        (1 / 24.3, "24× lower p50 latency ({value} ms) against fast;"),
    ],
)
def test_speed_is_worded_by_its_size_and_not_claimed_within_the_noise(factor, said):
    view = against_fast(factor)
    value = cells_of(view, 1)["latency_p50_s"].text
    assert said.format(value=value) in view.rows[1].sentence


@pytest.mark.parametrize("factor", [0.985, 0.2, 5.0])
def test_without_intervals_nothing_is_claimed(factor):
    view = against_fast(factor, launches=3)
    cell = cells_of(view, 1)["latency_p50_s"]
    assert f"too few launches to compare p50 latency ({cell.text} ms) against fast" in view.rows[1].sentence
    assert changes_of(cell) == [(f"~ ×{significant(factor, 3)}", TOO_FEW_LAUNCHES)]
    assert not cell.best


def test_a_ratio_is_marked_where_the_intervals_overlap_and_only_there():
    cells = cells_of(against_fast(0.999), 1)
    assert changes_of(cells["latency_p50_s"]) == [("~ ×0.999", OVERLAP)]
    assert changes_of(cells["model_size_bytes"]) == [("×0.301", "")]
    assert changes_of(cells["parameters"]) == [("×1.00", "")]  # exact, if equal
    assert changes_of(cells["accuracy_top1"]) == [("−1.07 pp", "")]
    assert changes_of(cells_of(against_fast(0.5), 1)["latency_p50_s"]) == [("×0.500", "")]


@pytest.mark.parametrize(
    ("correct", "said"),
    [
        (9398, "no clear difference in accuracy (93.98 %, recorded earlier)"),
        (9330, "no clear difference in accuracy (93.30 %, recorded earlier)"),
        (9291, "1.07 percentage points lower accuracy (92.91 %, recorded earlier)"),
        (9544, "1.46 percentage points higher accuracy (95.44 %, recorded earlier)"),
    ],
)
def test_an_accuracy_is_claimed_lower_or_higher_only_beyond_its_interval(correct, said):
    half = 0.005  # about the interval of 10,000 images
    point = correct / 10_000
    view = build_view(*with_top1("fast-int8", point=point, low=point - half, high=point + half))
    assert view.rows[1].sentence.startswith(f"{said}, 3.4× lower p50 latency")


def test_an_accuracy_without_interval_is_not_compared():
    view = build_view(*with_top1("fast-int8", low=None, high=None))
    assert view.rows[1].sentence.startswith("no interval by which to compare accuracy (92.91 %, recorded earlier), ")
    assert changes_of(cells_of(view, 1)["accuracy_top1"]) == [("~ −1.07 pp", NO_INTERVAL)]


def test_every_code_that_leaves_accuracies_alone_is_one_that_analysis_has():
    known = "".join(path.read_text() for path in Path(analysis.__file__).parent.glob("*_checks.py"))
    assert [code for code in sorted(OF_TIMING) if f'"{code}"' not in known] == []


@pytest.mark.parametrize(
    ("ratio", "said"), [(0.0004, "0.000400"), (0.3, "0.300"), (1.0, "1.00"), (12.34, "12.3"), (1234.0, "1230")]
)
def test_every_ratio_has_three_significant_digits(ratio, said):
    assert decimal(ratio) == said


def test_a_pooled_percentile_of_enough_launches_lacks_inferences():
    p99 = example_run(("fast",))[0].cases[0].metrics["latency_p99_s"]
    assert doubt(replace(p99, low=None, high=None), p99) == TOO_FEW_INFERENCES
    assert doubt(replace(p99, low=None, high=None, n=5), p99) == TOO_FEW_LAUNCHES


def test_an_interval_that_is_shown_like_its_point_is_not_shown():
    result, records = example_run(("fast",))
    base = result.cases[0].metrics["latency_p50_s"]
    tight = replace(base, point=0.00045, low=0.00044999, high=0.00045001)
    wide = replace(tight, low=0.000449)
    for summary, said in ((tight, ""), (wide, "[0.449, 0.450]")):
        metrics = {**result.cases[0].metrics, "latency_p50_s": summary}
        view = build_view(with_case(result, "fast", metrics=metrics), records)
        assert (cells_of(view, 0)["latency_p50_s"].text, cells_of(view, 0)["latency_p50_s"].interval) == (
            "0.450",
            said,
        )


@pytest.mark.parametrize(
    ("changes", "source", "said"),
    [
        ({}, "recorded", "recorded, 10000 images; not measured here"),
        ({"method": "measured here on 10000 test images"}, "all", "measured here on all 10000 images"),
        ({"method": "measured here on 1000 test images", "n": 1000}, "part", "measured here on 1000 of 10000 images"),
    ],
)
def test_an_accuracy_says_where_it_comes_from(changes, source, said):
    run = with_top1("fast", **changes)
    plane = plane_of(*run)
    point = plane.points[0]
    assert (point.remark.dotted, point.remark.cell) == (source == "recorded", said)
    trace = next(trace for trace in front.drawn(plane)["data"] if trace["name"] == "fast")
    assert trace["marker"]["symbol"] == ("circle-dot" if source == "recorded" else "circle")
    assert trace["text"] == (["fast (1000 images)"] if source == "part" else ["fast"])
    assert said in trace["hovertext"][0]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "recorded earlier"),
        ({"method": "measured here on 10000 test images"}, "measured here"),
        ({"method": "measured here on 1000 test images", "n": 1000}, "measured here on 1000 of 10000 images"),
    ],
)
def test_a_sentence_says_where_its_accuracy_comes_from(changes, said):
    first, second = build_view(*with_top1("fast", **changes)).rows
    assert first.sentence.startswith(f"top-1 {show('accuracy_top1', 0.9398)} % ({said}), p50 ")
    assert "(92.91 %, recorded earlier)" in second.sentence  # each its own


def test_of_an_unknown_whole_no_part_is_claimed():
    result, records = example_run(("fast",))
    case = result.cases[0]
    top1 = replace(case.metrics["accuracy_top1"], method="measured here on 1000 test images", n=1000)
    metrics = {**case.metrics, "accuracy_top1": top1}
    unknown = with_case(result, "fast", metrics=metrics, artifact=replace(case.artifact, accuracy=None))
    view = build_view(unknown, records)
    assert "(measured here on 1000 images)" in view.rows[0].sentence
    assert sources_of(unknown, records) == "with a number beside it: measured here on so many images"


def test_the_legend_names_the_sources_that_are_drawn():
    assert sources_of(*with_top1("fast")).startswith("with a dot: recorded")
    both = sources_of(*with_top1("fast", method="measured here on 10000 test images"))
    assert both.startswith("plain: measured here on all images; with a dot: recorded")
