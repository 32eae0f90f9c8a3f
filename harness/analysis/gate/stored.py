"""Design (b): a session of now against sessions of the same machine kept with the baseline. For when the baseline
itself cannot run; it needs a noise floor from ten sessions, and sees less than the paired design (statistics.md,
4.8.2).

A session is one number per metric, of several launches. The bound is a prediction limit: of one more session, not of
the mean. Stricter than there in one point: the limit itself, not the session's value, has to be above the tolerance.
With the value, a slowdown of exactly the tolerance was called a regression, and confirmed, in 26 % of 2,000 simulated
gates. The second session is no independent error to spend, as both meet the same kept sessions: alpha is spent in full
on the first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.analysis.gate import decide
from harness.analysis.gate.decide import Levels
from harness.model.gate import Decision, Outcome, Policy, Rule
from harness.model.metrics import REGISTRY
from harness.model.policy import better, widened

FEWEST_SESSIONS = 10
# Beyond these, in any unit of a metric, a value was written by hand, and a limit made of it would overflow.
_LEAST, _MOST = 1e-15, 2.0**63
# Sessions of one case on one machine that differ by more are not of one.
_WIDEST = 1000.0


@dataclass(frozen=True)
class Kept:
    """What the baseline's file holds of a metric: one value per session, their unit; differs: what of the machine or
    its software is not as it was then, which forbids every verdict."""

    values: tuple[float, ...]
    unit: str
    differs: tuple[str, ...] = ()


def judge_session(cell: str, rule: Rule, kept: Kept, now: float, policy: Policy, metrics: int) -> Decision:
    """A first session: its regression is a wish for a second one (`confirm_session`), not yet a verdict."""
    unit = REGISTRY[rule.metric].unit
    refused = _refused(kept, now, unit)
    baseline = float(np.median(kept.values)) if kept.values else None
    if refused:
        return Decision(cell, rule.metric, "invalid", len(kept.values), f"{_label(rule)}: {refused}")
    rule, sessions = widened(rule, baseline), len(kept.values)
    if sessions < FEWEST_SESSIONS:
        reason = (
            f"{_label(rule)}: {sessions} sessions of this machine are kept; the noise floor needs {FEWEST_SESSIONS}"
        )
        change = math.expm1(_log(rule, now) - float(np.mean(_logs(rule, kept))))
        return Decision(cell, rule.metric, "inconclusive", sessions, reason, change, baseline=baseline, candidate=now)
    return _against(cell, rule, kept, now, Levels(policy.alpha / max(1, metrics), policy.confirm_alpha, policy.beta))


def confirm_session(first: Decision, rule: Rule, kept: Kept, again: float, policy: Policy) -> Decision:
    """What a second session, measured after the first, makes of its alarm."""
    if first.outcome != "regression":
        raise ValueError(f"{first.cell}: nothing to confirm in a decision that is {first.outcome}")
    refused = _refused(kept, again, REGISTRY[rule.metric].unit)
    if refused:
        return replace(first, outcome="invalid", confirmed=False, reason=f"{first.reason}; second session: {refused}")
    levels = Levels(policy.confirm_alpha, policy.confirm_alpha, policy.beta)
    second = _against(first.cell, widened(rule, first.baseline), kept, again, levels)
    shown = f"{(second.change or 0.0) * 100:+.1f} %"
    if second.outcome == "regression":
        return replace(first, confirmed=True, reason=f"{first.reason}; a second session shows it again ({shown})")
    reason = f"{first.reason}; not reproduced by a second session ({shown})"
    return replace(first, outcome="inconclusive", confirmed=False, reason=reason)


def _against(cell: str, rule: Rule, kept: Kept, now: float, levels: Levels) -> Decision:
    logs = np.asarray(_logs(rule, kept))
    count, mean = len(logs), float(np.mean(logs))
    spread = max(float(np.std(logs, ddof=1)) * math.sqrt(1 + 1 / count), decide.LEAST_ERROR)
    change = _log(rule, now) - mean
    low, high = (
        change - decide.t_above(levels.first, count - 1) * spread,
        change + decide.t_above(levels.missed, count - 1) * spread,
    )
    tolerance, limit = math.log1p(rule.tolerance), math.log1p(rule.limit)
    if low > tolerance:
        outcome: Outcome = "regression"
        end = f"at least {math.expm1(low) * 100:+.1f} %, which is above the tolerance of {rule.tolerance * 100:.3g} %"
    elif high < limit:
        outcome = "improvement" if high < -tolerance else "pass"
        end = f"at most {math.expm1(high) * 100:+.1f} %, below the limit of {rule.limit * 100:.3g} %"
    else:
        outcome = "inconclusive"
        ends = f"{math.expm1(low) * 100:+.1f} to {math.expm1(high) * 100:+.1f} %"
        end = f"anything from {ends}: measure the baseline beside it"
    reason = f"{_label(rule)} is {math.expm1(change) * 100:+.1f} % against {count} kept sessions: {end}"
    numbers = (math.expm1(change), math.expm1(low), math.expm1(high))
    # Both sessions meet the same kept ones: if one finds it the other is the likelier to, so this is the safe side.
    steps = [(1.0, decide.t_above(level, count - 1), count - 1) for level in (levels.first, levels.again)]
    smallest = decide.smallest_found(rule, steps, spread)
    return Decision(
        cell, rule.metric, outcome, count, reason, *numbers, None, smallest, float(np.median(kept.values)), now,
        effects=(change,),
    )  # fmt: skip


def _refused(kept: Kept, now: float, unit: str) -> str:
    if kept.differs:
        return f"the baseline is of another machine or software ({'; '.join(kept.differs)}): measure both here"
    if kept.unit != unit:
        return f"the baseline is in {kept.unit}, to be compared in {unit}"
    if not kept.values:
        return "the baseline keeps no session of it"
    bad: Sequence[float] = [value for value in (*kept.values, now) if not _LEAST <= value <= _MOST]
    if bad:
        return f"{bad[0]:g} is no measured value"
    if max(kept.values) > _WIDEST * min(kept.values):
        return f"the kept sessions are from {min(kept.values):g} to {max(kept.values):g}: no noise floor can be learned"
    if unit != "B" and len(kept.values) >= FEWEST_SESSIONS and max(kept.values) == min(kept.values):
        return f"all {len(kept.values)} kept sessions are exactly {kept.values[0]:g}: no noise floor can be learned"
    return ""


def _logs(rule: Rule, kept: Kept) -> list[float]:
    return [_log(rule, value) for value in kept.values]


def _log(rule: Rule, value: float) -> float:
    return math.log(value) if better(rule) == "lower" else -math.log(value)


def _label(rule: Rule) -> str:
    return REGISTRY[rule.metric].label
