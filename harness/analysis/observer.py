"""What the sensors cost: blocks with the polling on against blocks with it off, in one process."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.analysis import stats
from harness.model.trial import Trial


@dataclass(frozen=True)
class ObserverCost:
    """Relative change of the median with sensors on, with its 95 % interval, and of the pooled p99; from `pairs`."""

    variant: str
    pairs: int
    median: float
    median_low: float
    median_high: float
    p99: float | None


def observer_cost(trial: Trial) -> ObserverCost | None:
    """The cost seen in one observer trial; None where it has too few pairs of blocks, or no sensor that was read."""
    if not trial.traces:
        return None
    durations, block = np.asarray(trial.samples.duration_s), np.asarray(trial.samples.block)
    blocks = {arm: [durations[block == i] for i, own in enumerate(trial.arms) if own == arm] for arm in ("on", "off")}
    pairs = list(zip(blocks["on"], blocks["off"], strict=True))
    if len(pairs) < 6 or any(len(part) == 0 for pair in pairs for part in pair):
        return None
    # The first inference after a switch is slower in both arms; it is left out of both.
    logs = [math.log(float(np.median(on[1:])) / float(np.median(off[1:]))) for on, off in pairs]
    # A scripted clock (the null backend) cannot feel the sensors: there is nothing to say.
    if max(abs(value) for value in logs) < 1e-9:
        return None
    change, low, high = stats.paired_change(logs)
    return ObserverCost(trial.case.variant, len(pairs), change, low, high, _tail(blocks["on"], blocks["off"]))


def _tail(on: list[stats.Values], off: list[stats.Values]) -> float | None:
    all_on, all_off = np.concatenate(on), np.concatenate(off)
    if min(len(all_on), len(all_off)) < stats.needed_for_quantile(0.99):
        return None
    return stats.quantile(all_on, 0.99) / stats.quantile(all_off, 0.99) - 1
