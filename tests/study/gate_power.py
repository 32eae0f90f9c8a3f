"""How the gate spends its errors, and what power that leaves: tables from seeded simulation.

    python -m tests.study.gate_power

One of 20 metrics is slower by 5 % (tolerance 2 %, limit 5 %); launches' log effects have noise of a known sigma. The
four ways to spend 1 % over 20 metrics and looks at 6, 10 and 16 launches are compared; only the first asks for fresh
launches.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtr

from harness.analysis.gate import decide, sequential
from harness.analysis.gate.effects import Effect, LaunchEffects
from harness.analysis.gate.replay import Replayed, replay
from harness.model.gate import Policy, Rule

Array = NDArray[np.float64]
METRICS, SEED = 20, 20261121
RULE = Rule("latency_p50_s", 0.02, 0.05)
POLICY = Policy((RULE,))
LOOKS, CONFIRM, AGAIN = POLICY.looks, POLICY.confirm, POLICY.confirm_alpha
TOLERANCE, LIMIT = math.log1p(0.02), math.log1p(0.05)
PER_METRIC = 0.01 / METRICS


def noise(kind: str, generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Of unit scale: normal; Student's t with 3 degrees of freedom; 5 % of the launches ten times as noisy."""
    if kind == "t3":
        return generator.standard_t(3, shape)
    normal = generator.standard_normal(shape)
    return np.where(generator.random(shape) < 0.05, 10 * normal, normal) if kind == "contaminated" else normal


def statistics_of(effects: Array) -> tuple[Array, Array]:
    """Student's t of being above the tolerance, at each look, and the upper bounds: (gates, looks)."""
    columns, uppers = [], []
    for count in LOOKS:
        found = decide.bounds(effects[:, :count], 0.01, POLICY.beta / len(LOOKS))
        columns.append((found.mean - TOLERANCE) / found.error)
        uppers.append(found.high)
    return np.stack(columns, axis=1), np.stack(uppers, axis=1)


def spendings() -> dict[str, tuple[list[float], bool]]:
    """Level per look and whether fresh launches confirm, by name. All keep 1 % for 20 metrics."""
    equal = [PER_METRIC / len(LOOKS)] * len(LOOKS)
    # Lan and DeMets' form of O'Brien and Fleming's boundary, its increments split without using their correlation.
    cumulative = [2 - 2 * float(ndtr(-ndtri(PER_METRIC / 2) / math.sqrt(n / LOOKS[-1]))) for n in LOOKS]
    increments = np.diff([0.0, *cumulative]).tolist()
    first = decide.levels_of(POLICY, METRICS).first
    return {
        "confirmed, equal": ([first] * len(LOOKS), True),
        "strict, equal": (equal, False),
        "strict, correlated looks": ([correlated_level()] * len(LOOKS), False),
        "strict, O'Brien-Fleming": (increments, False),
    }


def correlated_level() -> float:
    """The equal level per look at which all three looks together reach alpha / 20 at the tolerance: 3 million gates."""
    generator, smallest = np.random.default_rng(SEED), []
    for _ in range(30):
        t, _ = statistics_of(TOLERANCE + 0.004 * generator.standard_normal((100_000, LOOKS[-1])))
        smallest.append(np.min([survival(t[:, i], LOOKS[i]) for i in range(len(LOOKS))], axis=0))
    return float(np.quantile(np.concatenate(smallest), PER_METRIC))


def survival(t: Array, count: int) -> Array:
    """P(T > t) with count - 1 degrees of freedom."""
    return np.asarray(stdtr(count - 1, -t))


def power_of(levels: list[float], confirmed: bool, effects: Array, fresh: Array) -> tuple[list[float], float, float]:
    """Share reported as a regression by look (cumulative), passed, and left open. One metric alone in its cell."""
    t, upper = statistics_of(effects)
    gates = len(effects)
    reported, passed, by_look = np.zeros(gates, bool), np.zeros(gates, bool), []
    for i, count in enumerate(LOOKS):
        going = ~(reported | passed)
        flagged = going & (t[:, i] > decide.t_above(levels[i], count - 1))
        again = fresh[:, i * CONFIRM : (i + 1) * CONFIRM]
        holds = decide.bounds(again, AGAIN, 0.5).low > TOLERANCE if confirmed else np.ones(gates, bool)
        reported |= flagged & holds
        passed |= going & ~flagged & (upper[:, i] < LIMIT)
        by_look.append(float(reported.mean()))
    return by_look, float(passed.mean()), float((~(reported | passed)).mean())


