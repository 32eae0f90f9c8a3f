"""Figures of raw latencies, by the harness's own rules. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

QUANTILES = {
    "latency_p50_s": 0.5,
    "latency_p90_s": 0.9,
    "latency_p95_s": 0.95,
    "latency_p99_s": 0.99,
    "latency_p999_s": 0.999,
}
# As of a launch of the harness: so many samples beyond a quantile, or it is not given (statistics.md, 4.4).
_BEYOND = 5
_NORMAL_MAD = 1.4826


def figures(samples_s: Sequence[float], *, single: bool = True) -> tuple[dict[str, float], dict[str, str]]:
    """Metrics of latencies in order, and reasons for those that they do not support. single: each sample is one
    inference; a mean of several says nothing of a tail."""
    values = np.asarray(samples_s, np.float64)
    found: dict[str, float] = {"latency_mean_s": float(values.mean())}
    missing: dict[str, str] = {}
    for metric, q in QUANTILES.items():
        needed = math.ceil(_BEYOND / (1 - q) - 1e-9)
        if metric != "latency_p50_s" and not single:
            missing[metric] = "a sample is the mean of several inferences, which hides their tail"
        elif metric != "latency_p50_s" and len(values) < needed:
            missing[metric] = f"{len(values)} samples; {metric} needs {needed}"
        else:
            found[metric] = float(np.quantile(values, q))
    if single:
        found["latency_mad_s"] = _NORMAL_MAD * float(np.median(np.abs(values - np.median(values))))
        if len(values) > 1:
            found["latency_jitter_s"] = float(np.abs(np.diff(values)).mean())
    return found, missing
