"""The page of a gate: its one sentence, every decision, the effects as a forest with the policy's margins. Judges
nothing."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence

from harness.model.codec import Json
from harness.model.gate import Decision, GateResult, Policy, Rule
from harness.model.metrics import REGISTRY
from harness.model.policy import ACCURACY, accuracy_rule, rules_of, widened
from harness.outcome.gate_json import gate_json
from harness.outcome.pages.marks import MARKS, count, facts_table, figure, legend, share
from harness.outcome.pages.raw import raw
from harness.outcome.ranking import DESIGNS, counts, label, seconds, worst_first
from harness.outcome.text import flat, percent
from harness.report.blocks import Block, Cell, Commands, Figure, Name, Number, Paragraph, Section, Table
from harness.report.cards import Card
from harness.report.forest import MOST_ROWS, Row, forest
from harness.report.html import page

PASSES = "The policy lets an inconclusive gate pass: nothing was shown to be no slower."
HOW = (
    "Change of the candidate against the baseline, turned so that right is worse whatever the metric. Whiskers: from "
    "the bound at the level of the whole gate to the one at that of a missed slowdown."
)
DOTS = "Small dots: the effects of the single launches."
MARGINS = "Grey band: the tolerance, which a change may reach; dashed: the limit, which none may pass unseen."
POINTS = "Of top-1 the change is in percentage points."
_HEADINGS = (
    "cell", "metric", "outcome", "baseline", "candidate", "change", "from", "to", "n", "detectable", "p", "why",
)  # fmt: skip
# From this tolerance on.
_WIDE = 0.1
# As runs are named (harness.stages.new_run).
_RUN_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)")


def gate_page(result: GateResult, policy: Policy, command: Sequence[str]) -> str:
    """The whole page. policy: by which it was judged."""
    passes = policy.inconclusive == "passes"
    sections = (
        _effects(result, policy),
        Section("decisions", "Decisions", tuple(_decisions(result))),
        _policy(result, policy),
        _conditions(result),
        Section("facts", "Facts", _facts(result.facts)),
        Section("again", "Judge this again", (Commands((shlex.join(command),)),)),
    )
    took = seconds(result)
    head = [DESIGNS[result.design], counts(result.decisions), *([] if took is None else [f"{took:.1f} s"])]
    return page(
        _card(result), sections, raw(gate_json(result, passes=passes)),
        result=result, mark=Name(result.outcome, MARKS[result.outcome]), head=head,
        passes=PASSES if passes and result.outcome == "inconclusive" else "",
    )  # fmt: skip


def told(result: GateResult) -> tuple[Block, ...]:
    """The same in short, for another page: outcome, sentence, decisions."""
    said = f"{result.outcome}: {result.reason}. {DESIGNS[result.design].capitalize()}; {counts(result.decisions)}."
    return (Paragraph(said, "plain"), *_decisions(result))


def _card(result: GateResult) -> Card:
    facts = result.facts
    devices = facts.get("devices")
    parts = [*devices.values()] if isinstance(devices, Mapping) else [facts]
    times = [str(facts.get("started_utc") or ""), *(_time(str(one.get("run") or "")) for one in parts)]
    device = ", ".join(devices) if isinstance(devices, Mapping) else str(facts.get("device") or "")
    title = f"Gate of {result.candidate} against {result.baseline}"
    return Card("gate", title, "", device, max(times), f"{result.outcome}: {counts(result.decisions)}")


def _time(run: str) -> str:
    """When a run began, as its name says; empty of any other name."""
    found = _RUN_TIME.match(run)
    return "{}-{}-{}T{}:{}:{}Z".format(*found.groups()) if found else ""


def _effects(result: GateResult, policy: Policy) -> Section:
    title = "Effects and margins"
    held = [one for one in worst_first(result.decisions) if one.change is not None and one.change > -1]
    if not held:
        nothing = "No decision has a change that could be drawn; the reasons stand below."
        return Section("effects", title, (Paragraph(nothing, "none"),))
    ruled = [(one, rule_of(policy, one, result.facts)) for one in held]
    alone = len({one.cell for one in held}) == 1
    narrow, wide = (
        [each for each in ruled if (each[1] is not None and each[1].tolerance >= _WIDE) == is_wide]
        for is_wide in (False, True)
    )
    # On one axis the tails would press all others into a line.
    parts = (("effects", "changes", narrow), ("tails", "changes of metrics with wide margins", wide))
    held_parts = [one for one in parts if one[2]]
    drawn = [
        _forest(name, said, part, alone=alone, told=number > 0) for number, (name, said, part) in enumerate(held_parts)
    ]
    return Section("effects", title, tuple(drawn))


def _forest(name: str, said: str, held: Sequence[tuple[Decision, Rule | None]], *, alone: bool, told: bool) -> Figure:
    """held: the worst first. told: whether a figure above says how to read it."""
    order = {metric: place for place, metric in enumerate(REGISTRY)}
    kept = sorted(held[:MOST_ROWS], key=lambda each: order.get(each[0].metric, len(order)))
    rows = [_row(one, rule, alone=alone) for one, rule in kept]
    made = forest(rows, "change, log scale: right is worse")
    how = f"{HOW} {DOTS}" if any(row.dots for row in rows) else HOW
    notes = ["Read as the figure above."] if told else [how, MARGINS]
    if any(one.metric == ACCURACY.metric for one, _ in kept):
        notes.append(POINTS)
    if len(held) > len(kept):
        notes.append(f"Drawn are the {len(kept)} worst of {len(held)}; the table has all.")
    if made.cut:
        notes.append(f"Cut at the axis’ ends, which the table has: {made.cut}.")
    table = Table(
        ("", "change", "from", "to", "tolerance", "limit"),
        tuple(_drawn(one, rule) for one, rule in kept),
        folded="Data of this figure",
    )
    label_of = f"Forest plot of {said}, with bounds, tolerance and limit"
    return Figure(name, label_of, made.plot, table, tuple(notes), legend(one.outcome for one, _ in kept))


def _row(one: Decision, rule: Rule | None, *, alone: bool) -> Row:
    assert one.change is not None  # noqa: S101  # its caller left out the others
    bounds = f"{percent(one.low)} to {percent(one.high)}"
    return Row(
        label(one.metric), "" if alone else one.cell, MARKS[one.outcome],
        1 + one.change, _above(one.low), _above(one.high),
        None if rule is None or not rule.tolerance else (1 / (1 + rule.tolerance), 1 + rule.tolerance),
        None if rule is None else 1 + rule.limit,
        tuple(math.exp(effect) for effect in one.effects if math.isfinite(effect)),
        (f"{label(one.metric)}, {one.cell}", f"{percent(one.change)}, {bounds}", one.outcome),
    )  # fmt: skip


def _above(change: float | None) -> float | None:
    """As a ratio that can be drawn."""
    return None if change is None or not math.isfinite(change) else max(1 + change, 1e-9)


def _drawn(one: Decision, rule: Rule | None) -> tuple[Cell, ...]:
    margins = (None, None) if rule is None else (rule.tolerance, rule.limit)
    name = f"{label(one.metric)} · {one.cell}"
    return name, share(one.change, 2), share(one.low, 2), share(one.high, 2), *(_margin(value) for value in margins)


def rule_of(policy: Policy, one: Decision, facts: Mapping[str, Json]) -> Rule | None:
    """The rule that judged a decision, its least change as a share of the baseline; None of what no rule names."""
    cell = one.cell
    devices = facts.get("devices")
    for device in devices if isinstance(devices, Mapping) else ():  # of several, harness.gating.gate names it behind
        cell = cell.removesuffix(f" on {device}")
    if one.metric == ACCURACY.metric:
        return accuracy_rule(policy, cell)
    found = next((rule for rule in rules_of(policy, cell) if rule.metric == one.metric), None)
    return None if found is None else widened(found, one.baseline)


def _decisions(result: GateResult) -> Iterator[Block]:
    rows = tuple(_decision(one) for one in worst_first(result.decisions))
    if not rows:
        yield Paragraph("Nothing was judged; the sentence above says why.", "none")
        return
    yield Table(_HEADINGS, rows, numeric=False)
    yield Paragraph(
        "The worst first. Positive changes are worse. Detectable: the smallest change that so many launches find; "
        "p: of a change above the tolerance, by Holm over all decisions.",
        "note",
    )


def _decision(one: Decision) -> tuple[Cell, ...]:
    p = Number("–" if one.p is None else f"{one.p:.2g}", one.p)
    confirmed = "" if one.confirmed is None else ", confirmed" if one.confirmed else ", not confirmed"
    word = f"{one.outcome}{' (tail only)' if one.tail_only else ''}{confirmed}"
    return (
        one.cell, label(one.metric), Name(word, MARKS[one.outcome]),
        figure(one.metric, one.baseline), figure(one.metric, one.candidate),
        share(one.change, 2), share(one.low, 2), share(one.high, 2), count(one.n), share(one.detectable, 2), p,
        one.reason,
    )  # fmt: skip


def _policy(result: GateResult, policy: Policy) -> Section:
    """The rules that are about something here, and the errors they share."""
    judged = {one.metric for one in result.decisions}
    rules = [rule for rule in (*policy.rules, ACCURACY) if rule.metric in judged]
    named = list({(rule.metric, rule.cells): rule for rule in reversed(rules)}.values())[::-1]
    rows = tuple(_rule_row(rule) for rule in named)
    headings = ("metric", "cells", "tolerance", "limit", "least change", "required", "only alarms")
    table = (Table(headings, rows, numeric=False),) if rows else ()
    facts = {
        "alpha: chance of a false alarm, of the whole gate": f"{policy.alpha:g}",
        "beta: chance that a slowdown of the limit passes, per metric": f"{policy.beta:g}",
        "looks, in launches": ", ".join(map(str, policy.looks)),
        "fresh launches that confirm a regression": str(policy.confirm),
        "level of the confirmation": f"{policy.confirm_alpha:g}",
        "an inconclusive gate": policy.inconclusive,
        "budget": f"{policy.budget_s:g} s",
    }
    return Section("policy", "Policy", (*table, facts_table(("",), [facts], "")))


def _rule_row(rule: Rule) -> tuple[Cell, ...]:
    return (
        label(rule.metric), ", ".join(rule.cells) or "all", _margin(rule.tolerance), _margin(rule.limit),
        figure(rule.metric, rule.least_change) if rule.least_change else Number("–", None),
        "yes" if rule.required else "no", "yes" if rule.only_alarms else "no",
    )  # fmt: skip


def _margin(value: float | None) -> Number:
    return Number("–" if value is None else f"{value * 100:.3g} %", value)


def _conditions(result: GateResult) -> Section:
    rows = [("differs", text) for text in result.conditions] + [("note", text) for text in result.notes]
    blocks: tuple[Block, ...] = (Paragraph("Nothing that was recorded differs, and there is nothing to note.", "none"),)
    if rows:
        blocks = (Table(("", "what"), tuple(rows), numeric=False),)
    return Section("conditions", "Conditions and notes", blocks)


def _facts(facts: Mapping[str, Json]) -> tuple[Block, ...]:
    rows = tuple(flat(facts))
    return (Table(("fact", "value"), rows, numeric=False),) if rows else (Paragraph("None were recorded.", "none"),)
