"""Design (c): counts instead of times, for machines too noisy to time on. Exact ones are compared as they are, outside
the family of the error levels; instructions and memory within an allowance. Says that work changed, never that time
did: counts have the right direction and the wrong size (statistics.md, 3.8).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from harness.model.gate import Decision, Outcome

PLACEMENT, INSTRUCTIONS = "operator_placement", "instructions"
LABEL = "work changed, time not measured"
MEBIBYTE = 2.0**20


@dataclass(frozen=True)
class Allowance:
    """How much more is still the same: a share, or a least change in the metric's unit, whichever is more."""

    share: float = 0.0
    least: float = 0.0


# Sizes: names of tools in a file's metadata change with every release of an exporter. Instructions: two counts of one
# binary differed by 0.02 % (statistics.md, 3.8), the alarm is at 0.5 % (4.7).
ALLOWANCES: Mapping[str, Allowance] = {
    "macs": Allowance(),
    "parameters": Allowance(),
    "model_size_bytes": Allowance(least=1024),
    "memory_peak_bytes": Allowance(0.02, MEBIBYTE),
    INSTRUCTIONS: Allowance(0.005),
}
_NOUNS = {
    "macs": "MACs", "parameters": "parameters", "model_size_bytes": "bytes of the file",
    "memory_peak_bytes": "bytes of peak memory", INSTRUCTIONS: "instructions per inference",
}  # fmt: skip
# Spread of repeated counts, in sd of their mean, that a difference must exceed as well.
_SPREAD = 3.0


@dataclass(frozen=True)
class Counts:
    """Of one artifact. values: by metric, one per repetition. placement: operators by where and how they run, such as
    "CPUExecutionProvider fp32"; a candidate may have more only of what `preferred` begins. absent: reasons."""

    values: Mapping[str, tuple[float, ...]]
    placement: Mapping[str, int] | None = None
    preferred: str = ""
    absent: Mapping[str, str] = field(default_factory=dict)


def judge_counts(
    cell: str, baseline: Counts, candidate: Counts, allowances: Mapping[str, Allowance] = ALLOWANCES
) -> tuple[Decision, ...]:
    """One decision for each metric that either side has; none at all is one invalid decision."""
    found = (*_valued(cell, baseline, candidate, allowances), *_placed(cell, baseline, candidate))
    if found:
        return found
    reasons = "; ".join(f"{name}: {why}" for name, why in {**baseline.absent, **candidate.absent}.items())
    return (Decision(cell, "macs", "invalid", 0, f"nothing could be counted{': ' if reasons else ''}{reasons}"),)


def _valued(cell: str, baseline: Counts, candidate: Counts, allowances: Mapping[str, Allowance]) -> Iterator[Decision]:
    for metric, allowance in allowances.items():
        before, after = baseline.values.get(metric, ()), candidate.values.get(metric, ())
        if not before and not after:
            continue
        noun = _NOUNS.get(metric, metric)
        if not before or not after:
            name, side = ("baseline", baseline) if not before else ("candidate", candidate)
            reason = f"{noun}: not known of the {name} alone: {side.absent.get(metric, 'not counted')}"
            yield Decision(cell, metric, "invalid", 0, reason)
        elif any(not math.isfinite(value) or value < 0 for value in (*before, *after)):
            yield Decision(cell, metric, "invalid", 0, f"{noun}: {before} and {after} are not counts")
        else:
            yield _count(cell, metric, (before, after), allowance)


def _count(
    cell: str, metric: str, sides: tuple[tuple[float, ...], tuple[float, ...]], allowance: Allowance
) -> Decision:
    before, after = (float(np.median(side)) for side in sides)
    noise = _SPREAD * math.hypot(*(_error(side) for side in sides))
    allowed = max(allowance.share * before, allowance.least, noise)
    more = after - before
    outcome: Outcome = "regression" if more > allowed else "improvement" if more < -allowed else "pass"
    change = more / before if before else None
    shown = f"{_NOUNS.get(metric, metric)}: {before:,.0f} -> {after:,.0f}"
    shown += f" ({change * 100:+.2f} %)" if change is not None and more else ""
    within = f", within the {allowed:,.0f} allowed" if more and outcome == "pass" else ""
    reason = f"{shown}{within}; {LABEL if more else 'the same work'}"
    count = min(len(side) for side in sides)
    return Decision(cell, metric, outcome, count, reason, change, baseline=before, candidate=after)


def _error(values: tuple[float, ...]) -> float:
    return float(np.std(values, ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0


def _placed(cell: str, baseline: Counts, candidate: Counts) -> Iterator[Decision]:
    before, after = baseline.placement, candidate.placement
    if before is None and after is None:
        return
    if before is None or after is None:
        name, side = ("baseline", baseline) if before is None else ("candidate", candidate)
        reason = f"operators: their place is not known of the {name} alone: {side.absent.get(PLACEMENT, 'not asked')}"
        yield Decision(cell, PLACEMENT, "invalid", 0, reason)
        return
    elsewhere = [
        sum(n for place, n in side.items() if not place.startswith(baseline.preferred)) for side in (before, after)
    ]
    moved = ", ".join(
        f"{place} {before.get(place, 0)} -> {after.get(place, 0)}"
        for place in sorted({*before, *after})
        if before.get(place, 0) != after.get(place, 0)
    )
    outcome: Outcome = "pass"
    if elsewhere[0] != elsewhere[1]:
        outcome = "regression" if elsewhere[1] > elsewhere[0] else "improvement"
    reason = f"operators: {moved or 'each runs where it ran'}" + (f"; {LABEL}" if moved else "")
    yield Decision(cell, PLACEMENT, outcome, 1, reason, baseline=float(elsewhere[0]), candidate=float(elsewhere[1]))
