"""INA chips through iio and hwmon, on trees of every board family and on captured values."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from harness.agent.collectors import Channel
from harness.agent.collectors.ina import InaCollector
from tests.support import power_trees
from tests.support.agent_side import place, readings, tree


def read_from(root: str) -> dict[str, float]:
    """One row by channel name."""
    return readings(InaCollector(place(root)))


def powers(root: str) -> dict[str, float]:
    """Watts by channel name."""
    return {name: value for name, value in read_from(root).items() if "_power" in name}


# --- iio


def test_power_of_kernel_4_9_is_in_milliwatts_already(tmp_path: Path) -> None:
    # 4936 mV * 520 mA are 2566 mW, which public scripts take for microwatts.
    assert read_from(power_trees.nano(tmp_path)) == {
        "POM_5V_IN_power": 2.566,
        "POM_5V_IN_voltage": 4.936,
        "POM_5V_IN_current": 0.52,
        "POM_5V_GPU_power": 0.078,
        "POM_5V_GPU_voltage": 4.928,
        "POM_5V_GPU_current": 0.016,
        "POM_5V_CPU_power": 0.591,
        "POM_5V_CPU_voltage": 4.928,
        "POM_5V_CPU_current": 0.12,
    }


def test_channels_say_that_they_are_rails_of_the_board(tmp_path: Path) -> None:
    assert InaCollector(place(power_trees.nano(tmp_path))).channels()[:3] == [
        Channel("POM_5V_IN_power", "W", "gauge", "rail", "board rail"),
        Channel("POM_5V_IN_voltage", "V", "gauge", "rail", "board rail"),
        Channel("POM_5V_IN_current", "A", "gauge", "rail", "board rail"),
    ]


def test_four_chips_of_a_tx2_stand_in_the_order_of_their_addresses(tmp_path: Path) -> None:
    assert list(powers(power_trees.tx2(tmp_path)).items()) == [
        ("VDD_SYS_GPU_power", 0.229),
        ("VDD_SYS_SOC_power", 0.765),
        ("VDD_4V0_WIFI_power", 0.019),
        ("VDD_IN_power", 3.827),
        ("VDD_SYS_CPU_power", 0.612),
        ("VDD_SYS_DDR_power", 0.345),
        ("VDD_MUX_power", 5.975),
        ("VDD_5V0_IO_SYS_power", 0.48),
        ("VDD_3V3_SYS_power", 0.214),
        ("VDD_3V3_IO_SLP_power", 0.026),
        ("VDD_1V8_IO_power", 0.087),
        ("VDD_3V3_SYS_M2_power", 0.0),
    ]


def test_the_ina230_of_that_kernel_has_no_number_behind_its_rail(tmp_path: Path) -> None:
    folder = power_trees.i2c_chip(tmp_path, "2-0040", "ina226x") + "/iio:device0"
    files = {"rail_name": "VDD_CPU", "in_voltage0_input": "900", "in_current0_input": "1500", "in_power0_input": "1350"}
    assert read_from(tree(tmp_path, {f"{folder}/{file}": text + "\n" for file, text in files.items()})) == {
        "VDD_CPU_power": 1.35,
        "VDD_CPU_voltage": 0.9,
        "VDD_CPU_current": 1.5,
    }


# --- hwmon


def test_power_of_kernel_5_is_the_product(tmp_path: Path) -> None:
    assert read_from(power_trees.orin_nano(tmp_path)) == {
        "VDD_IN_power": 4.709952,
        "VDD_IN_voltage": 5.032,
        "VDD_IN_current": 0.936,
        "VDD_CPU_GPU_CV_power": 0.763648,
        "VDD_CPU_GPU_CV_voltage": 5.024,
        "VDD_CPU_GPU_CV_current": 0.152,
        "VDD_SOC_power": 1.446912,
        "VDD_SOC_voltage": 5.024,
        "VDD_SOC_current": 0.288,
    }


def test_one_board_reads_alike_below_both_kernels(tmp_path: Path) -> None:
    old, new = (powers(make(tmp_path / make.__name__)) for make in (power_trees.xavier_nx_iio, power_trees.xavier_nx))
    assert list(old) == list(new) == ["VDD_IN_power", "VDD_CPU_GPU_CV_power", "VDD_SOC_power"]
    assert old == pytest.approx(new, abs=0.001)  # the older driver cuts off below a milliwatt


def test_inputs_that_are_not_connected_and_sums_are_no_rails(tmp_path: Path) -> None:
    assert powers(power_trees.agx_orin(tmp_path)) == {
        "VDD_GPU_SOC_power": 3.18336,
        "VDD_CPU_CV_power": 0.39792,
        "VIN_SYS_5V0_power": 3.0096,
        "VDDQ_VDD2_1V8AO_power": 0.79552,
    }


def test_the_carrier_of_a_thor_tells_microwatts(tmp_path: Path) -> None:
    found = read_from(power_trees.thor(tmp_path))
    assert found["ina238_2-0044_power"] == 28.75
    assert found["ina238_2-0044_voltage"] == 20.125  # in1, the bus; in0 is the shunt
    assert found["ina238_2-0044_current"] == 1.429
    assert found["VDD_GPU_power"] == 6.39744
    assert len(found) == 12


@pytest.mark.parametrize("kind", ["ina226", "ina219", "ina238", "ina2xx"])
def test_a_breakout_goes_by_its_kind_and_address(tmp_path: Path, kind: str) -> None:
    assert read_from(power_trees.external(tmp_path, kind)) == {
        f"{kind}_1-0045_power": 3.275,
        f"{kind}_1-0045_voltage": 5.095,
        f"{kind}_1-0045_current": 0.643,
    }


def test_a_label_of_the_device_tree_names_a_breakout(tmp_path: Path) -> None:
    assert powers(power_trees.external(tmp_path, "ina226", label="USB C in")) == {"USB_C_in_power": 3.275}


def test_an_ina3221_that_nobody_described_has_three_rails(tmp_path: Path) -> None:
    folder = tmp_path / power_trees.ina3221(tmp_path, "1-0041", [("a", 5000, 100), ("b", 3300, 10), ("c", 0, 0)])
    for number in "123":
        (folder / f"in{number}_label").unlink()
    assert powers(str(tmp_path)) == {
        "ina3221_1-0041_1_power": 0.5,
        "ina3221_1-0041_2_power": 0.033,
        "ina3221_1-0041_3_power": 0.0,
    }


def test_a_monitor_that_the_bus_does_not_list_is_found_by_its_class(tmp_path: Path) -> None:
    files = {"power1_input": 1_500_000, "in1_input": 5000, "curr1_input": 300}
    power_trees.hwmon(tmp_path, 0, "coretemp", {"temp1_input": 40000})
    power_trees.hwmon(tmp_path, 7, "ina219", files)
    assert list(read_from(str(tmp_path)).values()) == [1.5, 5.0, 0.3]


# --- names, signs, numbers


def test_two_chips_with_the_same_rails_are_told_apart_by_address(tmp_path: Path) -> None:
    # hwmon numbers against the order of the addresses, as they change between boots.
    power_trees.ina3221(tmp_path, "10-0040", [("VDD_IN", 5000, 300)], number=1)
    power_trees.ina3221(tmp_path, "1-0040", [("VDD_IN", 5000, 100)], number=3)
    power_trees.ina3221(tmp_path, "2-0040", [("VDD_IN", 5000, 200)], number=2)
    assert powers(str(tmp_path)) == {"VDD_IN_power": 0.5, "VDD_IN_power#2": 1.0, "VDD_IN_power#3": 1.5}


def test_names_do_not_depend_on_the_numbers_of_a_boot(tmp_path: Path) -> None:
    for number in (0, 7):
        power_trees.ina3221(tmp_path / str(number), "1-0040", [("VDD_IN", 5000, 100)], number=number)
    assert read_from(str(tmp_path / "0")) == read_from(str(tmp_path / "7"))


def test_a_chip_that_shows_both_ways_counts_once(tmp_path: Path) -> None:
    folder = power_trees.ina_iio(tmp_path, "1-0040", [("VDD_IN", 5000, 100)])
    files = {"in1_label": "VDD_IN", "in1_input": 5000, "curr1_input": 100}
    power_trees.hwmon(tmp_path, 0, "ina3221x", files, folder.rpartition("/")[0])
    assert powers(str(tmp_path)) == {"VDD_IN_power": 0.5}


def test_small_negative_values_stay_as_they_are(tmp_path: Path) -> None:
    power_trees.ina3221(tmp_path, "1-0040", [("VDD_SOC", 5000, -8)])
    assert read_from(str(tmp_path)) == {"VDD_SOC_power": -0.04, "VDD_SOC_voltage": 5.0, "VDD_SOC_current": -0.008}


def test_a_rail_without_current_gives_its_voltage_alone(tmp_path: Path) -> None:
    folder = power_trees.ina3221(tmp_path, "1-0040", [("VDD_IN", 5000, 100), ("VDD_X", 3300, 0)])
    (tmp_path / folder / "curr2_input").unlink()
    assert list(read_from(str(tmp_path))) == ["VDD_IN_power", "VDD_IN_voltage", "VDD_IN_current", "VDD_X_voltage"]


def test_settings_of_the_chips_are_facts(tmp_path: Path) -> None:
    collector = InaCollector(place(power_trees.agx_orin(tmp_path)))
    shunts = {"shunt1_resistor": "5000", "shunt2_resistor": "5000", "shunt3_resistor": "5000"}
    settings = {"update_interval": "538", "samples": "64", **shunts, "chip": "ina3221"}
    assert collector.facts() == {"chips": [{**settings, "address": "1-0040"}, {**settings, "address": "1-0041"}]}


# --- reasons


def test_no_chip_is_a_reason_with_the_places_and_the_drivers(tmp_path: Path) -> None:
    reason = InaCollector(place(tmp_path)).why_unavailable()
    assert f"{tmp_path}/sys/bus/i2c/devices" in reason
    assert f"{tmp_path}/sys/class/hwmon" in reason
    assert "modprobe ina3221" in reason


def test_a_chip_without_a_driver_is_named(tmp_path: Path) -> None:
    power_trees.i2c_chip(tmp_path, "1-0040", "ina3221")
    assert "ina3221 at 1-0040 shows no rail" in InaCollector(place(tmp_path)).why_unavailable()


def test_other_chips_on_the_bus_are_left_alone(tmp_path: Path) -> None:
    power_trees.i2c_chip(tmp_path, "1-0050", "24c02")
    power_trees.hwmon(tmp_path, 0, "inaudible", {"power1_input": 1})
    assert InaCollector(place(tmp_path)).channels() == []


def test_an_option_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ina has no option rails: only period_s can be set"):
        InaCollector(place(tmp_path, options={"rails": "all"}))


BOARDS: list[tuple[Callable[[Path], str], float, int]] = [
    (power_trees.nano, 2.566 + 0.078 + 0.591, 9),
    (power_trees.tx1, 3.943 + 0.454 + 0.758, 9),
    (power_trees.agx_xavier, 0.382 + 0.841 + 1.529 + 0.0 + 0.305 + 1.605, 18),
    (power_trees.xavier_nx, 2.7776 + 0.43648 + 0.911168, 9),
    (power_trees.thor, 28.75 + 6.39744 + 9.59616 + 6.20992, 12),
]


@pytest.mark.parametrize(("make", "watts", "count"), BOARDS, ids=lambda value: getattr(value, "__name__", ""))
def test_every_board_of_the_family(tmp_path: Path, make: Callable[[Path], str], watts: float, count: int) -> None:
    root = make(tmp_path)
    assert sum(powers(root).values()) == pytest.approx(watts, abs=1e-9)
    assert len(read_from(root)) == count


# --- captured


def test_captured_rails_of_a_tx2(shared: Path, tmp_path: Path) -> None:
    text = (shared / "fixtures/ina/tx2_iio_rails.txt").read_text()
    rows = [line.split(" -> ") for line in text.splitlines() if " -> " in line]
    assert len(rows) == 24
    tree(tmp_path, {path.lstrip("/"): value + "\n" for path, value in rows})
    for folder in {path.rsplit("/", 2)[0].lstrip("/") for path, _ in rows}:
        tree(tmp_path, {f"{folder}/name": "ina3221x\n"})
        power_trees.link(tmp_path, f"sys/bus/i2c/devices/{folder.rpartition('/')[2]}", folder)
    assert read_from(str(tmp_path)) == {
        "VDD_SYS_GPU_voltage": 19.136,
        "VDD_SYS_SOC_voltage": 19.144,
        "VDD_4V0_WIFI_voltage": 4.784,
        "VDD_IN_voltage": 19.144,
        "VDD_SYS_CPU_voltage": 19.128,
        "VDD_SYS_DDR_voltage": 4.776,
        "VDD_MUX_voltage": 19.16,
        "VDD_5V0_IO_SYS_voltage": 5.0,
        "VDD_3V3_SYS_voltage": 3.344,
        "VDD_3V3_IO_SLP_voltage": 3.344,
        "VDD_1V8_IO_voltage": 1.816,
        "VDD_3V3_SYS_M2_voltage": 3.344,
    }


def test_captured_probe_of_an_orin_nano(shared: Path, tmp_path: Path) -> None:
    text = (shared / "fixtures/ina/orinnano_super_hwmon_probe.txt").read_text()
    rails = [(name, int(mv), int(ma)) for name, mv, ma in re.findall(r"^rail_(\S+) (\d+) (\d+)$", text, re.MULTILINE)]
    power_trees.ina3221(tmp_path, "1-0040", rails)
    assert read_from(str(tmp_path)) == {
        "VDD_IN_power": 7.55136,
        "VDD_IN_voltage": 4.968,
        "VDD_IN_current": 1.52,
        "VDD_CPU_GPU_CV_power": 8.84864,
        "VDD_CPU_GPU_CV_voltage": 4.96,
        "VDD_CPU_GPU_CV_current": 1.784,
        "VDD_SOC_power": 2.46016,
        "VDD_SOC_voltage": 4.96,
        "VDD_SOC_current": 0.496,
    }


def test_captured_readings_of_a_nano_each_millisecond(shared: Path, tmp_path: Path) -> None:
    lines = (shared / "fixtures/ina/nano_iio_1ms_mA_mW_mV_mdegC.csv").read_text().split()
    rows = [[int(number) for number in line.split(",")] for line in lines]
    folder = tmp_path / power_trees.ina_iio(tmp_path, "6-0040", [("POM_5V_IN", 0, 0)])
    collector = InaCollector(place(tmp_path))
    collector.start()
    found = []
    for milliamperes, milliwatts, millivolts, _ in rows:
        (folder / "in_current0_input").write_text(f"{milliamperes}\n")
        (folder / "in_power0_input").write_text(f"{milliwatts}\n")
        (folder / "in_voltage0_input").write_text(f"{millivolts}\n")
        found.append(tuple(collector.read()))
    collector.stop()
    assert found == [(row[1] / 1000, row[2] / 1000, row[0] / 1000) for row in rows]
    assert found[0] == (1.205, 5.024, 0.24)
    # Between two conversions the chip repeats itself: of 25 readings 8 are new.
    assert (len(found), len([None for before, now in pairwise(found) if before != now])) == (25, 7)
    assert not any(math.isnan(value) for row in found for value in row)
