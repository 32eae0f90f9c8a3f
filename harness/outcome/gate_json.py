"""A gate as JSON, harness.gate/1: results/schema/gate-1.schema.json."""

from __future__ import annotations

import math
from collections.abc import Mapping

from harness.model.codec import Json, to_json
from harness.model.gate import Decision, GateResult
from harness.model.metrics import REGISTRY
from harness.outcome.ranking import worst_first

SCHEMA = "harness.gate/1"


def gate_json(result: GateResult, *, passes: bool = False) -> Json:
    """Plain values; shares are relative, positive is worse. A number that is none becomes null, as JSON has no NaN."""
    return {
        "schema": SCHEMA,
        "outcome": result.outcome,
        "reason": result.reason,
        "inconclusive_passes": passes,
        "design": result.design,
        "baseline": result.baseline,
        "candidate": result.candidate,
        "decisions": [_decision(one) for one in worst_first(result.decisions)],
        "conditions": list(result.conditions),
        "notes": list(result.notes),
        "facts": finite(to_json(result.facts)),
    }


def finite(value: Json) -> Json:
    """The same without numbers that JSON lacks."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, list) else value


def _decision(one: Decision) -> Json:
    unit = REGISTRY[one.metric].unit if one.metric in REGISTRY else "1"
    told = to_json(one)
    ordered = {"cell": one.cell, "metric": one.metric, "unit": unit, **told}
    return finite(ordered)
