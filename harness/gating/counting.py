"""Design (c): which counts are read and which are made now, in short launches whose times nobody looks at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from harness import places, stages
from harness.analysis.cells import Cell, cells_of
from harness.analysis.gate.counted import Counts
from harness.artifacts import onnx_session
from harness.board.hold import Hold, Patience
from harness.board.runner import utc_now
from harness.errors import UsageError
from harness.gating import blessed, cells, counted, instructions, runs, verdict
from harness.gating.cells import Key, Pair, key_of
from harness.gating.desk import Budget, Desk
from harness.gating.sides import Side
from harness.model.baseline import BlessedCell
from harness.model.case import Case, StopRule, WarmUp
from harness.model.codec import Json
from harness.model.gate import Decision, GateResult, Policy
from harness.model.policy import check_cells
from harness.options import Options
from harness.planning import Planned
from harness.stages import Watcher
from harness.store import store

# Memory needs a launch and a few inferences; three of them show its noise.
LAUNCHES = 3
_WARM_UP = WarmUp(min_duration_s=0.0, max_duration_s=0.5, tolerance=0.5)
_STOP = StopRule(min_count=8, min_duration_s=0.0, budget_s=30.0)


@dataclass(frozen=True)
class Ways:
    """scratch: a folder for inputs."""

    policy: Policy
    options: Options
    budget: Budget
    scratch: Path


def judge(sides: tuple[Side, Side], ways: Ways, watcher: Watcher) -> GateResult:
    """A blessed file's counts against the suite as it is; else from fresh launches where both artifacts are at hand,
    else from what was measured of both before. UsageError where both are one run."""
    baseline, candidate = sides
    if candidate.run:
        runs.refuse_itself(baseline.run, candidate.run)
    facts: dict[str, Json] = {"alpha": None, "seed": ways.options.seed}
    conditions: tuple[str, ...] = ()
    if baseline.baseline is not None and candidate.planned is not None and candidate.stored is None:
        kept = {key_of(cell.case): cell for cell in baseline.baseline.cells}
        found, run, conditions, notes = _against_kept(kept, candidate.planned, ways, watcher)
        facts |= {"run": run, "device": candidate.planned.target.name}
    elif baseline.planned is not None and candidate.planned is not None:
        planned, pairs, conditions, notes = cells.joined(baseline.planned, candidate.planned, ways.options.variants)
        notes += tuple(f"not judged: {sentence}" for sentence in baseline.gone)
        found, run = _fresh(planned, pairs, ways, watcher)
        facts |= {"run": run, "device": planned.target.name}
    else:
        found, notes = _before(sides, ways)
        facts["device"] = candidate.stored.run.device.name if candidate.stored else None
    said = list(notes)
    decisions: list[Decision] = []
    for name, (before, after) in found.items():
        made, more = counted.judged(name, before, after, ways.policy)
        decisions += made
        said += more
    said += check_cells(ways.policy, cells.called(list(found), sides), narrowed=bool(ways.options.variants))
    sound, vain = verdict.sound(decisions, verdict.rules_over(ways.policy, list(found)))
    outcome, reason = verdict.concluded(sound, None, said)
    said += vain
    facts["seconds"] = round(ways.budget.spent_s(), 3)
    labels = baseline.label, candidate.label
    return GateResult("counted", outcome, reason, *labels, sound, conditions, tuple(dict.fromkeys(said)), facts)


def _fresh(
    planned: Planned, pairs: Sequence[Pair], ways: Ways, watcher: Watcher
) -> tuple[dict[str, tuple[Counts, Counts]], str]:
    """Short launches of both sides, stored as any other run's."""
    planned, new = _shortened(planned)
    pairs = [Pair(pair.name, new[pair.baseline.id], new[pair.candidate.id]) for pair in pairs]

    def counted_of(desk: Desk, there: Planned) -> dict[str, tuple[Counts, Counts]]:
        left = {case.id for case in there.plan.cases}
        kept = [pair for pair in pairs if {pair.baseline.id, pair.candidate.id} <= left]
        desk.expected = 2 * LAUNCHES * len(kept)
        return {pair.name: _counts(desk, pair, there, ways) for pair in kept}

    return _launched(planned, ways, watcher, counted_of)


def _against_kept(
    kept: Mapping[Key, BlessedCell], planned: Planned, ways: Ways, watcher: Watcher
) -> tuple[dict[str, tuple[Counts, Counts]], str, tuple[str, ...], tuple[str, ...]]:
    """One short launch of each of the candidate's cases; the run, what differs besides the artifacts, and notes."""
    planned, new = _shortened(planned)
    after = {key_of(case): case for case in new.values()}
    matches, notes = cells.matched(tuple(kept), tuple(after), ways.options.variants)
    wanted = tuple(after[one.candidate] for one in matches)
    planned = replace(planned, plan=replace(planned.plan, cases=wanted, trials=(), until=None))

    def counted_of(desk: Desk, there: Planned) -> dict[str, tuple[Counts, Counts]]:
        left = {case.id for case in there.plan.cases}
        pairs = [(one, after[one.candidate]) for one in matches if after[one.candidate].id in left]
        desk.expected = len(pairs)
        return {one.name: _held(desk, kept[one.baseline], case) for one, case in pairs}

    found, run = _launched(planned, ways, watcher, counted_of)
    differing = [
        text
        for one in matches
        for label, text in cells.conditions(one.name, kept[one.baseline].case, after[one.candidate]).items()
        if label not in ("scenario", "settings")  # how it is measured, and no time is
    ]
    return found, run, tuple(differing), (*notes, counted.NOT_KEPT)


