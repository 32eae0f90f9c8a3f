"""The README's table of the zoo says what the lock says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.artifacts.locks import read_lock

ROOT = Path(__file__).resolve().parents[2]
LOCK = read_lock(ROOT / "suites" / "cifar10.lock.json")
# | `variant` | top-1 | low to high | agreement | parameters | MACs | size |
ROW = re.compile(r"^\| `([\w-]+)` \| ([\d.]+)% \| ([\d.]+)% to ([\d.]+)% \| ([\d.]*)%? \| ([\d.]+) M \| ([\d.]+) M \| ")
LINES = (ROOT / "README.md").read_text("utf-8").splitlines()
ROWS = {match[1]: match.groups()[1:] for line in LINES if (match := ROW.match(line))}


def test_every_released_artifact_has_its_row() -> None:
    assert set(ROWS) == set(LOCK)


@pytest.mark.parametrize("name", LOCK)
def test_a_row_says_what_the_lock_says(name: str) -> None:
    facts, (top1, low, high, agreement, parameters, macs) = LOCK[name], ROWS[name]
    assert facts.accuracy is not None
    assert float(top1) == pytest.approx(100 * facts.accuracy.top1, abs=0.005)
    assert (float(low), float(high)) == pytest.approx([100 * share for share in facts.accuracy_interval], abs=0.006)
    if facts.agreement_with_parent is None:
        assert agreement == ""
    else:
        assert float(agreement) == pytest.approx(100 * facts.agreement_with_parent, abs=0.006)
    assert facts.parameters is not None
    assert facts.macs is not None
    assert (float(parameters), float(macs)) == pytest.approx((facts.parameters / 1e6, facts.macs / 1e6), abs=0.06)
