"""From the trials of a case to metrics with intervals, and to reasons for those that are missing.

The point of a latency metric is the median over launches of each launch's own statistic, with an order-statistic
interval over launches. Percentiles are printed only where the sample count supports them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from harness.analysis import places, series, stats
from harness.analysis.context import timed_of
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
PHASES = {"load_s": "load_s", "first_inference_s": "first_inference_s"}
Missing = dict[str, str]
Metrics = dict[str, Summary]


def summarise(record: Record, artifact: ArtifactFacts, device: Device | None = None) -> tuple[Metrics, Missing]:
    """All metrics of the registry: those with a value, and the reason for each of the others.

    `device` names the totals of power; without it there is no energy.
    """
    timed = timed_of(record)
    metrics, missing = _latencies(timed)
    for name in (*PHASES, "memory_peak_bytes", "memory_added_bytes"):
        known = [value for value in launch_values(name, timed) if value is not None]
        _put(metrics, missing, name, _over_launches(name, known) if known else "not recorded by the agent")
    _put(metrics, missing, "accuracy_top1", _accuracy(record, artifact))
    _put(metrics, missing, "agreement_top1", _agreement(artifact))
    for name, found in places.figures(timed, device).items():
        _put(metrics, missing, name, found if isinstance(found, str) else _power(name, found))
    without = f"no rule counts {', '.join(artifact.uncounted)}" if artifact.uncounted else "cannot be counted here"
    counted = {"model_size_bytes": artifact.size_bytes, "parameters": artifact.parameters, "macs": artifact.macs}
    for name, count in counted.items():
        _put(metrics, missing, name, without if count is None else _exact(name, count))
    return metrics, missing


def launch_values(name: str, timed: Sequence[Trial]) -> list[float | None]:
    """A metric's own value of each launch, None where it has none or too few inferences for it; energies are not here,
    as one launch does not tell where all of them were read (`harness.analysis.places`)."""
    return [_launch_value(name, trial) for trial in timed]


def launch_statistics(trials: Sequence[Trial], statistic: Callable[[stats.Values], float]) -> list[float]:
    """One number per launch from its steady durations."""
    return [statistic(durations(trial)) for trial in trials]


def durations(trial: Trial) -> stats.Values:
    """Steady durations in seconds."""
    return np.asarray(trial.samples.duration_s, np.float64)


def _latencies(timed: Sequence[Trial]) -> tuple[Metrics, Missing]:
    metrics: Metrics = {}
    missing: Missing = {}
    timed = [trial for trial in timed if len(trial.samples)]
    if not timed:
        reason = "no launch of this case finished"
        return metrics, dict.fromkeys((*QUANTILES, *STATISTICS, "throughput_per_s"), reason)
    for name, q in QUANTILES.items():
        _put(metrics, missing, name, _percentile(name, timed, q))
    for name in (*STATISTICS, "throughput_per_s"):
        metrics[name] = _over_launches(name, [value for value in launch_values(name, timed) if value is not None])
    return metrics, missing


def _percentile(name: str, timed: Sequence[Trial], q: float) -> Summary | str:
    """Per launch where every launch has enough samples, else pooled where the pool has, else the reason why not."""
    fewest = min(len(trial.samples) for trial in timed)
    if fewest >= stats.needed_per_launch(q):
        return _over_launches(name, launch_statistics(timed, lambda values: stats.quantile(values, q)))
    pooled = np.concatenate([durations(trial) for trial in timed])
    needed = stats.needed_for_quantile(q)
    if len(pooled) < needed:
        return f"{len(pooled)} inferences; p{q * 100:g} needs {needed}"
    method = f"quantile of {len(pooled)} inferences pooled over {len(timed)} launches; no interval"
    return Summary(name, "s", len(timed), stats.quantile(pooled, q), None, None, method)


def _launch_value(name: str, trial: Trial) -> float | None:
    count = len(trial.samples)
    if name in QUANTILES:
        enough = count >= stats.needed_per_launch(QUANTILES[name])
        return stats.quantile(durations(trial), QUANTILES[name]) if enough else None
    if name in STATISTICS:
        return STATISTICS[name](durations(trial)) if count else None
    if name == "throughput_per_s":
        return count / _steady_duration(trial) if count else None
    if name in PHASES:
        return getattr(trial.phases, PHASES[name])  # type: ignore[no-any-return]  # s, or None
    if name == "memory_peak_bytes":
        return trial.memory.get("end_peak_rss_bytes")
    return _difference(trial, "after_first_pss_bytes", "before_load_pss_bytes")


def _over_launches(name: str, values: Sequence[float]) -> Summary:
    interval = stats.order_interval(values)
    low, high = interval or (None, None)
    method = f"median of {len(values)} launches"
    method += "; 95 % order-statistic interval" if interval else "; no interval under 6 launches"
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
