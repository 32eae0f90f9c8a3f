"""Clocks held at the power mode's ceiling by NVIDIA's jetson_clocks, and what they were, kept in a file of its own.

The program stores and restores far more than is checked here (idle states, memory clock); whether clocks are held is
seen in what the kernel shows to everybody: the lowest clock of each CPU policy and GPU equals its highest.

Its --restore writes as root whatever the file says, wherever it says: as the file belongs to the login, the grant
makes that login as good as root, as jetson_clocks itself would with any file.
"""

import os

from ..collectors.files import read_text, under
from . import cpufreq, rights

STORE = "jetson_clocks.store"
# Says at which boot the file was written, whole: after another one it describes a board that is no more.
WHOLE = "jetson_clocks.boot"
# It touches every clock, one after the other, and early ones wait for each.
PATIENCE_S = 60.0


class Clocks:
    """Value: "locked"; read as "locked", "free" or "partly" (some clocks are held, as by a power mode)."""

    name = "clocks"
    # Those of Nano and TX1 bring every core online before they raise the clocks.
    moves = ("cores",)

    def __init__(self, machine):
        self._machine = machine
        self._program = rights.program(machine.root, "jetson_clocks")
        self._store, self._whole = (os.path.join(machine.folder, name) for name in (STORE, WHOLE))
        self.asked_too = frozenset()

    def missing(self):
        """None where there is the program, and clocks to see its work by."""
        if self._program is None:
            return (
                "jetson_clocks is not on this machine: NVIDIA's L4T has it (nvidia-l4t-tools); elsewhere ask for "
                'governor = "performance"'
            )
        if not cpufreq.limits(self._machine.root):
            return "no clock is shown in sysfs: run on the host, not in a container that hides it"
        return None

    def why_unavailable(self, asked):
        """None where it can be set; tried by --show, which needs root too."""

        def attempt():
            self._machine.run([self._program, "--show"], timeout_s=PATIENCE_S)

        return rights.unavailable(self, asked, attempt)

    def needs(self, asked):
        """Its four uses, with this file and no other."""
        uses = ([], ["--show"], ["--store", self._store], ["--restore", self._store])
        return [[self._program] + use for use in uses]

    def read(self):
        """Whether lowest and highest are one, for all clocks that are shown."""
        held = {low == high for low, high in cpufreq.limits(self._machine.root).values()}
        if not held:
            return None
        return "partly" if len(held) > 1 else "locked" if held == {True} else "free"

    def set(self, asked):
        """Store what is in force, then lock; a board that is already locked is never stored, nor locked again.

        Where clocks are held in part and a file of this boot lies there, a former attempt was cut short: the file, not
        the board, says what was found.
        """
        if self.differs(asked) is None:
            return
        if self.read() == "free" or not self._is_whole():
            self._keep()
        try:
            self._run([])
            seen = self.differs(asked)
            if seen is not None:
                raise OSError("jetson_clocks ended well, yet the clocks are {}".format(seen))
        except OSError:
            self._run(["--restore", self._store])
            self._forget()
            raise

    def differs(self, asked):
        """None where all are held."""
        if asked != "locked":
            raise ValueError('clocks {!r}: only "locked" can be asked for'.format(asked))
        found = self.read()
        return None if found == "locked" else str(found)

    def restore(self, found):
        """From the file; clocks that were found locked are locked again. The file goes once all is as found."""
        if self.astray(found) is not None:
            if found == "locked":
                self._run([])
            elif self._is_whole():
                self._run(["--restore", self._store])
            else:
                raise OSError("nothing says any more what the clocks were: restart the board, which frees them")
        if self.astray(found) is None:
            self._forget()

    def astray(self, found):
        """None where it is as found."""
        now = self.read()
        return None if now == found else str(now)

    def _keep(self):
        self._forget()  # it would ask whether it may write over a file that is there
        self._run(["--store", self._store])
        if not read_text(self._store):
            raise OSError("jetson_clocks --store wrote nothing to {}: nothing was locked".format(self._store))
        with open(self._whole, "w", encoding="utf-8") as target:
            target.write(self._boot())

    def _is_whole(self):
        return bool(read_text(self._store)) and read_text(self._whole) == self._boot()

    def _boot(self):
        return read_text(under(self._machine.root, "proc/sys/kernel/random/boot_id")) or "a boot without an id"

    def _forget(self):
        for path in (self._whole, self._store):
            if os.path.lexists(path):
                os.remove(path)

    def _run(self, use):
        status, out, err = self._machine.run([self._program] + use, timeout_s=PATIENCE_S)
        if status != 0:
            said = " ".join((err.strip() or out.strip()).split())
            raise OSError("{} ended with {}: {}".format(" ".join(["jetson_clocks"] + use), status, said))
