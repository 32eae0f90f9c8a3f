"""Findings: what a reader must know before trusting a case's numbers. One function per check; each is pure.

A finding names what was seen and what to do. "invalid" takes the case out of fronts and gates, "doubt" marks it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.analysis import stats
from harness.analysis.summaries import durations
from harness.model.case import ArtifactFacts, Signature
from harness.model.device import Device
from harness.model.trial import Record, Trace, Trial
from harness.model.verdict import Finding, Summary

# Of the reference output's range: int8 kernels of different CPUs round differently by a few steps of 1/255.
SIGNATURE_TOLERANCE = 0.05
# Two launches of one case on a machine at rest differ by less; more means that something else took part.
LAUNCH_SPREAD = 0.10
STEAL_SHARE = 0.02
CLOCK_SHARE = 0.95
# An accuracy measured here may differ from the lock's by the rounding of other kernels, not by more.
ACCURACY_TOLERANCE = 0.005


@dataclass(frozen=True)
class Context:
    """What the checks look at besides the trials."""

    record: Record
    artifact: ArtifactFacts
    device: Device
    accuracy: Summary | None

    @property
    def timed(self) -> list[Trial]:
        """Finished launches of the timed run."""
        return [trial for trial in self.record.trials if trial.mode == "performance" and trial.status == "ok"]


def findings(context: Context) -> tuple[Finding, ...]:
    """All checks, in the order of the list below."""
    return tuple(finding for check in CHECKS for finding in check(context))


def failed_trials(context: Context) -> Iterator[Finding]:
    """Launches that did not finish."""
    failed = [trial for trial in context.record.trials if trial.status == "failed"]
    if failed:
        severity = "doubt" if context.timed else "invalid"
        yield Finding(
            "trial_failed",
            "doubt" if severity == "doubt" else "invalid",
            f"{len(failed)} of {len(context.record.trials)} trials failed; first: {failed[0].message.splitlines()[0]}",
            "read the whole message in the trial's trial.json; a model that the runtime refuses stays refused",
        )
    elif not context.timed:
        yield Finding("nothing_measured", "invalid", "no launch of this case finished", "run the same command again")


def output_not_finite(context: Context) -> Iterator[Finding]:
    """NaN or infinity in the timed run's output."""
    bad = [trial for trial in context.timed if not trial.outputs.finite]
    if bad:
        yield Finding(
            "output_not_finite",
            "invalid",
            f"the output of {len(bad)} of {len(context.timed)} launches holds NaN or infinity",
            "check the model's weights and the input range it expects; speed over broken numbers means nothing",
        )


def output_mismatch(context: Context) -> Iterator[Finding]:
    """The timed model against the reference output for the same seeded input."""
    expected = context.artifact.signature
    finite = [trial for trial in context.timed if trial.outputs.finite and trial.outputs.signature]
    if expected is None or not finite:
        return
    worst = max(_distance(expected, trial.outputs.signature) for trial in finite)
    if worst > SIGNATURE_TOLERANCE:
        yield Finding(
            "output_mismatch",
            "invalid",
            f"the timed run's output differs from the reference ({expected.source}) by {worst:.1%} of its range",
            "the runtime does not compute this model; try another version or provider",
        )


def accuracy_differs(context: Context) -> Iterator[Finding]:
    """Accuracy measured here against the one recorded for exactly this artifact."""
    known, measured = context.artifact.accuracy, context.accuracy
    if known is None or measured is None or measured.n != known.images or not measured.method.startswith("measured"):
        return
    difference = measured.point - known.top1
    if abs(difference) > ACCURACY_TOLERANCE:
        yield Finding(
            "accuracy_differs",
            "invalid",
            f"top-1 is {measured.point:.2%} here and {known.top1:.2%} in the lock, for the same bytes",
            "the runtime on this device computes something else; compare its version with the lock's",
        )


def not_steady(context: Context) -> Iterator[Finding]:
    """Warm-up that ended by its time limit."""
    restless = [trial for trial in context.timed if trial.phases.warm_up_steady is False]
    if restless:
        share = f"{len(restless)} of {len(context.timed)} launches"
        most = len(restless) * 2 > len(context.timed)
        yield Finding(
            "no_steady_state",
            "doubt" if most else "note",
            f"{share} did not reach a steady latency within the warm-up's time limit",
            "close other programs; see `harness doctor`",
        )


def budget_spent(context: Context) -> Iterator[Finding]:
    """Launches that stopped before both minima were reached."""
    short = [trial for trial in context.timed if not trial.stop_reason.startswith("minimum")]
    if short:
        yield Finding(
            "too_short",
            "doubt",
            f"{len(short)} launches stopped early ({short[0].stop_reason}) with {len(short[0].samples)} inferences",
            "raise the scenario's budget_s",
        )


def launches_disagree(context: Context) -> Iterator[Finding]:
    """Fresh processes with different medians."""
    medians = [stats.quantile(durations(trial), 0.5) for trial in context.timed if len(trial.samples)]
    if len(medians) > 1 and max(medians) > min(medians) * (1 + LAUNCH_SPREAD):
        yield Finding(
            "launches_disagree",
            "doubt",
            f"medians of the launches range from {min(medians) * 1e3:.4g} to {max(medians) * 1e3:.4g} ms",
            "something else took part: other load, heat or clocks; repeat on a quiet machine",
        )


