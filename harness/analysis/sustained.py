"""Burst against sustained performance within one launch: latency by the minute, and when the processor was held back.

Pure; knows launches, not cases. The burst is the first minute; sustained is the last whole one, and whether the latency
still moved by then is said beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.analysis.stats import Values
from harness.analysis.throttle_checks import LATCHED, UNITS
from harness.analysis.traces import known, steady_window
from harness.model.trial import Trace, Trial

MINUTE_S = 60.0
LEAST_MINUTES = 2
# A last minute within so much of the one before it counts as level.
LEVEL = 0.02
THROTTLED = "throttled"


@dataclass(frozen=True)
class Sustained:
    """One launch. p50_s: by whole minute of the steady part. throttled_s: from its beginning to the first mark of
    throttling, None without one; watched: such marks were read at all."""

    p50_s: tuple[float, ...]
    throttled_s: float | None
    watched: bool

    @property
    def speed_kept(self) -> float:
        """Speed of the last minute as a share of the first one's: p50 first over p50 last."""
        return self.p50_s[0] / self.p50_s[-1]

    @property
    def level(self) -> bool:
        """Whether the last minute is within 2 % of the one before it."""
        return abs(self.p50_s[-1] / self.p50_s[-2] - 1) <= LEVEL


def steady_length_s(trial: Trial) -> float:
    """From the first timed inference to the end of the last one; 0 without any."""
    start, duration = _columns(trial)
    return float(start[-1] + duration[-1] - start[0]) if len(start) else 0.0


def sustained(trial: Trial) -> Sustained | None:
    """None under two whole minutes, and where a minute has no inference of its own: it would have no median.

    An inference belongs to the minute in which it began.
    """
    start, duration = _columns(trial)
    minutes = int(steady_length_s(trial) / MINUTE_S + 1e-6)
    if minutes < LEAST_MINUTES:
        return None
    edges = np.searchsorted(start, start[0] + MINUTE_S * np.arange(minutes + 1))
    if bool(np.any(np.diff(edges) == 0)):
        return None
    medians = tuple(float(np.median(duration[edges[at] : edges[at + 1]])) for at in range(minutes))
    if min(medians) <= 0:
        return None
    marks = [trace for trace in trial.traces if trace.channel.unit in UNITS and _of_throttling(trace)]
    moments = [moment for trace in marks if (moment := _first_mark(trial, trace)) is not None]
    return Sustained(medians, min(moments, default=None), bool(marks))


def _columns(trial: Trial) -> tuple[Values, Values]:
    """Start and duration in s of the inferences whose duration is known."""
    start, duration = (np.asarray(column, np.float64) for column in (trial.samples.start_s, trial.samples.duration_s))
    kept = np.isfinite(duration)
    return start[kept], duration[kept]


def _of_throttling(trace: Trace) -> bool:
    return trace.channel.name.startswith(THROTTLED)


def _first_mark(trial: Trial, trace: Trace) -> float | None:
    """Seconds into the steady part at which a flag was first up, or a count or a latch first above where it stood."""
    window = steady_window(trial)
    if window is None:
        return None
    time, value = known(trace)
    steady = (time >= window[0]) & (time <= window[1])
    counts = trace.channel.unit == "event" or trace.channel.name.endswith(LATCHED)
    before = value[time <= window[0]]
    floor = float(before[-1] if len(before) else value[0]) if counts and len(value) else 0.0
    marked = time[steady & (value > floor)]
    return float(marked[0] - window[0]) if len(marked) else None
