"""Which traces of a trial make up a total, and the energy of each trace: names, sensors' periods, reasons for none."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from harness.analysis import energy
from harness.analysis.energy import Energy
from harness.analysis.readings import longest_hold, update_period
from harness.analysis.stats import Values
from harness.analysis.traces import steady_window
from harness.model.codec import Json
from harness.model.power import PowerTotal
from harness.model.trial import Trace, Trial

# The agent reads a sensor at full speed for so long to see how often it renews its value (harness/agent/polling.py);
# one of which that did not show is no faster, unless its trace shows that it is.
SURVEY_S = 0.6


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
    period_s = renewal_period(trial, trace)
    if trace.channel.unit == "J":
        return energy.counter_energy(time, value, start_s, end_s, update_period_s=period_s)
    if trace.channel.unit == "W":
        return energy.integrate_power(time, value, start_s, end_s, update_period_s=period_s, step_w=step_w)
    return f"{name_of(trace)} is in {trace.channel.unit}: a total needs W or J"


def renewal_period(trial: Trial, trace: Trace) -> float | None:
    """A sensor's update period: as measured when the sensors started, else as its trace shows; None for a feed or a log
    that shows none, whose every line is a reading.

    Of a sensor that was asked and did not show it (told as None), values that hardly ever change tell nothing but that
    the period may be as long as the longest of them was held: a battery's gauge, or a coarse sensor at a steady load.
    """
    told = sensor_facts(trial).get("update_period_s") or {}
    collector = trace.channel.collector
    if told.get(collector) is not None:
        return float(told[collector])
    time, value = np.asarray(trace.time_s, np.float64), np.asarray(trace.value, np.float64)
    shown = update_period(time, value)
    window = steady_window(trial)
    if shown is not None or collector not in told or window is None:
        return shown
    return _shown_by_others(trial, collector) or max(SURVEY_S, longest_hold(time, value, *window) or 0.0)


def _shown_by_others(trial: Trial, collector: str) -> float | None:
    """The shortest period that a channel of this sensor shows: one that rests, as a rail at 0 W does, tells none."""
    shown = [
        update_period(np.asarray(trace.time_s, np.float64), np.asarray(trace.value, np.float64))
        for trace in trial.traces
        if trace.channel.collector == collector and trace.channel.unit in ("W", "J")
    ]
    return min((one for one in shown if one is not None), default=None)


def averaged_over(trial: Trial, trace: Trace) -> float:
    """Seconds whose mean one reading is, where the sensor says that it is one; else 0. NVML does (nvml.h)."""
    label, _, quantity = trace.channel.name.partition("_")
    if trace.channel.collector != "nvml":
        return 0.0
    details = sensor_facts(trial).get("details") or {}
    told = ((details.get("nvml") or {}).get("gpus") or {}).get(label) or {}
    mean = quantity == "average_power" or (quantity == "power" and told.get("power_is") == "mean of 1 s")
    return 1.0 if mean else 0.0


def sensor_facts(trial: Trial) -> dict[str, Json]:
    """What the sensor process said of itself."""
    return dict(trial.environment.facts.get("sensors") or {})


def name_of(trace: Trace) -> str:
    """As in a device's file: collector:channel."""
    return f"{trace.channel.collector}:{trace.channel.name}"


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
