"""Temperatures of the kernel's thermal zones."""

import os

from . import NAN, Channel
from .files import Reader, read_text, under


class ThermalCollector:
    """One channel per zone that can be read; zones are named by their type and number, as two may share a type."""

    name = "thermal"

    def __init__(self, place):
        self._folder = under(place.root, "sys/class/thermal")
        self._zones = []
        for entry in sorted(_listed(self._folder)):
            path = os.path.join(self._folder, entry, "temp")
            # Reading decides: some zones exist and answer with an I/O error while their block sleeps.
            if entry.startswith("thermal_zone") and read_text(path) is not None:
                kind = read_text(os.path.join(self._folder, entry, "type")) or "unnamed"
                self._zones.append(("{}_{}".format(kind, entry[len("thermal_zone") :]), path))
        self._readers = []

    def why_unavailable(self):
        """None where one zone is readable."""
        if self._zones:
            return None
        return (
            "no readable zone in {}: a virtual machine or container shows none; on a board load its "
            "thermal driver".format(self._folder)
        )

    def channels(self):
        """One per zone."""
        return [Channel(name, "degC", "gauge", "zone", "thermal zone") for name, _ in self._zones]

    def start(self):
        """Open every zone."""
        self._readers = [Reader(path) for _, path in self._zones]

    def read(self):
        """One row in degrees; a zone that sleeps reads NaN."""
        return [_celsius(reader) for reader in self._readers]

    def stop(self):
        """Close every zone."""
        for reader in self._readers:
            reader.close()


def _celsius(reader):
    try:
        return float(reader.read()) / 1000.0  # the file is in millidegrees
    except (OSError, ValueError):
        return NAN


def _listed(folder):
    try:
        return os.listdir(folder)
    except OSError:
        return []
