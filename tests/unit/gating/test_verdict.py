"""The outcome of the whole, its sentence, its exit code; and several devices as one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.gating.gate import _merged
from harness.gating.verdict import concluded, exit_code, rules_over, sound
from harness.model.gate import Decision, GateResult, Outcome, Policy, Rule
from harness.model.policy import ACCURACY, DEFAULT

POLICY = Policy((Rule("latency_p50_s", 0.02, 0.05),))
LOAD = Rule("load_s", 0.1, 0.25, required=False, only_alarms=True)
ENERGY = Rule("energy_per_inference_j", 0.03, 0.08, required=False)


def decision(outcome: Outcome, metric: str = "latency_p50_s") -> Decision:
    return Decision("small", metric, outcome, 6, f"{metric} is {outcome}")


def result(outcome: Outcome, device: str = "here") -> GateResult:
    return GateResult("paired", outcome, "because", "old", "new", (decision(outcome),), facts={"device": device})


@pytest.mark.parametrize(
    ("outcomes", "whole", "words"),
    [
        (("pass", "improvement"), "pass", "none of 2 metrics is worse by its limit"),
        (("improvement",), "improvement", "small: latency_p50_s is improvement"),
        (("pass", "inconclusive"), "inconclusive", "small: latency_p50_s is inconclusive"),
        (("inconclusive", "regression", "regression"), "regression", "small: latency_p50_s is regression (and 1 more)"),
        (("regression", "invalid"), "invalid", "small: latency_p50_s is invalid"),
    ],
)
def test_the_gravest_counts(outcomes: tuple[Outcome, ...], whole: Outcome, words: str) -> None:
    assert concluded([decision(one) for one in outcomes], rules_over(POLICY, ["small"])) == (whole, words)
    assert concluded([decision(one) for one in outcomes], None) == (whole, words)


def test_what_can_only_alarm_holds_nothing_up_by_being_unclear() -> None:
    rules = rules_over(Policy((*POLICY.rules, LOAD)), ["small"])
    assert concluded([decision("pass"), decision("inconclusive", "load_s")], rules)[0] == "pass"
    assert concluded([decision("pass"), decision("regression", "load_s")], rules)[0] == "regression"
    assert concluded([decision("pass"), decision("invalid", "load_s")], rules)[0] == "invalid"
    # A count that no rule names holds nothing up either.
    assert concluded([decision("pass"), decision("inconclusive", "macs")], rules)[0] == "pass"
    assert concluded([decision("pass"), decision("inconclusive", "macs")], None)[0] == "inconclusive"


def test_nothing_judged_is_no_pass() -> None:
    assert concluded([], None, ["no images"]) == ("invalid", "no images")
    assert concluded([], {}) == ("invalid", "nothing was measured")


@pytest.mark.parametrize("outcome", ["pass", "improvement", "inconclusive"])
def test_what_no_rule_names_lets_nothing_pass(outcome: Outcome) -> None:
    """The file's size is the same, and of how long an inference takes nothing is known."""
    rules = rules_over(Policy((ENERGY,)), ["small", "large"])
    found, reason = concluded([decision(outcome, "model_size_bytes")], rules, ["small: no sensor"])
    assert found == "invalid"
    assert reason == (
        "no rule of the policy came to a decision: energy_per_inference_j is not judged in small, large "
        "(small: no sensor)"
    )
    assert concluded([decision(outcome, "model_size_bytes"), decision("pass", ENERGY.metric)], rules)[0] == "pass"


def test_alarms_alone_that_stay_unclear_let_nothing_pass() -> None:
    rules = rules_over(Policy((LOAD, ENERGY)), ["small"])
    found, reason = concluded([decision("inconclusive", "load_s"), decision("pass", "macs")], rules)
    assert found == "invalid"
    assert "load_s is inconclusive, and may only alarm, in small" in reason
    assert concluded([decision("pass", "load_s")], rules)[0] == "pass"
    assert concluded([decision("regression", "load_s")], rules)[0] == "regression"


def test_accuracy_is_a_rule_of_the_default_policy() -> None:
    assert rules_over(DEFAULT, ["small"])["small", ACCURACY.metric] == ACCURACY
    assert ("small", ACCURACY.metric) not in rules_over(POLICY, ["small"])


@pytest.mark.parametrize(
    ("least", "outcome", "noted"), [(0.0, "pass", 0), (1e-4, "pass", 0), (1.5e-3, "pass", 1), (0.02, "invalid", 0)]
)
def test_a_least_change_above_the_value_is_told(least: float, outcome: Outcome, noted: int) -> None:
    rules = rules_over(Policy((Rule("latency_p50_s", 0.02, 0.05, least_change=least),)), ["small"])
    ((one, count), notes) = sound([replace(decision("pass"), baseline=1e-3), decision("pass", "macs")], rules)
    assert (one.outcome, count.outcome, len(notes)) == (outcome, "pass", noted)
    if outcome == "invalid":
        assert one.reason == (
            "the policy's least_change of latency_p50_s is 20 times its value: nothing could be worse by so much"
        )


def test_exit_codes() -> None:
    codes = {
        one: exit_code(result(one), POLICY) for one in ("pass", "improvement", "regression", "inconclusive", "invalid")
    }
    assert codes == {"pass": 0, "improvement": 0, "regression": 1, "inconclusive": 3, "invalid": 3}
    lenient = replace(POLICY, inconclusive="passes")
    assert exit_code(result("inconclusive"), lenient) == 0
    assert exit_code(result("invalid"), lenient) == 3


def test_several_devices_are_one_result_of_the_gravest() -> None:
    found = _merged([result("pass", "nano"), result("regression", "pi")])
    assert (found.outcome, found.reason) == ("regression", "pi: because")
    assert [one.cell for one in found.decisions] == ["small on nano", "small on pi"]
    assert set(found.facts["devices"]) == {"nano", "pi"}
