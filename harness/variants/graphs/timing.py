"""How long a file takes where it is built, for recipes whose limit is time. Too crude for a report: no sensors, no
fresh processes, no interval."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from harness.artifacts.onnx_session import open_session

WARM_UPS, TIMED_RUNS = 10, 100


def fastest_ms(path: Path, shape: tuple[int, ...]) -> float:
    """Milliseconds of the fastest of many inferences of one image of `shape` (channels, height, width), one thread.

    The fastest, as whatever else runs on the machine only ever adds to the others.
    """
    session = open_session(path, threads=1)
    image = {session.get_inputs()[0].name: np.zeros((1, *shape), np.float32)}
    durations: list[int] = []
    for _ in range(WARM_UPS + TIMED_RUNS):
        begin = time.perf_counter_ns()
        session.run(None, image)
        durations.append(time.perf_counter_ns() - begin)
    return min(durations[WARM_UPS:]) / 1e6
