"""Design (b): prediction limits from kept sessions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as reference

from harness.analysis.gate import stored
from harness.analysis.gate.stored import Kept
from harness.model.gate import Decision, Policy, Rule

RULE = Rule("latency_p50_s", 0.02, 0.05)
RATE = Rule("throughput_per_s", 0.02, 0.05)
POLICY = Policy((RULE,))
SESSIONS = tuple(1e-3 * math.exp(0.004 * z) for z in (-1.2, 0.4, 0.9, -0.3, 0.1, 1.3, -0.8, 0.2, -0.6, 0.0, 0.5, -0.5))
KEPT = Kept(SESSIONS, "s")


def judge(now: float, kept: Kept = KEPT, rule: Rule = RULE) -> Decision:
    return stored.judge_session("a", rule, kept, now, POLICY, 1)


def test_the_limit_is_the_printed_prediction_limit() -> None:
    """Mean + t(99 %, H - 1) s sqrt(1 + 1/H), in logarithms."""
    logs = np.log(SESSIONS)
    half = reference.t.isf(0.01, 11) * logs.std(ddof=1) * math.sqrt(1 + 1 / 12)
    one = judge(1.03e-3)
    assert one.change == pytest.approx(math.expm1(math.log(1.03e-3) - logs.mean()))
    assert one.low == pytest.approx(math.expm1(math.log(1.03e-3) - logs.mean() - half))


@pytest.mark.parametrize(
    ("now", "outcome"), [(1e-3, "pass"), (1.012e-3, "pass"), (1.06e-3, "regression"), (0.9e-3, "improvement")]
)
def test_outcomes(now: float, outcome: str) -> None:
    assert judge(now).outcome == outcome


def test_both_the_noise_and_the_tolerance_count() -> None:
    """Beyond what the machine does by itself, but within the tolerance; and the other way round."""
    quiet = Kept(tuple(1e-3 * math.exp(0.0005 * math.log(value * 1e3) / 0.004) for value in SESSIONS), "s")
    assert judge(1.015e-3, quiet).outcome == "pass"
    noisy = Kept(tuple(1e-3 * math.exp(10 * math.log(value * 1e3)) for value in SESSIONS), "s")
    assert judge(1.05e-3, noisy).outcome == "inconclusive"
    assert "measure the baseline beside it" in judge(1.05e-3, noisy).reason


def test_more_is_better_is_turned() -> None:
    kept = Kept(tuple(1 / value for value in SESSIONS), "1/s")
    assert judge(1 / 1.06e-3, kept, RATE).outcome == "regression"
    assert judge(1 / 0.9e-3, kept, RATE).outcome == "improvement"


def test_a_regression_needs_a_second_session() -> None:
    first = judge(1.06e-3)
    assert first.confirmed is None
    again = stored.confirm_session(first, RULE, KEPT, 1.055e-3, POLICY)
    assert (again.outcome, again.confirmed) == ("regression", True)
    gone = stored.confirm_session(first, RULE, KEPT, 1.001e-3, POLICY)
    assert (gone.outcome, gone.confirmed) == ("inconclusive", False)
    assert "not reproduced by a second session (+0.1 %)" in gone.reason
    broken = stored.confirm_session(first, RULE, KEPT, math.nan, POLICY)
    assert broken.outcome == "invalid"
    with pytest.raises(ValueError, match="nothing to confirm"):
        stored.confirm_session(judge(1e-3), RULE, KEPT, 1e-3, POLICY)


def test_few_sessions_know_no_noise_floor() -> None:
    one = judge(2e-3, Kept(SESSIONS[:9], "s"))
    assert one.outcome == "inconclusive"
    assert "9 sessions of this machine are kept; the noise floor needs 10" in one.reason


@pytest.mark.parametrize(
    ("kept", "now", "words"),
    [
        (Kept(SESSIONS, "ms"), 1e-3, "the baseline is in ms, to be compared in s"),
        (
            Kept(SESSIONS, "s", ("kernel 6.1 is now 6.8",)),
            1e-3,
            "of another machine or software (kernel 6.1 is now 6.8)",
        ),
        (Kept((), "s"), 1e-3, "keeps no session"),
        (Kept((*SESSIONS, 0.0), "s"), 1e-3, "0 is no measured value"),
        (Kept((*SESSIONS, -1.0), "s"), 1e-3, "-1 is no measured value"),
        (Kept((*SESSIONS, 1e308), "s"), 1e-3, "1e+308 is no measured value"),
        (Kept((1e-300,) * 6 + SESSIONS, "s"), 1e-3, "1e-300 is no measured value"),
        (Kept((*SESSIONS, 1e9), "s"), 1e-3, "the kept sessions are from 0.000995212 to 1e+09"),
        (KEPT, math.nan, "nan is no measured value"),
        (Kept((1e-3,) * 12, "s"), 1e-3, "all 12 kept sessions are exactly 0.001"),
    ],
)
def test_what_is_never_a_verdict(kept: Kept, now: float, words: str) -> None:
    one = judge(now, kept)
    assert one.outcome == "invalid"
    assert words in one.reason


@pytest.mark.parametrize(("slowdown", "least", "most"), [(0.0, 0.0, 0.0005), (0.02, 0.0, 0.01), (0.05, 0.95, 1.0)])
def test_rates_over_synthetic_sessions(slowdown: float, least: float, most: float) -> None:
    """2,000 baselines of 12 sessions with 0.4 % of noise, a first and a second session each."""
    generator = np.random.default_rng(20261121)
    found = 0
    for logs in 0.004 * generator.standard_normal((2000, 14)):
        kept = Kept(tuple(np.exp(logs[:12]).tolist()), "s")
        first, second = np.exp(logs[12:] + math.log1p(slowdown)).tolist()
        one = judge(first, kept)
        if one.outcome == "regression":
            found += stored.confirm_session(one, RULE, kept, second, POLICY).outcome == "regression"
    assert least <= found / 2000 <= most
