"""Power of a trial: from its traces and the device's totals to energy, mean power and net energy per launch.

Owns which total is used, what N and T are, and when a figure may not stand as measured. Knows no formula of an
integral (energy.py) and judges no launch (power_checks.py); a figure that is withheld stays readable here, so that it
can be shown under its own label.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from harness.analysis import energy
from harness.analysis.energy import Energy
from harness.analysis.readings import GAP_PERIODS
from harness.analysis.stats import Values
from harness.model.codec import Json
from harness.model.device import Device
from harness.model.power import MEASURED, PowerTotal
from harness.model.trial import Trace, Trial

# The edges of a shorter window weigh more than 10 % (P * period / T): no figure comes of it.
LEAST_PERIODS = 10
LEAST_COVERAGE = 0.95
# A figure that its own readings tell no better than this is none.
WIDEST = 0.5
ENERGY, NET, POWER = "energy_per_inference_j", "net_energy_per_inference_j", "power_mean_w"
NO_POWER = "no power sensor was read on this device"


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


@dataclass(frozen=True)
class Figures:
    """One metric: a value per launch, by how much each may be off beyond what launches show, and how it was got."""

    values: tuple[float, ...]
    errors: tuple[float, ...]
    method: str


def figures(timed: Sequence[Trial], device: Device | None) -> dict[str, Figures | str]:
    """The three metrics of power over the launches, each with its values or with the reason why it has none."""
    if device is None or not timed:
        return dict.fromkeys((ENERGY, NET, POWER), NO_POWER)
    found = [trial_power(trial, device) for trial in timed]
    reasons = [one if isinstance(one, str) else one.withheld for one in found]
    good = [one for one in found if isinstance(one, TrialPower) and not one.withheld]
    if not good:
        return dict.fromkeys((ENERGY, NET, POWER), reasons[0])
    scopes = sorted({f"{one.scope} ({' + '.join(one.channels)})" for one in good})
    if len({one.scope for one in good}) > 1:
        mixed = f"launches were read at different places and are not mixed: {', '.join(scopes)}"
        return dict.fromkeys((ENERGY, NET, POWER), mixed)
    method = _method(good)
    return {
        ENERGY: Figures(tuple(one.energy_per_inference_j for one in good), (0.0,) * len(good), method),
        NET: _net(good, method),
        POWER: Figures(tuple(one.gross.mean_w for one in good), (0.0,) * len(good), method),
    }


def trial_power(trial: Trial, device: Device) -> TrialPower | str:
    """At the first total whose channels were all read; the reason where there is none."""
    if not device.power.totals:
        return f"this device names no total: add one in devices/{device.name}.toml under [power]"
    if trial.case.precision == "scripted":
        return "a scripted model runs on a clock of its own, which no sensor shares"
    reasons: list[str] = []
    for total in device.power.totals:
        read = traces_of(trial, total)
        if not isinstance(read, str):
            return _at(trial, total, read)
        reasons.append(read)
    return "; ".join(dict.fromkeys(reasons))


def total_energy(trial: Trial, total: PowerTotal) -> Energy | str:
    """Gross energy of the steady part at one total; the reason where there is none."""
    read = traces_of(trial, total)
    return read if isinstance(read, str) else _gross(trial, read, total)


def traces_of(trial: Trial, total: PowerTotal) -> list[Trace] | str:
    """The traces of a total's channels, in their order; why not, where one of them was not read."""
    found, reasons = [], []
    for channel in total.channels:
        matching = [trace for trace in trial.traces if _matches(channel, trace) and _was_read(trace)]
        if len(matching) == 1:
            found.append(matching[0])
        else:
            reasons.append(_why_not(trial, channel, matching))
    return "; ".join(dict.fromkeys(reasons)) if reasons else found


def trace_energy(trial: Trial, trace: Trace, start_s: float, end_s: float, step_w: float | None) -> Energy | str:
    """Energy of one channel between two times: a counter's difference for J, an integral for W."""
    time, value = np.asarray(trace.time_s, np.float64), np.asarray(trace.value, np.float64)
    period_s = told_period(trial, trace.channel.collector)
    if trace.channel.unit == "J":
        return energy.counter_energy(time, value, start_s, end_s, update_period_s=period_s)
    if trace.channel.unit == "W":
        return energy.integrate_power(time, value, start_s, end_s, update_period_s=period_s, step_w=step_w)
    return f"{name_of(trace)} is in {trace.channel.unit}: a total needs W or J"


def told_period(trial: Trial, collector: str) -> float | None:
    """A collector's update period as measured when the sensors started; None where it did not show."""
    period_s = (sensor_facts(trial).get("update_period_s") or {}).get(collector)
    return None if period_s is None else float(period_s)


def sensor_facts(trial: Trial) -> dict[str, Json]:
    """What the sensor process said of itself."""
    return dict(trial.environment.facts.get("sensors") or {})


def name_of(trace: Trace) -> str:
    """As in a device's file: collector:channel."""
    return f"{trace.channel.collector}:{trace.channel.name}"


