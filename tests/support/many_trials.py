"""A stored run of as many trials as are asked for, written through the store: what the harness's own speed is held to.

Every number is drawn from one seed. Launches last a second and are about as a machine at rest gives them, with a tail,
now and then a slow one; facts and channels are those of a machine with a temperature and an energy counter.
"""

from __future__ import annotations

import hashlib
from array import array
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.model.case import Accuracy, ArtifactFacts, Case, Plan, PlannedTrial, Scenario, Settings, TensorSpec
from harness.model.device import Device
from harness.model.power import Power, PowerTotal
from harness.model.run import RUN_SCHEMA, Run, trial_id
from harness.model.trial import Channel, Environment, Outputs, Phases, Samples, Trace, Trial
from harness.store import store

WARM_UP = 100
READING_S = 0.05
STARTED = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
# Of one reading to the next: busy seconds of a core, of others, and joules at about 6 W.
_STEPS = {"cpu0_busy": READING_S, "other_busy": 0.02 * READING_S, "package-0_energy": 6.0 * READING_S}
_CHANNELS = (
    Channel("process", "rss", "B", "gauge", "process", "kernel counter"),
    Channel("cpu", "cpu0_busy", "s", "counter", "core", "kernel counter"),
    Channel("thermal", "cpu-thermal_0", "degC", "gauge", "zone", "thermal zone"),
    Channel("others", "other_busy", "s", "counter", "machine", "kernel counter"),
    Channel("rapl", "package-0_energy", "J", "counter", "package", "hardware counter"),
)
_TOTAL = PowerTotal(("rapl:package-0_energy",), "package", caveats=("the package alone: no memory, board or supply",))
_DEVICE = Device(
    1, "bench", "A bench", "local", ("onnxruntime",), tuple(channel.collector for channel in _CHANNELS),
    power=Power(totals=(_TOTAL,)),
)  # fmt: skip
_FACTS = {
    "address_randomization": "2", "boot_id": "16b31e27-a51f-447a-bed5-ba96afd0009d", "byteorder": "little", "cores": 2,
    "cores_allowed": 2, "cpu": "a CPU", "distribution": "Debian GNU/Linux 12 (bookworm)", "hypervisor": False,
    "implementation": "CPython", "instruction_sets": ["avx2", "avx512f", "avx512_vnni"], "kernel": "6.12.1",
    "machine": "x86_64", "memory_bytes": 25276510208, "python": "3.11.7", "swap_used_bytes": 0, "system": "Linux",
    "versions": {"numpy": "2.4.6", "onnxruntime": "1.22.0"},
    "sensors": {
        "cores": [0], "read_s": {}, "reads": 24, "busy_s": 0.004, "update_period_s": {"rapl": 0.001},
        "unavailable": {
            "battery": "no battery with a gauge in /sys/class/power_supply: a machine without one needs another source",
            "throttle": "nothing in /sys tells of throttling: load the drivers of its thermal zones and of cpufreq",
        },
    },
}  # fmt: skip


@dataclass(frozen=True)
class Size:
    """How much there is: cases, launches of each, timed inferences of each launch."""

    cases: int
    launches: int
    inferences: int = 1000


def many_trials(root: Path, size: Size, seed: int = 0) -> Path:
    """A finished run of that size in the store `root`; its folder. Another seed is another run of the same cases."""
    run = _run(size, seed)
    folder = store.begin(root, run)
    chance = np.random.default_rng(seed)
    for order, planned in enumerate(run.plan.trials):
        store.append(folder, _trial(run, planned, order, chance, size.inferences))
    store.finish(folder, (STARTED + timedelta(hours=9)).isoformat(), len(run.plan.trials), 0)
    return folder


def _run(size: Size, seed: int) -> Run:
    cases = tuple(_case(number) for number in range(size.cases))
    trials = tuple(PlannedTrial(case.id, "performance", launch) for launch in range(size.launches) for case in cases)
    artifacts = {case.id: _artifact(case, number) for number, case in enumerate(cases)}
    plan = Plan("many", _DEVICE.name, seed, cases, (), trials, artifacts, "0.0", "b" * 64, "d" * 16)
    command = ("harness", "run", "many", "--seed", str(seed))
    started = (STARTED + timedelta(days=seed)).strftime("%Y-%m-%dT%H:%M:%SZ")
    name = f"20260314T092653.{seed:03d}Z-{plan.id[:8]}"
    return Run(RUN_SCHEMA, name, plan.id, plan, _DEVICE, started, command, {"python": "3.11.7"}, "c" * 40, False)


