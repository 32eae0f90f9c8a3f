"""Sensor traces cut to the steady part of their trial: rates of counters, values of gauges. NaN is left out."""

from __future__ import annotations

import numpy as np

from harness.analysis import stats
from harness.model.trial import Trace, Trial

# Of onnxruntime, those that run on the processor.
CPU_PROVIDERS = (
    "CPUExecutionProvider", "XnnpackExecutionProvider", "DnnlExecutionProvider", "ACLExecutionProvider",
    "ArmNNExecutionProvider",
)  # fmt: skip


def steady_rate(trial: Trial, collector: str, name: str) -> float | None:
    """Rate of a counter over the steady part, per second; None where it was not read twice there."""
    times, values = _steady(trial, collector, name)
    if len(times) < 2 or times[-1] <= times[0]:
        return None
    return float((values[-1] - values[0]) / (times[-1] - times[0]))


def steady_values(trial: Trial, collector: str, name: str) -> stats.Values:
    """Readings of a channel in the steady part; empty where it was not read."""
    return _steady(trial, collector, name)[1]


def steady_part(trial: Trial, trace: Trace) -> tuple[stats.Values, stats.Values]:
    """Times and values of one trace in the steady part; empty where that was not recorded."""
    window = steady_window(trial)
    if window is None:
        return np.zeros(0), np.zeros(0)
    return within(trace, *window)


def within(trace: Trace, start_s: float, end_s: float) -> tuple[stats.Values, stats.Values]:
    """Times and values of the readings from `start_s` to `end_s`."""
    times, values = known(trace)
    kept = (times >= start_s) & (times <= end_s)
    return times[kept], values[kept]


def steady_window(trial: Trial) -> tuple[float, float] | None:
    """Begin and end of the steady part."""
    start_s, end_s = trial.phases.steady_start_s, trial.phases.steady_end_s
    return None if start_s is None or end_s is None else (start_s, end_s)


def known(trace: Trace) -> tuple[stats.Values, stats.Values]:
    """Times and values of the readings that did not fail."""
    times, values = np.asarray(trace.time_s, np.float64), np.asarray(trace.value, np.float64)
    return times[np.isfinite(values)], values[np.isfinite(values)]


def measured_cores(trial: Trial) -> list[str]:
    """Numbers of the cores that the measured process was pinned to."""
    return [core for core in str(trial.environment.in_force.get("affinity", "")).split(",") if core]


def uses_gpu(trial: Trial) -> bool:
    """Whether the runtime had anything but the processor to run the model on."""
    providers = trial.environment.in_force.get("providers") or []
    return trial.case.backend == "tensorrt" or any(str(one) not in CPU_PROVIDERS for one in providers)


def _steady(trial: Trial, collector: str, name: str) -> tuple[stats.Values, stats.Values]:
    for trace in trial.traces:
        if (trace.channel.collector, trace.channel.name) == (collector, name):
            return steady_part(trial, trace)
    return np.zeros(0), np.zeros(0)
