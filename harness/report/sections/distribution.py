"""Latency distributions: the timed inferences of a case, pooled over its launches, thinned for drawing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.model.metrics import show
from harness.model.trial import Record
from harness.model.verdict import Summary
from harness.report import plots
from harness.report.blocks import Cell, Figure, Name, Paragraph, Plot, Section, Table, not_drawn
from harness.report.cases import ABSENT, NOT_RECORDED, Named, Shown, legend
from harness.report.chosen import briefly, chosen
from harness.report.names import Style, in_figure
from harness.report.rows import interval
from harness.report.thinning import DRAWN_BODY, KEPT_TAIL, kept, rounded

RULE = (
    f"Thinning: the fastest and the {KEPT_TAIL} slowest inferences of every case are all drawn; of the rest at most "
    f"{DRAWN_BODY}, evenly spaced on the vertical axis."
)
MARKED = (("latency_p50_s", 0.5), ("latency_p90_s", 0.1), ("latency_p99_s", 0.01))
_TABLE_QUANTILES = (0.0, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0)
TABLE_HEADINGS = ("min", "q1 %", "q10 %", "q50 %", "q90 %", "q99 %", "q99.9 %", "max")


TAIL_LOG_BEYOND = 4.0


@dataclass(frozen=True)
class Mark:
    """A percentile of the table on its level: latency in ms with its interval (all three equal without one), share of
    inferences that took longer."""

    label: str
    latency_ms: float
    low_ms: float
    high_ms: float
    share: float
    text: str


@dataclass(frozen=True)
class Curve:
    """latency_ms ascending; share: of inferences that took at least as long, from 1 to 1/n. `quantiles` as text."""

    label: str
    style: Style
    verdict: str
    count: int
    latency_ms: tuple[float, ...]
    share: tuple[float, ...]
    marks: tuple[Mark, ...]
    quantiles: tuple[str, ...]


@dataclass(frozen=True)
class Distribution:
    """curves: drawn. left_out: (label, reason) of those without inferences. chosen: which others are drawn, empty for
    all."""

    curves: tuple[Curve, ...]
    left_out: tuple[tuple[str, str], ...]
    chosen: str = ""


def section(shown: Shown) -> Section:
    """The curves, or why there are none."""
    found = distribution(shown.cases)
    plot = drawn(found)
    title = "Latency distribution"
    if plot is None:
        absent = Paragraph("No timed inferences are at hand.", "none")
        return Section("tail", title, (absent, *not_drawn(found.left_out)))
    how = (
        "Each line falls from all inferences to the slowest one; the vertical axis is logarithmic, so the tail has "
        "room. Lines pool all launches; symbols with 95 % intervals mark the table’s p50, p90 and p99, "
        f"which may be medians over launches and so lie beside the line. {RULE}"
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (Name(one.label, one.style), str(one.count), *one.quantiles) for one in found.curves
    )
    table = Table(("case", "n", *TABLE_HEADINGS), rows, folded="Data of this figure (ms)")
    on = {curve.label for curve in found.curves}
    figure = Figure(
        "tail",
        "Share of inferences that took longer than a given latency, logarithmic",
        plot,
        table,
        (how, *([found.chosen] if found.chosen else [])),
        legend([one for one in shown.cases if one.label in on]),
    )
    return Section("tail", title, (figure, *not_drawn(found.left_out)))


def distribution(named: Sequence[Named]) -> Distribution:
    """One curve per case with at least one timed inference, of at most as many cases as can be told apart."""
    timed = [one for one in named if _is_timed(one)]
    few = chosen(timed)
    curves = tuple(_curve(one, pooled_latency_s(one.record)) for one in few.cases)
    ids = {id(one) for one in timed}
    left_out = tuple((one.label, _why_empty(one)) for one in named if id(one) not in ids)
    return Distribution(curves, briefly(left_out), few.rule)


def _is_timed(one: Named) -> bool:
    return any(len(durations) for durations in _durations(one.record))


def _durations(record: Record | None) -> Iterator[NDArray[np.float64]]:
    """Of each successful performance trial, those that are numbers."""
    for trial in record.trials if record else ():
        if trial.mode == "performance" and trial.status == "ok":
            durations = np.asarray(trial.samples.duration_s, dtype=np.float64)
            yield durations[np.isfinite(durations)]


def pooled_latency_s(record: Record | None) -> NDArray[np.float64]:
    """Durations in s of every timed inference of the successful performance trials, ascending."""
    return np.sort(np.concatenate([np.empty(0), *_durations(record)]))


def _curve(one: Named, durations: NDArray[np.float64]) -> Curve:
    count = len(durations)
    indices = kept(count)
    metrics = one.result.metrics
    marks = tuple(_mark(metrics[name], share) for name, share in MARKED if name in metrics)
    return Curve(
        one.label,
        one.style,
        one.result.verdict,
        count,
        tuple(rounded(value * 1e3) for value in durations[indices]),
        tuple(rounded((count - index) / count) for index in indices.tolist()),
        marks,
        tuple(_quantile(durations, q) for q in _TABLE_QUANTILES),
    )


def _mark(summary: Summary, share: float) -> Mark:
    low, high = (summary.point if end is None else end for end in (summary.low, summary.high))
    text = f"{show(summary.metric, summary.point)} {interval(summary)}".rstrip()
    return Mark(summary.metric.split("_")[1], summary.point * 1e3, low * 1e3, high * 1e3, share, text)


def _quantile(durations: NDArray[np.float64], q: float) -> str:
    """As text; a dash where the sample holds fewer than ten values beyond it, as its estimate would be noise."""
    if 0.0 < q < 1.0 and len(durations) * min(q, 1 - q) < 10:
        return ABSENT
    return show("latency_p50_s", float(np.quantile(durations, q, method="inverted_cdf")))


def _why_empty(one: Named) -> str:
    if one.record is None:
        return "its timed inferences are not at hand"
    failed = [trial.message for trial in one.record.trials if trial.status == "failed" and trial.message]
    return failed[0] if failed else one.result.missing.get("latency_p50_s", NOT_RECORDED)


def drawn(distribution: Distribution) -> Plot | None:
    """Share of inferences that took longer, on a log axis, so that p99 and p99.9 have room; None without curves."""
    curves = distribution.curves
    if not curves:
        return None
    data: list[Plot] = []
    for curve in curves:
        data += _traces(curve)
    lowest = min(curve.latency_ms[0] for curve in curves)
    highest = max(curve.latency_ms[-1] for curve in curves)
    layout = plots.base_layout(460)
    levels = [10.0**-power for power in range(1, 1 + math.ceil(math.log10(max(curve.count for curve in curves))))]
    axis = plots.linear_axis("latency, ms")
    layout["xaxis"] = plots.log_axis(axis, lowest, highest) if highest > TAIL_LOG_BEYOND * lowest > 0 else axis
    layout["yaxis"] = plots.linear_axis("inferences that took longer") | {
        "type": "log",
        "tickvals": [1.0, 0.5, *levels],
        "ticktext": ["all", "50 % (p50)", *(_level(level) for level in levels)],
        "range": [math.log10(min(levels, default=0.1)) - 0.05, 0.08],
    }
    layout["hovermode"] = "closest"
    return {"data": data, "layout": layout}


def _traces(curve: Curve) -> list[Plot]:
    opacity = 1.0 if curve.verdict == "valid" else plots.NOT_VALID_OPACITY
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
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [mark.high_ms - mark.latency_ms for mark in curve.marks],
            "arrayminus": [mark.latency_ms - mark.low_ms for mark in curve.marks],
            "thickness": 1,
            "width": 3,
        },
        "text": [f"{mark.label} {mark.text} ms" for mark in curve.marks],
        "hovertemplate": "<b>%{fullData.name}</b><br>%{text}<extra></extra>",
    }
    return [line, marks] if curve.marks else [line]


def _level(level: float) -> str:
    return f"{level * 100:.6g} % (p{100 * (1 - level):.8g})"
