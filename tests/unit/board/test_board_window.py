from __future__ import annotations

from dataclasses import replace

import pytest

from harness.board.window import UPDATE_PERIODS, power_window
from harness.model.case import Scenario, StopRule
from harness.model.power import Power, PowerTotal
from tests.support.host_side import DEVICE

SCENARIO = Scenario(stop=StopRule(min_count=64, min_duration_s=1.0, budget_s=30.0))
POWERED = replace(
    DEVICE,
    collectors=("ina", "plug"),
    sensor_period_s=0.05,
    sensor={"plug": {"period_s": 1.0}},
    power=Power(
        (PowerTotal(("ina:VDD_IN_power",), "module input"), PowerTotal(("plug:plug_power",), "wall")), idle_s=3.0
    ),
)


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
def test_the_steady_part_suits_the_power_sensor(sensed: dict[str, object], needed_s: float, idle_s: float) -> None:
    scenario, idle = power_window(SCENARIO, POWERED, sensed)
    assert scenario.stop.min_duration_s == pytest.approx(needed_s)
    assert idle == idle_s
    assert (scenario.stop.min_count, scenario.stop.budget_s) == (64, 30.0)


def test_a_device_without_a_total_is_measured_as_ever() -> None:
    assert power_window(SCENARIO, DEVICE, {"unavailable": {}, "update_period_s": {}}) == (SCENARIO, 0.0)
