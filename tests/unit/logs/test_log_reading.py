"""Files to logs: which lines belong together, whose GPU a row is of, and what is said of files that are wrong."""

from __future__ import annotations

import contextlib
import math
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import UnknownName, UsageError
from harness.logs.log import Log, summary
from harness.logs.reading import READERS, read

FIXED = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
NAN = math.nan
PMIC = "X_A current(0)={}A\nEXT5V_V volt(24)=5.0V\nX_V volt(8)={}V\n"


def log_of(folder: Path, kind: str, content: str | bytes) -> Log:
    path = folder / "some.log"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read(kind, path)


def series(log: Log) -> dict[str, tuple[list[float], list[float]]]:
    """Times and values by channel."""
    return {channel.name: (list(channel.time_s), list(channel.value)) for channel in log.channels}


def same(
    found: dict[str, tuple[list[float], list[float]]], expected: dict[str, tuple[list[float], list[float]]]
) -> bool:
    return set(found) == set(expected) and all(
        pytest.approx(column, rel=1e-12, nan_ok=True) == found[name][place]
        for name, columns in expected.items()
        for place, column in enumerate(columns)
    )


# --- tegrastats


def test_tegrastats_lines_with_their_own_stamps(tmp_path: Path) -> None:
    text = "01-02-1970 00:00:00 cpu@40.5C VIN 5000mW/1mW odd\n\n01-02-1970 00:00:01 VIN 7000mW/1mW odd <x>\n"
    log = log_of(tmp_path, "tegrastats", text)
    assert (log.kind, log.lines, log.unknown_tokens) == ("tegrastats", 2, ("odd", "<x>"))
    assert log.source == str(tmp_path / "some.log")
    assert series(log) == {
        "cpu_temperature": ([86400.0], [40.5]),
        "VIN_power": ([86400.0, 86401.0], [5.0, 7.0]),
    }


def test_seconds_before_a_line_are_finer_than_its_own_stamp(tmp_path: Path) -> None:
    text = "1760000000.123456 01-02-1970 00:00:00 VIN 5/5\n1760000000.623456 VIN 7/6\nVIN 9/7\n"
    found = series(log_of(tmp_path, "tegrastats", text))
    assert same(found, {"VIN_power": ([1760000000.123456, 1760000000.623456, NAN], [0.005, 0.007, 0.009])})


def test_a_rail_that_comes_twice_is_two_channels(tmp_path: Path) -> None:
    log = log_of(tmp_path, "tegrastats", "NC 1mW/1mW NC 2mW/2mW\nNC 3mW/1mW NC 4mW/2mW\n")
    assert [(channel.name, list(channel.value)) for channel in log.channels] == [
        ("NC_power", [0.001, 0.003]),
        ("NC_power#2", [0.002, 0.004]),
    ]


# --- vcgencmd


def test_answers_of_many_lines_end_where_a_name_comes_again(tmp_path: Path) -> None:
    text = PMIC.format(2, 3) + PMIC.format(4, 3) + "throttled=0x1\n" + PMIC.format(5, 3) + "temp=40.0'C\n"
    found = series(log_of(tmp_path, "vcgencmd", text))
    assert {name: columns[1] for name, columns in found.items() if "_since_" not in name} == {
        "X_current": [2, 4, 5],
        "EXT5V_voltage": [5, 5, 5],
        "X_voltage": [3, 3, 3],
        "X_power": [6, 12, 15],
        "pmic_power": [6, 12, 15],
        "under_voltage": [1],
        "frequency_capped": [0],
        "throttled": [0],
        "throttled_soft_temperature": [0],
        "soc_temperature": [40],
    }


def test_an_answer_that_was_cut_has_no_power(tmp_path: Path) -> None:
    text = PMIC.format(2, 3).rpartition("X_V")[0] + PMIC.format(4, 3)
    found = series(log_of(tmp_path, "vcgencmd", text))
    assert (found["X_current"][1], found["X_power"][1]) == ([2, 4], [12])


def test_the_sum_of_an_answer_that_lacks_a_rail_of_another_is_missing(tmp_path: Path) -> None:
    whole = "X_A current(0)=2A\nY_A current(1)=1A\nX_V volt(8)=3V\nY_V volt(9)=4V\n"
    cut = whole.partition("Y_V")[0]
    found = series(log_of(tmp_path, "vcgencmd", whole + "temp=40.0'C\n" + cut + "temp=41.0'C\n" + whole))
    assert found["pmic_power"][1] == pytest.approx([10.0, NAN, 10.0], nan_ok=True)
    assert "pmic_power" not in series(log_of(tmp_path, "vcgencmd", "EXT5V_V volt(24)=5V\n"))


