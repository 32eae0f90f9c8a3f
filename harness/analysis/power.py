"""Power of one launch at one total: energy, mean power, net energy.

Owns what N and T are, and when a figure may not stand as measured. Knows no formula of an integral (energy.py), chooses
no place over launches (places.py) and judges no launch (power_checks.py); a figure that is withheld stays readable
here, so that it can be shown under its own label.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.analysis import energy
from harness.analysis.energy import Energy
from harness.analysis.readings import GAP_PERIODS
from harness.analysis.remembered import of_trial
from harness.analysis.totals import (
    averaged_over,
    name_of,
    renewal_period,
    trace_energy,
    traces_of,
)
from harness.analysis.traces import steady_window, uses_gpu
from harness.model.device import Device
from harness.model.power import LEAST_COVERAGE, MEASURED, PowerTotal
from harness.model.trial import Trace, Trial

# The edges of a shorter window weigh more than 10 % (P * period / T): no figure comes of it.
LEAST_PERIODS = 10
# A hole of this share of the window is bridged: power would have to double in it to move the energy by as much.
LEAST_GAP = 0.02
# A figure that its own readings tell no better than this is none.
WIDEST = 0.5


@dataclass(frozen=True)
class Idle:
    """Mean power with the model loaded and nothing asked of it, before warm-up and after the steady part."""

    before_w: float
    after_w: float

    @property
    def mean_w(self) -> float:
        """Of both."""
        return (self.before_w + self.after_w) / 2

    @property
    def error_w(self) -> float:
        """Half their difference."""
        return abs(self.before_w - self.after_w) / 2


@dataclass(frozen=True)
class TrialPower:
    """One launch at one total. `channels` as they were found, "collector:channel"; scope and provenance in the words
    of harness.model.power. `idle` is a text where it is not known, and why; `withheld` says why the figures may not
    stand as measured, and is empty where they may."""

    total: PowerTotal
    channels: tuple[str, ...]
    scope: str
    provenance: str
    gross: Energy
    inferences: int
    idle: Idle | str
    withheld: str

    @property
    def energy_per_inference_j(self) -> float:
        """E / N."""
        return self.gross.joules / self.inferences

    @property
    def net_energy_per_inference_j(self) -> float | None:
        """(E - P_idle T) / N."""
        if isinstance(self.idle, str):
            return None
        return (self.gross.joules - self.idle.mean_w * self.gross.window_s) / self.inferences

    @property
    def net_error_j(self) -> float:
        """Half the difference of the two idles, times T, per inference."""
        return 0.0 if isinstance(self.idle, str) else self.idle.error_w * self.gross.window_s / self.inferences


def trial_power(trial: Trial, device: Device) -> TrialPower | str:
    """At the first total that gives a figure which may stand; else the first one withheld; else why there is none."""
    if not device.power.totals:
        return f"this device names no total: add one in devices/{device.name}.toml under [power]"
    reasons, failed = [], []
    shown: TrialPower | None = None
    for total in device.power.totals:
        found = power_at(trial, total, device)
        if isinstance(found, str):
            reasons.append(found)
            failed += [] if isinstance(traces_of(trial, total), str) else [found]
        elif not found.withheld:
            return found
        else:
            shown = shown or found
    if shown is None:
        return "; ".join(dict.fromkeys(reasons))
    return replace(shown, withheld="; ".join(dict.fromkeys([*failed, shown.withheld])))


@of_trial(lambda total, device: (total, device.power.totals))
def power_at(trial: Trial, total: PowerTotal, device: Device) -> TrialPower | str:
    """At this total of the device, withheld or not; the reason where there is none."""
    if trial.case.precision == "scripted":
        return "a scripted model runs on a clock of its own, which no sensor shares"
    read = traces_of(trial, total)
    if isinstance(read, str):
        return read
    for larger in device.power.totals:
        if set(total.channels) < set(larger.channels) and not isinstance(traces_of(trial, larger), str):
            return f"{' + '.join(total.channels)} is only a part of {' + '.join(larger.channels)}, which was read"
    gross = total_energy(trial, total)
    return gross if isinstance(gross, str) else _at(trial, total, read, gross)


@of_trial(lambda total: total)
def total_energy(trial: Trial, total: PowerTotal) -> Energy | str:
    """Gross energy of the steady part at one total; the reason where there is none."""
    read = traces_of(trial, total)
    return read if isinstance(read, str) else _gross(trial, read, total)


def gap_reason(gross: Energy) -> str:
    """Why an integral has holes; empty where it has none. A counter counts through a gap in its readings."""
    if gross.method == "counter":
        return ""
    longest_s = max(GAP_PERIODS * gross.period_s, LEAST_GAP * gross.window_s)
    if gross.coverage < LEAST_COVERAGE or gross.longest_gap_s > longest_s:
        return (
            f"readings cover {gross.coverage:.0%} of the steady part; the longest gap is {gross.longest_gap_s:.3g} s, "
            f"at one reading every {gross.period_s:.3g} s"
        )
    return ""


def _at(trial: Trial, total: PowerTotal, read: list[Trace], gross: Energy) -> TrialPower | str:
    if not len(trial.samples):
        return "no inference was timed in the steady part"
    provenances = sorted({trace.channel.provenance for trace in read})
    unmeasured = [one for one in provenances if one not in MEASURED]
    scope = _scope(total, read)
    if unmeasured:
        withheld = f"{' and '.join(unmeasured)}, not measured"
    elif scope == "GPU" and not uses_gpu(trial):
        withheld = (
            "the model ran on the CPU, of which the GPU's power says nothing: install a runtime with a GPU's provider, "
            "or read a meter at the wall"
        )
    else:
        withheld = _unfit(gross)
    channels = tuple(name_of(trace) for trace in read)
    provenance, idle = " and ".join(provenances), _idle(trial, read, total)
    return TrialPower(total, channels, scope, provenance, gross, len(trial.samples), idle, withheld)


def _gross(trial: Trial, read: Sequence[Trace], total: PowerTotal) -> Energy | str:
    window = steady_window(trial)
    if window is None:
        return "the times of the steady part were not recorded"
    return _added(trace_energy(trial, trace, *window, total.step_w) for trace in read)


def _added(parts: Iterable[Energy | str]) -> Energy | str:
    found = []
    for part in parts:
        if isinstance(part, str):
            return part
        found.append(part)
    return energy.add(found)


def _unfit(gross: Energy) -> str:
    period_s = gross.update_period_s
    if period_s is not None and gross.window_s < LEAST_PERIODS * period_s:
        periods = gross.window_s / period_s
        return (
            f"window too short: {gross.window_s:.3g} s are {periods:.2g} update periods of the sensor; measure for "
            f"{LEAST_PERIODS * period_s:.3g} s or longer (--budget SECONDS)"
        )
    if gross.relative > WIDEST:
        limit = "" if math.isinf(gross.relative) else f" within +-{gross.relative:.0%} only"
        return f"window too short: {gross.distinct} readings of this sensor tell the energy{limit or ' not at all'}"
    return gap_reason(gross)


def _idle(trial: Trial, read: Sequence[Trace], total: PowerTotal) -> Idle | str:
    phases = trial.phases
    means = []
    for name, start_s, end_s in (
        ("before warm-up", phases.idle_before_start_s, phases.idle_before_end_s),
        ("after the steady part", phases.idle_after_start_s, phases.idle_after_end_s),
    ):
        if start_s is None or end_s is None:
            return f"idle {name} was not waited for (idle_s of [power] in the device's file)"
        parts = [_resting(trial, trace, start_s, end_s, total.step_w) for trace in read]
        reason = next((part for part in parts if isinstance(part, str)), None)
        if reason is not None:
            return f"idle {name}: {reason}"
        means.append(sum(part for part in parts if not isinstance(part, str)))
    return Idle(*means)


def _resting(trial: Trial, trace: Trace, start_s: float, end_s: float, step_w: float | None) -> float | str:
    """Mean power between the first and the last reading inside: at the edges of an idle time power steps, and a reading
    of the first update period, or a mean over what was before, may still tell of that."""
    late_s = (renewal_period(trial, trace) or 0.0) + averaged_over(trial, trace)
    time, value = np.asarray(trace.time_s, np.float64), np.asarray(trace.value, np.float64)
    inside = np.sort(time[(time >= start_s + late_s) & (time <= end_s) & np.isfinite(value)])
    if len(inside) < 2:
        return f"{len(inside)} readings in {end_s - start_s:.3g} s"
    found = trace_energy(trial, trace, float(inside[0]), float(inside[-1]), step_w)
    return found if isinstance(found, str) else found.mean_w


def _scope(total: PowerTotal, read: Sequence[Trace]) -> str:
    """The device file's word; but one channel that knows better (a counter of the whole module, a meter told where it
    stands) is believed. Rails and made-up words know nothing of totals."""
    told = read[0].channel.scope
    return told if len(read) == 1 and told in ("wall", "board input", "module input", "GPU", "battery") else total.scope
