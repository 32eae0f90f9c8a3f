"""Who has how much of alpha: launches and accuracy of one device."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from harness.analysis.gate import decide
from harness.gating import paired
from harness.model.gate import Policy, Rule
from harness.model.policy import ACCURACY

P50, P90 = Rule("latency_p50_s", 0.02, 0.05), Rule("latency_p90_s", 0.05, 0.12)


def work(*rules: Rule, images: bool, cells: int = 2) -> Any:
    """What `begun` asks of a Work."""
    pairs = [SimpleNamespace(name=f"cell{number}") for number in range(cells)]
    split = object() if images else None
    return SimpleNamespace(policy=Policy(rules, alpha=0.01), pairs=pairs, planned=SimpleNamespace(split=split))


def test_launches_share_it_with_accuracy() -> None:
    """Two cells of two timed rules and an accuracy each are six tests."""
    gate, each = paired.begun(work(P50, P90, ACCURACY, images=True))
    assert each == pytest.approx(0.01 / 6)
    assert gate is not None
    assert gate.policy.alpha == pytest.approx(0.01 * 4 / 6)
    assert gate.levels == decide.levels_of(gate.policy, 4)
    spent = 4 * len(gate.policy.looks) * gate.levels.first * gate.levels.again
    assert spent + 2 * each <= 0.01


def test_without_images_launches_have_all_of_it() -> None:
    gate, each = paired.begun(work(P50, P90, ACCURACY, images=False))
    assert gate is not None
    assert (gate.policy.alpha, each) == (pytest.approx(0.01), pytest.approx(0.01 / 4))


def test_accuracy_alone_has_all_of_it() -> None:
    assert paired.begun(work(ACCURACY, images=True)) == (None, pytest.approx(0.01 / 2))
