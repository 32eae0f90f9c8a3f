"""Energy of processor packages and their parts, from the powercap zones of RAPL (Intel, and AMD under the same name).

Owns the zones' names and the unwrapping of their counters; which of them make up a total is the business of
devices/*.toml. A core or uncore zone lies inside its package and psys holds them all, so the scope says of each what it
is; dram is a child in the tree alone, its energy is not the package's. Sources: Linux
Documentation/power/powercap/powercap.rst, hardware.md section 5.

Zone numbers are no socket numbers: zones go by their names. The counters start over, so a difference is taken modulo
max_energy_range_uj + 1. Who asks too rarely misses a whole turn and reads a plausible low number; a counter that was
set back reads as a huge one. A step that may be either is NaN, and its joules are lost: counting goes on from there,
but a whole turn lower, so that a difference across it is negative, which everybody sees, and not a little too small,
which nobody does. `facts` says how often that happened.
"""

import os
import re
import time
from collections import namedtuple

from . import NAN, Channel, options_of
from .files import (
    Reader,
    first_failure,
    listed,
    natural,
    number_in,
    number_of,
    open_or_not,
    read_text,
    told_apart,
    under,
    why_none_reads,
)

# Where neither a zone nor its parent tells a limit.
ASSUMED_LIMIT_W = 1000.0
# The register of a limit has 15 bits in steps of 1/8 W at the coarsest; what is above is no limit. 3408 W was captured.
HIGHEST_LIMIT_W = 4096.0
# Asked less often than this share of a turn at the limit, a counter is not believed.
TRUSTED_SHARE = 0.25
# Limits may be passed for a while, and be set below what is really drawn; nothing passes the assumed one fourfold.
PLAUSIBLE_FACTOR = 4.0
# Counters are renewed about every millisecond: two quick readings may differ by the energy of a longer time than lies
# between them. This is far more than that, and yet no counter that was set back passes for so little.
SLACK_S = 0.1
# Far more than is drawn between two readings.
_UNKNOWN_TURN_UJ = 1e12

_POWERCAP = "sys/class/powercap"
_ZONE = re.compile(r"intel-rapl(?:-mmio)?(?::\d+)+\Z", re.ASCII)
_LIMIT = re.compile(r"constraint_\d+_power_limit_uw\Z", re.ASCII)
# entry: the zone's folder by its own name, intel-rapl:0:1; range_uj: NaN where the kernel does not tell it.
Zone = namedtuple("Zone", "entry name scope path range_uj limit_w")


class RaplCollector:
    """Joules since `start` of every zone. The first reading after `start` that succeeds is where counting begins."""

    name = "rapl"

    def __init__(self, place, reader=Reader, clock=time.perf_counter):
        options_of(self.name, place)
        self._folder = under(place.root, _POWERCAP)
        self._period_s, self._reader, self._clock = place.period_s, reader, clock
        self._zones = find_zones(self._folder)
        self._opened = []

    def why_unavailable(self):
        """None where one zone can be read, often enough for its counter."""
        if not self._zones:
            return (
                "no RAPL zone in {}: load its driver (sudo modprobe intel_rapl_msr); a virtual machine or container "
                "has none, nor have processors that are not x86".format(self._folder)
            )
        paths = [zone.path for zone in self._zones]
        failure = first_failure(paths, self._reader)
        if isinstance(failure, PermissionError):
            return (
                "{}: {}, since Linux 5.10 only root may read it (CVE-2020-8694): open it after each boot (a udev rule, "
                "or sudo chmod a+r {}/intel-rapl*/energy_uj), or use perf's power/energy-pkg/ after sudo sysctl "
                "kernel.perf_event_paranoid=0, or let a daemon that runs as root read it".format(
                    failure.filename, failure.strerror, self._folder
                )
            )
        if failure is not None:
            return why_none_reads(paths, self._reader)
        shortest_s = min(longest_gap_s(zone.range_uj, zone.limit_w) for zone in self._zones)
        if self._period_s > shortest_s:
            return "asked every {:g} s a counter may start over unseen: set [sensor.rapl] period_s below {:.0f}".format(
                self._period_s, shortest_s
            )
        return None

    def channels(self):
        """One per zone: package-0_energy, core_energy, core_energy#2 for that of the second package."""
        return [
            # The number of a second one stands last, as decoders put it.
            Channel(zone.name + "_energy" + name[len(zone.name) :], "J", "counter", zone.scope, "hardware counter")
            for zone, name in zip(self._zones, told_apart([zone.name for zone in self._zones]))
        ]

    def start(self):
        """Open every zone, and begin to count; one that will not open reads NaN."""
        self._opened = [
            (open_or_not(zone.path, self._reader), Unwrapped(zone.range_uj, zone.limit_w)) for zone in self._zones
        ]
        self.read()

    def read(self):
        """One row of joules; a zone that fails reads NaN, and its next reading holds what was missed."""
        return [joules.follow(number_of(reader), self._clock()) for reader, joules in self._opened]

    def facts(self):
        """Per channel: how often its counter started over, and how many of its steps were not believed."""
        return {
            channel.name: {"turns": joules.turns, "steps_not_believed": joules.not_believed}
            for channel, (_, joules) in zip(self.channels(), self._opened)
        }

    def stop(self):
        """Close every zone; what `facts` tells stays."""
        for reader, _ in self._opened:
            reader.close()