def _held(desk: Desk, before: BlessedCell, case: Case) -> tuple[Counts, Counts]:
    trial = desk.alone(case)
    if isinstance(trial, str):
        broken = Counts({}, absent={"launches": trial})
        return broken, broken
    return counted.against_kept(before, desk.plan.artifacts[case.id], trial)


def _launched(
    planned: Planned, ways: Ways, watcher: Watcher, count: Callable[[Desk, Planned], dict[str, tuple[Counts, Counts]]]
) -> tuple[dict[str, tuple[Counts, Counts]], str]:
    """What `count` makes of the board, and the run that its launches are stored as. UsageError where the board has the
    backend of no case."""
    planned, board = stages.reach(planned, ways.options)
    try:
        if not planned.plan.cases:
            reasons = "; ".join(f"{skip.backend}: {skip.reason}" for skip in planned.plan.skips)
            raise UsageError(f"no case can be measured on {planned.target.name}: {reasons}")
        planned = stages.with_references(planned, board, ways.options)
        run = stages.new_run(planned, ways.options)
        root = places.writable(ways.options.results, "--results")
        with Hold(board, run.id, Patience(tell=watcher.tell)) as hold:
            folder = store.begin(root, run)
            with store.held(folder):
                sent = hold.sending(lambda reached: stages.materials(reached, planned, ways.options))
                chance = Random(planned.plan.seed)
                desk = Desk(hold, run, folder, sent, watcher, ways.budget.clock, "not asked", chance)
                found = count(desk, planned)
                store.finish(folder, utc_now(), len(store.finished_trials(folder)), 0)
            hold.drop(None)
        return found, run.id
    finally:
        board.transport.close()


def _counts(desk: Desk, pair: Pair, planned: Planned, ways: Ways) -> tuple[Counts, Counts]:
    facts = planned.plan.artifacts
    launched = [desk.profiled(pair, number) for number in range(LAUNCHES)]
    bad = next((one for one in launched if isinstance(one, str)), None)
    if bad is not None:
        broken = Counts({}, absent={"launches": bad})
        return broken, broken
    both = [one for one in launched if not isinstance(one, str)]
    counts = []
    for index, case in enumerate((pair.baseline, pair.candidate)):
        told = _instructions(case, pair, planned, ways)
        counts.append(counted.of_launches(case, facts[case.id], [one[index] for one in both], told))
    return counts[0], counts[1]


def _instructions(case: Case, pair: Pair, planned: Planned, ways: Ways) -> float | str:
    reason = instructions.why_not(case, local=planned.target.site is None)
    if reason is None and pair.baseline.artifact_sha256 == pair.candidate.artifact_sha256:
        reason = "both sides are the same file"
    if reason is None and ways.budget.left_s() <= 0:
        reason = f"the budget of {ways.budget.seconds:g} s was spent"
    how = instructions.tool() if reason is None else reason
    if isinstance(how, str):
        return how
    path = ways.scratch / f"{case.id}.npz"
    arrays: dict[str, Any] = onnx_session.seeded_inputs(case.inputs, case.input_seed)
    np.savez(path, **arrays)
    return instructions.per_inference(planned.resolution.source(case), path, how)


def _shortened(planned: Planned) -> tuple[Planned, dict[str, Case]]:
    """The same cases with as few inferences as memory takes, by their old ids."""
    new = {case.id: _short(case) for case in planned.plan.cases}
    artifacts = {new[key].id: facts for key, facts in planned.plan.artifacts.items()}
    return replace(planned, plan=replace(planned.plan, cases=tuple(new.values()), artifacts=artifacts), split=None), new


def _short(case: Case) -> Case:
    return replace(case, scenario=replace(case.scenario, warm_up=_WARM_UP, stop=_STOP))


def _before(sides: tuple[Side, Side], ways: Ways) -> tuple[dict[str, tuple[Counts, Counts]], tuple[str, ...]]:
    """From what was measured before, of each side."""
    tables = []
    for name, side in zip(("baseline", "candidate"), sides, strict=True):
        if side.stored is None and side.baseline is None:
            reasons = "; ".join(side.gone) or "it has no case"
            raise UsageError(f"the {name} ({side.label}) cannot be measured now and never was: {reasons}")
        tables.append(_table(side))
    matches, notes = cells.matched(tuple(tables[0]), tuple(tables[1]), ways.options.variants)
    return {one.name: (tables[0][one.baseline], tables[1][one.candidate]) for one in matches}, notes


def _table(side: Side) -> Mapping[Key, Counts]:
    if side.baseline is not None:
        return {key_of(cell.case): counted.of_blessed(cell) for cell in side.baseline.cells}
    assert side.stored is not None  # noqa: S101  # its caller looked
    return {cell.key: _of_cell(cell) for cell in cells_of(side.stored)}


def _of_cell(cell: Cell) -> Counts:
    reason = blessed.why_not(cell)
    if reason:
        return Counts({}, absent={"launches": reason})
    untold = "the runs that are compared did not count them"
    return counted.of_launches(cell.record.case, cell.result.artifact, cell.timed, untold)
