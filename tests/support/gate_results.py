"""Gate results made by hand, one decision of each outcome, and names that nobody would choose."""

from __future__ import annotations

from typing import Any

from harness.model.gate import Decision, GateResult

# Markup of every kind, signs that steer a terminal, text from right to left, a mention, a workflow command, length.
NASTY = {
    "markup": "<img src=x onerror=alert(1)>|a|`b`*c*[d](e) & ]]> \"q\" 'r' #1 @team",
    "control": "a\x00b\x1b[31mc\rd\ne\x85f\u2028g\ufffeh",
    "right-to-left": "\u202emodel\u202c שלום",
    "command": "50%::error title=x,y::z",
    "surrogate": "a\udcffb",
    "long": "n" * 200,
}


def decision(outcome: str = "pass", **changes: Any) -> Decision:
    """Of p50 of the cell `small`, over 6 launches."""
    changes_of = {"regression": 0.05, "inconclusive": 0.03, "pass": 0.001, "improvement": -0.08, "invalid": None}
    change = changes_of[outcome]
    given: dict[str, Any] = {
        "cell": "small", "metric": "latency_p50_s", "outcome": outcome, "n": 6,
        "reason": f"p50 says {outcome}", "change": change,
        "low": None if change is None else change - 0.004, "high": None if change is None else change + 0.003,
        "p": None if change is None else 0.5, "detectable": 0.031, "baseline": 1e-3,
        "candidate": None if change is None else 1e-3 * (1 + change),
        "effects": () if change is None else (change,) * 6,
        **changes,
    }  # fmt: skip
    return Decision(**given)


def result(*decisions: Decision, **changes: Any) -> GateResult:
    """A paired gate of these decisions; its outcome is the regression's unless it is given."""
    given: dict[str, Any] = {
        "design": "paired", "outcome": "regression", "reason": "small: p50 is 5.0 % worse", "baseline": "old.onnx",
        "candidate": "new.onnx", "decisions": decisions,
        "conditions": ("kernel: 6.1 in the baseline, 6.2 in the candidate",),
        "notes": ("energy is not judged: no sensor",),
        "facts": {"seconds": 8.25, "seed": 7, "machine": {"cpu": "a CPU"}, "started_utc": "2026-11-21T10:00:00Z"},
        **changes,
    }  # fmt: skip
    return GateResult(**given)


def of_each() -> GateResult:
    """One decision of each outcome, in no order."""
    return result(
        decision("pass"),
        decision("improvement", cell="large"),
        decision("regression", metric="latency_p90_s", confirmed=True, tail_only=True),
        decision("invalid", metric="memory_peak_bytes"),
        decision("inconclusive", cell="large", metric="latency_p99_s"),
        outcome="invalid",
        reason="small: peak RSS: the baseline has none",
    )
