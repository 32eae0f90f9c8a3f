"""Accuracy against latency: which cases are drawn, where their accuracies come from, and which of them dominate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.model.metrics import REGISTRY, show
from harness.model.verdict import Summary
from harness.report import plots
from harness.report.accuracy import Source, images_in_all, source, source_text
from harness.report.blocks import Figure, Name, Paragraph, Plot, Section, Table, not_drawn
from harness.report.cases import ABSENT, NOT_RECORDED, Named, Shown, legend
from harness.report.names import Style, in_figure
from harness.report.rows import interval

# As they are drawn; in the order in which a legend names them.
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


def section(shown: Shown) -> Section:
    """The plane, or why there is none."""
    found = plane(shown.cases)
    plot = drawn(found)
    title = "Accuracy against latency"
    if plot is None:
        nothing = "No case has both an accuracy and a latency, so there is nothing to trade off here: read the table."
        return Section("front", title, (Paragraph(nothing, "none"), *not_drawn(found.left_out)))
    how = (
        "Crosses: 95 % intervals. Dotted: the front, over valid cases alone; a case is on it unless another one is at "
        "least as good in both and better in one. Open symbols: doubtful or invalid. Accuracy by symbol: "
        f"{found.legend}."
    )
    on = {point.label for point in found.points}
    figure = Figure(
        "trade-off",
        "Scatter of top-1 accuracy against p50 latency with 95 % intervals",
        plot,
        _table(found),
        (how,),
        legend([one for one in shown.cases if one.label in on]),
    )
    return Section("front", title, (figure, *not_drawn(found.left_out)))


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


def _table(found: Plane) -> Table:
    headings = ("case", "p50, ms", "interval", "top-1, %", "interval", "accuracy", "verdict", "front")
    rows = [
        (
            Name(one.label, one.style), one.latency.text, one.latency.interval, one.accuracy.text,
            one.accuracy.interval, one.origin, one.verdict, "yes" if one.on_front else "no",
        )
        for one in found.points
    ]  # fmt: skip
    return Table(headings, tuple(rows), folded="Data of this figure")


def drawn(plane: Plane) -> Plot | None:
    """Accuracy against p50 with intervals and the front; None where no case has both."""
    if not plane.points:
        return None
    latencies = [point.latency.point for point in plane.points]
    axis = plots.linear_axis("p50 latency, ms (further left is better)")
    if max(latencies) > plots.LOG_BEYOND * min(latencies) > 0:
        axis = plots.log_axis(axis, min(p.latency.low for p in plane.points), max(p.latency.high for p in plane.points))
    front = sorted(
        (point for point in plane.points if point.on_front), key=lambda p: (p.latency.point, p.accuracy.point)
    )
    data = [_front_line(front)] if len(front) > 1 else []
    data += [_scatter(point) for point in plane.points]
    layout = plots.base_layout(440)
    layout |= {
        "xaxis": axis,
        "yaxis": plots.linear_axis("top-1 accuracy, % (higher is better)"),
        "hovermode": "closest",
    }
    return {"data": data, "layout": layout}


def _scatter(point: Point) -> Plot:
    valid = point.verdict == "valid"
    recorded, beside = point.source == "recorded", point.source in ("part", "here")
    x, y = point.latency, point.accuracy
    front = "<br>on the front" if point.on_front else "" if valid else f"<br>{point.verdict}, kept off the front"
    return {
        "type": "scatter",
        "mode": "markers+text" if beside else "markers",
        "name": in_figure(point.label),
        "x": [x.point],
        "y": [y.point],
        "error_x": plots.whiskers(x.high - x.point, x.point - x.low),
        "error_y": plots.whiskers(y.high - y.point, y.point - y.low),
        "opacity": 1.0 if valid else plots.NOT_VALID_OPACITY,
        "marker": {
            "color": point.style.colour,
            "symbol": point.style.symbol + ("" if valid else "-open") + ("-dot" if recorded else ""),
            "size": 15 if recorded and valid else 13,
            # A dot takes the outline's colour, so that on a filled symbol both are white; the outline eats into it.
            "line": {"width": 2 if recorded or not valid else 0, "color": "#ffffff" if valid else point.style.colour},
        },
        "text": [f"{point.images} images" if beside else ""],
        "textposition": "top right",
        "hovertext": [f"p50 {x.text} ms {x.interval}<br>top-1 {y.text} % {y.interval}<br>{point.origin}{front}"],
        "hovertemplate": "<b>%{fullData.name}</b><br>%{hovertext}<extra></extra>",
    }


def _front_line(front: list[Point]) -> Plot:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "front",
        "x": [point.latency.point for point in front],
        "y": [point.accuracy.point for point in front],
        "line": {"color": plots.NEUTRAL, "width": 1.5, "dash": "dot", "shape": "hv"},
        "hoverinfo": "skip",
    }
