"""The arms that the fidelity table compares, one process each: a bare loop, and MLPerf LoadGen. Prints JSON lines.

usage: python -m tests.overhead.arms bare|loadgen MODEL SECONDS
Both use the session settings of the harness's own backend, the same core, the same seeded input.
"""

from __future__ import annotations

import array
import gc
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime

from harness import onnx_file, onnx_session
from harness.agent import state
from harness.agent.backends.ort import session_options
from harness.plan import INPUT_SEED

WARM_UP_S = 0.3


def main(arm: str, model: str, seconds: float) -> dict[str, float]:
    """Medians and p90 in seconds as this arm sees them."""
    state.apply("last", 0)
    session = onnxruntime.InferenceSession(model, session_options(1), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    feed = onnx_session.seeded_inputs(onnx_file.inspect(Path(model), {}).inputs, INPUT_SEED)
    until = time.perf_counter() + WARM_UP_S
    while time.perf_counter() < until:
        session.run(names, feed)
    return {"bare": bare, "loadgen": loadgen}[arm](lambda: session.run(names, feed), seconds)


def bare(step: Callable[[], object], seconds: float) -> dict[str, float]:
    """The loop that anyone would write: two clock readings around a call."""
    durations = array.array("d")
    gc.disable()
    end = time.perf_counter() + seconds
    while True:
        before = time.perf_counter()
        step()
        after = time.perf_counter()
        durations.append(after - before)
        if after >= end:
            break
    return {
        "p50_s": float(np.quantile(durations, 0.5)),
        "p90_s": float(np.quantile(durations, 0.9)),
        "n": len(durations),
    }


def loadgen(step: Callable[[], object], seconds: float) -> dict[str, float]:
    """MLPerf LoadGen's single-stream scenario through its Python binding, from its own summary."""
    import mlperf_loadgen as lg

    def issue(queries: list[object]) -> None:
        for query in queries:
            step()
            lg.QuerySamplesComplete([lg.QuerySampleResponse(query.id, 0, 0)])

    settings = lg.TestSettings()
    settings.scenario = lg.TestScenario.SingleStream
    settings.mode = lg.TestMode.PerformanceOnly
    settings.min_duration_ms = int(seconds * 1000)
    settings.min_query_count = 64
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        sut = lg.ConstructSUT(issue, lambda: None)
        library = lg.ConstructQSL(1, 1, lambda _: None, lambda _: None)
        lg.StartTest(sut, library, settings)
        lg.DestroyQSL(library)
        lg.DestroySUT(sut)
        lines = Path("mlperf_log_summary.txt").read_text().splitlines()
        os.chdir("/")
    found = {line.split(":")[0].strip(): line.split(":")[1].strip() for line in lines if line.count(":") == 1}
    nanoseconds = {key: float(found[f"{key} percentile latency (ns)"]) for key in ("50.00", "90.00")}
    return {"p50_s": nanoseconds["50.00"] * 1e-9, "p90_s": nanoseconds["90.00"] * 1e-9, "n": 0}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1], sys.argv[2], float(sys.argv[3]))) + "\n")
