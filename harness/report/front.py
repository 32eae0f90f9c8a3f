"""Accuracy against latency: which cases are drawn, and which of them no other one beats in both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.model.metrics import REGISTRY, show
from harness.model.verdict import Summary
from harness.report.names import Style
from harness.report.rows import ABSENT, NOT_RECORDED, Named, interval


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
    """A case in the plane. latency in ms, accuracy in %."""

    label: str
    style: Style
    verdict: str
    latency: Spread
    accuracy: Spread
    on_front: bool


@dataclass(frozen=True)
class Plane:
    """points: drawn. left_out: (label, reason) of those that are not."""

    points: tuple[Point, ...]
    left_out: tuple[tuple[str, str], ...]


def plane(named: Sequence[Named]) -> Plane:
    """All cases that have both figures; the front is taken over the valid ones alone."""
    drawn = [one for one in named if _absent(one) is None]
    candidates = [one for one in drawn if one.result.verdict == "valid"]
    points = tuple(
        Point(
            one.label,
            one.style,
            one.result.verdict,
            spread(one.result.metrics["latency_p50_s"]),
            spread(one.result.metrics["accuracy_top1"]),
            one in candidates and not any(beats(other, one) for other in candidates),
        )
        for one in drawn
    )
    left_out = tuple((one.label, reason) for one in named if (reason := _absent(one)) is not None)
    return Plane(points, left_out)


def beats(one: Named, other: Named) -> bool:
    """Better in both: faster and more accurate. A tie in either keeps both on the front."""
    faster = one.result.metrics["latency_p50_s"].point < other.result.metrics["latency_p50_s"].point
    return faster and one.result.metrics["accuracy_top1"].point > other.result.metrics["accuracy_top1"].point


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


def _absent(one: Named) -> str | None:
    for metric in ("accuracy_top1", "latency_p50_s"):
        if metric not in one.result.metrics:
            return f"{REGISTRY[metric].label}: {one.result.missing.get(metric, NOT_RECORDED)}"
    return None
