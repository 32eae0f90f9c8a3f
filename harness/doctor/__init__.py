"""Is this board fit to measure? Facts and probe answers to checks, each with its fix. Pure; asks nothing itself."""

from __future__ import annotations

from collections.abc import Mapping

from harness.doctor import machine, runtimes, sensors, state
from harness.doctor.check import Check
from harness.doctor.sensors import LOST
from harness.model.codec import Json
from harness.model.device import Device

__all__ = ["LOST", "Check", "examine", "in_use"]


def examine(device: Device, answer: Mapping[str, Json]) -> list[Check]:
    """All checks. `answer`: what the probe of the board returned. Beside its facts, collectors and backends:

    rights: whether the agent can become root without a password; state: {control: {"value",
    "why_unavailable"}}, as harness.agent.controls.setting.present tells it;
    disk_free_bytes: in the board's folder; clock_offset_s: the board's wall clock minus the host's. What of these is
    absent becomes a check that says so.
    """
    facts = answer["facts"]
    return [
        *machine.identity(device, facts),
        *machine.quiet(device, facts),
        *machine.pinned(device, facts),
        *machine.clock(device, facts),
        *machine.memory(facts),
        *machine.disk(answer),
        *machine.wall_clock(answer),
        *state.rights(device, answer),
        *state.controls(device, answer),
        *sensors.readings(answer),
        *sensors.power(device, answer),
        *sensors.supply(device, answer),
        *sensors.heat(device, answer),
        *sensors.throttled(answer),
        *runtimes.backends(answer),
        *runtimes.providers(device, answer),
        *runtimes.versions(device, answer),
    ]


def in_use(busy: str) -> Check:
    """The only check of a board that a run has, as `busy` says: the others would disturb what it measures."""
    return Check("in use", "warning", busy, "wait until it has ended, and ask again: asking more would disturb it")