def _case(number: int) -> Case:
    name = f"variant-{number:02d}"
    return Case(
        suite="many", variant=name, artifact_sha256=hashlib.sha256(name.encode()).hexdigest(), precision="fp32",
        backend="onnxruntime", device=_DEVICE.name, scenario=Scenario(), settings=Settings(),
        inputs=(TensorSpec("image", "float32", (1, 3, 32, 32)),), input_seed=0,
    )  # fmt: skip


def _artifact(case: Case, number: int) -> ArtifactFacts:
    return ArtifactFacts(
        case.variant, f"{case.variant}.onnx", case.artifact_sha256, 1_000_000 + 1_000 * number, "fp32",
        parent="variant-00" if number else None, parameters=250_000 + number, macs=40_000_000 + number,
        accuracy=Accuracy(9000 + 10 * number, 10_000, "cifar10-test"), role="student" if number else "teacher",
    )  # fmt: skip


def _trial(run: Run, planned: PlannedTrial, order: int, chance: np.random.Generator, inferences: int) -> Trial:
    case = run.plan.case(planned.case_id)
    median = 0.7e-3 * (1 + 0.05 * run.plan.cases.index(case)) * (1 + 0.004 * chance.standard_normal())
    duration = _durations(chance, median, WARM_UP + inferences)
    start = 1000.0 + 3.0 * order + np.concatenate([[0.0], np.cumsum(duration[:-1] + 2e-6)])
    block = np.arange(inferences) // 64
    begun, ended = float(start[WARM_UP]), float(start[-1] + duration[-1])
    facts = {
        **_FACTS, "epoch_minus_clock_s": 1.7e9 + 1e-4 * chance.standard_normal(),
        "load_average_1min": round(chance.random(), 2), "memory_available_bytes": 24_000_000_000 + 4096 * order,
    }  # fmt: skip
    return Trial(
        id=trial_id(run.id, planned), run=run.id, case=case, mode="performance", launch=planned.launch, order=order,
        started_utc=(STARTED + timedelta(seconds=3 * order)).strftime("%Y-%m-%dT%H:%M:%SZ"), status="ok",
        stop_reason="minimum count and duration reached",
        environment=Environment(
            {"threads": 1, "affinity": "last", "nice": 0},
            {"threads": 1, "affinity": "0", "nice": 0, "problems": [], "providers": ["CPUExecutionProvider"],
             "at_end": {"affinity": "0", "nice": 0}},
            facts,
        ),
        phases=Phases(
            0.18 + 0.01 * chance.random(), 0.02 + 0.001 * chance.random(), 5 * median, 0.1, WARM_UP, True, begun, ended,
        ),
        memory={"before_load_pss_bytes": 3.3e7, "after_first_pss_bytes": 6.6e7 + 4096 * (order % 7),
                "end_peak_rss_bytes": 9.4e7 + 4096 * (order % 11)},
        outputs=Outputs(tuple(round(float(value), 6) for value in chance.standard_normal(10))),
        warm_up=_samples(start[:WARM_UP], duration[:WARM_UP], np.zeros(WARM_UP)),
        samples=_samples(start[WARM_UP:], duration[WARM_UP:], block),
        traces=_traces(chance, begun - 0.2, ended + 0.2, order), wall_s=1.5,
    )  # fmt: skip


def _durations(chance: np.random.Generator, median: float, count: int) -> NDArray[np.float64]:
    """A body of 1.5 %, delays that only add, and one in 200 that is much slower."""
    found = median * np.exp(0.015 * chance.standard_normal(count)) + 0.02 * median * chance.exponential(1, count)
    slow = chance.random(count) < 0.005
    found[slow] += median * chance.exponential(1.5, int(slow.sum()))
    return found


def _samples(start: NDArray[np.float64], duration: NDArray[np.float64], block: NDArray[np.float64]) -> Samples:
    return Samples(*(_column(values) for values in (start, duration, block)))


def _traces(chance: np.random.Generator, begin_s: float, end_s: float, order: int) -> tuple[Trace, ...]:
    time = np.arange(begin_s, end_s + READING_S, READING_S)
    gauges = {
        "rss": np.full(len(time), 9.3e7),
        "cpu-thermal_0": np.round(50 + 5 * np.sin(order / 300) + 0.3 * chance.standard_normal(len(time)), 1),
    }
    counters = {name: np.cumsum(step * (1 + 0.01 * chance.standard_normal(len(time)))) for name, step in _STEPS.items()}
    values = gauges | counters
    return tuple(Trace(channel, _column(time), _column(values[channel.name])) for channel in _CHANNELS)


def _column(values: NDArray[np.float64]) -> array[float]:
    return array("d", np.asarray(values, np.float64).tobytes())
