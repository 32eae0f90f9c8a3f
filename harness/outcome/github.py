"""What GitHub Actions reads: annotations (workflow commands) and the step's summary. Knows no environment: the caller
names the file."""

from __future__ import annotations

from pathlib import Path

from harness import console
from harness.errors import StoreError
from harness.model.gate import Decision, GateResult
from harness.outcome.markdown import gate_markdown
from harness.outcome.ranking import holds_up, label, worst_first
from harness.outcome.text import command_property, command_value

# GitHub shows so many of a kind and of a step; the summary has all.
MOST = 10


def annotated(result: GateResult, *, passes: bool = False) -> tuple[str, ...]:
    """One command for the gate and one for each decision that keeps it from passing, the worst first."""
    told = [one for one in worst_first(result.decisions) if one.outcome not in ("pass", "improvement")]
    lines = [_whole(result, passes=passes)]
    lines += [_line(one) for one in told if holds_up(one, result, passes=passes)]
    return tuple(lines[:MOST])


def tell_github(result: GateResult, summary: Path | None, *, passes: bool = False) -> None:
    """Annotations to stderr, whose lines GitHub reads as it does those of stdout; the Markdown to the end of the file
    `summary`, which other steps' text may stand in. Nothing without a summary: this is not GitHub."""
    if summary is None:
        return
    for line in annotated(result, passes=passes):
        console.command(line)
    try:
        with summary.open("a", encoding="utf-8") as target:
            target.write(gate_markdown(result, passes=passes) + "\n")
    except OSError as error:
        raise StoreError(f"cannot write the step's summary {summary}: {error.strerror}") from None


def _whole(result: GateResult, *, passes: bool) -> str:
    kind = {"regression": "error", "invalid": "error", "inconclusive": "error"}.get(result.outcome, "notice")
    if passes and result.outcome == "inconclusive":
        kind = "warning"
    title = command_property(f"harness gate: {result.outcome}")
    return f"::{kind} title={title}::{command_value(result.reason)}"


def _line(one: Decision) -> str:
    title = command_property(f"{one.outcome}: {one.cell}, {label(one.metric)}")
    return f"::error title={title}::{command_value(one.reason)}"
