"""From the trials of a case to metrics with intervals, and to reasons for those that are missing.

The point of a latency metric is the median over launches of each launch's own statistic, with an order-statistic
interval over launches. Percentiles are printed only where the sample count supports them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from harness.analysis import places, series, stats
from harness.analysis.context import timed_of
from harness.analysis.remembered import of_trial
from harness.model.case import ArtifactFacts
from harness.model.device import Device
from harness.model.metrics import REGISTRY
from harness.model.proportion import wilson_interval
from harness.model.trial import Record, Trial
from harness.model.verdict import Summary

QUANTILES = {
    "latency_p50_s": 0.5,
    "latency_p90_s": 0.9,
    "latency_p95_s": 0.95,
    "latency_p99_s": 0.99,
    "latency_p999_s": 0.999,
}
# Of the whole of a launch, from as many inferences as it has.
STATISTICS: dict[str, Callable[[stats.Values], float]] = {
    "latency_mean_s": lambda values: float(values.mean()),
    "latency_mad_s": stats.spread,
    "latency_jitter_s": stats.jitter,
    "effective_sample_size": series.effective_size,
}
THROUGHPUT = "throughput_per_s"
RECORDED = ("load_s", "first_inference_s", "memory_peak_bytes", "memory_added_bytes")
PER_LAUNCH = (*QUANTILES, *STATISTICS, THROUGHPUT, *RECORDED)
Missing = dict[str, str]
Metrics = dict[str, Summary]


def summarise(record: Record, artifact: ArtifactFacts, device: Device | None = None) -> tuple[Metrics, Missing]:
    """All metrics of the registry: those with a value, and the reason for each of the others.

    `device` names the totals of power; without it there is no energy.
    """
    timed = timed_of(record)
    values = launch_values(timed)
    metrics, missing = _latencies(timed, values)
    for name in RECORDED:
        _put(metrics, missing, name, _of_known(name, values[name]) or "not recorded by the agent")
    _put(metrics, missing, "accuracy_top1", _accuracy(record, artifact))
    _put(metrics, missing, "agreement_top1", _agreement(artifact))
    for name, found in places.figures(timed, device).items():
        _put(metrics, missing, name, found if isinstance(found, str) else _power(name, found))
    without = f"no rule counts {', '.join(artifact.uncounted)}" if artifact.uncounted else "cannot be counted here"
    counted = {"model_size_bytes": artifact.size_bytes, "parameters": artifact.parameters, "macs": artifact.macs}
    for name, count in counted.items():
        _put(metrics, missing, name, without if count is None else _exact(name, count))
    return metrics, missing


def launch_values(timed: Sequence[Trial]) -> dict[str, list[float | None]]:
    """By metric, its own value of each launch, None where it has none or too few inferences for it. Energies are not
    here, as one launch does not tell where all of them were read (`harness.analysis.places`)."""
    rows = [_launch_row(trial) for trial in timed]
    return {name: [row[name] for row in rows] for name in PER_LAUNCH}


def durations(trial: Trial) -> stats.Values:
    """Steady durations in seconds."""
    return np.asarray(trial.samples.duration_s, np.float64)


def _latencies(timed: Sequence[Trial], values: Mapping[str, list[float | None]]) -> tuple[Metrics, Missing]:
    metrics: Metrics = {}
    missing: Missing = {}
    timed = [trial for trial in timed if len(trial.samples)]
    if not timed:
        reason = "no launch of this case finished"
        return metrics, dict.fromkeys((*QUANTILES, *STATISTICS, THROUGHPUT), reason)
    for name, q in QUANTILES.items():
        _put(metrics, missing, name, _percentile(name, timed, [one for one in values[name] if one is not None], q))
    for name in (*STATISTICS, THROUGHPUT):
        _put(metrics, missing, name, _of_known(name, values[name]) or "no time passed while it was measured")
    return metrics, missing


def _percentile(name: str, timed: Sequence[Trial], known: Sequence[float], q: float) -> Summary | str:
    """Per launch where every launch has enough samples, else pooled where the pool has, else the reason why not."""
    if len(known) == len(timed):
        return _over_launches(name, known)
    pooled = np.concatenate([durations(trial) for trial in timed])
    needed = stats.needed_for_quantile(q)
    if len(pooled) < needed:
        return f"{len(pooled)} inferences; p{q * 100:g} needs {needed}"
    method = f"quantile of {len(pooled)} inferences pooled over {len(timed)} launches; no interval"
    return Summary(name, "s", len(timed), stats.quantile(pooled, q), None, None, method)


def _of_known(name: str, values: Sequence[float | None]) -> Summary | None:
    known = [float(value) for value in values if value is not None]
    return _over_launches(name, known) if known else None


@of_trial()
def _launch_row(trial: Trial) -> dict[str, float | None]:
    row: dict[str, float | None] = dict.fromkeys(PER_LAUNCH)
    values, took_s = durations(trial), _steady_duration(trial)
    if len(values):
        ascending = np.sort(values)
        for name, q in QUANTILES.items():
            if len(values) >= stats.needed_per_launch(q):
                row[name] = stats.ordered_quantile(ascending, q)
        row.update({name: statistic(values) for name, statistic in STATISTICS.items()})
        row[THROUGHPUT] = len(values) / took_s if took_s > 0 else None
    row["load_s"], row["first_inference_s"] = trial.phases.load_s, trial.phases.first_inference_s
    row["memory_peak_bytes"] = trial.memory.get("end_peak_rss_bytes")
    row["memory_added_bytes"] = _difference(trial, "after_first_pss_bytes", "before_load_pss_bytes")
    return row


def _over_launches(name: str, values: Sequence[float]) -> Summary:
    low, high = stats.order_interval(values) or (None, None)
    share = stats.covered(len(values))
    method = f"median of {len(values)} launches"
    method += f"; 95 % order-statistic interval (covers {share:.1%})" if share else "; no interval under 6 launches"
    return Summary(name, REGISTRY[name].unit, len(values), float(np.median(values)), low, high, method)


def _power(name: str, found: places.Figures) -> Summary:
    """Over launches as the others, with the place of the sensor; the interval is widened by each launch's own error."""
    over = _over_launches(name, found.values)
    lows, highs = (
        stats.order_interval([value + sign * error for value, error in zip(found.values, found.errors, strict=True)])
        for sign in (-1, 1)
    )
    low, high = (lows[0], highs[1]) if lows and highs else (None, None)
    return replace(over, low=low, high=high, method=f"{over.method}; {found.method}")


