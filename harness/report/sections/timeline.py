"""The run over time: every trial's latency, with phases and marks, power, temperatures, clocks and other load below, on
one axis.

Each trial has its own clock, so trials are laid out by the UTC at which they were started, long waits cut out. Drawing
is `timeline_plot`'s.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from harness.model.metrics import show
from harness.model.power import Power
from harness.model.trial import Samples, Trial
from harness.report.blocks import Cell, Figure, Paragraph, Section, Table
from harness.report.cases import ABSENT, Named, Shown, legend
from harness.report.chosen import chosen
from harness.report.conditions import environment_facts
from harness.report.names import DASH_GLYPHS
from harness.report.sections.marks import APART, Marks, marks
from harness.report.sections.panels import Line, Panel, Placed, Told, panels
from harness.report.sections.timeline_plot import Segment, Track, drawn
from harness.report.sensed import device_power
from harness.report.thinning import Grain, Series, end_to_end, extremes, grain, rounded, thinned

# Spans of time that the latencies of all cases together are cut into.
ROOM = 3000
# Medians of a case that are marked.
MOST_SYMBOLS = 24
LONGEST_GAP_S = 5.0
LEAST_GAP_S = 0.5
# So many trials are listed in full; of more, the first, the last, and those with the slowest inference.
MOST_ROWS, FIRST_ROWS, SLOWEST_ROWS = 200, 50, 100
TABLE_HEADINGS = (
    "order", "case", "launch", "started (UTC)", "n", "min, ms", "median, ms", "max, ms", "temperature, °C", "power, W",
    "marks",
)  # fmt: skip


@dataclass(frozen=True)
class Timeline:
    """tracks, marks and panels are drawn over length_s; `absent` says what is not and why. grain: how finely the tracks
    are; chosen: which cases they are of, empty for all. table: one row per trial, of at most MOST_ROWS; `listed` says
    which."""

    length_s: float
    tracks: tuple[Track, ...]
    marks: Marks
    panels: tuple[Panel, ...]
    absent: tuple[str, ...]
    grain: Grain
    chosen: str
    table: tuple[tuple[Cell, ...], ...]
    listed: str


@dataclass(frozen=True)
class _Timed:
    """A trial of a case, on the run's axis."""

    case: Named
    placed: Placed

    @property
    def trial(self) -> Trial:
        return self.placed.trial


def section(shown: Shown) -> Section:
    """The run over time, or that no trial of it is at hand."""
    found = timeline(shown)
    title = "Timeline"
    if not found.tracks:
        return Section("timeline", title, (Paragraph("No trial’s timed inferences are at hand.", "none"),))
    on = {track.label for track in found.tracks}
    folded = f"Data of this figure (one row per trial{found.listed})"
    figure = Figure(
        "over-time",
        "Latency of every trial over the run, with phases, throttling and sensors below on the same time axis",
        drawn(found.tracks, found.marks.lanes, found.panels, found.length_s),
        Table(TABLE_HEADINGS, found.table, folded=folded),
        tuple(_notes(found)),
        legend([one for one in shown.cases if one.label in on]),
    )
    return Section("timeline", title, (figure,))


def _notes(found: Timeline) -> Iterable[str]:
    yield from found.marks.notes
    yield from (_channels(panel) for panel in found.panels)
    yield from found.absent
    waits = f"Trials follow one another as they ran; waits between them are cut to {LONGEST_GAP_S:g} s."
    of = "launch" if not any(track.grouped for track in found.tracks) else f"of {MOST_SYMBOLS} groups of launches"
    near = f"Marks nearer than {APART:.2%} of the axis are drawn as one."
    yield f"Symbols: the median of each {of}; open for cases that are not valid. {_rule(found.grain)} {near} {waits}"
    if found.chosen:
        yield found.chosen


def _rule(fine: Grain) -> str:
    if fine.whole:
        return (
            "Thinning: there are too many trials to draw each. The run is cut into equal spans of time, and in each a "
            "stroke joins the fastest and the slowest inference of a case; likewise of every sensor."
        )
    return (
        f"Thinning: each trial is cut into at most {fine.spans} equal spans of time, and of each span the fastest and "
        "the slowest inference are drawn, and likewise of every sensor."
    )


