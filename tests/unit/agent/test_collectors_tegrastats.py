"""The tegrastats feed against small programs that print lines in its grammar, and against the captured logs."""

from __future__ import annotations

import math
import os
import queue
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.agent.collectors import Channel, Place
from harness.agent.collectors.tegrastats import Child, TegrastatsFeed
from tests.support.agent_side import living_members

LINE = "RAM 1000/4000MB (lfb 2x4MB) CPU [{load}%@1000,off] GR3D_FREQ 50%@600 GPU@40.5C VDD_IN {mw}/9000 NC 0/0"
FIRST = [LINE.format(load=10, mw=mw) for mw in (2000, 3000, 4000)]
MIB = 1024**2
CHANNELS = [
    Channel("ram_used", "B", "gauge", "board", "tegrastats"),
    Channel("ram_total", "B", "gauge", "board", "tegrastats"),
    Channel("ram_largest_block", "B", "gauge", "board", "tegrastats"),
    Channel("ram_largest_blocks", "count", "gauge", "board", "tegrastats"),
    Channel("cpu0_load", "1", "gauge", "board", "tegrastats"),
    Channel("cpu0_clock", "Hz", "gauge", "board", "tegrastats"),
    Channel("cpu1_load", "1", "gauge", "board", "tegrastats"),
    Channel("cpu1_clock", "Hz", "gauge", "board", "tegrastats"),
    Channel("GR3D_FREQ_load", "1", "gauge", "board", "tegrastats"),
    Channel("GR3D_FREQ_clock", "Hz", "gauge", "board", "tegrastats"),
    Channel("GPU_temperature", "degC", "gauge", "board", "tegrastats"),
    Channel("VDD_IN_power", "W", "gauge", "rail", "board rail"),
]


def place(root: Path, period_s: float = 0.1, **options: Any) -> Place:
    return Place(str(root), os.getpid(), os.getpid(), period_s, options)


def program(root: Path, body: str) -> Path:
    """A tegrastats below the root that does what `body` says."""
    path = root / "usr/bin/tegrastats"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + body)
    path.chmod(0o755)
    return path


def printing(root: Path, lines: list[str], then: str = "exec sleep 600") -> Path:
    """A tegrastats that prints these lines and then lives on, or does what `then` says."""
    (root / "lines").write_text("".join(line + "\n" for line in lines))
    return program(root, f'cat "{root}/lines"\n{then}\n')


def started(root: Path, **options: Any) -> TegrastatsFeed:
    feed = TegrastatsFeed(place(root, **options))
    assert feed.why_unavailable() is None
    feed.start()
    return feed


def row(feed: TegrastatsFeed) -> dict[str, float]:
    return dict(zip([channel.name for channel in feed.channels()], feed.wait()[1], strict=True))


def open_files() -> list[str]:
    return sorted(str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.exists())


@pytest.fixture
def fed(tmp_path: Path) -> Iterator[int]:
    """A tegrastats that prints what is written to this descriptor."""
    os.mkfifo(tmp_path / "fifo")
    program(tmp_path, f'exec cat "{tmp_path}/fifo"\n')
    descriptor = os.open(tmp_path / "fifo", os.O_RDWR)
    yield descriptor
    os.close(descriptor)


# --- rows


def test_a_line_is_a_row_in_si_units(tmp_path: Path) -> None:
    printing(tmp_path, FIRST)
    feed = started(tmp_path)
    assert feed.channels() == CHANNELS
    rows = [row(feed) for _ in FIRST]
    feed.stop()
    assert [found["VDD_IN_power"] for found in rows] == [2.0, 3.0, 4.0]
    known = {key: value for key, value in rows[0].items() if not math.isnan(value)}
    assert known == {
        "ram_used": 1000 * MIB,
        "ram_total": 4000 * MIB,
        "ram_largest_block": 4 * MIB,
        "ram_largest_blocks": 2.0,
        "cpu0_load": 0.1,
        "cpu0_clock": 1e9,
        "GR3D_FREQ_load": 0.5,
        "GR3D_FREQ_clock": 6e8,
        "GPU_temperature": 40.5,
        "VDD_IN_power": 2.0,
    }


