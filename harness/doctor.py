"""Is this board fit to measure? Facts and probe answers to checks, each with its fix. Pure; asks nothing itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from harness.model.codec import Json
from harness.model.device import Device

State = Literal["good", "warning", "missing"]
GIB = 2**30


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
        *_identity(facts),
        *_quiet(device, facts),
        *_pinned(device, facts),
        *_clock(facts),
        *_memory(facts),
        *_sensors(answer),
        *_power(facts),
        *_backends(answer),
    ]


def _identity(facts: Mapping[str, Json]) -> Iterator[Check]:
    where = ", ".join(str(facts[key]) for key in ("cpu", "machine", "distribution", "kernel") if key in facts)
    yield Check("machine", "good", where)
    yield Check("python", "good", f"{facts['implementation']} {facts['python']}")
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
    for name, channels in sorted(answer["collectors"].items()):
        blind = [channel for channel, _, value in channels if value is None]
        found = f"{len(channels)} channels"
        found += f", of which {', '.join(blind)} read nothing" if blind else ""
        yield Check(f"sensor {name}", "good", found)
    for name, reason in sorted(answer["unavailable"].items()):
        what, _, fix = reason.partition(": ")
        yield Check(f"sensor {name}", "missing", what, fix)


def _power(facts: Mapping[str, Json]) -> Iterator[Check]:
    zones = facts.get("rapl")
    if not zones:
        yield Check(
            "sensor power",
            "missing",
            "no RAPL zone in /sys/class/powercap: energy will be missing from the record",
            "bare-metal x86 shows it after `modprobe intel_rapl_msr`; other boards need their own sensor or a meter",
        )
    elif zones == "unreadable":
        fix = "sudo chmod a+r /sys/class/powercap/*/energy_uj"
        yield Check("sensor power", "missing", "RAPL zones exist and only root may read them", fix)
    else:
        found = f"RAPL zones {', '.join(zones)} are readable; this version does not record them yet"
        yield Check("sensor power", "missing", found, "")


def _backends(answer: Mapping[str, Json]) -> Iterator[Check]:
    for name, versions in sorted(answer["backends"].items()):
        found = ", ".join(f"{key} {value}" for key, value in versions.items()) or "needs nothing"
        yield Check(f"backend {name}", "good", found)
    for name, reason in sorted(answer["backends_unavailable"].items()):
        what, _, fix = reason.partition("; ")
        yield Check(f"backend {name}", "missing", what, fix)
