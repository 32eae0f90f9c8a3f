"""Launches of a paired gate on an invented machine: its drift, its jitter, blocks in random order. Seeded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from harness.analysis.gate.effects import Figure, Launch, Side
from harness.analysis.stats import Values

Generator = np.random.Generator
SWITCH_COST = 1.17  # of the first inference after a change of sides (statistics.md, 3.7)


def nothing(_: Values, __: Generator) -> Values:
    """No slowdown."""
    return np.ones(len(_))


def uniformly(factor: float) -> Callable[[Values, Generator], Values]:
    """Every inference takes `factor` times as long."""
    return lambda times, _: np.full(len(times), factor)


def partly(share: float, factor: float) -> Callable[[Values, Generator], Values]:
    """A random share of the inferences does."""
    return lambda times, generator: np.where(generator.random(len(times)) < share, factor, 1.0)


def launch(
    generator: Generator,
    slowdown: Callable[[Values, Generator], Values] = nothing,
    drift: Callable[[float], float] = lambda _: 1.0,
    blocks: int = 20,
    size: int = 20,
    sigma: float = 0.0035,
    jitter: float = 0.02,
) -> Launch:
    """1 ms inferences. drift: factor on both sides at a share of the launch gone by; sigma: of the whole launch's log
    ratio; jitter: of single inferences, with a one-sided tail (delays only add)."""
    second = tuple(bool(flag) for flag in generator.random(blocks) < 0.5)
    own = {"baseline": np.exp(-sigma / 2 * generator.standard_normal()), "candidate": 1.0}
    own["candidate"] = np.exp(sigma * generator.standard_normal()) * own["baseline"]
    times: dict[str, list[Values]] = {"baseline": [], "candidate": []}
    for k in range(blocks):
        order = ("baseline", "candidate") if second[k] else ("candidate", "baseline")
        for place, name in enumerate(order):
            gone = (2 * k + place + np.arange(size) / size) / (2 * blocks)
            block = 1e-3 * own[name] * np.array([drift(float(share)) for share in gone])
            block *= 1 + jitter * generator.exponential(1.0, size)
            block[0] *= SWITCH_COST
            times[name].append(block * slowdown(block, generator) if name == "candidate" else block)
    sides = [Side(np.concatenate(part), np.repeat(np.arange(float(blocks)), size)) for part in times.values()]
    return Launch(sides[0], sides[1], second)


def with_figures(one: Launch, metric: str, unit: str, baseline: float, candidate: float) -> Launch:
    """The same launch with a figure on both sides."""
    before = Side(one.baseline.duration_s, one.baseline.block, {metric: Figure(baseline, unit)})
    after = Side(one.candidate.duration_s, one.candidate.block, {metric: Figure(candidate, unit)})
    return Launch(before, after, one.candidate_second)
