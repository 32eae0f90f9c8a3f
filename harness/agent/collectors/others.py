"""How much everything else on the machine is running: CPU seconds of all other processes, and CPU pressure."""

import re

from . import NAN, Channel, options_of
from .cpu import busy_and_steal
from .files import Reader, fields_after_name, read_text, ticks_per_second, under

_ALL = re.compile(r"^cpu +(.*)$", re.MULTILINE)
_WAITED = re.compile(r"^some .*total=(\d+)", re.MULTILINE)


class OthersCollector:
    """Busy seconds of the machine minus those of the measured process and of the sensor process itself."""

    name = "others"

    def __init__(self, place):
        options_of(self.name, place)
        self._stat_path = under(place.root, "proc", "stat")
        self._process_paths = [under(place.root, "proc", str(pid), "stat") for pid in (place.target, place.own)]
        self._pressure_path = under(place.root, "proc/pressure/cpu")
        self._ticks = float(ticks_per_second())
        self._stat, self._processes, self._pressure = None, [], None

    def why_unavailable(self):
        """None where /proc/stat has its total line and the processes show."""
        if not _ALL.search(read_text(self._stat_path) or ""):
            return "{} has no total line".format(self._stat_path)
        for path in self._process_paths:
            if read_text(path) is None:
                return "{} cannot be read".format(path)
        return None

    def channels(self):
        """Always both; pressure is NaN where the kernel keeps none (before 4.20, or built without PSI)."""
        return [
            Channel("other_busy", "s", "counter", "machine", "kernel counter"),
            Channel("cpu_pressure", "s", "counter", "machine", "kernel counter"),
        ]

    def start(self):
        """Open the files."""
        self._stat = Reader(self._stat_path)
        self._processes = [Reader(path) for path in self._process_paths]
        if _WAITED.search(read_text(self._pressure_path) or ""):
            self._pressure = Reader(self._pressure_path)

    def read(self):
        """One row."""
        total = _ALL.search(self._stat.read())
        busy, _ = busy_and_steal(total and total.group(1), self._ticks)
        own = 0.0
        for reader in self._processes:
            fields = fields_after_name(reader.read())
            own += (int(fields[11]) + int(fields[12])) / self._ticks
        waited = _WAITED.search(self._pressure.read()) if self._pressure is not None else None
        return [busy - own, int(waited.group(1)) / 1e6 if waited else NAN]

    def stop(self):
        """Close the files."""
        for reader in [self._stat, self._pressure] + self._processes:
            if reader is not None:
                reader.close()
