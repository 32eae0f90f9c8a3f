"""The outcome of the whole, its sentence, its exit code; and several devices as one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.gating.gate import _merged
from harness.gating.verdict import concluded, exit_code
from harness.model.gate import Decision, GateResult, Outcome, Policy, Rule

POLICY = Policy((Rule("latency_p50_s", 0.02, 0.05),))


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
    assert concluded([decision(one) for one in outcomes], set()) == (whole, words)


def test_what_can_only_alarm_holds_nothing_up_by_being_unclear() -> None:
    light = {("small", "load_s")}
    assert concluded([decision("pass"), decision("inconclusive", "load_s")], light)[0] == "pass"
    assert concluded([decision("pass"), decision("regression", "load_s")], light)[0] == "regression"
    assert concluded([decision("pass"), decision("invalid", "load_s")], light)[0] == "invalid"


def test_nothing_judged_is_no_pass() -> None:
    assert concluded([], set(), ["no images"]) == ("invalid", "no images")
    assert concluded([decision("inconclusive")], {("small", "latency_p50_s")})[0] == "invalid"


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
