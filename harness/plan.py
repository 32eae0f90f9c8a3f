"""Suite x device to cases, skips and an order. Pure: the same arguments give the same plan, and nothing is run.

Trials of all cases alternate: each round starts every case once, in a seeded random order, so that drift, heat and
neighbours fall on all of them alike.
"""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from harness.errors import UnknownName, UsageError
from harness.model.case import (
    ArtifactFacts,
    Case,
    Mode,
    Plan,
    PlannedTrial,
    Scenario,
    Skip,
    StopRule,
    Suite,
    TensorSpec,
    Variant,
)
from harness.model.codec import content_id
from harness.model.device import Device

T = TypeVar("T")
INPUT_SEED = 0
QUICK_LAUNCHES = 3
QUICK_STOP = StopRule(min_count=64, min_duration_s=0.3, budget_s=10.0)


@dataclass(frozen=True)
class Resolved:
    """A variant whose artifact is at hand, with the inputs it takes."""

    facts: ArtifactFacts
    inputs: tuple[TensorSpec, ...]


@dataclass(frozen=True)
class Choice:
    """What the user narrowed: names empty means all. `accuracy`: the suite's data is at hand."""

    variants: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = ()
    quick: bool = False
    seed: int = 0
    accuracy: bool = False
    budget_s: float | None = None


@dataclass(frozen=True)
class Instrument:
    """What measures: the versions that decide whether two runs are the same."""

    harness_version: str
    agent_sha256: str


def make_plan(
    suite: Suite, device: Device, artifacts: Mapping[str, Resolved | str], choice: Choice, instrument: Instrument
) -> Plan:
    """Cross the axes. `artifacts` holds per variant what it resolves to, or the reason why it does not.

    Raises UnknownName for a chosen variant or scenario that the suite does not have, UsageError for a suite that gives
    one name to two of them.
    """
    _check_names(suite)
    variants = chosen("variant", suite.variants, [variant.name for variant in suite.variants], choice.variants)
    scenarios = chosen("scenario", suite.scenarios, [scenario.name for scenario in suite.scenarios], choice.scenarios)
    cases: list[Case] = []
    skips: list[Skip] = []
    facts: dict[str, ArtifactFacts] = {}
    for variant in variants:
        for backend in suite.backends:
            for scenario in scenarios:
                made = _case(suite, device, (variant, backend, scenario), artifacts[variant.name], choice)
                if isinstance(made, Skip):
                    skips.append(made)
                else:
                    cases.append(made)
                    facts[made.id] = artifacts[variant.name].facts  # type: ignore[union-attr]  # resolved, or no case
    return Plan(
        suite=suite.name,
        device=device.name,
        seed=choice.seed,
        cases=tuple(cases),
        skips=tuple(skips),
        trials=ordered_trials(cases, QUICK_LAUNCHES if choice.quick else suite.launches, choice),
        artifacts=facts,
        harness_version=instrument.harness_version,
        agent_sha256=instrument.agent_sha256,
        device_id=content_id(device),
    )


def ordered_trials(cases: Sequence[Case], launches: int, choice: Choice) -> tuple[PlannedTrial, ...]:
    """Rounds of all cases in seeded random order; then what the sensors cost; accuracy last, as it heats the board."""
    chance = random.Random(choice.seed)
    trials: list[PlannedTrial] = []
    for launch in range(launches):
        trials += [PlannedTrial(case.id, "performance", launch) for case in chance.sample(cases, len(cases))]
    if cases and not choice.quick:
        trials.append(PlannedTrial(cases[-1].id, "observer", 0))
    mode: Mode = "accuracy"
    if choice.accuracy:
        trials += [PlannedTrial(case.id, mode, 0) for case in _one_per_artifact(cases)]
    return tuple(trials)


def without_backends(plan: Plan, reasons: Mapping[str, str]) -> Plan:
    """The plan less the cases of backends that the board turned out not to have, each as a skip with its reason."""
    gone = {case.id: case for case in plan.cases if case.backend in reasons}
    kept = [trial for trial in plan.trials if trial.case_id not in gone]
    left = tuple(case for case in plan.cases if case.id not in gone)
    observed = [trial for trial in plan.trials if trial.mode == "observer"]
    if left and observed and observed[0].case_id in gone:
        # The sensors' cost is priced on another case then, at the same place in the order.
        place = sum(trial.mode == "performance" for trial in kept)
        kept.insert(place, dataclasses.replace(observed[0], case_id=left[-1].id))
    skips = tuple(Skip(case.variant, case.backend, case.scenario.name, reasons[case.backend]) for case in gone.values())
    return dataclasses.replace(
        plan,
        cases=left,
        skips=plan.skips + skips,
        trials=tuple(kept),
    )


def chosen(kind: str, items: Sequence[T], names: Sequence[str], wanted: Sequence[str]) -> list[T]:
    """The items whose names are wanted, in their order; all if none is. UnknownName for one that is not there."""
    for name in wanted:
        if name not in names:
            raise UnknownName(kind, name, names)
    return [item for item, name in zip(items, names, strict=True) if not wanted or name in wanted]


def _check_names(suite: Suite) -> None:
    """Names are how artifacts, options and readers find a variant or a scenario."""
    for kind, items in (("variant", suite.variants), ("scenario", suite.scenarios)):
        for name, count in Counter(item.name for item in items).items():
            if count > 1:
                raise UsageError(f"suite {suite.name} has the {kind} {name!r} twice; give each a name of its own")


def _case(
    suite: Suite, device: Device, cell: tuple[Variant, str, Scenario], resolved: Resolved | str, choice: Choice
) -> Case | Skip:
    variant, backend, scenario = cell
    if isinstance(resolved, str):
        return Skip(variant.name, backend, scenario.name, resolved)
    if backend not in device.backends:
        known = ", ".join(device.backends)
        return Skip(variant.name, backend, scenario.name, f"{device.name} has no backend {backend} (it has: {known})")
    return Case(
        suite=suite.name,
        variant=variant.name,
        artifact_sha256=resolved.facts.sha256,
        precision=resolved.facts.precision,
        backend=backend,
        device=device.name,
        scenario=dataclasses.replace(scenario, stop=_stop_rule(scenario, choice)),
        settings=suite.settings or device.settings,
        inputs=resolved.inputs,
        input_seed=INPUT_SEED,
    )


def _stop_rule(scenario: Scenario, choice: Choice) -> StopRule:
    rule = QUICK_STOP if choice.quick else scenario.stop
    return rule if choice.budget_s is None else dataclasses.replace(rule, budget_s=choice.budget_s)


def _one_per_artifact(cases: Sequence[Case]) -> list[Case]:
    """Accuracy does not depend on the scenario: one case per artifact and backend is enough."""
    first: dict[tuple[str, str], Case] = {}
    for case in cases:
        first.setdefault((case.artifact_sha256, case.backend), case)
    return list(first.values())