def test_lines_are_stamped_as_they_arrive(tmp_path: Path, fed: int) -> None:
    os.write(fed, "".join(line + "\n" for line in FIRST).encode())
    feed = started(tmp_path)
    first = [feed.wait()[0] for _ in FIRST]
    asked = time.perf_counter()
    os.write(fed, FIRST[0].encode() + b"\n")
    last, _ = feed.wait()
    feed.stop()
    assert sorted(first) == first
    assert first[-1] <= asked <= last <= time.perf_counter()


def test_channels_come_from_the_first_three_lines(tmp_path: Path) -> None:
    printing(tmp_path, ["CPU [5%@100]", "CPU [5%@100] VDD_IN 1000/1000", "CPU [5%@100] GPU@30C"])
    feed = started(tmp_path)
    names = ["cpu0_load", "cpu0_clock", "VDD_IN_power", "GPU_temperature"]
    assert [channel.name for channel in feed.channels()] == names
    values = [feed.wait()[1] for _ in range(3)]
    feed.stop()
    assert [[math.isnan(value) for value in found[2:]] for found in values] == [
        [True, True],
        [False, True],
        [True, False],
    ]


def test_one_line_is_enough_to_begin(tmp_path: Path) -> None:
    printing(tmp_path, ["VDD_IN 1500/1500"])
    feed = started(tmp_path)
    assert row(feed) == {"VDD_IN_power": 1.5}
    feed.stop()


def test_words_before_the_first_line_are_passed_over(tmp_path: Path) -> None:
    printing(tmp_path, ["", "Fri Jan 8 12:00:00 2021", "VDD_IN 1500/1500"])
    feed = started(tmp_path)
    assert row(feed) == {"VDD_IN_power": 1.5}
    feed.stop()
    assert feed.facts()["undecoded_lines"] == 1


def test_a_line_that_says_nothing_known_is_a_row_of_nan(tmp_path: Path) -> None:
    printing(tmp_path, [*FIRST, "?? \x01 nonsense", FIRST[0]])
    feed = started(tmp_path)
    values = [list(feed.wait()[1]) for _ in range(5)]
    facts = feed.facts()
    feed.stop()
    assert all(math.isnan(value) for value in values[3])
    assert len(values[3]) == len(CHANNELS)
    assert values[4][-1] == 2.0
    assert (facts["lines"], facts["undecoded_lines"]) == (5, 1)
    assert facts["unknown"]["nonsense"] == 1


def test_what_appears_later_is_counted_and_does_no_harm(tmp_path: Path) -> None:
    printing(tmp_path, [*FIRST, FIRST[0] + " CV0@33C", FIRST[0] + " CV0@34C WARP:9"])
    feed = started(tmp_path)
    rows = [row(feed) for _ in range(5)]
    facts = feed.facts()
    feed.stop()
    assert [found["VDD_IN_power"] for found in rows] == [2.0, 3.0, 4.0, 2.0, 2.0]
    assert facts == {
        "lines": 5,
        "undecoded_lines": 0,
        "unknown": {"CV0_temperature": 2, "WARP:9": 1},
        "interval_ms": 100,
    }


def test_unknown_tokens_do_not_pile_up(tmp_path: Path) -> None:
    printing(tmp_path, [*FIRST, " ".join(f"x:{number}" for number in range(500))])
    feed = started(tmp_path)
    for _ in range(4):
        feed.wait()
    feed.stop()
    assert len(feed.facts()["unknown"]) == 64


def test_bytes_that_are_no_text_do_no_harm(tmp_path: Path, fed: int) -> None:
    os.write(fed, b"VDD_IN 1500/1500 \xff\xfe\n")
    feed = started(tmp_path)
    assert row(feed) == {"VDD_IN_power": 1.5}
    feed.stop()


def test_a_line_may_come_in_parts(tmp_path: Path, fed: int) -> None:
    child = Child([str(tmp_path / "usr/bin/tegrastats")])
    os.write(fed, b"VDD_IN 15")
    while not child._rest:
        assert child.next_line(0.05) is None
    os.write(fed, b"00/1500\nVDD_GPU 1/1\n")
    found = [child.next_line(10.0), child.next_line(10.0)]
    child.end()
    assert [text for _, text in found] == ["VDD_IN 1500/1500", "VDD_GPU 1/1"]


