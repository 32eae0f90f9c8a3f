"""From decisions to the outcome of the whole with the sentence that carries it. Measures and judges nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.errors import EXIT_DONE, EXIT_NOTHING_VALID, EXIT_REGRESSION
from harness.model.gate import MOST_MARGIN, WIDE_MARGIN, Decision, GateResult, Outcome, Policy, Rule, gravest
from harness.model.policy import ACCURACY, accuracy_rule, rules_of

# By cell and metric.
Rules = Mapping[tuple[str, str], Rule]


def rules_over(policy: Policy, cells: Sequence[str]) -> Rules:
    """What the policy asks of these cells."""
    found = {(cell, rule.metric): rule for cell in cells for rule in rules_of(policy, cell)}
    images = {(cell, ACCURACY.metric): rule for cell in cells if (rule := accuracy_rule(policy, cell)) is not None}
    return {**found, **images}


def sound(decisions: Sequence[Decision], rules: Rules) -> tuple[tuple[Decision, ...], tuple[str, ...]]:
    """The decisions, and notes. A least change far above the value itself, which no worse model could exceed, makes its
    metric invalid; one of the value's own size is noted."""
    kept, notes = [], []
    for one in decisions:
        rule = rules.get((one.cell, one.metric))
        share = rule.least_change / one.baseline if rule is not None and one.baseline else 0.0
        said = f"the policy's least_change of {one.metric} is {share:.3g} times its value"
        if share > MOST_MARGIN:
            kept.append(replace(one, outcome="invalid", reason=f"{said}: nothing could be worse by so much"))
            continue
        kept.append(one)
        if share > WIDE_MARGIN:
            notes.append(f"{one.cell}: {said}: a smaller change, however bad, passes")
    return tuple(kept), tuple(notes)


def concluded(decisions: Sequence[Decision], rules: Rules | None, otherwise: Sequence[str] = ()) -> tuple[Outcome, str]:
    """rules: of the policy; what none of them names, and what may only alarm, holds nothing up by being inconclusive,
    and what none of them names lets nothing pass by itself. None: of counts, which are judged as they are.
    otherwise: why nothing was judged."""
    found = [one for one in decisions if one.outcome != "inconclusive" or _holds_up(one, rules)]
    outcome = gravest(one.outcome for one in found)
    if not found and not rules:
        return outcome, "; ".join(otherwise) or "nothing was measured"
    passes = ("pass", "improvement")
    if rules is not None and (not found or outcome in passes):
        decided = [one for one in found if one.outcome in passes and (one.cell, one.metric) in rules]
        if not decided:
            return "invalid", _undecided(decisions, rules, otherwise)
    if outcome == "pass":
        return outcome, f"none of {len(found)} metrics is worse by its limit"
    of_it = [one for one in found if one.outcome == outcome]
    more = f" (and {len(of_it) - 1} more)" if len(of_it) > 1 else ""
    return outcome, f"{of_it[0].cell}: {of_it[0].reason}{more}"


def exit_code(result: GateResult, policy: Policy) -> int:
    """0 pass or improvement, 1 regression, 3 inconclusive or invalid; inconclusive is 0 where the policy says so."""
    if result.outcome in ("pass", "improvement"):
        return EXIT_DONE
    if result.outcome == "regression":
        return EXIT_REGRESSION
    passes = result.outcome == "inconclusive" and policy.inconclusive == "passes"
    return EXIT_DONE if passes else EXIT_NOTHING_VALID


def _holds_up(one: Decision, rules: Rules | None) -> bool:
    if rules is None:
        return True
    rule = rules.get((one.cell, one.metric))
    return rule is not None and not rule.only_alarms


def _undecided(decisions: Sequence[Decision], rules: Rules, otherwise: Sequence[str]) -> str:
    """Which rules found nothing to judge, and of which nothing became clear."""
    unclear = {(one.cell, one.metric) for one in decisions}
    cells: dict[tuple[str, str], list[str]] = {}
    for cell, metric in rules:
        said = "inconclusive, and may only alarm," if (cell, metric) in unclear else "not judged"
        cells.setdefault((metric, said), []).append(cell)
    told = "; ".join(f"{metric} is {said} in {', '.join(names)}" for (metric, said), names in cells.items())
    why = f" ({'; '.join(otherwise)})" if otherwise else ""
    return f"no rule of the policy came to a decision: {told}{why}"
