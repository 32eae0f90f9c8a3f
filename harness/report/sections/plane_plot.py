"""A plane of two metrics as plotly JSON: symbols with whiskers and labels, discs behind them, the front's line."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from harness.model.metrics import REGISTRY, show
from harness.report import plots
from harness.report.blocks import Plot
from harness.report.names import in_figure
from harness.report.sections.placing import NARROW, WIDE, Anchor, Segment, places
from harness.report.sections.plane import RULE, Plane, Point, Spread, no_front, thinning_rule

HEIGHT = 440
ABOVE = 28  # room for plotly's buttons, which would lie on the best cases else
LARGEST_DISC = 54.0  # pixels across
LABELLED_MOST = 10
# Of a symbol on the front, one that may be dominated, one that is: how much of its colour, and pixels across.
SIZE = 13
LOOKS = {"front": (1.0, SIZE), "possibly dominated": (0.5, SIZE), "dominated": (0.85, 9)}
DISCS = "discs"


@dataclass(frozen=True)
class Scale:
    """An axis with its range, and where a value lies on it as a share."""

    axis: Plot
    low: float
    high: float
    logarithmic: bool

    def share(self, value: float) -> float:
        """0 at the low end, 1 at the high end."""
        at = math.log10(value) if self.logarithmic else value
        return (at - self.low) / (self.high - self.low)


def drawn(plane: Plane) -> Plot | None:
    """The plane; None where no case has both figures."""
    if not plane.points:
        return None
    across = _scale([point.x for point in plane.points], plane.axes.x_title)
    up = _scale([point.y for point in plane.points], plane.axes.y_title)
    best = sorted(
        (point for point in plane.points if point.standing is not None and point.standing.best),
        key=lambda point: (point.x.point, point.y.point),
    )
    labels = dict.fromkeys(_labelled(plane.points, best), "")
    anchors = [_anchor(point, across, up, labelled=point.label in labels) for point in plane.points]
    steps = _steps(best, across, up)
    placed = [places(anchors, frame, steps) for frame in (WIDE, NARROW)]
    data = [_discs(plane)] if plane.bubble else []
    data += [_front_line(best)] if len(best) > 1 else []
    data += [_symbol(plane, point) | _named(point, *both) for point, *both in zip(plane.points, *placed, strict=True)]
    layout = plots.base_layout(HEIGHT) | {"xaxis": across.axis, "yaxis": up.axis, "hovermode": "closest"}
    layout["margin"] |= {"t": ABOVE}
    return {"data": data, "layout": layout}


def notes(plane: Plane, how: str) -> tuple[str, ...]:
    """How to read it: first what its axes and symbols are, then the rule of the front, then what is not drawn."""
    labels = ""
    if len(plane.points) > LABELLED_MOST:
        labels = (
            f"Names stand at no more than {LABELLED_MOST} of the best, where there is room; the others by pointing."
        )
    found = (f"{how} {SYMBOLS} {_discs_told(plane)}", f"{no_front(plane) or RULE} {labels}", thinning_rule(plane))
    return tuple(one.strip() for one in found if one)


SYMBOLS = (
    "Crosses: 95 % intervals. Full symbols: on the front; pale: possibly dominated; small: dominated; open: doubtful "
    "or invalid, never on it."
)
_WORDS = {"energy_per_inference_j": "energy per inference", "model_size_bytes": "model size"}


def _discs_told(plane: Plane) -> str:
    """What the discs show; empty where there are none."""
    known = [point.bubble for point in plane.points if point.bubble is not None]
    if not plane.bubble or not known:
        return ""
    unit, largest = REGISTRY[plane.bubble].shown_unit, max(known)
    hidden = largest * (SIZE / LARGEST_DISC) ** 2
    unknown = "; none where it was not measured" if len(known) < len(plane.points) else ""
    return (
        f"Discs: their area is the {_WORDS[plane.bubble]}, {show(plane.bubble, largest)} {unit} the largest; under "
        f"{show(plane.bubble, hidden)} {unit} the symbol hides it{unknown}."
    )


def _scale(spreads: Sequence[Spread], title: str) -> Scale:
    low, high = min(one.low for one in spreads), max(one.high for one in spreads)
    points = [one.point for one in spreads]
    axis = plots.linear_axis(title)
    if max(points) > plots.LOG_BEYOND * min(points) > 0 and low > 0:
        room = (high / low) ** 0.06
        axis = plots.log_axis(axis, low / room, high * room)
        return Scale(axis, axis["range"][0], axis["range"][1], logarithmic=True)
    room = 0.1 * (high - low) or 0.1 * abs(high) or 1.0
    return Scale(axis | {"range": [low - room, high + room]}, low - room, high + room, logarithmic=False)


def _labelled(points: Sequence[Point], best: Sequence[Point]) -> list[str]:
    """All where they are few, else of the front's as many from end to end."""
    chosen = points if len(points) <= LABELLED_MOST else best
    if len(chosen) > LABELLED_MOST:
        spaced = np.unique(np.linspace(0, len(chosen) - 1, LABELLED_MOST).round().astype(int)).tolist()
        chosen = [chosen[at] for at in spaced]
    return [point.label for point in chosen]


def _label(point: Point) -> str:
    beside = f" ({point.remark.beside})" if point.remark.beside else ""
    return in_figure(point.label) + beside


