"""Every token of R24 to R39 by its numbers; captured lines, where they are at hand; lines that nobody wrote."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.agent.decoders import Decoded, Reading
from harness.agent.decoders.tegrastats import decode, stamp_s

# The same examples every time, and nothing that depends on how fast this machine is.
FIXED = settings(
    derandomize=True, database=None, deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow]
)
GHZ, MHZ, MIB, KIB = 1e9, 1e6, 2.0**20, 2.0**10
NAN = math.nan


def values(line: str) -> dict[str, float]:
    """By name, of a line of which nothing is left over."""
    decoded = decode(line)
    assert decoded.unknown == []
    return {one.name: one.value for one in decoded.readings}


def same(decoded: Decoded) -> list[tuple[str, str, str, float | None]]:
    """Readings with a NaN that equals itself."""
    return [(*one[:3], None if math.isnan(one.value) else one.value) for one in decoded.readings]


# --- one token at a time


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("RAM 100/4000MB (lfb 5x4MB)", {"ram_used": 100 * MIB, "ram_total": 4000 * MIB, "ram_largest_block": 4 * MIB}),
        ("RAM 1/2GB", {"ram_used": 2.0**30, "ram_total": 2.0**31}),
        ("RAM 1/2MB (lfb 7x512kB)", {"ram_largest_block": 512 * KIB, "ram_largest_blocks": 7}),
        ("SWAP 3/512MB (cached 2MB)", {"swap_used": 3 * MIB, "swap_total": 512 * MIB, "swap_cached": 2 * MIB}),
        ("IRAM 4/252kB(lfb 248kB)", {"iram_used": 4 * KIB, "iram_total": 252 * KIB, "iram_largest_block": 248 * KIB}),
        ("CPU [7%@1728,off]", {"cpu0_load": 0.07, "cpu0_clock": 1.728 * GHZ, "cpu1_load": NAN, "cpu1_clock": NAN}),
        ("cpu [2%,31%]@408", {"cpu0_load": 0.02, "cpu0_clock": 408e6, "cpu1_load": 0.31, "cpu1_clock": 408e6}),
        ("CPU [100%@1190]", {"cpu0_load": 1.0, "cpu0_clock": 1.19 * GHZ}),
        ("EMC_FREQ 12%@204", {"EMC_FREQ_load": 0.12, "EMC_FREQ_clock": 204e6}),
        ("EMC_FREQ 0%@204", {"EMC_FREQ_load": 0.0, "EMC_FREQ_clock": 204e6}),
        ("EMC_FREQ 0%", {"EMC_FREQ_load": NAN}),
        ("EMC_FREQ @3199", {"EMC_FREQ_clock": 3.199 * GHZ}),
        ("GR3D_FREQ 0%", {"GR3D_FREQ_load": 0.0}),
        ("GR3D_FREQ @0", {"GR3D_FREQ_clock": 0.0}),
        ("GR3D_FREQ 3%@[114]", {"GR3D_FREQ_load": 0.03, "GR3D_FREQ_clock": 114e6}),
        (
            "GR3D_FREQ 0%@[1300,1301]",
            {"GR3D_FREQ_load": 0.0, "GR3D_FREQ_clock": 1.3 * GHZ, "GR3D_FREQ_clock#2": 1.301 * GHZ},
        ),
        (
            "GR3D_FREQ @[314,315,316]",
            {"GR3D_FREQ_clock": 314e6, "GR3D_FREQ_clock#2": 315e6, "GR3D_FREQ_clock#3": 316e6},
        ),
        ("GR3D2_FREQ 82%@1274", {"GR3D2_FREQ_load": 0.82, "GR3D2_FREQ_clock": 1.274 * GHZ}),
        ("NVENC_LOAD 7%", {"NVENC_LOAD_load": 0.07}),
        ("NVENC 79%@166", {"NVENC_load": 0.79, "NVENC_clock": 166e6}),
        ("NVENC0_FREQ @1556", {"NVENC0_FREQ_clock": 1.556 * GHZ}),
        ("PVA0_FREQ off", {"PVA0_FREQ_load": NAN, "PVA0_FREQ_clock": NAN}),
        ("NVJPG1 729", {"NVJPG1_clock": 729e6}),
        ("VIC_FREQ 115", {"VIC_FREQ_clock": 115e6}),
        ("EDP limit 1734", {"EDP_limit_clock": 1.734 * GHZ}),
        # jetson_stats took the foreground's share for both.
        ("MTS fg 1% bg 8%", {"MTS_fg_load": 0.01, "MTS_bg_load": 0.08}),
        ("thermal@37.85C", {"thermal_temperature": 37.85}),
        ("tj@-5.5C", {"tj_temperature": -5.5}),
        ("gpu@48.75C/51C", {"gpu_temperature": 48.75}),
        ("GPU@-256C", {"GPU_temperature": NAN}),
        ("CV0@-256C/40C", {"CV0_temperature": NAN}),
        ("PMIC@100C PMIC@50C", {"PMIC_temperature": NAN, "PMIC_temperature#2": NAN}),
        ("PMIC@51C CPU@100C CPU@50C", {"PMIC_temperature": 51, "CPU_temperature": 100, "CPU_temperature#2": 50}),
        ("VDD_IN 3642/3633", {"VDD_IN_power": 3.642}),
        ("VDD_IN 5582mW/5552mW", {"VDD_IN_power": 5.582}),
        # The mean of a R39 line had counted a first sample of zero, as on a captured one.
        ("VIN 87426mW/43713mW/87426mW", {"VIN_power": 87.426}),
        ("VDD_IN -8/0", {"VDD_IN_power": -0.008}),
        ("NC 0mW/0mW VIN 5mW/5mW NC 7mW/0mW", {"NC_power": 0.0, "VIN_power": 0.005, "NC_power#2": 0.007}),
        # A zone, a rail, a list: all of one name.
        (
            "CPU [1%@2] CPU@33.5C CPU 216/217",
            {"cpu0_load": 0.01, "cpu0_clock": 2e6, "CPU_temperature": 33.5, "CPU_power": 0.216},
        ),
        ("  VIC        off   APE\t 174 ", {"VIC_load": NAN, "VIC_clock": NAN, "APE_clock": 174e6}),
        ("05-09-2026 18:42:06 APE 25", {"APE_clock": 25e6}),
        ("", {}),
    ],
)
def test_a_token_is_read_by_its_numbers(line: str, expected: dict[str, float]) -> None:
    found = values(line)
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=0, rel=1e-15, nan_ok=True)
    left = set(found) - set(expected)
    assert left <= {"ram_used", "ram_total", "ram_largest_blocks"}


@pytest.mark.parametrize(
    ("line", "unknown"),
    [
        ("APE 150 FAN 30 VIN 5mW/5mW", ["FAN", "30"]),
        ("GR3D_FREQ 3", ["GR3D_FREQ", "3"]),  # a line cut in "39%@305"
        ("RAM 534/3964", ["RAM", "534/3964"]),  # cut before its unit: no rail of half a watt
        ("RAM 534/3964MB (lfb 98x4M", ["(lfb", "98x4M"]),
        ("CPU [1%@2,3%", ["CPU", "[1%@2,3%"]),
        ("CPU [1%@2,idle,off]", ["idle"]),
        ("CPU []", ["CPU", "[]"]),
        ("cpu@52.5", ["cpu@52.5"]),
        ("VDD_IN 4707mW", ["VDD_IN", "4707mW"]),
        ("VDD_IN 4707uW/4707uW", ["VDD_IN", "4707uW/4707uW"]),
        ("caf\u00e9@20C \ufffd\u0663", ["caf\u00e9@20C", "\ufffd\u0663"]),
        ("X@" + "9" * 5000 + "C", ["X@" + "9" * 5000 + "C"]),
        ("VDD_IN " + "9" * 5000 + "/1", ["VDD_IN", "9" * 5000 + "/1"]),
        ("01-02-2026 18:42", ["01-02-2026", "18:42"]),
    ],
)
def test_what_no_rule_takes_is_kept_as_it_stood(line: str, unknown: list[str]) -> None:
    assert decode(line).unknown == unknown


def test_a_core_that_is_not_known_keeps_its_place() -> None:
    found = {one.name: one.value for one in decode("CPU [1%@2,idle,off,4%@5]").readings}
    assert [found[f"cpu{core}_load"] for core in range(4)] == pytest.approx([0.01, NAN, NAN, 0.04], nan_ok=True)
    assert [found[f"cpu{core}_clock"] for core in range(4)] == pytest.approx([2e6, NAN, NAN, 5e6], nan_ok=True)


def test_units_and_kinds() -> None:
    line = "RAM 1/2MB (lfb 1x4MB) CPU [1%@2] X@1C VIN 1/1"
    units = {one.name: (one.unit, one.kind) for one in decode(line).readings}
    assert units == {
        "ram_used": ("B", "gauge"),
        "ram_total": ("B", "gauge"),
        "ram_largest_block": ("B", "gauge"),
        "ram_largest_blocks": ("count", "gauge"),
        "cpu0_load": ("1", "gauge"),
        "cpu0_clock": ("Hz", "gauge"),
        "X_temperature": ("degC", "gauge"),
        "VIN_power": ("W", "gauge"),
    }


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        ("01-01-1970 00:00:00 RAM 1/2MB", 0.0),
        ("03-01-2024 00:00:00 RAM 1/2MB", 1709251200.0),  # the day after a leap day
        ("05-09-2026 18:42:06", 1778352126.0),
        ("RAM 1/2MB", NAN),
        ("02-30-2026 18:42:06 RAM 1/2MB", NAN),
        ("13-01-2026 18:42:06 RAM 1/2MB", NAN),
        ("", NAN),
    ],
)
def test_the_stamp_is_apart_from_the_readings(line: str, seconds: float) -> None:
    assert stamp_s(line) == pytest.approx(seconds, abs=0, nan_ok=True)
    assert not any("time" in one.name for one in decode(line).readings)


def test_what_is_remembered_changes_nothing() -> None:
    """More different tokens than are remembered, and the first again."""
    first = decode("VDD_IN 1/1 cpu@1.5C")
    for power in range(5000):
        assert decode(f"VDD_IN {power}/1").readings[0].value == power / 1000
    assert decode("VDD_IN 1/1 cpu@1.5C") == first


# --- captured lines

# File -> number of a line in it, from 0 -> some of its readings; none of them may be left over.
CAPTURED: dict[str, dict[int, dict[str, float]]] = {
    "tx1-r24-root": {
        0: {"ram_used": 1104 * MIB, "cpu3_load": 0.11, "cpu3_clock": 1.734 * GHZ, "EMC_load": 0, "EMC_clock": 1.6 * GHZ,
            "AVP_load": 0.01, "AVP_clock": 115e6, "NVDEC_clock": 192e6, "MSENC_clock": 192e6, "GR3D_clock": 998e6,
            "EDP_limit_clock": 1.734 * GHZ},
    },
    "tx1-r28.1-root": {
        0: {"swap_cached": 295 * MIB, "cpu2_load": 0.29, "cpu2_clock": 408e6, "GR3D_load": 0.03, "GR3D_clock": 76e6},
        1: {"cpu2_load": 0.65, "cpu0_clock": 1.734 * GHZ, "EMC_load": 0.01, "APE_clock": 25e6, "GR3D_load": 0.39},
    },
    "tx1-r32-root": {
        0: {"iram_total": 252 * KIB, "EMC_FREQ_load": 0.07, "VDD_IN_power": 2.532, "VDD_CPU_power": 0.076,
            "VDD_GPU_power": 0.019, "PMIC_temperature": NAN, "Tdiode_temperature": 42.75},
    },
    "tx2-r28-root": {
        0: {"MTS_fg_load": 0.01, "MTS_bg_load": 0.08, "VDD_IN_power": 1.931, "VDD_WIFI_power": 0.038,
            "cpu3_clock": 1.419 * GHZ, "thermal_temperature": 39.9},
        3: {"VDD_GPU_power": 2.531, "VDD_IN_power": 7.862, "GR3D_FREQ_load": 0.18, "cpu1_load": 0},
        4: {"cpu0_load": 0.02, "cpu1_load": NAN, "cpu5_clock": NAN, "EMC_FREQ_clock": 40e6, "VDD_IN_power": 2.003},
    },
    "tx2-r28-user": {
        1: {"VDD_IN_power": 3.642, "cpu4_load": 0.22, "AO_temperature": 32.5, "VDD_DDR_power": 0.881},
        39: {"VDD_IN_power": 3.603, "cpu4_load": 0.27, "cpu4_clock": 2.035 * GHZ},
    },
    "tx2-r32-root": {
        0: {"GR3D_FREQ_clock": 0, "cpu1_load": NAN, "cpu3_load": 0.53, "VDD_SYS_GPU_power": 0.192},
        3: {"MTS_fg_load": 0.01, "MTS_bg_load": 0.01, "PMIC_temperature": NAN, "VDD_SYS_CPU_power": 1.917,
            "swap_used": 1626 * MIB},
    },
    "tx2-r32-user": {
        0: {"EMC_FREQ_load": NAN, "GR3D_FREQ_load": 0, "VDD_IN_power": 1.84, "cpu0_clock": 2.035 * GHZ},
        60: {"VDD_4V0_WIFI_power": 0.633, "VDD_IN_power": 3.14, "cpu2_load": 0.25},
    },
    "nano-r32-root": {
        1: {"POM_5V_IN_power": 1.75, "POM_5V_GPU_power": 0, "POM_5V_CPU_power": 0.366, "ram_largest_block": 2 * MIB,
            "EMC_FREQ_clock": 1.6 * GHZ, "PMIC_temperature": NAN, "iram_used": 0},
    },
    "nano-r32-user": {
        1: {"POM_5V_IN_power": 1.154, "cpu1_load": 0.06, "cpu2_load": NAN, "cpu3_clock": NAN, "EMC_FREQ_load": NAN},
    },
    "xaviernx-r35-root": {
        0: {"GR3D_FREQ_load": 0, "GR3D_FREQ_clock": 114e6, "VDD_IN_power": 2.763, "VIC_FREQ_clock": 115e6,
            "PMIC_temperature": NAN, "thermal_temperature": 45.6},
    },
    "xaviernx-r35-user": {
        0: {"GR3D_FREQ_load": 0.22, "cpu1_load": 1, "cpu4_load": NAN, "VDD_IN_power": 5.542, "EMC_FREQ_load": NAN},
        102: {"GR3D_FREQ_load": 0.99, "VDD_IN_power": 13.751, "VDD_CPU_GPU_CV_power": 7.539, "VDD_SOC_power": 2.063},
    },
    "agxxavier-r31-user": {
        0: {"GPU_temperature": 32, "GPU_power": 0, "CPU_temperature": 33.5, "CPU_power": 0.216, "SOC_power": 0.864,
            "SYS5V_power": 1.889, "VDDRQ_power": 0.144, "CV_power": 0, "cpu2_load": 0.02},
    },
    "agxxavier-r32-root": {
        0: {"MTS_fg_load": 0, "MTS_bg_load": 0, "CPU_power": 0.311, "GR3D_FREQ_clock": 318e6, "cpu4_load": NAN},
    },
    "orinnano-r35-root": {
        0: {"VDD_IN_power": 4.915, "GR3D2_FREQ_clock": 0, "ram_largest_blocks": 7, "tj_temperature": 46.968},
    },
    "orinnano-r36-root": {
        0: {"EMC_FREQ_load": 0.43, "GR3D_FREQ_load": 0.63, "GR3D_FREQ_clock": 621e6, "NVDEC_load": NAN,
            "OFA_clock": NAN, "APE_clock": 200e6, "VDD_IN_power": 12.479},
        1: {"gpu_temperature": 44.531, "VDD_SOC_power": 1.012},
    },
    "orinnano-r39-user": {
        0: {"VDD_IN_power": 9.761, "VDD_CPU_GPU_CV_power": 4.238, "soc2_temperature": 47.937, "GR3D_FREQ_load": 0.33,
            "swap_cached": 209 * MIB},
    },
    "orinnx-r35-root": {0: {"VDD_IN_power": 5.299, "GR3D_FREQ_clock": 611e6, "cpu7_load": NAN}},
    "orinnx-r35-user": {0: {"EMC_FREQ_load": NAN, "GR3D_FREQ_load": 0, "GR3D2_FREQ_load": 0, "tj_temperature": 57.468}},
    "agxorin-r35-root": {
        0: {"NC_power": 0, "NC_power#2": 0, "VDDQ_VDD2_1V8AO_power": 0.301, "GPU_temperature": NAN,
            "CV0_temperature": NAN, "VIC_FREQ_clock": 729e6, "VDD_GPU_SOC_power": 2.399, "VIN_SYS_5V0_power": 4.032},
        1: {"NVJPG1_clock": 729e6, "NC_power#2": 0, "VDD_GPU_SOC_power": 4.788, "GPU_temperature": 38.156},
        3: {"GR3D_FREQ_clock": 0, "GR3D_FREQ_clock#2": 0, "VDD_CPU_CV_power": 0.39},
    },
    "agxorin-r36-root": {
        1: {"NVENC_load": 0.78, "NVENC_clock": 166e6, "VIC_load": 0.32, "PVA0_FREQ_load": NAN,
            "VIN_SYS_5V0_power": 4.607},
        3: {"GR3D_FREQ_load": 0.39, "GR3D_FREQ_clock": 305e6, "GR3D_FREQ_clock#2": 0, "cpu8_load": NAN,
            "gpu_temperature": 40.093, "VDD_GPU_SOC_power": 2.798},
        18: {"cpu5_load": 1, "NVENC_load": NAN, "VIN_SYS_5V0_power": 4.767, "ram_used": 29114 * MIB},
    },
    "agxorin-r36-user": {0: {"GR3D_FREQ_load": 0, "VDD_GPU_SOC_power": 4.94, "cpu11_clock": 2.201 * GHZ}},
    "thor-r38-user": {0: {"VIN_power": 16.802, "VDD_GPU_power": 0, "soc345_temperature": 31.218, "cpu10_load": 0.01}},
    "thor-r39-root": {
        1: {"GR3D_FREQ_clock": 314e6, "GR3D_FREQ_clock#3": 314e6, "NVENC1_FREQ_clock": 1.556 * GHZ, "VIC_load": 0.59,
            "cpu_temperature": 34.312, "VDD_CPU_SOC_MSS_power": 7.953, "VIN_SYS_5V0_power": 6.667},
    },
    "driveorin-root": {
        0: {"EMC_FREQ_clock": 3.199 * GHZ, "GR3D2_FREQ_load": 0.99, "NVENC_LOAD_load": 0.07, "GPU_temperature": 78.937},
        42: {"GR3D_FREQ_load": 0.99, "APE_clock": 81e6, "cpu10_load": 0.47, "CPU_temperature": 74.625},
    },
}  # fmt: skip


def captured(shared: Path) -> dict[str, list[str]]:
    folder = shared / "fixtures" / "tegrastats"
    return {path.stem: path.read_text("utf-8").splitlines() for path in sorted(folder.glob("*.log"))}


def test_captured_lines_have_their_numbers(shared: Path) -> None:
    files = captured(shared)
    assert set(files) == set(CAPTURED)
    for name, lines in CAPTURED.items():
        for number, expected in lines.items():
            found = values(files[name][number])
            assert {key: found[key] for key in expected} == pytest.approx(expected, rel=1e-15, abs=0, nan_ok=True), name


def test_nothing_of_any_captured_line_is_left_over(shared: Path) -> None:
    lines = [line for lines in captured(shared).values() for line in lines]
    assert len(lines) == 301
    assert [token for line in lines for token in decode(line).unknown] == []


def test_all_rails_and_zones_of_captured_lines_are_there(shared: Path) -> None:
    """Against an expression that knows nothing else: first numbers before a slash, and degrees before a C."""
    for line in (line for lines in captured(shared).values() for line in lines):
        rails = re.findall(r" ([A-Z]\w*) +(\d+)(?:mW)?/\d+(?:mW|\b)(?!MB|kB)", line)
        readings = decode(line).readings
        watts = [(one.name.split("#")[0], one.value) for one in readings if one.unit == "W"]
        assert watts == [(f"{name}_power", int(milliwatts) / 1000) for name, milliwatts in rails]
        zones = [(one.name, one.value) for one in readings if one.unit == "degC"]
        printed = [(f"{name}_temperature", float(degrees)) for name, degrees in re.findall(r"(\w+)@(-?[\d.]+)C", line)]
        assert [name for name, _ in zones] == [name for name, _ in printed]
        awake = [(name, value) for name, value in zones if not math.isnan(value)]
        constant = ("PMIC_temperature", 100.0), ("PMIC_temperature", 50.0)
        assert awake == [pair for pair in printed if pair[1] != -256 and pair not in constant]


def test_captured_lines_printed_again_decode_the_same(shared: Path) -> None:
    for line in (line for lines in captured(shared).values() for line in lines):
        decoded = decode(line)
        assert same(decode(printed_again(decoded.readings))) == same(decoded)


# --- lines that nobody wrote


def printed_again(readings: Sequence[Reading]) -> str:
    """A line with these readings in the grammar of R39: an inverse of `decode`, for its test."""
    return " ".join(_tokens([one._replace(name=one.name.partition("#")[0]) for one in readings]))


def _tokens(readings: list[Any]) -> Iterator[str]:
    waiting = list(readings)
    while waiting:
        name, _, quantity = waiting[0].name.rpartition("_")
        if waiting[0].name.startswith(("ram_", "swap_", "iram_")):
            yield _printed_memory(waiting, name)
        elif waiting[0].name == "cpu0_load":
            yield _printed_cores(waiting)
        elif waiting[0].name == "MTS_fg_load":
            yield f"MTS fg {_percent(waiting.pop(0).value)} bg {_percent(waiting.pop(0).value)}"
        elif waiting[0].name == "EDP_limit_clock":
            yield f"EDP limit {_megahertz(waiting.pop(0).value)}"
        elif quantity == "power":
            milliwatts = f"{round(waiting.pop(0).value * 1000)}mW"
            yield f"{name} {milliwatts}/{milliwatts}/{milliwatts}"
        elif quantity == "temperature":
            value = waiting.pop(0).value
            yield f"{name}@{-256 if math.isnan(value) else value}C/99C"
        else:
            yield _printed_engine(waiting, name, quantity)


def _printed_memory(waiting: list[Any], name: str) -> str:
    used, total = waiting.pop(0).value, waiting.pop(0).value
    text = f"{name.upper()} {used / KIB:.0f}/{total / KIB:.0f}kB"
    if waiting and waiting[0].name == f"{name}_cached":
        text += f" (cached {waiting.pop(0).value / KIB:.0f}kB)"
    elif waiting and waiting[0].name == f"{name}_largest_block":
        size = f"{waiting.pop(0).value / KIB:.0f}kB"
        counted = waiting and waiting[0].name == f"{name}_largest_blocks"
        text += f" (lfb {waiting.pop(0).value:.0f}x{size})" if counted else f" (lfb {size})"
    return text


def _printed_cores(waiting: list[Any]) -> str:
    cores: list[str] = []
    while waiting and waiting[0].name == f"cpu{len(cores)}_load":
        load, clock = waiting.pop(0).value, waiting.pop(0).value
        at = "" if math.isnan(clock) else f"@{_megahertz(clock)}"
        cores.append("off" if math.isnan(load) else _percent(load) + at)
    return f"CPU [{','.join(cores)}]"


def _printed_engine(waiting: list[Any], name: str, quantity: str) -> str:
    load = waiting.pop(0).value if quantity == "load" else None
    if load is not None and math.isnan(load):
        if waiting and waiting[0].name == f"{name}_clock" and math.isnan(waiting[0].value):
            waiting.pop(0)
            return f"{name} off"
        return f"{name} 0%"
    clocks = []
    while waiting and waiting[0].name == f"{name}_clock":
        clocks.append(str(_megahertz(waiting.pop(0).value)))
    at = f"@[{','.join(clocks)}]" if len(clocks) > 1 else f"@{clocks[0]}" if clocks else ""
    return f"{name} {'' if load is None else _percent(load)}{at}"


def _percent(share: float) -> str:
    return f"{round(share * 100)}%"


def _megahertz(hertz: float) -> int:
    return round(hertz / MHZ)


PERCENT = st.integers(0, 100).map("{}%".format)
CLOCK = st.integers(0, 3200).map(str)
CLOCKS = st.one_of(CLOCK, st.lists(CLOCK, min_size=1, max_size=4).map(lambda clocks: f"[{','.join(clocks)}]"))
ENGINE = st.sampled_from(["EMC", "EMC_FREQ", "GR3D_FREQ", "GR3D2_FREQ", "NVENC", "NVDEC0_FREQ", "VIC", "PVA0_FREQ"])
ZONE = st.sampled_from(["cpu", "CPU", "gpu", "PMIC", "CV0", "soc012", "Tdiode", "thermal"])
RAIL = st.sampled_from(["VDD_IN", "NC", "VIN_SYS_5V0", "CPU", "POM_5V_IN"])
CORE = st.one_of(st.just("off"), st.builds("{}@{}".format, PERCENT, CLOCK))
DEGREES = st.one_of(st.just("-256"), st.just("100"), st.integers(-55000, 125000).map(lambda milli: str(milli / 1000)))
MILLIWATTS = st.integers(-50, 150000)
SIZE = st.integers(0, 131072)
TOKEN = st.one_of(
    st.builds("RAM {}/{}MB (lfb {}x{}MB)".format, SIZE, SIZE, SIZE, SIZE),
    st.builds("SWAP {}/{}MB (cached {}MB)".format, SIZE, SIZE, SIZE),
    st.builds("IRAM {}/{}kB(lfb {}kB)".format, SIZE, SIZE, SIZE),
    st.lists(CORE, min_size=1, max_size=14).map(lambda cores: f"CPU [{','.join(cores)}]"),
    st.builds("cpu [{},{}]@{}".format, PERCENT, PERCENT, CLOCK),
    st.builds("{} {}@{}".format, ENGINE, PERCENT, CLOCKS),
    st.builds("{} @{}".format, ENGINE, CLOCKS),
    st.builds("{} {}".format, ENGINE, PERCENT),
    st.builds("{} off".format, ENGINE),
    st.builds("APE {}".format, CLOCK),
    st.builds("MTS fg {} bg {}".format, PERCENT, PERCENT),
    st.builds("EDP limit {}".format, CLOCK),
    st.builds("{}@{}C".format, ZONE, DEGREES),
    st.builds("{}@{}C/{}C".format, ZONE, DEGREES, DEGREES),
    st.builds("{} {}/{}".format, RAIL, MILLIWATTS, MILLIWATTS),
    st.builds("{} {}mW/{}mW/{}mW".format, RAIL, MILLIWATTS, MILLIWATTS, MILLIWATTS),
)


@FIXED
@given(st.lists(TOKEN, max_size=25), st.sampled_from([" ", "   ", "\t"]))
def test_a_line_of_any_tokens_is_read_whole_and_printed_again_decodes_the_same(tokens: list[str], blank: str) -> None:
    decoded = decode(blank.join(tokens))
    assert decoded.unknown == []
    names = [one.name for one in decoded.readings]
    assert len(set(names)) == len(names)
    assert same(decode(printed_again(decoded.readings))) == same(decoded)


@FIXED
@given(
    st.lists(st.one_of(TOKEN, st.text(max_size=12), st.from_regex(r"[A-Z]{3} [0-9%@\[\],/mWC]{1,9}", fullmatch=True)))
)
def test_any_text_among_tokens_crashes_nothing_and_no_number_leaves_the_doubles(tokens: list[str]) -> None:
    decoded = decode(" ".join(tokens))
    assert not any(math.isinf(one.value) for one in decoded.readings)
    assert all(token in " ".join(tokens) and token.strip(" \t\r\n\f\v") == token != "" for token in decoded.unknown)


@FIXED
@given(st.binary(max_size=300))
def test_no_bytes_crash_it(content: bytes) -> None:
    for encoding in ("utf-8", "latin-1"):
        line = content.decode(encoding, "replace")
        decoded = decode(line)
        assert bool(decoded.readings or decoded.unknown) == bool(line.strip(" \t\r\n\f\v"))
        assert math.isnan(stamp_s(line)) or stamp_s(line) >= 0
