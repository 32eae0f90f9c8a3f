"""A gate as Markdown for a pull request comment or a step's summary: verdict, one table, the rest folded away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.model.gate import Decision, GateResult
from harness.outcome.ranking import DESIGNS, SIGNS, counts, label, seconds, value, worst_first
from harness.outcome.text import flat, percent
from harness.report.markdown import LIMIT, fitting, markdown, markdown_name

# By this a bot finds its own comment again.
MARKER = "<!-- harness gate -->"
_HEAD = (
    "| | cell | metric | baseline | candidate | change | from | to | launches |",
    "|---|---|---|---:|---:|---:|---:|---:|---:|",
)
_ROOM_TO_SAY_SO = 200


def gate_markdown(result: GateResult, *, passes: bool = False, limit: int = LIMIT) -> str:
    """At most `limit` bytes; what is left out for that is counted. Change: positive is worse."""
    ordered = worst_first(result.decisions)
    head = [
        MARKER,
        f"### {SIGNS[result.outcome]} harness gate: {result.outcome}",
        "",
        markdown(result.reason) + ".",
        "",
    ]
    if passes and result.outcome == "inconclusive":
        head += ["**The policy lets this pass: nothing was shown to be no slower.**", ""]
    took = seconds(result)
    baseline, candidate = markdown_name(result.baseline), markdown_name(result.candidate)
    told = [f"baseline {baseline}", f"candidate {candidate}", DESIGNS[result.design], counts(ordered)]
    head += ["; ".join([*told, *([f"{took:.1f} s"] if took is not None else [])]) + ".", ""]
    if len(("\n".join(head)).encode()) > limit // 2:  # of names without end nothing else would be left
        head = [*head[:3], "The names and the reason are too long for a comment; the JSON has them.", ""]
    rows = [_row(one) for one in ordered]
    room = limit - len("\n".join([*head, *_HEAD, ""]).encode()) - _ROOM_TO_SAY_SO
    kept = fitting(rows, room)
    lines = [*head, *(_HEAD if kept else ()), *kept]
    if len(kept) < len(rows):
        lines += [
            "",
            f"{len(rows) - len(kept)} more rows do not fit in a comment; the worst stand here, the JSON has all.",
        ]
    return "\n".join([*lines, *_folded(result, ordered, limit - len("\n".join(lines).encode()))]) + "\n"


def _folded(result: GateResult, ordered: Sequence[Decision], room: int) -> list[str]:
    """Reasons, conditions, notes and facts, as much of them as fits."""
    wrapping = ["", "<details><summary>reasons, conditions and facts</summary>", ""]
    end = ["", "</details>"]
    room -= len("\n".join([*wrapping, *end]).encode()) + _ROOM_TO_SAY_SO
    lines = list(_details(result, ordered))
    kept = fitting(lines, room)
    if not kept:
        return []
    left = len(lines) - len(kept)
    return [*wrapping, *kept, *([f"- {left} more lines do not fit in a comment"] if left else []), *end]


def _details(result: GateResult, ordered: Sequence[Decision]) -> Iterator[str]:
    for one in ordered:
        yield f"- **{one.outcome}** {markdown_name(one.cell)}: {markdown(one.reason)}"
    yield from (f"- differs: {markdown(text)}" for text in result.conditions)
    yield from (f"- note: {markdown(text)}" for text in result.notes)
    yield from (f"- {markdown(name)}: {markdown(text)}" for name, text in flat(result.facts))


def _row(one: Decision) -> str:
    word = f"{SIGNS[one.outcome]} {one.outcome}{' (tail only)' if one.tail_only else ''}"
    numbers = (value(one.metric, one.baseline), value(one.metric, one.candidate))
    shares = (percent(one.change), percent(one.low), percent(one.high))
    cells = (word, markdown_name(one.cell), markdown(label(one.metric)), *numbers, *shares, str(one.n))
    return f"| {' | '.join(cells)} |"
