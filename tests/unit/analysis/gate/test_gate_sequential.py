"""The gate as a state machine: what it asks for, when a cell ends, what is never a verdict. Bar 11 of statistics.md."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.analysis.gate import sequential
from harness.analysis.gate.effects import Absent, Effect, LaunchEffects
from harness.analysis.gate.replay import replay
from harness.errors import UsageError
from harness.model.gate import Decision, Outcome, Policy, Rule, gravest
from tests.support.gate_ends import concluded

P50, P90 = Rule("latency_p50_s", 0.02, 0.05), Rule("latency_p90_s", 0.05, 0.12)
JOULES = Rule("energy_per_inference_j", 0.03, 0.08, required=False)
POLICY = Policy((P50, P90), confirm=6)
ALTERNATING = (1, -1, 0, 1, -1, 0, 1, -1, 0, 1, -1, 0, 1, -1, 0, 1)


def launches(count: int, noise: float = 0.003, **changes: float) -> list[LaunchEffects]:
    """Launches with these relative changes and a fixed pattern of noise."""
    return [
        {
            metric: Effect(math.log1p(change) + noise * ALTERNATING[i % 16], 1e-3, 1e-3 * (1 + change))
            for metric, change in changes.items()
        }
        for i in range(count)
    ]


def still(count: int, noise: float = 0.003) -> list[LaunchEffects]:
    return launches(count, noise, latency_p50_s=0.0, latency_p90_s=0.0)


def slower(count: int) -> list[LaunchEffects]:
    return launches(count, latency_p50_s=0.06, latency_p90_s=0.0)


def unclear(count: int) -> list[LaunchEffects]:
    return launches(count, 0.04, latency_p50_s=0.035, latency_p90_s=0.0)


def outcomes(gate: sequential.Gate) -> dict[str, Outcome]:
    return {one.metric: one.outcome for one in sequential.decisions(gate)}


def median_of(gate: sequential.Gate) -> Decision:
    return next(one for one in sequential.decisions(gate) if one.metric == "latency_p50_s")


def test_a_clear_pass_ends_after_the_first_look() -> None:
    gate = sequential.begin(POLICY, ["a", "b"])
    assert sequential.wanted(gate) == {"a": 6, "b": 6}
    gate = sequential.take(gate, "a", still(4))
    assert sequential.wanted(gate) == {"a": 2, "b": 6}
    assert sequential.decisions(gate) == ()
    gate = sequential.take(sequential.take(gate, "a", still(2)), "b", still(6))
    assert sequential.wanted(gate) == {}
    assert outcomes(gate) == {"latency_p50_s": "pass", "latency_p90_s": "pass"}
    assert concluded(gate) == ("pass", "none of 4 metrics is worse by its limit")
    assert "which is below the limit of 5 %" in median_of(gate).reason


def test_a_regression_asks_for_fresh_launches_and_is_reported_when_they_show_it_again() -> None:
    gate = sequential.take(sequential.begin(POLICY, ["a", "b"]), "a", slower(6))
    assert sequential.wanted(gate) == {"a": 6, "b": 6}
    gate = sequential.take(gate, "a", slower(6))
    gate = sequential.take(gate, "b", still(6))
    assert sequential.wanted(gate) == {}
    outcome, reason = concluded(gate)
    assert outcome == "regression"
    assert reason.startswith("a: p50 is 6.0 % worse, at least +5.")
    assert "6 fresh launches show it again (+6.0 %)" in reason
    assert median_of(gate).confirmed is True


def test_one_that_is_not_reproduced_goes_on_to_the_next_look() -> None:
    gate = sequential.take(sequential.begin(POLICY, ["a"]), "a", slower(6))
    gate = sequential.take(gate, "a", still(6))
    assert outcomes(gate)["latency_p50_s"] == "inconclusive"
    assert "not reproduced by 6 fresh launches (+0.0 %)" in median_of(gate).reason
    assert median_of(gate).confirmed is False
    assert sequential.wanted(gate) == {"a": 4}  # to ten of the first kind: fresh ones serve to confirm, only
    gate = sequential.take(gate, "a", launches(4, latency_p50_s=-0.1, latency_p90_s=0.0))
    assert outcomes(gate)["latency_p50_s"] == "inconclusive"
    assert sequential.wanted(gate) == {"a": 6}
    gate = sequential.take(gate, "a", still(6))
    assert sequential.wanted(gate) == {}


def test_fresh_launches_are_told_in_per_cent_as_the_looks_are() -> None:
    """Twice the time is 100 % worse, both times; its logarithm is 0.69."""
    gate = sequential.begin(Policy((P50,), looks=(6,), confirm=3), ["a"])
    gate = sequential.take(gate, "a", launches(6, latency_p50_s=1.0))
    gate = sequential.take(gate, "a", launches(3, latency_p50_s=1.0))
    assert median_of(gate).reason.startswith("p50 is 100.0 % worse")
    assert "3 fresh launches show it again (+100.0 %)" in median_of(gate).reason


def test_fresh_launches_that_repeat_themselves_confirm_nothing() -> None:
    gate = sequential.take(sequential.begin(POLICY, ["a"]), "a", slower(6))
    gate = sequential.take(gate, "a", launches(6, 0.0, latency_p50_s=0.06, latency_p90_s=0.0))
    assert outcomes(gate)["latency_p50_s"] == "invalid"
    assert "the fresh launches cannot confirm it: all 6 launches gave the same ratio" in median_of(gate).reason


def test_a_gate_that_ends_right_after_a_look_does_not_look_again() -> None:
    """A second look at the same launches would forget that fresh ones did not show the regression again."""
    gate = sequential.take(sequential.begin(POLICY, ["a"]), "a", slower(6))
    gate = sequential.stop(sequential.take(gate, "a", still(6)), "the time is spent")
    assert median_of(gate).confirmed is False
    assert "not reproduced by 6 fresh launches (+0.0 %); the time is spent" in median_of(gate).reason


def test_a_gate_that_ends_later_looks_at_what_came_since() -> None:
    gate = sequential.take(sequential.begin(POLICY, ["a"]), "a", slower(6))
    gate = sequential.take(sequential.take(gate, "a", still(6)), "a", still(1))
    gate = sequential.stop(gate, "the time is spent")
    assert median_of(gate).n == 7


def test_levels_that_no_launches_reach_give_sentences_and_no_overflow() -> None:
    """As of a policy of alpha 1e-30, or 1e-6 with 3 launches and no confirmation."""
    for alpha in (1e-6, 1e-30):
        gate = sequential.begin(Policy((P50,), alpha=alpha, beta=alpha, looks=(3,), confirm=0), ["a"])
        gate = sequential.take(gate, "a", launches(3, 0.3, latency_p50_s=0.0))
        one = median_of(gate)
        assert (one.outcome, one.detectable) == ("inconclusive", None)
        assert "no slowdown up to +1000.0 % is one that so few launches could show" in one.reason
        assert "more than +1000000 %" in one.reason


def test_what_stays_open_is_inconclusive_after_the_last_look() -> None:
    gate = sequential.begin(POLICY, ["a"])
    asked = []
    while wanted := sequential.wanted(gate):
        asked.append(wanted["a"])
        gate = sequential.take(gate, "a", unclear(wanted["a"]))
    assert asked == [6, 4, 6]
    assert concluded(gate)[0] == "inconclusive"
    assert median_of(gate).n == 16
    assert "neither above the tolerance of 2 % nor below the limit of 5 %" in median_of(gate).reason


def test_without_a_confirmation_a_regression_stands_at_once() -> None:
    strict = Policy((P50,), confirm=0)
    gate = sequential.take(sequential.begin(strict, ["a"]), "a", slower(6))
    assert sequential.wanted(gate) == {}
    assert outcomes(gate) == {"latency_p50_s": "regression"}
    assert median_of(gate).confirmed is None


def test_an_improvement_is_said() -> None:
    gate = sequential.take(sequential.begin(Policy((P50,)), ["a"]), "a", launches(6, latency_p50_s=-0.08))
    assert concluded(gate)[0] == "improvement"
    assert median_of(gate).reason.startswith("p50 is 8.0 % better, at least 7.")


def test_a_metric_that_may_only_alarm_holds_nothing_up() -> None:
    policy = Policy((P50, Rule("latency_p99_s", 0.25, 0.75, only_alarms=True)))
    noisy = [{**one, "latency_p99_s": Effect(0.9 * ALTERNATING[i], 1e-3, 1e-3)} for i, one in enumerate(still(6))]
    gate = sequential.take(sequential.begin(policy, ["a"]), "a", noisy)
    assert sequential.wanted(gate) == {}
    assert outcomes(gate)["latency_p99_s"] == "inconclusive"
    assert concluded(gate)[0] == "pass"


def test_but_asks_for_another_look_where_it_leans_towards_an_alarm() -> None:
    policy = Policy(
        (
            P50,
            Rule("latency_p99_s", 0.25, 0.75, only_alarms=True),
        )
    )
    leaning = [
        {**one, "latency_p99_s": Effect(0.5 + 0.2 * ALTERNATING[i], 1e-3, 1e-3)} for i, one in enumerate(still(6))
    ]
    gate = sequential.take(sequential.begin(policy, ["a"] + [f"c{i}" for i in range(30)]), "a", leaning)
    assert outcomes(gate)["latency_p99_s"] == "inconclusive"
    assert sequential.wanted(gate)["a"] == 4


def test_what_is_not_measured_and_not_required_is_noted() -> None:
    gate = sequential.begin(Policy((P50, JOULES)), ["a"])
    without = [{**one, "energy_per_inference_j": Absent("no sensor")} for one in still(6)]
    gate = sequential.take(gate, "a", without)
    assert outcomes(gate) == {"latency_p50_s": "pass"}
    assert sequential.notes(gate) == ("a: energy is not judged: no sensor",)


@pytest.mark.parametrize(
    ("rule", "absent", "words"),
    [
        (Rule("energy_per_inference_j", 0.03, 0.08), Absent("no sensor"), "energy: 1 of 6 launches have no effect"),
        (JOULES, Absent("is missing of the candidate alone", broken=True), "missing of the candidate alone"),
        (JOULES, Absent("no sensor"), "1 of 6 launches have no effect: no sensor"),
    ],
)
def test_one_launch_without_a_value_makes_its_metric_invalid(rule: Rule, absent: Absent, words: str) -> None:
    six = launches(6, latency_p50_s=0.0, energy_per_inference_j=0.0)
    six[3] = {**six[3], "energy_per_inference_j": absent}
    gate = sequential.take(sequential.begin(Policy((P50, rule)), ["a"]), "a", six)
    assert outcomes(gate) == {"latency_p50_s": "pass", "energy_per_inference_j": "invalid"}
    outcome, reason = concluded(gate)
    assert outcome == "invalid"
    assert words in reason


def test_a_tail_with_too_few_inferences_in_one_launch_is_left_out_of_all() -> None:
    """Busy neighbours leave a launch fewer of them; that must not spoil what else is judged."""
    tail = Rule("latency_p95_s", 0.10, 0.20, required=False, only_alarms=True)
    six = launches(6, latency_p50_s=0.0, latency_p95_s=0.0)
    six[3] = {**six[3], "latency_p95_s": Absent("81 inferences a launch; p95 needs 100", scarce=True)}
    gate = sequential.take(sequential.begin(Policy((P50, tail)), ["a"]), "a", six)
    assert outcomes(gate) == {"latency_p50_s": "pass"}
    assert sequential.notes(gate) == ("a: p95 is not judged: 81 inferences a launch; p95 needs 100",)


def test_a_constant_series_is_invalid_not_a_pass() -> None:
    gate = sequential.take(sequential.begin(Policy((P50,)), ["a"]), "a", launches(6, 0.0, latency_p50_s=0.0))
    assert outcomes(gate) == {"latency_p50_s": "invalid"}
    assert sequential.wanted(gate) == {}


def test_memory_may_be_constant_and_a_mebibyte_never_counts() -> None:
    rule = Rule("memory_peak_bytes", 0.02, 0.05, least_change=2.0**20)

    def conclude(before: float, after: float) -> Outcome:
        gate = sequential.begin(Policy((rule,)), ["a"])
        while wanted := sequential.wanted(gate):
            effect: LaunchEffects = {rule.metric: Effect(math.log(after / before), before, after)}
            gate = sequential.take(gate, "a", [effect] * wanted["a"])
        return concluded(gate)[0]

    assert conclude(20e6, 20e6) == "pass"
    assert conclude(20e6, 21e6) == "pass"  # +5 %, and under a mebibyte
    assert conclude(20e6, 22e6) == "regression"
    assert conclude(200e6, 203e6) == "pass"
    assert conclude(200e6, 206e6) == "regression"


def test_fresh_launches_without_a_value_confirm_nothing() -> None:
    gate = sequential.take(sequential.begin(POLICY, ["a"]), "a", slower(6))
    broken = [*slower(5), {"latency_p50_s": Absent("crashed", broken=True)}]
    gate = sequential.take(gate, "a", broken)
    assert outcomes(gate)["latency_p50_s"] == "invalid"
    assert sequential.wanted(gate) == {}


@pytest.mark.parametrize(
    ("told", "outcome", "words"),
    [
        ([], "invalid", "the time of 300 s is spent after 0 launches; 3 are the fewest"),
        (slower(1), "invalid", "after 1 launches"),
        (slower(2), "invalid", "after 2 launches"),
        (still(5), "pass", "none of 1 metrics is worse by its limit"),
        (slower(5), "inconclusive", "not confirmed: the time of 300 s is spent"),
        (slower(9), "inconclusive", "not confirmed: the time of 300 s is spent"),
        (unclear(5), "inconclusive", "; the time of 300 s is spent"),
        (unclear(6), "inconclusive", "; the time of 300 s is spent"),
        (slower(12), "regression", "show it again"),
    ],
)
def test_a_gate_ended_before_its_time_invents_nothing(told: list[LaunchEffects], outcome: Outcome, words: str) -> None:
    gate = sequential.begin(Policy((P50,)), ["a"])
    while told and (wanted := sequential.wanted(gate)):
        now, told = told[: wanted["a"]], told[wanted["a"] :]
        gate = sequential.take(gate, "a", now)
    gate = sequential.stop(gate, "the time of 300 s is spent")
    assert sequential.wanted(gate) == {}
    found, reason = concluded(gate)
    assert found == outcome
    assert words in reason


def test_nothing_in_common_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no case that both sides have"):
        sequential.begin(POLICY, [])
    only = Policy((Rule("latency_p50_s", 0.02, 0.05, cells=("large-*",)),))
    with pytest.raises(UsageError, match=r"it names large-\*; here is small"):
        sequential.begin(only, ["small"])


def test_more_launches_than_wanted_are_refused() -> None:
    """A look at another count than the planned one would spend errors that were not planned."""
    with pytest.raises(ValueError, match="a: 7 launches, but 6 were wanted"):
        sequential.take(sequential.begin(POLICY, ["a"]), "a", still(7))


def test_the_gravest_outcome_is_that_of_the_whole() -> None:
    assert gravest(["pass", "improvement"]) == "pass"
    assert gravest(["pass", "inconclusive", "regression"]) == "regression"
    assert gravest(["regression", "invalid"]) == "invalid"
    assert gravest([]) == "invalid"


def test_p_is_shown_adjusted_over_all_cells() -> None:
    gate = sequential.begin(Policy((P50,)), ["a", "b"])
    gate = sequential.take(sequential.take(gate, "a", unclear(6)), "b", still(6))
    raw = [one.p for cell in gate.cells for one in cell.latest]
    shown = [one.p for one in sequential.decisions(gate)]
    assert shown[0] == pytest.approx(2 * raw[0])


@pytest.mark.parametrize("policy", [Policy((P50, P90)), Policy((P50, P90), confirm=0)], ids=["confirmed", "strict"])
def test_a_thousand_replayed_gates_end_as_the_state_machine_ends_them(policy: Policy) -> None:
    """The proofs count with `replay`: gate by gate it must be this machine."""
    generator = np.random.default_rng(20261121)
    count, fresh = 500, max(1, 3 * policy.confirm)
    slowdowns = generator.choice([0.0, 0.02, 0.03, 0.05, 0.12], (count, 2, 1))
    sigma = generator.choice([0.004, 0.01, 0.03], (count, 1, 1))
    seen = np.log1p(slowdowns) + sigma * generator.standard_normal((count, 2, 16))
    again = np.log1p(slowdowns) + sigma * generator.standard_normal((count, 2, fresh))
    replayed = replay(policy, policy.rules, seen, again)
    ends = set()
    for i in range(count):
        gate, used, confirming = sequential.begin(policy, ["a"]), 0, 0
        at = 0
        while wanted := sequential.wanted(gate):
            (cell,) = gate.cells
            if cell.phase == "confirming":
                part = again[i, :, (cell.look - 1) * policy.confirm :][:, : wanted["a"]]
                confirming += wanted["a"]
            else:
                part, at = seen[i, :, at : at + wanted["a"]], at + wanted["a"]
            used += wanted["a"]
            told = [{P50.metric: Effect(a, 1.0, 1.0), P90.metric: Effect(b, 1.0, 1.0)} for a, b in part.T]
            gate = sequential.take(gate, "a", told)
        found = [one.outcome for one in sequential.decisions(gate)]
        assert [one == "regression" for one in found] == replayed.regression[i].tolist(), i
        assert [one in ("pass", "improvement") for one in found] == replayed.passed[i].tolist(), i
        assert used == replayed.launches[i], i
        ends.add((used, confirming, gravest(found)))
    assert len(ends) > 6  # early and late ends, with and without a confirmation, of every outcome
