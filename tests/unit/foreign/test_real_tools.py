"""The readers on what the tools themselves write, where they are installed (nox -s overhead installs two of them)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.foreign.reading import read

ENVIRONMENT = {**os.environ, "PYTEST_ADDOPTS": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
BENCHMARKS = """\
def test_one(benchmark):
    benchmark.pedantic(sum, args=(range(100),), rounds=60, iterations=1)


def test_many(benchmark):
    benchmark.pedantic(sum, args=(range(100),), rounds=60, iterations=5)
"""
LOADGEN = """\
import sys
import mlperf_loadgen as lg

def issue(queries):
    lg.QuerySamplesComplete([lg.QuerySampleResponse(one.id, 0, 0) for one in queries])

settings, logs, output = lg.TestSettings(), lg.LogSettings(), lg.LogOutputSettings()
settings.scenario, settings.mode = lg.TestScenario.SingleStream, lg.TestMode.PerformanceOnly
settings.min_duration_ms, settings.min_query_count = 10, 100
output.outdir, output.copy_summary_to_stdout = sys.argv[1], False
logs.log_output = output
sut, library = lg.ConstructSUT(issue, lambda: None), lg.ConstructQSL(8, 8, lambda _: None, lambda _: None)
lg.StartTestWithLogSettings(sut, library, settings, logs)
lg.DestroyQSL(library)
lg.DestroySUT(sut)
"""


@pytest.mark.parametrize("data", [True, False])
def test_pytest_benchmark(tmp_path: Path, data: bool) -> None:
    pytest.importorskip("pytest_benchmark")
    (tmp_path / "test_it.py").write_text(BENCHMARKS)
    kept = ["--benchmark-json=out.json"] if data else ["--benchmark-save=out", "--benchmark-storage=saved"]
    command = [sys.executable, "-m", "pytest", "-p", "pytest_benchmark.plugin", "-q", "test_it.py", *kept]
    done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = [tmp_path / "out.json"] if data else (tmp_path / "saved").rglob("*.json")
    found = read("pytest-benchmark", [path])
    one, many = found.cells
    assert (one.name, one.count, many.count) == ("test_it.py::test_one", 60, 300)
    assert (len(one.samples_s), "latency_p90_s" in one.metrics, "latency_p90_s" in many.metrics) == (
        (60, True, False) if data else (0, False, False)
    )
    assert 0 < one.metrics["latency_p50_s"] < 1
    assert found.tool.startswith("pytest-benchmark ")
    assert "board" in found.conditions


@pytest.mark.parametrize("name", ["mlperf_log_summary.txt", "mlperf_log_detail.txt"])
def test_loadgen(tmp_path: Path, name: str) -> None:
    pytest.importorskip("mlperf_loadgen")
    command = [sys.executable, "-c", LOADGEN, str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (cell,) = read("loadgen", [tmp_path / name]).cells
    assert {"latency_p50_s", "latency_p90_s", "latency_mean_s", "throughput_per_s"} <= set(cell.metrics)
    assert cell.count is None or cell.count >= 100
