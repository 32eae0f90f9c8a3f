"""Logs of an external meter: names and units of the header, times in every common form, what is wrong with a row."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.agent.decoders.meter_csv import complaint, decode, read_header, time_s

FIXED = settings(
    derandomize=True, database=None, deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow]
)
NAN = math.nan


def header(text: str) -> Any:
    found = read_header(text)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("title", "cell", "name", "unit", "kind", "value"),
    [
        ("power_w", "4.91", "meter_power", "W", "gauge", 4.91),
        ("power_mW", "4910", "meter_power", "W", "gauge", 4.91),
        ("power_uw", "4910000", "meter_power", "W", "gauge", 4.91),
        ("power_kw", "1.5", "meter_power", "W", "gauge", 1500.0),
        ("voltage_v", "5.1", "meter_voltage", "V", "gauge", 5.1),
        ("voltage_mv", "5100", "meter_voltage", "V", "gauge", 5.1),
        ("current_a", "-0.02", "meter_current", "A", "gauge", -0.02),
        ("current_mA", "960.5", "meter_current", "A", "gauge", 0.9605),
        ("energy_j", "1e3", "meter_energy", "J", "counter", 1000.0),
        ("energy_mj", "250", "meter_energy", "J", "counter", 0.25),
        ("energy_wh", "0.5", "meter_energy", "J", "counter", 1800.0),
        ("energy_mWh", "500", "meter_energy", "J", "counter", 1800.0),
        ("energy_kWh", "2", "meter_energy", "J", "counter", 7.2e6),
        ("usb_power_w", "4.91", "usb_power", "W", "gauge", 4.91),
        ("Power (mW)", "4910", "meter_power", "W", "gauge", 4.91),
        ("USB Voltage [V]", "5.1", "usb_voltage", "V", "gauge", 5.1),
        ("power_w", "", "meter_power", "W", "gauge", NAN),
        ("power_w", "NaN", "meter_power", "W", "gauge", NAN),
        ("power_w", "n/a", "meter_power", "W", "gauge", NAN),
        ('"power_w"', '"4.91"', "meter_power", "W", "gauge", 4.91),
    ],
)
def test_a_column_becomes_a_channel(title: str, cell: str, name: str, unit: str, kind: str, value: float) -> None:
    columns = header(f"time_s,{title}")
    decoded = decode(f"0,{cell}", columns)
    assert decoded.unknown == []
    (one,) = decoded.readings
    assert (one.name, one.unit, one.kind) == (name, unit, kind)
    assert one.value == pytest.approx(value, rel=1e-15, abs=0, nan_ok=True)
    assert complaint(f"0,{cell}", columns) is None


@pytest.mark.parametrize(
    ("title", "cell", "expected"),
    [
        ("time_s", "1760000000.25", 1760000000.25),
        ("time", "12.5", 12.5),
        ("timestamp", "1760000000", 1760000000.0),
        ("Time (ms)", "1760000000250", 1760000000.25),
        ("time_us", "1500000", 1.5),
        ("timestamp", "1970-01-02T00:00:00", 86400.0),
        ("timestamp", "1970-01-02 00:00:00.500", 86400.5),
        ("timestamp", "1970-01-02T00:00:00Z", 86400.0),
        ("timestamp", "1970-01-02T02:00:00.25+02:00", 86400.25),
        ("timestamp", "1970-01-01T20:30:00-0330", 86400.0),
    ],
)
def test_times_are_seconds(title: str, cell: str, expected: float) -> None:
    assert time_s(f"{cell},1", header(f"{title},power_w")) == expected


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_separator_is_that_of_the_header(separator: str) -> None:
    columns = header(separator.join(["time_s", "note", "power_w", "voltage_v"]))
    row = separator.join(["1.5", "warm", " 2.5 ", "5"])
    assert time_s(row, columns) == 1.5
    assert [(one.name, one.value) for one in decode(row, columns).readings] == [
        ("meter_power", 2.5),
        ("meter_voltage", 5.0),
    ]


@pytest.mark.parametrize(
    "text", ["", "time_s", "watts,volts", "1.0,2.0", "time_s,power", "time_s,power_v", "# power_w"]
)
def test_a_line_without_a_quantity_is_no_header(text: str) -> None:
    assert read_header(text) is None


@pytest.mark.parametrize(
    ("row", "words", "unknown"),
    [
        ("1.0,abc", "'abc' in column power_w is not a number", ["abc"]),
        ("1.0,inf", "'inf' in column power_w is not a number", ["inf"]),
        ("1.0,1e999", "'1e999' in column power_w is not a number", ["1e999"]),
        ("1.0,\u0663", "'\u0663' in column power_w is not a number", ["\u0663"]),
        ("noon,5", "'noon' in column time_s is neither seconds since 1970 nor an ISO 8601 time", ["noon"]),
        (",5", "'' in column time_s is neither", [""]),
        ("2026-02-30T00:00:00,5", "'2026-02-30T00:00:00' in column time_s is neither", ["2026-02-30T00:00:00"]),
        ("1.0", "1 cells stand where the header names 2", ["1.0"]),
        ("1.0,5,6", "3 cells stand where the header names 2", ["1.0,5,6"]),
    ],
)
def test_what_is_wrong_is_said(row: str, words: str, unknown: list[str]) -> None:
    columns = header("time_s,power_w")
    assert words in (complaint(row, columns) or "")
    assert decode(row, columns).unknown == unknown


NUMBER = st.floats(-1e9, 1e9, allow_nan=False).map(lambda value: round(value, 6))


@FIXED
@given(st.lists(st.tuples(st.integers(0, 2**40), NUMBER, st.one_of(st.none(), NUMBER)), min_size=1, max_size=5))
def test_rows_printed_again_decode_the_same(rows: list[tuple[int, float, float | None]]) -> None:
    columns = header("time_us,power_w,current_a")
    for micro, power, current in rows:
        row = f"{micro},{power!r},{'' if current is None else repr(current)}"
        assert complaint(row, columns) is None
        assert time_s(row, columns) == micro / 1e6
        found = [one.value for one in decode(row, columns).readings]
        assert found == pytest.approx([power, NAN if current is None else current], rel=1e-15, abs=0, nan_ok=True)


@FIXED
@given(st.binary(max_size=200))
def test_no_bytes_crash_it(content: bytes) -> None:
    text, columns = content.decode("latin-1"), header("timestamp;power_mw")
    for line in (text, f"1;{text}", f"{text};1", f"2026-01-{text};5"):
        decoded = decode(line, columns)
        assert not any(math.isinf(one.value) for one in decoded.readings)
        assert bool(decoded.unknown) == (complaint(line, columns) is not None) or not line.strip()
        assert not math.isinf(time_s(line, columns))
    read_header(text)
