"""Design (b) at work: a stored run against a blessed baseline or an older run of the same machine. Measures nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.analysis.cells import Cell, cells_of
from harness.analysis.fingerprint import differing, fingerprint
from harness.analysis.gate.stored import Kept, confirm_session, judge_session
from harness.errors import UsageError
from harness.gating import answers, blessed, counted, runs, verdict
from harness.gating.cells import Match, called, conditions, key_of, matched
from harness.gating.sides import Side
from harness.model.baseline import Baseline, BlessedCell
from harness.model.codec import Json
from harness.model.gate import Decision, GateResult, Policy, Rule
from harness.model.metrics import REGISTRY
from harness.model.policy import accuracy_rule, check_cells, of_launches, rules_of, untimed
from harness.model.trial import Trial
from harness.store.store import StoredRun

# Of what may differ between two cases, what makes their absolute figures meet no more.
_MEANINGLESS = ("inputs", "scenario", "settings")
ANOTHER = "another machine, software or way of measuring, or does not tell it"


@dataclass(frozen=True)
class Ways:
    """policy; variants: only these; root: the store, where sessions lie; allow_different: judge nothing, but show."""

    policy: Policy
    variants: tuple[str, ...]
    root: Path
    allow_different: bool


@dataclass(frozen=True)
class _Cell:
    """A cell of both; differs: what forbids every verdict on their absolute figures."""

    name: str
    before: BlessedCell
    after: Cell
    differs: tuple[str, ...]


def judge(baseline: Side, candidate: StoredRun, ways: Ways) -> GateResult:
    """UsageError where no cell is common, or where machines differ, or one is not known, and that is not allowed."""
    base = baseline.baseline or _as_baseline(baseline, ways)
    runs.refuse_itself(base.run, candidate.run.id)
    cells, notes = _matched(base, candidate, ways)
    differs = tuple(dict.fromkeys(f"{one.name}: {text}" for one in cells for text in one.differs))
    if differs and not ways.allow_different:
        raise UsageError(
            f"the baseline {base.name} is of {ANOTHER}: {'; '.join(differs)}. Measure both sides here (its artifacts "
            "make that possible), bless a run of this machine, or look at it with --allow-different"
        )
    policy = _timed(ways.policy)
    metrics = sum(len(rules_of(policy, one.name)) for one in cells) if policy else 0
    decisions: list[Decision] = []
    for one in cells:
        found = _judged(one, policy, metrics, ways) if policy else []
        found += _of_answers(one, baseline, ways.policy, max(1, metrics))
        decisions += [made for made in found if isinstance(made, Decision)]
        notes += [said for said in found if isinstance(said, str) and said]
        decisions += counted.beside_time(one.name, one.before.artifact, one.after.result.artifact, ways.policy)
    names = [one.name for one in cells]
    named = called(names, (baseline, Side("", stored=candidate)))
    notes += check_cells(ways.policy, named, narrowed=bool(ways.variants))
    rules = verdict.rules_over(ways.policy, names)
    sound, vain = verdict.sound(decisions, rules)
    outcome, reason = verdict.concluded(sound, rules, notes)
    notes += [*vain, *untimed(ways.policy, names)]
    facts: dict[str, Json] = {
        "run": candidate.run.id,
        "baseline_run": base.run,
        "device": candidate.run.device.name,
        "sessions": {one.name: len(one.before.sessions) for one in cells},
        "machine": dict(fingerprint(cells[0].after.timed).machine),
        "versions": dict(candidate.run.versions),
        "alpha": ways.policy.alpha,
    }
    labels = baseline.label, f"run {candidate.run.id}"
    return GateResult("stored", outcome, reason, *labels, sound, differs, tuple(notes), facts)


def _as_baseline(side: Side, ways: Ways) -> Baseline:
    if side.stored is None:
        raise UsageError(f"{side.label} was never measured: design stored needs a run or a blessed baseline")
    return blessed.bless(side.stored, ways.root, side.stored.run.id)


def _timed(policy: Policy) -> Policy | None:
    rules = of_launches(policy)
    return replace(policy, rules=rules) if rules else None


def _matched(base: Baseline, candidate: StoredRun, ways: Ways) -> tuple[list[_Cell], list[str]]:
    before = {key_of(cell.case): cell for cell in base.cells}
    after = {cell.key: cell for cell in cells_of(candidate)}
    matches, notes = matched(tuple(before), tuple(after), ways.variants)
    return [_cell(one, before[one.baseline], after[one.candidate]) for one in matches], list(notes)


def _cell(one: Match, before: BlessedCell, after: Cell) -> _Cell:
    told = conditions("", before.case, after.record.case)
    other = [text for label, text in told.items() if label in _MEANINGLESS]
    prints = differing(before.fingerprint, fingerprint(after.timed)) if after.timed else ()
    return _Cell(one.name, before, after, (*prints, *other))


def _judged(one: _Cell, policy: Policy, metrics: int, ways: Ways) -> list[Decision | str]:
    why_not = blessed.why_not(one.after)
    rules = rules_of(policy, one.name)
    if why_not:
        count = len(one.after.timed)
        return [Decision(one.name, rule.metric, "invalid", count, f"the candidate: {why_not}") for rule in rules[:1]]
    found: list[Decision | str] = []
    for rule in rules:
        made = _metric(one, rule, policy, metrics, ways.root)
        if isinstance(made, Decision) and one.differs and made.outcome != "invalid":
            made = replace(made, outcome="inconclusive", reason=f"{made.reason}; but the baseline is of {ANOTHER}")
        found.append(made)
    return found


def _metric(one: _Cell, rule: Rule, policy: Policy, metrics: int, root: Path) -> Decision | str:
    kept = next((kept for kept in one.before.metrics if kept.metric == rule.metric), None)
    now = blessed.session_value(one.after.result, rule.metric)
    label = REGISTRY[rule.metric].label
    if kept is None or now is None:
        side = "the baseline" if kept is None else "the candidate"
        reason = f"{label}: {side} has no value: {one.after.result.missing.get(rule.metric, 'not kept')}"
        neither = kept is None and now is None
        if not rule.required and (neither or rule.only_alarms):
            return f"{one.name}: {reason}"
        return Decision(one.name, rule.metric, "invalid", 0, reason)
    floor = Kept(_sessions(one, rule.metric), kept.unit)
    first = judge_session(one.name, rule, floor, now, policy, metrics)
    if first.outcome != "regression" or one.differs:  # what is no verdict needs nothing to confirm it
        return first
    second = _second(one, root)
    if second is None:
        reason = (
            f"{first.reason}; run it again: a second session is needed to confirm, measured after this one (then gate "
            f"with --candidate {one.after.run})"
        )
        return replace(first, outcome="inconclusive", confirmed=False, reason=reason)
    again = blessed.session_value(second.result, rule.metric)
    return confirm_session(first, rule, floor, math.nan if again is None else again, policy)


def _sessions(one: _Cell, metric: str) -> tuple[float, ...]:
    """Of the baseline, less the candidate's own: where nothing was changed it may be one of them."""
    kept = next(kept for kept in one.before.metrics if kept.metric == metric)
    pairs = zip(one.before.sessions, kept.sessions, strict=True)
    return tuple(value for run, value in pairs if value is not None and run != one.after.run)


