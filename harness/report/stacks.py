"""Stacked bars: wholes cut into named parts, one bar below the other, each under its name.

Names stand above their bars and parts are told by a legend of the page, so that a narrow screen loses neither. Parts
are glazes over the page's paper: their text is read on light and dark alike. Owns the drawing; knows no measure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.report import plots
from harness.report.blocks import Name, Plot
from harness.report.names import COLOURS, Style, in_figure

OTHER = "other"
PITCH = 50
_GLAZE = 0.5
FAINT = 0.6
# Once every colour is used, the next parts are the same ones hatched.
_HATCHES = ("", "/", "x")
_GLYPHS = ("■", "▨", "▩")


@dataclass(frozen=True)
class Bar:
    """label: as shown. glyph: of the case, before it. parts: by name, in the axis' unit. hover: by name, what else is
    to be said of a part. remark: what is to be said of the bar, which is then drawn faintly.
    """

    label: str
    glyph: str
    parts: Mapping[str, float]
    hover: Mapping[str, str]
    remark: str = ""


def largest(bars: Sequence[Mapping[str, float]], most: int) -> tuple[str, ...]:
    """Names of the parts with the largest shares of their bars, over all bars, at most so many; the largest first."""
    total: dict[str, float] = {}
    for parts in bars:
        whole = sum(parts.values())
        for name, value in parts.items():
            total[name] = total.get(name, 0.0) + (value / whole if whole else 0.0)
    return tuple(sorted(total, key=lambda name: (-total[name], name))[:most])


def folded(parts: Mapping[str, float], kept: Sequence[str], rest: str = OTHER) -> dict[str, float]:
    """The parts in the order of `kept`, and the sum of all others under `rest`, where there are any."""
    found = {name: parts[name] for name in kept if parts.get(name)}
    others = sum(value for name, value in parts.items() if name not in kept)
    return found | ({rest: others} if others else {})


def part_names(names: Sequence[str]) -> tuple[tuple[Name, str], ...]:
    """A legend of the parts, in the order in which they are drawn."""
    return tuple((Name(name, _style(place, name)), "") for place, name in enumerate(names))


def stacked(bars: Sequence[Bar], names: Sequence[str], axis: str, end: float | None = None) -> Plot:
    """names: of all parts, in the order in which they are drawn, as for `part_names`. axis: its title, with the unit;
    end: where it ends, as far as the bars go without."""
    layout = plots.base_layout(PITCH * len(bars) + 76)
    layout |= {"barmode": "stack", "bargap": 0.5, "hovermode": "closest"}
    layout["margin"] = {"l": 8, "r": 14, "t": 24, "b": 44}
    layout["xaxis"] = plots.linear_axis(axis) | ({"rangemode": "tozero"} if end is None else {"range": [0, end]})
    layout["yaxis"] = {"range": [len(bars) - 0.45, -0.75], "visible": False, "fixedrange": True}
    layout["annotations"] = [_label(place, bar) for place, bar in enumerate(bars)]
    # A part too narrow for its name has none; the legend and the table say it.
    layout["uniformtext"] = {"mode": "hide", "minsize": 11}
    return {"data": [_part(bars, place, name) for place, name in enumerate(names)], "layout": layout}


def _part(bars: Sequence[Bar], place: int, name: str) -> Plot:
    style = _style(place, name)
    having = [(row, bar) for row, bar in enumerate(bars) if name in bar.parts]
    hatch = "." if name == OTHER else _HATCHES[place // len(COLOURS) % len(_HATCHES)]
    return {
        "type": "bar",
        "orientation": "h",
        "name": in_figure(name),
        "x": [float(f"{bar.parts[name]:.6g}") for _, bar in having],
        "y": [row for row, _ in having],
        "text": [in_figure(name) for _ in having],
        "textposition": "inside",
        "insidetextanchor": "middle",
        "textangle": 0,
        "textfont": {"size": 11},
        "customdata": [[in_figure(bar.label), bar.hover.get(name, "")] for _, bar in having],
        "hovertemplate": "<b>%{customdata[0]}</b>: %{fullData.name}<br>%{customdata[1]}<extra></extra>",
        "marker": {
            "color": _glaze(style.colour),
            "line": {"color": style.colour, "width": 1},
            "opacity": [FAINT if bar.remark else 1.0 for _, bar in having],
            "pattern": {"shape": hatch, "fgcolor": style.colour, "size": 5, "solidity": 0.2, "fillmode": "overlay"},
        },
    }


def _style(place: int, name: str) -> Style:
    turn = place // len(COLOURS) % len(_GLYPHS)
    if name == OTHER:
        return Style(plots.NEUTRAL, "square", "solid", "▒")
    return Style(COLOURS[place % len(COLOURS)], "square", "solid", _GLYPHS[turn])


def _glaze(colour: str) -> str:
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},{_GLAZE})"


def _label(row: int, bar: Bar) -> Plot:
    remark = f" ({bar.remark})" if bar.remark else ""
    text = f"{bar.glyph} {in_figure(bar.label)}{remark}"
    place = {"xref": "paper", "x": 0, "xanchor": "left", "yref": "y", "y": row, "yanchor": "bottom", "yshift": 12}
    return {"text": text, "showarrow": False, "align": "left", "font": {"size": 12}, **place}
