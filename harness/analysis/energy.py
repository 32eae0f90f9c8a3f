"""Energy over one window: the integral of a power trace, or the difference of a counter, each with its interval.

Pure numpy. Knows no trial, no device and no sensor by name; what it is told of a sensor is how often it renews its
value and in which steps. The interval is of one window and covers what the readings themselves can tell: coarse steps,
sparse readings, edges, late readings. A shunt that reads 2 % too high is outside of it, and no trace can show it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.analysis.readings import Readings, readings_around, visible_step
from harness.analysis.stats import Values

# Factor of a standard error in place of 1.96: variances are estimates too, and 95 % is the least that is promised.
SURE = 2.2
# Variance in squared steps from which rounding behaves as noise: normal readings that spread over 0.47 of a step have
# this much, and the mean of their roundings is wrong by 0.4 % of a step at most (see `_rounding_bias`).
DITHERED = 0.3


@dataclass(frozen=True)
class Energy:
    """Energy over a window. low_j and high_j: 95 % interval within this one window.

    readings: those in the window that are numbers; distinct: those of them that are no repeats; period_s: median time
    between these. coverage: share of the window within 1.5 periods of a reading. step_w: the step that the values move
    in, as told or as seen, None where none shows. update_period_s: the sensor's own period, as told or as estimated.
    """

    joules: float
    low_j: float
    high_j: float
    window_s: float
    readings: int
    distinct: int
    period_s: float
    coverage: float
    longest_gap_s: float
    step_w: float | None
    method: str
    update_period_s: float | None = None

    @property
    def mean_w(self) -> float:
        """Energy over time."""
        return self.joules / self.window_s

    @property
    def relative(self) -> float:
        """Half the interval as a share of the energy; infinite where there is none."""
        return (self.high_j - self.low_j) / 2 / self.joules if self.joules > 0 else math.inf


def integrate_power(
    time_s: Values,
    power_w: Values,
    start_s: float,
    end_s: float,
    *,
    update_period_s: float | None = None,
    step_w: float | None = None,
) -> Energy | str:
    """Trapezoids from `start_s` to `end_s`, interpolated at both edges; the reason where there is none.

    Where no `update_period_s` is given, every reading is taken for a new one.
    E = sum of W_i v_i over the sensor's own readings v_i, W_i in seconds. The half width of the interval is
    2.2 sqrt(noise + rounding) + curvature + edges + lag:
    noise: sum of W_i^2 r_i^2 / (1 + a^2 + b^2), with r_i = v_i - a v_(i-1) - b v_(i+1), what a line between the
    neighbours does not explain; curvature: |sum of W_i r_i| / 3, as a comparison with half the readings would give;
    rounding: `_rounding_variance`; edges: in the cell that holds an edge, at a share f of it, power may have stepped at
    any time, f (1 - f/2) h |step|; lag: a reading is up to one update period old, or the mean over the
    last one, and late by so much times the change of power over the window.
    """
    step = step_w if step_w is not None else visible_step(power_w)
    trace = readings_around(time_s, power_w, start_s, end_s, update_period_s)
    if isinstance(trace, str):
        return trace
    time, value = trace.time_s, trace.value
    weight = _weights(time, start_s, end_s)
    joules = float(weight @ value)
    residual, scale = _residuals(time, value)
    noise = float(np.sum((weight * residual) ** 2 / scale))
    inside = (time >= start_s) & (time <= end_s)
    rounding = 0.0 if step is None else _rounding_variance(value[inside], step) * (end_s - start_s) ** 2
    curvature = abs(float(weight @ residual)) / 3
    half = _z(int(inside.sum())) * math.sqrt(noise + rounding) + curvature + _power_edges(trace, start_s, end_s)
    return _energy(trace, joules, half, step, "trapezoids")


def counter_energy(
    time_s: Values, joules: Values, start_s: float, end_s: float, *, update_period_s: float | None = None
) -> Energy | str:
    """The counter's value at the end minus that at the start, both interpolated; the reason where there is none.

    The counter is cumulative, in J, unwrapped already: a fall is a reset. The half width of the interval is
    2.2 P age / sqrt(6) + step + edges + lag: age: a value is up to an update period old at either edge (or up to a
    poll, where repeats show when it was renewed); step: where the counter stood still for whole periods, its smallest
    rise; edges: f (1 - f) h times the range of power around the cell that holds the edge; lag: as in `integrate_power`.
    """
    trace = readings_around(time_s, joules, start_s, end_s, update_period_s, closed=False)
    if isinstance(trace, str):
        return trace
    time, value = trace.time_s, trace.value
    falls = np.flatnonzero(np.diff(value) < 0)
    if len(falls):
        before, after = value[falls[0]], value[falls[0] + 1]
        return f"the counter fell from {before:.6g} to {after:.6g} J: it was reset, or a wrap went unseen"
    first, last = np.interp([start_s, end_s], time, value)
    total = float(last - first)
    if total <= 0:
        return f"the counter stood still for the whole window of {end_s - start_s:.3g} s"
    age = min(trace.update_period_s or trace.poll_s, trace.poll_s)
    rises = np.diff(value)
    step = float(rises[rises > 0].min()) if bool(np.any(rises == 0)) else 0.0
    random = total / (end_s - start_s) * age / math.sqrt(6)
    half = SURE * random + step + _counter_edges(trace, start_s, end_s)
    return _energy(trace, total, half, None, "counter")


def add(parts: list[Energy]) -> Energy:
    """Several channels over the same window as one total. Errors may have one cause, so that half widths are added."""
    known_steps = [part.step_w for part in parts if part.step_w is not None]
    periods = [part.update_period_s for part in parts if part.update_period_s is not None]
    return Energy(
        joules=sum(part.joules for part in parts),
        low_j=sum(part.low_j for part in parts),
        high_j=sum(part.high_j for part in parts),
        window_s=parts[0].window_s,
        readings=min(part.readings for part in parts),
        distinct=min(part.distinct for part in parts),
        period_s=max(part.period_s for part in parts),
        coverage=min(part.coverage for part in parts),
        longest_gap_s=max(part.longest_gap_s for part in parts),
        step_w=max(known_steps, default=None),
        method=" and ".join(sorted({part.method for part in parts})),
        update_period_s=max(periods, default=None),
    )


def _energy(trace: Readings, joules: float, half_j: float, step_w: float | None, method: str) -> Energy:
    return Energy(
        joules,
        joules - half_j,
        joules + half_j,
        trace.window_s,
        trace.readings,
        trace.distinct,
        trace.period_s,
        trace.coverage,
        trace.longest_gap_s,
        step_w,
        method,
        trace.update_period_s,
    )


def _weights(time: Values, start_s: float, end_s: float) -> Values:
    """Seconds that each reading stands for: the integral over the window of the hat function around it."""
    left, right = time[:-1], time[1:]
    begin, end = np.clip(left, start_s, end_s), np.clip(right, start_s, end_s)
    share = ((begin + end) / 2 - left) / (right - left)
    seconds = end - begin
    weight = np.zeros(len(time))
    weight[:-1] += seconds * (1 - share)
    weight[1:] += seconds * share
    return weight


def _residuals(time: Values, value: Values) -> tuple[Values, Values]:
    """What a line between a reading's neighbours does not explain, and how many variances of one reading it holds."""
    residual, scale = np.zeros(len(time)), np.ones(len(time))
    if len(time) > 2:
        share = (time[1:-1] - time[:-2]) / (time[2:] - time[:-2])
        residual[1:-1] = value[1:-1] - (1 - share) * value[:-2] - share * value[2:]
        scale[1:-1] = 1 + (1 - share) ** 2 + share**2
    return residual, scale


