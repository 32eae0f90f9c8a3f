"""The registry of metrics: name, unit, which direction is better, what it means, how it is shown.

Values are SI inside; scaling to ms, MB or % happens in `show` alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

# Beyond this a plain decimal is harder to read than a power of ten.
MOST_DECIMALS = 6


@dataclass(frozen=True)
class Metric:
    """`meaning` is the definition a reader gets beside the number."""

    name: str
    unit: str
    better: Literal["lower", "higher"]
    label: str
    meaning: str
    shown_unit: str = ""
    scale: float = 1.0
    digits: int = 3


_METRICS = (
    Metric("accuracy_top1", "1", "higher", "top-1", "share of images whose largest logit is the label", "%", 100, 4),
    Metric("agreement_top1", "1", "higher", "agreement", "share of images with the parent's prediction", "%", 100, 4),
    Metric("latency_p50_s", "s", "lower", "p50", "median latency of one query, host clock, per launch", "ms", 1e3),
    Metric("latency_p90_s", "s", "lower", "p90", "90th percentile of latency (single-stream headline)", "ms", 1e3),
    Metric("latency_p95_s", "s", "lower", "p95", "95th percentile of latency", "ms", 1e3),
    Metric("latency_p99_s", "s", "lower", "p99", "99th percentile of latency", "ms", 1e3),
    Metric("latency_p999_s", "s", "lower", "p99.9", "99.9th percentile of latency", "ms", 1e3),
    Metric("latency_mean_s", "s", "lower", "mean", "arithmetic mean of latency", "ms", 1e3),
    Metric(
        "latency_mad_s", "s", "lower", "MAD",
        "median absolute deviation of latency from its median, times 1.4826: a normal spread's standard deviation",
        "ms", 1e3,
    ),
    Metric(
        "latency_jitter_s", "s", "lower", "jitter",
        "mean absolute difference of successive latencies (delay variation as of RFC 3393, its mean size)", "ms", 1e3,
    ),
    Metric(
        "effective_sample_size", "1", "higher", "ESS",
        "inferences over the autocorrelation time of being below the median, per launch: a diagnostic, in no interval",
    ),
    Metric("throughput_per_s", "1/s", "higher", "throughput", "queries finished over wall time of steady state", "/s"),
    Metric("load_s", "s", "lower", "load", "creating the session from the file, runtime already imported", "ms", 1e3),
    Metric("first_inference_s", "s", "lower", "first", "the first inference after loading", "ms", 1e3),
    Metric(
        "memory_peak_bytes", "B", "lower", "peak RSS", "VmHWM of the measured process, timed run", "MiB", 2**-20
    ),
    Metric(
        "memory_added_bytes", "B", "lower", "model PSS",
        "PSS after the first inference minus PSS before loading, runtime already imported", "MiB", 2**-20,
    ),
    Metric("energy_per_inference_j", "J", "lower", "energy", "gross measured energy per inference", "mJ", 1e3),
    Metric("net_energy_per_inference_j", "J", "lower", "net energy", "gross minus idle, per inference", "mJ", 1e3),
    Metric("power_mean_w", "W", "lower", "power", "mean measured power over steady state", "W"),
    Metric("model_size_bytes", "B", "lower", "size", "bytes of the artifact on disk", "MB", 1e-6),
    Metric("parameters", "1", "lower", "parameters", "trained values in the artifact", "M", 1e-6),
    Metric("macs", "1", "lower", "MACs", "multiply-accumulates of one image (1 MAC = 2 FLOPs)", "M", 1e-6),
)  # fmt: skip
REGISTRY: dict[str, Metric] = {metric.name: metric for metric in _METRICS}


def show(name: str, value: float) -> str:
    """A value in its shown unit with the registry's significant digits, trailing zeros kept, without the unit."""
    metric = REGISTRY[name]
    return significant(value * metric.scale, metric.digits)


def significant(value: float, digits: int) -> str:
    """A number with so many significant digits, trailing zeros kept; a power of ten where it is too small to read."""
    if value == 0:
        return "0"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    if decimals > MOST_DECIMALS:
        return f"{value:.{digits - 1}e}"
    rounded = round(value, decimals)
    return f"{rounded:.{max(0, decimals)}f}"
