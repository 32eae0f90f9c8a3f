"""Accuracy of two models on the same images: McNemar's exact test with two margins, one decision. Draws no samples.

What may raise an alarm is exact: given that m images are right in one model alone, those that the candidate lost are
Binomial(m, share), so Clopper and Pearson's bound of the share bounds the loss, (2 share - 1) m / n; with a tolerance
of 0 it is McNemar's exact test. What may pass is Bonett and Price's upper bound (J. Educ. Behav. Stat. 37, 2012), which
has a width even where the two never disagree.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.model.gate import Decision, Outcome, Rule

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Answers:
    """What both sides answered to the same images, and what is right."""

    labels: Labels
    baseline: Labels
    candidate: Labels


def judge_accuracy(cell: str, rule: Rule, answers: Answers, alarm: float, missed: float) -> Decision:
    """alarm, missed: one-sided levels of a regression and of a pass. The same answers give the same decision, so there
    is nothing that fresh processes could confirm."""
    count = len(answers.labels)
    if not count or not count == len(answers.baseline) == len(answers.candidate):
        reason = f"top-1: {len(answers.baseline)} and {len(answers.candidate)} answers to {count} images"
        return Decision(cell, rule.metric, "invalid", count, reason)
    before, after = answers.baseline == answers.labels, answers.candidate == answers.labels
    lost, won = int((before & ~after).sum()), int((after & ~before).sum())
    change, low, high = (lost - won) / count, _low(lost, won, count, alarm), _high(lost, won, count, missed)
    points = f"top-1 {float(before.mean()):.2%} -> {float(after.mean()):.2%}"
    split = f"{lost} images lost, {won} won of {count}"
    if low > rule.tolerance:
        outcome: Outcome = "regression"
        end = f"at least {low * 100:.2f} points worse, which is above the tolerance of {rule.tolerance * 100:.3g}"
    elif high < -rule.tolerance:
        outcome, end = "improvement", f"at least {-high * 100:.2f} points better"
    elif high < rule.limit:
        outcome, end = "pass", f"at most {high * 100:+.2f} points worse, below the limit of {rule.limit * 100:.3g}"
    else:
        outcome, end = "inconclusive", f"up to {high * 100:+.2f} points worse: more images would tell"
    p = _p(lost, won)
    reason = f"{points} ({split}; McNemar's exact one-sided p = {p:.2g}): {end}"
    return Decision(
        cell, rule.metric, outcome, count, reason, change, low, high, p, None,
        float(before.mean()), float(after.mean()),
    )  # fmt: skip


def _p(lost: int, won: int) -> float:
    """P(Binomial(lost + won, 1/2) >= lost)."""
    from scipy.special import betainc

    return float(betainc(lost, won + 1, 0.5)) if lost else 1.0


def _low(lost: int, won: int, count: int, level: float) -> float:
    from scipy.special import betaincinv

    together = lost + won
    share = float(betaincinv(lost, won + 1, level)) if lost else 0.0
    return (2 * share - 1) * together / count


def _high(lost: int, won: int, count: int, level: float) -> float:
    from scipy.special import ndtri

    down, up = (lost + 1) / (count + 2), (won + 1) / (count + 2)
    middle = down - up
    return min(1.0, middle - float(ndtri(level)) * math.sqrt((down + up - middle**2) / (count + 2)))