def _z(count: int) -> float:
    """Factor of the standard error; more from few residuals: Student's t of about half as many degrees of freedom."""
    return SURE + 6 / max(count, 1)


def _rounding_variance(value: Values, step: float) -> float:
    """Variance of the mean's error from readings in steps, in W^2.

    One reading is wrong by step/sqrt(12), and so is the mean of a thousand equal ones: readings on one level share
    their error. Only where readings spread over several neighbouring levels does rounding average out. So neighbouring
    levels form a cluster; one that is wide enough has the bias of `_rounding_bias`, in another one each level adds its
    share squared times step^2/12. A wide cluster may also come from a drift, which shares the error along each run of
    equal readings.
    """
    number = np.rint((value - value.min()) / step)
    ends = np.flatnonzero(np.concatenate((number[1:] != number[:-1], [True])))
    runs = np.diff(ends, prepend=-1) / len(value)
    levels, counts = np.unique(number, return_counts=True)
    share = counts / len(value)
    cluster = np.cumsum(np.diff(levels, prepend=levels[0]) > 1)
    drifting = np.bincount(cluster[np.searchsorted(levels, number[ends])], runs**2) / 12
    weight = np.bincount(cluster, share)
    mean = np.bincount(cluster, share * levels) / weight
    spread = np.bincount(cluster, share * levels**2) / weight - mean**2
    correlated = np.bincount(cluster, share**2) / 12
    bias = _rounding_bias(np.sqrt(np.maximum(0.0, spread - 1 / 12))) ** 2 / 2 * weight**2
    return float(np.sum(np.where(spread >= DITHERED, bias + drifting, correlated))) * step**2


def _rounding_bias(spread: Values) -> Values:
    """Largest error of the mean of rounded normal values, in steps, by their standard deviation in steps.

    First term of the Fourier series of the rounding error; Widrow and Kollar, Quantization Noise, chapter 4.
    """
    bias: Values = np.exp(-2 * np.pi**2 * spread**2) / np.pi
    return bias


def _power_edges(trace: Readings, start_s: float, end_s: float) -> float:
    time, value = trace.time_s, trace.value
    total = 0.0
    for edge, sign in ((start_s, -1), (end_s, 1)):
        cell = _cell(time, edge)
        width = time[cell + 1] - time[cell]
        inside = (edge - time[cell]) / width if sign > 0 else (time[cell + 1] - edge) / width
        total += float(inside * (1 - inside / 2) * width * abs(value[cell + 1] - value[cell]))
    first, last = np.interp([start_s, end_s], time, value)
    return total + trace.lag_s * float(abs(last - first))


def _counter_edges(trace: Readings, start_s: float, end_s: float) -> float:
    time, value = trace.time_s, trace.value
    power: NDArray[np.float64] = np.diff(value) / np.diff(time)
    total, at_edge = 0.0, []
    for edge in (start_s, end_s):
        cell = _cell(time, edge)
        near = power[max(0, cell - 1) : cell + 2]
        width = time[cell + 1] - time[cell]
        share = (edge - time[cell]) / width
        total += float(share * (1 - share) * width * (near.max() - near.min()))
        at_edge.append(float(power[cell]))
    return total + trace.lag_s * abs(at_edge[1] - at_edge[0])


def _cell(time: Values, edge: float) -> int:
    """Number of the reading at whose right the edge lies."""
    return int(np.clip(np.searchsorted(time, edge, "right") - 1, 0, len(time) - 2))
