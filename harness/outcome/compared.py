"""A comparison as a value, and as JSON, Markdown and tables. Owns words and layout; compares nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness import console
from harness.analysis.comparability import Difference
from harness.model.codec import Json, to_json
from harness.model.gate import Comparison
from harness.model.metrics import REGISTRY
from harness.outcome.gate_json import finite
from harness.outcome.ranking import label, value
from harness.outcome.text import markdown, markdown_name, percent, plain

SCHEMA = "harness.comparison/1"
_ORDER = ("worse", "unclear", "better", "same")
_STYLES = {"worse": "red", "unclear": "yellow", "better": "green", "same": ""}
_SIGNS = {"worse": "❌", "unclear": "❔", "better": "✅", "same": "="}
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
    """Reason and what it is of, for all without a ratio; one line for each reason and cell."""
    found: dict[tuple[str, str], list[str]] = {}
    for one in comparisons:
        if one.ratio is None:
            found.setdefault((one.missing or "not measured", one.cell), []).append(label(one.metric))
    return tuple((reason, f"{cell}: {', '.join(labels)}") for (reason, cell), labels in found.items())


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


def comparison_markdown(compared: Compared) -> str:
    """Counts, one table, what differs, what is missing."""
    baseline, candidate = markdown_name(compared.baseline.name), markdown_name(compared.candidate.name)
    lines = [f"### {counts(compared.comparisons)}", "", f"baseline {baseline}; candidate {candidate}.", ""]
    lines += ["| | cell | metric | baseline | candidate | change | 95 % interval | margin | n |"]
    lines += ["|---|---|---|---:|---:|---:|---:|---:|---:|"]
    for one in ordered(compared.comparisons):
        _, _, _, before, after, change, low, high, margin, n = _cells(one)
        interval = f"{low} to {high}" if one.low is not None else "–"
        cells = (f"{_SIGNS[one.side]} {word(one)}", markdown_name(one.cell), markdown(label(one.metric)), before, after)
        lines.append(f"| {' | '.join((*cells, change, interval, margin, n))} |")
    told = [f"differs: {one.sentence}" for one in compared.differences]
    told += [f"{side.name} lacks: {lack}" for side in (compared.baseline, compared.candidate) for lack in side.lacks]
    told += [note for side in (compared.baseline, compared.candidate) for note in side.notes]
    told += [f"not compared, as {reason}: {what}" for reason, what in without(compared.comparisons)]
    told += [f"unclear: {one.cell}: {label(one.metric)}: {one.missing}" for one in _unclear(compared)]
    if told:
        lines += ["", "<details><summary>conditions, and what is missing</summary>", ""]
        lines += [f"- {markdown(text)}" for text in dict.fromkeys(told)] + ["", "</details>"]
    return "\n".join(lines) + "\n"


def print_comparison(compared: Compared) -> None:
    """The table to stdout, the rest to stderr."""
    for one in compared.differences:
        console.message(f"differs: {plain(one.sentence)}")
    for side in (compared.baseline, compared.candidate):
        for text in (*(f"lacks: {lack}" for lack in side.lacks), *side.notes):
            console.message(f"{plain(side.name)}: {plain(text)}")
    rows = ordered(compared.comparisons)
    if rows:
        title = f"{plain(compared.baseline.name)} -> {plain(compared.candidate.name)}"
        console.print_rows(title, _HEADINGS, [_cells(one) for one in rows], [_STYLES[one.side] for one in rows])
    for reason, what in without(compared.comparisons):
        console.message(f"not compared: {plain(what)}: {plain(reason)}")
    reasons = dict.fromkeys(f"{plain(one.cell)}: {plain(one.missing)}" for one in _unclear(compared))
    for text in reasons:
        console.message(f"unclear: {text}")
    console.plain(counts(compared.comparisons))


def _unclear(compared: Compared) -> list[Comparison]:
    """With a ratio, and a reason why no more is said."""
    return [one for one in compared.comparisons if one.ratio is not None and one.missing]


def _cells(one: Comparison) -> tuple[str, ...]:
    numbers = (value(one.metric, one.baseline), value(one.metric, one.candidate))
    shares = [percent(None if ratio is None else ratio - 1) for ratio in (one.ratio, one.low, one.high)]
    return (word(one), one.cell, label(one.metric), *numbers, *shares, f"{one.margin * 100:.3g} %", str(one.n))
