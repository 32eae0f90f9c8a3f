"""Accuracy against latency: which cases are drawn, where their accuracies come from, and which of them dominate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.model.metrics import REGISTRY, show
from harness.model.verdict import Summary
from harness.report.accuracy import Source, images_in_all, source, source_text
from harness.report.cases import ABSENT, NOT_RECORDED, Named
from harness.report.names import Style
from harness.report.rows import interval

# As figures.py draws them; in the order in which a legend names them.
LEGEND: dict[Source, str] = {
    "all": "plain: measured here on all images",
    "part": "with a number beside it: measured here on so many images alone",
    "here": "with a number beside it: measured here on so many images",
    "recorded": "with a dot: recorded earlier for exactly this artifact, not measured here",
}


@dataclass(frozen=True)
class Spread:
    """A point with its interval, in the unit it is shown in; without an interval, low = point = high."""

    point: float
    low: float
    high: float
    text: str
    interval: str


@dataclass(frozen=True)
class Point:
    """A case in the plane. latency in ms, accuracy in %. `images`: behind the accuracy; `origin`: `source` in words."""

    label: str
    style: Style
    verdict: str
    latency: Spread
    accuracy: Spread
    source: Source
    origin: str
    images: int
    on_front: bool


@dataclass(frozen=True)
class Plane:
    """points: drawn. left_out: (label, reason) of those that are not. legend: of the accuracies' sources, if any."""

    points: tuple[Point, ...]
    left_out: tuple[tuple[str, str], ...]
    legend: str


def plane(named: Sequence[Named]) -> Plane:
    """All cases that have both figures; the front is taken over the valid ones alone."""
    drawn = [one for one in named if _absent(one) is None]
    candidates = [one for one in drawn if one.result.verdict == "valid"]
    in_all = images_in_all(named)
    points = tuple(
        _point(one, in_all, on_front=one in candidates and not any(dominates(other, one) for other in candidates))
        for one in drawn
    )
    left_out = tuple((one.label, reason) for one in named if (reason := _absent(one)) is not None)
    kinds = {point.source for point in points}
    return Plane(points, left_out, "; ".join(said for kind, said in LEGEND.items() if kind in kinds))


def dominates(one: Named, other: Named) -> bool:
    """Pareto's sense: at least as fast and at least as accurate, and better in one of the two."""
    fast, fast_other = (case.result.metrics["latency_p50_s"].point for case in (one, other))
    right, right_other = (case.result.metrics["accuracy_top1"].point for case in (one, other))
    return fast <= fast_other and right >= right_other and (fast, right) != (fast_other, right_other)


def spread(summary: Summary) -> Spread:
    """A summary scaled to its shown unit."""
    scale = REGISTRY[summary.metric].scale
    low = summary.point if summary.low is None else summary.low
    high = summary.point if summary.high is None else summary.high
    return Spread(
        summary.point * scale,
        low * scale,
        high * scale,
        show(summary.metric, summary.point),
        interval(summary) or ABSENT,
    )


def _point(one: Named, in_all: int | None, *, on_front: bool) -> Point:
    top1 = one.result.metrics["accuracy_top1"]
    return Point(
        one.label,
        one.style,
        one.result.verdict,
        spread(one.result.metrics["latency_p50_s"]),
        spread(top1),
        source(top1, in_all),
        source_text(top1, in_all),
        top1.n,
        on_front,
    )


def _absent(one: Named) -> str | None:
    for metric in ("accuracy_top1", "latency_p50_s"):
        if metric not in one.result.metrics:
            return f"{REGISTRY[metric].label}: {one.result.missing.get(metric, NOT_RECORDED)}"
    return None
