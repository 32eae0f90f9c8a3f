"""Design (c) at work: counts of two sides. MACs, parameters and size of the artifacts; memory and the place of
operators from stored or short fresh launches; instructions where they can be counted. Times nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.analysis.fingerprint import fingerprint
from harness.analysis.gate.counted import ALLOWANCES, INSTRUCTIONS, PLACEMENT, Allowance, Counts, judge_counts
from harness.gating import placement
from harness.model.baseline import BlessedCell
from harness.model.case import ArtifactFacts, Case
from harness.model.gate import Decision, Policy, Rule
from harness.model.policy import COUNTED, count_rules, rules_of
from harness.model.trial import Trial

MEMORY = "memory_peak_bytes"
# The label of harness.analysis.comparability's condition.
RUNTIME = "runtime"
KEEPS_NONE = "a blessed file keeps no count of them: name the old model's file, or git:REVISION"
NOT_KEPT = (
    "memory belongs to a machine and instructions to a processor, and neither is compared with a blessed file: name "
    "the old model's file, or git:REVISION"
)
# What is left open where time itself is measured and no rule names a margin for the count.
OPEN = "what it costs is measured above; a rule of the policy would judge the count itself"


def of_artifact(facts: ArtifactFacts) -> Counts:
    """What the file alone tells."""
    known = {"macs": facts.macs, "parameters": facts.parameters, "model_size_bytes": facts.size_bytes}
    uncounted = f"no rule counts {', '.join(facts.uncounted)}" if facts.uncounted else "cannot be counted"
    values = {name: (float(count),) for name, count in known.items() if count is not None}
    return Counts(values, absent={name: uncounted for name, count in known.items() if count is None})


def of_launches(case: Case, facts: ArtifactFacts, trials: Sequence[Trial], instructions: float | str) -> Counts:
    """And what launches tell. instructions: per inference, or why they are not counted."""
    counts = of_artifact(facts)
    values, absent = dict(counts.values), dict(counts.absent)
    peaks = tuple(trial.memory["end_peak_rss_bytes"] for trial in trials if "end_peak_rss_bytes" in trial.memory)
    if peaks:
        values[MEMORY] = peaks
    else:
        absent[MEMORY] = "no launch recorded it"
    places = placement.of_trials(trials)
    if places is None:
        absent[PLACEMENT] = "the runtime gave no account of what it ran"
    if isinstance(instructions, str):
        absent[INSTRUCTIONS] = instructions
    else:
        values[INSTRUCTIONS] = (instructions,)
    return Counts(values, places, placement.preferred(case, places), absent)


def of_blessed(cell: BlessedCell) -> Counts:
    """As kept."""
    counts = of_artifact(cell.artifact)
    values, absent = dict(counts.values), {**counts.absent, INSTRUCTIONS: KEEPS_NONE}
    peaks = next((kept.launches for kept in cell.metrics if kept.metric == MEMORY), ())
    if peaks:
        values[MEMORY] = peaks
    else:
        absent[MEMORY] = "not kept"
    return Counts(values, cell.placement, placement.preferred(cell.case, cell.placement), absent)


def against_kept(cell: BlessedCell, facts: ArtifactFacts, trial: Trial) -> tuple[Counts, Counts]:
    """What a blessed file keeps, and a launch of now, on whatever machine: counts of the file are the same everywhere,
    and where operators run is the runtime's choice, of which another release may choose otherwise. See NOT_KEPT."""
    before, after = of_artifact(cell.artifact), of_artifact(facts)
    there = placement.of_trials([trial])
    then, now = (told.software.get(RUNTIME, "not known") for told in (cell.fingerprint, fingerprint([trial])))
    if cell.placement is None or there is None:
        said = "not kept" if cell.placement is None else "the runtime gave no account of what it ran"
    else:
        said = "" if then == now else f"the runtime was {then}, and is {now}: bless a run of it"
    if said:
        return replace(before, absent={**before.absent, PLACEMENT: said}), after
    preferred = placement.preferred(cell.case, cell.placement)
    return replace(before, placement=cell.placement, preferred=preferred), replace(after, placement=there)


def judged(cell: str, baseline: Counts, candidate: Counts, policy: Policy) -> tuple[tuple[Decision, ...], list[str]]:
    """By the policy's tolerances where it names a count, else by the design's own. What either side could not count is
    a note, and left out on both."""
    allowances = {**ALLOWANCES, **_named(policy, cell)}
    notes = []
    for metric in (MEMORY, INSTRUCTIONS):
        reasons = [side.absent[metric] for side in (baseline, candidate) if metric in side.absent]
        if reasons:
            notes.append(f"{cell}: {metric} is not compared: {reasons[0]}")
            allowances.pop(metric, None)
    if baseline.placement is None or candidate.placement is None:
        reasons = [side.absent.get(PLACEMENT, "not asked") for side in (baseline, candidate) if side.placement is None]
        notes.append(f"{cell}: the place of operators is not compared: {reasons[0]}")
        baseline, candidate = replace(baseline, placement=None), replace(candidate, placement=None)
    return judge_counts(cell, baseline, candidate, allowances), notes


def beside_time(cell: str, before: ArtifactFacts, after: ArtifactFacts, policy: Policy) -> tuple[Decision, ...]:
    """The artifacts' own counts where time is measured too. More of one is a regression only where a rule names it: the
    time is what the gate is about, and a model may do more work in it."""
    named = count_rules(policy, cell)
    allowances = {name: ALLOWANCES[name] for name in COUNTED} | {name: _allowance(rule) for name, rule in named.items()}
    sides = of_artifact(before), of_artifact(after)
    if not any(side.values for side in sides):
        return ()
    found = judge_counts(cell, *sides, allowances)
    return tuple(
        replace(one, outcome="inconclusive", reason=f"{one.reason}; {OPEN}")
        if one.outcome in ("regression", "invalid") and one.metric not in named
        else one
        for one in found
    )


def _named(policy: Policy, cell: str) -> Mapping[str, Allowance]:
    listed = {rule.metric: rule for rule in rules_of(policy, cell) if rule.metric in (*COUNTED, MEMORY)}
    return {name: _allowance(rule) for name, rule in listed.items()}


def _allowance(rule: Rule) -> Allowance:
    return Allowance(rule.tolerance, rule.least_change)
