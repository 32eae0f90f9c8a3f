"""A gate as JSON, harness.gate/1: results/schema/gate-1.schema.json."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from harness.errors import UsageError
from harness.model.codec import Json, from_json, to_json
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


def read_gate(path: Path) -> GateResult:
    """What gate_json wrote, from its file. UsageError."""
    try:
        told = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"the gate {path} cannot be read: {error}") from None
    if not isinstance(told, dict) or told.get("schema") != SCHEMA:
        found = told.get("schema") if isinstance(told, dict) else None
        raise UsageError(f"{path} is no {SCHEMA} (it says {found!r}); `harness gate --json` writes one")
    kept = {key: value for key, value in told.items() if key not in ("schema", "inconclusive_passes")}
    if isinstance(kept.get("decisions"), list):
        kept["decisions"] = [_without_unit(one) for one in kept["decisions"]]
    return from_json(GateResult, kept, str(path))


def _without_unit(told: Json) -> Json:
    """A decision without what the registry says; an effect that was no number is none again."""
    if not isinstance(told, dict):
        return told
    effects = told.get("effects", [])
    numbers = [math.nan if one is None else one for one in effects] if isinstance(effects, list) else effects
    return {key: value for key, value in told.items() if key != "unit"} | {"effects": numbers}


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
