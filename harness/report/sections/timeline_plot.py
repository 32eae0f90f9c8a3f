"""How the timeline is drawn: latency above, a row of phases and marks, a strip for each kind of sensor, one time axis.

Owns plotly's JSON of it and every height in it; the values are `timeline`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.report import plots
from harness.report.blocks import Plot
from harness.report.names import DASHES, Style, in_figure
from harness.report.sections.marks import Lane
from harness.report.sections.panels import Line, Panel

# In pixels; a strip's heading stands above it.
LATENCY, STRIP, LANE = 300, 96, 20
HEADING, FOOT = 30, 48
LEAST_TOP = 0.05
TINT = 0.16
STROKES = 0.4
# Of the axis, at both of its ends.
ROOM_BESIDE = 0.008


@dataclass(frozen=True)
class Segment:
    """Drawn inferences that a line joins: time in s on the run's axis, latency in ms. said: which launch it is; empty
    where it is a span of several."""

    said: str
    time_s: tuple[float, ...]
    latency_ms: tuple[float, ...]


@dataclass(frozen=True)
class Track:
    """A case's trials over time. medians: of its launches, each at its middle; where `grouped`, of groups of them."""

    label: str
    style: Style
    verdict: str
    segments: tuple[Segment, ...]
    medians: Segment
    grouped: bool


def drawn(tracks: Sequence[Track], lanes: Sequence[Lane], panels: Sequence[Panel], length_s: float) -> Plot:
    """The whole figure, over an axis of that length; there is at least one track."""
    heights = [LATENCY, *([LANE * len(lanes)] if lanes else []), *([STRIP] * len(panels))]
    domains = _domains(heights)
    titles = ["latency, ms", *(["phases and marks"] if lanes else [])]
    titles += [f"{panel.title.lower()}, {panel.unit}" for panel in panels]
    layout = plots.base_layout(sum(heights) + HEADING * len(heights) + FOOT)
    layout["margin"] |= {"t": HEADING, "b": FOOT}
    layout["annotations"] = [_heading(title, domain[1]) for title, domain in zip(titles, domains, strict=True)]
    layout["shapes"] = [_tint(lane, span) for lane in lanes for span in lane.tinted]
    layout["hovermode"] = "closest"
    layout["yaxis"] = _latency_axis(tracks) | {"domain": domains[0]}
    data = [_track(track) for track in tracks] + [_medians(track) for track in tracks]
    if lanes:
        layout["yaxis2"] = _lane_axis(lanes) | {"domain": domains[1]}
        data += [_lane(lane, len(lanes) - 1 - index) for index, lane in enumerate(lanes)]
    for index, (panel, domain) in enumerate(zip(panels, domains[-len(panels) :], strict=False)):
        name = f"{index + 2 + bool(lanes)}"
        layout[f"yaxis{name}"] = _panel_axis(panel) | {"domain": domain}
        data += [_line(line, dash, panel.unit, f"y{name}") for line, dash in zip(panel.lines, DASHES, strict=False)]
    bottom = f"y{len(heights)}" if len(heights) > 1 else "y"
    layout["xaxis"] = plots.linear_axis("time in the run, s") | {
        "anchor": bottom,
        "range": [-length_s * ROOM_BESIDE, length_s * (1 + ROOM_BESIDE)],
    }
    return {"data": data, "layout": layout}


def _domains(heights: Sequence[int]) -> list[list[float]]:
    """Shares of the plot's height, top first, with room for a heading above each; the first has the margin."""
    whole = sum(heights) + HEADING * (len(heights) - 1)
    found, top = [], 1.0
    for height in heights:
        found.append([max(top - height / whole, 0.0), top])
        top -= (height + HEADING) / whole
    return found


def _latency_axis(tracks: Sequence[Track]) -> Plot:
    values = [value for track in tracks for segment in track.segments for value in segment.latency_ms]
    axis = plots.linear_axis("")
    low, high = min(values, default=0.0), max(values, default=0.0)
    return plots.log_axis(axis, low, high) if high > plots.LOG_BEYOND * low > 0 else axis


def _lane_axis(lanes: Sequence[Lane]) -> Plot:
    """One level per lane, the first on top."""
    levels = list(range(len(lanes)))
    return plots.linear_axis("") | {
        "tickvals": levels,
        "ticktext": [lane.name for lane in reversed(lanes)],
        "range": [-0.6, len(lanes) - 0.4],
        "showgrid": False,
        "ticks": "",
        "fixedrange": True,
    }