def machine_busy(context: Context) -> Iterator[Finding]:
    """CPU time that other processes took during the steady part."""
    limit = context.device.limits.other_load_cores
    rates = [rate for trial in context.timed for rate in _rates(trial, "others", "other_busy")]
    if rates and float(np.median(rates)) > limit:
        yield Finding(
            "machine_busy",
            "doubt",
            f"other processes kept {float(np.median(rates)):.2f} cores busy (limit {limit:g})",
            "close other programs and repeat",
        )


def time_stolen(context: Context) -> Iterator[Finding]:
    """CPU time that the hypervisor gave to somebody else."""
    shares = []
    for trial in context.timed:
        cores = str(trial.environment.in_force.get("affinity", "")).split(",")
        shares += [rate for core in cores for rate in _rates(trial, "cpu", f"cpu{core}_steal")]
    if shares and max(shares) > STEAL_SHARE:
        yield Finding(
            "time_stolen",
            "doubt",
            f"the hypervisor took up to {max(shares):.1%} of a measured core in a launch",
            "measure on a machine of your own, or trust only paired comparisons here",
        )


def clock_changed(context: Context) -> Iterator[Finding]:
    """A measured core's clock that fell during the steady part."""
    for trial in context.timed:
        for core in str(trial.environment.in_force.get("affinity", "")).split(","):
            values = _steady_values(trial, "cpu", f"cpu{core}_clock")
            if len(values) and values.min() < CLOCK_SHARE * values.max():
                yield Finding(
                    "clock_changed",
                    "doubt",
                    f"core {core} ran between {values.min() / 1e9:.2f} and {values.max() / 1e9:.2f} GHz in launch "
                    f"{trial.launch}",
                    "set the governor to performance, or cool the board",
                )
                return


def too_hot(context: Context) -> Iterator[Finding]:
    """A thermal zone above the device's limit."""
    limit = context.device.limits.temperature_c
    hottest: tuple[float, str] = (-math.inf, "")
    for trial in context.timed:
        for trace in trial.traces:
            values = _in_steady(trial, trace) if trace.channel.collector == "thermal" else np.zeros(0)
            if len(values):
                hottest = max(hottest, (float(values.max()), trace.channel.name))
    if hottest[0] > limit:
        yield Finding(
            "too_hot",
            "doubt",
            f"zone {hottest[1]} reached {hottest[0]:.0f} degC (limit {limit:g})",
            "cool the board; throttling may have begun",
        )


def settings_refused(context: Context) -> Iterator[Finding]:
    """Settings that could not be put in force."""
    problems = sorted({text for t in context.timed for text in t.environment.in_force.get("problems", [])})
    if problems:
        yield Finding("settings_refused", "doubt", "; ".join(problems), "grant the right or ask for another setting")


def sensors_missing(context: Context) -> Iterator[Finding]:
    """Collectors that could not be read."""
    reasons: dict[str, str] = {}
    for trial in context.timed:
        sensors = trial.environment.facts.get("sensors") or {}
        reasons.update(sensors.get("unavailable", {}))
    for name, reason in sorted(reasons.items()):
        yield Finding("sensor_missing", "note", f"{name}: {reason}", "what it would show is missing, not zero")


def damaged_files(context: Context) -> Iterator[Finding]:
    """Trials that lie in the store and cannot be read."""
    if context.record.damaged:
        yield Finding(
            "trials_damaged",
            "doubt",
            f"{len(context.record.damaged)} trial folders were left out: {context.record.damaged[0]}",
            "remove the named folder and give the same command again",
        )


CHECKS: Sequence[Callable[[Context], Iterator[Finding]]] = (
    failed_trials,
    output_not_finite,
    output_mismatch,
    accuracy_differs,
    not_steady,
    budget_spent,
    launches_disagree,
    machine_busy,
    time_stolen,
    clock_changed,
    too_hot,
    settings_refused,
    damaged_files,
    sensors_missing,
)


def _distance(expected: Signature, found: Sequence[float]) -> float:
    """Root mean square difference as a share of the reference's range; 1 where the shapes differ.

    Not the largest: where a quantizer has few steps, a tie that another kernel rounds the other way moves one value by
    8 % of the range while 97 % of the values are equal (one QDQ convolution, onnxruntime's own two graphs).
    """
    if len(expected.values) != len(found):
        return 1.0
    reference, values = np.asarray(expected.values), np.asarray(found)
    extent = max(float(np.ptp(reference)), 1e-6)
    return math.sqrt(float(np.mean((reference - values) ** 2))) / extent


def _rates(trial: Trial, collector: str, name: str) -> list[float]:
    """Rate of a counter over the steady part, per second; empty where it was not read twice there."""
    for trace in trial.traces:
        if (trace.channel.collector, trace.channel.name) == (collector, name):
            inside = _steady_mask(trial, trace)
            times, values = np.asarray(trace.time_s)[inside], np.asarray(trace.value)[inside]
            if len(times) > 1 and times[-1] > times[0]:
                return [float((values[-1] - values[0]) / (times[-1] - times[0]))]
    return []


def _steady_values(trial: Trial, collector: str, name: str) -> stats.Values:
    for trace in trial.traces:
        if (trace.channel.collector, trace.channel.name) == (collector, name):
            return _in_steady(trial, trace)
    return np.zeros(0)


def _in_steady(trial: Trial, trace: Trace) -> stats.Values:
    values: stats.Values = np.asarray(trace.value, np.float64)[_steady_mask(trial, trace)]
    known: stats.Values = values[~np.isnan(values)]
    return known


def _steady_mask(trial: Trial, trace: Trace) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    times = np.asarray(trace.time_s)
    start, end = trial.phases.steady_start_s, trial.phases.steady_end_s
    if start is None or end is None:
        return np.zeros(len(times), bool)
    return (times >= start) & (times <= end)
