"""What is claimed of one case against another, and of an accuracy: no more than the intervals and counts bear."""

from dataclasses import replace

import pytest

from harness.model.metrics import show
from harness.report.comparison import OVERLAP, TOO_FEW_INFERENCES, TOO_FEW_LAUNCHES, doubt
from harness.report.sections import front
from harness.report.view import View, build_view
from tests.support.drawn import plane_of
from tests.support.example_run import example_run, with_case


def cells_of(view: View, index: int) -> dict:
    return {cell.column.metric: cell for cell in view.rows[index].cells}


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
        (0.999, "no clear difference from fast (intervals overlap)"),
        (0.9, "10.0 % lower latency than fast"),
        (1.2, "20.0 % higher latency than fast"),
        (2.5, "2.5× slower than fast"),
    ],
)
def test_speed_is_worded_by_its_size_and_not_claimed_within_the_noise(factor, said):
    assert f", {said};" in against_fast(factor).rows[1].sentence


@pytest.mark.parametrize("factor", [0.985, 0.2, 5.0])
def test_without_intervals_nothing_is_claimed(factor):
    view = against_fast(factor, launches=3)
    assert ", too few launches to compare with fast; accuracy" in view.rows[1].sentence
    cell = cells_of(view, 1)["latency_p50_s"]
    assert (cell.change, cell.doubt) == (f"~ ×{factor:.2f}", TOO_FEW_LAUNCHES)


def test_a_ratio_is_marked_where_the_intervals_overlap_and_only_there():
    cells = cells_of(against_fast(0.999), 1)
    assert (cells["latency_p50_s"].change, cells["latency_p50_s"].doubt) == ("~ ×1.00", OVERLAP)
    assert (cells["model_size_bytes"].change, cells["model_size_bytes"].doubt) == ("×0.30", "")
    assert (cells["parameters"].change, cells["parameters"].doubt) == ("×1.00", "")  # exact, if equal
    assert (cells["accuracy_top1"].change, cells["accuracy_top1"].doubt) == ("−1.07 pp", "")
    clear = cells_of(against_fast(0.5), 1)["latency_p50_s"]
    assert (clear.change, clear.doubt) == ("×0.50", "")


def test_a_pooled_percentile_of_enough_launches_lacks_inferences():
    p99 = example_run(("fast",))[0].cases[0].metrics["latency_p99_s"]
    assert doubt(replace(p99, low=None, high=None), p99) == TOO_FEW_INFERENCES
    assert doubt(replace(p99, low=None, high=None, n=5), p99) == TOO_FEW_LAUNCHES


def test_an_interval_that_is_shown_like_its_point_is_not_shown():
    result, records = example_run(("fast",))
    base = result.cases[0].metrics["latency_p50_s"]
    tight = replace(base, point=0.00045, low=0.00044999, high=0.00045001)
    wide = replace(tight, low=0.000449)
    for summary, shown in ((tight, ""), (wide, "[0.449, 0.450]")):
        metrics = {**result.cases[0].metrics, "latency_p50_s": summary}
        view = build_view(with_case(result, "fast", metrics=metrics), records)
        assert (cells_of(view, 0)["latency_p50_s"].text, cells_of(view, 0)["latency_p50_s"].interval) == (
            "0.450",
            shown,
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
    assert f"accuracy {show('accuracy_top1', 0.9398)} % ({said})" in build_view(*run).rows[0].sentence
    assert (point.source, point.origin) == (source, said)
    trace = next(trace for trace in front.drawn(plane)["data"] if trace["name"] == "fast")
    assert trace["marker"]["symbol"] == ("circle-dot" if source == "recorded" else "circle")
    assert trace["text"] == (["1000 images"] if source == "part" else [""])
    assert ("text" in trace["mode"]) == (source == "part")
    assert said in trace["hovertext"][0]


def test_of_an_unknown_whole_no_part_is_claimed():
    result, records = example_run(("fast",))
    case = result.cases[0]
    top1 = replace(case.metrics["accuracy_top1"], method="measured here on 1000 test images", n=1000)
    metrics = {**case.metrics, "accuracy_top1": top1}
    unknown = with_case(result, "fast", metrics=metrics, artifact=replace(case.artifact, accuracy=None))
    view = build_view(unknown, records)
    assert "(measured here on 1000 images)" in view.rows[0].sentence
    assert plane_of(unknown, records).legend == "with a number beside it: measured here on so many images"


def test_the_legend_names_the_sources_that_are_drawn():
    assert plane_of(*with_top1("fast")).legend.startswith("with a dot: recorded")
    both = plane_of(*with_top1("fast", method="measured here on 10000 test images")).legend
    assert both.startswith("plain: measured here on all images; with a dot: recorded")
