"""Which cases a figure draws where there are too many to tell apart: the front's, and the slowest of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.report.cases import Named
from harness.report.sections.front import AXES
from harness.report.sections.plane import best_cases

# Eight symbols, six colours and four dashes tell more lines apart than anyone can follow.
MOST_LINES = 16
# So many reasons are read; more of them are counted.
MOST_REASONS = 12


@dataclass(frozen=True)
class Chosen:
    """cases: in their own order. rule: how they were chosen, empty where all are here."""

    cases: tuple[Named, ...]
    rule: str


def chosen(named: Sequence[Named], most: int = MOST_LINES) -> Chosen:
    """At most so many: valid cases that none is known to dominate in accuracy against p50 latency, the fastest first;
    then those with the greatest p99 (p50 where there is none)."""
    if len(named) <= most:
        return Chosen(tuple(named), "")
    # At least a quarter is for the worst: they are what a reader of tails looks for.
    front = _front(named)[: most - most // 4]
    on_front = {one.result.case.id for one in front}
    rest = sorted((one for one in named if one.result.case.id not in on_front), key=_slowest_first)
    ids = on_front | {one.result.case.id for one in rest[: most - len(front)]}
    rule = (
        f"Of {len(named)} cases {len(ids)} are drawn: the {len(front)} fastest on the front of accuracy against "
        "latency, what is possibly dominated among them, and of the others those with the greatest p99. The table of "
        "all cases has the rest."
    )
    return Chosen(tuple(one for one in named if one.result.case.id in ids), rule)


def briefly(left_out: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """(label, reason) of the first few; the rest as a number."""
    more = len(left_out) - MOST_REASONS
    if more <= 1:
        return left_out
    return (*left_out[:MOST_REASONS], (f"{more} others", "the table of all cases says why"))


def _front(named: Sequence[Named]) -> list[Named]:
    """The fastest first, of those that the front's figure shows on it, or possibly dominated."""
    return sorted(best_cases(named, AXES), key=lambda one: one.result.metrics[AXES.x].point)


def _slowest_first(one: Named) -> float:
    metrics = one.result.metrics
    found = metrics.get("latency_p99_s") or metrics.get("latency_p50_s")
    return -found.point if found is not None else 0.0
