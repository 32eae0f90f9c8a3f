"""How long a board is measured so that its power sensor has something to say. Pure; talks to nobody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harness.model.case import Scenario
from harness.model.codec import Json
from harness.model.device import Device

# So many renewals of its value a power sensor gets over the steady part: 100 are needed, and periods wander.
UPDATE_PERIODS = 110


def power_window(scenario: Scenario, device: Device, sensed: Mapping[str, Json]) -> tuple[Scenario, float]:
    """The scenario with a steady part of over 100 update periods of the power sensor, and the idle time around it.

    Edges cost about P * period / T of an energy: 100 periods keep that at 1 % (reference: hardware.md, section 7). Both
    stay as they are where no total of the device can be read. `sensed`: what the sensor process said at its start.
    """
    absent = sensed.get("unavailable", {})
    for total in device.power.totals:
        collectors = {channel.partition(":")[0] for channel in total.channels}
        if sensed and not collectors & set(absent):
            break
    else:
        return scenario, 0.0
    periods = [_period_s(name, device, sensed) for name in collectors]
    longest_s = UPDATE_PERIODS * max(periods)
    needed_s = min(max(scenario.stop.min_duration_s, longest_s), scenario.stop.budget_s)
    return replace(scenario, stop=replace(scenario.stop, min_duration_s=needed_s)), device.power.idle_s


def _period_s(collector: str, device: Device, sensed: Mapping[str, Json]) -> float:
    """How often a collector brings a new value: as it is asked, or as seldom as its sensor renews it.

    0 where the sensor was watched and renewed nothing: it is so slow that no usual run would do, and the analysis says
    so. One that was not watched (it is asked seldom, or tells by itself) is taken at its word.
    """
    asked = float(device.sensor.get(collector, {}).get("period_s", device.sensor_period_s))
    renewed_s = sensed.get("update_period_s", {}).get(collector)
    if renewed_s is not None:
        return max(asked, float(renewed_s))
    return 0.0 if collector in sensed.get("read_s", {}) else asked
