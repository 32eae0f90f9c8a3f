"""A comparison as a value, and as JSON, Markdown and tables. Owns words and layout; compares nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness import console
from harness.analysis.comparability import Difference
from harness.model.codec import Json, to_json
from harness.model.gate import Comparison
from harness.model.metrics import REGISTRY
from harness.outcome.gate_json import finite
from harness.outcome.ranking import label, value
from harness.outcome.text import percent, plain
from harness.report.markdown import LIMIT, fitting, markdown, markdown_name

SCHEMA, SEVERAL = "harness.comparison/1", "harness.comparisons/1"
_ORDER = ("worse", "unclear", "better", "same")
_STYLES = {"worse": "red", "unclear": "yellow", "better": "green", "same": ""}
_SIGNS = {"worse": "❌", "unclear": "❔", "better": "✅", "same": "="}
# Of cells that share a reason.
_MOST_NAMES = 5
_ROOM_TO_SAY_SO = 200
# Characters of a side's name: it may be a list of files.
_MOST_NAMED = 500
_HEADINGS = ("verdict", "cell", "metric", "baseline", "candidate", "change", "from", "to", "margin", "n")


@dataclass(frozen=True)
class Side:
    """What was compared. tool: "harness" of a run. facts: as its own output tells them; lacks: what it does not."""

    name: str
    tool: str
    facts: Mapping[str, Json] = field(default_factory=dict)
    lacks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Compared:
    """All of it. allowed: names of differences that would have refused it."""

    baseline: Side
    candidate: Side
    differences: tuple[Difference, ...]
    comparisons: tuple[Comparison, ...]
    allowed: tuple[str, ...] = ()


def word(one: Comparison) -> str:
    """What a reader calls it: slower of a time, worse of anything else."""
    if one.metric in REGISTRY and REGISTRY[one.metric].unit in ("s", "1/s"):
        return {"worse": "slower", "better": "faster"}.get(one.side, one.side)
    return one.side


def ordered(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """Those with a ratio, the worst first; then by the size of the change."""

    def key(one: Comparison) -> tuple[object, ...]:
        return _ORDER.index(one.side), -abs(math.log(one.ratio or 1.0)), one.cell, one.metric

    return tuple(sorted((one for one in comparisons if one.ratio is not None), key=key))


def without(comparisons: Sequence[Comparison]) -> tuple[tuple[str, str], ...]:
    """Reason and what it is of, for all without a ratio; one line for each reason and metrics that share it."""
    found: dict[tuple[str, str], list[str]] = {}
    for one in comparisons:
        if one.ratio is None:
            found.setdefault((one.cell, one.missing or "not measured"), []).append(label(one.metric))
    cells: dict[tuple[str, str], list[str]] = {}
    for (cell, reason), labels in found.items():
        cells.setdefault((reason, ", ".join(labels)), []).append(cell)
    return tuple((reason, f"{_some(names)}: {labels}") for (reason, labels), names in cells.items())


def unclear(comparisons: Sequence[Comparison]) -> tuple[tuple[str, str], ...]:
    """Reason and what it is of, for all with a ratio of which no more is said."""
    found: dict[str, dict[str, None]] = {}
    for one in comparisons:
        if one.ratio is not None and one.missing:
            found.setdefault(one.missing, {})[one.cell] = None
    return tuple((reason, _some(list(cells))) for reason, cells in found.items())


def _some(names: Sequence[str]) -> str:
    """The first of many."""
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def counts(comparisons: Sequence[Comparison]) -> str:
    """How many came to what."""
    sides = [one.side for one in comparisons if one.ratio is not None]
    return ", ".join(f"{sides.count(side)} {side}" for side in _ORDER if side in sides) or "nothing was compared"


def comparison_json(compared: Compared) -> Json:
    """harness.comparison/1: results/schema/comparison-1.schema.json."""
    told = []
    for one in compared.comparisons:
        unit = REGISTRY[one.metric].unit if one.metric in REGISTRY else "1"
        told.append({"cell": one.cell, "metric": one.metric, "unit": unit, **to_json(one)})
    return finite({
        "schema": SCHEMA,
        "baseline": to_json(compared.baseline),
        "candidate": to_json(compared.candidate),
        "allowed": list(compared.allowed),
        "differences": to_json(compared.differences),
        "comparisons": told,
    })  # fmt: skip


def comparisons_json(found: Sequence[Compared]) -> Json:
    """Of one: harness.comparison/1. Of several with one baseline: harness.comparisons/1, a list of those."""
    told = [comparison_json(one) for one in found]
    return told[0] if len(told) == 1 else {"schema": SEVERAL, "comparisons": told}


def comparisons_markdown(found: Sequence[Compared], limit: int = LIMIT) -> str:
    """One after the other, each with its share of the room."""
    return "\n".join(comparison_markdown(one, limit // len(found)) for one in found)


def comparison_markdown(compared: Compared, limit: int = LIMIT) -> str:
    """Counts, one table, what differs, what is missing; at most `limit` bytes, and what does not fit is counted."""
    sides = (compared.baseline, compared.candidate)
    named = "; ".join(
        f"{which} {markdown_name(side.name[:_MOST_NAMED])}"
        for which, side in zip(("baseline", "candidate"), sides, strict=True)
    )
    head = [f"### {counts(compared.comparisons)}", "", f"{named}.", ""]
    head += ["| | cell | metric | baseline | candidate | change | 95 % interval | margin | n |"]
    head += ["|---|---|---|---:|---:|---:|---:|---:|---:|"]
    rows = [_row(one) for one in ordered(compared.comparisons)]
    kept = fitting(rows, limit - len("\n".join(head).encode()) - _ROOM_TO_SAY_SO)
    lines = [*head, *kept]
    if len(kept) < len(rows):
        lines += ["", f"{len(rows) - len(kept)} more rows do not fit in a comment; the JSON has all."]
    told = [f"- {markdown(text)}" for text in dict.fromkeys(_told(compared))]
    start = ["", "<details><summary>conditions, and what is missing</summary>", ""]
    kept = fitting(told, limit - len("\n".join([*lines, *start]).encode()) - _ROOM_TO_SAY_SO)
    if kept:
        left = len(told) - len(kept)
        lines += [*start, *kept, *([f"- {left} more lines do not fit"] if left else []), "", "</details>"]
    return "\n".join(lines) + "\n"


def _row(one: Comparison) -> str:
    _, _, _, before, after, change, low, high, margin, n = _cells(one)
    interval = f"{low} to {high}" if one.low is not None else "–"
    cells = (f"{_SIGNS[one.side]} {word(one)}", markdown_name(one.cell), markdown(label(one.metric)), before, after)
    return f"| {' | '.join((*cells, change, interval, margin, n))} |"


def _told(compared: Compared) -> Iterator[str]:
    """What a reader of the numbers should also know."""
    yield from (f"differs: {one.sentence}" for one in compared.differences)
    for side in (compared.baseline, compared.candidate):
        yield from (f"{side.name[:_MOST_NAMED]}: lacks: {lack}" for lack in side.lacks)
        yield from (f"{side.name[:_MOST_NAMED]}: {note}" for note in side.notes)
    yield from (f"not compared: {what}: {reason}" for reason, what in without(compared.comparisons))
    yield from (f"unclear: {what}: {reason}" for reason, what in unclear(compared.comparisons))


def print_comparison(compared: Compared) -> None:
    """The table to stdout, the rest to stderr."""
    rows = ordered(compared.comparisons)
    if rows:
        title = f"{plain(compared.baseline.name)} -> {plain(compared.candidate.name)}"
        console.print_rows(title, _HEADINGS, [_cells(one) for one in rows], [_STYLES[one.side] for one in rows])
    for text in dict.fromkeys(_told(compared)):
        console.message(plain(text))
    console.plain(counts(compared.comparisons))


def _cells(one: Comparison) -> tuple[str, ...]:
    numbers = (value(one.metric, one.baseline), value(one.metric, one.candidate))
    shares = [percent(None if ratio is None else ratio - 1) for ratio in (one.ratio, one.low, one.high)]
    return (word(one), one.cell, label(one.metric), *numbers, *shares, f"{one.margin * 100:.3g} %", str(one.n))
