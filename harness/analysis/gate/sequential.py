"""The order of a gate: looks, early end, confirmation by fresh launches. A state, asked and told; never measures.

    state = begin(policy, cells)
    while request := wanted(state):
        for cell, launches in request.items():
            state = take(state, cell, [one LaunchEffects per launch])    # as they come: fewer are fine
    decisions(state), notes(state)

Each cell goes its own way, on the policy's planned looks alone. It ends when nothing of it is open, when a regression
showed itself again, or after the last look. `stop` ends everything, as when the time is spent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.analysis.gate import decide, judge
from harness.analysis.gate.decide import Levels
from harness.analysis.gate.effects import Effect, LaunchEffects
from harness.errors import UsageError
from harness.model.gate import FEWEST_LAUNCHES, Decision, Policy, Rule
from harness.model.metrics import REGISTRY
from harness.model.policy import rules_of

# An alarm-only metric asks for another look when it leans this far towards an alarm (one-sided p of being above its
# tolerance). Which look is the last costs nothing: the errors of all planned looks are spent anyway.
LEANS = 0.05


@dataclass(frozen=True)
class Cell:
    """Where one cell stands. seen: launches of the looks; fresh: those of the confirmation under way; look: the number
    of looks taken; latest: the decisions of the last look, `left_out`: metrics without one, in a sentence each."""

    name: str
    rules: tuple[Rule, ...]
    seen: tuple[LaunchEffects, ...] = ()
    fresh: tuple[LaunchEffects, ...] = ()
    look: int = 0
    phase: Literal["measuring", "confirming", "done"] = "measuring"
    latest: tuple[Decision, ...] = ()
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Gate:
    """All cells, and the levels that they share."""

    policy: Policy
    levels: Levels
    cells: tuple[Cell, ...]


def begin(policy: Policy, cells: Sequence[str]) -> Gate:
    """Nothing measured yet. UsageError where no rule names a cell."""
    started = tuple(Cell(name, rules) for name in cells if (rules := rules_of(policy, name)))
    if not started:
        named = sorted({pattern for rule in policy.rules for pattern in rule.cells}) or ["all"]
        raise UsageError(
            f"no rule of the policy is about anything here: it names {', '.join(named)}; here is "
            f"{', '.join(cells) or 'no case that both sides have'}"
        )
    return Gate(policy, decide.levels_of(policy, sum(len(cell.rules) for cell in started)), started)


def wanted(gate: Gate) -> Mapping[str, int]:
    """How many more launches of which cells; empty when the gate is through."""
    asked = {cell.name: _target(gate.policy, cell) - len(_collecting(cell)) for cell in gate.cells}
    return {name: count for name, count in asked.items() if count > 0}


def take(gate: Gate, name: str, launches: Sequence[LaunchEffects]) -> Gate:
    """The gate after these launches of a cell, no more of them than were wanted."""
    if len(launches) > wanted(gate).get(name, 0):
        raise ValueError(f"{name}: {len(launches)} launches, but {wanted(gate).get(name, 0)} were wanted")
    return _replaced(gate, name, lambda cell: _taken(gate, cell, tuple(launches)))


def stop(gate: Gate, why: str) -> Gate:
    """The gate ended before its time: what is open is judged once more, with the errors of its next look, and says why.
    A regression that could not be confirmed is none."""
    return replace(gate, cells=tuple(_stopped(gate, cell, why) for cell in gate.cells))


def decisions(gate: Gate) -> tuple[Decision, ...]:
    """Of all cells, with p as displayed."""
    return judge.displayed([one for cell in gate.cells for one in cell.latest])


def notes(gate: Gate) -> tuple[str, ...]:
    """What was not judged and need not be."""
    return tuple(dict.fromkeys(sentence for cell in gate.cells for sentence in cell.left_out))


def _collecting(cell: Cell) -> tuple[LaunchEffects, ...]:
    return cell.fresh if cell.phase == "confirming" else cell.seen


def _target(policy: Policy, cell: Cell) -> int:
    if cell.phase == "done":
        return 0
    return policy.confirm if cell.phase == "confirming" else policy.looks[cell.look]


def _replaced(gate: Gate, name: str, change: Callable[[Cell], Cell]) -> Gate:
    return replace(gate, cells=tuple(change(cell) if cell.name == name else cell for cell in gate.cells))


def _taken(gate: Gate, cell: Cell, launches: tuple[LaunchEffects, ...]) -> Cell:
    if cell.phase == "confirming":
        cell = replace(cell, fresh=cell.fresh + launches)
    else:
        cell = replace(cell, seen=cell.seen + launches)
    if len(_collecting(cell)) < _target(gate.policy, cell):
        return cell
    return _confirmed(gate, cell) if cell.phase == "confirming" else _looked(gate, cell)


def _looked(gate: Gate, cell: Cell) -> Cell:
    """After a planned look: to the confirmation of what regressed, or onwards."""
    cell = _judged(gate, replace(cell, look=cell.look + 1))
    if any(one.outcome == "regression" for one in cell.latest):
        if gate.policy.confirm:
            return replace(cell, phase="confirming", fresh=())
        return replace(cell, phase="done")
    return _onwards(gate, cell)


def _judged(gate: Gate, cell: Cell) -> Cell:
    found = [judge.judged(cell.name, rule, cell.seen, gate.levels) for rule in cell.rules]
    latest = judge.with_evidence([one for one in found if isinstance(one, Decision)], cell.seen, cell.rules)
    return replace(cell, latest=latest, left_out=tuple(one for one in found if isinstance(one, str)))


def _onwards(gate: Gate, cell: Cell) -> Cell:
    last = cell.look >= len(gate.policy.looks)
    invalid = any(one.outcome == "invalid" for one in cell.latest)  # more launches mend no broken one
    rules = {rule.metric: rule for rule in cell.rules}
    still = [one for one in cell.latest if _is_open(one, rules[one.metric])]
    return replace(cell, phase="done" if last or invalid or not still else "measuring")


def _is_open(one: Decision, rule: Rule) -> bool:
    if one.outcome != "inconclusive":
        return False
    return not rule.only_alarms or (one.p is not None and one.p < LEANS)


def _confirmed(gate: Gate, cell: Cell) -> Cell:
    """After the fresh launches: what shows itself again is a regression, the rest is not reproduced."""
    rules = {rule.metric: rule for rule in cell.rules}
    latest = tuple(
        _again(gate, cell, one, rules[one.metric]) if one.outcome == "regression" else one for one in cell.latest
    )
    cell = replace(cell, latest=latest)
    if any(one.confirmed for one in latest):
        return replace(cell, phase="done")
    return _onwards(gate, cell)


def _again(gate: Gate, cell: Cell, one: Decision, rule: Rule) -> Decision:
    found = [launch.get(rule.metric) for launch in cell.fresh]
    logs = [effect.log for effect in found if isinstance(effect, Effect)]
    count = len(found)
    why_not = decide.unusable(logs, REGISTRY[rule.metric].unit)
    if len(logs) < count:
        why_not = f"{count - len(logs)} of {count} gave no effect"
    if why_not:
        reason = f"{one.reason}; the fresh launches cannot confirm it: {why_not}"
        return replace(one, outcome="invalid", confirmed=False, tail_only=False, reason=reason)
    mean = judge.percent(decide.relative(sum(logs) / count))
    if decide.confirms(logs, judge.margins(rule, cell.fresh), gate.levels.again):
        return replace(one, confirmed=True, reason=f"{one.reason}; {count} fresh launches show it again ({mean})")
    reason = f"{one.reason}; not reproduced by {count} fresh launches ({mean})"
    return replace(one, outcome="inconclusive", confirmed=False, tail_only=False, reason=reason)


def _stopped(gate: Gate, cell: Cell, why: str) -> Cell:
    if cell.phase == "done":
        return cell
    if cell.phase == "measuring":
        if len(cell.seen) < FEWEST_LAUNCHES:
            reason = f"{why} after {len(cell.seen)} launches; {FEWEST_LAUNCHES} are the fewest that can be judged"
            nothing = tuple(Decision(cell.name, one.metric, "invalid", len(cell.seen), reason) for one in cell.rules)
            return replace(cell, latest=nothing, phase="done")
        previous = len(cell.seen) == gate.policy.looks[cell.look - 1] if cell.look else False
        cell = cell if previous else _judged(gate, cell)
    latest = tuple(_cut_short(gate, one, why) for one in cell.latest)
    return replace(cell, latest=latest, phase="done")


def _cut_short(gate: Gate, one: Decision, why: str) -> Decision:
    if one.outcome == "regression" and gate.policy.confirm:
        reason = f"{one.reason}; not confirmed: {why}"
        return replace(one, outcome="inconclusive", confirmed=False, tail_only=False, reason=reason)
    return replace(one, reason=f"{one.reason}; {why}") if one.outcome == "inconclusive" else one
