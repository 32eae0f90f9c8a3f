"""Which cores are online, by the kernel's own switches."""

import re

from ..collectors.files import read_text, under
from . import cpufreq, rights

_PART = re.compile(r"(\d+)(?:-(\d+))?\Z", re.ASCII)


class Cores:
    """Value: "all", or numbers as in "0-3,5"; read as numbers."""

    name = "cores"
    moves = ()

    def __init__(self, machine):
        self._machine = machine
        self.asked_too = frozenset()

    def missing(self):
        """None where a core has a switch."""
        if self._switches():
            return None
        return "no core of {} can be switched off: use affinity to choose among them".format(
            under(self._machine.root, "sys/devices/system/cpu")
        )

    def why_unavailable(self, asked):
        """None where it can be set; tried by writing the present value of one core again."""

        def attempt():
            path = next(iter(self._switches().values()))
            self._machine.write(path, read_text(path))

        return rights.unavailable(self, asked, attempt)

    def needs(self, asked):
        """One tee per switch."""
        return [[rights.tee(self._machine.root), path] for _, path in sorted(self._switches().items())]

    def read(self):
        """Numbers as the kernel lists them, e.g. "0-3,5"."""
        online = self._online()
        return listing(online) if online else None

    def set(self, asked):
        """First on, then off: at no time is one of those asked for the only one left."""
        wanted, switches, online = self._wanted(asked), self._switches(), self._online()
        for core in sorted(wanted - online):
            self._machine.write(switches[core], "1")
        for core in sorted(online - wanted, reverse=True):
            self._machine.write(switches[core], "0")

    def differs(self, asked):
        """None where exactly these are online."""
        online = self._online()
        return None if online == self._wanted(asked) else "cores {}".format(listing(online))

    def restore(self, found):
        """As `set`."""
        if self.astray(found) is not None:
            self.set(found)

    def astray(self, found):
        """None where it is as found."""
        return self.differs(found)

    def _switches(self):
        root = self._machine.root
        paths = {core: under(root, "sys/devices/system/cpu/cpu{}/online".format(core)) for core in cpufreq.cores(root)}
        return {core: path for core, path in paths.items() if read_text(path) in ("0", "1")}

    def _online(self):
        # A core without a switch, mostly the first, is always on.
        off = {core for core, path in self._switches().items() if read_text(path) == "0"}
        return set(cpufreq.cores(self._machine.root)) - off

    def _wanted(self, asked):
        there = set(cpufreq.cores(self._machine.root))
        wanted = there if asked == "all" else numbers(asked)
        if not wanted <= there:
            raise ValueError("cores {!r}: this board has {}".format(asked, listing(there)))
        fixed = there - set(self._switches())
        if not fixed <= wanted or not wanted:
            raise ValueError(
                "cores {!r}: {} cannot be switched off on this board".format(asked, listing(fixed) or "the last one")
            )
        return wanted


def numbers(text):
    """The set that "0-3,5" lists. ValueError for anything else."""
    found = set()
    for part in str(text).split(","):
        match = _PART.match(part.strip())
        if match is None:
            raise ValueError('cores {!r} is neither "all" nor numbers as in "0-3,5"'.format(text))
        first, last = int(match.group(1)), int(match.group(2) or match.group(1))
        if last < first or last > 4095:  # no kernel has more; a slip must not fill the memory
            raise ValueError("cores {!r}: {} is no range of cores".format(text, part.strip()))
        found.update(range(first, last + 1))
    return found


def listing(cores):
    """The reverse of `numbers`, as the kernel writes it."""
    parts, ordered = [], sorted(cores)
    for core in ordered:
        if parts and parts[-1][1] == core - 1:
            parts[-1][1] = core
        else:
            parts.append([core, core])
    return ",".join(str(first) if first == last else "{}-{}".format(first, last) for first, last in parts)
