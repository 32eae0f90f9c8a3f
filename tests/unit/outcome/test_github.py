"""Annotations and the step's summary: what GitHub shows, and only where it asked for it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.arguments import parser
from harness.cli import _options
from harness.errors import StoreError
from harness.outcome.github import MOST, annotated, tell_github
from tests.support.gate_results import NASTY, decision, of_each, result


def test_the_gate_and_what_holds_it_up_are_annotated() -> None:
    assert annotated(of_each()) == (
        "::error title=harness gate%3A invalid::small: peak RSS: the baseline has none",
        "::error title=invalid%3A small%2C peak RSS::p50 says invalid",
        "::error title=regression%3A small%2C p90::p50 says regression",
        "::error title=inconclusive%3A large%2C p99::p50 says inconclusive",
    )


@pytest.mark.parametrize(("outcome", "passes", "kind"), [
    ("pass", False, "notice"), ("improvement", False, "notice"), ("regression", False, "error"),
    ("inconclusive", False, "error"), ("inconclusive", True, "warning"), ("invalid", True, "error"),
])  # fmt: skip
def test_the_kind_follows_the_exit_code(outcome: str, passes: bool, kind: str) -> None:
    first = annotated(result(decision(outcome), outcome=outcome), passes=passes)[0]
    assert first.startswith(f"::{kind} ")


def test_no_more_than_github_shows() -> None:
    gate = result(*(decision("regression", cell=f"{number}") for number in range(50)))
    assert len(annotated(gate)) == MOST


@pytest.mark.parametrize("name", NASTY.values(), ids=NASTY)
def test_no_name_makes_a_command_or_ends_one(name: str) -> None:
    for line in annotated(result(decision("regression", cell=name, reason=name), reason=name)):
        assert "\n" not in line
        assert "\r" not in line
        kind, _, rest = line[2:].partition(" title=")
        title, _, _ = rest.partition("::")
        assert kind == "error"
        assert not re.search(r"[:,]", title)
        assert not re.search(r"%(?!25|3A|2C)", line)


def test_the_summary_is_appended_and_the_commands_go_to_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("of another step\n")
    tell_github(of_each(), summary)
    text = summary.read_text("utf-8")
    assert text.startswith("of another step\n")
    assert "### ❌ harness gate: invalid" in text
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == list(annotated(of_each()))


def test_elsewhere_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    tell_github(of_each(), None)
    assert capsys.readouterr() == ("", "")


def test_a_summary_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot write the step's summary"):
        tell_github(of_each(), tmp_path / "absent" / "summary.md")


@pytest.mark.parametrize(("environment", "expected"), [
    ({}, None),
    ({"GITHUB_ACTIONS": "true"}, None),
    ({"GITHUB_STEP_SUMMARY": "s.md"}, None),
    ({"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": "s.md"}, Path("s.md")),
])  # fmt: skip
def test_the_command_line_knows_where_it_runs(
    tmp_path: Path, environment: dict[str, str], expected: Path | None
) -> None:
    words = ["plan", "--cache", str(tmp_path)]
    assert _options(parser().parse_args(words), words, environment).github_summary == expected
