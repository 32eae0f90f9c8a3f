"""Every side of a case at once, against its teacher: outside is better on each axis. Owns the formula of every axis,
which cases are drawn, and what is said where an axis or all of them are missing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.model.metrics import REGISTRY
from harness.report import plots
from harness.report.absent import without
from harness.report.blocks import Cell, Figure, Number, Paragraph, Plot, Section, Table
from harness.report.cases import ABSENT, NOT_RECORDED, Named, Shown
from harness.report.comparison import UNCLEAR, decimal, doubt_between, touched
from harness.report.names import in_figure, in_sentence
from harness.report.sections.front import AXES as TRADE_OFF
from harness.report.sections.plane import best_cases

TITLE = "All sides against the teacher"
DRAWN_MOST = 6
ROWS_MOST = 60
LEAST_AXES = 3
# Beyond so many times better or worse a point lies on the rim, or in the middle.
CLIPPED = 64.0
# Fainter than what is valid, and still to be followed around the circle: it may be all there is.
DOUBTFUL_OPACITY = 0.6
# By metric: what the axis is called, and why its ratio says how many times better a case is.
SIDES: dict[str, tuple[str, str]] = {
    "throughput_per_s": ("throughput", "case over teacher"),
    "latency_p50_s": ("p50 latency", "teacher over case"),
    "power_mean_w": ("mean power", "teacher over case"),
    "model_size_bytes": ("model size", "teacher over case"),
    "memory_peak_bytes": ("peak memory", "teacher over case"),
    "accuracy_top1": ("accuracy", "wrong answers, 1 − top-1: teacher over case"),
}


@dataclass(frozen=True)
class Side:
    """A case on one axis. better: how many times, 1 is the teacher; None with the reason. unclear: the intervals do not
    bear it out, or one of the two is doubtful in it."""

    better: float | None
    reason: str = ""
    unclear: bool = False


@dataclass(frozen=True)
class Against:
    """A case and its teacher, with its sides by metric."""

    one: Named
    teacher: Named
    sides: dict[str, Side]

    @property
    def doubtful(self) -> bool:
        """Whether one of the two is, so that no more than its exact sides prove anything for sure."""
        return "doubtful" in (self.one.result.verdict, self.teacher.result.verdict)

    @property
    def remark(self) -> str:
        """What the legend says of it."""
        return "doubtful" if self.one.result.verdict == "doubtful" else "doubtful teacher" if self.doubtful else ""


@dataclass(frozen=True)
class Radar:
    """axes: metrics that at least one case has with its teacher. drawn: cases of the figure; rows: of the table, too.
    others: how many more could be compared. left_out: (label, reason). absent: (axis, reason)."""

    axes: tuple[str, ...]
    drawn: tuple[Against, ...]
    rows: tuple[Against, ...]
    others: int
    left_out: tuple[tuple[str, str], ...]
    absent: tuple[tuple[str, str], ...]


def section(shown: Shown) -> Section:
    """The radar; with fewer than three axes the table alone; without a teacher to compare with, why."""
    found = radar(shown)
    left_out = without(found.left_out)
    if not found.rows:
        nothing = "No case has a teacher that was measured alike, neither of them invalid, to be set against."
        return Section("radar", TITLE, (Paragraph(nothing, "none"), *left_out))
    axeless = tuple(Paragraph(f"No axis for {name}: {reason}.", "note") for name, reason in found.absent)
    if len(found.axes) < LEAST_AXES:
        few = f"Too few figures can be set against the teacher’s for a chart: {len(found.axes)} of {len(SIDES)}."
        plain = (_table(found, folded=""),) if found.axes else ()
        return Section("radar", TITLE, (Paragraph(few, "none"), *plain, *axeless, *left_out))
    figure = Figure(
        "radar",
        "Radar chart of each case against its teacher; outside is better on every axis",
        plotted(found),
        _table(found, folded="Data of this figure (times better than the teacher)"),
        (_how(found), _who(found)),
        tuple((against.one.name, against.remark) for against in found.drawn),
    )
    return Section("radar", TITLE, (figure, *axeless, *left_out))


def radar(shown: Shown) -> Radar:
    """Cases with their teacher, neither invalid: the front's first, then the valid ones, then what is doubtful, each in
    the table's order."""
    compared: list[Against] = []
    left_out: list[tuple[str, str]] = []
    for one in shown.cases:
        teacher = shown.teacher(one)
        if one.result.verdict == "invalid":
            left_out.append((one.label, "invalid"))
        elif teacher is not None and teacher.result.verdict == "invalid":
            left_out.append((one.label, f"its teacher {in_sentence(teacher.label)} is invalid"))
        elif teacher is not None:
            compared.append(Against(one, teacher, {name: _side(name, one, teacher, shown) for name in SIDES}))
    axes = tuple(name for name in SIDES if any(one.sides[name].better is not None for one in compared))
    absent = tuple((SIDES[name][0], _why(name, compared)) for name in SIDES if name not in axes) if compared else ()
    front = {one.label for one in best_cases(shown.cases, TRADE_OFF, shown.paired)}
    ordered = sorted(compared, key=lambda against: (against.doubtful, against.one.label not in front))
    return Radar(
        axes,
        tuple(ordered[:DRAWN_MOST]),
        tuple(ordered[:ROWS_MOST]),
        max(0, len(ordered) - ROWS_MOST),
        tuple(left_out),
        absent,
    )


