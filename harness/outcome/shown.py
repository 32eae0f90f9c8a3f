"""A gate in the terminal: the table and the verdict to stdout, what a person should also know to stderr."""

from __future__ import annotations

from harness import console
from harness.model.gate import Decision, GateResult
from harness.outcome.ranking import DESIGNS, counts, label, seconds, value, worst_first
from harness.outcome.text import percent, plain

_STYLES = {
    "invalid": "red",
    "regression": "red",
    "inconclusive": "yellow",
    "pass": "",
    "improvement": "green",
}
_HEADINGS = ("outcome", "cell", "metric", "baseline", "candidate", "change", "from", "to", "n")


def print_gate(result: GateResult, *, passes: bool = False) -> None:
    """Change: relative, positive is worse."""
    ordered = worst_first(result.decisions)
    for text in (*(f"differs: {text}" for text in result.conditions), *result.notes):
        console.message(plain(text))
    title = f"{plain(result.baseline)} -> {plain(result.candidate)}: {DESIGNS[result.design]}"
    if ordered:
        console.print_rows(title, _HEADINGS, [_row(one) for one in ordered], [_STYLES[one.outcome] for one in ordered])
    for one in ordered:
        if one.outcome not in ("pass", "improvement"):
            console.styled(_STYLES[one.outcome], one.outcome, f"{plain(one.cell)}: {plain(one.reason)}")
    took = seconds(result)
    end = f" ({counts(ordered)}{'' if took is None else f'; {took:.1f} s'})"
    console.styled(_STYLES[result.outcome] or "green", result.outcome, plain(result.reason) + end)
    if passes and result.outcome == "inconclusive":
        console.message("harness: the policy lets an inconclusive gate pass: nothing was shown to be no slower")


def _row(one: Decision) -> tuple[str, ...]:
    word = f"{one.outcome} (tail only)" if one.tail_only else one.outcome
    numbers = (value(one.metric, one.baseline), value(one.metric, one.candidate))
    return (
        word,
        one.cell,
        label(one.metric),
        *numbers,
        percent(one.change),
        percent(one.low),
        percent(one.high),
        str(one.n),
    )