def test_an_answer_has_the_time_of_its_first_line(tmp_path: Path) -> None:
    lines = (PMIC.format(2, 3) + PMIC.format(4, 3)).splitlines()
    text = "\n".join(f"17600000{second:02d}.5 {line}" for second, line in enumerate(lines))
    found = series(log_of(tmp_path, "vcgencmd", text))
    assert found["X_power"] == found["pmic_power"] == ([1760000000.5, 1760000003.5], [6, 12])


def test_repeated_answers_are_one_channel(tmp_path: Path) -> None:
    log = log_of(tmp_path, "vcgencmd", "frequency(48)=600000000\nno answer\nfrequency(48)=1500000001\n")
    assert series(log)["frequency48_clock"][1] == [6e8, 1.5e9]
    assert (log.lines, log.unknown_tokens) == (3, ("no answer",))


# --- nvml-csv


def test_gpus_go_by_their_index(tmp_path: Path) -> None:
    rows = ["index, timestamp, power.draw [W]"]
    rows += [f"{gpu}, 1970/01/02 00:00:0{second}.00{gpu}, {gpu}{second} W" for second in (0, 1) for gpu in (1, 3)]
    log = log_of(tmp_path, "nvml-csv", "\n".join(rows))
    assert series(log) == {
        "gpu1_power": ([86400.001, 86401.001], [10.0, 11.0]),
        "gpu3_power": ([86400.003, 86401.003], [30.0, 31.0]),
    }
    assert log.lines == 5


@pytest.mark.parametrize("column", ["uuid", "pci.bus_id", "serial", "name"])
def test_gpus_without_an_index_are_numbered_as_they_appear(tmp_path: Path, column: str) -> None:
    text = f"timestamp, {column}, power.draw [W]\n" + "".join(
        f"1970/01/02 00:00:0{second}.00{place}, {gpu}, {watts} W\n"
        for second, place, gpu, watts in ((0, 1, "b", 1), (0, 2, "a", 2), (1, 1, "b", 3), (1, 2, "a", 4))
    )
    found = series(log_of(tmp_path, "nvml-csv", text))
    assert {name: values for name, (_, values) in found.items()} == {"gpu0_power": [1, 3], "gpu1_power": [2, 4]}


def test_one_gpu_needs_no_column_that_tells_it(tmp_path: Path) -> None:
    text = "timestamp, power.draw [W]\n1970/01/02 00:00:00.000, 5 W\n1970/01/02 00:00:00.100, [N/A]\n"
    assert same(series(log_of(tmp_path, "nvml-csv", text)), {"gpu0_power": ([86400.0, 86400.1], [5, NAN])})


@pytest.mark.parametrize(("column", "cell"), [("", ""), ("name, ", "A100, ")])
def test_several_gpus_that_nothing_tells_apart_are_refused(tmp_path: Path, column: str, cell: str) -> None:
    text = (
        f"timestamp, {column}power.draw [W]\n1970/01/02 00:00:00.000, {cell}5 W\n1970/01/02 00:00:00.004, {cell}7 W\n"
    )
    with pytest.raises(UsageError, match=r"some.log:3: less than 20 ms after .*log with index among the columns"):
        log_of(tmp_path, "nvml-csv", text)


def test_files_with_units_need_no_header_and_files_appended_may_have_two(tmp_path: Path) -> None:
    rows = "0, 1970/01/02 00:00:00.000, 5.5 W\n0, 1970/01/02 00:00:01.000, 6.5 W\n"
    bare = series(log_of(tmp_path, "nvml-csv", rows))
    assert bare == {"gpu0_column3": ([86400.0, 86401.0], [5.5, 6.5])}
    header = "index, timestamp, power.draw [W]\n"
    twice = series(log_of(tmp_path, "nvml-csv", header + rows + header.replace("draw", "draw.instant") + rows))
    assert {name: values for name, (_, values) in twice.items()} == {
        "gpu0_power": [5.5, 6.5],
        "gpu0_instant_power": [5.5, 6.5],
    }


def test_columns_and_rows_that_nobody_knows_are_told(tmp_path: Path) -> None:
    text = "a word before\nindex, warp.factor, power.draw [W]\n0, 9, 5 W\n0, 9, 5 W, 6 W\n0, 9, five\n"
    log = log_of(tmp_path, "nvml-csv", text)
    assert log.unknown_tokens == ("a word before", "warp.factor", "0, 9, 5 W, 6 W", "five")
    assert series(log)["gpu0_power"][1] == [5.0]