def _channels(panel: Panel) -> str:
    lines = [
        f"{glyph} {line.name} ({line.said}), {line.low:.3g} to {line.high:.3g} {panel.unit}"
        for glyph, line in zip(DASH_GLYPHS, panel.lines, strict=False)
    ]
    more = f"; and {panel.others} other channel{'' if panel.others == 1 else 's'}, not drawn" if panel.others else ""
    return f"{panel.title}: {'; '.join(lines)}{more}."


def timeline(shown: Shown) -> Timeline:
    """All performance trials with at least one inference."""
    timed = _timed(shown.cases)
    placed = [one.placed for one in timed]
    of_case: dict[str, list[_Timed]] = {}
    for one in timed:
        of_case.setdefault(one.case.label, []).append(one)
    few = chosen([one for one in shown.cases if one.label in of_case])
    fine = grain(len(timed), ROOM)
    told = Told(device_power(shown.result.device), environment_facts(shown.result.environment), _no_power(shown.cases))
    length_s = _length_s(placed)
    found = marks(placed, length_s, told.facts)
    drawn_panels, absent = panels(placed, told)
    rows = _listed(timed)
    listed = "" if len(rows) == len(timed) else (
        f"; of {len(timed)} trials {len(rows)} are listed: the first {FIRST_ROWS}, the last {FIRST_ROWS}, and the "
        f"{SLOWEST_ROWS} with the slowest inference; the stored run has all"
    )  # fmt: skip
    return Timeline(
        length_s,
        tuple(_track(one, of_case[one.label], fine, len(few.cases)) for one in few.cases),
        found,
        drawn_panels,
        absent if timed else (),
        fine,
        few.rule,
        tuple(_row(one, found, told.power) for one in rows),
        listed,
    )


def _timed(named: Sequence[Named]) -> list[_Timed]:
    trials = [
        (one, trial)
        for one in named
        for trial in (one.record.trials if one.record else ())
        if trial.mode == "performance" and len(trial.samples)
    ]
    trials.sort(key=lambda pair: (pair[1].order, pair[1].started_utc, pair[1].id))
    shifts = layout([trial for _, trial in trials])
    return [_Timed(one, Placed(trial, shift)) for (one, trial), shift in zip(trials, shifts, strict=True)]


def _no_power(named: Sequence[Named]) -> str:
    return next((one.result.missing["power_mean_w"] for one in named if "power_mean_w" in one.result.missing), "")


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


def _length_s(placed: Sequence[Placed]) -> float:
    return _span_s(placed[-1].trial)[1] + placed[-1].shift_s if placed else 0.0


def good(samples: Samples) -> Series:
    """Start times and durations in s, without inferences whose duration is not a number."""
    start, duration = np.asarray(samples.start_s, dtype=np.float64), np.asarray(samples.duration_s, dtype=np.float64)
    keep = np.isfinite(duration)
    return start[keep], duration[keep]


