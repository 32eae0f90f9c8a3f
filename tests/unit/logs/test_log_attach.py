"""A log's power on a trial's clock: which channels, shifted by how much, and what cannot be attached."""

from __future__ import annotations

import math
from array import array
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.logs.attach import DEFAULTS, clipped, placed, power_traces
from harness.logs.log import Log, LogChannel
from harness.logs.reading import READERS, read
from harness.model.trial import Channel, Trace
from tests.support.host_side import column

NAN = math.nan


def channel(name: str, times: list[float], values: list[float], unit: str = "W", kind: Any = "gauge") -> LogChannel:
    return LogChannel(name, unit, kind, array("d", times), array("d", values))


def log(*channels: LogChannel, kind: str = "meter-csv") -> Log:
    return Log(kind, "bench.csv", 9, (), channels)


def test_times_are_shifted_to_the_boards_clock() -> None:
    """Board time = file time + offset: the file's day in 2025 is second 100 of the board."""
    start = 1760000000.0
    given = log(
        channel("meter_power", [start, start + 0.5, start + 1.0], [1.0, NAN, 3.0]),
        channel("meter_voltage", [start], [5.0], unit="V"),
        channel("meter_energy", [start, start + 1.0], [10.0, 12.0], unit="J", kind="counter"),
    )
    power, energy = power_traces(given, 100.0 - start)
    assert power.channel == Channel("meter", "meter_power", "W", "gauge", "wall", "external meter")
    assert list(power.time_s) == [100.0, 100.5, 101.0]
    assert list(power.value) == pytest.approx([1.0, NAN, 3.0], nan_ok=True)
    assert energy == Trace(
        Channel("meter", "meter_energy", "J", "counter", "wall", "external meter"),
        column([100.0, 101.0]),
        column([10.0, 12.0]),
    )


@pytest.mark.parametrize(
    ("kind", "name", "scope", "provenance"),
    [
        ("tegrastats", "VDD_IN_power", "rail", "board rail"),
        ("vcgencmd", "VDD_CORE_power", "rail", "board rail"),
        ("vcgencmd", "pmic_power", "PMIC rails", "board rail"),
        ("nvml-csv", "gpu0_power", "GPU", "hardware counter"),
        ("meter-csv", "meter_power", "wall", "external meter"),
    ],
)
def test_scope_and_provenance_are_the_kinds_unless_said(kind: str, name: str, scope: str, provenance: str) -> None:
    given = log(channel(name, [1.0], [2.0]), kind=kind)
    (usual,) = power_traces(given, 0.0)
    assert (usual.channel.scope, usual.channel.provenance) == (scope, provenance)
    (said,) = power_traces(given, 0.0, scope="board input", provenance="modelled")
    assert (said.channel.scope, said.channel.provenance) == ("board input", "modelled")


def test_every_kind_has_its_usual_scope() -> None:
    assert set(DEFAULTS) == set(READERS)


def test_rails_that_are_not_connected_and_limits_are_left_out() -> None:
    given = log(
        channel("NC_power", [1.0], [0.0]),
        channel("NC_power#2", [1.0], [0.0]),
        channel("VDD_IN_power", [1.0], [4.0]),
        channel("VDD_IN_power#2", [1.0], [5.0]),
        channel("gpu0_power_limit", [1.0], [250.0]),
        channel("gpu0_column3", [1.0], [60.0]),
        kind="tegrastats",
    )
    assert [trace.channel.name for trace in power_traces(given, 0.0)] == ["VDD_IN_power", "VDD_IN_power#2"]


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        ([10, 11, 12], [10, 11, 12]),
        ([10, 10, 11, 11, 11, 11, 12], [10, 10.5, 11, 11.25, 11.5, 11.75, 12]),
        # A pause is no reason to stretch a second; the last group is as long as the one before.
        ([10, 10, 20, 20], [10, 10.5, 20, 20.5]),
        ([10.0, 10.0, 10.2, 10.2], [10.0, 10.1, 10.2, 10.3]),
        ([10, 10, 10, 10], [10, 10.25, 10.5, 10.75]),
    ],
)
def test_readings_that_share_a_stamp_are_spread_to_the_next(stamps: list[float], expected: list[float]) -> None:
    (trace,) = power_traces(log(channel("meter_power", stamps, [1.0] * len(stamps))), 0.0)
    assert list(trace.time_s) == pytest.approx(expected)
    assert len(trace.value) == len(stamps)


