"""Ratios with their intervals one below the other, on one logarithmic axis: a forest plot. Knows no metric, no verdict.

Rows of one group stand under its heading. What reaches far beyond all points is cut at the axis' end, and counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from itertools import groupby

from harness.report import plots
from harness.report.blocks import Plot
from harness.report.cards import shortened
from harness.report.names import Style, in_figure

# What a page draws of them, so that a figure fits on one sheet of A4 with its headings; the rest stands in its tables.
MOST_ROWS = 30
# The axis ends at most so many times as far from 1 (in logarithms) as the farthest point or the narrowest band.
REACH = 3.0
# It shows at least so much on either side of 1: closer up there is nothing but rounding.
LEAST = 5e-4
# No farther than this factor, whatever the points are.
FARTHEST = 1e4
_NEAR = 2.5
_LABEL_LENGTH = 20
# Above the rows is room for plotly's buttons, which would lie on the first one else.
_ROW_HEIGHT, _FRAME, _ABOVE = 22, 94, 30
_BAND = "rgba(128,136,144,0.20)"
_DOTS_BELOW = 0.3
_PERCENT_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)
_MOST_STEPS = 5


@dataclass(frozen=True)
class Row:
    """A ratio; low and high None: no interval. text: what is said of it on pointing at it, one line per element.

    band: the ratios between which it does not matter; limit: the one that matters most; dots: the single launches'.
    """

    group: str
    label: str
    style: Style
    point: float
    low: float | None = None
    high: float | None = None
    band: tuple[float, float] | None = None
    limit: float | None = None
    dots: tuple[float, ...] = ()
    text: tuple[str, ...] = ()


@dataclass(frozen=True)
class Forest:
    """The plot, and how many of its rows are cut at an end of the axis."""

    plot: Plot
    cut: int


def forest(rows: Sequence[Row], title: str) -> Forest:
    """Rows in their order, those of a group next to each other; at least one. title: of the axis."""
    ends = _ends(rows)
    places, labels = _places(rows)
    cut = [_within(row, ends) for row in rows]
    layout = plots.base_layout(_FRAME + _ROW_HEIGHT * len(labels))
    layout |= {
        "xaxis": plots.linear_axis(title) | _ratio_axis(*ends),
        "yaxis": {
            "range": [len(labels) - 0.4, -0.6], "tickvals": list(range(len(labels))), "ticktext": labels,
            "automargin": True, "fixedrange": True, "showgrid": False, "zeroline": False, "ticks": "",
        },
        "shapes": [_line(1.0, (-0.6, len(labels) - 0.4)), *_shapes(cut, places, ends)],
        "hovermode": "closest",
    }  # fmt: skip
    layout["margin"] |= {"t": _ABOVE}
    data = [_dots(cut, places)] if any(row.dots for row in cut) else []
    drawn = list(zip(cut, places, strict=True))
    # A point without an interval has no whiskers, not short ones.
    kinds = dict.fromkeys((row.style, row.low is None) for row in rows)
    data += [_points([one for one in drawn if (one[0].style, one[0].low is None) == kind]) for kind in kinds]
    return Forest({"data": data, "layout": layout}, sum(row != short for row, short in zip(rows, cut, strict=True)))


def hover(lines: Sequence[str]) -> str:
    """Lines for plotly, which reads some HTML: names in them are shown as they are."""
    return "<br>".join(escape(shortened(line), quote=False) for line in lines)


def _places(rows: Sequence[Row]) -> tuple[list[int], list[str]]:
    """Where each row stands, and the labels from the top down: a group of several, or with a label, has a heading."""
    places: list[int] = []
    labels: list[str] = []
    for group, members in groupby(rows, lambda row: row.group):
        held = list(members)
        if any(row.label for row in held):
            labels.append(f"<b>{in_figure(group)}</b>")
        for row in held:
            places.append(len(labels))
            labels.append(_short(row.label) if row.label else f"<b>{in_figure(group)}</b>")
    return places, labels


def _short(label: str) -> str:
    plain = "".join(character for character in label if character.isprintable())
    return in_figure(plain if len(plain) <= _LABEL_LENGTH else f"{plain[: _LABEL_LENGTH - 1]}…")


def _ends(rows: Sequence[Row]) -> tuple[float, float]:
    """Of the axis: 1 and all that is drawn, as far as the points and the narrowest band bear it, and a little room."""
    points = max(abs(math.log(row.point)) for row in rows)
    narrowest = min((math.log(row.band[1]) for row in rows if row.band), default=0.0)
    far = min(REACH * max(points, narrowest), math.log(FARTHEST)) or 0.01
    told = [value for row in rows for value in (row.low, row.high, *row.dots) if value is not None and value > 0]
    margins = [value for row in rows for value in (*(row.band or ()), row.limit or 1.0)]
    drawn = [1.0, *(row.point for row in rows), *told, *margins]
    logs = [max(-far, min(far, math.log(value))) for value in drawn] + [-LEAST, LEAST]
    room = 0.05 * (max(logs) - min(logs)) or 0.01
    return math.exp(min(logs) - room), math.exp(max(logs) + room)


def _within(row: Row, ends: tuple[float, float]) -> Row:
    def held(value: float) -> float:
        return max(ends[0], min(ends[1], value))

    low, high = (None if value is None else held(value) for value in (row.low, row.high))
    return replace(row, point=held(row.point), low=low, high=high, dots=tuple(held(value) for value in row.dots))


def _ratio_axis(low: float, high: float) -> Plot:
    found: Plot = {"type": "log", "range": [math.log10(low), math.log10(high)]}
    ticks = list(_percents(low, high) if high / low < _NEAR else _factors(low, high))
    return found | {"tickvals": [value for value, _ in ticks], "ticktext": [text for _, text in ticks]}


def _percents(low: float, high: float) -> Iterator[tuple[float, str]]:
    """Near 1: as a change in per cent, at one of _PERCENT_STEPS."""
    wide = (high - low) * 100
    step = next((one for one in _PERCENT_STEPS if wide / one <= _MOST_STEPS), _PERCENT_STEPS[-1])
    for count in range(math.ceil((low - 1) * 100 / step), math.floor((high - 1) * 100 / step) + 1):
        share = count * step
        yield 1 + share / 100, f"{share:+g} %".replace("-", "−") if count else "same"


def _factors(low: float, high: float) -> Iterator[tuple[float, str]]:
    """Far from it: as a factor."""
    closest = ((8, (1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 7.0)), (100, (1.0, 2.0, 5.0)), (1000, (1.0, 3.0)))
    steps = next((steps for below, steps in closest if high / low < below), (1.0,))
    for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        for step in steps:
            value = step * 10.0**power
            if low <= value <= high:
                yield value, "same" if value == 1 else f"×{value:g}"


def _shapes(rows: Sequence[Row], places: Sequence[int], ends: tuple[float, float]) -> Iterator[Plot]:
    for row, place in zip(rows, places, strict=True):
        if row.band:
            yield {
                "type": "rect", "layer": "below", "x0": max(row.band[0], ends[0]), "x1": min(row.band[1], ends[1]),
                "y0": place - 0.42, "y1": place + 0.42, "fillcolor": _BAND, "line": {"width": 0},
            }  # fmt: skip
        if row.limit and row.limit < ends[1]:
            yield _line(row.limit, (place - 0.42, place + 0.42), dash="dash")


def _line(value: float, between: tuple[float, float], dash: str = "solid") -> Plot:
    return {
        "type": "line", "layer": "below", "x0": value, "x1": value, "y0": between[0], "y1": between[1],
        "line": {"color": plots.NEUTRAL, "width": 1.5, "dash": dash},
    }  # fmt: skip


def _points(drawn: Sequence[tuple[Row, int]]) -> Plot:
    style = drawn[0][0].style
    return {
        "type": "scatter", "mode": "markers", "name": style.glyph,
        "x": [row.point for row, _ in drawn], "y": [place for _, place in drawn],
        **_whiskers([row for row, _ in drawn], style.colour),
        "marker": {"color": style.colour, "symbol": style.symbol, "size": 10},
        "hovertext": [hover(row.text) for row, _ in drawn],
        "hovertemplate": "%{hovertext}<extra></extra>",
    }  # fmt: skip


def _whiskers(rows: Sequence[Row], colour: str) -> Plot:
    known = [(row.point, row.low, row.high) for row in rows if row.low is not None and row.high is not None]
    if not known:
        return {}
    return {"error_x": {
        "type": "data", "symmetric": False, "array": [max(0.0, high - point) for point, _, high in known],
        "arrayminus": [max(0.0, point - low) for point, low, _ in known], "thickness": 1.8, "width": 5, "color": colour,
    }}  # fmt: skip


def _dots(rows: Sequence[Row], places: Sequence[int]) -> Plot:
    """Below their row's interval, so that they do not cover it."""
    drawn = [(value, place + _DOTS_BELOW) for row, place in zip(rows, places, strict=True) for value in row.dots]
    return {
        "type": "scatter", "mode": "markers", "name": "launches",
        "x": [value for value, _ in drawn], "y": [place for _, place in drawn],
        "marker": {"color": plots.NEUTRAL, "symbol": "circle", "size": 4}, "opacity": 0.7, "hoverinfo": "skip",
    }  # fmt: skip
