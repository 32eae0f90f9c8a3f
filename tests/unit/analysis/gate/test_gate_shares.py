"""Accuracy on the same images: outcomes by hand-made answers, exact levels, and that swapping the sides mirrors it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.analysis.gate.shares import Answers, judge_accuracy
from harness.model.gate import Rule

RULE = Rule("accuracy_top1", 0.001, 0.005)
STRICT = Rule("accuracy_top1", 0.0, 0.005)


def answers(count: int, lost: int, won: int) -> Answers:
    """All labels are 0; the baseline is wrong on the first `won`, the candidate on the last `lost`."""
    before, after = np.zeros(count, np.int64), np.zeros(count, np.int64)
    before[:won] = 1
    after[count - lost :] = 1
    return Answers(np.zeros(count, np.int64), before, after)


@pytest.mark.parametrize(
    ("lost", "won", "outcome"),
    [
        (0, 0, "pass"),
        (60, 60, "pass"),
        (60, 40, "pass"),
        (150, 40, "regression"),  # 1.1 points
        (40, 150, "improvement"),
        (330, 300, "inconclusive"),  # 0.3 points lost, and 0.5 cannot be ruled out
    ],
)
def test_outcomes_of_ten_thousand_images(lost: int, won: int, outcome: str) -> None:
    found = judge_accuracy("a", RULE, answers(10_000, lost, won), 0.01, 0.05)
    assert found.outcome == outcome, found.reason
    assert found.change == pytest.approx((lost - won) / 10_000)
    assert found.baseline == pytest.approx(1 - won / 10_000)
    assert found.candidate == pytest.approx(1 - lost / 10_000)
    assert f"{lost} images lost, {won} won of 10000" in found.reason


def test_with_no_tolerance_it_is_mcnemars_exact_test() -> None:
    """7 lost and none won: P = 1/128, below 1 %; 6 lost: 1/64, above."""
    assert judge_accuracy("a", STRICT, answers(1000, 7, 0), 0.01, 0.05).outcome == "regression"
    assert judge_accuracy("a", STRICT, answers(1000, 6, 0), 0.01, 0.05).outcome != "regression"
    found = judge_accuracy("a", STRICT, answers(1000, 9, 2), 0.01, 0.05)
    assert found.p == pytest.approx(sum(math.comb(11, k) for k in range(9, 12)) / 2**11)


def test_few_images_never_pass_however_equal_the_answers() -> None:
    found = judge_accuracy("a", RULE, answers(100, 0, 0), 0.01, 0.05)
    assert found.outcome == "inconclusive"
    assert "more images would tell" in found.reason


def test_a_false_alarm_is_as_rare_as_its_level() -> None:
    """Equal models that disagree on 3 % of 2,000 images: 2,000 gates at 5 %, tolerance 0."""
    chance = np.random.default_rng(0)
    alarms = 0
    for _ in range(2000):
        together = int(chance.binomial(2000, 0.03))
        lost = int(chance.binomial(together, 0.5))
        found = judge_accuracy("a", STRICT, answers(2000, lost, together - lost), 0.05, 0.05)
        alarms += found.outcome == "regression"
    assert alarms <= 0.05 * 2000


def test_answers_to_other_images_are_invalid() -> None:
    some = answers(10, 1, 0)
    found = judge_accuracy("a", RULE, Answers(some.labels[:9], some.baseline, some.candidate), 0.01, 0.05)
    assert found.outcome == "invalid"
    nothing = np.zeros(0, np.int64)
    assert judge_accuracy("a", RULE, Answers(nothing, nothing, nothing), 0.01, 0.05).outcome == "invalid"
