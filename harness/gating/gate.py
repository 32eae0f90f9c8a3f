"""A gate from its two names to its one result: opens the sides, chooses the design, has it measured or read, concludes.

Raises what is wrong with the input; whatever was measured becomes an outcome. Prints nothing, writes runs alone.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness import registry, stages
from harness.errors import UsageError
from harness.gating import cells, concluding, counting, paired, runs, stored
from harness.gating.desk import Budget, Clock
from harness.gating.paired import Work
from harness.gating.sides import Ground, Side, open_side, suite_now
from harness.model.codec import Json
from harness.model.gate import Decision, Design, GateResult, Policy, gravest
from harness.model.policy import DEFAULT, check_cells, let_through
from harness.options import Options
from harness.registry import Target
from harness.stages import Watcher
from harness.store import store
from harness.store.store import StoredRun


@dataclass(frozen=True)
class Request:
    """baseline, candidate: as of harness.gating.sides; no candidate: the suite as it is, or for design stored the
    newest run that no gate made. design: None for the best that is at hand. suite_named: a suite was given.
    allow_different: show figures of another machine, without a verdict."""

    baseline: str
    candidate: str | None = None
    design: Design | None = None
    policy: Policy = DEFAULT
    suite_named: bool = False
    allow_different: bool = False


def gate(request: Request, options: Options, watcher: Watcher, clock: Clock = time.monotonic) -> GateResult:
    """The result over all devices of the options: measured one after the other, judged as one family.

    UsageError and its kin for bad input; what the boards raise passes through, and is no verdict.
    """
    targets = registry.targets(options)
    # What belongs to a run: here there is one budget for everything, and looks instead of launches.
    options = replace(options, budget_s=None, quick=False, until=None, models=())
    count = len(targets)
    policy = replace(request.policy, alpha=request.policy.alpha / count, budget_s=request.policy.budget_s / count)
    results = [_on(replace(request, policy=policy), options, target, (watcher, clock)) for target in targets]
    if count == 1:
        return results[0]
    if any(result.design == "stored" for result in results):
        raise UsageError("design stored compares runs, each with a device of its own: name one --device")
    return _merged(results)


def _on(request: Request, options: Options, target: Target, looking: tuple[Watcher, Clock]) -> GateResult:
    budget = Budget(request.policy.budget_s, looking[1](), looking[1])
    with tempfile.TemporaryDirectory() as scratch:
        folders = [Path(scratch) / name for name in ("baseline", "candidate", "inputs")]
        for folder in folders:
            folder.mkdir()
        before = Ground(options, target, request.suite_named, folders[0])
        after = replace(before, scratch=folders[1])
        baseline = open_side(request.baseline, before)
        design, reason = _design(request, baseline)
        if design == "stored":
            found = _stored(request, baseline, after)
        else:
            candidate = open_side(request.candidate, after) if request.candidate else suite_now(after)
            if design == "paired" and candidate.planned is None and candidate.stored and not request.design:
                reason = f"the candidate cannot be measured now ({'; '.join(candidate.gone)}), so its run is read"
                found = _stored(request, baseline, after)
            elif design == "paired":
                found = _paired(request, (baseline, candidate), options, (looking[0], budget))
            else:
                found = counting.judge(
                    (baseline, candidate), counting.Ways(request.policy, options, budget, folders[2]), looking[0]
                )
    loud = let_through(request.policy)
    notes = (f"design {found.design}: {reason}", *loud, *_gone(baseline, found), *found.notes)
    return replace(found, notes=notes, facts={**found.facts, "design_reason": reason})


def _design(request: Request, baseline: Side) -> tuple[Design, str]:
    """What is at hand decides, unless one was asked for."""
    if request.design is not None:
        return request.design, "it was asked for"
    if baseline.planned is not None:
        return "paired", "the artifacts of both sides are at hand, so both are measured together now"
    if baseline.stored is None and baseline.baseline is None:
        raise UsageError(
            f"the baseline {baseline.label} has nothing to measure: {'; '.join(baseline.gone) or 'no case'}"
        )
    return "stored", f"the baseline cannot be measured now ({'; '.join(baseline.gone)}), so runs are compared"


def _gone(baseline: Side, found: GateResult) -> tuple[str, ...]:
    """Cells that the baseline has and that could not be measured. Who reads what was kept of them loses none."""
    return tuple(f"not judged: {sentence}" for sentence in baseline.gone) if found.design == "paired" else ()


def _stored(request: Request, baseline: Side, ground: Ground) -> GateResult:
    options = ground.options
    ways = stored.Ways(request.policy, options.variants, options.results, request.allow_different)
    return stored.judge(baseline, _candidate_run(request, ground), ways)


def _candidate_run(request: Request, ground: Ground) -> StoredRun:
    if request.candidate is None:
        return store.read(runs.find_run(ground.options.results, "last"))
    side = open_side(request.candidate, ground)
    if side.stored is None:
        raise UsageError(f"{side.label} was not measured: design stored compares runs, so name one as --candidate")
    return side.stored


def _paired(
    request: Request, sides: tuple[Side, Side], options: Options, looking: tuple[Watcher, Budget]
) -> GateResult:
    watcher, budget = looking
    plans = [side.planned for side in sides]
    for name, side in zip(("baseline", "candidate"), sides, strict=True):
        if side.planned is None:
            reasons = "; ".join(side.gone) or "it has no case"
            raise UsageError(f"the {name} ({side.label}) cannot be measured now: {reasons}")
    assert plans[0] is not None  # noqa: S101  # looked at above
    assert plans[1] is not None  # noqa: S101
    planned, pairs, conditions, notes = cells.joined(plans[0], plans[1], options.variants)
    if options.data_named and planned.split is None:
        notes = (*notes, "--data is not used: neither side is of a suite with images; name one")
    named = cells.called([pair.name for pair in pairs], sides)
    notes = (*notes, *check_cells(request.policy, named, narrowed=bool(options.variants)))
    work = Work(planned, pairs, options, request.policy, budget)
    paired.begun(work)  # a policy that is about nothing here is said before anything is measured
    planned, board = stages.reach(planned, options)
    try:
        left = {case.id for case in planned.plan.cases}
        kept = tuple(pair for pair in pairs if {pair.baseline.id, pair.candidate.id} <= left)
        if not kept:
            reasons = "; ".join(f"{skip.backend}: {skip.reason}" for skip in planned.plan.skips)
            raise UsageError(f"no case can be measured on {planned.target.name}: {reasons}")
        lost = tuple(
            f"not judged: {pair.name}: the board has no {pair.candidate.backend}" for pair in pairs if pair not in kept
        )
        planned = stages.with_references(planned, board, options)
        work = replace(work, planned=planned, pairs=kept)
        found = paired.measure(work, board, watcher)
    finally:
        board.transport.close()
    result = concluding.result_of(work, found, (sides[0].label, sides[1].label))
    return replace(result, conditions=conditions, notes=(*notes, *lost, *result.notes))


def _merged(results: Sequence[GateResult]) -> GateResult:
    """One result of several devices. Their error was split among them, so the gravest is the whole's."""
    outcome = gravest(one.outcome for one in results)
    names = [str(one.facts["device"]) for one in results]
    reasons = [f"{name}: {one.reason}" for name, one in zip(names, results, strict=True) if one.outcome == outcome]
    decisions: list[Decision] = []
    for name, one in zip(names, results, strict=True):
        decisions += [replace(found, cell=f"{found.cell} on {name}") for found in one.decisions]
    facts: dict[str, Json] = {"devices": {name: dict(one.facts) for name, one in zip(names, results, strict=True)}}
    return GateResult(
        results[0].design, outcome, reasons[0], results[0].baseline, results[0].candidate, tuple(decisions),
        tuple(f"{name}: {text}" for name, one in zip(names, results, strict=True) for text in one.conditions),
        tuple(f"{name}: {text}" for name, one in zip(names, results, strict=True) for text in one.notes),
        facts,
    )  # fmt: skip
