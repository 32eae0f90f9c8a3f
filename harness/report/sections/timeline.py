"""The run over time: every trial's latency, with temperatures, clocks and other load below, on one axis.

Each trial has its own clock, so trials are laid out by the UTC at which they were started, long waits cut out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from harness.model.metrics import show
from harness.model.trial import Samples, Trace, Trial
from harness.report import plots
from harness.report.blocks import Cell, Figure, Paragraph, Plot, Section, Table
from harness.report.cases import ABSENT, Named, Shown, legend
from harness.report.conditions import environment_facts
from harness.report.names import DASH_GLYPHS, DASHES, Style, in_figure
from harness.report.sections.panels import Panel, Placed, panels
from harness.report.thinning import rounded, thinned

BUCKETS_PER_TRIAL = 60
BUCKETS_IN_ALL = 2400
LONGEST_GAP_S = 5.0
RULE = (
    f"Thinning: each trial is cut into at most {BUCKETS_PER_TRIAL} equal spans of time, and of each span the fastest "
    "and the slowest inference are drawn, and likewise of every sensor. Trials follow one another as they ran; waits "
    f"between them are cut to {LONGEST_GAP_S:g} s."
)
TABLE_HEADINGS = ("order", "case", "launch", "started (UTC)", "n", "min, ms", "median, ms", "max, ms")


LEAST_TOP = 0.05


@dataclass(frozen=True)
class Segment:
    """One trial's drawn inferences: time in s on the run's axis, latency in ms."""

    launch: int
    time_s: tuple[float, ...]
    latency_ms: tuple[float, ...]


@dataclass(frozen=True)
class Track:
    """A case's trials over time."""

    label: str
    style: Style
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class Timeline:
    """tracks and panels are drawn; `absent` says what is not and why; table: one row per trial."""

    tracks: tuple[Track, ...]
    panels: tuple[Panel, ...]
    absent: tuple[str, ...]
    table: tuple[tuple[Cell, ...], ...]


def section(shown: Shown) -> Section:
    """The run over time, or that no trial of it is at hand."""
    found = timeline(shown.cases, environment_facts(shown.result.environment))
    plot = drawn(found)
    title = "Timeline"
    if plot is None:
        return Section("timeline", title, (Paragraph("No trial’s timed inferences are at hand.", "none"),))
    on = {track.label for track in found.tracks}
    figure = Figure(
        "over-time",
        "Latency of every trial over the run, with sensors below on the same time axis",
        plot,
        Table(TABLE_HEADINGS, found.table, folded="Data of this figure (one row per trial)"),
        (*(_channels(panel) for panel in found.panels), *found.absent, RULE),
        legend([one for one in shown.cases if one.label in on]),
    )
    return Section("timeline", title, (figure,))


def _channels(panel: Panel) -> str:
    lines = [
        f"{glyph} {line.name} ({line.provenance}), {line.low:.3g} to {line.high:.3g} {panel.unit}"
        for glyph, line in zip(DASH_GLYPHS, panel.lines, strict=False)
    ]
    more = f"; and {panel.others} steadier channel{'' if panel.others == 1 else 's'}, not drawn" if panel.others else ""
    return f"{panel.title}: {'; '.join(lines)}{more}."


