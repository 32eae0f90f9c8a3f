"""What a machine's own noise lets a gate decide: from A/A launches to a noise floor per metric. Measures nothing.

statistics.md, 4.10: the bias, which must contain 0; sigma of launches; launches and seconds for the margins; the
smallest change that is found in a given time; and what thousands of gates resampled from these launches would report.
Both sides of an A/A launch are the same, so which of them is called the candidate is as good as the toss of a coin:
the resampled gates toss it for every launch. What that hides has figures of its own: the bias, and how much a launch's
effect keeps of the one before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.analysis.gate import decide, effects, judge
from harness.analysis.gate.decide import Levels
from harness.analysis.gate.effects import Absent, Effect, Launch, LaunchEffects
from harness.analysis.gate.replay import replay
from harness.analysis.stats import Values
from harness.model.gate import FEWEST_LAUNCHES, Policy, Rule
from harness.model.metrics import REGISTRY

BIAS_ACCEPTED = 0.003  # statistics.md, 4.10
GATES = 2000
# A gate is rarely about one metric alone: what it finds is told for a family of so many, as its bars are.
FAMILY = 20
WITHIN_S = (15.0, 60.0)


@dataclass(frozen=True)
class Floor:
    """The noise of one metric. bias, low, high: relative, of the candidate over the same artifact; the intervals of all
    metrics together hold with 95 %. sigma: of launches' log effects. carried: lag-1 autocorrelation of them.

    launches: of a look that finds the rule's limit, None above 60 and where the fresh ones would not confirm it;
    seconds: to take these and to confirm it; found: by seconds, the smallest slowdown, relative, that is found and
    confirmed in that time, None where it is not enough for one look.
    """

    metric: str
    n: int
    bias: float
    low: float
    high: float
    sigma: float
    carried: float
    launches: int | None
    seconds: float | None
    found: Mapping[str, float | None]

    @property
    def biased(self) -> bool:
        """Whether the two sides differ although they are the same: really, and by more than is accepted."""
        return (self.low > 0 or self.high < 0) and abs(self.bias) > BIAS_ACCEPTED


@dataclass(frozen=True)
class Calibration:
    """All metrics of one model on one machine. drop: inferences left out at the head of a block; launch_s: wall time of
    a launch, its processes included; alarms, passes: shares of the resampled gates. absent: why a metric has no floor.
    """

    n: int
    drop: int
    launch_s: float
    floors: tuple[Floor, ...]
    absent: Mapping[str, str]
    gates: int
    alarms: float
    passes: float
    order: str

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why a gate is not to be trusted here; empty where it is."""
        found = [
            f"{REGISTRY[one.metric].label} is {one.bias:+.2%} ({one.low:+.2%} to {one.high:+.2%}) of the same artifact"
            for one in self.floors
            if one.biased
        ]
        return tuple(found)


def calibrated(
    launches: Sequence[Launch], seconds: Sequence[float], policy: Policy, seed: int, gates: int = GATES
) -> Calibration:
    """From launches of an artifact against itself, in the order of measuring, and the wall time that each took."""
    from harness.analysis.gate.order import order_effect

    drop = effects.settling(launches)
    found = [effects.launch_effects(launch, policy.rules, drop) for launch in launches]
    launch_s = float(np.median(seconds)) if len(seconds) else math.nan
    logs: dict[str, Values] = {}
    absent: dict[str, str] = {}
    for rule in policy.rules:
        told = _logs(found, rule)
        if isinstance(told, str):
            absent[rule.metric] = told
        else:
            logs[rule.metric] = told
    rules = tuple(judge.margins(rule, found) for rule in policy.rules if rule.metric in logs)
    levels = decide.levels_of(policy, FAMILY)
    floors = tuple(floor(rule, logs[rule.metric], (policy, levels), launch_s, len(rules)) for rule in rules)
    alarms, passes = resampled(policy, rules, [logs[rule.metric] for rule in rules], seed, gates)
    order = order_effect(launches, drop)
    said = order if isinstance(order, str) else order.reason
    return Calibration(len(launches), drop, launch_s, floors, absent, gates, alarms, passes, said)