def _side(name: str, one: Named, teacher: Named, shown: Shown) -> Side:
    for case, whose in ((teacher, "the teacher’s: "), (one, "")):
        if name not in case.result.metrics:
            return Side(None, whose + case.result.missing.get(name, NOT_RECORDED))
    own, base = one.result.metrics[name], teacher.result.metrics[name]
    value, against = own.point, base.point
    if name == "accuracy_top1":
        value, against = 1 - value, 1 - against
    if value <= 0 or against <= 0:
        return Side(None, "no ratio to nought" if name != "accuracy_top1" else "no wrong answer to compare")
    higher = REGISTRY[name].better == "higher" and name != "accuracy_top1"
    unclear = bool(touched(name, one, teacher) or doubt_between(name, one, teacher, shown))
    return Side(value / against if higher else against / value, unclear=unclear)


def _why(name: str, compared: Sequence[Against]) -> str:
    """The distinct reasons for which nobody has this axis."""
    return "; ".join(dict.fromkeys(against.sides[name].reason for against in compared))


def _bounds(found: Radar) -> tuple[int, int]:
    """Powers of two between which all lies that is drawn, clipped; the teacher's ring always has room on both sides."""
    exponents = [
        math.log2(min(max(side.better, 1 / CLIPPED), CLIPPED))
        for against in found.drawn
        for name in found.axes
        if (side := against.sides[name]).better is not None
    ]
    return math.floor(min(-1.0, *exponents)), math.ceil(max(1.0, *exponents))


def plotted(found: Radar) -> Plot:
    """Ratios on a logarithmic scale, the teacher as the ring at 1."""
    low, high = _bounds(found)
    names = [SIDES[name][0].replace(" ", "<br>") for name in found.axes]
    round_trip = [*names, names[0]]
    ring = {
        "type": "scatterpolar",
        "mode": "lines",
        "name": "teacher",
        "theta": round_trip,
        "r": [0.0] * len(round_trip),
        "line": {"color": plots.NEUTRAL, "width": 2.5, "dash": "dash"},
        "hoverinfo": "skip",
    }
    step = 1 if high - low <= 6 else 2
    ticks = [exponent for exponent in range(low, high + 1) if exponent % step == 0]
    data = [*(_polygon(found, against, round_trip) for against in found.drawn), ring, _tick_labels(ticks, names[0])]
    line = {"gridcolor": plots.GRID, "linecolor": plots.NEUTRAL, "tickcolor": plots.NEUTRAL}
    layout = plots.base_layout(440)
    layout["margin"] = {"l": 16, "r": 16, "t": 44, "b": 44}
    layout["polar"] = {
        "bgcolor": "rgba(0,0,0,0)",
        # Names around the circle need room that a narrow page does not give by its margins.
        "domain": {"x": [0.12, 0.88], "y": [0.0, 1.0]},
        "angularaxis": line | {"direction": "clockwise", "rotation": 90},
        "radialaxis": line
        | {
            "range": [low - 0.15, high + 0.1],
            "tickvals": ticks,
            "showticklabels": False,
            "ticks": "",
            "showline": False,
        },
    }
    return {"data": data, "layout": layout}


