"""Whether the ratio of the two sides stands still within a launch. What moves both alike cancels, and is none of this.

The warm-up of a duet ends by time, for both alike, so its own word says little; and a median of blocks over a launch in
which one side still becomes faster is no figure of any state.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from harness.analysis.gate.decide import t_above
from harness.analysis.gate.effects import Absent, Launch, block_logs
from harness.model.gate import FEWEST_LAUNCHES

# As of a profile that is level (statistics.md, 4.2).
WITHIN = 0.02
# A gate has few cells, and this makes all of it invalid: seldom by chance.
LEVEL = 0.001
_PARTS = 3


def ratio_drift(launches: Sequence[Launch], drop: int = 0) -> str:
    """A sentence where the ratio of the last third of a launch's pairs is surely more than 2 % off that of the first;
    empty where it is not, or where there is too little to tell. Student's t over launches."""
    moves = []
    for launch in launches:
        logs = block_logs(launch, drop)
        if isinstance(logs, Absent) or not launch.alternated:
            continue
        part = len(logs) // _PARTS
        if part:
            moves.append(float(np.median(logs[-part:]) - np.median(logs[:part])))
    if len(moves) < FEWEST_LAUNCHES:
        return ""
    values = np.asarray(moves)
    mean, error = float(values.mean()), float(values.std(ddof=1)) / math.sqrt(len(values))
    if abs(mean) - t_above(LEVEL, len(values) - 1) * error <= math.log1p(WITHIN):
        return ""
    change = f"{math.expm1(abs(mean)):.1%} {'slower' if mean > 0 else 'faster'}"
    return (
        f"no steady state: from the first to the last third of a launch the candidate becomes {change} beside the "
        f"baseline, in {len(values)} launches alike: give the scenario a longer warm-up"
    )