def floor(rule: Rule, logs: Values, errors: tuple[Policy, Levels], launch_s: float, metrics: int = 1) -> Floor:
    """Of one metric; metrics: how many intervals hold together."""
    policy, levels = errors
    count, sigma = len(logs), float(np.std(logs, ddof=1))
    mean, error = float(np.mean(logs)), sigma / math.sqrt(count)
    half = decide.t_above(0.025 / metrics, count - 1) * error
    needed = decide.launches_needed(sigma, rule, levels)
    found = {f"{within:g}": found_in(within, launch_s, sigma, rule, (policy, levels)) for within in WITHIN_S}
    bias, low, high = (math.expm1(one) for one in (mean, mean - half, mean + half))
    took = None if needed is None else (needed + policy.confirm) * launch_s
    return Floor(rule.metric, count, bias, low, high, sigma, carried(logs), needed, took, found)


def found_in(within_s: float, launch_s: float, sigma: float, rule: Rule, errors: tuple[Policy, Levels]) -> float | None:
    """The smallest slowdown that a gate of one cell finds in that time, confirmation included, with 95 % power, its
    last look as late as it can be; None where no look is possible."""
    policy, levels = errors
    count = min(int(within_s / launch_s) - policy.confirm, decide.MOST_LAUNCHES)
    if count < max(FEWEST_LAUNCHES, policy.looks[0]):
        return None
    return decide.detectable(sigma, count, rule, levels)


def carried(logs: Values) -> float:
    """Lag-1 autocorrelation; 0 of a series that does not vary."""
    centred = logs - logs.mean()
    total = float(np.sum(centred**2))
    return float(np.sum(centred[1:] * centred[:-1])) / total if total > 0 else 0.0


def resampled(
    policy: Policy, rules: Sequence[Rule], logs: Sequence[Values], seed: int, gates: int
) -> tuple[float, float]:
    """Shares of gates that report a regression, and in which all passes that holds a gate up.

    Each is a stretch of the launches in their order, from a random one on and around the end, with the sides of every
    launch swapped by a coin, the same for all metrics of it.
    """
    if not rules:
        return math.nan, math.nan
    generator = np.random.default_rng(seed)
    table = np.stack(logs)
    last, fresh = policy.looks[-1], policy.confirm * len(policy.looks)
    starts = generator.integers(0, table.shape[1], gates)
    places = (starts[:, None] + np.arange(last + fresh)) % table.shape[1]
    coins = generator.choice([-1.0, 1.0], places.shape)
    drawn = np.moveaxis(table[:, places], 0, 1) * coins[:, None, :]
    seen, again = _in_turns(policy, drawn)
    every = replay(policy, tuple(rules), seen, again)
    held = [i for i, rule in enumerate(rules) if not rule.only_alarms]
    if not held:
        return every.alarms, math.nan
    levels = decide.levels_of(policy, len(rules))
    passing = replay(policy, tuple(rules[i] for i in held), seen[:, held], again[:, held], levels)
    return every.alarms, passing.passes


def _in_turns(policy: Policy, drawn: Values) -> tuple[Values, Values]:
    """Launches as a gate takes them that confirms after every look: (of the looks, fresh ones)."""
    seen, again, place, before = [], [], 0, 0
    for look in policy.looks:
        seen.append(drawn[..., place : place + look - before])
        place, before = place + look - before, look
        again.append(drawn[..., place : place + policy.confirm])
        place += policy.confirm
    return np.concatenate(seen, axis=-1), np.concatenate(again, axis=-1)


def _logs(launches: Sequence[LaunchEffects], rule: Rule) -> Values | str:
    found = [launch.get(rule.metric, Absent("was not measured")) for launch in launches]
    absent = [one for one in found if isinstance(one, Absent)]
    if absent:
        return f"{len(absent)} of {len(found)} launches have none: {absent[0].reason}"
    logs = [one.log for one in found if isinstance(one, Effect)]
    why = decide.unusable(logs, REGISTRY[rule.metric].unit)
    return why or np.asarray(logs, np.float64)
