"""How a gate's state machine ends, by the sentence that the product makes of it."""

from __future__ import annotations

from harness.analysis.gate import sequential
from harness.gating import verdict
from harness.model.gate import Outcome


def concluded(gate: sequential.Gate) -> tuple[Outcome, str]:
    """Of its decisions so far, by its policy's rules."""
    rules = verdict.rules_over(gate.policy, [cell.name for cell in gate.cells])
    return verdict.concluded(sequential.decisions(gate), rules, sequential.notes(gate))
