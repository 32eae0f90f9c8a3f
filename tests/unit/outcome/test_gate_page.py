"""The page of a gate: every number is the JSON's, the margins are the policy's, and each outcome says so."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from harness.model.gate import Rule
from harness.model.policy import DEFAULT, RULES
from harness.outcome.gate_json import gate_json
from harness.outcome.pages.gate import PASSES, gate_page, rule_of
from harness.outcome.ranking import worst_first
from tests.support.gate_results import NASTY, decision, of_each, result
from tests.support.read_page import ReadPage

COMMAND = ("harness", "gate", "--baseline", "old.onnx")


def read(gate: object = None, policy: object = DEFAULT) -> ReadPage:
    return ReadPage(gate_page(gate or of_each(), policy, COMMAND))  # type: ignore[arg-type]


def test_every_number_of_the_table_is_the_jsons() -> None:
    page = read()
    told = json.loads(json.dumps(gate_json(of_each())))
    assert page.script("summary") == told
    keys = ("baseline", "candidate", "change", "low", "high", "n", "detectable", "p")
    wanted = [tuple(row[key] for key in keys if row[key] is not None) for row in told["decisions"]]
    assert page.numbers("decisions") == wanted
    assert [row[2] for row in page.texts("decisions")[1:]] == [
        "✕ invalid", "■ regression (tail only), confirmed", "○ inconclusive", "● pass", "◆ improvement",
    ]  # fmt: skip


@pytest.mark.parametrize("outcome", ["invalid", "regression", "inconclusive", "pass", "improvement"])
def test_each_outcome_is_said_above_everything(outcome: str) -> None:
    page = read(result(decision(outcome), outcome=outcome, reason=f"it is {outcome}"))
    head = page.text[: page.text.index("Effects and margins")]
    assert outcome in head
    assert f"it is {outcome}" in head
    assert page.script("card")["counts"] == f"{outcome}: 1 {outcome}"


def test_the_forest_has_bounds_launches_tolerance_and_limit() -> None:
    one = decision("regression", effects=(0.04, 0.05, 0.06))
    figure = read(result(one)).script("data-effects")
    dots, points = figure["data"]
    assert dots["x"] == [pytest.approx(math.exp(effect)) for effect in one.effects]
    assert points["x"] == [1.05]
    assert points["error_x"]["array"] == [pytest.approx(0.003)]
    (band,) = [shape for shape in figure["layout"]["shapes"] if shape["type"] == "rect"]
    assert band["x1"] == pytest.approx(1.02)
    (limit,) = [shape for shape in figure["layout"]["shapes"] if shape["line"].get("dash") == "dash"]
    assert limit["x0"] == pytest.approx(1.05)


def test_wide_margins_have_an_axis_of_their_own() -> None:
    page = read(result(decision("regression"), decision("inconclusive", metric="latency_p99_s", change=0.6)))
    assert len(page.script("data-effects")["data"][-1]["x"]) == 1
    assert page.script("data-tails")["data"][-1]["x"] == [1.6]


def test_the_margins_are_those_of_the_rule_that_judged() -> None:
    own = Rule("latency_p50_s", 0.2, 0.3, cells=("small",))
    policy = replace(DEFAULT, rules=(own, *RULES))
    facts = {"devices": {"jetson": {}, "pi": {}}}
    assert rule_of(policy, decision(cell="small on pi"), facts) == own
    assert rule_of(policy, decision(cell="large on pi"), facts) == RULES[0]
    memory = decision(metric="memory_peak_bytes", baseline=2.0**20 * 10)
    found = rule_of(DEFAULT, memory, {})
    assert found is not None
    assert found.tolerance == pytest.approx(0.1)  # 1 MiB of 10
    assert rule_of(DEFAULT, decision(metric="operator_placement"), {}) is None


def test_the_policy_and_the_facts_stand_on_the_page() -> None:
    page = read()
    assert ("p50", "all", "2 %", "5 %", "–", "yes", "no") in page.texts("policy")
    assert ("looks, in launches", "6, 10, 16") in page.texts("policy")
    assert ("machine.cpu", "a CPU") in page.texts("facts")
    assert ("differs", "kernel: 6.1 in the baseline, 6.2 in the candidate") in page.texts("conditions")
    assert ("note", "energy is not judged: no sensor") in page.texts("conditions")


def test_a_gate_that_judged_nothing_is_a_page_that_says_so() -> None:
    page = read(result(outcome="invalid", reason="nothing was measured", conditions=(), notes=(), facts={}))
    assert "nothing was measured" in page.text
    assert "Nothing was judged" in page.text
    assert "No decision has a change that could be drawn" in page.text


def test_numbers_that_are_none_leave_a_dash() -> None:
    page = read(result(decision("invalid", baseline=math.nan, effects=(math.nan,))))
    assert page.texts("decisions")[1][3:8] == ("–", "–", "–", "–", "–")


def test_a_policy_that_lets_it_pass_is_not_taken_for_a_pass() -> None:
    gate = result(decision("inconclusive"), outcome="inconclusive")
    assert PASSES in read(gate, replace(DEFAULT, inconclusive="passes")).text
    assert PASSES not in read(gate).text


def test_the_card_knows_the_time_from_the_run() -> None:
    gate = result(decision(), facts={"run": "20261121T101112.345Z-0a1b2c3d", "device": "bench"})
    card = read(gate).script("card")
    assert (card["when_utc"], card["device"], card["kind"]) == ("2026-11-21T10:11:12Z", "bench", "gate")
    several = result(
        decision(), facts={"devices": {"a": {"run": "20261121T101112Z"}, "b": {"run": "20261122T101112Z"}}}
    )
    card = read(several).script("card")
    assert (card["when_utc"], card["device"]) == ("2026-11-22T10:11:12Z", "a, b")


@pytest.mark.parametrize("name", NASTY.values(), ids=NASTY)
def test_no_name_becomes_markup(name: str) -> None:
    gate = result(
        decision(cell=name, reason=name or "x"), decision(cell="other"), reason=name, baseline=name, candidate=name,
        conditions=(name,), notes=(name,), facts={name: name},
    )  # fmt: skip
    page = read(gate)
    assert not any(tag == "img" or "onerror" in attrs for tag, attrs in page.elements)
    assert gate_page(gate, DEFAULT, COMMAND) == gate_page(gate, DEFAULT, COMMAND)


def test_the_worst_come_first() -> None:
    gate = of_each()
    assert [row[1:3] for row in read(gate).texts("decisions")[1:2]] == [("peak RSS", "✕ invalid")]
    assert worst_first(gate.decisions)[0].metric == "memory_peak_bytes"
