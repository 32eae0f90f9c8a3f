"""What 8 bits are said to do to a model, held against every pair of a variant and its int8 child measured alike.

A claim is reached, or not, only where the interval is wholly on one side of it; else it cannot be told. Each is judged
by its own metric: what makes a latency doubtful leaves the size of a file as it is. The claims themselves, and how
their words are read, are in harness.report.published_tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.model.verdict import Summary
from harness.report.blocks import Block, Cell, Paragraph, Table
from harness.report.cases import NOT_RECORDED, Named, Shown
from harness.report.comparison import NO_INTERVAL, decimal, doubt, touched
from harness.report.names import isolated
from harness.report.paired import PairedTop1
from harness.report.published_tables import CLAIMS, EDGE_AI, NANO, Claim

REACHED, MISSED, UNKNOWN = "reached", "not reached", "cannot be told"
MOST_PAIRS = 20
# Fewer bytes than this for each parameter are no 32-bit weights.
FLOAT_BYTES = 3.0


@dataclass(frozen=True)
class Bounds:
    """How far a pair comes, in the claim's own terms; low and high are the ends that both intervals allow."""

    point: float
    low: float | None
    high: float | None


def claims(shown: Shown) -> tuple[Block, ...]:
    """The table of pairs by claim, or one sentence where no pair was measured."""
    found = pairs(shown)
    if not found:
        said = f"Claims on 8 bits ({EDGE_AI}): no int8 variant was measured together with the variant it was made from."
        return (Paragraph(said, "none"),)
    lines: list[tuple[Cell, ...]] = [
        (one.name, *(judge(claim, one, parent, shown.paired(one, parent)) for claim in CLAIMS))
        for parent, one in found[:MOST_PAIRS]
    ]
    headings = ("int8 variant", *(f"“{claim.text}”" for claim in CLAIMS))
    caption = f"Published claims on 8 bits ({EDGE_AI}): each variant against the one it was made from, on this board"
    return (
        Table(headings, tuple(lines), caption),
        *(Paragraph(text, "note") for text in _notes(shown, found)),
    )


def pairs(shown: Shown) -> tuple[tuple[Named, Named], ...]:
    """(parent, child) of every int8 case whose parent, in a wider precision, was measured alike."""
    children = [one for one in shown.cases if one.result.case.precision == "int8"]
    found = ((shown.parent(one), one) for one in children)
    return tuple(
        (parent, one) for parent, one in found if parent is not None and parent.result.case.precision != "int8"
    )


def judge(claim: Claim, one: Named, parent: Named, pair: PairedTop1 | None = None) -> str:
    """Whether this pair reaches the claim, and what was measured; or why it cannot be told. pair: their accuracies
    compared image by image."""
    for side in (one, parent):
        if side.result.verdict == "invalid" or touched(claim.metric, side):
            return f"{UNKNOWN}: {isolated(side.label)} is {side.result.verdict}"
        if claim.metric not in side.result.metrics:
            return f"{UNKNOWN}: {side.result.missing.get(claim.metric, NOT_RECORDED)}"
    summary, base = one.result.metrics[claim.metric], parent.result.metrics[claim.metric]
    if claim.kind != "loss" and min(summary.point, base.point) <= 0:
        return f"{UNKNOWN}: a figure of zero gives no ratio"
    found = bounds(claim, summary, base)
    if claim.kind == "loss" and pair is not None:
        found = Bounds(-pair.difference, -pair.high, -pair.low)
    if found.low is None or found.high is None:
        return f"{UNKNOWN}: {_text(claim, found)}, {doubt(summary, base) or NO_INTERVAL}"
    reached = {_reached(claim, found.low), _reached(claim, found.high)}
    result = UNKNOWN if len(reached) > 1 else REACHED if True in reached else MISSED
    return f"{result}: {_text(claim, found)}"


def bounds(claim: Claim, one: Summary, base: Summary) -> Bounds:
    """Ratio or difference of two estimates, its ends from the ends of both: wider than 95 % wants, never narrower."""
    if claim.kind == "loss":
        point, ends = base.point - one.point, (base.low, one.high, base.high, one.low)
    elif claim.kind == "speed":
        point, ends = base.point / one.point, (base.low, one.high, base.high, one.low)
    else:
        point, ends = one.point / base.point, (one.low, base.high, one.high, base.low)
    first, second, third, fourth = ends
    if first is None or second is None or third is None or fourth is None:
        return Bounds(point, None, None)
    if claim.kind == "loss":
        return Bounds(point, first - second, third - fourth)
    return Bounds(point, first / second, third / fourth) if fourth > 0 else Bounds(point, None, None)


def _reached(claim: Claim, value: float) -> bool:
    if claim.kind == "speed":
        return value >= claim.limit
    return value < claim.limit if claim.kind == "loss" else value <= claim.limit


def _text(claim: Claim, found: Bounds) -> str:
    def shown(value: float) -> str:
        return f"{value * 100:.2f}".replace("-", "−") if claim.kind == "loss" else decimal(value)

    point, interval = shown(found.point), ""
    if found.low is not None and found.high is not None:
        low, high = shown(found.low), shown(found.high)
        interval = "" if low == point == high else f" [{low}, {high}]"
    return f"{point} pp{interval}" if claim.kind == "loss" else f"×{point}{interval}"


def _notes(shown: Shown, found: Sequence[tuple[Named, Named]]) -> list[str]:
    readings = "; ".join(f"“{claim.text}”: {claim.reading}" for claim in CLAIMS)
    how = (
        f"How the words are read: {readings}. An interval of a ratio goes from the ends of both intervals, so it is "
        f"rather too wide; that of a loss of accuracy is the paired one where both answered the same images. "
        f"{UNKNOWN[:1].upper()}{UNKNOWN[1:]}: it reaches to both sides of the limit, or "
        "a case is invalid, or doubtful in this very figure."
    )
    faster = (
        "“Up to 60 % faster” can be read in two ways: speed ×1.6, which is 37.5 % less time, or 60 % less time, which "
        "is speed ×2.5. Judged is the first, which is easier to reach."
    )
    notes = [how, faster]
    if shown.result.device.get("name") != NANO:
        notes.append("The last claim was made of a Jetson Nano, which this board is not.")
    narrow = [
        f"{isolated(parent.label)} ({each:.1f})"
        for parent in {parent.label: parent for parent, _ in found[:MOST_PAIRS]}.values()
        if (each := _bytes_each(parent)) is not None and each < FLOAT_BYTES
    ]
    if narrow:
        notes.append(
            f"Bytes for each parameter in the parent’s file: {', '.join(narrow)}. That is less than 32-bit weights "
            "take, so 8 bits have less left to save than the claim supposes."
        )
    if len(found) > MOST_PAIRS:
        notes.append(f"Of {len(found)} pairs the first {MOST_PAIRS} are shown.")
    return notes


def _bytes_each(one: Named) -> float | None:
    parameters = one.result.artifact.parameters
    return one.result.artifact.size_bytes / parameters if parameters else None