class Unwrapped:
    """Joules since the first value of a counter of microjoules that starts over after `range_uj` (NaN: not known).

    Behind a step that was not believed they go on a turn lower.
    """

    def __init__(self, range_uj, limit_w):
        self._range_uj = range_uj
        self._longest_gap_s = longest_gap_s(range_uj, limit_w)
        self._most_w = PLAUSIBLE_FACTOR * max(limit_w, ASSUMED_LIMIT_W)
        self._last_uj = self._last_s = None
        self._total_uj = 0.0
        self._turn_uj = range_uj + 1 if range_uj == range_uj else _UNKNOWN_TURN_UJ
        self.turns = self.not_believed = 0

    def follow(self, value_uj, now_s):
        """Joules up to this value, which was read at `now_s`; NaN for a NaN, and for a step that cannot be believed."""
        if value_uj != value_uj or value_uj < 0:
            return NAN
        last_uj, elapsed_s = self._last_uj, 0.0 if self._last_s is None else now_s - self._last_s
        self._last_uj, self._last_s = value_uj, now_s
        if last_uj is None:
            return 0.0
        step_uj, turned = value_uj - last_uj, value_uj < last_uj
        if turned:
            step_uj += self._range_uj + 1
        # A range that is not known makes a turn NaN, which is not believed either.
        plausible = 0 <= step_uj <= 1e6 * self._most_w * (elapsed_s + SLACK_S)
        if not plausible or elapsed_s > self._longest_gap_s:
            self.not_believed += 1
            self._total_uj -= self._turn_uj
            return NAN
        self.turns += turned
        self._total_uj += step_uj
        return self._total_uj / 1e6


def longest_gap_s(range_uj, limit_w):
    """Seconds for which a counter may be left alone and no turn is missed; infinite where it has no known end."""
    if range_uj != range_uj:
        return float("inf")
    return TRUSTED_SHARE * range_uj / 1e6 / limit_w


def find_zones(folder):
    """All zones with an energy counter; packages in the order of their names, each before its children.

    intel-rapl-mmio shows the same package again through other registers: its zone is left out where the first shows it.
    """
    folders = {}
    for start in (folder, os.path.join(folder, "intel-rapl"), os.path.join(folder, "intel-rapl-mmio")):
        _walk(start, folders)
    zones = {}
    for entry in sorted(folders, key=natural):  # a parent comes before its children
        zones[entry] = _zone(entry, folders[entry], zones.get(_parent(entry)))
    direct = {zone.name for zone in zones.values() if "mmio" not in zone.entry and os.path.exists(zone.path)}
    kept = [zone for zone in zones.values() if os.path.exists(zone.path) and zone.name]
    kept = [zone for zone in kept if not ("mmio" in zone.entry and zone.name in direct)]
    return sorted(kept, key=lambda zone: _order(zone, zones))


def _walk(folder, folders):
    for entry in listed(folder):
        if _ZONE.match(entry) and entry not in folders:
            folders[entry] = os.path.join(folder, entry)
            _walk(folders[entry], folders)


def _zone(entry, folder, parent):
    name = "-".join((read_text(os.path.join(folder, "name")) or "").split())
    limits = [number_in(read_text(os.path.join(folder, file))) / 1e6 for file in listed(folder) if _LIMIT.match(file)]
    limits = [limit for limit in limits if 0 < limit < HIGHEST_LIMIT_W]
    range_uj = number_in(read_text(os.path.join(folder, "max_energy_range_uj")))
    limit_w = max(limits) if limits else (parent.limit_w if parent else ASSUMED_LIMIT_W)
    return Zone(entry, name, _scope(name), os.path.join(folder, "energy_uj"), range_uj, limit_w)


def _scope(name):
    if name == "psys":
        return "board input"  # all that the board's regulators feed, as far as its maker wired it: more than a package
    return "package" if name.startswith("package") else "rail"


def _parent(entry):
    return entry.rpartition(":")[0]


def _order(zone, zones):
    parent = zones.get(_parent(zone.entry))
    return natural((parent or zone).name), natural((parent or zone).entry), natural(zone.entry)
