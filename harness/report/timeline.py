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
from harness.report.cases import ABSENT, Named
from harness.report.names import Style
from harness.report.panels import Panel, Placed, panels
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
    """tracks and panels are drawn; `absent` says what is not and why; table: one row of text per trial."""

    tracks: tuple[Track, ...]
    panels: tuple[Panel, ...]
    absent: tuple[str, ...]
    table: tuple[tuple[str, ...], ...]


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


def _table_row(one: Named, trial: Trial) -> tuple[str, ...]:
    _, durations = good(trial.samples)
    three = (
        [show("latency_p50_s", float(value)) for value in (durations.min(), np.median(durations), durations.max())]
        if len(durations)
        else [ABSENT] * 3
    )
    return (str(trial.order), one.label, str(trial.launch), trial.started_utc, str(len(durations)), *three)