def _tick_labels(ticks: Sequence[int], name: str) -> Plot:
    """Beside the first axis and upright: plotly turns an axis' own labels with it."""
    return {
        "type": "scatterpolar",
        "mode": "text",
        "name": "scale",
        "theta": [name] * len(ticks),
        "r": [float(one) for one in ticks],
        "text": [_times(one) for one in ticks],
        "textposition": "middle right",
        "textfont": {"size": 11},
        "hoverinfo": "skip",
    }


def _polygon(found: Radar, against: Against, round_trip: Sequence[str]) -> Plot:
    style = against.one.style
    sides = [against.sides[name] for name in found.axes]
    sides.append(sides[0])
    return {
        "type": "scatterpolar",
        "mode": "lines+markers",
        "name": in_figure(against.one.label),
        "theta": list(round_trip),
        "r": [None if side.better is None else _radius(side.better) for side in sides],
        "connectgaps": False,
        "opacity": DOUBTFUL_OPACITY if against.doubtful else 1,
        "line": {"color": style.colour, "width": 2, "dash": style.dash},
        "marker": {"color": style.colour, "symbol": style.symbol + ("-open" if against.doubtful else ""), "size": 8},
        "text": [_said(side) for side in sides],
        "hovertemplate": "<b>%{fullData.name}</b><br>%{theta}: %{text}<extra></extra>",
    }


def _radius(better: float) -> float:
    return float(f"{math.log2(min(max(better, 1 / CLIPPED), CLIPPED)):.6g}")


def _times(exponent: int) -> str:
    return f"×{2**exponent}" if exponent >= 0 else f"×1/{2**-exponent}"


def _said(side: Side) -> str:
    if side.better is None:
        return ABSENT
    return (UNCLEAR if side.unclear else "") + f"×{decimal(side.better)}"


def _table(found: Radar, folded: str) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (against.one.name, against.teacher.name, *(_cell(against.sides[name]) for name in found.axes))
        for against in found.rows
    ]
    return Table(
        ("case", "teacher", *(SIDES[name][0] for name in found.axes)), tuple(rows), numeric=False, folded=folded
    )


def _cell(side: Side) -> Number:
    return Number(_said(side) if side.better is not None else f"{ABSENT} ({side.reason})", side.better)


def _how(found: Radar) -> str:
    formulas = "; ".join(f"{SIDES[name][0]}: {SIDES[name][1]}" for name in found.axes)
    return (
        "Outside is better on every axis; the dashed ring is the teacher, ×1. The scale is logarithmic: each doubling "
        f"takes the same step, and beyond ×{CLIPPED:g} and ×1/{CLIPPED:g} a point stays on the rim or in the middle. "
        f"What is divided: {formulas}. ~ marks a ratio whose intervals overlap or are missing, or of which a side is "
        "doubtful in that figure; a line with a gap lacks a figure."
    )


def _who(found: Radar) -> str:
    teachers = ", ".join(dict.fromkeys(_teacher(against.teacher) for against in found.rows))
    more = f" {found.others} more cases are in the trade-off table alone." if found.others else ""
    faint = ""
    if any(against.doubtful for against in found.rows):
        faint = "Faint, with open symbols: the case or its teacher is doubtful, so that what is marked proves nothing. "
    return (
        f"Compared with {teachers}, measured alike. {faint}What is invalid is left out. At most {DRAWN_MOST} are "
        "drawn, those on the front of accuracy against latency first, then other valid ones, then what is doubtful: "
        f"{len(found.drawn)} of {len(found.rows) + found.others} here.{more}"
    )


def _teacher(one: Named) -> str:
    return in_sentence(one.label) + (" (doubtful)" if one.result.verdict == "doubtful" else "")
