"""A neighbour on one core that comes in bursts: python -m tests.study.neighbour CORE SEED

As in statistics.md, 3.1: 2 to 33 % load on average, in regimes of some seconds, in bursts of some milliseconds. Ends
with the process that started it.
"""

from __future__ import annotations

import os
import random
import sys
import time

LOADS = (0.02, 0.1, 0.33)
REGIME_S = 3.0
BURST_S = 0.008


def main(core: int, seed: int) -> None:
    """Compute and sleep, until nobody is there any more."""
    os.sched_setaffinity(0, {core})
    chance, parent = random.Random(seed), os.getppid()
    while os.getppid() == parent:
        load, ends = chance.choice(LOADS), time.monotonic() + chance.expovariate(1 / REGIME_S)
        while time.monotonic() < ends and os.getppid() == parent:
            burst_s = chance.expovariate(1 / BURST_S)
            until = time.monotonic() + burst_s
            while time.monotonic() < until:
                sum(range(200))
            time.sleep(burst_s * (1 - load) / load)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
