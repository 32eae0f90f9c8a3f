"""What was measured for a paired gate to its result: decisions, notes, facts. Pure; measures nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.analysis.gate import sequential
from harness.analysis.gate.order import OrderEffect
from harness.gating import answers, counted, launches, verdict
from harness.gating.cells import Pair
from harness.gating.launches import Paused
from harness.gating.paired import Measured, Work, order_effects
from harness.model.codec import Json, to_json
from harness.model.gate import Decision, GateResult
from harness.model.policy import accuracy_rule, rules_of, untimed

_MACHINE_FACTS = ("cpu", "board_model", "machine", "cores", "cores_allowed", "hypervisor", "memory_bytes", "kernel")


def result_of(work: Work, found: Measured, labels: tuple[str, str]) -> GateResult:
    """Conditions and the design's reason are for the caller to add."""
    notes: list[str] = []
    timed = _of_launches(work, found, notes)
    decisions = [*timed, *_of_answers(work, found, notes), *_of_artifacts(work)]
    for pair in work.pairs:
        notes += _doubts(work, found, pair)
    notes += [f"{name}: {_dropped(some)}" for name, some in found.dropped.items()]
    effects = order_effects(found)
    notes += [f"{name}: {one.reason}" for name, one in effects.items() if isinstance(one, OrderEffect) and one.matters]
    names = [pair.name for pair in work.pairs]
    rules = verdict.rules_over(work.policy, names)
    sound, vain = verdict.sound(decisions, rules)
    outcome, reason = verdict.concluded(sound, rules, notes)
    notes += [*vain, *untimed(work.policy, names)]
    facts: dict[str, Json] = {
        "run": found.run,
        "device": work.planned.target.name,
        "seed": work.planned.plan.seed,
        "seconds": round(work.budget.spent_s(), 3),
        "launches": {name: len(some) for name, some in found.trials.items()},
        "settling": dict(found.settling),
        "dropped": {name: len(some) for name, some in found.dropped.items()},
        "order_effects": {name: to_json(one) if isinstance(one, OrderEffect) else one for name, one in effects.items()},
        "levels": to_json(found.gate.levels) if found.gate else None,
        "alpha": work.policy.alpha,
        "looks": list(work.policy.looks),
        "confirm": work.policy.confirm,
        **_of_machine(found),
    }
    return GateResult("paired", outcome, reason, *labels, sound, notes=tuple(dict.fromkeys(notes)), facts=facts)


def _dropped(some: Sequence[Paused]) -> str:
    jump = max((one.jump_s for one in some), key=abs)
    many = f"{len(some)} launches were" if len(some) > 1 else "1 launch was"
    return (
        f"{many} dropped and repeated: the wall clock jumped by {jump:+.3g} s against the one that times, so the "
        "machine was paused or its clock set"
    )


def _of_launches(work: Work, found: Measured, notes: list[str]) -> list[Decision]:
    decisions: list[Decision] = []
    if found.gate is not None:
        whole = tuple(cell for cell in found.gate.cells if cell.name not in found.broken)
        sound = replace(found.gate, cells=whole)
        decisions += sequential.decisions(sound)
        notes += sequential.notes(sound)
    if found.stopped:
        notes.append(f"measuring ended early: {found.stopped}")
    for pair in work.pairs:
        if pair.name in found.broken:
            rules = rules_of(work.policy, pair.name)
            metric = rules[0].metric if rules else "latency_p50_s"
            count = len(found.launches.get(pair.name, ()))
            decisions.append(Decision(pair.name, metric, "invalid", count, found.broken[pair.name]))
    return decisions


def _of_answers(work: Work, found: Measured, notes: list[str]) -> list[Decision]:
    decisions = []
    for name, told in found.answers.items():
        if accuracy_rule(work.policy, name) is None:
            continue
        one = answers.judged(name, told, work.policy, found.alpha)
        if isinstance(one, Decision):
            decisions.append(one)
        elif one:
            notes.append(one)
    return decisions


def _of_artifacts(work: Work) -> list[Decision]:
    facts = work.planned.plan.artifacts
    return [
        one
        for pair in work.pairs
        for one in counted.beside_time(pair.name, facts[pair.baseline.id], facts[pair.candidate.id], work.policy)
    ]


def _doubts(work: Work, found: Measured, pair: Pair) -> list[str]:
    both = [one for one in found.trials.get(pair.name, ()) if all(trial.status == "ok" for trial in one)]
    if not both:
        return []
    facts = work.planned.plan.artifacts
    artifacts = facts[pair.baseline.id], facts[pair.candidate.id]
    told = launches.doubts(both, artifacts, work.planned.target.device)
    return [f"{pair.name}: {one}" for one in told]


def _of_machine(found: Measured) -> dict[str, Json]:
    trials = [trial for some in found.trials.values() for both in some for trial in both]
    facts = next((trial.environment.facts for trial in trials if trial.environment.facts), {})
    machine = {name: facts[name] for name in _MACHINE_FACTS if name in facts}
    versions: Mapping[str, str] = next(
        (one.environment.facts["versions"] for one in trials if "versions" in one.environment.facts), {}
    )
    return {"machine": machine, "versions": dict(versions)}