def test_readings_without_a_time_are_left_out() -> None:
    given = log(
        channel("a_power", [NAN, 1.0, NAN, 2.0], [1.0, 2.0, 3.0, 4.0]),
        channel("b_power", [NAN, NAN], [1.0, 2.0]),
        kind="tegrastats",
    )
    (trace,) = power_traces(given, 0.5)
    assert (trace.channel.name, list(trace.time_s), list(trace.value)) == ("a_power", [1.5, 2.5], [2.0, 4.0])


@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        ("tegrastats", "`tegrastats | ts %.s`"),
        ("vcgencmd", "`while sleep 1; do vcgencmd pmic_read_adc; done | ts %.s`"),
        ("nvml-csv", "log with timestamp among the columns of --query-gpu"),
    ],
)
def test_a_log_without_times_has_no_place_on_the_clock(kind: str, remedy: str) -> None:
    with pytest.raises(UsageError) as refused:
        power_traces(log(channel("x_power", [NAN, NAN], [1.0, 2.0]), kind=kind), 0.0)
    assert "bench.csv holds no times" in str(refused.value)
    assert remedy in str(refused.value)


def test_a_log_without_power_is_refused() -> None:
    with pytest.raises(UsageError, match=r"bench.csv holds no channel of power or energy: log one"):
        power_traces(log(channel("meter_voltage", [1.0], [5.0], unit="V")), 0.0)


def test_a_clock_that_was_set_back_is_refused() -> None:
    with pytest.raises(UsageError, match=r"bench.csv: the clock of x_power goes back from 9.000 to 3.000 s: cut"):
        power_traces(log(channel("x_power", [8.0, 9.0, 3.0], [1.0, 1.0, 1.0])), 0.0)


@pytest.mark.parametrize("offset_s", [NAN, math.inf])
def test_an_offset_is_a_number(offset_s: float) -> None:
    with pytest.raises(UsageError, match=r"a clock offset of .* is none: give a number of seconds"):
        power_traces(log(channel("x_power", [1.0], [1.0])), offset_s)


@pytest.mark.parametrize(
    ("start_s", "end_s", "expected"),
    [
        (2.5, 3.5, [2.0, 3.0, 4.0]),
        (2.0, 4.0, [2.0, 3.0, 4.0]),
        (2.2, 2.4, [2.0, 3.0]),
        (-5.0, 1.5, [1.0, 2.0]),
        (4.5, 99.0, [4.0, 5.0]),
        (0.0, 99.0, [1.0, 2.0, 3.0, 4.0, 5.0]),
        (8.0, 9.0, [5.0]),
        (-2.0, -1.0, [1.0]),
    ],
)
def test_a_part_keeps_a_reading_on_either_side(start_s: float, end_s: float, expected: list[float]) -> None:
    whole = Trace(
        Channel("log", "x_power", "W", "gauge", "wall", "external meter"), column([1, 2, 3, 4, 5]), column([6] * 5)
    )
    part = clipped(whole, start_s, end_s)
    assert (list(part.time_s), list(part.value), part.channel) == (expected, [6.0] * len(expected), whole.channel)


def test_a_part_is_moved_to_the_boards_clock() -> None:
    whole = Trace(
        Channel("log", "x_power", "W", "gauge", "wall", "external meter"), column(range(100, 200)), column(range(100))
    )
    part = placed(whole, -100.0, 50.0, 51.5)
    assert (list(part.time_s), list(part.value)) == ([50.0, 51.0, 52.0], [50.0, 51.0, 52.0])


def test_from_a_file_to_its_energy(tmp_path: Path) -> None:
    """A ramp from 2 to 4 W over 10 s is 30 J, wherever the clock stands."""
    path = tmp_path / "ramp.csv"
    rows = [f"2026-01-01T00:00:{second:02d}Z,{2000 + 200 * second}" for second in range(11)]
    path.write_text("timestamp,power_mw\n" + "\n".join(rows))
    (trace,) = power_traces(read("meter-csv", path), 5.0 - 1767225600.0)
    times, watts = list(trace.time_s), list(trace.value)
    assert (times[0], times[-1]) == (5.0, 15.0)
    energy = sum((watts[i] + watts[i + 1]) / 2 * (times[i + 1] - times[i]) for i in range(10))
    assert energy == pytest.approx(30.0)
