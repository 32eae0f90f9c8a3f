"""Answers of the Raspberry Pi's firmware: each known by its form, joined by name, and nothing crashes."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.agent.decoders import Reading
from harness.agent.decoders.vcgencmd import adc_name, decode, rails, rails_sum

FIXED = settings(
    derandomize=True, database=None, deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow]
)
FLAGS = ["under_voltage", "frequency_capped", "throttled", "throttled_soft_temperature"]


def values(answer: str, asked: str | None = None) -> dict[str, float]:
    decoded = decode(answer, asked)
    assert decoded.unknown == []
    return {one.name: one.value for one in decoded.readings}


def test_currents_and_voltages_are_joined_by_name() -> None:
    """Not by line and not by index: the currents come first, and the numbers of some rails are swapped."""
    answer = """
       1V1_SYS_A current(5)=0.25A
      VDD_CORE_A current(7)=2.50000000A
       1V1_SYS_V volt(15)=1.1V
      VDD_CORE_V volt(13)=0.80000000V
         EXT5V_V volt(24)=5.11478000V
          BATT_V volt(25)=0.0188V
    """
    decoded = decode(answer)
    assert [(one.name, one.unit, one.kind) for one in decoded.readings] == [
        ("1V1_SYS_current", "A", "gauge"),
        ("VDD_CORE_current", "A", "gauge"),
        ("1V1_SYS_voltage", "V", "gauge"),
        ("1V1_SYS_power", "W", "gauge"),
        ("VDD_CORE_voltage", "V", "gauge"),
        ("VDD_CORE_power", "W", "gauge"),
        ("EXT5V_voltage", "V", "gauge"),
        ("BATT_voltage", "V", "gauge"),
    ]
    assert [one.value for one in decoded.readings] == pytest.approx([0.25, 2.5, 1.1, 0.275, 0.8, 2.0, 5.11478, 0.0188])


def test_a_voltage_may_come_before_its_current() -> None:
    assert values("X_V volt(1)=2.0V\nX_A current(2)=0.5A") == {"X_voltage": 2.0, "X_current": 0.5, "X_power": 1.0}


TWO_RAILS = "X_A current(0)=1A\nY_A current(1)=2A\nX_V volt(2)=2V\nY_V volt(3)=5V\nEXT5V_V volt(24)=5.1V\n"


def test_the_rails_add_up() -> None:
    readings = decode(TWO_RAILS).readings
    assert rails(readings) == ["X_power", "Y_power"]
    assert rails_sum(readings, rails(readings)) == Reading("pmic_power", "W", "gauge", 12.0)


@pytest.mark.parametrize("lost", ["X_A", "Y_V"])
def test_a_sum_with_a_rail_missing_is_missing(lost: str) -> None:
    names = rails(decode(TWO_RAILS).readings)
    found = decode("\n".join(line for line in TWO_RAILS.splitlines() if not line.startswith(lost))).readings
    assert math.isnan(rails_sum(found, names).value)


def test_a_second_answer_is_told_apart_and_joined_with_itself() -> None:
    rail = "X_A current(0)=1A\nX_V volt(1)=2V\n"
    assert values(rail + rail.replace("=2V", "=3V")) == {
        "X_current": 1, "X_voltage": 2, "X_power": 2, "X_current#2": 1, "X_voltage#2": 3, "X_power#2": 3,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("bits", "now", "since_boot"),
    [
        ("0x0", [], []),
        ("0x1", [0], []),
        ("0x2", [1], []),
        ("0x4", [2], []),
        ("0x8", [3], []),
        ("0x10000", [], [0]),
        ("0x20000", [], [1]),
        ("0x40000", [], [2]),
        ("0x80000", [], [3]),
        ("0x50005", [0, 2], [0, 2]),
        ("0xE0008", [3], [1, 2, 3]),
    ],
)
def test_throttled_is_a_flag_for_each_bit(bits: str, now: list[int], since_boot: list[int]) -> None:
    expected = {name: float(place in now) for place, name in enumerate(FLAGS)}
    expected |= {f"{name}_since_boot": float(place in since_boot) for place, name in enumerate(FLAGS)}
    assert values(f"throttled={bits}\n") == expected
    assert {(one.unit, one.kind) for one in decode(f"throttled={bits}").readings} == {("flag", "gauge")}


@pytest.mark.parametrize(
    ("answer", "asked", "name", "unit", "value"),
    [
        ("temp=48.3'C", None, "soc_temperature", "degC", 48.3),
        ("temp=-3.0'C", "pmic", "pmic_temperature", "degC", -3.0),
        ("volt=0.8500V", None, "core_voltage", "V", 0.85),
        ("volt=1.1000V", "sdram_c", "sdram_c_voltage", "V", 1.1),
        ("frequency(48)=1500398464", None, "frequency48_clock", "Hz", 1.5e9),
        ("frequency(0)=2400033792", "arm", "arm_clock", "Hz", 2.4e9),
        ("frequency(43)=249999000", "v3d", "v3d_clock", "Hz", 250e6),
        ("frequency(0)=0", "v3d", "v3d_clock", "Hz", 0.0),
    ],
)
def test_measured_values(answer: str, asked: str | None, name: str, unit: str, value: float) -> None:
    (one,) = decode(answer, asked).readings
    assert (one.name, one.unit, one.kind, one.value) == (name, unit, "gauge", value)


@pytest.mark.parametrize(
    "line",
    [
        "VCHI initialization failed",
        'error=1 error_msg="Command not registered"',
        "temp=N/A",
        "temp=48.3'F",
        "throttled=0x100",  # a bit that nobody has named
        "throttled=50005",
        "VDD_CORE_A volt(7)=2.5V",
        "VDD_CORE_A current(7)=2.5V",
        "VDD_CORE current(7)=2.5A",
        "volt=" + "9" * 5000 + "V",
        "frequency(1)=\u0661",
    ],
)
def test_what_has_no_known_form_is_kept_as_it_stood(line: str) -> None:
    decoded = decode(f"temp=40.0'C\n  {line}\n")
    assert [one.value for one in decoded.readings] == [40.0]
    assert decoded.unknown == [line]


def test_a_line_tells_its_name() -> None:
    assert adc_name("  3V3_SYS_A current(1)=0.1A") == "3V3_SYS_A"
    assert adc_name("temp=48.3'C") is None


# --- captured answers


@pytest.mark.parametrize(
    ("file", "expected", "sum_w"),
    [
        (
            "pi5_pmic_read_adc_load_cpumonitor.txt",
            {"VDD_CORE_current": 5.03652, "VDD_CORE_voltage": 0.8936988, "VDD_CORE_power": 5.03652 * 0.8936988,
             "3V3_DAC_current": 0.00006105, "HDMI_power": 0.0216117 * 4.9245, "EXT5V_voltage": 4.9245,
             "BATT_voltage": 0.0034188},
            5.9216,
        ),
        (
            "pi5_pmic_read_adc_idle_pidash.txt",
            {"3V7_WL_SW_power": 0.07709848 * 3.690497, "DDR_VDDQ_power": 0.0, "0V8_AON_voltage": 0.7994132,
             "0V8_AON_current": 0.00494505, "EXT5V_voltage": 5.11478, "BATT_voltage": 0.0188034},
            1.9005,
        ),
    ],
)  # fmt: skip
def test_captured_rails(shared: Path, file: str, expected: dict[str, float], sum_w: float) -> None:
    found = values((shared / "fixtures" / "rpi" / file).read_text("utf-8"))
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-12)
    powers = [value for name, value in found.items() if name.endswith("_power")]
    assert len(powers) == 12
    assert sum(powers) == pytest.approx(sum_w, abs=5e-5)
    assert len(found) == 12 * 3 + 2


@pytest.mark.parametrize(
    ("file", "name", "hertz"),
    [
        ("pi5_measure_clock_v3d.txt", "frequency0_clock", [0.0, 960e6]),
        ("pi2_measure_clock_v3d.txt", "frequency43_clock", [250e6, 250e6, 250e6]),
    ],
)
def test_captured_clocks(shared: Path, file: str, name: str, hertz: list[float]) -> None:
    lines = (shared / "fixtures" / "rpi" / file).read_text("utf-8").splitlines()
    assert [values(line) for line in lines] == [{name: value} for value in hertz]


# --- answers that nobody gave

RAIL = st.tuples(
    st.sampled_from(["VDD_CORE", "EXT5V", "3V3_SYS"]),
    st.sampled_from(["A current", "V volt"]),
    st.integers(0, 99),
    st.integers(-(10**9), 10**9).map(lambda micro: micro / 1e6),
)


@FIXED
@given(st.lists(RAIL, max_size=12))
def test_currents_and_voltages_printed_again_decode_the_same(rails: list[tuple[str, str, int, float]]) -> None:
    printed = [f"{name}_{form}({index})={value:.6f}{form[0]}" for name, form, index, value in rails]
    decoded = decode("\n".join(printed))
    assert decoded.unknown == []
    plain = [(one.name.partition("#")[0], one.value) for one in decoded.readings if one.unit != "W"]
    quantity = {"A current": "current", "V volt": "voltage"}
    assert plain == [(f"{name}_{quantity[form]}", value) for name, form, _, value in rails]
    assert decode("\n".join(f"  {line} \r" for line in printed)) == decoded


@FIXED
@given(st.binary(max_size=200))
def test_no_bytes_crash_it(content: bytes) -> None:
    for prefix in ("", "temp=", "throttled=0x", "frequency(1)=", "X_A current(0)="):
        decoded = decode(prefix + content.decode("latin-1"))
        assert not any(math.isinf(one.value) for one in decoded.readings)
        assert all(token and token in prefix + content.decode("latin-1") for token in decoded.unknown)
