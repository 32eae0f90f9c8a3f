"""Energy of processor packages as the package pyRAPL gives it: for who must reproduce figures that were made with it.

Nothing needs this: `rapl` reads the same counters without any package. pyRAPL 0.2.3.1 (the last one, of 2019) has its
traps, each met here: its energy() is in microjoules although it says joules, holds -1 for what is missing, and does not
know that counters start over; it warns when it is imported; it fails where a core is switched off, and where there are
more package zones than sockets. It reads the real /sys, whatever root the agent was given.
"""

import importlib
import time
import warnings

from . import NAN, Channel, options_of
from .files import under
from .rapl import ASSUMED_LIMIT_W, Unwrapped, find_zones

_REMEDY = "use the collector rapl, which reads the same counters and needs nothing"


def import_pyrapl():
    """The package. Its sources hold what Python 3.12 warns of, and its warnings would end an agent under -W error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("pyRAPL")


class PyraplCollector:
    """Joules since `start` of every package that pyRAPL finds."""

    name = "pyrapl"

    def __init__(self, place, load=import_pyrapl, clock=time.perf_counter):
        options_of(self.name, place)
        self._zones = {zone.name: zone for zone in find_zones(under(place.root, "sys/class/powercap"))}
        self._load, self._clock = load, clock
        self._packages = None  # numbers of the packages, once pyRAPL was asked
        self._sensor, self._joules = None, []

    def why_unavailable(self):
        """None where pyRAPL is installed and finds a package."""
        self._packages = []
        try:
            sensor = self._make_sensor()
            try:
                # By socket: package, dram, package, dram.
                self._packages = [number for number, joules in enumerate(sensor.energy()[::2]) if joules >= 0]
            finally:
                close(sensor)
        except ImportError:
            return "pyRAPL is not installed: pip install pyRAPL, or rather {}".format(_REMEDY)
        except Exception as error:  # noqa: BLE001  # it raises exceptions of its own, and any of its many file errors
            return "pyRAPL refuses this machine ({}: {}): {}".format(type(error).__name__, error, _REMEDY)
        return None if self._packages else "pyRAPL finds no package on this machine: {}".format(_REMEDY)

    def channels(self):
        """package-N_energy of every package."""
        if self._packages is None:
            self.why_unavailable()
        return [
            Channel("package-{}_energy".format(number), "J", "counter", "package", "hardware counter")
            for number in self._packages
        ]

    def start(self):
        """Begin to count."""
        self._sensor, self._joules = self._make_sensor(), []
        for channel in self.channels():
            # What it does not tell, powercap does.
            zone = self._zones.get(channel.name[: -len("_energy")])
            self._joules.append(Unwrapped(zone.range_uj, zone.limit_w) if zone else Unwrapped(NAN, ASSUMED_LIMIT_W))
        self.read()

    def read(self):
        """One row of joules; a step backwards of a counter whose range powercap does not tell reads NaN."""
        microjoules, now_s = self._sensor.energy()[::2], self._clock()
        return [joules.follow(microjoules[number], now_s) for number, joules in zip(self._packages, self._joules)]

    def stop(self):
        """Close its files."""
        sensor, self._sensor = self._sensor, None
        if sensor is not None:
            close(sensor)

    def _make_sensor(self):
        package = self._load()
        return package.Sensor([package.Device.PKG])


def close(sensor):
    """Close the files that a sensor of pyRAPL keeps open; it has no way of its own to do so."""
    for device in getattr(sensor, "_device_api", {}).values():
        for opened in getattr(device, "_sys_files", ()):
            opened.close()
