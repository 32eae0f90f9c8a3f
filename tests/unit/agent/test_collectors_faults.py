"""Every reader of files against files that fail, vanish, hold nonsense or block: one reading of one file is missing.

A read that hangs in the kernel is not met here: polling gives each collector a thread of its own, and watches it.
"""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.agent.collectors import files
from harness.agent.collectors.battery import BatteryCollector
from harness.agent.collectors.cpu import CpuCollector
from harness.agent.collectors.files import Reader
from harness.agent.collectors.ina import InaCollector
from harness.agent.collectors.rapl import RaplCollector
from harness.agent.collectors.thermal import ThermalCollector
from harness.agent.collectors.throttle import ThrottleCollector
from tests.support import power_trees
from tests.support.agent_side import place, tree


def thermal(root: Path) -> str:
    """Two zones."""
    named = {f"thermal_zone{number}/type": f"zone{number}" for number in (0, 1)}
    named.update({f"thermal_zone{number}/temp": f"{number + 40}000" for number in (0, 1)})
    return tree(root, {f"sys/class/thermal/{path}": text for path, text in named.items()})


def cpu(root: Path) -> str:
    """Two cores with a clock each."""
    clocks = {f"sys/devices/system/cpu/cpu{core}/cpufreq/scaling_cur_freq": "1500000\n" for core in (0, 1)}
    rows = "".join(f"cpu{core} 5 0 5 90 0 0 0 0 0 0\n" for core in (0, 1))
    return tree(root, {"proc/stat": "cpu  10 0 10 180 0 0 0 0 0 0\n" + rows, **clocks})


@dataclass(frozen=True)
class Case:
    """A collector on a tree, one of its files, and the channels that file is needed for."""

    make: Any
    build: Callable[[Path], str]
    file: str
    channels: tuple[str, ...]
    # What a negative number in that file reads as; None: missing.
    negative: Mapping[str, float] | None = None
    # Whether the collector is of use without that file.
    usable_without: bool = True


HWMON = "sys/class/hwmon/hwmon1"
CASES = {
    "ina-iio-power": Case(
        InaCollector,
        power_trees.nano,
        "sys/bus/i2c/devices/6-0040/iio:device0/in_power1_input",
        ("POM_5V_GPU_power",),
        {"POM_5V_GPU_power": -0.012},
    ),
    "ina-hwmon-current": Case(
        InaCollector,
        power_trees.orin_nano,
        f"{HWMON}/curr2_input",
        ("VDD_CPU_GPU_CV_power", "VDD_CPU_GPU_CV_current"),
        {"VDD_CPU_GPU_CV_power": -0.060288, "VDD_CPU_GPU_CV_current": -0.012},
    ),
    "ina-single-power": Case(
        InaCollector,
        power_trees.thor,
        "sys/class/hwmon/hwmon2/power1_input",
        ("ina238_2-0044_power",),
        {"ina238_2-0044_power": -0.000012},
    ),
    "rapl": Case(
        RaplCollector, power_trees.intel_desktop, "sys/class/powercap/intel-rapl:0:2/energy_uj", ("dram_energy",)
    ),
    "battery-power": Case(
        BatteryCollector,
        power_trees.laptop,
        "sys/class/power_supply/BAT0/power_now",
        ("BAT0_power",),
        {"BAT0_power": 0.000012},
        usable_without=False,
    ),
    "throttle-event": Case(
        ThrottleCollector,
        power_trees.orin_throttle,
        "sys/class/hwmon/hwmon9/oc1_event_cnt",
        ("throttled_oc1",),
        {"throttled_oc1": -12.0},
    ),
    "throttle-flag": Case(
        ThrottleCollector,
        power_trees.orin_throttle,
        "sys/devices/system/cpu/cpufreq/policy4/scaling_max_freq",
        ("frequency_capped_cpu4",),
        {"frequency_capped_cpu4": 1.0},
    ),
    "thermal": Case(
        ThermalCollector, thermal, "sys/class/thermal/thermal_zone1/temp", ("zone1_1",), {"zone1_1": -0.012}
    ),
    "cpu-clock": Case(
        CpuCollector,
        cpu,
        "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq",
        ("cpu1_clock",),
        {"cpu1_clock": -12_000.0},
    ),
}