def _second(one: _Cell, root: Path) -> Cell | None:
    """The first session of exactly the candidate's case on this machine that was measured after the candidate and from
    which nothing of the noise floor was learned. The first, as whoever may choose among several finds one that suits.
    """
    like = blessed.sessions_of([one.after], root)[one.after.record.case.id]
    return next((cell for cell in like if cell.run not in one.before.sessions and _later(cell, one.after)), None)


def _later(cell: Cell, than: Cell) -> bool:
    """Begun after the other had its last launch: an interrupted run may be gone on with after a younger one."""
    ended = max(trial.started_utc for trial in than.timed)
    return cell.run > than.run and min(trial.started_utc for trial in cell.timed) >= ended


def _of_answers(one: _Cell, baseline: Side, policy: Policy, metrics: int) -> list[Decision | str]:
    if accuracy_rule(policy, one.name) is None:
        return []
    before = _predictions(cells_of(baseline.stored), one.before.case.id) if baseline.stored else None
    after = _predictions([one.after], one.after.record.case.id)
    if before is None or after is None:
        told = "a blessed file keeps no predictions" if baseline.stored is None else "not predicted in both runs"
        return [answers.judged(one.name, told, policy, 1.0)]
    return [answers.judged(one.name, (before, after), policy, policy.alpha / metrics)]


def _predictions(cells: Sequence[Cell], case: str) -> Trial | None:
    trials = [trial for cell in cells if cell.record.case.id == case for trial in cell.record.trials]
    return next((one for one in reversed(trials) if one.mode == "accuracy" and one.status == "ok"), None)