def test_a_line_without_an_end_is_cut() -> None:
    child = Child(["sh", "-c", "head -c 200000 /dev/zero | tr '\\0' x; echo; echo VDD_IN 1/1; exec sleep 600"])
    texts = []
    while "VDD_IN 1/1" not in texts:
        found = child.next_line(10.0)
        assert found is not None
        texts.append(found[1])
    child.end()
    assert sum(map(len, texts)) == 200_000 + len("VDD_IN 1/1")
    assert len(texts) > 2


# --- the end


def test_a_child_that_dies_ends_the_feed_with_its_last_words(tmp_path: Path) -> None:
    path = printing(tmp_path, FIRST, then="echo 'cannot open the monitor' >&2; exit 3")
    feed = started(tmp_path)
    for _ in FIRST:
        feed.wait()
    for _ in range(2):  # and so every time
        with pytest.raises(EOFError) as ended:
            feed.wait()
        assert str(ended.value) == f"{path} ended with status 3; it said last: cannot open the monitor"
    feed.stop()


def test_last_words_may_be_a_line(tmp_path: Path) -> None:
    printing(tmp_path, FIRST, then="exit 0")
    feed = started(tmp_path)
    for _ in FIRST:
        feed.wait()
    with pytest.raises(EOFError, match=r"ended with status 0; it said last: RAM 1000/4000MB"):
        feed.wait()
    feed.stop()


def test_stop_wakes_one_who_waits_and_leaves_nothing(tmp_path: Path) -> None:
    before = open_files()
    printing(tmp_path, FIRST, then="(trap '' TERM; sleep 600) & exec sleep 600")
    feed = started(tmp_path)
    session = feed._child._process.pid  # type: ignore[attr-defined]
    heard: queue.Queue[object] = queue.Queue()

    def listen() -> None:
        try:
            while True:
                heard.put(feed.wait()[1][-1])
        except EOFError as error:
            heard.put(str(error))

    waiting = threading.Thread(target=listen)
    waiting.start()
    assert [heard.get(timeout=10.0) for _ in FIRST] == [2.0, 3.0, 4.0]
    feed.stop()
    waiting.join(10.0)
    assert not waiting.is_alive()
    assert re.search("tegrastats (was stopped|is not running)", str(heard.get(timeout=10.0)))
    assert living_members(session) == []
    assert open_files() == before


def test_stop_may_come_before_the_start_and_twice(tmp_path: Path) -> None:
    printing(tmp_path, FIRST)
    feed = TegrastatsFeed(place(tmp_path))
    feed.stop()
    before = open_files()
    for _ in range(2):
        feed.start()
        assert row(feed)["VDD_IN_power"] == 2.0
        feed.stop()
        feed.stop()
    assert open_files() == before
    with pytest.raises(EOFError, match="not running"):
        feed.wait()


def test_a_silent_child_is_given_up(tmp_path: Path) -> None:
    path = program(tmp_path, "exec sleep 600\n")
    before = open_files()
    feed = TegrastatsFeed(place(tmp_path), first_line_s=0.05)
    with pytest.raises(
        OSError, match=r"printed no line that can be read within 0\.05 s: run it by hand with --interval 100"
    ) as said:
        feed.start()
    assert str(path) in str(said.value)
    assert open_files() == before


def test_stop_ends_a_start_that_waits(tmp_path: Path) -> None:
    program(tmp_path, "exec sleep 600\n")
    feed = TegrastatsFeed(place(tmp_path), first_line_s=60.0)
    failures: list[str] = []

    def begin() -> None:
        try:
            feed.start()
        except OSError as error:
            failures.append(str(error))

    beginning = threading.Thread(target=begin)
    beginning.start()
    while feed._child is None and beginning.is_alive():
        pass
    feed.stop()
    beginning.join(10.0)
    assert len(failures) == 1
    assert "was stopped" in failures[0]


