"""What a report costs: of 10,000 trials, of two runs compared, and in the browser. Figures, not pass or fail.

`harness` runs in a process of its own, as a user starts it; its greatest memory is the kernel's own count.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from harness.report import reporter
from tests.support import chromium
from tests.support.example_run import example_run
from tests.support.many_trials import Size, many_trials

ROOT = Path(__file__).resolve().parents[2]
LARGEST_PAGE = 8_000_000  # bytes
MOST_MEMORY = 2 * 2**30  # bytes


@dataclass(frozen=True)
class Cost:
    """Of one process, from its start to its end."""

    wall_s: float
    peak_bytes: int


def cost(folder: Path, *arguments: str) -> Cost:
    """Of `harness` with these arguments. AssertionError where it fails."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", *arguments, "--results", str(folder / "store")],
        stdout=subprocess.DEVNULL, env=environment, cwd=folder,
    )  # fmt: skip
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return Cost(time.perf_counter() - begun, used.ru_maxrss * 1024)


def test_the_report_of_10_000_trials(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Bars: 20 s, 2 GiB, 8 MB."""
    run = many_trials(tmp_path / "store", Size(cases=20, launches=500)).name
    found = benchmark.pedantic(lambda: cost(tmp_path, "report", run, "--out", str(tmp_path)), rounds=1)
    page = (tmp_path / f"{run}.html").stat().st_size
    benchmark.extra_info |= {"peak_mib": found.peak_bytes / 2**20, "page_mb": page / 1e6}
    assert found.peak_bytes < MOST_MEMORY
    assert page < LARGEST_PAGE


def test_two_runs_of_1_000_trials_compared(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Bar: 5 s."""
    size = Size(cases=10, launches=100)
    runs = [many_trials(tmp_path / "store", size, seed).name for seed in (0, 1)]
    found = benchmark.pedantic(lambda: cost(tmp_path, "compare", *runs), rounds=3)
    benchmark.extra_info["peak_mib"] = found.peak_bytes / 2**20


def test_the_page_opens_and_draws(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Bar: 2 s, from asking for the page to its last figure."""
    path = chromium.program()
    if path is None:
        pytest.skip(f"none of {', '.join(chromium.PROGRAMS)} is installed")
    file = tmp_path / "report.html"
    file.write_bytes(reporter("html").render(*example_run()))
    with chromium.browser(path) as page:
        page.call("Emulation.setDeviceMetricsOverride", width=1440, height=900, deviceScaleFactor=1, mobile=False)

        def opened() -> None:
            page.open(file.as_uri())
            page.evaluate("window.reportDrawn")

        benchmark.pedantic(opened, rounds=5)
    benchmark.extra_info["page_mb"] = file.stat().st_size / 1e6
    benchmark.extra_info["median_s"] = statistics.median(benchmark.stats.stats.data)
