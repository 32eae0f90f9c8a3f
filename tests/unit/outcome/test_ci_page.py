"""docs/ci.md: every command in it is one, its policy is one, its jobs name files that the gate writes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from harness.arguments import parser
from harness.model.policy import parse_policy

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "ci.md").read_text("utf-8")
JOINED = PAGE.replace("\\\n", " ")
COMMANDS = [
    line.strip().removeprefix("- ") for line in JOINED.splitlines() if re.match(r"^(\s*- |\s*)harness [a-z]+ ", line)
]


def test_there_are_commands() -> None:
    assert len(COMMANDS) >= 8
    assert sum(" --junit gate.xml" in line for line in COMMANDS) >= 3


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_parses(line: str) -> None:
    words = shlex.split(re.sub(r"\$\((.*?)\)", "SHA", line))
    assert words[0] == "harness"
    parser().parse_args(words[1:])


def test_the_policy_is_one() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    policy = parse_policy(text, "ci.md")
    assert (policy.inconclusive, policy.budget_s, len(policy.rules)) == ("passes", 120.0, 2)


def test_links_within_the_page_lead_somewhere() -> None:
    headings = {
        re.sub(r"[^a-z -]", "", line[3:].lower()).replace(" ", "-")
        for line in PAGE.splitlines()
        if line.startswith("## ")
    }
    assert set(re.findall(r"\]\(#(.*?)\)", PAGE)) <= headings