def test_a_child_that_ends_at_once_says_why(tmp_path: Path) -> None:
    program(tmp_path, "echo 'permission denied' >&2; exit 1\n")
    with pytest.raises(OSError, match="ended with status 1; it said last: permission denied"):
        started(tmp_path)


def test_a_program_that_cannot_run_leaves_nothing(tmp_path: Path) -> None:
    program(tmp_path, "").write_bytes(b"\x7fELF of another machine")
    before = open_files()
    with pytest.raises(OSError, match="Exec format"):
        started(tmp_path)
    assert open_files() == before


# --- where it is, and how it is asked


def test_an_absent_program_is_named_with_its_remedy(tmp_path: Path) -> None:
    reason = TegrastatsFeed(place(tmp_path)).why_unavailable()
    assert reason is not None
    assert reason.startswith(f"no program {tmp_path}/usr/bin/tegrastats: it comes with JetPack")
    program(tmp_path, "").chmod(0o644)
    if os.geteuid():
        assert TegrastatsFeed(place(tmp_path)).why_unavailable() is not None


@pytest.mark.parametrize(
    ("period_s", "options", "interval"), [(0.05, {}, 100), (0.5, {}, 500), (1.0, {"interval_ms": 20}, 20)]
)
def test_the_interval_is_the_asked_one_but_not_too_short(
    tmp_path: Path, period_s: float, options: dict[str, int], interval: int
) -> None:
    program(tmp_path, f'echo "$@" > "{tmp_path}/asked"; echo VDD_IN 1/1; exec sleep 600\n')
    feed = TegrastatsFeed(place(tmp_path, period_s, **options))
    feed.start()
    feed.stop()
    assert (tmp_path / "asked").read_text() == f"--interval {interval}\n"


def test_another_command_may_be_named(tmp_path: Path) -> None:
    printing(tmp_path, FIRST)
    script = (tmp_path / "usr/bin/tegrastats").rename(tmp_path / "mine")
    for command in (str(script), ["sh", str(script)]):
        feed = started(tmp_path, command=command)
        assert row(feed)["VDD_IN_power"] == 2.0
        feed.stop()
    reason = TegrastatsFeed(place(tmp_path, command="no-such-program-anywhere")).why_unavailable()
    assert reason is not None
    assert "no-such-program-anywhere" in reason


def test_options_that_are_not_known_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no option rate: it takes command, interval_ms"):
        TegrastatsFeed(place(tmp_path, rate=5))
    with pytest.raises(ValueError, match="interval_ms of 1 or more"):
        TegrastatsFeed(place(tmp_path, interval_ms=0))


# --- captured logs


@pytest.mark.parametrize(
    ("log", "total"),
    [("xaviernx-r35-user.log", "VDD_IN"), ("tx2-r32-user.log", "VDD_IN"), ("agxorin-r36-root.log", "VIN_SYS_5V0")],
)
def test_a_captured_log_is_played_line_by_line(tmp_path: Path, shared: Path, log: str, total: str) -> None:
    lines = (shared / "fixtures/tegrastats" / log).read_text().splitlines()
    watts = [int(re.search(rf"\b{total} (\d+)", line).group(1)) / 1000 for line in lines]  # type: ignore[union-attr]
    printing(tmp_path, lines, then="exit 0")
    feed = started(tmp_path)
    assert [row(feed)[f"{total}_power"] for _ in lines] == watts
    with pytest.raises(EOFError):
        feed.wait()
    assert feed.facts()["undecoded_lines"] == 0
    feed.stop()


def test_a_halted_child_prints_nothing_and_goes_on_after_it(tmp_path: Path) -> None:
    """Its process group is stopped by signal; /proc shows the state."""
    printing(tmp_path, FIRST)
    feed = started(tmp_path)
    pid = feed._child._process.pid

    def state() -> str:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]

    feed.pause(True)
    while state() not in "TZ":  # a signal is delivered soon, not at once
        pass
    assert state() == "T"
    feed.pause(False)
    while state() == "T":
        pass
    feed.pause(True)
    feed.stop()  # a halted one ends too
    assert not Path(f"/proc/{pid}").exists()
