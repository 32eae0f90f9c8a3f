"""A run as a report would meet it: four variants, six launches each, with what goes wrong in practice.

fast: the fp32 parent, valid. fast-int8: faster, slightly less accurate, valid. sketch: random weights, so it has no
accuracy. wide: throttled, hence invalid. Numbers are drawn from one seed; summaries are computed from the samples.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from array import array
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from harness.model.case import Accuracy, ArtifactFacts, Case, Scenario, Settings, StopRule, TensorSpec
from harness.model.metrics import REGISTRY
from harness.model.trial import Channel, Record, Samples, Trace, Trial
from harness.model.verdict import CaseResult, Finding, RunResult, Summary, verdict_of

LAUNCHES = 6
STARTED = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
MEDIANS_S = {"fast": 1.06e-3, "fast-int8": 0.312e-3, "sketch": 0.58e-3, "wide": 3.9e-3}
CORRECT = {"fast": 9398, "fast-int8": 9291, "wide": 9544}
PARENTS = {"fast-int8": "fast"}
NO_POWER = "no power sensor is readable on this machine; attach a meter, or run on a board with a rail monitor"
NO_ACCURACY = "its weights are random: an accuracy would mean nothing"
THROTTLED = Finding(
    "throttled",
    "invalid",
    "the clock fell from 1.8 to 1.2 GHz in 4 of 6 launches while the hottest zone was at 84 °C",
    "cool the board, or pin the clock to a value it can hold, and run this case again",
)
BACKGROUND = Finding(
    "background-load",
    "note",
    "other processes kept 0.05 cores busy at the median; the limit is 0.2",
    "",
)
_CHANNELS = (
    Channel("thermal", "cpu-thermal_0", "degC", "gauge", "zone", "thermal zone"),
    Channel("thermal", "gpu-thermal_1", "degC", "gauge", "zone", "thermal zone"),
    Channel("cpu", "cpu3_clock", "Hz", "gauge", "core", "cpufreq"),
    Channel("others", "other_busy", "s", "counter", "machine", "kernel counter"),
)


def example_run(names: tuple[str, ...] = tuple(MEDIANS_S)) -> tuple[RunResult, dict[str, Record]]:
    """The result and the records by case id, of the named variants."""
    records = {}
    results = []
    for index, name in enumerate(names):
        case = example_case(name)
        trials = tuple(_trial(case, launch, launch * len(names) + index) for launch in range(LAUNCHES))
        records[case.id] = Record(case, trials)
        results.append(_result(case, trials))
    return RunResult(_run(len(names)), _DEVICE, _ENVIRONMENT, tuple(results), _SKIPS), records


def example_case(name: str) -> Case:
    """One cell: `name` on four cores, one thread."""
    return Case(
        suite="cifar10",
        variant=name,
        artifact_sha256=hashlib.sha256(name.encode()).hexdigest(),
        precision="int8" if name.endswith("int8") else "fp32",
        backend="onnxruntime",
        device="pi4",
        scenario=Scenario(stop=StopRule(min_count=64, min_duration_s=1.0)),
        settings=Settings(threads=1, affinity="3"),
        inputs=(TensorSpec("image", "float32", (1, 3, 32, 32)),),
        input_seed=7,
    )


def renamed(result: RunResult, records: dict[str, Record], old: str, new: str) -> tuple[RunResult, dict[str, Record]]:
    """The same run with one variant called otherwise."""
    cases = []
    moved = dict(records)
    for one in result.cases:
        if one.case.variant != old:
            parent = new if one.artifact.parent == old else one.artifact.parent
            cases.append(replace(one, artifact=replace(one.artifact, parent=parent)))
            continue
        case = replace(one.case, variant=new)
        record = moved.pop(one.case.id)
        moved[case.id] = replace(record, case=case)
        cases.append(replace(one, case=case, artifact=replace(one.artifact, variant=new)))
    return replace(result, cases=tuple(cases)), moved


def with_case(result: RunResult, variant: str, **changes: object) -> RunResult:
    """The same result with fields of one case result replaced."""
    cases = tuple(replace(one, **changes) if one.case.variant == variant else one for one in result.cases)
    return replace(result, cases=cases)


def without_metric(result: RunResult, metric: str, reason: str) -> RunResult:
    """The same result with a metric missing everywhere."""
    cases = tuple(
        replace(
            one,
            metrics={name: summary for name, summary in one.metrics.items() if name != metric},
            missing={**one.missing, metric: reason},
        )
        for one in result.cases
    )
    return replace(result, cases=cases)


def _trial(case: Case, launch: int, order: int) -> Trial:
    random = np.random.default_rng([zlib.crc32(case.variant.encode()), launch])
    median = MEDIANS_S[case.variant] * (1 + 0.004 * random.standard_normal())
    count = min(1500, int(1.2 / median))
    duration = median * np.exp(0.015 * random.standard_normal(count)) + median * 0.02 * random.exponential(1, count)
    slow = random.random(count) < 0.006
    duration[slow] += median * random.exponential(1.5, int(slow.sum()))
    hot = case.variant == "wide" and launch >= 2
    if hot:
        duration[count // 2 :] *= 1.45
    origin = 1000.0 * (launch + 1)  # each trial has its own clock
    start = origin + 0.6 + np.concatenate([[0.0], np.cumsum(duration[:-1] + 2e-6)])
    warm_up = Samples(array("d", [origin + 0.3]), array("d", [median * 4]), array("d", [0.0]))
    return Trial(
        id=f"{case.id}-p{launch}",
        run="20260314-092653-pi4",
        case=case,
        mode="performance",
        launch=launch,
        order=order,
        started_utc=(STARTED + timedelta(seconds=4 * order)).isoformat(),
        status="ok",
        stop_reason="minima reached",
        warm_up=warm_up,
        samples=Samples(array("d", start), array("d", duration), array("d", np.arange(count) // 64)),
        traces=_traces(random, origin, float(start[-1] - origin), order, hot=hot),
    )


def _traces(random: np.random.Generator, origin: float, length_s: float, order: int, *, hot: bool) -> tuple[Trace, ...]:
    times = origin + np.arange(0.0, length_s, 0.05)
    warm = 52 + 14 * (1 - math.exp(-order / 8)) + np.linspace(0, 1.5, len(times))
    cpu = np.round(warm + 18 * hot + 0.2 * random.standard_normal(len(times)), 1)
    cpu[3] = math.nan
    clock = np.where((np.arange(len(times)) > len(times) // 2) & hot, 1.2e9, 1.8e9)
    other = np.round(np.cumsum(np.full(len(times), 0.05 * 0.05)) + 3.0, 2)
    values = (cpu, cpu - 2.5, clock, other)
    return tuple(Trace(c, array("d", times), array("d", v)) for c, v in zip(_CHANNELS, values, strict=True))


def _result(case: Case, trials: tuple[Trial, ...]) -> CaseResult:
    name = case.variant
    findings = {"wide": (THROTTLED,), "fast": (BACKGROUND,)}.get(name, ())
    per_launch = np.array([np.quantile(trial.samples.duration_s, [0.5, 0.9, 0.99]) for trial in trials])
    metrics = {
        metric: _over_launches(metric, per_launch[:, index])
        for index, metric in enumerate(("latency_p50_s", "latency_p90_s", "latency_p99_s"))
    }
    rate = np.array([len(t.samples) / (t.samples.start_s[-1] - t.samples.start_s[0]) for t in trials])
    metrics["throughput_per_s"] = _over_launches("throughput_per_s", rate)
    peak = (61.5 + 9.1 * (name == "wide") + 0.05 * np.arange(LAUNCHES)) * 2**20
    metrics["memory_peak_bytes"] = _over_launches("memory_peak_bytes", peak)
    metrics["load_s"] = _over_launches("load_s", 0.021 + 0.001 * np.arange(LAUNCHES))
    metrics["first_inference_s"] = _over_launches("first_inference_s", per_launch[:, 0] * 5)
    size = {"fast": 1_102_344, "fast-int8": 331_872, "sketch": 612_040, "wide": 4_310_022}[name]
    parameters = {"fast": 272_474, "fast-int8": 272_474, "sketch": 150_026, "wide": 1_073_962}[name]
    macs = {"fast": 40_813_184, "fast-int8": 40_813_184, "sketch": 22_100_992, "wide": 161_220_352}[name]
    for metric, value in (("model_size_bytes", size), ("parameters", parameters), ("macs", macs)):
        metrics[metric] = Summary(metric, REGISTRY[metric].unit, 1, float(value), float(value), float(value), "exact")
    missing = {"energy_per_inference_j": NO_POWER, "net_energy_per_inference_j": NO_POWER, "power_mean_w": NO_POWER}
    accuracy = Accuracy(CORRECT[name], 10_000, "cifar10-test") if name in CORRECT else None
    if accuracy:
        half = 1.96 * math.sqrt(accuracy.top1 * (1 - accuracy.top1) / accuracy.images)
        metrics["accuracy_top1"] = Summary(
            "accuracy_top1", "1", accuracy.images, accuracy.top1, accuracy.top1 - half, accuracy.top1 + half,
            "recorded in the lock for exactly this artifact (10000 images); not measured here",
        )  # fmt: skip
    else:
        missing["accuracy_top1"] = NO_ACCURACY
    artifact = ArtifactFacts(
        name, f"{name}.onnx", case.artifact_sha256, size, case.precision, recipe_id=case.id[::-1],
        parent=PARENTS.get(name), parameters=parameters, macs=macs, seed=None if name == "sketch" else 1,
        accuracy=accuracy, accuracy_missing=None if accuracy else NO_ACCURACY,
    )  # fmt: skip
    return CaseResult(case, artifact, verdict_of(findings), findings, metrics, missing)


def _over_launches(metric: str, values: np.ndarray) -> Summary:
    method = "median over launches; interval between the least and the greatest of 6, 96.9 %"
    low, high = float(values.min()), float(values.max())
    return Summary(metric, REGISTRY[metric].unit, len(values), float(np.median(values)), low, high, method)


def _run(variants: int) -> dict[str, object]:
    trials = variants * LAUNCHES
    return {
        "id": "20260314-092653-pi4",
        "suite": "cifar10",
        "plan_id": "5f1d0c3e9a7b2468",
        "seed": 20260314,
        "started_utc": STARTED.isoformat(),
        "finished_utc": (STARTED + timedelta(seconds=4 * trials)).isoformat(),
        "command": ["harness", "run", "cifar10", "--device", "pi4", "--data", "my runs"],
        "commit": "ae4d5617c0ffee00deadbeef0123456789abcdef",
        "commit_dirty": False,
        "harness_version": "0.1.0",
        "agent_sha256": "9c56cc51b374c3ba189210d5b6d4bf57790d351c96c47c02190ecf1e430635ab",
        "versions": {"python": "3.11.7", "numpy": "2.4.6", "onnxruntime": "1.22.0"},
        "trials_planned": trials,
        "trials_done": trials,
        "trials_failed": 0,
    }


_DEVICE = {"name": "pi4", "title": "Raspberry Pi 4 Model B, 4 GB", "transport": "local"}
_ENVIRONMENT = {
    "requested": {"settings": {"threads": 1, "affinity": "3", "nice": 0}, "sensor_period_s": 0.05},
    "in_force": {
        "settings": {"threads": 1, "affinity": "3", "nice": 0},
        "sensor_period_s": 0.05,
        "governor": "ondemand",
    },
    "facts": {
        "cpu": {"model": "Cortex-A72", "cores": 4, "clock_max_hz": 1800000000},
        "kernel": "6.6.31+rpt-rpi-v8",
        "memory_total_bytes": 3977560064,
        "python": "3.11.2",
        "sensors": {"unavailable": {"rail": "no INA3221 on this board"}},
    },
}
_SKIPS = (
    {
        "variant": "fast-int8",
        "backend": "tensorrt",
        "scenario": "single-stream",
        "reason": "the device lists no CUDA GPU; use a Jetson, or leave tensorrt out of the suite",
    },
)
