"""Files of nvidia-smi: units of the header or of the cell, several GPUs, what is not supported."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.agent.decoders.nvml_csv import decode, guess_header, identity, read_header, stamp_s

FIXED = settings(
    derandomize=True, database=None, deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow]
)
NAN = math.nan


def values(header: str, row: str, gpu: str = "gpu0") -> dict[str, float]:
    decoded = decode(row, read_header(header), gpu)
    assert decoded.unknown == []
    return {one.name: one.value for one in decoded.readings}


@pytest.mark.parametrize(
    ("title", "cell", "name", "unit", "value"),
    [
        ("power.draw [W]", "208.36 W", "gpu0_power", "W", 208.36),
        ("power.draw.average [W]", "41.5 W", "gpu0_average_power", "W", 41.5),
        ("power.draw.instant [W]", "39.25 W", "gpu0_instant_power", "W", 39.25),
        ("module.power.draw.instant [W]", "90.00 W", "gpu0_module_instant_power", "W", 90.0),
        # A limit is no power that is drawn: its name must not end like one.
        ("power.limit [W]", "250.00 W", "gpu0_power_limit", "W", 250.0),
        ("enforced.power.limit [W]", "250.00 W", "gpu0_enforced_power_limit", "W", 250.0),
        ("clocks.current.sm [MHz]", "1545 MHz", "gpu0_sm_clock", "Hz", 1.545e9),
        ("clocks.current.memory [MHz]", "6800 MHz", "gpu0_memory_clock", "Hz", 6.8e9),
        ("clocks.max.sm [MHz]", "2100 MHz", "gpu0_clocks_max_sm", "Hz", 2.1e9),
        ("utilization.gpu [%]", "57 %", "gpu0_load", "1", 0.57),
        ("utilization.memory [%]", "7 %", "gpu0_memory_load", "1", 0.07),
        ("fan.speed [%]", "30 %", "gpu0_fan_speed", "1", 0.3),
        ("memory.used [MiB]", "2163 MiB", "gpu0_memory_used", "B", 2163 * 2.0**20),
        ("memory.total [MiB]", "11264 MiB", "gpu0_memory_total", "B", 11264 * 2.0**20),
        ("temperature.gpu", "45", "gpu0_temperature", "degC", 45.0),
        ("temperature.memory", "N/A", "gpu0_memory_temperature", "degC", NAN),
        # With nounits only the header says the unit.
        ("power.draw [W]", "208.36", "gpu0_power", "W", 208.36),
        ("clocks.current.graphics [MHz]", "1545", "gpu0_graphics_clock", "Hz", 1.545e9),
        ("power.draw [W]", "208360 mW", "gpu0_power", "W", 208.36),
        ("power.draw [W]", "[N/A]", "gpu0_power", "W", NAN),
        ("power.draw [W]", "[Not Supported]", "gpu0_power", "W", NAN),
        ("power.draw [W]", "[Unknown Error]", "gpu0_power", "W", NAN),
        ("power.draw [W]", "[GPU is lost]", "gpu0_power", "W", NAN),
        ("clocks_throttle_reasons.hw_slowdown", "Active", "throttled_gpu0_hw_slowdown", "flag", 1.0),
        ("clocks_event_reasons.sw_thermal_slowdown", "Not Active", "throttled_gpu0_sw_thermal_slowdown", "flag", 0.0),
        ("clocks_event_reasons.sw_power_cap", "Active", "frequency_capped_gpu0_sw_power_cap", "flag", 1.0),
        ("clocks_event_reasons.hw_slowdown", "[N/A]", "throttled_gpu0_hw_slowdown", "flag", NAN),
    ],
)
def test_a_column_becomes_a_channel(title: str, cell: str, name: str, unit: str, value: float) -> None:
    decoded = decode(cell, read_header(title))
    assert decoded.unknown == []
    (one,) = decoded.readings
    assert (one.name, one.unit, one.kind) == (name, unit, "gauge")
    assert one.value == pytest.approx(value, rel=1e-15, abs=0, nan_ok=True)


def test_three_powers_stay_three_channels() -> None:
    header = "power.draw [W], power.draw.average [W], power.draw.instant [W]"
    assert values(header, "1.5 W, 2.5 W, [N/A]", "gpu3") == pytest.approx(
        {"gpu3_power": 1.5, "gpu3_average_power": 2.5, "gpu3_instant_power": NAN}, nan_ok=True
    )


@pytest.mark.parametrize(
    ("mask", "active"),
    [
        ("0x0000000000000000", []),
        ("0x0000000000000001", []),  # idle
        ("0x0000000000000004", ["frequency_capped_gpu0_sw_power_cap"]),
        ("0x0000000000000048", ["throttled_gpu0_hw_slowdown", "throttled_gpu0_hw_thermal_slowdown"]),
        ("0xA2", ["throttled_gpu0_sw_thermal_slowdown", "throttled_gpu0_hw_power_brake_slowdown"]),
    ],
)
def test_the_mask_of_reasons_is_a_flag_for_each_that_slows_down(mask: str, active: list[str]) -> None:
    found = values("clocks_throttle_reasons.active", mask)
    assert len(found) == 5
    assert sorted(name for name, value in found.items() if value) == sorted(active)
    assert all(math.isnan(value) for value in values("clocks_throttle_reasons.active", "[N/A]").values())


def test_text_is_no_quantity_and_a_title_that_nobody_knows_is_told() -> None:
    header = "index, name, uuid, driver_version, pstate, pci.bus_id, clocks_event_reasons.gpu_idle, timestamp"
    row = "0, NVIDIA RTX A2000, GPU-1b2c, 570.86, P2, 00000000:01:00.0, Active, 2026/01/02 03:04:05.678"
    assert values(header, row) == {}
    columns = {column.title: column.role for column in read_header("temperature.gpu, warp.factor, spin [rpm]")}
    assert columns == {"temperature.gpu": "value", "warp.factor": "unknown", "spin": "unknown"}


@pytest.mark.parametrize(
    ("header", "row", "unknown"),
    [
        ("power.draw [W]", "full", ["full"]),
        ("power.draw [W]", "5 MHz", ["5 MHz"]),
        ("power.draw [W]", "5 parsec", ["5 parsec"]),
        ("power.draw [W]", "9" * 400 + " W", ["9" * 400 + " W"]),
        ("power.draw [W], index", "5 W", ["5 W"]),
        ("power.draw [W]", "5 W, 6 W", ["5 W, 6 W"]),
        ("timestamp, power.draw [W]", "yesterday, 5 W", ["yesterday"]),
        ("clocks_event_reasons.active, clocks_event_reasons.hw_slowdown", "0xZ, Maybe", ["0xZ", "Maybe"]),
        ("power.draw [W]", "", []),
    ],
)
def test_what_cannot_be_read_is_kept_as_it_stood(header: str, row: str, unknown: list[str]) -> None:
    assert decode(row, read_header(header)).unknown == unknown


@pytest.mark.parametrize("line", ["0, 2025/04/09 08:59:06.356, 63.86 W", "63.86", "GPU-1, P0", "", "Power [W]"])
def test_a_row_is_no_header(line: str) -> None:
    assert read_header(line) is None


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("index, 2026/01/02 03:04:05.250", 1767323045.25),
        ("0, 1970/01/01 00:00:01.500", 1.5),
        ("0, 2026/02/30 00:00:00.000", NAN),
        ("0, now", NAN),
    ],
)
def test_the_time_stamp(row: str, expected: float) -> None:
    assert stamp_s(row, read_header("index, timestamp")) == pytest.approx(expected, abs=0, nan_ok=True)


@pytest.mark.parametrize(
    ("header", "row", "expected"),
    [
        ("index, uuid, name", "3, GPU-1, A100", ("index", "3")),
        ("name, uuid", "A100, GPU-1", ("id", "GPU-1")),
        ("pci.bus_id, power.draw [W]", "00000000:01:00.0, 5 W", ("id", "00000000:01:00.0")),
        ("name, power.draw [W]", "A100, 5 W", ("model", "A100")),
        ("power.draw [W]", "5 W", None),
    ],
)
def test_what_tells_gpus_apart(header: str, row: str, expected: tuple[str, str] | None) -> None:
    assert identity(row, read_header(header)) == expected


def test_without_a_header_units_tell_the_quantity_and_never_a_power_draw() -> None:
    row = "2, 2026/01/02 03:04:05.250, 63.86 W, 57 %, 45, P0"
    columns: Any = guess_header(row)
    found = {one.name: (one.unit, one.value) for one in decode(row, columns, "gpu2").readings}
    assert found == {"gpu2_column3": ("W", 63.86), "gpu2_column4": ("1", 0.57)}
    assert identity(row, columns) == ("index", "2")
    assert stamp_s(row, columns) == 1767323045.25
    assert guess_header("63.86, 57, 45") is None
    assert guess_header("63.86 W, 57") is not None


# --- captured files


def test_captured_files(shared: Path) -> None:
    folder = shared / "fixtures" / "nvidia-smi"
    rows: dict[str, list[tuple[str, float, dict[str, float]]]] = {}
    for path in sorted(folder.glob("*.csv")):
        header, *lines = path.read_text("utf-8").splitlines()
        columns: Any = read_header(header)
        assert [column.title for column in columns if column.role == "unknown"] == []
        rows[path.stem] = [
            (str(identity(line, columns)), stamp_s(line, columns), values(header, line)) for line in lines
        ]
    clocks = {"gpu0_sm_clock": 1.545e9, "gpu0_memory_clock": 6.8e9, "gpu0_graphics_clock": 1.545e9}
    first, second, third = rows.pop("query_4col_2080ti_2019")
    assert first == ("('index', '0')", pytest.approx(1566572087.307), {"gpu0_power": 208.36, **clocks})
    assert (second[2]["gpu0_power"], second[2]["gpu0_sm_clock"]) == (249.62, 1.56e9)
    assert third == ("('index', '0')", pytest.approx(1566572089.315), {"gpu0_power": 205.51, **clocks})
    four = rows.pop("query_4gpu_power_2025")
    assert [row[0] for row in four] == [f"('index', '{index}')" for index in range(4)]
    assert [row[2]["gpu0_power"] for row in four] == [63.86, 56.78, 56.33, 59.83]
    assert four[3][1] - four[0][1] == pytest.approx(0.007, abs=1e-6)
    loaded = rows.pop("query_power_mem_util_2026")
    memory = {"gpu0_memory_used": 2163 * 2.0**20, "gpu0_load": 1.0}
    assert [row[2] for row in loaded] == [{"gpu0_power": watts, **memory} for watts in (44.94, 45.06, 45.05)]
    assert rows == {}


# --- files that nobody wrote

HEADER = "index, timestamp, power.draw [W], clocks.current.sm [MHz], utilization.gpu [%], temperature.gpu"
CENTI = st.integers(0, 10**6)


@FIXED
@given(CENTI, st.integers(0, 3000), st.integers(0, 100), st.one_of(st.none(), st.integers(-40, 120)), st.booleans())
def test_a_row_printed_again_decodes_the_same(
    centiwatts: int, clock: int, load: int, degrees: int | None, units: bool
) -> None:
    watts, hot = centiwatts / 100, "[N/A]" if degrees is None else str(degrees)
    cells = [f"{watts:.2f} W", f"{clock} MHz", f"{load} %", hot]
    row = ", ".join(["0", "2026/01/02 03:04:05.250", *(cell if units else cell.split(" ")[0] for cell in cells)])
    expected = {"gpu0_power": watts, "gpu0_sm_clock": clock * 1e6, "gpu0_load": load / 100}
    expected["gpu0_temperature"] = NAN if degrees is None else float(degrees)
    assert values(HEADER, row) == pytest.approx(expected, rel=1e-15, abs=0, nan_ok=True)


@FIXED
@given(st.binary(max_size=200))
def test_no_bytes_crash_it(content: bytes) -> None:
    text = content.decode("latin-1")
    for line in (text, f"0, {text}, 5 W, {text}, 5 %, {text}", f"0, 2026/01/02 {text}, 1 W, 2, 3, 4"):
        assert math.isnan(stamp_s(line, read_header(HEADER))) or stamp_s(line, read_header(HEADER)) >= 0
        assert all(math.isfinite(one.value) or math.isnan(one.value) for one in decode(line, read_header(HEADER))[0])
        columns = read_header(line) or guess_header(line) or []
        assert len(decode(line, columns).unknown) <= max(1, len(columns))
