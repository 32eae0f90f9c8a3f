"""The order effect: found where it is, not where it is not, and gone from the effect itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.analysis.gate import effects, order
from harness.analysis.gate.effects import Launch
from harness.model.gate import Rule
from tests.support import fake_launches


def biased(generator: np.random.Generator, bias: float) -> Launch:
    """Whoever runs second in a pair of blocks takes `bias` longer."""
    one = fake_launches.launch(generator)
    second = np.repeat(np.array(one.candidate_second), 20)
    candidate = one.candidate.duration_s * np.where(second, 1 + bias, 1.0)
    baseline = one.baseline.duration_s * np.where(second, 1.0, 1 + bias)
    return replace(
        one, baseline=replace(one.baseline, duration_s=baseline), candidate=replace(one.candidate, duration_s=candidate)
    )


def test_running_second_is_found_by_its_size() -> None:
    generator = np.random.default_rng(4)
    found = order.order_effect([biased(generator, 0.02) for _ in range(10)], drop=1)
    assert isinstance(found, order.OrderEffect)
    assert found.low < 0.02 < found.high
    assert found.bias == pytest.approx(0.02, abs=0.003)
    assert found.matters
    assert "the runs disturb each other" in found.reason


def test_it_cancels_from_the_effect() -> None:
    generator = np.random.default_rng(4)
    rules = [Rule("latency_p50_s", 0.02, 0.05)]
    found = [effects.launch_effects(biased(generator, 0.02), rules, drop=1)["latency_p50_s"] for _ in range(40)]
    logs = [one.log for one in found if isinstance(one, effects.Effect)]
    assert abs(np.mean(logs)) < 0.003


def test_no_order_effect_is_claimed_in_one_of_twenty_at_most() -> None:
    claimed = 0
    for seed in range(100):
        generator = np.random.default_rng(seed)
        found = order.order_effect([fake_launches.launch(generator, blocks=10, size=8) for _ in range(6)], drop=1)
        assert isinstance(found, order.OrderEffect)
        claimed += found.low > 0 or found.high < 0
    assert claimed <= 12  # 5 expected; more than 12 of 100 has a chance of 0.1 %


def test_what_cannot_be_told_is_said() -> None:
    generator = np.random.default_rng(1)
    one_way = replace(fake_launches.launch(generator), candidate_second=(True,) * 20)
    assert order.order_effect([one_way] * 6) == "0 launches with both orders; an order effect needs 3"
    assert order.order_effect([]) == "0 launches with both orders; an order effect needs 3"
