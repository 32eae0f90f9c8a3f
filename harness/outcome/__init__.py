"""What a gate and a comparison came to, for everyone who wants to know: terminal, JSON, Markdown, JUnit, GitHub.

Draws from the values of harness.model.gate; measures, judges and reads nothing.
"""

from __future__ import annotations

from pathlib import Path

from harness.model.gate import GateResult
from harness.outcome.files import write_json, write_text
from harness.outcome.gate_json import gate_json
from harness.outcome.github import tell_github
from harness.outcome.junit import junit as gate_junit
from harness.outcome.markdown import gate_markdown
from harness.outcome.shown import print_gate

__all__ = ["print_gate", "tell_github", "write"]


def write(
    result: GateResult, junit: Path | None, markdown: Path | None, json: str | None, *, passes: bool = False
) -> None:
    """The files that were asked for; json is a file's name or - for stdout. passes: the policy lets an inconclusive
    gate pass. StoreError."""
    if junit is not None:
        write_text(gate_junit(result, passes=passes), junit, "--junit")
    if markdown is not None:
        write_text(gate_markdown(result, passes=passes), markdown, "--markdown")
    if json is not None:
        write_json(gate_json(result, passes=passes), json)
