"""A sensor's own readings around a window: repeats recognised, gaps and coverage counted, steps and periods seen.

Pure numpy. Knows no unit: power and counters alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.analysis import stats
from harness.analysis.stats import Values

# A reading this many periods away from an edge says nothing about it, and such a gap leaves a hole in the integral
# (hardware.md, section 7).
GAP_PERIODS = 3.0
# Where the sensor renews its value this much more slowly than it is asked, repeats are expected.
HELD = 1.5
# Fewer changes of value than this tell no period.
CHANGES_FOR_PERIOD = 8
# From so many levels on, equal spacing is no chance; of fewer, each must be left and met again so often.
LEVELS_FOR_STEP = 5
RETURNS_FOR_STEP = 4


def update_period(time_s: Values, value: Values) -> float | None:
    """The sensor's own period, estimated from when its value changed; None where that cannot tell.

    The 10 % quantile of the times between changes: equal values in a row make some of them too long, never too short.
    Not below the median time between readings, which is the finest that a trace can show. A slow drift through coarse
    steps looks like a slow sensor: the estimate may be too long, and never makes an energy look too certain.
    """
    time, value = _valid(time_s, value)
    changed = time[1:][value[1:] != value[:-1]]
    if len(changed) <= CHANGES_FOR_PERIOD:
        return None
    return max(stats.quantile(np.diff(changed), 0.1), stats.median(np.diff(time)))


def longest_hold(time_s: Values, value: Values, start_s: float, end_s: float) -> float | None:
    """The longest time for which one value was told, of those that reach into the window; None where none does."""
    time, value = _valid(time_s, value)
    if len(time) < 2:
        return None
    moments = np.concatenate((time[:1], time[1:][value[1:] != value[:-1]], time[-1:]))
    touching = (moments[1:] > start_s) & (moments[:-1] < end_s)
    return float(np.diff(moments)[touching].max()) if bool(touching.any()) else None


def visible_step(value: Values) -> float | None:
    """The step that values move in: the smallest difference of which all others are multiples; None where none shows.

    Two plateaus are no steps: there must be many levels, or they must be met again and again. Products of a stepped
    voltage and a stepped current have no common step; a device's file tells theirs.
    """
    value = value[np.isfinite(value)]
    levels = np.unique(np.round(value, 9))
    if len(levels) < 2 or 2 * len(levels) > len(value):
        return None
    runs = 1 + int(np.count_nonzero(value[1:] != value[:-1]))
    if len(levels) < LEVELS_FOR_STEP and runs < RETURNS_FOR_STEP * len(levels):
        return None
    step = float(np.diff(levels).min())
    number = (levels - levels[0]) / step
    return step if bool(np.all(np.abs(number - np.rint(number)) < 0.1)) else None


@dataclass(frozen=True)
class Readings:
    """The sensor's own readings around a window, and what the polls say of its coverage."""

    time_s: Values
    value: Values
    window_s: float
    readings: int
    distinct: int
    period_s: float
    poll_s: float
    update_period_s: float | None
    coverage: float
    longest_gap_s: float
    # How late a reading may be: the update period, or where that is not known the longest that the trace allows.
    lag_s: float


