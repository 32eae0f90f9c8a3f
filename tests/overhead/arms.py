"""The loops that the fidelity table compares: the agent's, a bare one, MLPerf LoadGen's. Prints one JSON line.

usage: python -m tests.overhead.arms bare|loadgen|together MODEL SECONDS
All use the session settings of the harness's own backend, the same core and the same seeded input. `together` runs the
three in one process over one session, in short blocks in random order, so that only the loop itself can differ.
"""

from __future__ import annotations

import array
import gc
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from harness import registry
from harness.agent import measure, state
from harness.agent.backends.ort import OnnxSession
from harness.artifacts import onnx_file, onnx_session
from harness.plan import INPUT_SEED

WARM_UP_S = 0.5
ROUNDS = 40
Step = Callable[[], object]
Quantiles = dict[str, float]


def main(arm: str, model: str, seconds: float) -> Quantiles | dict[str, list[Quantiles]]:
    """Quantiles in seconds as the arm sees them; for `together`, a list of them per loop, paired by position."""
    settings = registry.load_device("localhost").settings
    state.apply(settings.affinity, settings.nice)
    session = OnnxSession(model, {"threads": settings.threads})
    session.bind(onnx_session.seeded_inputs(onnx_file.inspect(Path(model), {}).inputs, INPUT_SEED))
    runtime, names, feed = session._session, session._names, session._inputs
    until = time.perf_counter() + WARM_UP_S
    while time.perf_counter() < until:
        session.step()
    loops: dict[str, Callable[[float], Quantiles]] = {
        "agent": lambda duration: agent(session, duration),
        "bare": lambda duration: bare(lambda: runtime.run(names, feed), duration),
        "loadgen": lambda duration: loadgen(lambda: runtime.run(names, feed), duration),
    }
    return together(loops, seconds) if arm == "together" else loops[arm](seconds)


def together(loops: dict[str, Callable[[float], Quantiles]], seconds: float) -> dict[str, list[Quantiles]]:
    """Rounds of one block per loop, in a seeded random order; `seconds` is for all blocks of one loop."""
    chance = random.Random(0)
    measured: dict[str, list[Quantiles]] = {name: [] for name in loops}
    for _ in range(ROUNDS):
        for name in chance.sample(sorted(loops), len(loops)):
            measured[name].append(loops[name](seconds / ROUNDS))
    return measured


def agent(session: OnnxSession, seconds: float) -> Quantiles:
    """The loop of the harness, as a timed run uses it."""
    rule = {"min_count": 64, "min_duration_s": seconds, "budget_s": 60.0}
    storage, _, _, _ = measure.steady_state(session.step, session.clock, rule, 1e-4)
    return quantiles(storage.duration_s[: storage.count])


def bare(step: Step, seconds: float) -> Quantiles:
    """The loop that anyone would write: two clock readings around a call."""
    durations = array.array("d")
    gc.collect()
    gc.disable()
    end = time.perf_counter() + seconds
    while True:
        before = time.perf_counter()
        step()
        after = time.perf_counter()
        durations.append(after - before)
        if after >= end:
            break
    gc.enable()
    return quantiles(durations)


def loadgen(step: Step, seconds: float) -> Quantiles:
    """MLPerf LoadGen's single-stream scenario through its Python binding, from its own summary."""
    import mlperf_loadgen as lg

    def issue(queries: list[object]) -> None:
        for query in queries:
            step()
            lg.QuerySamplesComplete([lg.QuerySampleResponse(query.id, 0, 0)])  # type: ignore[attr-defined]

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
    return {f"p{q}_s": float(found[f"{q}.00 percentile latency (ns)"]) * 1e-9 for q in (50, 90)}


def quantiles(durations: array.array[float]) -> Quantiles:
    """p50 and p90."""
    return {f"p{q}_s": float(np.quantile(durations, q / 100)) for q in (50, 90)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1], sys.argv[2], float(sys.argv[3]))) + "\n")
