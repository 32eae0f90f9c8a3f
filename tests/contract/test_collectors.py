"""What every collector of the table owes its Protocol, on the machine at hand and under a captured one."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from harness.agent import collectors
from harness.agent.tables import resolve
from tests.support import power_trees
from tests.support.agent_side import place, process_stat, tree

UNITS = {"B", "s", "1", "Hz", "degC", "W", "J", "V", "A", "1/s", "rpm", "%", "flag", "event"}
# Those that read /proc and /sys alone, so that a captured machine is all they need.
OVER_FILES = ("battery", "cpu", "ina", "others", "process", "rapl", "thermal", "throttle")
Make = Callable[[], Any]


@pytest.fixture(scope="module")
def captured(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tree on which every collector over files has something to read; once for all, for they only read."""
    folder = tmp_path_factory.mktemp("captured")
    zone, clock = "sys/class/thermal/thermal_zone0", "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"
    own = os.getpid()
    for make in (power_trees.orin_nano, power_trees.intel_desktop, power_trees.laptop, power_trees.orin_throttle):
        make(folder)
    return tree(
        folder,
        {
            "proc/stat": "cpu  5 0 5 90 0 0 0 0 0 0\ncpu0 5 0 5 90 0 0 0 0 0 0\n",
            "proc/pressure/cpu": "some avg10=0.00 avg60=0.00 avg300=0.00 total=1000\n",
            f"proc/{own}/status": "VmRSS:\t 100 kB\nvoluntary_ctxt_switches:\t1\nnonvoluntary_ctxt_switches:\t0\n",
            f"proc/{own}/stat": process_stat(own, "python"),
            f"{zone}/type": "cpu\n",
            f"{zone}/temp": "50000\n",
            clock: "1500000\n",
        },
    )


@pytest.fixture(params=sorted(collectors.TABLE))
def name(request: pytest.FixtureRequest) -> str:
    """Every entry of the table."""
    return request.param


@pytest.fixture(params=["here", "captured", "nothing"])
def make(request: pytest.FixtureRequest, name: str, captured: str, tmp_path: Path) -> Make:
    """Make the collector: on this machine, on a captured one, on one that shows nothing."""
    root = {"here": "/", "captured": captured, "nothing": str(tmp_path / "nothing")}[request.param]
    collector = resolve(collectors.TABLE, "collector", name)
    return lambda: collector(place(root))


def readings(collector: Any, count: int) -> list[Sequence[float]]:
    """So many readings of a collector that has been started; fewer where what it plays is over sooner."""
    rows: list[Sequence[float]] = []
    with suppress(EOFError):
        while len(rows) < count:
            rows.append(collector.wait()[1] if hasattr(collector, "wait") else collector.read())
    return rows


def test_it_goes_by_the_name_in_the_table(make: Make, name: str) -> None:
    assert make().name == name


def test_a_reason_is_a_sentence_or_none(make: Make) -> None:
    reason = make().why_unavailable()
    assert reason is None or (isinstance(reason, str) and len(reason) > 10)


def test_its_channels_say_what_they_are(make: Make) -> None:
    collector = make()
    channels = collector.channels()
    assert len({channel.name for channel in channels}) == len(channels)
    assert bool(channels) or collector.why_unavailable() is not None
    for channel in channels:
        assert channel.kind in ("gauge", "counter")
        assert channel.unit in UNITS
        assert channel.scope
        assert channel.provenance


def test_a_reading_has_one_number_per_channel(make: Make) -> None:
    collector = make()
    if collector.why_unavailable() is not None:
        return
    collector.start()
    channels = collector.channels()
    rows = readings(collector, 3)
    collector.stop()
    assert len(rows) == 3 or hasattr(collector, "wait")  # a recording may be shorter
    assert [len(row) for row in rows] == [len(channels)] * len(rows)
    assert all(isinstance(value, int | float) for row in rows for value in row)
    for position, channel in enumerate(channels):
        column = [row[position] for row in rows if not math.isnan(row[position])]
        # Three processes are read one after the other for `other_busy`: it may step back by a clock tick or two.
        slack = 0.05 if channel.name == "other_busy" else 0.0
        assert channel.kind == "gauge" or all(b >= a - slack for a, b in pairwise(column))


def test_it_can_be_started_again(make: Make) -> None:
    collector = make()
    if collector.why_unavailable() is not None:
        return
    for _ in range(2):
        collector.start()
        assert all(len(row) == len(collector.channels()) for row in readings(collector, 1))
        collector.stop()


def open_files() -> list[str]:
    """What this process has open, except for the listing itself."""
    return sorted(str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.exists())


def test_it_gives_back_what_it_opened(make: Make) -> None:
    collector = make()
    if collector.why_unavailable() is not None:
        return
    before = open_files()
    collector.start()
    readings(collector, 1)
    collector.stop()
    assert open_files() == before


@pytest.mark.parametrize("name", OVER_FILES)
def test_it_reads_something_on_the_captured_machine(name: str, captured: str) -> None:
    collector = resolve(collectors.TABLE, "collector", name)(place(captured))
    assert collector.why_unavailable() is None
    collector.start()
    values = collector.read()
    collector.stop()
    assert not any(math.isnan(value) for value in values)
