"""Design (a) at work: both sides measured together now, launch by launch, until every cell is decided.

Owns the order of the cells, the budget and what ends a cell; `desk` plays the launches, harness.analysis.gate decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from harness import places, stages
from harness.analysis.gate import effects, order, sequential
from harness.analysis.gate.effects import Launch
from harness.analysis.places import ENERGY
from harness.board.hold import Board, Hold, Patience
from harness.board.runner import utc_now
from harness.gating import launches
from harness.gating.cells import Pair
from harness.gating.desk import Budget, Desk
from harness.gating.launches import Both, Paused
from harness.model.gate import Policy, Rule
from harness.model.policy import accuracy_rule, of_launches, rules_of
from harness.options import Options
from harness.planning import Planned
from harness.stages import Watcher
from harness.store import store

NO_IMAGES = "no images are at hand: name their folder with --data, and a suite that has them"
# Of a cell's launches (statistics.md, 4.9).
MOST_DROPPED = 0.2
TOO_MANY = "or its wall clock was set: more than a fifth of them cannot be dropped"
SAME_FILE = "both sides are the same file with the same options"


@dataclass(frozen=True)
class Work:
    """A joined plan, reached, with its references; and by what rules it is measured."""

    planned: Planned
    pairs: tuple[Pair, ...]
    options: Options
    policy: Policy
    budget: Budget


@dataclass
class Measured:
    """What came of it. gate: None where no rule is about launches. broken: by cell, why it supports no verdict.

    answers: by cell, both sides' accuracy trials, or why there are none. settling: inferences left out at the head of
    each block. dropped: launches in which the machine was paused. judged: how many tests share the error, and `alpha`
    is what the accuracy has of it for each.
    """

    folder: Path
    run: str
    gate: sequential.Gate | None = None
    broken: dict[str, str] = field(default_factory=dict)
    launches: dict[str, list[Launch]] = field(default_factory=dict)
    trials: dict[str, list[Both]] = field(default_factory=dict)
    answers: dict[str, Both | str] = field(default_factory=dict)
    settling: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, list[Paused]] = field(default_factory=dict)
    alpha: float = 0.0
    stopped: str = ""


def measure(work: Work, board: Board, watcher: Watcher) -> Measured:
    """The run is stored as any other; KeyboardInterrupt and lost links pass through, and leave no verdict."""
    planned, options = work.planned, work.options
    root = places.writable(options.results, "--results")
    run = stages.new_run(planned, options)
    with Hold(board, run.id, Patience(tell=watcher.tell)) as hold:
        folder = store.begin(root, run)
        with store.held(folder):
            sent = hold.sending(lambda reached: stages.materials(reached, planned, options))
            energy = _why_no_energy(work)
            desk = Desk(hold, run, folder, sent, watcher, work.budget.clock, energy, Random(planned.plan.seed))
            hold.calm(whole=True)
            found = Measured(folder, run.id, trials=desk.played, dropped=desk.dropped)
            _launches(found, desk, work)
            _answers(found, desk, work)
            trials = [trial for both in desk.played.values() for pair in both for trial in pair]
            failed = sum(trial.status == "failed" for trial in trials)
            store.finish(folder, utc_now(), len(store.finished_trials(folder)), failed)
        hold.drop(None)
    return found


def begun(work: Work) -> tuple[sequential.Gate | None, float]:
    """The gate over what launches have, and the error level of each accuracy: alpha is shared by all of both."""
    rules = of_launches(work.policy)
    names = [pair.name for pair in work.pairs]
    policy = replace(work.policy, rules=rules) if rules else None
    timed = sum(len(rules_of(policy, name)) for name in names) if policy else 0
    asked = sum(accuracy_rule(work.policy, name) is not None for name in names) if work.planned.split else 0
    total = max(1, timed + asked)
    if policy is None or (not timed and asked):
        return None, work.policy.alpha / total
    policy = replace(policy, alpha=work.policy.alpha * timed / total) if timed else policy
    return sequential.begin(policy, names), work.policy.alpha / total


def order_effects(found: Measured) -> dict[str, order.OrderEffect | str]:
    """By cell: what running second cost."""
    return {
        name: order.order_effect(some, found.settling.get(name, 0)) for name, some in found.launches.items() if some
    }


def _launches(found: Measured, desk: Desk, work: Work) -> None:
    found.gate, found.alpha = begun(work)
    stopped = ""
    while found.gate is not None and not stopped:
        wanted = {name: n for name, n in sequential.wanted(found.gate).items() if name not in found.broken}
        if not wanted:
            return
        desk.expected = 2 * (sum(map(len, desk.played.values())) + sum(wanted.values()))
        fresh, stopped = _measured(found, desk, work, wanted)
        for name, some in fresh.items():
            if not some or name in found.broken:
                continue
            # Frozen with the first look, so that no later one changes what was judged; both sides take part in it.
            drop = found.settling.setdefault(name, effects.settling(some))
            reason = launches.restless(desk.played[name], drop)
            if reason:
                found.broken[name] = reason
            else:
                rules = _rules(found.gate, name)
                seen = [effects.launch_effects(launch, rules, drop) for launch in some]
                found.gate = sequential.take(found.gate, name, seen)
    if stopped and found.gate is not None:
        found.stopped, found.gate = stopped, sequential.stop(found.gate, stopped)


def _measured(
    found: Measured, desk: Desk, work: Work, wanted: Mapping[str, int]
) -> tuple[dict[str, list[Launch]], str]:
    """As many launches of each cell as are wanted, of a broken cell no more; and why they are fewer, if it is for the
    budget. One that is dropped is repeated after the others."""
    pairs = {pair.name: pair for pair in work.pairs}
    fresh: dict[str, list[Launch]] = {name: [] for name in wanted}
    waiting = list(_rounds(wanted, desk.chance))
    for name in waiting:
        if name in found.broken:
            continue
        if work.budget.left_s() < desk.longest_s or work.budget.left_s() <= 0:
            return fresh, f"the budget of {work.budget.seconds:g} s was spent"
        launch = desk.launch(pairs[name])
        if isinstance(launch, Paused):
            waiting.append(name)
            dropped, most = len(desk.dropped[name]), len(found.launches.get(name, ())) - len(fresh[name]) + wanted[name]
            if dropped > MOST_DROPPED * (dropped + most):
                found.broken[name] = f"the machine was paused in {dropped} of {dropped + most} launches, {TOO_MANY}"
        elif isinstance(launch, str):
            found.broken[name] = f"launch {len(desk.played[name])}: {launch}"
        else:
            fresh[name].append(launch)
            found.launches.setdefault(name, []).append(launch)
    return fresh, ""


def _rounds(wanted: Mapping[str, int], chance: Random) -> Iterator[str]:
    """Each round starts every cell that wants one once, in random order, so that drift falls on all of them alike."""
    for done in range(max(wanted.values(), default=0)):
        left = sorted(name for name, count in wanted.items() if count > done)
        yield from chance.sample(left, len(left))


def _answers(found: Measured, desk: Desk, work: Work) -> None:
    """Last, as it heats the board. Once for each pair of files, whatever the scenario."""
    known: dict[tuple[str, ...], Both] = {}
    for pair in work.pairs:
        if accuracy_rule(work.policy, pair.name) is None:
            continue
        if work.planned.split is None:
            found.answers[pair.name] = NO_IMAGES
        elif (pair.baseline.artifact_sha256, pair.baseline.options) == (
            pair.candidate.artifact_sha256, pair.candidate.options,
        ):  # fmt: skip
            found.answers[pair.name] = SAME_FILE
        elif work.budget.left_s() <= 0:
            found.answers[pair.name] = f"the budget of {work.budget.seconds:g} s was spent"
        else:
            files = pair.baseline.artifact_sha256, pair.candidate.artifact_sha256, pair.candidate.backend
            if files not in known:
                known[files] = desk.answers(pair)
            found.answers[pair.name] = known[files]


def _rules(gate: sequential.Gate, name: str) -> tuple[Rule, ...]:
    return next(cell.rules for cell in gate.cells if cell.name == name)


def _why_no_energy(work: Work) -> str:
    asked = any(rule.metric == ENERGY for pair in work.pairs for rule in rules_of(work.policy, pair.name))
    if not asked:
        return "no rule asks for it"
    return launches.why_no_energy(work.planned.target.device, work.planned.told)
