"""Counters of instructions and cycles: with a scripted system, and the real system call on a counter of software."""

from __future__ import annotations

import math
import os
import struct
from pathlib import Path

import pytest

from harness.agent.collectors import Channel, perf
from harness.agent.collectors.perf import PerfCollector, System
from tests.support.agent_side import place, tree

SOFTWARE, TASK_CLOCK_NS = 1, 1
TARGET = 41


class Counters:
    """A system whose descriptors show `values`: value, enabled and running, by thread and counter."""

    def __init__(self, values: dict[tuple[int, int], tuple[int, int, int]], error: OSError | None = None) -> None:
        self.values, self.error = values, error
        self.opened: dict[int, tuple[int, int]] = {}
        self.closed: list[int] = []
        self.system = System(self.open, self.read, self.closed.append)

    def open(self, kind: int, config: int, thread: int) -> int:
        assert kind == perf.HARDWARE
        if self.error is not None:
            raise self.error
        if (thread, config) not in self.values:
            raise ProcessLookupError(3, "No such process")
        self.opened[100 + len(self.opened)] = (thread, config)
        return 99 + len(self.opened)

    def read(self, descriptor: int) -> bytes:
        return struct.pack("=QQQ", *self.values[self.opened[descriptor]])


def counts(instructions: int, cycles: int, thread: int = TARGET) -> dict[tuple[int, int], tuple[int, int, int]]:
    """Both counters of a thread, always on their place."""
    return {(thread, perf.INSTRUCTIONS): (instructions, 9, 9), (thread, perf.CYCLES): (cycles, 9, 9)}


def threads(folder: Path, *numbers: int) -> str:
    """A target with these threads."""
    return tree(folder, {f"proc/{TARGET}/task/{number}/comm": "python3\n" for number in numbers})


def test_instructions_and_cycles_of_the_target(tmp_path: Path) -> None:
    counters = Counters(counts(2_000, 1_000))
    collector = PerfCollector(place(tmp_path, TARGET), counters.system)
    assert collector.channels() == [
        Channel("instructions", "1", "counter", "process", "hardware counter"),
        Channel("cycles", "1", "counter", "process", "hardware counter"),
    ]
    collector.start()
    assert collector.read() == [2_000.0, 1_000.0]
    collector.stop()
    assert counters.closed == [100, 101]


def test_threads_add_up_and_one_that_ended_meanwhile_is_none(tmp_path: Path) -> None:
    counters = Counters({**counts(2_000, 1_000), **counts(30, 20, thread=43)})
    collector = PerfCollector(place(threads(tmp_path, TARGET, 42, 43), TARGET), counters.system)
    collector.start()
    assert collector.read() == [2_030.0, 1_020.0]
    collector.stop()
    assert len(counters.closed) == 4


def test_a_counter_that_had_to_share_its_place_is_missing(tmp_path: Path) -> None:
    counters = Counters(counts(2_000, 1_000))
    counters.values[TARGET, perf.CYCLES] = (500, 10, 5)
    collector = PerfCollector(place(tmp_path, TARGET), counters.system)
    collector.start()
    instructions, cycles = collector.read()
    collector.stop()
    assert instructions == 2_000.0
    assert math.isnan(cycles)


def test_a_counter_that_answers_nothing_is_missing(tmp_path: Path) -> None:
    counters = Counters(counts(2_000, 1_000))
    collector = PerfCollector(place(tmp_path, TARGET), counters.system._replace(read=lambda _: b""))
    collector.start()
    assert [math.isnan(value) for value in collector.read()] == [True, True]
    collector.stop()


def test_trying_leaves_nothing_open(tmp_path: Path) -> None:
    counters = Counters(counts(1, 1))
    assert PerfCollector(place(tmp_path, TARGET), counters.system).why_unavailable() is None
    assert counters.closed == [100, 101]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            PermissionError(13, "Permission denied"),
            "(Permission denied), with kernel.perf_event_paranoid at 4: sudo sysctl kernel.perf_event_paranoid=2",
        ),
        (PermissionError(1, "Operation not permitted"), "refused (Operation not permitted)"),
        (
            FileNotFoundError(2, "No such file or directory"),
            "shows no such counter: {root}/sys/bus/event_source/devices",
        ),
        (OSError(95, "Operation not supported"), "perf_event_open fails (Operation not supported)"),
        (ProcessLookupError(3, "No such process"), "process 41 is gone"),
    ],
)
def test_what_stands_in_the_way_is_named(tmp_path: Path, error: OSError, told: str) -> None:
    root = tree(tmp_path, {"proc/sys/kernel/perf_event_paranoid": "4\n"})
    reason = PerfCollector(place(root, TARGET), Counters({}, error).system).why_unavailable()
    assert told.format(root=root) in reason


@pytest.mark.parametrize(
    ("sources", "told"), [((), "vPMU"), (("msr", "software"), "vPMU"), (("armv8_cortex_a57",), "update the kernel")]
)
def test_a_machine_without_counters_is_told_from_a_kernel_without_them(
    tmp_path: Path, sources: tuple[str, ...], told: str
) -> None:
    root = tree(tmp_path, {f"sys/bus/event_source/devices/{name}/type": "4\n" for name in sources})
    counters = Counters({}, FileNotFoundError(2, "No such file or directory"))
    assert told in PerfCollector(place(root, TARGET), counters.system).why_unavailable()


def test_the_real_call_counts_this_process() -> None:
    # A counter that every kernel has stands in for those of the processor, which virtual machines lack.
    try:
        descriptor = perf.open_event(SOFTWARE, TASK_CLOCK_NS, os.getpid())
    except OSError as error:
        pytest.skip(f"perf_event_open is refused here: {error}")
    found = []
    try:
        for _ in range(2):
            sum(range(200_000))
            found.append(struct.unpack("=QQQ", perf.read_event(descriptor)))
    finally:
        os.close(descriptor)
    assert 0 < found[0][0] < found[1][0]
    assert all(enabled == running for _, enabled, running in found)


def test_the_real_call_on_a_process_that_is_not_there() -> None:
    with pytest.raises(OSError, match=r"No such process|denied|permitted|implemented"):
        perf.open_event(SOFTWARE, TASK_CLOCK_NS, 2**22 + 1)


def test_it_works_here_or_says_why_not() -> None:
    collector = PerfCollector(place("/"))
    reason = collector.why_unavailable()
    if reason is not None:
        assert reason.partition(": ")[2]  # a remedy
        return
    collector.start()
    before = collector.read()
    sum(range(200_000))
    after = collector.read()
    collector.stop()
    assert after[0] - before[0] > 200_000  # at least one instruction per addition
    assert after[1] > before[1]
