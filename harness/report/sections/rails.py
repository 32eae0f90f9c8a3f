"""Energy per inference by rail, with what the board would have used at rest in the same time, or why there is none.

Owns which bars stand on one another: rails of one measurement boundary; their total is a mark of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.analysis import places
from harness.analysis.context import timed_of
from harness.analysis.rails import Breakdown, Rail, breakdown
from harness.analysis.stats import order_interval
from harness.errors import UsageError
from harness.model.codec import from_json
from harness.model.device import Device
from harness.model.metrics import REGISTRY, show
from harness.model.verdict import Summary
from harness.report import plots
from harness.report.absent import reasons, without
from harness.report.blocks import Cell, Figure, Name, Number, Paragraph, Plot, Section, Table
from harness.report.cases import ABSENT, NOT_RECORDED, Named, Shown
from harness.report.names import COLOURS, Style, in_figure, printable

TITLE = "Energy by rail"
ENERGY = "energy_per_inference_j"
DRAWN_MOST = 20
BAR_PIXELS = 62
HEADINGS = (
    "case", "channel", "energy per inference, mJ", "interval", "of it idle, mJ", "above idle, mJ", "share of the total",
)  # fmt: skip


@dataclass(frozen=True)
class Bar:
    """A case with its breakdown, and its total as the trade-off table has it."""

    one: Named
    found: Breakdown
    total: Summary

    @property
    def stack(self) -> tuple[Rail, ...]:
        """Rails that stand on one another; the total alone where no rail of it was read."""
        return self.found.parts or (self.found.total,)


def section(shown: Shown) -> Section:
    """The bars, or the distinct reasons for none."""
    found, left_out = bars(shown)
    if not found:
        told = reasons(left_out) or "no case was measured"
        return Section("rails", TITLE, (Paragraph(f"No energy can be broken down: {told}.", "none"),))
    drawn = found[:DRAWN_MOST]
    colours = _colours(drawn)
    figure = Figure(
        "rails",
        "Stacked bars of energy per inference by rail, idle hatched, the total marked",
        plotted(drawn, colours),
        Table(HEADINGS, _rows(drawn), numeric=False, folded="Data of this figure"),
        (_how(), *_boundaries(drawn), *_notes(drawn), *_thinning(len(drawn), len(found))),
        tuple((Name(printable(channel), _style(colour)), "") for channel, colour in colours.items()),
    )
    return Section("rails", TITLE, (figure, *without(left_out)))


def bars(shown: Shown) -> tuple[tuple[Bar, ...], tuple[tuple[str, str], ...]]:
    """The cases whose energy was measured, and the others with their reasons."""
    device = _device(shown)
    if device is None:
        why = "the device’s channels of power were not recorded with this run"
        return (), tuple((one.label, one.result.missing.get(ENERGY, why)) for one in shown.cases)
    timed = {one.label: timed_of(one.record) if one.record else [] for one in shown.cases}
    settled = places.settled(device, list(timed.values()))
    found, left_out = [], []
    for one in shown.cases:
        total = one.result.metrics.get(ENERGY)
        parted = breakdown(timed[one.label], settled) if total else one.result.missing.get(ENERGY, NOT_RECORDED)
        if isinstance(parted, str) or total is None:
            left_out.append((one.label, str(parted)))
        else:
            found.append(Bar(one, parted, total))
    return tuple(found), tuple(left_out)


def _device(shown: Shown) -> Device | None:
    """As the run stored it; None where that is not the whole of it."""
    try:
        return from_json(Device, dict(shown.result.device), "device")
    except UsageError:
        return None


def plotted(drawn: Sequence[Bar], colours: dict[str, str]) -> Plot:
    """One bar a case, the first on top: by rail first its idle part, hatched, then what is above it."""
    data = [trace for channel, colour in colours.items() for trace in _rail_traces(drawn, channel, colour)]
    data.append(_totals(drawn))
    layout = plots.base_layout(64 + BAR_PIXELS * len(drawn))
    layout |= {
        "barmode": "stack",
        "bargap": 0.62,
        "xaxis": plots.linear_axis("energy per inference, mJ (less is better)") | {"rangemode": "tozero"},
        "yaxis": {"visible": False, "range": [-len(drawn) + 0.42, 0.72], "fixedrange": True},
        "hovermode": "closest",
        "annotations": [_label(bar, number) for number, bar in enumerate(drawn)],
    }
    layout["margin"] |= {"l": 16}
    return {"data": data, "layout": layout}


def _rail_traces(drawn: Sequence[Bar], channel: str, colour: str) -> list[Plot]:
    rails = [(number, bar, rail) for number, bar in enumerate(drawn) for rail in bar.stack if rail.channel == channel]
    idle = [_idle_mj(rail) for _, _, rail in rails]
    above = [_mj(rail.median_j) - rest for (_, _, rail), rest in zip(rails, idle, strict=True)]
    hatched = {
        "color": plots.faded(colour, 0.2),
        "pattern": {"shape": "/", "fgcolor": colour, "fillmode": "overlay", "size": 7, "solidity": 0.35},
    }
    return [_bar(rails, values, part, look) for values, part, look in (
        (idle, "idle", hatched), (above, "above idle", {"color": colour}),
    )]  # fmt: skip


def _bar(rails: Sequence[tuple[int, Bar, Rail]], values: Sequence[float], part: str, look: Plot) -> Plot:
    """look: how the marker is filled."""
    opacity = [1.0 if bar.one.result.verdict == "valid" else plots.NOT_VALID_OPACITY for _, bar, _ in rails]
    colour = look.get("pattern", {}).get("fgcolor", look["color"])
    known = [part if rail.idle_j else "idle not known" for _, _, rail in rails]
    return {
        "type": "bar",
        "orientation": "h",
        "name": in_figure(rails[0][2].channel),
        "y": [-number for number, _, _ in rails],
        "x": [float(f"{value:.6g}") for value in values],
        "text": [f"{in_figure(bar.one.label)}: {said}" for (_, bar, _), said in zip(rails, known, strict=True)],
        "textposition": "none",
        "marker": look | {"opacity": opacity, "line": {"width": 1, "color": colour}},
        "hovertemplate": "<b>%{text}</b><br>%{fullData.name} %{x:.4~r} mJ<extra></extra>",
    }


def _totals(drawn: Sequence[Bar]) -> Plot:
    points = [bar.total.point for bar in drawn]
    lows = [bar.total.point if bar.total.low is None else bar.total.low for bar in drawn]
    highs = [bar.total.point if bar.total.high is None else bar.total.high for bar in drawn]
    whiskers = {
        "type": "data",
        "symmetric": False,
        "array": [_mj(high - point) for high, point in zip(highs, points, strict=True)],
        "arrayminus": [_mj(point - low) for low, point in zip(lows, points, strict=True)],
        "thickness": 1.5,
        "width": 5,
        "color": plots.NEUTRAL,
    }
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "total",
        "x": [_mj(point) for point in points],
        "y": [-number for number in range(len(drawn))],
        "error_x": whiskers,
        "marker": {"symbol": "line-ns", "size": 34, "line": {"width": 3, "color": plots.NEUTRAL}},
        "text": [in_figure(bar.found.total.channel) for bar in drawn],
        "hovertemplate": "<b>total</b> of %{text}<br>%{x:.4~r} mJ<extra></extra>",
    }


def _label(bar: Bar, number: int) -> Plot:
    """The case and its total above its bar: names have no room beside it on a narrow page."""
    verdict = "" if bar.one.result.verdict == "valid" else f" ({bar.one.result.verdict})"
    text = f"{in_figure(bar.one.label)}{verdict}: {show(ENERGY, bar.total.point)} mJ"
    place = {"xref": "paper", "x": 0, "xanchor": "left", "y": 0.26 - number, "yref": "y", "yanchor": "bottom"}
    return {"text": text, "showarrow": False, **place}


def _colours(drawn: Sequence[Bar]) -> dict[str, str]:
    """By channel, in the order in which they stand; beyond six the colours come again, and pointing tells."""
    channels = dict.fromkeys(rail.channel for bar in drawn for rail in bar.stack)
    return {channel: COLOURS[number % len(COLOURS)] for number, channel in enumerate(channels)}


def _style(colour: str) -> Style:
    return Style(colour, "square", "solid", "■")


def _mj(joules: float) -> float:
    return joules * REGISTRY[ENERGY].scale


def _idle_mj(rail: Rail) -> float:
    """No more than the rail's whole: a board that rests at more than it works at has nothing above idle."""
    idle = rail.median_idle_j
    return 0.0 if idle is None else _mj(min(max(idle, 0.0), rail.median_j))