def _track(case: Named, timed: Sequence[_Timed], fine: Grain, tracks: int) -> Track:
    segments = _strokes(timed, fine.spans // tracks) if fine.whole else [_segment(one, fine.spans) for one in timed]
    drawable = tuple(one for one in segments if one.time_s)
    return Track(case.label, case.style, case.result.verdict, drawable, _medians(timed), len(timed) > MOST_SYMBOLS)


def _medians(timed: Sequence[_Timed]) -> Segment:
    """Of each launch, or where there are many, of so many groups of successive ones the median of their medians."""
    known = [(one, durations) for one in timed for durations in [good(one.trial.samples)[1]] if len(durations)]
    each = np.array([np.median(durations) for _, durations in known])
    middle = np.array([sum(_span_s(one.trial)) / 2 + one.placed.shift_s for one, _ in known])
    groups = np.array_split(np.arange(len(known)), min(len(known), MOST_SYMBOLS)) if known else []
    return Segment(
        "median" if len(known) <= MOST_SYMBOLS else "median of launches’ medians",
        tuple(rounded(float(np.median(middle[group]))) for group in groups),
        tuple(rounded(float(np.median(each[group])) * 1e3) for group in groups),
    )


def _segment(one: _Timed, spans: int) -> Segment:
    times, durations = good(one.trial.samples)
    return _drawn(f"launch {one.trial.launch}", times + one.placed.shift_s, durations, thinned(times, durations, spans))


def _strokes(timed: Sequence[_Timed], spans: int) -> list[Segment]:
    """Of all trials of a case as one."""
    read = [(one.placed.shift_s, *good(one.trial.samples)) for one in timed]
    times, durations = end_to_end([(times + shift_s, durations) for shift_s, times, durations in read])
    if not len(times):
        return []
    return [_drawn("", times, durations, np.array([pair])) for pair in map(sorted, extremes(times, durations, spans))]


def _drawn(said: str, times: NDArray[np.float64], durations: NDArray[np.float64], which: NDArray[np.int64]) -> Segment:
    return Segment(
        said,
        tuple(rounded(value) for value in times[which].ravel().tolist()),
        tuple(rounded(value * 1e3) for value in durations[which].ravel().tolist()),
    )


def _span_s(trial: Trial) -> tuple[float, float]:
    columns: list[Sequence[float]] = [trial.samples.start_s, trial.warm_up.start_s]
    columns += [trace.time_s for trace in trial.traces]
    phases = trial.phases
    told = (phases.idle_before_start_s, phases.steady_start_s, phases.steady_end_s, phases.idle_after_end_s)
    columns.append([time_s for time_s in told if time_s is not None])
    return min(column[0] for column in columns if len(column)), max(column[-1] for column in columns if len(column))


def _gap_s(before: Trial, after: Trial, span: tuple[float, float]) -> float:
    try:
        apart = datetime.fromisoformat(after.started_utc) - datetime.fromisoformat(before.started_utc)
    except (ValueError, TypeError):  # not a date, or one with and one without a zone: the order is all that is known
        return LEAST_GAP_S
    return min(max(apart.total_seconds() - (span[1] - span[0]), 0.0), LONGEST_GAP_S)


def _listed(timed: Sequence[_Timed]) -> list[_Timed]:
    """In their order."""
    if len(timed) <= MOST_ROWS:
        return list(timed)
    slowest = heapq.nlargest(SLOWEST_ROWS, range(len(timed)), key=lambda index: _slowest_s(timed[index]))
    ends = [*range(FIRST_ROWS), *range(len(timed) - FIRST_ROWS, len(timed))]
    return [timed[index] for index in sorted({*slowest, *ends})]


def _slowest_s(one: _Timed) -> float:
    durations = good(one.trial.samples)[1]
    return float(durations.max()) if len(durations) else 0.0


def _row(one: _Timed, found: Marks, power: Power) -> tuple[Cell, ...]:
    trial = one.trial
    _, durations = good(trial.samples)
    three = (
        [show("latency_p50_s", float(value)) for value in (durations.min(), np.median(durations), durations.max())]
        if len(durations)
        else [ABSENT] * 3
    )
    return (
        str(trial.order), one.case.name, str(trial.launch), trial.started_utc, str(len(durations)), *three,
        *ranges(one.placed, power), found.by_trial.get(trial.id, ABSENT),
    )  # fmt: skip


def ranges(placed: Placed, power: Power) -> tuple[str, str]:
    """Least and greatest reading of a trial: of the zones' temperatures, and of the first channel of power that counts
    as a total; a dash where none was read."""
    shown, _ = panels([Placed(placed.trial, 0.0)], Told(power, {}))
    by_unit = {panel.unit: panel for panel in shown}
    heat = by_unit["°C"].lines if "°C" in by_unit else ()
    power_lines = by_unit["W"].lines if "W" in by_unit else ()
    totals = [line for line in power_lines if line.said.startswith(("total", "added"))]
    return _range(heat), _range(totals[:1])


def _range(lines: Sequence[Line]) -> str:
    if not lines:
        return ABSENT
    return f"{min(line.low for line in lines):.3g} to {max(line.high for line in lines):.3g}"