class Flaky:
    """Makes Readers, of which that of one file fails with `error` while there is one, to open or to read."""

    def __init__(self, file: str | os.PathLike[str] = "") -> None:
        self.file = os.path.realpath(file) if file else None  # without one: all of them
        self.error: int | None = None
        self.at_opening = False

    def __call__(self, path: str) -> Any:
        concerned = self.file in (None, os.path.realpath(path))
        if self.at_opening and concerned:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        reader = Reader(path)
        outer = self

        class Wrapped:
            close = reader.close

            def read(self) -> str:
                if outer.error is not None and concerned:
                    raise OSError(outer.error, os.strerror(outer.error))
                return reader.read()

        return Wrapped()


def row(collector: Any) -> dict[str, float]:
    """One reading by channel name."""
    return dict(zip([channel.name for channel in collector.channels()], collector.read(), strict=True))


def assert_missing(found: Mapping[str, float], before: Mapping[str, float], channels: tuple[str, ...]) -> None:
    """These channels are missing, and all others read as before."""
    assert {name for name, value in found.items() if math.isnan(value)} == set(channels)
    others = [name for name in before if name not in channels]
    assert others
    assert [found[name] for name in others] == [before[name] for name in others]


@pytest.fixture(params=sorted(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.mark.parametrize(
    "number", [errno.EIO, errno.ENODATA, errno.ENODEV, errno.EAGAIN, errno.EACCES, errno.ETIMEDOUT]
)
def test_a_read_that_fails_is_missing_until_it_works_again(tmp_path: Path, case: Case, number: int) -> None:
    root = case.build(tmp_path)
    flaky = Flaky(tmp_path / case.file)
    collector = case.make(place(root), reader=flaky)
    assert collector.why_unavailable() is None
    collector.start()
    before = row(collector)
    flaky.error = number
    assert_missing(row(collector), before, case.channels)
    flaky.error = None
    assert row(collector) == before
    collector.stop()


@pytest.mark.parametrize(
    "content", ["", "\n", "garbage\n", "12 34\n", "0x1F\n", "nan\n", "1e3\n", "9" * 400, "\xff\xfe"]
)
def test_what_is_no_number_is_missing(tmp_path: Path, case: Case, content: str) -> None:
    root = case.build(tmp_path)
    collector = case.make(place(root))
    collector.start()
    before = row(collector)
    tree(tmp_path, {case.file: content.encode("latin-1")})
    assert_missing(row(collector), before, case.channels)
    collector.stop()


def test_a_negative_number_is_what_it_means(tmp_path: Path, case: Case) -> None:
    root = case.build(tmp_path)
    collector = case.make(place(root))
    collector.start()
    before = row(collector)
    tree(tmp_path, {case.file: "-12\n"})
    found = row(collector)
    collector.stop()
    if case.negative is None:
        assert_missing(found, before, case.channels)
    else:
        assert found == pytest.approx({**before, **case.negative}, abs=1e-12)


def test_a_file_that_is_gone_before_the_start_takes_no_other_along(tmp_path: Path, case: Case) -> None:
    root = case.build(tmp_path)
    whole = case.make(place(root))
    whole.start()
    before = row(whole)
    whole.stop()
    collector = case.make(place(root))
    (tmp_path / case.file).unlink()
    collector.start()
    assert_missing(row(collector), before, case.channels)
    collector.stop()
    assert collector.channels() == whole.channels()


def test_a_file_that_will_not_open_is_missing(tmp_path: Path, case: Case) -> None:
    root = case.build(tmp_path)
    flaky = Flaky(tmp_path / case.file)
    collector = case.make(place(root), reader=flaky)
    collector.start()
    before = row(collector)
    collector.stop()
    flaky.at_opening = True
    collector.start()
    for _ in range(3):
        assert_missing(row(collector), before, case.channels)
    collector.stop()


def swap_for_folder(path: Path) -> None:
    path.mkdir()


def swap_for_pipe(path: Path) -> None:
    os.mkfifo(path)


def swap_for_kernel_error(path: Path) -> None:
    path.symlink_to("/proc/self/mem")  # whose first page is never mapped: EIO, by the kernel itself


@pytest.mark.parametrize("swap", [swap_for_folder, swap_for_pipe, swap_for_kernel_error])
def test_something_else_in_the_place_of_the_file_neither_blocks_nor_ends_it(
    tmp_path: Path, case: Case, swap: Callable[[Path], None]
) -> None:
    root = case.build(tmp_path)
    whole = case.make(place(root))
    whole.start()
    before = row(whole)
    whole.stop()
    (tmp_path / case.file).unlink()
    swap(tmp_path / case.file)
    collector = case.make(place(root))
    assert (collector.why_unavailable() is None) == case.usable_without
    collector.start()
    found = row(collector)
    collector.stop()
    if [channel.name for channel in collector.channels()] == list(before):
        assert_missing(found, before, case.channels)
    else:
        assert found == {name: value for name, value in before.items() if name not in case.channels}


def test_where_no_file_can_be_read_the_reason_says_so(tmp_path: Path, case: Case) -> None:
    if case.make is CpuCollector:
        assert "lists no core: mount proc" in CpuCollector(place(tmp_path)).why_unavailable()
        return
    flaky, root = Flaky(), case.build(tmp_path)
    for number, remedy in ((errno.EACCES, "sudo chmod a+r"), (errno.EIO, "sudo dmesg")):
        flaky.error = number
        reason = case.make(place(root), reader=flaky).why_unavailable()
        if case.make is ThermalCollector:
            remedy = "load its thermal driver"
        else:
            assert os.strerror(number) in reason
        assert str(tmp_path) in reason
        assert remedy in reason


def test_a_second_stop_and_one_before_the_start_do_nothing(tmp_path: Path, case: Case) -> None:
    collector = case.make(place(case.build(tmp_path)))
    collector.stop()
    collector.start()
    collector.stop()
    collector.stop()
    assert collector.why_unavailable() is None


# --- files


def test_a_reader_never_waits(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = Reader(str(tmp_path / "pipe"))
    with pytest.raises(OSError, match="Illegal seek"):
        reader.read()
    reader.close()
    assert files.read_text(str(tmp_path / "pipe")) == ""


def test_a_pipe_whose_writer_is_silent_reads_as_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    ends = [os.open(tmp_path / "pipe", os.O_RDWR), os.open(tmp_path / "pipe", os.O_WRONLY)]
    assert files.read_text(str(tmp_path / "pipe")) == ""
    for end in ends:
        os.close(end)


def test_a_closed_reader_fails_instead_of_reading_another_file(tmp_path: Path) -> None:
    (tmp_path / "value").write_text("1")
    reader = Reader(str(tmp_path / "value"))
    reader.close()
    with (tmp_path / "value").open(), pytest.raises(OSError, match="Bad file descriptor"):
        reader.read()


@pytest.mark.parametrize(
    ("text", "expected"),
    [("5032\n", 5032.0), (" -8 ", -8.0), ("+3", 3.0), ("60293987000000", 60_293_987_000_000.0), ("0", 0.0)],
)
def test_numbers_of_the_kernel(text: str, expected: float) -> None:
    assert files.number_in(text) == expected


@pytest.mark.parametrize("text", [None, "", "1_000", "1.5", "inf", "1e9", "٣", "--1", "1 2", "1\x00"])
def test_everything_else_is_no_number(text: str | None) -> None:
    assert math.isnan(files.number_in(text))


def test_an_error_raised_again_does_not_grow(tmp_path: Path) -> None:
    reader = files.open_or_not(str(tmp_path / "absent"))
    depths = []
    for _ in range(3):
        with pytest.raises(FileNotFoundError, match="absent") as caught:
            reader.read()
        depths.append(len(caught.traceback))
    assert depths[0] == depths[2]
    reader.close()


def test_names_of_one_kind_are_numbered_from_the_second_on() -> None:
    assert files.told_apart(["a", "b", "a", "a"]) == ["a", "b", "a#2", "a#3"]


def test_numbers_in_names_sort_by_their_value() -> None:
    assert sorted(["hwmon10", "hwmon2", "1-0040", "10-0040", "2-0040"], key=files.natural) == [
        "1-0040",
        "2-0040",
        "10-0040",
        "hwmon2",
        "hwmon10",
    ]
