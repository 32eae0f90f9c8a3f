"""Temperatures of the kernel's thermal zones."""

import re

from . import NAN, Channel, options_of
from .files import Reader, listed, number_of, open_or_not, read_text, under, why_none_reads

_ZONE = re.compile(r"thermal_zone(\d+)\Z", re.ASCII)
# Zones whose driver answers with a constant: the power chip of Tegra (100 or 50 degrees), and Intel's INT3400, which
# stands for a policy and always shows 20.
_CONSTANT = re.compile(r"PMIC|INT3400", re.IGNORECASE)
# What Tegra shows for a sensor without power.
_POWERED_DOWN_C = -256.0


class ThermalCollector:
    """One channel per zone; zones are named by their type and number, as two may share a type."""

    name = "thermal"

    def __init__(self, place, reader=Reader):
        options_of(self.name, place)
        self._folder, self._reader = under(place.root, "sys/class/thermal"), reader
        self._zones = []
        for match in filter(None, map(_ZONE.match, listed(self._folder))):
            kind = read_text(under(self._folder, match.group(0), "type")) or "unnamed"
            if not _CONSTANT.match(kind):
                path = under(self._folder, match.group(0), "temp")
                self._zones.append(("{}_{}".format("_".join(kind.split()), match.group(1)), path))
        self._readers = []

    def why_unavailable(self):
        """None where one zone is readable."""
        if self._zones and why_none_reads([path for _, path in self._zones], self._reader) is None:
            return None
        return (
            "no readable zone in {}: a virtual machine or container shows none; on a board load its "
            "thermal driver".format(self._folder)
        )

    def channels(self):
        """One per zone, those that sleep included: a GPU's answers with an error until the first inference wakes it."""
        return [Channel(name, "degC", "gauge", "zone", "thermal zone") for name, _ in self._zones]

    def start(self):
        """Open every zone."""
        self._readers = [open_or_not(path, self._reader) for _, path in self._zones]

    def read(self):
        """One row in degrees; a zone that sleeps reads NaN."""
        return [_celsius(reader) for reader in self._readers]

    def stop(self):
        """Close every zone."""
        readers, self._readers = self._readers, []
        for reader in readers:
            reader.close()


def _celsius(reader):
    degrees = number_of(reader) / 1000.0  # the file is in millidegrees
    return NAN if degrees <= _POWERED_DOWN_C else degrees
