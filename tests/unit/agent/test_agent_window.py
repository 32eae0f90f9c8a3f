from __future__ import annotations

from typing import Any

import pytest

from harness.agent.window import UPDATE_PERIODS, power_window

STOP = {"min_count": 64, "min_duration_s": 1.0, "budget_s": 30.0}
# The module's input first; where it cannot be read, a plug that is asked once a second.
POWER = {"totals": [["ina"], ["plug"]], "asked_s": {"ina": 0.05, "plug": 1.0}, "idle_s": 3.0}


@pytest.mark.parametrize(
    ("sensed", "needed_s", "idle_s"),
    [
        ({"unavailable": {}, "update_period_s": {"ina": 0.004}}, UPDATE_PERIODS * 0.05, 3.0),  # asked more seldom
        ({"unavailable": {}, "update_period_s": {"ina": 0.1}}, UPDATE_PERIODS * 0.1, 3.0),
        ({"unavailable": {}, "update_period_s": {"ina": 1.5}}, 30.0, 3.0),  # the budget is the most
        (
            {"unavailable": {}, "update_period_s": {"ina": None}, "read_s": {"ina": 0.001}},
            1.0,
            3.0,
        ),  # too slow for any usual run
        ({"unavailable": {"ina": "no bus"}, "update_period_s": {}}, 30.0, 3.0),  # the next total: a plug, once a second
        ({"unavailable": {"ina": "no bus", "plug": "no url"}, "update_period_s": {}}, 1.0, 0.0),
        ({}, 1.0, 0.0),  # no sensors at all
    ],
)
def test_the_steady_part_suits_the_power_sensor(sensed: dict[str, Any], needed_s: float, idle_s: float) -> None:
    min_duration_s, idle = power_window(STOP, POWER, sensed)
    assert (min_duration_s, idle) == (pytest.approx(needed_s), idle_s)


def test_a_total_of_several_collectors_waits_for_the_slowest() -> None:
    power = {**POWER, "totals": [["ina", "plug"]]}
    stop = {**STOP, "budget_s": 1000.0}
    assert power_window(stop, power, {"update_period_s": {"ina": 0.1}}) == (pytest.approx(UPDATE_PERIODS * 1.0), 3.0)
    assert power_window(stop, power, {"unavailable": {"plug": "no url"}, "update_period_s": {}}) == (1.0, 0.0)


def test_a_device_without_a_total_is_measured_as_ever() -> None:
    sensed = {"unavailable": {}, "update_period_s": {}}
    assert power_window(STOP, {"totals": [], "asked_s": {}, "idle_s": 3.0}, sensed) == (1.0, 0.0)
