"""Cases in a plane of two metrics: which are drawn, which stand on the front, what is said of each. Draws nothing.

A case on the front, and one that another dominates, are so by harness.analysis.pareto, over valid cases alone; their
accuracies are told apart image by image where that is known, as everywhere in the report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from harness.analysis.pareto import Standing, ToldApart, standings
from harness.model.metrics import REGISTRY, show
from harness.model.verdict import Summary
from harness.report.blocks import Name, Number, Table
from harness.report.cases import ABSENT, NOT_RECORDED, Named, Pairing, pair_of
from harness.report.names import Style, in_sentence
from harness.report.paired import TOP1
from harness.report.rows import interval

# More symbols than these hide one another; and more names than these are no legend.
DRAWN_MOST, LEGEND_MOST = 60, 24
RULE = (
    "The front is taken over valid cases alone. A case is dominated where another one is at least as good in both "
    "figures and clearly better in one, as the intervals separate; possibly dominated where they overlap in what would "
    "decide it. Accuracies are compared image by image where both "
    "cases answered the same images. The dotted line joins the cases that are best by their points."
)


@dataclass(frozen=True)
class Axes:
    """x and y: metrics, with what stands along them. bubbles: metrics that the discs may show; it is the first one that
    a drawn case has."""

    x: str
    y: str
    x_title: str
    y_title: str
    bubbles: tuple[str, ...]


@dataclass(frozen=True)
class Spread:
    """A point with its interval, in the unit it is shown in; without an interval, low = point = high. value: the point
    in SI."""

    value: float
    point: float
    low: float
    high: float
    text: str
    interval: str


@dataclass(frozen=True)
class Remark:
    """What is to be said of a case's point. dotted: with a dot in its symbol; beside: words at its label; pointed: for
    whoever points at it; cell: its cell in the table, where that has a column for remarks."""

    dotted: bool = False
    beside: str = ""
    pointed: str = ""
    cell: str = ""


@dataclass(frozen=True)
class Point:
    """A case in the plane. standing: None for what is not valid; by: the label of who (possibly) dominates it, or
    empty. bubble: of the plane's metric, SI, None where it was not measured."""

    label: str
    style: Style
    verdict: str
    x: Spread
    y: Spread
    remark: Remark
    standing: Standing | None
    by: str
    bubble: float | None

    @property
    def undominated(self) -> bool:
        """Whether it is valid, and on the front or only possibly dominated: nobody is known to dominate it."""
        return self.standing is not None and self.standing.state != "dominated"

    @property
    def said(self) -> str:
        """Its standing in words."""
        if self.standing is None:
            return f"{self.verdict}, kept off the front"
        return "on the front" if self.standing.state == "front" else f"{self.standing.state} by {in_sentence(self.by)}"


@dataclass(frozen=True)
class Plane:
    """points: drawn, in the table's order. others: how many more have both figures. left_out: (label, reason) of those
    that lack one. bubble: the metric of the discs, or empty."""

    axes: Axes
    points: tuple[Point, ...]
    others: int
    left_out: tuple[tuple[str, str], ...]
    bubble: str


def plane(named: Sequence[Named], axes: Axes, remark: Callable[[Named], Remark], pairing: Pairing = pair_of) -> Plane:
    """All cases that have both figures, thinned where they are many."""
    complete = [one for one in named if absent(one, (axes.x, axes.y)) is None]
    ranked = _ranked(complete, axes, pairing)
    bubble = next((metric for metric in axes.bubbles if any(metric in one.result.metrics for one in complete)), "")
    kept = thinned([(one.result.metrics[axes.x].point, ranked[one.label][0]) for one in complete])
    points = tuple(_point(complete[index], axes, remark, ranked, bubble) for index in kept)
    left_out = tuple((one.label, why) for one in named if (why := absent(one, (axes.x, axes.y))) is not None)
    return Plane(axes, points, len(complete) - len(points), left_out, bubble)


def best_cases(named: Sequence[Named], axes: Axes, pairing: Pairing = pair_of) -> tuple[Named, ...]:
    """Valid cases that none is known to dominate: the figure's front, and those possibly dominated; in their order."""
    complete = [one for one in named if absent(one, (axes.x, axes.y)) is None]
    ranked = _ranked(complete, axes, pairing)
    return tuple(one for one in complete if (found := ranked[one.label][0]) and found.state != "dominated")


def _ranked(complete: Sequence[Named], axes: Axes, pairing: Pairing) -> dict[str, tuple[Standing | None, str]]:
    """By label, the standing and who is the cause of it; labels are unique in a run."""
    valid = [one for one in complete if one.result.verdict == "valid"]
    candidates = [(one.result.metrics[axes.x], one.result.metrics[axes.y]) for one in valid]
    found = standings(candidates, _told_apart(valid, axes, pairing))
    ranked: dict[str, tuple[Standing | None, str]] = {one.label: (None, "") for one in complete}
    for one, standing in zip(valid, found, strict=True):
        ranked[one.label] = standing, "" if standing.by is None else valid[standing.by].label
    return ranked


