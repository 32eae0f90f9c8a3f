"""The harness's own costs, by pytest-benchmark: start-up, planning, loading. Figures, not pass or fail."""

from __future__ import annotations

import resource
import subprocess
import sys
from array import array
from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import harness
from harness import planning, stages
from harness.model.case import ArtifactFacts, Case, Suite, TensorSpec, Variant
from harness.model.device import Device
from harness.model.trial import Channel, Phases, Samples, Trace, Trial
from harness.options import Options
from harness.plan import Choice, Instrument, Resolved, make_plan
from harness.store import store

CASES = 10_000
TRIALS = 1_000
SAMPLES = 1_000


@pytest.mark.parametrize("arguments", [["--help"], ["devices"]])
def test_start_up(benchmark: BenchmarkFixture, arguments: list[str]) -> None:
    """Bar: 150 ms."""
    command = [sys.executable, "-m", "harness", *arguments]
    benchmark.pedantic(lambda: subprocess.run(command, check=True, capture_output=True), rounds=15, warmup_rounds=2)


def test_planning_10_000_cases(benchmark: BenchmarkFixture) -> None:
    """Bar: 1 s."""
    device = Device(1, "localhost", "This machine", "local", ("onnxruntime",), ("process",))
    variants = tuple(Variant(f"v{number}", "", "student") for number in range(CASES))
    suite = Suite("many", "Many", variants, launches=1)
    inputs = (TensorSpec("image", "float32", (1, 3, 32, 32)),)
    known = {
        one.name: Resolved(ArtifactFacts(one.name, "m.onnx", f"{one.name:0>64}", 1, "fp32"), inputs) for one in variants
    }
    plan = benchmark.pedantic(
        lambda: make_plan(suite, device, known, Choice(), Instrument("0", "0")), rounds=3, iterations=1
    )
    assert len({case.id for case in plan.cases}) == CASES


def test_loading_1_000_trials(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Bar: 3 s and 1 GiB."""
    options = Options(("harness",), "smoke", "localhost", tmp_path / "store", tmp_path / "cache", tmp_path / "data")
    planned = planning.plan_run(options)
    run = stages.new_run(planned, options)
    folder = store.begin(options.results, run)
    for number in range(TRIALS):
        store.append(folder, trial(run.id, planned.plan.cases[number % 2], number))
    frames = benchmark.pedantic(lambda: harness.load(folder), rounds=3, iterations=1)
    assert len(frames.samples) == TRIALS * SAMPLES
    benchmark.extra_info["peak_rss_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert benchmark.extra_info["peak_rss_mib"] < 1024


def trial(run: str, case: Case, number: int) -> Trial:
    """A trial of 1,000 samples and a few traces."""
    chance = np.random.default_rng(number)
    durations = array("d", (0.001 * chance.lognormal(0, 0.05, SAMPLES)).tobytes())
    starts = array("d", np.cumsum(durations).tobytes())
    channel = Channel("cpu", "cpu0_busy", "s", "counter", "core", "kernel counter")
    trace = Trace(channel, array("d", range(100)), array("d", range(100)))
    return Trial(
        id=f"{number:016x}", run=run, case=case, mode="performance", launch=number, order=number,
        started_utc="2026-01-01T00:00:00Z", status="ok", phases=Phases(steady_start_s=0.0, steady_end_s=1.0),
        samples=Samples(starts, durations, array("d", bytes(8 * SAMPLES))), traces=(trace,) * 4,
    )  # fmt: skip