def timeline(named: Sequence[Named], facts: Mapping[str, object]) -> Timeline:
    """All performance trials with at least one inference. `facts` may say why a sensor could not be read."""
    trials = [
        (one, trial)
        for one in named
        for trial in (one.record.trials if one.record else ())
        if trial.mode == "performance" and len(trial.samples)
    ]
    trials.sort(key=lambda pair: (pair[1].order, pair[1].started_utc, pair[1].id))
    shifts = layout([trial for _, trial in trials])
    buckets = max(8, min(BUCKETS_PER_TRIAL, BUCKETS_IN_ALL // max(len(trials), 1)))
    tracks: dict[str, list[Segment]] = {}
    for (one, trial), shift in zip(trials, shifts, strict=True):
        tracks.setdefault(one.label, []).append(_segment(trial, shift, buckets))
    shown, absent = panels(
        [Placed(trial, shift, buckets) for (_, trial), shift in zip(trials, shifts, strict=True)], facts
    )
    style_of = {one.label: one.style for one in named}
    return Timeline(
        tuple(Track(label, style_of[label], tuple(segments)) for label, segments in tracks.items()),
        shown,
        absent if trials else (),
        tuple(_table_row(one, trial) for one, trial in trials),
    )


def layout(trials: Sequence[Trial]) -> list[float]:
    """What to add to each trial's clock to place it on the run's axis, which begins at 0 s."""
    spans = [_span_s(trial) for trial in trials]
    shifts, end = [], 0.0
    for index, (begin, finish) in enumerate(spans):
        if index:
            end += _gap_s(trials[index - 1], trials[index], spans[index - 1])
        shifts.append(end - begin)
        end += finish - begin
    return shifts


def _segment(trial: Trial, shift: float, buckets: int) -> Segment:
    times, durations = good(trial.samples)
    indices = thinned(times, durations, buckets)
    return Segment(
        trial.launch,
        tuple(rounded(value + shift) for value in times[indices]),
        tuple(rounded(value * 1e3) for value in durations[indices]),
    )


def good(samples: Samples) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Start times and durations in s, without inferences whose duration is not a number."""
    start, duration = np.asarray(samples.start_s, dtype=np.float64), np.asarray(samples.duration_s, dtype=np.float64)
    keep = np.isfinite(duration)
    return start[keep], duration[keep]


def _span_s(trial: Trial) -> tuple[float, float]:
    columns: list[Sequence[float]] = [trial.samples.start_s, trial.warm_up.start_s]
    columns += [trace.time_s for trace in trial.traces if _readable(trace)]
    return min(column[0] for column in columns if len(column)), max(column[-1] for column in columns if len(column))


def _readable(trace: Trace) -> bool:
    return len(trace.time_s) > 0


def _gap_s(before: Trial, after: Trial, span: tuple[float, float]) -> float:
    try:
        apart = datetime.fromisoformat(after.started_utc) - datetime.fromisoformat(before.started_utc)
    except (ValueError, TypeError):  # not a date, or one with and one without a zone: the order is all that is known
        return LONGEST_GAP_S / 10
    return min(max(apart.total_seconds() - (span[1] - span[0]), 0.0), LONGEST_GAP_S)


def _table_row(one: Named, trial: Trial) -> tuple[Cell, ...]:
    _, durations = good(trial.samples)
    three = (
        [show("latency_p50_s", float(value)) for value in (durations.min(), np.median(durations), durations.max())]
        if len(durations)
        else [ABSENT] * 3
    )
    return (str(trial.order), one.name, str(trial.launch), trial.started_utc, str(len(durations)), *three)


def drawn(timeline: Timeline) -> Plot | None:
    """Latency above, one strip per readable kind of sensor below, one time axis; None without trials."""
    if not timeline.tracks:
        return None
    domains = _domains(len(timeline.panels))
    values = [value for track in timeline.tracks for segment in track.segments for value in segment.latency_ms]
    latency = plots.linear_axis("")
    if max(values) > plots.LOG_BEYOND * min(values) > 0:
        latency = plots.log_axis(latency, min(values), max(values))
    data = [_track(track) for track in timeline.tracks]
    layout = plots.base_layout(340 + 130 * len(timeline.panels))
    bottom = f"y{len(domains)}" if len(domains) > 1 else "y"
    layout["xaxis"] = plots.linear_axis("time in the run, s") | {"anchor": bottom, "rangemode": "tozero"}
    layout["yaxis"] = latency | {"domain": domains[0]}
    titles = ["latency, ms", *(f"{panel.title.lower()}, {panel.unit}" for panel in timeline.panels)]
    layout["annotations"] = [_heading(title, domain[1]) for title, domain in zip(titles, domains, strict=True)]
    layout["margin"] |= {"t": 28}
    for index, panel in enumerate(timeline.panels):
        name = f"y{index + 2}"
        layout[f"yaxis{index + 2}"] = plots.linear_axis("") | {"domain": domains[index + 1], "nticks": 4}
        if panel.from_zero:
            layout[f"yaxis{index + 2}"]["range"] = _above_zero(panel)
        data += _panel(panel, name)
    layout["hovermode"] = "closest"
    return {"data": data, "layout": layout}


def _track(track: Track) -> Plot:
    times: list[float | None] = []
    values: list[float | None] = []
    texts: list[str] = []
    for segment in track.segments:
        times += [*segment.time_s, None]  # None lifts the pen between trials
        values += [*segment.latency_ms, None]
        texts += [f"launch {segment.launch}"] * (len(segment.time_s) + 1)
    return {
        "type": "scatter",
        **plots.pen(times),
        "name": in_figure(track.label),
        "x": times,
        "y": values,
        "text": texts,
        "connectgaps": False,
        "line": {"color": track.style.colour, "width": 1},
        "hovertemplate": "<b>%{fullData.name}</b>, %{text}<br>%{y:.4~r} ms at %{x:.1f} s<extra></extra>",
    }


def _panel(panel: Panel, axis: str) -> list[Plot]:
    return [
        {
            "type": "scatter",
            **plots.pen(line.time_s),
            "name": in_figure(line.name),
            "x": list(line.time_s),
            "y": list(line.value),
            "xaxis": "x",
            "yaxis": axis,
            "connectgaps": False,
            "line": {"color": plots.NEUTRAL, "width": 1.5, "dash": dash},
            "hovertemplate": f"<b>%{{fullData.name}}</b><br>%{{y:.4~r}} {panel.unit} at %{{x:.1f}} s<extra></extra>",
        }
        for line, dash in zip(panel.lines, DASHES, strict=False)
    ]


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


def _heading(text: str, top: float) -> Plot:
    """A strip's name above its left end: a strip is too low for a name along its axis."""
    place = {"xref": "paper", "yref": "paper", "x": 0, "y": top, "xanchor": "left", "yanchor": "bottom"}
    return {"text": text, "showarrow": False, **place}