def steady_window(trial: Trial) -> tuple[float, float] | None:
    """Begin and end of the steady part."""
    start_s, end_s = trial.phases.steady_start_s, trial.phases.steady_end_s
    return None if start_s is None or end_s is None else (start_s, end_s)


def gap_reason(gross: Energy) -> str:
    """Why an integral has holes; empty where it has none. A counter counts through a gap in its readings."""
    if gross.method == "counter":
        return ""
    if gross.coverage < LEAST_COVERAGE or gross.longest_gap_s > GAP_PERIODS * gross.period_s:
        return (
            f"readings cover {gross.coverage:.0%} of the steady part; the longest gap is {gross.longest_gap_s:.3g} s, "
            f"at one reading every {gross.period_s:.3g} s"
        )
    return ""


def _at(trial: Trial, total: PowerTotal, read: list[Trace]) -> TrialPower | str:
    gross = _gross(trial, read, total)
    if isinstance(gross, str):
        return gross
    if not len(trial.samples):
        return "no inference was timed in the steady part"
    provenances = sorted({trace.channel.provenance for trace in read})
    unmeasured = [one for one in provenances if one not in MEASURED]
    withheld = f"{' and '.join(unmeasured)}, not measured" if unmeasured else _unfit(gross)
    channels = tuple(name_of(trace) for trace in read)
    provenance, idle = " and ".join(provenances), _idle(trial, read, total)
    return TrialPower(total, channels, _scope(total, read), provenance, gross, len(trial.samples), idle, withheld)


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
    of the first update period may still tell what was before."""
    period_s = told_period(trial, trace.channel.collector) or 0.0
    time, value = np.asarray(trace.time_s, np.float64), np.asarray(trace.value, np.float64)
    inside = np.sort(time[(time >= start_s + period_s) & (time <= end_s) & np.isfinite(value)])
    if len(inside) < 2:
        return f"{len(inside)} readings in {end_s - start_s:.3g} s"
    found = trace_energy(trial, trace, float(inside[0]), float(inside[-1]), step_w)
    return found if isinstance(found, str) else found.mean_w


def _scope(total: PowerTotal, read: Sequence[Trace]) -> str:
    """The device file's word; but one channel that knows better (a counter of the whole module, a meter told where it
    stands) is believed. Rails and made-up words know nothing of totals."""
    told = read[0].channel.scope
    return told if len(read) == 1 and told in ("wall", "board input", "module input", "GPU", "battery") else total.scope


def _net(good: Sequence[TrialPower], method: str) -> Figures | str:
    known = [one for one in good if isinstance(one.idle, Idle)]
    if not known:
        return str(good[0].idle)
    idles = [one.idle for one in known if isinstance(one.idle, Idle)]
    before, after = (float(np.median([getattr(one, name) for one in idles])) for name in ("before_w", "after_w"))
    values = tuple(float(one.net_energy_per_inference_j or 0.0) for one in known)
    idle = f"minus idle of {before:.3g} W before and {after:.3g} W after, interval widened by half their difference"
    return Figures(values, tuple(one.net_error_j for one in known), f"{idle}; {method}")


def _method(good: Sequence[TrialPower]) -> str:
    gross = [one.gross for one in good]
    rate = float(np.median([one.distinct / one.window_s for one in gross]))
    within = max(one.relative for one in gross)
    sources = " or ".join(sorted({" + ".join(one.channels) for one in good}))
    provenances = " or ".join(sorted({one.provenance for one in good}))
    methods = " or ".join(sorted({one.method for one in gross}))
    return (
        f"{good[0].scope}, {provenances} {sources}, {methods}, {rate:.3g} readings/s, "
        f"coverage {min(one.coverage for one in gross):.0%}, each launch known to +-{100 * within:.2g} %"
    )


def _matches(channel: str, trace: Trace) -> bool:
    pattern = ".*".join(re.escape(part) for part in channel.split("*"))
    return re.fullmatch(pattern, name_of(trace)) is not None


def _was_read(trace: Trace) -> bool:
    values: Values = np.asarray(trace.value, np.float64)
    return bool(np.any(np.isfinite(values)))


def _why_not(trial: Trial, channel: str, matching: Sequence[Trace]) -> str:
    if matching:
        several = ", ".join(name_of(trace) for trace in matching)
        return f"{channel} matches {len(matching)} channels ({several}): name one of them in the device's file"
    collector = channel.partition(":")[0]
    reason = (sensor_facts(trial).get("unavailable") or {}).get(collector)
    if reason is not None:
        return f"{collector} could not be read: {reason}"
    names = sorted(trace.channel.name for trace in trial.traces if trace.channel.collector == collector)
    if not names:
        return f"{collector} was not read: add it to collectors in the device's file"
    if any(_matches(channel, trace) for trace in trial.traces):
        return f"{channel} gave no reading"
    powered = [name for name in names if name.endswith(("_power", "_energy"))]
    return f"{collector} has no channel {channel.partition(':')[2]}, only {', '.join(powered) or 'none of power'}"