def power_table() -> Iterator[str]:
    """Power at +5 %, by look, and what happens exactly at the tolerance."""
    yield "| spending | noise | sigma | by 6 | by 10 | by 16 launches | passed | open |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for name, (levels, confirmed) in spendings().items():
        for kind in ("normal", "t3", "contaminated"):
            for sigma in (0.003, 0.0042, 0.008):
                generator = np.random.default_rng(SEED)
                shapes = (40_000, LOOKS[-1]), (40_000, CONFIRM * len(LOOKS))
                effects, fresh = (LIMIT + sigma * noise(kind, generator, shape) for shape in shapes)
                by_look, passed, left = power_of(levels, confirmed, effects, fresh)
                shown = " | ".join(f"{share:.2%}" for share in (*by_look, passed, left))
                yield f"| {name} | {kind} | {sigma:.2%} | {shown} |"


def gates(kind: str, slowdown: float, policy: Policy, carried: float = 0.0, metrics: int = METRICS) -> Replayed:
    """10,000 gates, all metrics at the same true slowdown. carried: what a launch's noise keeps of the last one's, from
    the first to the last of a gate's launches, those of the confirmation included."""
    generator, parts = np.random.default_rng(SEED), []
    last, fresh = LOOKS[-1], CONFIRM * len(LOOKS)
    for _ in range(20):
        drawn = noise(kind, generator, (500, metrics, last + fresh))
        if carried:
            for i in range(1, last + fresh):
                drawn[..., i] = carried * drawn[..., i - 1] + math.sqrt(1 - carried**2) * drawn[..., i]
        effects = math.log1p(slowdown) + 0.004 * drawn
        # The worst case for a confirmation: it directly follows the first look.
        first, rest = LOOKS[0], LOOKS[0] + CONFIRM
        seen = np.concatenate([effects[..., :first], effects[..., rest : rest + last - first]], axis=2)
        again = np.concatenate([effects[..., first:rest], effects[..., rest + last - first :]], axis=2)
        parts.append(replay(policy, (RULE,) * metrics, seen, again))
    joined = (np.concatenate([getattr(one, name) for one in parts]) for name in ("regression", "passed", "launches"))
    return Replayed(*joined)


def alarm_table() -> Iterator[str]:
    """Gates with any regression, of 10,000."""
    yield "| spending | noise | carried over | metrics | alarms A/A | all passed A/A | alarms, all at the tolerance |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: |"
    for name, policy in (("confirmed", POLICY), ("strict", Policy((RULE,), confirm=0))):
        for kind, carried, metrics in (
            ("normal", 0.0, 20), ("t3", 0.0, 20), ("contaminated", 0.0, 20), ("normal", 0.0, 100), ("normal", 0.0, 1),
            ("normal", 0.2, 20), ("normal", 0.4, 20),
        ):  # fmt: skip
            nothing, edge = (gates(kind, slowdown, policy, carried, metrics) for slowdown in (0.0, 0.02))
            shown = f"{nothing.alarms:.2%} | {nothing.passes:.2%} | {edge.alarms:.2%}"
            yield f"| {name} | {kind} | {carried:g} | {metrics} | {shown} |"


def seconds_of_an_analysis() -> float:
    """Of one gate of 20 metrics that goes to the last look (16 launches)."""
    cells = [f"c{i}" for i in range(METRICS)]
    pattern = [0.03 * (-1) ** i for i in range(LOOKS[-1])]
    told: list[LaunchEffects] = [{RULE.metric: Effect(0.035 + x, 1e-3, 1e-3)} for x in pattern]
    begin = time.perf_counter()
    gate = sequential.begin(POLICY, cells)
    for cell in cells:
        for before, count in zip((0, *LOOKS), LOOKS, strict=False):
            gate = sequential.take(gate, cell, told[before:count])
    assert len(sequential.decisions(gate)) == METRICS
    return time.perf_counter() - begin


def main() -> None:
    """Print everything."""
    for line in (*power_table(), "", *alarm_table(), ""):
        print(line)  # noqa: T201
    print(f"analysis of a gate of 20 metrics and 16 launches: {seconds_of_an_analysis():.3f} s")  # noqa: T201


if __name__ == "__main__":
    main()