@pytest.mark.parametrize("text", ["0, 63.86, 57\n", "not a csv\n"])
def test_a_file_without_header_and_units_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match=r"some.log: no header and no units.*--query-gpu=index,timestamp,power.draw"):
        log_of(tmp_path, "nvml-csv", text)


# --- meter-csv


def test_a_meter(tmp_path: Path) -> None:
    text = "# bench meter\ntime_s,power_mw,energy_wh,note\n\n10,1500,0.5,on\n10.5,,0.5,\n# pause\n11,2500,1.0,off\n"
    log = log_of(tmp_path, "meter-csv", text)
    times = [10.0, 10.5, 11.0]
    assert same(
        series(log), {"meter_power": (times, [1.5, NAN, 2.5]), "meter_energy": (times, [1800.0, 1800.0, 3600.0])}
    )
    assert (log.lines, log.unknown_tokens) == (6, ())
    assert [(one.unit, one.kind) for one in log.channels] == [("W", "gauge"), ("J", "counter")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("time_s,power_w\n1,5\n2,five\n", ":3: 'five' in column power_w is not a number: correct the row or delete it"),
        ("time_s,power_w\n1,5\n\n2\n", ":4: 1 cells stand where the header names 2"),
        ("time_s,power_w\nnoon,5\n", ":2: 'noon' in column time_s is neither"),
        ("time_s,power_w\n2,5\n1,5\n", ":3: the time goes back, from 2.000 to 1.000 s: sort the rows, or cut"),
        ("when,power_w\n2,5\n", ":1: the header names no column of times (time_s, time, timestamp): write one"),
        ("time_s,watts\n2,5\n", ":1: the header names no power_w, voltage_v, current_a or energy_j: write one"),
        ("1,5\n2,5\n", ":1: the header names no power_w"),
        ("time_s,power_w\n", "holds no row of readings"),
        ("# nothing\n", "holds no row of readings"),
    ],
)
def test_what_is_wrong_with_a_meters_file_is_said_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        log_of(tmp_path, "meter-csv", text)
    assert f"{tmp_path}/some.log{words if words.startswith(':') else ' ' + words}" in str(refused.value)


# --- files


def test_a_kind_that_nobody_knows_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="no kind of log is called 'tegrastat'; did you mean tegrastats"):
        read("tegrastat", tmp_path)


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty: name the file that {kind} was logged to"),
        (b" \n\r\n\t\n", "is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is a binary file: name the text that the tool printed"),
        ("time_s,power_w\n1,2\n".encode("utf-16"), "is UTF-16: write it anew with `iconv -f UTF-16 -t UTF-8`"),
    ],
)
def test_files_that_are_no_text_are_refused(tmp_path: Path, kind: str, content: bytes, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        log_of(tmp_path, kind, content)
    assert f"{tmp_path}/some.log {words.format(kind=kind)}" in str(refused.value)


@pytest.mark.parametrize("kind", READERS)
def test_files_that_cannot_be_opened_are_named(tmp_path: Path, kind: str) -> None:
    with pytest.raises(UsageError, match=r"cannot read .*/absent.log: No such file or directory; name a log file"):
        read(kind, tmp_path / "absent.log")
    with pytest.raises(UsageError, match=r"cannot read .*: Is a directory; name a log file"):
        read(kind, tmp_path)


@pytest.mark.parametrize(
    ("kind", "content", "unknown", "channel"),
    [
        ("tegrastats", b"VIN 5/5 caf\xe9\xff VIN2 6/6\n", ("caf\ufffd\ufffd",), "VIN2_power"),
        ("vcgencmd", b"temp=1.0'C\n\xfftemp=2.0'C\n", ("\ufffdtemp=2.0'C",), "soc_temperature"),
        ("nvml-csv", b"name, power.draw [W]\nG\xe9 X, 5 W\n", ("G\ufffd",), "gpu0_power"),
        (
            "meter-csv",
            b"time_s,power_w,note\n1,5,caf\xe9\n2,\xff6,\n",
            ("1,5,caf\ufffd", "2,\ufffd6,", "\ufffd6"),
            "meter_power",
        ),
    ],
)
def test_bytes_that_are_no_text_are_told_and_stop_nothing(
    tmp_path: Path, kind: str, content: bytes, unknown: tuple[str, ...], channel: str
) -> None:
    log = log_of(tmp_path, kind, content)
    assert log.unknown_tokens == unknown
    assert channel in {one.name for one in log.channels}


def test_a_mark_of_the_byte_order_and_line_ends_of_windows_are_no_matter(tmp_path: Path) -> None:
    log = log_of(tmp_path, "meter-csv", b"\xef\xbb\xbftime_s,power_w\r\n1,5\r\n2,6")
    assert series(log) == {"meter_power": ([1.0, 2.0], [5.0, 6.0])}


def test_a_log_may_come_through_a_pipe() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"VIN 5000/1\nVIN 6000/1\n")
    os.close(writing)
    try:
        assert series(read("tegrastats", f"/dev/fd/{reading}"))["VIN_power"][1] == [5.0, 6.0]
    finally:
        os.close(reading)


