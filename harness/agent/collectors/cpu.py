"""Load, stolen time and clock of every core, from /proc/stat and cpufreq."""

import os
import re

from . import NAN, Channel, options_of
from .files import Reader, number_of, open_or_not, read_text, ticks_per_second, under

_CORE = re.compile(r"^cpu(\d+) (.*)$", re.MULTILINE)


class CpuCollector:
    """Counters of busy and stolen seconds per core; the current clock where cpufreq shows one."""

    name = "cpu"

    def __init__(self, place, reader=Reader):
        options_of(self.name, place)
        self._reader = reader
        self._stat_path = under(place.root, "proc", "stat")
        self._ticks = float(ticks_per_second())
        self._cores = [int(core) for core, _ in _CORE.findall(read_text(self._stat_path) or "")]
        self._clock_paths = {}
        for core in self._cores:
            path = under(place.root, "sys/devices/system/cpu/cpu{}/cpufreq/scaling_cur_freq".format(core))
            if os.access(path, os.R_OK):
                self._clock_paths[core] = path
        self._stat, self._clocks = None, []

    def why_unavailable(self):
        """None where /proc/stat lists cores."""
        return None if self._cores else "{} lists no core: mount proc".format(self._stat_path)

    def channels(self):
        """Busy and steal per core, then a clock per core that shows one."""
        listed = []
        for core in self._cores:
            listed.append(Channel("cpu{}_busy".format(core), "s", "counter", "core", "kernel counter"))
            listed.append(Channel("cpu{}_steal".format(core), "s", "counter", "core", "hypervisor counter"))
        clocked = sorted(self._clock_paths)
        return listed + [Channel("cpu{}_clock".format(core), "Hz", "gauge", "core", "cpufreq") for core in clocked]

    def start(self):
        """Open the files."""
        self._stat = self._reader(self._stat_path)
        # The clock of a core that went offline meanwhile is gone; its channel stays.
        self._clocks = [open_or_not(self._clock_paths[core], self._reader) for core in sorted(self._clock_paths)]

    def read(self):
        """One row."""
        rows = dict(_CORE.findall(self._stat.read()))
        values = []
        for core in self._cores:
            busy, steal = busy_and_steal(rows.get(str(core)), self._ticks)
            values += [busy, steal]
        for clock in self._clocks:
            values.append(number_of(clock) * 1000.0)  # the file is in kHz
        return values

    def stop(self):
        """Close the files."""
        for reader in [self._stat] + self._clocks:
            if reader is not None:
                reader.close()


def busy_and_steal(row, ticks):
    """Seconds busy (user, nice, system, irq, softirq) and stolen, of one /proc/stat row; NaN for a core offline."""
    if row is None:
        return NAN, NAN
    fields = [int(part) for part in row.split()]
    return (sum(fields[0:3]) + sum(fields[5:7])) / ticks, (fields[7] if len(fields) > 7 else 0) / ticks
