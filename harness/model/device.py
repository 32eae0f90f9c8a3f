"""What is known of a board before anyone talks to it: the values of devices/*.toml, read with exact keys."""

from __future__ import annotations

import dataclasses
import math
import re
import tomllib
from collections.abc import Collection, Mapping
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
    """Above these a measurement is doubted: other processes' share of one core, the hottest zone.

    supply: the "collector:channel" of the board's own supply voltage; supply_lowest_v: below it the supply is too weak.
    """

    other_load_cores: float = 0.2
    temperature_c: float = 95.0
    supply: str | None = None
    supply_lowest_v: float | None = None


@dataclass(frozen=True)
class State:
    """What a board is to be set to for a run; None: left as it is found. Everything set is read back and put back.

    power_mode: a mode's name in the board's /etc/nvpmodel.conf. clocks: held at the ceiling of that mode
    (jetson_clocks). governor: of every core. fan: duty in percent. cores: which are online, "all" or "0-3,5".
    """

    power_mode: str | None = None
    clocks: Literal["locked"] | None = None
    governor: str | None = None
    fan: int | None = None
    cores: str | None = None

    def __post_init__(self) -> None:
        if self.fan is not None and not 0 <= self.fan <= 100:
            raise UsageError(f"fan is a duty of 0 to 100 percent, not {self.fan}")
        if self.cores is not None and not re.fullmatch(r"all|\d+(-\d+)?(,\d+(-\d+)?)*", self.cores):
            raise UsageError(f"cores {self.cores!r} is neither all nor core numbers such as 0-3,5")

    def asked(self) -> dict[str, str | int]:
        """What is not left as it is found, by name."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class Settle:
    """When a board is calm enough to be measured. Each condition is waited for, all of them until `deadline_s`.

    Before the first trial: the hottest zone moves by at most slope_c over window_s. Before every trial: it is at most
    start_below_c, and other programs take at most load_cores. deadline_s 0: nothing is waited for.
    """

    deadline_s: float = 0.0
    window_s: float = 60.0
    slope_c: float = 1.0
    start_below_c: float | None = None
    load_cores: float = 0.2

    def __post_init__(self) -> None:
        if not (0 <= self.deadline_s < math.inf and 0 < self.window_s < math.inf):
            raise UsageError("deadline_s and window_s are times in s, the latter above 0")


@dataclass(frozen=True)
class Offered:
    """What the agent has, by plug point: the names that a device file may list."""

    backends: Collection[str]
    collectors: Collection[str]
    controls: Collection[str]


@dataclass(frozen=True)
class Runtime:
    """A package that a backend needs: the oldest version that was made for this board, and how it gets there."""

    oldest: str
    install: str = ""


@dataclass(frozen=True)
class Device:
    """One registered board. `backends` are those worth trying on it; what is installed there is asked of the board.

    transport: "local" is this machine; "ssh" needs an address (a Site, or --host).
    runtimes: by package name. power_modes: names to choose from, as its /etc/nvpmodel.conf has them; the board's own
    file decides. thermal_zones: those that its throttling follows, as patterns of their types, in whatever case.

    identity: patterns (with *), of which one must fit what the machine says it is; none: any machine. It keeps the
    numbers of one board from standing under another's name.
    sensor: options by collector, e.g. [sensor.plug] url = "http://..."; each collector knows its own. `period_s` in it
    replaces sensor_period_s for that collector.
    """

    schema: int
    name: str
    title: str
    transport: Literal["local", "ssh"]
    backends: tuple[str, ...]
    collectors: tuple[str, ...]
    sensor_period_s: float = 0.05
    settings: Settings = field(default_factory=Settings)
    limits: Limits = field(default_factory=Limits)
    power: Power = field(default_factory=Power)
    sensor: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    identity: tuple[str, ...] = ()
    state: State = field(default_factory=State)
    settle: Settle = field(default_factory=Settle)
    runtimes: Mapping[str, Runtime] = field(default_factory=dict)
    power_modes: tuple[str, ...] = ()
    thermal_zones: tuple[str, ...] = ()


def stranger(device: Device, facts: Mapping[str, Json]) -> str | None:
    """What a machine says it is, where it is not this device; None where it is, or where the device may be any.

    A machine says its device tree's model, one without says its architecture and processor. An emulated one says that
    first: it is no board, whatever the tree of its guest holds.
    """
    said = str(facts.get("board_model") or f"{facts.get('machine', '')} {facts.get('cpu', '')}".strip())
    if facts.get("emulated"):
        said = f"emulated {facts['emulated']}"
    known = not device.identity or any(fnmatchcase(said.lower(), pattern.lower()) for pattern in device.identity)
    return None if known else said


def with_power_mode(device: Device, name: str) -> Device:
    """The device, to be set to another power mode. UsageError with the nearest names where it lists others."""
    if device.power_modes and name not in device.power_modes:
        hint = "a mode of your own board's making: enter it in a copy of the device file, and give that as --device"
        raise UsageError(
            f"no power mode of {device.name} is called {name!r}; {suggest(name, device.power_modes)}; {hint}"
        )
    return dataclasses.replace(device, state=dataclasses.replace(device.state, power_mode=name))


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
    mode = device.state.power_mode
    if mode is not None and device.power_modes and mode not in device.power_modes:
        raise DeviceFileError(f"{where}: state: power_mode {mode!r} is none of power_modes")
    return device


def check_device(device: Device, offered: Offered, where: str) -> None:
    """What parsing cannot see: names that no agent has, channels that nothing reads, a board that any machine may be.

    DeviceFileError on the first of them.
    """
    for kind, listed, known in (
        ("backend", device.backends, offered.backends),
        ("collector", device.collectors, offered.collectors),
        ("control", device.state.asked(), offered.controls),
    ):
        for name in listed:
            if name not in known:
                raise DeviceFileError(f"{where}: the agent has no {kind} {name!r}; {suggest(name, known)}")
    for key, channels in _read_channels(device):
        for channel in channels:
            collector = channel.partition(":")[0]
            if collector not in device.collectors:
                fix = f"list {collector!r} there, or take the channel out"
                raise DeviceFileError(f"{where}: {key}: {channel} is read by none of its collectors; {fix}")
    if device.transport == "ssh" and not device.identity:
        fix = "write what it says it is (cat /proc/device-tree/model there), with * for the rest"
        raise DeviceFileError(f"{where}: identity is empty, so that any machine would pass for this board; {fix}")


def _read_channels(device: Device) -> list[tuple[str, tuple[str, ...]]]:
    totals = [(f"power: totals[{index}]", total.channels) for index, total in enumerate(device.power.totals)]
    supply = (device.limits.supply,) if device.limits.supply else ()
    return [*totals, ("power: parts", device.power.parts), ("limits: supply", supply)]


def _check_sensors(device: Device, where: str) -> None:
    """A slip in these tables would cost the sensor in silence. Not checked of stored runs: what they hold was used."""
    for name, options in device.sensor.items():
        if name not in device.collectors:
            known = suggest(name, device.collectors)
            raise DeviceFileError(f"{where}: sensor: no collector of this device is called {name!r}; {known}")
        period_s = options.get("period_s", device.sensor_period_s)
        if isinstance(period_s, bool) or not isinstance(period_s, int | float) or not 0 < period_s < math.inf:
            raise DeviceFileError(f"{where}: sensor.{name}: period_s is a time in s above 0, not {period_s!r}")
