"""A gate as JUnit XML, which every CI system shows. Owns the file's shape; judges nothing.

One test case for each metric of each cell: a regression is a failure, what could not be judged an error, or skipped
where it holds nothing up. The shape is what both common schemas allow: Jenkins's junit-10.xsd and the one of the Ant
task (windyroad/JUnit-Schema).
"""

from __future__ import annotations

import re

from harness.model.gate import Decision, GateResult
from harness.outcome.ranking import holds_up, label, seconds, value, worst_first
from harness.outcome.text import attribute, flat, percent, xml

# The Ant schema wants a time and a host; a gate that does not tell them gets these, the same every time.
NO_TIME, NO_HOST = "1970-01-01T00:00:00", "localhost"
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


def junit(result: GateResult, *, passes: bool = False) -> str:
    """The whole file. passes: the policy lets an inconclusive gate pass."""
    cases = [_case(one, result, passes=passes) for one in worst_first(result.decisions)]
    if not any(one.outcome == result.outcome for one in result.decisions):
        cases.insert(0, _whole(result, passes=passes))  # else a gate that judged nothing would be an empty, green suite
    found = {kind: sum(mark == kind for _, mark in cases) for kind in ("failure", "error", "skipped")}
    attributes = {
        "name": "harness gate",
        "package": "harness",
        "id": "0",
        "timestamp": _timestamp(result),
        "hostname": str(result.facts.get("host") or NO_HOST),
        "tests": str(len(cases)),
        "failures": str(found["failure"]),
        "errors": str(found["error"]),
        "skipped": str(found["skipped"]),
        "time": f"{seconds(result) or 0:.3f}",
    }
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>"]
    lines.append(f"  <testsuite {' '.join(f'{name}={attribute(text)}' for name, text in attributes.items())}>")
    lines.append("    <properties>")
    lines += [f"      <property name={attribute(name)} value={attribute(text)}/>" for name, text in _properties(result)]
    lines.append("    </properties>")
    lines += [line for line, _ in cases]
    lines.append(f"    <system-out>{xml(_said(result))}</system-out>")
    lines.append(f"    <system-err>{xml(chr(10).join(result.notes))}</system-err>")
    lines += ["  </testsuite>", "</testsuites>"]
    return "\n".join(lines) + "\n"


def _case(one: Decision, result: GateResult, *, passes: bool) -> tuple[str, str]:
    """The element, and what it is: "failure", "error", "skipped", or "" of one that passed."""
    head = f"    <testcase classname={attribute(one.cell)} name={attribute(one.metric)} time={attribute('0')}"
    mark = _mark(one.outcome, holds=holds_up(one, result, passes=passes))
    if not mark:
        return f"{head}/>", mark
    return f"{head}>{_element(mark, one.outcome, one.reason, _numbers(one))}</testcase>", mark


def _whole(result: GateResult, *, passes: bool) -> tuple[str, str]:
    """The gate itself, where no single decision says what it came to."""
    holds = result.outcome not in ("pass", "improvement") and not (passes and result.outcome == "inconclusive")
    mark = _mark(result.outcome, holds=holds)
    head = f"    <testcase classname={attribute('gate')} name={attribute('outcome')} time={attribute('0')}"
    if not mark:
        return f"{head}/>", mark
    return f"{head}>{_element(mark, result.outcome, result.reason, result.reason)}</testcase>", mark


def _mark(outcome: str, *, holds: bool) -> str:
    if outcome in ("pass", "improvement"):
        return ""
    if not holds:
        return "skipped"
    return "failure" if outcome == "regression" else "error"


def _element(mark: str, outcome: str, message: str, text: str) -> str:
    if mark == "skipped":
        return f"<skipped type={attribute(outcome)} message={attribute(message)}/>"
    return f"<{mark} type={attribute(outcome)} message={attribute(message)}>{xml(text)}</{mark}>"


def _numbers(one: Decision) -> str:
    lines = [
        one.reason,
        f"baseline: {value(one.metric, one.baseline)}",
        f"candidate: {value(one.metric, one.candidate)}",
    ]
    lines.append(
        f"change (positive is worse): {percent(one.change, 2)}, from {percent(one.low, 2)} to {percent(one.high, 2)}"
    )
    lines.append(f"launches: {one.n}; smallest change that so many find: {percent(one.detectable, 2)}")
    if one.confirmed is not None:
        lines.append("confirmed by fresh launches" if one.confirmed else "not confirmed by fresh launches")
    return "\n".join(lines)


def _said(result: GateResult) -> str:
    lines = [f"{result.outcome}: {result.reason}"]
    lines += [f"{one.outcome}: {one.cell}: {label(one.metric)}: {one.reason}" for one in worst_first(result.decisions)]
    return "\n".join(lines)


def _properties(result: GateResult) -> list[tuple[str, str]]:
    """An empty name is not allowed; a name occurs once."""
    known: list[tuple[str, str]] = [("outcome", result.outcome), ("design", result.design)]
    known += [("baseline", result.baseline), ("candidate", result.candidate)]
    known += [(f"condition.{number}", text) for number, text in enumerate(result.conditions, 1)]
    known += [(f"fact.{name}", text) for name, text in flat(result.facts)]
    return known


def _timestamp(result: GateResult) -> str:
    found = _STAMP.match(str(result.facts.get("started_utc", "")))
    return found.group() if found else NO_TIME
