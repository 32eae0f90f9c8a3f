"""The view's figures as plotly JSON: plain dicts, so that nothing heavy is imported and the bytes are ours.

Text colour is left to the page's style sheet, which knows light from dark; there is no legend, as the page has one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from harness.report.distribution import Curve, Distribution
from harness.report.front import Plane, Point
from harness.report.names import COLOURS, DASHES, in_figure
from harness.report.panels import Panel
from harness.report.timeline import Timeline, Track

Figure = dict[str, Any]
# A mid-grey reads on white and on near-black alike.
NEUTRAL = "#7a828a"
GRID = "rgba(128,136,144,0.25)"
NOT_VALID_OPACITY = 0.45
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', 'Liberation Sans', sans-serif"
# Beyond this spread a linear axis squeezes the fast cases into one place.
LOG_BEYOND = 8.0
TAIL_LOG_BEYOND = 4.0
SHORTEST_LINE = 3
LEAST_TOP = 0.05


def trade_off(plane: Plane) -> Figure | None:
    """Accuracy against p50 with intervals and the front; None where no case has both."""
    if not plane.points:
        return None
    latencies = [point.latency.point for point in plane.points]
    axis = _axis("p50 latency, ms (further left is better)")
    if max(latencies) > LOG_BEYOND * min(latencies) > 0:
        axis = _log(axis, min(p.latency.low for p in plane.points), max(p.latency.high for p in plane.points))
    front = sorted(
        (point for point in plane.points if point.on_front), key=lambda p: (p.latency.point, p.accuracy.point)
    )
    data = [_front_line(front)] if len(front) > 1 else []
    data += [_scatter(point) for point in plane.points]
    layout = _layout(440)
    layout |= {"xaxis": axis, "yaxis": _axis("top-1 accuracy, % (higher is better)"), "hovermode": "closest"}
    return {"data": data, "layout": layout}


def tail(distribution: Distribution) -> Figure | None:
    """Share of inferences that took longer, on a log axis, so that p99 and p99.9 have room; None without curves."""
    curves = distribution.curves
    if not curves:
        return None
    data: list[Figure] = []
    for curve in curves:
        data += _curve(curve)
    lowest = min(curve.latency_ms[0] for curve in curves)
    highest = max(curve.latency_ms[-1] for curve in curves)
    layout = _layout(460)
    levels = [10.0**-power for power in range(1, 1 + math.ceil(math.log10(max(curve.count for curve in curves))))]
    axis = _axis("latency, ms")
    layout["xaxis"] = _log(axis, lowest, highest) if highest > TAIL_LOG_BEYOND * lowest > 0 else axis
    layout["yaxis"] = _axis("inferences that took longer") | {
        "type": "log",
        "tickvals": [1.0, 0.5, *levels],
        "ticktext": ["all", "50 % (p50)", *(_level(level) for level in levels)],
        "range": [math.log10(min(levels, default=0.1)) - 0.05, 0.08],
    }
    layout["hovermode"] = "closest"
    return {"data": data, "layout": layout}


def over_time(timeline: Timeline) -> Figure | None:
    """Latency above, one strip per readable kind of sensor below, one time axis; None without trials."""
    if not timeline.tracks:
        return None
    domains = _domains(len(timeline.panels))
    values = [value for track in timeline.tracks for segment in track.segments for value in segment.latency_ms]
    latency = _axis("")
    if max(values) > LOG_BEYOND * min(values) > 0:
        latency = _log(latency, min(values), max(values))
    data = [_track(track) for track in timeline.tracks]
    layout = _layout(340 + 130 * len(timeline.panels))
    bottom = f"y{len(domains)}" if len(domains) > 1 else "y"
    layout["xaxis"] = _axis("time in the run, s") | {"anchor": bottom, "rangemode": "tozero"}
    layout["yaxis"] = latency | {"domain": domains[0]}
    titles = ["latency, ms", *(f"{panel.title.lower()}, {panel.unit}" for panel in timeline.panels)]
    layout["annotations"] = [_heading(title, domain[1]) for title, domain in zip(titles, domains, strict=True)]
    layout["margin"] |= {"t": 28}
    for index, panel in enumerate(timeline.panels):
        name = f"y{index + 2}"
        layout[f"yaxis{index + 2}"] = _axis("") | {"domain": domains[index + 1], "nticks": 4}
        if panel.from_zero:
            layout[f"yaxis{index + 2}"]["range"] = _above_zero(panel)
        data += _panel(panel, name)
    layout["hovermode"] = "closest"
    return {"data": data, "layout": layout}


def _scatter(point: Point) -> Figure:
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
        "error_x": _error(x.high - x.point, x.point - x.low),
        "error_y": _error(y.high - y.point, y.point - y.low),
        "opacity": 1.0 if valid else NOT_VALID_OPACITY,
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


def _error(plus: float, minus: float) -> Figure:
    return {"type": "data", "symmetric": False, "array": [plus], "arrayminus": [minus], "thickness": 1.5, "width": 5}


def _front_line(front: list[Point]) -> Figure:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "front",
        "x": [point.latency.point for point in front],
        "y": [point.accuracy.point for point in front],
        "line": {"color": NEUTRAL, "width": 1.5, "dash": "dot", "shape": "hv"},
        "hoverinfo": "skip",
    }


def _curve(curve: Curve) -> list[Figure]:
    opacity = 1.0 if curve.verdict == "valid" else NOT_VALID_OPACITY
    name = in_figure(curve.label)
    line = {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": list(curve.latency_ms),
        "y": list(curve.share),
        "opacity": opacity,
        "line": {"color": curve.style.colour, "width": 2, "dash": curve.style.dash, "shape": "hv"},
        "hovertemplate": "<b>%{fullData.name}</b><br>%{y:.3~%} took at least %{x:.4~r} ms<extra></extra>",
    }
    marks = {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [mark.latency_ms for mark in curve.marks],
        "y": [mark.share for mark in curve.marks],
        "opacity": opacity,
        "marker": {"color": curve.style.colour, "symbol": curve.style.symbol, "size": 10},
        "text": [f"{mark.label} {mark.text} ms" for mark in curve.marks],
        "hovertemplate": "<b>%{fullData.name}</b><br>%{text}<extra></extra>",
    }
    return [line, marks] if curve.marks else [line]


def _track(track: Track) -> Figure:
    times: list[float | None] = []
    values: list[float | None] = []
    texts: list[str] = []
    for segment in track.segments:
        times += [*segment.time_s, None]  # None lifts the pen between trials
        values += [*segment.latency_ms, None]
        texts += [f"launch {segment.launch}"] * (len(segment.time_s) + 1)
    return {
        "type": "scatter",
        **_pen(times),
        "name": in_figure(track.label),
        "x": times,
        "y": values,
        "text": texts,
        "connectgaps": False,
        "line": {"color": track.style.colour, "width": 1},
        "hovertemplate": "<b>%{fullData.name}</b>, %{text}<br>%{y:.4~r} ms at %{x:.1f} s<extra></extra>",
    }


def _panel(panel: Panel, axis: str) -> list[Figure]:
    return [
        {
            "type": "scatter",
            **_pen(line.time_s),
            "name": in_figure(line.name),
            "x": list(line.time_s),
            "y": list(line.value),
            "xaxis": "x",
            "yaxis": axis,
            "connectgaps": False,
            "line": {"color": NEUTRAL, "width": 1.5, "dash": dash},
            "hovertemplate": f"<b>%{{fullData.name}}</b><br>%{{y:.4~r}} {panel.unit} at %{{x:.1f}} s<extra></extra>",
        }
        for line, dash in zip(panel.lines, DASHES, strict=False)
    ]


def _pen(times: Sequence[float | None]) -> Figure:
    """How to draw pieces that None separates: a piece of one or two points is too short for a line to be seen."""
    lengths = [len(list(piece)) for real, piece in groupby(times, lambda time: time is not None) if real]
    if min(lengths, default=0) >= SHORTEST_LINE:
        return {"mode": "lines"}
    return {"mode": "lines+markers", "marker": {"size": 5}}


def _above_zero(panel: Panel) -> list[float]:
    """A range with room under zero, so that a load of nothing is a line of its own and not the axis."""
    top = 1.15 * max(*(line.high for line in panel.lines), LEAST_TOP)
    return [-0.1 * top, top]


def _domains(strips: int) -> list[list[float]]:
    """Shares of the height, top first: the latency plot gets about twice a strip's."""
    if not strips:
        return [[0.0, 1.0]]
    height, gap = 1 / (strips + 2.2), 0.07
    lower = [[(strips - 1 - i) * height, (strips - i) * height - gap] for i in range(strips)]
    return [[strips * height, 1.0], *lower]