def readings_around(
    time_s: Values, value: Values, start_s: float, end_s: float, update_period_s: float | None, *, closed: bool = True
) -> Readings | str:
    """What a trace says of the window from `start_s` to `end_s`; the reason where that is too little.

    `closed`: a repeat at the very end still tells a power. Of a counter it tells nothing: power never is zero.
    """
    time, value = _valid(time_s, value)
    if not end_s > start_s:
        return f"the window is empty: it ends {start_s - end_s:.3g} s before it begins"
    if len(time) < 2:
        return f"{len(time)} readings: power needs two"
    poll_s = stats.median(np.diff(time))
    kept_time, kept_value = _conversions(time, value, poll_s, update_period_s)
    distinct = int(np.count_nonzero((kept_time >= start_s) & (kept_time <= end_s)))
    if distinct < 2:
        return f"window too short: {distinct} new readings in {end_s - start_s:.3g} s"
    period_s = stats.median(np.diff(kept_time))
    if closed and kept_time[-1] < time[-1]:
        kept_time, kept_value = np.append(kept_time, time[-1]), np.append(kept_value, value[-1])
    unbracketed = _unbracketed(kept_time, start_s, end_s, max(period_s, update_period_s or 0.0))
    if unbracketed:
        return unbracketed
    coverage, longest = _coverage(time, start_s, end_s, period_s)
    # Two readings beyond each edge serve the residuals next to it; what lies further away says nothing here.
    first = max(0, int(np.searchsorted(kept_time, start_s, "right")) - 2)
    last = int(np.searchsorted(kept_time, end_s, "left")) + 2
    readings = int(np.count_nonzero((time >= start_s) & (time <= end_s)))
    kept = kept_time[first:last], kept_value[first:last]
    window_s = end_s - start_s
    lag_s = update_period_s or update_period(time, value) or period_s
    return Readings(*kept, window_s, readings, distinct, period_s, poll_s, update_period_s, coverage, longest, lag_s)


def _valid(time_s: Values, value: Values) -> tuple[Values, Values]:
    """Readings that are numbers, in the order of time; those of one instant become their mean."""
    time, value = np.asarray(time_s, np.float64), np.asarray(value, np.float64)
    known = np.isfinite(time) & np.isfinite(value)
    time, value = time[known], value[known]
    if len(time) < 2 or bool(np.all(np.diff(time) > 0)):
        return time, value
    instants, of = np.unique(time, return_inverse=True)
    return instants, np.bincount(of, value) / np.bincount(of)


def _conversions(time: Values, value: Values, poll_s: float, period_s: float | None) -> tuple[Values, Values]:
    """The sensor's own readings among polls that repeat them.

    A run of equal values that lasts n update periods is n readings: the polls next after n even steps. One reading per
    run would turn five seconds at one power into a ramp to the next; every poll would turn a ramp into stairs, which
    lag behind it. A value was renewed between two polls, on average halfway.
    """
    if period_s is None or period_s < HELD * poll_s:
        return time, value
    begins = np.flatnonzero(np.concatenate(([True], value[1:] != value[:-1])))
    run = np.zeros(len(time), np.int64)
    run[begins[1:]] = 1
    run = np.cumsum(run)
    begin = time[begins]
    length = np.append(begin[1:], max(time[-1], begin[-1] + period_s)) - begin
    count = np.maximum(1.0, np.rint(length / period_s))
    number = np.floor((time - begin[run]) / length[run] * count[run] + 1e-9)
    new = np.concatenate(([True], (run[1:] != run[:-1]) | (number[1:] != number[:-1])))
    halfway = np.minimum(np.diff(time, prepend=time[0]), period_s) / 2
    return (time - halfway)[new], value[new]


def _unbracketed(time: Values, start_s: float, end_s: float, period_s: float) -> str:
    before, after = time[time <= start_s], time[time >= end_s]
    reach = GAP_PERIODS * period_s
    for edge, distance in (
        ("before the window begins", start_s - before[-1] if len(before) else math.inf),
        ("after the window ends", after[0] - end_s if len(after) else math.inf),
    ):
        if distance > reach:
            seen = "there is no reading" if math.isinf(distance) else f"the nearest reading lies {distance:.3g} s"
            return f"{seen} {edge}; one is needed within {reach:.3g} s (three periods)"
    return ""


def _coverage(time: Values, start_s: float, end_s: float, period_s: float) -> tuple[float, float]:
    """Share of the window within 1.5 periods of a reading, and the longest time between two readings around it."""
    gaps = np.diff(time)
    touching = (time[1:] > start_s) & (time[:-1] < end_s)
    half = GAP_PERIODS / 2 * period_s
    begin = np.clip(time[:-1] + half, start_s, end_s)
    end = np.clip(time[1:] - half, start_s, end_s)
    uncovered = float(np.sum(np.maximum(0.0, end - begin)[touching]))
    return 1 - uncovered / (end_s - start_s), float(gaps[touching].max())
