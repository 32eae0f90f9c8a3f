"""The file is what both common schemas allow, says what was decided, and holds whatever a name is."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest

from harness.model.gate import GateResult
from harness.outcome.junit import junit
from tests.support.gate_results import NASTY, decision, of_each, result

# What Jenkins's junit-10.xsd and the Ant task's schema both allow; the second names what is required.
SUITE = ("name", "package", "id", "timestamp", "hostname", "tests", "failures", "errors", "skipped", "time")
CHILDREN = ("properties", "testcase", "system-out", "system-err")
MARKS = ("failure", "error", "skipped")


def parsed(gate: GateResult, *, passes: bool = False) -> ElementTree.Element:
    """The suite, after its shape was checked."""
    root = ElementTree.fromstring(junit(gate, passes=passes))  # noqa: S314  # our own
    assert (root.tag, dict(root.attrib), [child.tag for child in root]) == ("testsuites", {}, ["testsuite"])
    suite = root[0]
    assert tuple(suite.attrib) == SUITE
    tags = [child.tag for child in suite]
    assert tags == sorted(tags, key=CHILDREN.index)
    assert [tags.count(tag) for tag in ("properties", "system-out", "system-err")] == [1, 1, 1]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.get("timestamp", ""))
    assert re.fullmatch(r"\d+\.\d{3}", suite.get("time", ""))
    for one in suite[0]:
        assert (one.tag, tuple(one.attrib)) == ("property", ("name", "value"))
    cases = suite.findall("testcase")
    for case in cases:
        assert tuple(case.attrib) == ("classname", "name", "time")
        assert case.get("classname")
        assert len(case) <= 1
        for mark in case:
            assert mark.tag in MARKS
            assert tuple(mark.attrib) == ("type", "message")
    counted = {name: int(suite.get(name, "")) for name in ("tests", "failures", "errors", "skipped")}
    found = [[mark.tag for case in cases for mark in case].count(mark) for mark in MARKS]
    assert list(counted.values()) == [len(cases), *found]
    return suite


def marks(suite: ElementTree.Element) -> dict[tuple[str | None, str | None], str]:
    return {
        (case.get("classname"), case.get("name")): case[0].tag if len(case) else "" for case in suite.iter("testcase")
    }


def test_each_outcome_has_its_mark_and_the_worst_stands_first() -> None:
    found = marks(parsed(of_each()))
    assert list(found.items()) == [
        (("small", "memory_peak_bytes"), "error"),
        (("small", "latency_p90_s"), "failure"),
        (("large", "latency_p99_s"), "error"),
        (("small", "latency_p50_s"), ""),
        (("large", "latency_p50_s"), ""),
    ]


def test_a_failure_has_its_reason_and_its_numbers() -> None:
    (failure,) = parsed(of_each()).iter("failure")
    assert (failure.get("type"), failure.get("message")) == ("regression", "p50 says regression")
    text = failure.text or ""
    for words in (
        "baseline: 1.00 ms",
        "candidate: 1.05 ms",
        "+5.00 %, from +4.60 % to +5.30 %",
        "launches: 6",
        "+3.10 %",
    ):
        assert words in text
    assert "confirmed by fresh launches" in text


def test_what_is_inconclusive_is_skipped_where_it_holds_nothing_up() -> None:
    """Where the policy lets it pass, and where the gate passed all the same, as one of alarms alone does."""
    one = decision("inconclusive")
    open_gate = result(one, outcome="inconclusive", reason="open")
    assert list(marks(parsed(open_gate)).values()) == ["error"]
    assert list(marks(parsed(open_gate, passes=True)).values()) == ["skipped"]
    passed = result(decision("pass"), replace(one, metric="latency_p99_s"), outcome="pass", reason="fine")
    assert sorted(marks(parsed(passed)).values()) == ["", "skipped"]


def test_what_is_invalid_is_an_error_whatever_the_policy_says() -> None:
    gate = result(decision("invalid"), outcome="invalid", reason="nothing")
    assert list(marks(parsed(gate, passes=True)).values()) == ["error"]


@pytest.mark.parametrize(
    ("outcome", "mark"), [("invalid", "error"), ("inconclusive", "error"), ("regression", "failure")]
)
def test_a_gate_that_judged_nothing_is_no_empty_suite(outcome: str, mark: str) -> None:
    assert marks(parsed(result(outcome=outcome, reason="nothing was measured"))) == {("gate", "outcome"): mark}


def test_an_outcome_that_no_decision_carries_has_a_case_of_its_own() -> None:
    gate = result(decision("pass"), outcome="invalid", reason="the machine throttled")
    suite = parsed(gate)
    assert marks(suite) == {("gate", "outcome"): "error", ("small", "latency_p50_s"): ""}
    (error,) = suite.iter("error")
    assert error.get("message") == "the machine throttled"


@pytest.mark.parametrize("name", NASTY.values(), ids=NASTY)
def test_any_name_is_held(name: str) -> None:
    gate = result(decision("regression", cell=name, reason=f"{name} is worse"), baseline=name, notes=(name,))
    suite = parsed(gate)
    (case,) = suite.iter("testcase")
    told = case.get("classname") or ""
    if name in (NASTY["markup"], NASTY["command"], NASTY["long"]):
        assert told == name
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\ud800-\udfff\ufffe]", junit(gate).replace("\n", ""))
    assert junit(gate).encode("utf-8")


def test_a_surrogate_pair_of_lines_is_not_joined_and_no_section_ends_early() -> None:
    (failure,) = parsed(result(decision("regression", reason="one ]]> two\nthree"))).iter("failure")
    assert (failure.text or "").startswith("one ]]> two\nthree\n")
    assert failure.get("message") == "one ]]> two three"


def test_the_file_is_the_same_for_the_same_gate_in_any_order() -> None:
    gate = of_each()
    turned = replace(gate, decisions=gate.decisions[::-1], facts=dict(reversed(list(gate.facts.items()))))
    assert junit(turned) == junit(gate)


def test_the_properties_name_both_sides_and_the_facts() -> None:
    told = {one.get("name"): one.get("value") for one in parsed(of_each()).iter("property")}
    assert told["baseline"] == "old.onnx"
    assert told["fact.machine.cpu"] == "a CPU"
    assert told["condition.1"].startswith("kernel")
    suite = parsed(of_each())
    assert (suite.get("time"), suite.get("timestamp")) == ("8.250", "2026-11-21T10:00:00")
    bare = parsed(result(decision(), facts={}))
    assert (bare.get("time"), bare.get("timestamp"), bare.get("hostname")) == (
        "0.000",
        "1970-01-01T00:00:00",
        "localhost",
    )