def _accuracy(record: Record, artifact: ArtifactFacts) -> Summary | str:
    evaluated = [trial for trial in record.trials if trial.mode == "accuracy" and trial.status == "ok"]
    unit = REGISTRY["accuracy_top1"].unit
    if evaluated and len(evaluated[-1].outputs.top1):
        outputs = evaluated[-1].outputs
        hits, count = int((np.asarray(outputs.top1) == np.asarray(outputs.label)).sum()), len(outputs.top1)
        low, high = wilson_interval(hits, count)
        method = f"measured here on {count} test images, single view; Wilson 95 %"
        return Summary("accuracy_top1", unit, count, hits / count, low, high, method)
    if artifact.accuracy is not None:
        known = artifact.accuracy
        low, high = wilson_interval(known.correct, known.images)
        method = f"recorded in the lock for exactly this artifact ({known.images} images); not measured here"
        return Summary("accuracy_top1", unit, known.images, known.top1, low, high, method)
    return artifact.accuracy_missing or "no labelled data is known for this model"


def _agreement(artifact: ArtifactFacts) -> Summary | str:
    if artifact.parent is None:
        return "has no parent to agree with"
    if artifact.agreement_with_parent is None:
        return "not recorded when the artifact was built"
    share, images = artifact.agreement_with_parent, artifact.accuracy.images if artifact.accuracy else 0
    if not images:
        return "recorded without its number of images"
    low, high = wilson_interval(round(share * images), images)
    method = f"with {artifact.parent}, recorded in the lock ({images} images); not measured here"
    return Summary("agreement_top1", REGISTRY["agreement_top1"].unit, images, share, low, high, method)


def _exact(name: str, count: int) -> Summary:
    value = float(count)
    return Summary(name, REGISTRY[name].unit, 1, value, value, value, "exact, from the artifact")


def _put(metrics: Metrics, missing: Missing, name: str, value: Summary | str) -> None:
    if isinstance(value, str):
        missing[name] = value
    else:
        metrics[name] = value


def _steady_duration(trial: Trial) -> float:
    phases = trial.phases
    if phases.steady_start_s is None or phases.steady_end_s is None:
        return float(durations(trial).sum())
    return phases.steady_end_s - phases.steady_start_s


def _difference(trial: Trial, after: str, before: str) -> float | None:
    if after in trial.memory and before in trial.memory:
        return trial.memory[after] - trial.memory[before]
    return None
