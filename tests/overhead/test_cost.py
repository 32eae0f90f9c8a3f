"""The harness's own costs, by pytest-benchmark: start-up, planning, loading. Figures, not pass or fail."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import harness
from harness.model.case import ArtifactFacts, Suite, TensorSpec, Variant
from harness.model.device import Device
from harness.plan import Choice, Instrument, Resolved, make_plan
from tests.support.many_trials import WARM_UP, Size, many_trials

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
    folder = many_trials(tmp_path / "store", Size(cases=2, launches=TRIALS // 2))
    frames = benchmark.pedantic(lambda: harness.load(folder), rounds=3, iterations=1)
    assert len(frames.samples) == TRIALS * (SAMPLES + WARM_UP)
    benchmark.extra_info["peak_rss_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert benchmark.extra_info["peak_rss_mib"] < 1024