def _heading(text: str, top: float) -> Figure:
    """A strip's name above its left end: a strip is too low for a name along its axis."""
    place = {"xref": "paper", "yref": "paper", "x": 0, "y": top, "xanchor": "left", "yanchor": "bottom"}
    return {"text": text, "showarrow": False, **place}


def _axis(title: str) -> Figure:
    return {
        "title": {"text": title, "standoff": 8},
        "automargin": True,
        "showline": True,
        "linecolor": NEUTRAL,
        "gridcolor": GRID,
        "zeroline": False,
        "ticks": "outside",
        "tickcolor": NEUTRAL,
    }


def _log(axis: Figure, low: float, high: float) -> Figure:
    """A log axis with ticks at 1, 2 and 5 times the powers of ten, or fewer where they would crowd."""
    low, high = low / 1.12, high * 1.12
    steps = (1, 2, 5) if high / low < 300 else (1,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [step * 10.0**power for power in powers for step in steps if low <= step * 10.0**power <= high]
    found = axis | {"type": "log", "range": [math.log10(low), math.log10(high)]}
    if len(ticks) > 1:
        found |= {"tickvals": ticks, "ticktext": [f"{tick:.6g}" for tick in ticks]}
    return found


def _level(level: float) -> str:
    return f"{level * 100:.6g} % (p{100 * (1 - level):.8g})"


def _layout(height: int) -> Figure:
    return {
        "height": height,
        "margin": {"l": 56, "r": 16, "t": 12, "b": 48},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 13},
        "showlegend": False,
        "dragmode": "zoom",
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": NEUTRAL, "activecolor": COLOURS[0]},
        "hoverlabel": {"bgcolor": "#ffffff", "bordercolor": NEUTRAL, "font": {"color": "#14181c"}, "align": "left"},
    }