def _rows(drawn: Sequence[Bar]) -> tuple[tuple[Cell, ...], ...]:
    rows: list[tuple[Cell, ...]] = []
    for bar in drawn:
        total = bar.found.total
        rows += [(bar.one.name, f"total: {total.channel}", *_figures(total, total))]
        rows += [(bar.one.name, part.channel, *_figures(part, total)) for part in bar.found.parts]
    return tuple(rows)


def _figures(rail: Rail, total: Rail) -> tuple[Cell, ...]:
    interval, idle = order_interval(rail.gross_j), rail.median_idle_j
    bounds = f"[{show(ENERGY, interval[0])}, {show(ENERGY, interval[1])}]" if interval else ABSENT
    share = rail.median_j / total.median_j
    above = None if idle is None else rail.median_j - idle
    return (
        Number(show(ENERGY, rail.median_j), rail.median_j),
        bounds,
        Number(f"{ABSENT} ({rail.unknown})" if idle is None else show(ENERGY, idle), idle),
        Number(ABSENT if above is None else _signed(above), above),
        Number(f"{100 * share:.1f} %", share),
    )


def _signed(joules: float) -> str:
    return show(ENERGY, joules).replace("-", "−")


def _how() -> str:
    return (
        "Each bar is the median over launches; hatched is what the same channel uses at rest, with the model "
        "loaded, in the same time. The upright mark is the total with its 95 % interval: a reading of its own, "
        "never stacked with its parts. What lies between a bar’s end and the mark is used inside the boundary, "
        "but by no rail that is read."
    )


def _boundaries(drawn: Sequence[Bar]) -> tuple[str, ...]:
    told = dict.fromkeys(f"{bar.found.total.channel} ({bar.found.scope}, {bar.found.provenance})" for bar in drawn)
    several = "; totals of different places do not compare" if len(told) > 1 else ""
    return (f"Total: {'; '.join(told)}{several}.",)


def _notes(drawn: Sequence[Bar]) -> tuple[str, ...]:
    return tuple(f"{note[0].upper()}{note[1:]}." for note in dict.fromkeys(bar.found.note for bar in drawn) if note)


def _thinning(drawn: int, found: int) -> tuple[str, ...]:
    return (f"The first {drawn} of {found} cases are drawn, in the table’s order.",) if found > drawn else ()