def _anchor(point: Point, across: Scale, up: Scale, *, labelled: bool) -> Anchor:
    x, y = point.x, point.y
    return Anchor(
        _label(point) if labelled else "",
        (across.share(x.low), across.share(x.point), across.share(x.high)),
        (up.share(y.low), up.share(y.point), up.share(y.high)),
        _size(point),
    )


def _steps(best: Sequence[Point], across: Scale, up: Scale) -> list[Segment]:
    """The front's line, which goes right and then up or down."""
    found: list[Segment] = []
    for left, right in pairwise(best):
        x0, x1 = across.share(left.x.point), across.share(right.x.point)
        y0, y1 = up.share(left.y.point), up.share(right.y.point)
        found += [(x0, y0, x1, y0), (x1, y0, x1, y1)]
    return found


def _named(point: Point, wide: str, narrow: str) -> Plot:
    """Its name beside it, where it has room; figures.js takes `meta.narrow` on a narrow page."""
    looks = [
        {"mode": "markers+text", "textposition": place} if place else {"mode": "markers"} for place in (wide, narrow)
    ]
    return looks[0] | {"text": [_label(point)], **({"meta": {"narrow": looks[1]}} if narrow != wide else {})}


def _symbol(plane: Plane, point: Point) -> Plot:
    x, y = point.x, point.y
    dotted = point.remark.dotted
    whisker = plots.faded(point.style.colour, 1.0 if point.standing else plots.NOT_VALID_OPACITY)
    metrics = [REGISTRY[name] for name in (plane.axes.x, plane.axes.y)]
    lines = [
        f"{metric.label} {spread.text} {metric.shown_unit} {spread.interval}"
        for metric, spread in zip(metrics, (x, y), strict=True)
    ]
    if point.bubble is not None:
        bubble = REGISTRY[plane.bubble]
        lines.append(f"{_WORDS[plane.bubble]} {show(plane.bubble, point.bubble)} {bubble.shown_unit}")
    lines += [one for one in (point.remark.pointed, _standing(point)) if one]
    return {
        "type": "scatter",
        "name": in_figure(point.label),
        "x": [x.point],
        "y": [y.point],
        "error_x": plots.whiskers(x.high - x.point, x.point - x.low) | {"color": whisker},
        "error_y": plots.whiskers(y.high - y.point, y.point - y.low) | {"color": whisker},
        "marker": _marker(point, dotted=dotted),
        "hovertext": ["<br>".join(lines)],
        "hovertemplate": "<b>%{fullData.name}</b><br>%{hovertext}<extra></extra>",
    }


def _marker(point: Point, *, dotted: bool) -> Plot:
    colour, standing = point.style.colour, point.standing
    symbol = point.style.symbol + ("-open" if standing is None else "") + ("-dot" if dotted else "")
    if standing is None:
        line = {"width": 2, "color": colour}
        return {"color": colour, "symbol": symbol, "size": SIZE, "opacity": plots.NOT_VALID_OPACITY, "line": line}
    # A dot takes the outline's colour: on a full symbol both are white, and the outline eats into it.
    alpha, size = LOOKS[standing.state]
    pale = standing.state == "possibly dominated"
    line = {"width": 1.5, "color": colour} if pale else {"width": size / 7 if dotted else 0, "color": "#ffffff"}
    return {
        "color": plots.faded(colour, alpha),
        "symbol": symbol,
        "size": _size(point),
        "line": line,
    }


def _size(point: Point) -> int:
    """Of its symbol, in pixels; a little more where an outline eats into it."""
    if point.standing is None:
        return SIZE
    return LOOKS[point.standing.state][1] + 2 * point.remark.dotted


def _standing(point: Point) -> str:
    """As `said`, for plotly."""
    standing = point.standing
    if standing is None or standing.state == "front":
        return point.said
    return f"{standing.state} by {in_figure(point.by)}"


def _discs(plane: Plane) -> Plot:
    """One trace behind all symbols; areas in proportion, the largest LARGEST_DISC across."""
    known = [(point, point.bubble) for point in plane.points if point.bubble is not None]
    largest = max((value for _, value in known), default=0.0)
    sizes = [LARGEST_DISC * math.sqrt(max(value, 0.0) / largest) if largest > 0 else 0.0 for _, value in known]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": DISCS,
        "x": [point.x.point for point, _ in known],
        "y": [point.y.point for point, _ in known],
        "hoverinfo": "skip",
        "marker": {
            "symbol": "circle",
            "size": [float(f"{size:.4g}") for size in sizes],
            "color": list(_disc_colours(known, 0.13)),
            "line": {"width": 1, "color": list(_disc_colours(known, 0.5))},
        },
    }


def _disc_colours(known: Sequence[tuple[Point, float]], alpha: float) -> Iterator[str]:
    for point, _ in known:
        yield plots.faded(point.style.colour, alpha if point.standing else alpha * plots.NOT_VALID_OPACITY)


def _front_line(best: Sequence[Point]) -> Plot:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "front",
        "x": [point.x.point for point in best],
        "y": [point.y.point for point in best],
        "line": {"color": plots.NEUTRAL, "width": 1.5, "dash": "dot", "shape": "hv"},
        "hoverinfo": "skip",
    }
