"""What slows a processor down, as flags and events, on trees of every family."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from harness.agent.collectors.throttle import ThrottleCollector
from tests.support import power_trees
from tests.support.agent_side import place, readings, tree

FIRMWARE = "sys/devices/platform/soc/soc:firmware/get_throttled"
NOW = ("under_voltage", "frequency_capped", "throttled", "throttled_soft_temperature")


def read_from(root: str) -> dict[str, float]:
    """One row by channel name."""
    return readings(ThrottleCollector(place(root)))


def kinds(root: str) -> dict[str, tuple[str, str]]:
    """Unit and kind by channel name."""
    return {channel.name: (channel.unit, channel.kind) for channel in ThrottleCollector(place(root)).channels()}


def cooling(root: Path, kind: str, state: int | str) -> str:
    """One cooling device."""
    folder = "sys/class/thermal/cooling_device0"
    return tree(root, {f"{folder}/type": f"{kind}\n", f"{folder}/cur_state": f"{state}\n"})


def test_cores_count_one_by_one_and_a_package_once(tmp_path: Path) -> None:
    assert read_from(power_trees.intel_throttle(tmp_path)) == {
        "throttled_core0": 10,
        "throttled_package0": 100,
        "throttled_core1": 11,
        "throttled_core2": 12,
        "throttled_package1": 101,
        "throttled_core3": 13,
    }
    assert set(kinds(str(tmp_path)).values()) == {("event", "counter")}


def test_armed_alarms_alerts_and_brakes_of_tegra(tmp_path: Path) -> None:
    assert read_from(power_trees.orin_throttle(tmp_path)) == {
        "throttled_oc1": 4,
        "throttled_oc2": 0,  # the third is not armed: its 77 events slowed nothing down
        "throttled_cpu-throttle-alert": 1,
        "throttled_thermal-devfreq-0": 0,
        "throttled_gpu-throttle-alert": 0,  # a fan that turns, and a hot surface, slow nothing down either
        "frequency_capped_cpu0": 0,
        "frequency_capped_cpu4": 1,
    }
    units = kinds(str(tmp_path))
    assert units["throttled_oc1"] == ("event", "counter")
    assert units["throttled_cpu-throttle-alert"] == units["frequency_capped_cpu4"] == ("flag", "gauge")


def test_alarms_of_a_xavier_which_does_not_say_what_is_armed(tmp_path: Path) -> None:
    power_trees.hwmon(tmp_path, 2, "soctherm_oc", {"oc1_irq_cnt": 3, "oc1_priority": 0, "oc4_irq_cnt": 0})
    assert read_from(str(tmp_path)) == {"throttled_oc1": 3, "throttled_oc4": 0}


@pytest.mark.parametrize(
    ("kind", "state", "expected"),
    [
        ("Processor", 3, 1.0),
        ("Processor", 0, 0.0),
        ("thermal-cpufreq-0", 1, 1.0),
        ("gpu-balanced", 2, 1.0),
        ("intel_powerclamp", -1, 0.0),  # at rest
        ("tj-throttle-alert", 1, 1.0),
    ],
)
def test_a_brake_is_on_above_zero(tmp_path: Path, kind: str, state: int, expected: float) -> None:
    assert read_from(cooling(tmp_path, kind, state)) == {f"throttled_{kind}": expected}


@pytest.mark.parametrize("kind", ["pwm-fan", "Fan", "cpu_fan", "LCD", "TCC Offset", "iwlwifi", "hot-surface-alert"])
def test_other_coolers_slow_nothing_down(tmp_path: Path, kind: str) -> None:
    collector = ThrottleCollector(place(cooling(tmp_path, kind, 1)))
    assert collector.channels() == []
    assert f"nothing in {tmp_path}/sys tells of throttling" in collector.why_unavailable()


def test_coolers_of_one_type_are_told_apart(tmp_path: Path) -> None:
    for number in range(3):
        folder = f"sys/class/thermal/cooling_device{number}"
        tree(tmp_path, {f"{folder}/type": "Processor", f"{folder}/cur_state": str(number % 2)})
    assert read_from(str(tmp_path)) == {
        "throttled_Processor": 0,
        "throttled_Processor#2": 1,
        "throttled_Processor#3": 0,
    }


def test_a_cap_that_comes_during_a_run_shows(tmp_path: Path) -> None:
    root = power_trees.policies(tmp_path, {0: (3_600_000, 3_600_000)})
    collector = ThrottleCollector(place(root))
    collector.start()
    before = collector.read()
    power_trees.policies(tmp_path, {0: (800_000, 3_600_000)})
    assert (before, collector.read()) == ([0.0], [1.0])
    collector.stop()


@pytest.mark.parametrize("bits", ["50005", "0x50005"])
def test_bits_of_the_firmware_now_and_since_boot(tmp_path: Path, bits: str) -> None:
    found = read_from(power_trees.raspberry_throttle(tmp_path, bits))
    assert [found[name] for name in NOW] == [1, 0, 1, 0]
    assert [found[name + "_since_boot"] for name in NOW] == [1, 0, 1, 0]
    assert found["under_voltage_rpi_volt"] == 0
    units = kinds(str(tmp_path))
    assert {units[name] for name in NOW} == {("flag", "gauge")}
    # An old event is no flag: it must not look like one that happens now.
    assert {units[name + "_since_boot"] for name in NOW} == {("event", "counter")}


def test_the_firmware_of_a_pi_5_has_an_address_in_its_path(tmp_path: Path) -> None:
    path = "sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled"
    assert read_from(tree(tmp_path, {path: "0\n"})) == {name + end: 0 for name in NOW for end in ("", "_since_boot")}


def test_bits_since_boot_count_and_never_fall(tmp_path: Path) -> None:
    collector = ThrottleCollector(place(tree(tmp_path, {FIRMWARE: "0\n"})))
    collector.start()
    column = [channel.name for channel in collector.channels()].index("under_voltage_since_boot")
    found = []
    for bits in ("0", "10001", "10000", "0", "10000"):  # a driver that asks may clear them
        tree(tmp_path, {FIRMWARE: bits + "\n"})
        found.append(collector.read()[column])
    collector.stop()
    assert found == [0, 1, 1, 1, 2]


@pytest.mark.parametrize("content", ["", "throttled", "0x"])
def test_a_firmware_that_says_nothing_reads_nan(tmp_path: Path, content: str) -> None:
    collector = ThrottleCollector(place(power_trees.raspberry_throttle(tmp_path)))
    collector.start()
    tree(tmp_path, {FIRMWARE: content})
    values = collector.read()
    collector.stop()
    assert [math.isnan(value) for value in values] == [True] * 8 + [False]


def test_names_follow_the_rule_of_the_table(tmp_path: Path) -> None:
    for make in (power_trees.intel_throttle, power_trees.orin_throttle, power_trees.raspberry_throttle):
        make(tmp_path)
    found = kinds(str(tmp_path))
    assert len(found) == 6 + 7 + 9
    assert all(name.startswith(("throttled", "under_voltage", "frequency_capped")) for name in found)
    assert set(found.values()) == {("flag", "gauge"), ("event", "counter")}
