"""What a gate and a comparison came to, for everyone who wants to know: terminal, JSON, Markdown, JUnit, GitHub.

Draws from the values of harness.model.gate; measures, judges and reads nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from harness.model.gate import GateResult
from harness.outcome.files import Target, write
from harness.outcome.github import tell_github
from harness.outcome.junit import junit as gate_junit
from harness.outcome.markdown import gate_markdown
from harness.outcome.shown import print_gate

__all__ = ["print_gate", "tell_github", "texts"]


def texts(
    result: GateResult, junit: Target | None, markdown: Target | None, *, passes: bool = False
) -> list[Callable[[], None]]:
    """What writes the texts that were asked for, each when it is called. passes: the policy lets an inconclusive gate
    pass."""
    asked = (("--junit", junit, gate_junit), ("--markdown", markdown, gate_markdown))
    return [
        partial(write, make(result, passes=passes), target, f"another file with {option}")
        for option, target, make in asked
        if target is not None
    ]
