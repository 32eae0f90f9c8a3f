"""Batteries of laptops: units, signs, and that a charging one tells nothing of the machine."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from harness.agent.collectors import Channel
from harness.agent.collectors.battery import BatteryCollector
from tests.support import power_trees
from tests.support.agent_side import place, readings, tree

STATUS = "sys/class/power_supply/BAT0/status"


def read_from(root: str) -> dict[str, float]:
    """One row by channel name."""
    return readings(BatteryCollector(place(root)))


def test_what_flows_out_of_the_machines_own_battery(tmp_path: Path) -> None:
    root = power_trees.laptop(tmp_path)
    assert read_from(root) == {"BAT0_power": 8.412, "BAT0_voltage": 11.87, "BAT0_current": 0.709}
    channels = BatteryCollector(place(root)).channels()
    assert channels[0] == Channel("BAT0_power", "W", "gauge", "battery", "board rail")


def test_without_a_power_file_it_is_the_product(tmp_path: Path) -> None:
    gauge = {"status": "Discharging", "voltage_now": 12_000_000, "current_now": 500_000}
    power_trees.supply(tmp_path, "BAT1", "Battery", gauge)
    assert read_from(str(tmp_path)) == {"BAT1_power": 6.0, "BAT1_voltage": 12.0, "BAT1_current": 0.5}


@pytest.mark.parametrize("sign", [1, -1])
def test_what_flows_out_is_positive_whatever_the_driver_thinks(tmp_path: Path, sign: int) -> None:
    gauge = {"status": "Discharging", "voltage_now": 8_000_000, "current_now": sign * 1_500_000}
    power_trees.supply(tmp_path, "BAT0", "Battery", gauge)
    assert read_from(str(tmp_path))["BAT0_power"] == 12.0
    power_trees.supply(tmp_path, "BAT1", "Battery", {"status": "Discharging", "power_now": sign * 7_000_000})
    assert read_from(str(tmp_path))["BAT1_power"] == 7.0


@pytest.mark.parametrize("status", ["Charging", "Full", "Not charging", "Unknown"])
def test_a_battery_that_does_not_discharge_is_a_reason(tmp_path: Path, status: str) -> None:
    reason = BatteryCollector(place(power_trees.laptop(tmp_path, status))).why_unavailable()
    assert reason == f"BAT0 is {status}, so its figure would be the charger's: unplug the charger"


def test_a_charger_that_is_plugged_in_meanwhile_makes_the_power_missing(tmp_path: Path) -> None:
    collector = BatteryCollector(place(power_trees.laptop(tmp_path)))
    collector.start()
    rows = []
    for status in ("Discharging", "Charging", "Not charging", "Discharging"):
        tree(tmp_path, {STATUS: status + "\n"})
        rows.append(collector.read())
    collector.stop()
    assert rows[0] == rows[3] == [8.412, 11.87, 0.709]
    for row in rows[1:3]:
        assert [math.isnan(value) for value in row] == [True, False, True]
        assert row[1] == 11.87


def test_a_second_battery_that_rests_reads_as_it_is(tmp_path: Path) -> None:
    root = power_trees.laptop(tmp_path)
    rest = {"status": "Not charging", "power_now": 0, "voltage_now": 12_500_000, "current_now": 0}
    power_trees.supply(tmp_path, "BAT1", "Battery", rest)
    found = read_from(root)
    assert (found["BAT0_power"], found["BAT1_power"]) == (8.412, 0.0)


def test_no_battery_is_a_reason(tmp_path: Path) -> None:
    power_trees.supply(tmp_path, "AC", "Mains", {"online": 1})
    power_trees.supply(tmp_path, "BAT0", "Battery", {"status": "Discharging", "capacity": 80})  # it tells no power
    reason = BatteryCollector(place(tmp_path)).why_unavailable()
    assert reason.startswith(f"no battery with a gauge in {tmp_path}/sys/class/power_supply: ")
