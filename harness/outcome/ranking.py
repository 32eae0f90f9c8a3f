"""Decisions in the order in which people read them, and what each output makes of an outcome. Judges nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.model.gate import GRAVITY, Decision, GateResult
from harness.model.metrics import REGISTRY, show

SIGNS = {"invalid": "❌", "regression": "❌", "inconclusive": "❔", "pass": "✅", "improvement": "✅"}
DESIGNS = {
    "paired": "baseline and candidate measured together, in turns",
    "stored": "measured against figures kept of this machine",
    "counted": "counts, no times",
}


def worst_first(decisions: Sequence[Decision]) -> tuple[Decision, ...]:
    """By gravity, then by how far a change is known to reach; then by name, so that the order is always the same."""

    def key(one: Decision) -> tuple[object, ...]:
        reach = one.change if one.low is None else one.low
        return (
            GRAVITY.index(one.outcome),
            math.inf if reach is None or math.isnan(reach) else -reach,
            one.cell,
            one.metric,
        )

    return tuple(sorted(decisions, key=key))


def holds_up(one: Decision, result: GateResult, *, passes: bool) -> bool:
    """Whether a decision keeps the gate from passing. One that is inconclusive does not where the gate passed all the
    same, as its metric can only raise alarms, or where the policy lets it pass."""
    if one.outcome in ("pass", "improvement"):
        return False
    light = passes or result.outcome in ("pass", "improvement")
    return not (one.outcome == "inconclusive" and light)


def label(metric: str) -> str:
    """As shown; of what the registry does not know, its name."""
    return REGISTRY[metric].label if metric in REGISTRY else metric.replace("_", " ")


def value(metric: str, number: float | None) -> str:
    """With its unit; a dash where there is none."""
    if number is None or not math.isfinite(number):
        return "–"
    if metric not in REGISTRY:
        return f"{number:,.6g}"
    return f"{show(metric, number)} {REGISTRY[metric].shown_unit}".rstrip()


def counts(decisions: Sequence[Decision]) -> str:
    """How many of which outcome, the gravest first."""
    found = {outcome: sum(one.outcome == outcome for one in decisions) for outcome in GRAVITY}
    return ", ".join(f"{count} {outcome}" for outcome, count in found.items() if count) or "nothing was judged"


def seconds(result: GateResult) -> float | None:
    """What the gate took, where its facts say so."""
    found = result.facts.get("seconds")
    return float(found) if isinstance(found, int | float) and math.isfinite(found) else None
