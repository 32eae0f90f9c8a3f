"""The machine-readable summary, `harness.summary/1`: its one shape, for the json format, the page and --json.

Keys and metric names are a promise to other programs; results/schema/summary-1.schema.json says the same formally.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from harness.model.codec import Json, to_json
from harness.model.trial import Record
from harness.model.verdict import CaseResult, RunResult, Summary

SCHEMA = "harness.summary/1"


class JsonReporter:
    """The summary as an indented UTF-8 file."""

    name = "json"
    suffix = ".json"

    def render(self, result: RunResult, records: Mapping[str, Record]) -> bytes:
        """Sorted keys, one final line end."""
        text = json.dumps(summary_json(result), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
        # Half a surrogate, as a file's name may hold, is no UTF-8; as \udcff it is JSON.
        return (text + "\n").encode("utf-8", "backslashreplace")


def summary_json(result: RunResult) -> dict[str, Json]:
    """A run result as plain JSON values. Values are SI; a metric is under `metrics` or, with its reason, `missing`."""
    return {
        "schema": SCHEMA,
        "run": str(result.run.get("id", "")),
        "suite": suite_name(result),
        "device": to_json(result.device),
        "environment": to_json(result.environment),
        "cases": [_case(case) for case in result.cases],
    }


def suite_name(result: RunResult) -> str:
    """As the run says it, else as its first case does, else empty."""
    if "suite" in result.run:
        return str(result.run["suite"])
    return result.cases[0].case.suite if result.cases else ""


def _case(result: CaseResult) -> dict[str, Any]:
    return {
        "case": result.case.id,
        "variant": result.case.variant,
        "backend": result.case.backend,
        "precision": result.case.precision,
        "scenario": result.case.scenario.name,
        "verdict": result.verdict,
        "findings": [to_json(finding) for finding in result.findings],
        "metrics": {name: _metric(summary) for name, summary in sorted(result.metrics.items())},
        "missing": dict(sorted(result.missing.items())),
        **({} if result.stopped is None else {"stopped": to_json(result.stopped)}),
    }


def _metric(summary: Summary) -> dict[str, Any]:
    return {
        "point": summary.point,
        "low": summary.low,
        "high": summary.high,
        "n": summary.n,
        "method": summary.method,
        "unit": summary.unit,
    }
