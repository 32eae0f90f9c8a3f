"""Checks of what is sensed: collectors and their channels, the total of power, the supply, heat and throttling."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from harness.doctor.check import Check, shown_time, split, value_of
from harness.model.codec import Json
from harness.model.device import Device

# What is missing from a record without a collector.
LOST = {
    "process": "memory over time, context switches and page faults",
    "cpu": "stolen time and clocks",
    "thermal": "temperatures",
    "others": "the load of other programs",
    "throttle": "throttling goes unseen",
    "perf": "instructions and cycles",
}
# A model that is run for minutes warms a small board by more than this.
HEAD_ROOM_C = 10.0


def readings(answer: Mapping[str, Json]) -> Iterator[Check]:
    """Each collector: its channels and what a reading costs, or why there is none."""
    for name, found in sorted(answer["collectors"].items()):
        channels = found["channels"]
        blind = [channel for channel, *_, value in channels if value is None]
        text = f"{len(channels)} channels"
        if found["update_period_s"] is not None:
            text += f", renewed every {shown_time(found['update_period_s'])}"
        if found["read_s"] is not None:
            text += f", {shown_time(found['read_s'])} a reading, asked every {shown_time(found['period_s'])}"
        text += f"; of them {', '.join(blind)} read nothing" if blind else ""
        yield Check(f"sensor {name}", "good", text)
    for name, reason in sorted(answer["unavailable"].items()):
        what, fix = split(reason)
        lost = f"; without it: {LOST[name]}" if name in LOST else ""
        yield Check(f"sensor {name}", "missing", what + lost, fix)


def throttled(answer: Mapping[str, Json]) -> Iterator[Check]:
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


def power(device: Device, answer: Mapping[str, Json]) -> Iterator[Check]:
    """The total that energy would come from: the first one of the device's file that can be read."""
    if not device.power.totals:
        fix = "add a [power] table to its file, see ARCHITECTURE.md; or attach a meter's log with --power-log"
        yield Check("energy", "missing", f"the device file of {device.name} names no total", fix)
        return
    reasons = []
    for total in device.power.totals:
        named = " + ".join(total.channels)
        values = [value_of(answer, address) for address in total.channels]
        if all(value is not None for value in values):
            unit = "J" if any(address.endswith("_energy") for address in total.channels) else "W"
            now = f"{sum(value for value in values if value is not None):.4g} {unit} now"
            yield Check("energy", "good", f"{named} ({total.scope}): {now}")
            return
        collector = total.channels[0].partition(":")[0]
        reasons.append(f"{named} ({total.scope}): {answer['unavailable'].get(collector, 'no such channel here')}")
    fix = "make one of them readable, or attach a meter's log with --power-log"
    yield Check("energy", "missing", "energy will be missing from the record; " + "; ".join(reasons), fix)


def supply(device: Device, answer: Mapping[str, Json]) -> Iterator[Check]:
    """The supply's voltage, where the device's file names its channel."""
    address, lowest_v = device.limits.supply, device.limits.supply_lowest_v
    if address is None:
        return
    value = value_of(answer, address)
    if value is None:
        yield Check("supply", "missing", f"{address} cannot be read: a weak supply would go unseen")
    elif lowest_v is not None and value < lowest_v:
        fix = "use the supply that the board is sold with, and a short thick cable: a weak one caps the clocks"
        yield Check("supply", "warning", f"{value:.2f} V at {address}, below {lowest_v:g} V", fix)
    else:
        yield Check("supply", "good", f"{value:.2f} V at {address}")


def heat(device: Device, answer: Mapping[str, Json]) -> Iterator[Check]:
    """The hottest zone against where throttling starts, and against what every trial waits for."""
    zones = _zones(device, answer)
    if not zones:
        yield Check("heat", "missing", "no temperature can be read: throttling by heat would show in the clocks alone")
        return
    name, hottest = max(zones.items(), key=lambda zone: zone[1])
    limit_c, start_c = device.limits.temperature_c, device.settle.start_below_c
    found = f"{name} has {hottest:.1f} degC, {limit_c - hottest:.0f} below the limit of {limit_c:g}"
    if hottest >= limit_c:
        fix = "let it cool, and see to its heat sink and fan"
        yield Check("heat", "warning", f"{name} has {hottest:.1f} degC, at or above the limit of {limit_c:g}", fix)
    elif start_c is not None and hottest > start_c:
        fix = f"let it cool: a run waits for {start_c:g} degC, up to {device.settle.deadline_s:g} s before each trial"
        yield Check("heat", "warning", found, fix)
    elif limit_c - hottest < HEAD_ROOM_C:
        yield Check("heat", "warning", found, "let it cool, and see to its heat sink and fan")
    else:
        yield Check("heat", "good", found)


def _zones(device: Device, answer: Mapping[str, Json]) -> dict[str, float]:
    """Temperatures by channel: those of the zones that the device's file names, else all."""
    every = {
        channel: value
        for found in answer["collectors"].values()
        for channel, unit, _, _, value in found["channels"]
        if unit == "degC" and value is not None
    }
    patterns = [zone.lower() for zone in device.thermal_zones]
    named = {channel: value for channel, value in every.items() if _fits(channel, patterns)}
    return named or every


def _fits(channel: str, patterns: list[str]) -> bool:
    # thermal: TYPE_NUMBER; others: TYPE_temperature.
    zone = channel.rpartition("_")[0].lower()
    return any(fnmatchcase(zone, pattern) for pattern in patterns)