def _panel_axis(panel: Panel) -> Plot:
    axis = plots.linear_axis("") | {"nticks": 4}
    if panel.from_zero:
        # Room under zero, so that a load of nothing is a line of its own and not the axis; a difference of two counters
        # may come out a tick below it.
        top = 1.15 * max(*(line.high for line in panel.lines), LEAST_TOP)
        axis["range"] = [min(-0.1 * top, *(1.15 * line.low for line in panel.lines)), top]
    return axis


def _track(track: Track) -> Plot:
    times: list[float | None] = []
    values: list[float | None] = []
    texts: list[str] = []
    for segment in track.segments:
        times += [*segment.time_s, None]  # None lifts the pen between trials
        values += [*segment.latency_ms, None]
        texts += [segment.said] * (len(segment.time_s) + 1)
    said = "<br>%{text}" if any(texts) else ""
    # Strokes have two points each, which markers would hide; they overlap, and are a ground for the medians.
    how = plots.pen(times) if said else {"mode": "lines"}
    opacity = (1.0 if said else STROKES) * (1.0 if track.verdict == "valid" else plots.NOT_VALID_OPACITY)
    return {
        "type": "scatter",
        **how,
        "name": in_figure(track.label),
        "x": times,
        "y": values,
        **({"text": texts} if said else {}),
        "connectgaps": False,
        "opacity": opacity,
        "line": {"color": track.style.colour, "width": 1, "dash": track.style.dash},
        "hovertemplate": f"<b>%{{fullData.name}}</b>{said}<br>%{{y:.4~r}} ms at %{{x:.1f}} s<extra></extra>",
    }


def _medians(track: Track) -> Plot:
    """Symbols on its lines: six colours are not enough to tell more than six variants apart."""
    style, valid = track.style, track.verdict == "valid"
    return {
        "type": "scatter",
        "mode": "lines+markers" if track.grouped else "markers",
        "name": in_figure(track.label),
        "x": list(track.medians.time_s),
        "y": list(track.medians.latency_ms),
        "line": {"color": style.colour, "width": 1.5, "dash": style.dash},
        "marker": {
            "color": style.colour,
            "symbol": style.symbol + ("" if valid else "-open"),
            "size": 8,
            "line": {"width": 1, "color": "#ffffff" if valid else style.colour},
        },
        "hovertemplate": f"<b>%{{fullData.name}}</b><br>{track.medians.said} %{{y:.4~r}} ms<extra></extra>",
    }


def _lane(lane: Lane, level: int) -> Plot:
    """Thick lines, with squares at both ends, so that the shortest one is seen; a mark's are as thick as its line."""
    times = [time for begin, end in lane.spans for time in (begin, end, None)]
    alarm = lane.colour != plots.NEUTRAL
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": lane.name,
        "x": times,
        "y": [at for _ in lane.spans for at in (level, level, None)],
        "yaxis": "y2",
        "connectgaps": False,
        "line": {"color": lane.colour, "width": 8},
        "marker": {"color": lane.colour, "symbol": "square", "size": 8 if alarm else 4},
        "hovertemplate": f"<b>{lane.name}</b> at %{{x:.2f}} s<extra></extra>",
    }


def _line(line: Line, dash: str, unit: str, axis: str) -> Plot:
    return {
        "type": "scatter",
        **plots.pen(line.time_s),
        "name": in_figure(line.name),
        "x": list(line.time_s),
        "y": list(line.value),
        "xaxis": "x",
        "yaxis": axis,
        "connectgaps": False,
        "line": {"color": plots.NEUTRAL, "width": 1.5, "dash": dash},
        "hovertemplate": f"<b>%{{fullData.name}}</b><br>%{{y:.4~r}} {unit} at %{{x:.1f}} s<extra></extra>",
    }


def _tint(lane: Lane, span: tuple[float, float]) -> Plot:
    """Through all strips, behind the lines; the outline keeps a short one visible."""
    return {
        "type": "rect",
        "layer": "below",
        "xref": "x",
        "yref": "paper",
        "x0": span[0],
        "x1": span[1],
        "y0": 0,
        "y1": 1,
        "fillcolor": lane.colour,
        "opacity": TINT,
        "line": {"width": 1, "color": lane.colour},
    }


def _heading(text: str, top: float) -> Plot:
    """A strip's name above its left end: a strip is too low for a name along its axis."""
    place = {"xref": "paper", "yref": "paper", "x": 0, "y": top, "xanchor": "left", "yanchor": "bottom"}
    return {"text": text, "showarrow": False, **place}
