"""One metric of one cell: launches' effects to a decision with its sentence. Knows no other metric, but the floor.

Nothing that is broken becomes a verdict: a launch without a value makes its metric invalid, it is never left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from harness.analysis.gate import decide
from harness.analysis.gate.decide import Levels
from harness.analysis.gate.effects import FLOOR, MEAN, MEDIAN, QUANTILES, Absent, Effect, LaunchEffects
from harness.model.gate import Decision, Outcome, Rule
from harness.model.metrics import REGISTRY
from harness.model.policy import widened

# A larger change, relative, is no figure to read.
MOST_SHOWN = 1e4
TAILS = (*(name for name in QUANTILES if name != FLOOR), MEAN)


def judged(cell: str, rule: Rule, launches: Sequence[LaunchEffects], levels: Levels) -> Decision | str:
    """The decision at these launches; a sentence where the metric was not measured and the rule does not require it."""
    metric = rule.metric
    found = [launch.get(metric, Absent("was not measured")) for launch in launches]
    absent = [one for one in found if isinstance(one, Absent)]
    label = REGISTRY[metric].label
    if absent:
        broken = [one for one in absent if one.broken]
        unsupported = all(one.scarce for one in absent)
        if not broken and not rule.required and (len(absent) == len(found) or unsupported):
            return f"{cell}: {label} is not judged: {absent[0].reason}"
        first = (broken or absent)[0]
        reason = f"{label}: {len(absent)} of {len(found)} launches have no effect: {first.reason}"
        return Decision(cell, metric, "invalid", len(found) - len(absent), reason)
    effects = [one for one in found if isinstance(one, Effect)]
    logs = tuple(one.log for one in effects)
    unusable = decide.unusable(logs, REGISTRY[metric].unit)
    if unusable:
        return Decision(cell, metric, "invalid", len(logs), f"{label}: {unusable}", effects=logs)
    baseline, candidate = (
        float(np.median([getattr(one, name) for one in effects])) for name in ("baseline", "candidate")
    )
    return _decision(cell, widened(rule, baseline), logs, levels, (baseline, candidate))


def margins(rule: Rule, launches: Sequence[LaunchEffects]) -> Rule:
    """The rule with its least change in the metric's unit turned into a share of the baseline seen in `launches`."""
    seen = [one.baseline for launch in launches if isinstance(one := launch.get(rule.metric), Effect)]
    return widened(rule, float(np.median(seen))) if seen else rule


def with_evidence(
    decisions: Sequence[Decision], launches: Sequence[LaunchEffects], rules: Sequence[Rule]
) -> tuple[Decision, ...]:
    """A cell's decisions with what only several metrics together tell: tail alone; and whether the floor moved."""
    median = next((one for one in decisions if one.metric == MEDIAN), None)
    tolerance = next((rule.tolerance for rule in rules if rule.metric == MEDIAN), 0.0)
    still = median if median is not None and _unmoved(median, tolerance) else None
    return tuple(_with_evidence(one, still, launches) for one in decisions)


def _unmoved(median: Decision, tolerance: float) -> bool:
    """A pass that is nearer to nothing than to the tolerance: one that moved by most of it is no matter of the tail."""
    return median.outcome == "pass" and median.change is not None and abs(median.change) <= tolerance / 2


def _with_evidence(one: Decision, still: Decision | None, launches: Sequence[LaunchEffects]) -> Decision:
    if one.outcome != "regression":
        return one
    if one.metric == MEDIAN:
        said = floor_moved([launch.get(FLOOR) for launch in launches], math.log1p(one.change or 0.0))
        return replace(one, reason=f"{one.reason}; {said}") if said else one
    if one.metric in TAILS and still is not None:
        said = f"in the tail only: the median moved by {percent(still.change)} (at most {percent(still.high)})"
        return replace(one, tail_only=True, reason=f"{one.reason}; {said}")
    return one


def floor_moved(floors: Sequence[Effect | Absent | None], median: float) -> str:
    """What the fastest tenth of the inferences says of a median that rose by `median` (log): more work or not."""
    logs = np.array([one.log for one in floors if isinstance(one, Effect)])
    if len(logs) < 3 or len(logs) < len(floors):
        return ""
    found = decide.bounds(logs, 0.025, 0.025)
    moved = percent(decide.relative(float(found.mean)))
    if found.low > median / 2:
        return f"the floor (p10) moved by {moved} too: more work in every inference"
    if found.high < median / 2:
        return f"the floor (p10) moved by {moved} only: contention, or a part of the inferences"
    return f"whether the floor (p10) moved is not clear ({moved})"


def _decision(cell: str, rule: Rule, logs: tuple[float, ...], levels: Levels, values: tuple[float, float]) -> Decision:
    found = decide.bounds(np.asarray(logs, np.float64), levels.first, levels.missed)
    outcome, count = decide.outcome_of(found, rule), len(logs)
    change, low, high = (decide.relative(float(one)) for one in (found.mean, found.low, found.high))
    sigma = float(np.std(logs, ddof=1))
    smallest = decide.detectable(sigma, count, rule, levels)
    p = decide.p_above(found, count, math.log1p(rule.tolerance))
    reason = (
        f"{REGISTRY[rule.metric].label} {_reason(outcome, rule, (count, levels.fresh), (change, low, high, smallest))}"
    )
    return Decision(cell, rule.metric, outcome, count, reason, change, low, high, p, smallest, *values, effects=logs)


def _reason(outcome: Outcome, rule: Rule, launches: tuple[int, int], numbers: tuple[float | None, ...]) -> str:
    """launches: of this look, and fresh ones that a regression would have to show itself in again."""
    (count, fresh), (change, low, high, smallest) = launches, numbers
    worse = f"is {percent(change).lstrip('+-')} {'better' if change is not None and change < 0 else 'worse'}"
    tolerance, limit = f"the tolerance of {_share(rule.tolerance)}", f"the limit of {_share(rule.limit)}"
    if outcome == "regression":
        return f"{worse}, at least {percent(low)} over {count} launches, which is above {tolerance}"
    if outcome == "improvement":
        return f"{worse}, at least {percent(high).lstrip('-')} over {count} launches"
    if outcome == "pass":
        return f"{worse}, at most {percent(high)} over {count} launches, which is below {limit}"
    more = f" and {fresh} fresh ones" if fresh else ""
    found = f"so many launches{more} find {percent(smallest)} here"
    if smallest is None:
        found = f"no slowdown up to {percent(decide.MOST_DETECTABLE)} is one that so few launches{more} could show"
    return (
        f"{worse}, anything from {percent(low)} to {percent(high)} over {count} launches: neither above {tolerance} "
        f"nor below {limit}; {found}"
    )


def percent(share: float | None) -> str:
    """A relative change with its sign; None: one that is too large for a number."""
    if share is None or share > MOST_SHOWN:
        return f"more than {MOST_SHOWN * 100:+.0f} %"
    return f"{share * 100:+.1f} %"


def _share(share: float) -> str:
    return f"{share * 100:.3g} %"


def displayed(decisions: Sequence[Decision]) -> tuple[Decision, ...]:
    """With p adjusted by Holm over all of them."""
    known = [one.p for one in decisions if one.p is not None]
    adjusted = iter(decide.holm(known))
    return tuple(one if one.p is None else replace(one, p=next(adjusted)) for one in decisions)
