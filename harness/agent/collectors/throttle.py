"""What slows a processor down on its own: heat, over-current, a sagging supply, clocks held below their maximum.

Owns where the kernel tells of it, and gives it as flags (1 while it lasts) and as counters of events, under the names
throttled_*, under_voltage_* and frequency_capped_*; what they mean for a measurement is decided on the host. Sources:

    thermal_throttle/*_throttle_count of x86 cores (Documentation/arch/x86/mce), per core and once per package
    hwmon soctherm_oc of Tegra: ocN_event_cnt (Xavier: ocN_irq_cnt), those that ocN_throt_en says are armed
    cooling devices that throttle a CPU or GPU, and the *-throttle-alert of Tegra; a fan slows nothing down
    cpufreq: scaling_max_freq below cpuinfo_max_freq, whoever set it so (a power mode does too)
    Raspberry Pi's firmware: get_throttled, bits 0 to 3 now, 16 to 19 since boot; hwmon rpi_volt
"""

import os
import re
from collections import namedtuple

from . import NAN, Channel, options_of
from .files import (
    Reader,
    listed,
    number_in,
    open_or_not,
    read_text,
    told_apart,
    under,
    why_none_reads,
)

_CORES, _POLICIES = "sys/devices/system/cpu", "sys/devices/system/cpu/cpufreq"
_MONITORS, _COOLERS, _PLATFORM = "sys/class/hwmon", "sys/class/thermal", "sys/devices/platform"
_CORE = re.compile(r"cpu(\d+)\Z", re.ASCII)
_OVER_CURRENT = re.compile(r"(oc\d+)_(?:event|irq)_cnt\Z", re.ASCII)
# Types of cooling devices that hold back a CPU or GPU: thermal-cpufreq-0, thermal-devfreq-0, Processor (ACPI), gpu-...
_BRAKE = re.compile(r"throttle-alert\Z|\bcpu|\bgpu|cpufreq|devfreq|cpuidle|processor|powerclamp", re.IGNORECASE)
_FAN = re.compile(r"fan", re.IGNORECASE)
# Bits of get_throttled (raspberrypi.com, documentation of vcgencmd): now, and 16 higher since boot.
_FIRMWARE_BITS = ("under_voltage", "frequency_capped", "throttled", "throttled_soft_temperature")
# One file: what it tells, and how its text becomes one value per channel (NaN is the reader's business).
Source = namedtuple("Source", "path channels decode")


class ThrottleCollector:
    """All of it, as far as this machine has it; a file that fails reads NaN."""

    name = "throttle"

    def __init__(self, place, reader=Reader):
        options_of(self.name, place)
        self._root, self._reader = place.root, reader
        self._sources = find_sources(place.root)
        self._opened = []

    def why_unavailable(self):
        """None where one of the sources can be read."""
        if not self._sources:
            return (
                "nothing in {} tells of throttling: a virtual machine shows none, on a board load its thermal and "
                "cpufreq drivers".format(under(self._root, "sys"))
            )
        return why_none_reads([source.path for source in self._sources], self._reader)

    def channels(self):
        """Flags and events, in the order of the sources above."""
        found = [channel for source in self._sources for channel in source.channels]
        names = told_apart([channel.name for channel in found])
        return [channel._replace(name=name) for channel, name in zip(found, names)]

    def start(self):
        """Open every file."""
        self._opened = [(source, open_or_not(source.path, self._reader)) for source in self._sources]

    def read(self):
        """One row."""
        row = []
        for source, reader in self._opened:
            try:
                row += source.decode(reader.read())
            except (OSError, ValueError):
                row += [NAN] * len(source.channels)
        return row

    def stop(self):
        """Close every file."""
        opened, self._opened = self._opened, []
        for _, reader in opened:
            reader.close()


def find_sources(root):
    """Every file below a root that tells of throttling."""
    return _x86(root) + _tegra(root) + _coolers(root) + _capped(root) + _raspberry(root)


def _x86(root):
    found, packages = [], set()
    for entry in filter(_CORE.match, listed(under(root, _CORES))):
        folder = under(root, _CORES, entry)
        core_path, package_path = [
            os.path.join(folder, "thermal_throttle", name + "_throttle_count") for name in ("core", "package")
        ]
        if os.path.exists(core_path):
            found.append(_event(core_path, "throttled_core" + _CORE.match(entry).group(1), "core", "kernel counter"))
        package = read_text(os.path.join(folder, "topology/physical_package_id")) or "0"
        if os.path.exists(package_path) and package not in packages:
            packages.add(package)  # every core of a package counts the same events
            found.append(_event(package_path, "throttled_package" + package, "package", "kernel counter"))
    return found


