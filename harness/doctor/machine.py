"""Checks of the machine itself: what it is, how busy it is, what room and what time it has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.doctor.check import GIB, Check, State
from harness.model.codec import Json
from harness.model.device import Device, stranger

# As of harness.agent: the Python of a Jetson Nano's frozen system.
OLDEST_PYTHON = (3, 6)
# Artifacts, images and traces of a suite take about 0.2 GiB, a TensorRT engine per model and precision the rest.
ROOM_BYTES = GIB
# As far as MLPerf lets a power meter's clock be off (hardware.md, section 7).
CLOCK_LIMIT_S = 0.8


def identity(device: Device, facts: Mapping[str, Json]) -> Iterator[Check]:
    """Whether it is the board that the file describes, and on what Python the agent runs."""
    said = stranger(device, facts)
    if said is not None:
        fix = "run it on the board itself; or copy the device file and correct its identity"
        yield Check("identity", "warning", f"this machine says it is {said!r}, which is no {device.title}", fix)
    where = ", ".join(str(facts[key]) for key in ("cpu", "machine", "distribution", "kernel") if key in facts)
    yield Check("machine", "good", where)
    version = tuple(int(part) for part in str(facts["python"]).split(".")[:2])
    python = f"{facts['implementation']} {facts['python']}"
    if version < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        fix = "install a newer one beside it, and name it as `python` in sites.toml"
        yield Check("python", "warning", f"{python} is older than {oldest}, the agent's oldest", fix)
    else:
        yield Check("python", "good", python)
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


def quiet(device: Device, facts: Mapping[str, Json]) -> Iterator[Check]:
    """Background load, and swap in use; what lies compressed in memory (zram) is swapped out all the same."""
    load, limit = facts.get("load_average_1min"), device.limits.other_load_cores
    if load is None:
        yield Check("quiet", "missing", "no load average in /proc", "")
    elif load > limit + 0.3:
        yield Check("quiet", "warning", f"load average {load:.2f} over the last minute", "close other programs, wait")
    else:
        yield Check("quiet", "good", f"load average {load:.2f} over the last minute")
    if facts.get("swap_used_bytes", 0) > 0:
        used = f"{facts['swap_used_bytes'] / 2**20:.0f} MiB in use"
        if facts.get("zram_bytes"):
            fix = "free memory; or until the next start: sudo systemctl stop nvzramconfig; sudo swapoff -a"
            yield Check("swap", "warning", f"{used}; zram: packing and unpacking it takes cores from the model", fix)
        else:
            yield Check("swap", "warning", used, "free memory; swapoff -a")


def pinned(device: Device, facts: Mapping[str, Json]) -> Iterator[Check]:
    """Whether the sensors have a core of their own."""
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


def clock(device: Device, facts: Mapping[str, Json]) -> Iterator[Check]:
    """Whether the processor's clock stands; where a run sets it, harness.doctor.state says how."""
    governors = facts.get("governors")
    if device.state.governor is None and device.state.clocks is None:
        if governors is None:
            yield Check("clock", "missing", "no cpufreq: it can be neither read nor set", "usual in virtual machines")
        elif governors == ["performance"]:
            yield Check("clock", "good", "governor performance")
        else:
            fix = "sudo sh -c 'echo performance | tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor'"
            yield Check("clock", "warning", f"governor {', '.join(governors)}: the clock follows the load", fix)
    if facts.get("boost"):
        yield Check("boost", "warning", "on: the clock depends on heat and neighbours", "switch it off to compare")


def memory(facts: Mapping[str, Json]) -> Iterator[Check]:
    """Room for a model."""
    free = facts.get("memory_available_bytes")
    if free is not None:
        state: State = "good" if free > GIB / 2 else "warning"
        fix = "" if state == "good" else "close other programs: a swapping model measures the disk"
        yield Check("memory", state, f"{free / GIB:.1f} GiB available", fix)


def disk(answer: Mapping[str, Json]) -> Iterator[Check]:
    """Room for what a run sends and keeps."""
    free = answer.get("disk_free_bytes")
    if free is None:
        yield Check("disk", "missing", "the board did not say how much room its folder has")
    elif free < ROOM_BYTES:
        fix = "see what earlier runs left (harness devices clean --device D), or name another `folder` in sites.toml"
        yield Check("disk", "warning", f"{free / GIB:.2f} GiB free in the board's folder", fix)
    else:
        yield Check("disk", "good", f"{free / GIB:.1f} GiB free in the board's folder")


def wall_clock(answer: Mapping[str, Json]) -> Iterator[Check]:
    """Durations do not need it, but dates of trials and logs of other tools do."""
    offset_s = answer.get("clock_offset_s")
    if offset_s is None:
        yield Check("wall clock", "missing", "the board did not say what time it has")
    elif abs(offset_s) > CLOCK_LIMIT_S:
        how = "ahead of" if offset_s > 0 else "behind"
        fix = "set it (sudo timedatectl set-ntp true); a log made by another tool needs --clock-offset until then"
        yield Check("wall clock", "warning", f"{abs(offset_s):.1f} s {how} this machine's", fix)
    else:
        yield Check("wall clock", "good", f"within {CLOCK_LIMIT_S:g} s of this machine's")