def _told_apart(valid: Sequence[Named], axes: Axes, pairing: Pairing) -> ToldApart:
    """Of two accuracies what the pairs of their answers say; of anything else, and without pairs, nothing."""

    def told(number: int, other: int, figure: int) -> bool | None:
        if (axes.x, axes.y)[figure] != TOP1:
            return None
        # Both ways round it is the same, and it is remembered of one.
        first, second = sorted((number, other))
        pair = pairing(valid[second], valid[first])
        return None if pair is None else pair.told_apart

    return told


def thinned(points: Sequence[tuple[float, Standing | None]]) -> list[int]:
    """Numbers, ascending, of the points (x, standing) that are drawn: all that are best, and of the others so many as
    are left of DRAWN_MOST, evenly spaced in the order of x, both ends among them."""
    best = [number for number, (_, standing) in enumerate(points) if standing is not None and standing.best]
    others = sorted(set(range(len(points))) - set(best), key=lambda number: (points[number][0], number))
    room = max(0, DRAWN_MOST - len(best))
    if len(others) > room:
        others = [others[at] for at in np.unique(np.linspace(0, len(others) - 1, room).round().astype(int)).tolist()]
    return sorted([*best, *others])


def thinning_rule(found: Plane) -> str:
    """What is not drawn; empty where everything is."""
    if not found.others:
        return ""
    return (
        f"Thinning: {len(found.points)} of {len(found.points) + found.others} cases are drawn: all that are best by "
        f"their points, and others evenly spaced from the lowest to the highest {REGISTRY[found.axes.x].label}; the "
        "trade-off table has every one."
    )


def spread(summary: Summary) -> Spread:
    """A summary scaled to its shown unit."""
    scale = REGISTRY[summary.metric].scale
    low = summary.point if summary.low is None else summary.low
    high = summary.point if summary.high is None else summary.high
    return Spread(
        summary.point,
        summary.point * scale,
        low * scale,
        high * scale,
        show(summary.metric, summary.point),
        interval(summary) or ABSENT,
    )


def absent(one: Named, metrics: Iterable[str]) -> str | None:
    """Which of these metrics it lacks first, and why; None where it has them all."""
    for metric in metrics:
        if metric not in one.result.metrics:
            return f"{REGISTRY[metric].label}: {one.result.missing.get(metric, NOT_RECORDED)}"
    return None


def legend(found: Plane) -> tuple[tuple[Name, str], ...]:
    """Of the cases drawn, with what keeps them from the front; where they are many, of the best alone."""
    shown = found.points
    if len(shown) > LEGEND_MOST:
        shown = tuple(one for one in shown if one.standing is not None and one.standing.best)[:LEGEND_MOST]
    remarks = [_legend_remark(one) for one in shown]
    # What is the same for all is said once, by `no_front`.
    alike = len(set(remarks)) == 1 and len(remarks) > 1
    return tuple(
        (Name(one.label, one.style), "" if alike else remark) for one, remark in zip(shown, remarks, strict=True)
    )


def no_front(found: Plane) -> str:
    """That none of the cases drawn is valid; empty where one is."""
    verdicts = sorted({one.verdict for one in found.points})
    if not verdicts or "valid" in verdicts:
        return ""
    return f"Every case drawn is {' or '.join(verdicts)}, so there is no front."


def _legend_remark(one: Point) -> str:
    if one.standing is None:
        return one.verdict
    return "" if one.standing.state == "front" else one.standing.state


def table(found: Plane, remarks: str = "") -> Table:
    """One row per case drawn. remarks: the heading of the remarks' cells, where they are to be shown."""
    metrics = [REGISTRY[name] for name in (found.axes.x, found.axes.y)]
    headings = ["case"]
    for metric in metrics:
        headings += [f"{metric.label}, {metric.shown_unit}", "interval"]
    headings += [remarks] if remarks else []
    bubble = REGISTRY[found.bubble] if found.bubble else None
    headings += [f"{bubble.label}, {bubble.shown_unit}"] if bubble else []
    rows = [
        (
            Name(one.label, one.style), Number(one.x.text, one.x.value), one.x.interval,
            Number(one.y.text, one.y.value), one.y.interval,
            *((one.remark.cell,) if remarks else ()),
            *((Number(ABSENT if one.bubble is None else show(bubble.name, one.bubble), one.bubble),) if bubble else ()),
            one.said,
        )
        for one in found.points
    ]  # fmt: skip
    return Table((*headings, "standing"), tuple(rows), numeric=False, folded="Data of this figure")


def _point(
    one: Named,
    axes: Axes,
    remark: Callable[[Named], Remark],
    ranked: dict[str, tuple[Standing | None, str]],
    bubble: str,
) -> Point:
    metrics = one.result.metrics
    standing, by = ranked[one.label]
    size = metrics[bubble].point if bubble in metrics else None
    return Point(
        one.label,
        one.style,
        one.result.verdict,
        spread(metrics[axes.x]),
        spread(metrics[axes.y]),
        remark(one),
        standing,
        by,
        size,
    )