def _tegra(root):
    found = []
    for entry in listed(under(root, _MONITORS)):
        folder = under(root, _MONITORS, entry)
        if read_text(os.path.join(folder, "name")) != "soctherm_oc":
            continue
        for match in filter(None, map(_OVER_CURRENT.match, listed(folder))):
            # Where it is not told whether an alarm throttles, it counts: a false alarm is seen, a missed one is not.
            if read_text(os.path.join(folder, match.group(1) + "_throt_en")) != "0":
                path = os.path.join(folder, match.group(0))
                found.append(_event(path, "throttled_" + match.group(1), "SoC", "hardware counter"))
    return found


def _coolers(root):
    found = []
    for entry in listed(under(root, _COOLERS)):
        kind = read_text(under(root, _COOLERS, entry, "type")) or ""
        if entry.startswith("cooling_device") and _BRAKE.search(kind) and not _FAN.search(kind):
            name = "throttled_" + "_".join(kind.split())
            found.append(_flag(under(root, _COOLERS, entry, "cur_state"), name, "SoC", "cooling device", _above_zero))
    return found


def _capped(root):
    found = []
    for entry in listed(under(root, _POLICIES)):
        maximum = number_in(read_text(under(root, _POLICIES, entry, "cpuinfo_max_freq")))
        if entry.startswith("policy") and maximum == maximum:
            # A policy goes by the number of its first core.
            name = "frequency_capped_cpu" + entry[len("policy") :]
            path = under(root, _POLICIES, entry, "scaling_max_freq")
            found.append(_flag(path, name, "core", "cpufreq", _below(maximum)))
    return found


def _raspberry(root):
    found = []
    for path in _firmware_files(root):
        latched = _Latches(len(_FIRMWARE_BITS))
        flags = [Channel(name, "flag", "gauge", "board", "firmware") for name in _FIRMWARE_BITS]
        # Not flags: one that was set before the run began must not look like something that happens now.
        events = [Channel(name + "_since_boot", "event", "counter", "board", "firmware") for name in _FIRMWARE_BITS]
        found.append(Source(path, flags + events, latched.decode))
    for entry in listed(under(root, _MONITORS)):
        path = under(root, _MONITORS, entry, "in0_lcrit_alarm")
        if read_text(under(root, _MONITORS, entry, "name")) == "rpi_volt" and os.path.exists(path):
            found.append(_flag(path, "under_voltage_rpi_volt", "board", "firmware", _above_zero))
    return found


def _firmware_files(root):
    # soc/soc:firmware up to the Pi 4; later ones write an address behind soc.
    for outer in listed(under(root, _PLATFORM)):
        if outer.startswith("soc"):
            for inner in listed(under(root, _PLATFORM, outer)):
                path = under(root, _PLATFORM, outer, inner, "get_throttled")
                if "firmware" in inner and os.path.exists(path):
                    yield path


class _Latches:
    """Bits of get_throttled as values; counts how often each bit of "since boot" was set, for asking may clear them."""

    def __init__(self, count):
        self._before, self._counts = [0] * count, [0] * count

    def decode(self, text):
        """Flags of now, then counts since boot."""
        bits = int(text, 16)  # with or without 0x
        now = [bits >> place & 1 for place in range(len(self._counts))]
        since = [bits >> place + 16 & 1 for place in range(len(self._counts))]
        self._counts = [count + (bit > before) for count, bit, before in zip(self._counts, since, self._before)]
        self._before = since
        return [float(value) for value in now + self._counts]


def _event(path, name, scope, provenance):
    return Source(path, [Channel(name, "event", "counter", scope, provenance)], _number)


def _flag(path, name, scope, provenance, decode):
    return Source(path, [Channel(name, "flag", "gauge", scope, provenance)], decode)


def _number(text):
    return [number_in(text)]


def _above_zero(text):
    value = number_in(text)
    return [float(value > 0) if value == value else NAN]  # intel_powerclamp shows -1 at rest


def _below(maximum):
    def decode(text):
        value = number_in(text)
        return [float(value < maximum) if value == value else NAN]

    return decode
