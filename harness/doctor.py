"""Is this board fit to measure? Facts and probe answers to checks, each with its fix. Pure; asks nothing itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from harness.model.codec import Json
from harness.model.device import Device, stranger

State = Literal["good", "warning", "missing"]
GIB = 2**30
# What is missing from a record without a collector.
LOST = {
    "process": "memory over time, context switches and page faults",
    "cpu": "stolen time and clocks",
    "thermal": "temperatures",
    "others": "the load of other programs",
    "throttle": "throttling goes unseen",
    "perf": "instructions and cycles",
}


@dataclass(frozen=True)
class Check:
    """One line: what was looked at, what was found, what to do ("" where nothing)."""

    name: str
    state: State
    found: str
    fix: str = ""


def examine(device: Device, answer: Mapping[str, Json]) -> list[Check]:
    """All checks. `answer`: what harness.board.runner.probe returned."""
    facts = answer["facts"]
    return [
        *_identity(device, facts),
        *_quiet(device, facts),
        *_pinned(device, facts),
        *_clock(facts),
        *_memory(facts),
        *_sensors(answer),
        *_power(device, answer),
        *_throttled(answer),
        *_backends(answer),
    ]


def _identity(device: Device, facts: Mapping[str, Json]) -> Iterator[Check]:
    said = stranger(device, facts)
    if said is not None:
        fix = "run it on the board itself; or copy the device file and correct its identity"
        yield Check("identity", "warning", f"this machine says it is {said!r}, which is no {device.title}", fix)
    where = ", ".join(str(facts[key]) for key in ("cpu", "machine", "distribution", "kernel") if key in facts)
    yield Check("machine", "good", where)
    yield Check("python", "good", f"{facts['implementation']} {facts['python']}")
    if facts.get("emulated"):
        fix = "timings mean nothing under emulation: measure on the processor itself"
        yield Check("emulation", "warning", f"this processor is emulated: {facts['emulated']}", fix)
    if facts.get("hypervisor"):
        yield Check(
            "virtual machine",
            "warning",
            "a hypervisor shares these cores; stolen time and clocks are only partly visible",
            "measure absolute figures on bare metal; paired comparisons stay sound",
        )


def _quiet(device: Device, facts: Mapping[str, Json]) -> Iterator[Check]:
    load, limit = facts.get("load_average_1min"), device.limits.other_load_cores
    if load is None:
        yield Check("quiet", "missing", "no load average in /proc", "")
    elif load > limit + 0.3:
        yield Check("quiet", "warning", f"load average {load:.2f} over the last minute", "close other programs, wait")
    else:
        yield Check("quiet", "good", f"load average {load:.2f} over the last minute")
    if facts.get("swap_used_bytes", 0) > 0:
        yield Check("swap", "warning", f"{facts['swap_used_bytes'] / 2**20:.0f} MiB in use", "free memory; swapoff -a")


def _pinned(device: Device, facts: Mapping[str, Json]) -> Iterator[Check]:
    allowed = facts["cores_allowed"]
    if allowed > 1:
        yield Check("pinned", "good", f"model on core {device.settings.affinity!r}, sensors on the other {allowed - 1}")
    else:
        yield Check(
            "pinned",
            "warning",
            "one core is allowed: the sensors share it with the model",
            "allow a second core (taskset, cgroup), or read the observer cost in the report",
        )


def _clock(facts: Mapping[str, Json]) -> Iterator[Check]:
    governors = facts.get("governors")
    if governors is None:
        yield Check("clock", "missing", "no cpufreq: it can be neither read nor set", "usual in virtual machines")
    elif governors == ["performance"]:
        yield Check("clock", "good", "governor performance")
    else:
        fix = "sudo sh -c 'echo performance | tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor'"
        yield Check("clock", "warning", f"governor {', '.join(governors)}: the clock follows the load", fix)
    if facts.get("boost"):
        yield Check("boost", "warning", "on: the clock depends on heat and neighbours", "switch it off to compare")


def _memory(facts: Mapping[str, Json]) -> Iterator[Check]:
    free = facts.get("memory_available_bytes")
    if free is not None:
        state: State = "good" if free > GIB / 2 else "warning"
        fix = "" if state == "good" else "close other programs: a swapping model measures the disk"
        yield Check("memory", state, f"{free / GIB:.1f} GiB available", fix)


def _sensors(answer: Mapping[str, Json]) -> Iterator[Check]:
    for name, found in sorted(answer["collectors"].items()):
        channels = found["channels"]
        blind = [channel for channel, *_, value in channels if value is None]
        text = f"{len(channels)} channels"
        if found["update_period_s"] is not None:
            text += f", renewed every {_time(found['update_period_s'])}"
        if found["read_s"] is not None:
            text += f", {_time(found['read_s'])} a reading, asked every {_time(found['period_s'])}"
        text += f"; of them {', '.join(blind)} read nothing" if blind else ""
        yield Check(f"sensor {name}", "good", text)
    for name, reason in sorted(answer["unavailable"].items()):
        what, _, fix = reason.partition(": ")
        lost = f"; without it: {LOST[name]}" if name in LOST else ""
        yield Check(f"sensor {name}", "missing", what + lost, fix)


def _throttled(answer: Mapping[str, Json]) -> Iterator[Check]:
    """Flags that stand now; counters of past events say nothing before a run has begun."""
    flags = [
        (channel, value)
        for found in answer["collectors"].values()
        for channel, unit, _, _, value in found["channels"]
        if unit == "flag" and value is not None
    ]
    if not flags:
        yield Check("throttling", "missing", "nothing here tells whether the processor is slowed down", "")
        return
    raised = sorted(channel for channel, value in flags if value)
    if raised:
        fix = "cool the board, or give it a stronger supply; bits since boot go away with a restart"
        yield Check("throttling", "warning", ", ".join(raised), fix)
    else:
        yield Check("throttling", "good", f"none of {len(flags)} flags is raised")


def _power(device: Device, answer: Mapping[str, Json]) -> Iterator[Check]:
    """The total that energy would come from: the first one of the device's file that can be read."""
    if not device.power.totals:
        fix = "add a [power] table to its file, see ARCHITECTURE.md; or attach a meter's log with --power-log"
        yield Check("energy", "missing", f"the device file of {device.name} names no total", fix)
        return
    reasons = []
    for total in device.power.totals:
        named = " + ".join(total.channels)
        values = [_value(answer, address) for address in total.channels]
        if all(value is not None for value in values):
            unit = "J" if any(address.endswith("_energy") for address in total.channels) else "W"
            now = f"{sum(value for value in values if value is not None):.4g} {unit} now"
            yield Check("energy", "good", f"{named} ({total.scope}): {now}")
            return
        collector = total.channels[0].partition(":")[0]
        reasons.append(f"{named} ({total.scope}): {answer['unavailable'].get(collector, 'no such channel here')}")
    fix = "make one of them readable, or attach a meter's log with --power-log"
    yield Check("energy", "missing", "energy will be missing from the record; " + "; ".join(reasons), fix)


def _value(answer: Mapping[str, Json], address: str) -> float | None:
    collector, _, pattern = address.partition(":")
    channels = answer["collectors"].get(collector, {"channels": []})["channels"]
    matching = [value for channel, *_, value in channels if fnmatchcase(channel, pattern)]
    return matching[0] if len(matching) == 1 else None


def _time(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.3g} s"
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} us"


def _backends(answer: Mapping[str, Json]) -> Iterator[Check]:
    for name, versions in sorted(answer["backends"].items()):
        found = ", ".join(f"{key} {value}" for key, value in versions.items()) or "needs nothing"
        yield Check(f"backend {name}", "good", found)
    for name, reason in sorted(answer["backends_unavailable"].items()):
        what, _, fix = reason.partition("; ")
        yield Check(f"backend {name}", "missing", what, fix)
