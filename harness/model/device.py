"""What is known of a board before anyone talks to it: the values of devices/*.toml, read with exact keys."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

from harness.errors import DeviceFileError, UsageError, suggest
from harness.model.case import Settings
from harness.model.codec import Json, from_json
from harness.model.power import Power

SCHEMA = 1


@dataclass(frozen=True)
class Limits:
    """Above these a measurement is doubted: other processes' share of one core, the hottest zone."""

    other_load_cores: float = 0.2
    temperature_c: float = 95.0


@dataclass(frozen=True)
class Device:
    """One registered board. `backends` are those worth trying on it; what is installed there is asked of the board.

    identity: patterns (with *), of which one must fit what the machine says it is; none: any machine. It keeps the
    numbers of one board from standing under another's name.
    sensor: options by collector, e.g. [sensor.plug] url = "http://..."; each collector knows its own. `period_s` in it
    replaces sensor_period_s for that collector.
    """

    schema: int
    name: str
    title: str
    transport: Literal["local"]
    backends: tuple[str, ...]
    collectors: tuple[str, ...]
    sensor_period_s: float = 0.05
    settings: Settings = field(default_factory=Settings)
    limits: Limits = field(default_factory=Limits)
    power: Power = field(default_factory=Power)
    sensor: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    identity: tuple[str, ...] = ()


def stranger(device: Device, facts: Mapping[str, Json]) -> str | None:
    """What a machine says it is, where it is not this device; None where it is, or where the device may be any.

    A machine says its device tree's model, one without says its architecture and processor.
    """
    said = str(facts.get("board_model") or f"{facts.get('machine', '')} {facts.get('cpu', '')}".strip())
    known = not device.identity or any(fnmatchcase(said.lower(), pattern.lower()) for pattern in device.identity)
    return None if known else said


def parse_device(text: str, where: str) -> Device:
    """A device from TOML text; `where` names the file. DeviceFileError on anything that is not exactly right."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DeviceFileError(f"{where}: not valid TOML: {error}") from None
    try:
        device = from_json(Device, table, where)
    except UsageError as error:
        raise DeviceFileError(str(error)) from None
    if device.schema != SCHEMA:
        raise DeviceFileError(f"{where}: schema {device.schema} is not {SCHEMA}; this harness reads {SCHEMA} only")
    _check_sensors(device, where)
    return device


def _check_sensors(device: Device, where: str) -> None:
    """A slip in these tables would cost the sensor in silence. Not checked of stored runs: what they hold was used."""
    for name, options in device.sensor.items():
        if name not in device.collectors:
            known = suggest(name, device.collectors)
            raise DeviceFileError(f"{where}: sensor: no collector of this device is called {name!r}; {known}")
        period_s = options.get("period_s", device.sensor_period_s)
        if isinstance(period_s, bool) or not isinstance(period_s, int | float) or not 0 < period_s < math.inf:
            raise DeviceFileError(f"{where}: sensor.{name}: period_s is a time in s above 0, not {period_s!r}")