@FIXED
@given(content=st.binary(max_size=300), kind=st.sampled_from(sorted(READERS)))
def test_no_bytes_crash_a_reader(tmp_path: Path, content: bytes, kind: str) -> None:
    start = {"meter-csv": b"time_s,power_w\n1,1\n", "nvml-csv": b"index, timestamp, power.draw [W]\n"}.get(kind, b"")
    for whole in (content, start + content):
        with contextlib.suppress(UsageError):  # what it may be refused for is tested above
            log = log_of(tmp_path, kind, whole)
            assert log.lines > 0
            assert all(not math.isinf(value) for channel in log.channels for value in channel.value)


# --- the summary


def test_the_summary_counts_values_and_missing_ones_apart(tmp_path: Path) -> None:
    text = "VIN 5000/1 gpu@-256C EMC_FREQ 0%\nVIN 6000/1 gpu@30C EMC_FREQ 0% zzz\nVIN 7000/1 gpu@-256C\n"
    assert summary(log_of(tmp_path, "tegrastats", text)) == {
        "lines": 3,
        "unknown_tokens": ["zzz"],
        "channels": {
            "VIN_power": {"unit": "W", "kind": "gauge", "n": 3, "missing": 0, "first": 5.0, "last": 7.0},
            "gpu_temperature": {"unit": "degC", "kind": "gauge", "n": 1, "missing": 2, "first": 30.0, "last": 30.0},
            "EMC_FREQ_load": {"unit": "1", "kind": "gauge", "n": 0, "missing": 2, "first": None, "last": None},
        },
    }


# --- captured files


def test_every_captured_file_is_read_whole(shared: Path) -> None:
    kinds = {"tegrastats": "tegrastats", "rpi": "vcgencmd", "nvidia-smi": "nvml-csv"}
    lines = 0
    for folder, kind in kinds.items():
        for path in sorted((shared / "fixtures" / folder).iterdir()):
            log = read(kind, path)
            assert (log.unknown_tokens, log.lines) == ((), len(path.read_text().splitlines())), path
            assert log.channels, path
            lines += log.lines
    assert lines == 301 + 57 + 13


def test_captured_series(shared: Path) -> None:
    fixtures = shared / "fixtures"
    nvml = summary(read("nvml-csv", fixtures / "nvidia-smi" / "query_4gpu_power_2025.csv"))["channels"]
    assert {name: facts["first"] for name, facts in nvml.items()} == {
        "gpu0_power": 63.86, "gpu1_power": 56.78, "gpu2_power": 56.33, "gpu3_power": 59.83,
    }  # fmt: skip
    rails = summary(read("vcgencmd", fixtures / "rpi" / "pi5_pmic_read_adc_idle_pidash.txt"))["channels"]
    assert (len(rails), rails["VDD_CORE_power"]["n"]) == (38 + 1, 1)
    assert rails["pmic_power"]["first"] == pytest.approx(1.9005, abs=5e-5)
    assert rails["VDD_CORE_power"]["first"] == pytest.approx(0.9465799 * 0.7209762)
    xavier = summary(read("tegrastats", fixtures / "tegrastats" / "xaviernx-r35-user.log"))["channels"]
    assert xavier["VDD_IN_power"] == {
        "unit": "W",
        "kind": "gauge",
        "n": 103,
        "missing": 0,
        "first": 5.542,
        "last": 13.751,
    }
    assert (xavier["EMC_FREQ_load"]["n"], xavier["EMC_FREQ_load"]["missing"]) == (0, 103)
    assert (xavier["PMIC_temperature"]["missing"], xavier["GR3D_FREQ_load"]["last"]) == (103, 0.99)
