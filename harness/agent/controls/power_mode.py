"""The power mode of a Jetson, by nvpmodel, and what it really did.

A mode is in force where nvpmodel -q says so and the cores and ceilings in sysfs are those of /etc/nvpmodel.conf:
one that changes cores may fail without a word where there is no terminal. nvpmodel asks before it restarts a board; it
gets no input here and takes that for a no. Never run on a real board: written from what boards were seen to print.
"""

import re

from ..collectors.files import read_text, under
from . import nearest, nvpmodel, rights

_NAME = re.compile(r"^NV Power Mode:\s*(.*?)\s*$", re.MULTILINE)
_ID = re.compile(r"^(\d+)\s*$", re.MULTILINE | re.ASCII)
_RESTART = re.compile(r"reboot required", re.IGNORECASE)
PATIENCE_S = 60.0


class PowerMode:
    """Value: a mode's name as /etc/nvpmodel.conf has it; its number differs from module to module."""

    name = "power_mode"
    moves = ("cores", "clocks")

    def __init__(self, machine):
        self._machine = machine
        self._program = rights.program(machine.root, "nvpmodel")
        self._path = under(machine.root, "etc/nvpmodel.conf")
        self._conf = nvpmodel.parse(read_text(self._path) or "")
        self.asked_too = frozenset()

    def missing(self):
        """None where there are the program and modes."""
        if self._program is None:
            return "nvpmodel is not on this machine: only a Jetson has power modes (nvidia-l4t-nvpmodel)"
        if not self._conf.modes:
            return "{} names no mode: link it to this board's file in /etc/nvpmodel/".format(self._path)
        return None

    def why_unavailable(self, asked):
        """None where it can be set; tried by -q as root."""
        return rights.unavailable(self, asked, lambda: self._machine.run([self._program, "-q"]))

    def needs(self, asked):
        """Asking, and every mode: the one that is to be put back is known only then."""
        modes = [["-m", str(mode.id)] for mode in self._conf.modes]
        return [[self._program] + use for use in [["-q"]] + modes]

    def read(self):
        """The present mode's name."""
        mode = self._present()
        return None if mode is None else mode.name

    def set(self, asked):
        """Change the mode and look what became of it. Where it is not in force, the former mode is put back."""
        wanted, before = self._mode(asked), self._present()
        status, said = self._change(wanted)
        wrong = self._wrong(wanted)
        if wrong is None:
            return
        left = self._back(before)
        if _RESTART.search(said):
            raise OSError(
                "power mode {} needs a restart of the board: at the board, sudo nvpmodel -m {}, answer YES, and give "
                "the same command again once it is up; {}".format(wanted.name, wanted.id, left)
            )
        raise OSError(
            "nvpmodel -m {} ended with {} ({}), and {}: over ssh it may fail so; at the board itself, sudo nvpmodel "
            "-m {}; {}".format(wanted.id, status, " ".join(said.split()) or "no word", wrong, wanted.id, left)
        )

    def differs(self, asked):
        """None where the mode is in force; its cores do not count where others are asked for too."""
        return self._wrong(self._mode(asked), cores="cores" not in self.asked_too)

    def restore(self, found):
        """As `set`."""
        if self.astray(found) is not None:
            self.set(found)

    def astray(self, found):
        """None where the mode is as found. Cores found otherwise than their mode has them are put back as cores."""
        return self._wrong(self._mode(found), cores=False)

    def _mode(self, name):
        for mode in self._conf.modes:
            if mode.name == name:
                return mode
        known = [mode.name for mode in self._conf.modes]
        raise ValueError("power mode {!r} is not on this board; {} ({})".format(name, nearest(name, known), self._path))

    def _present(self):
        """By its number; by its name where no number is printed."""
        if self._program is None:
            return None
        for as_root in (False, True):  # some versions tell everybody, some only root
            try:
                status, out, _ = self._machine.run([self._program, "-q"], as_root=as_root)
            except OSError:
                continue
            number, name = _ID.findall(out), _NAME.search(out)
            for mode in self._conf.modes:
                told = mode.id == int(number[-1]) if number else name is not None and mode.name == name.group(1)
                if status == 0 and told:
                    return mode
        return None

    def _wrong(self, wanted, cores=True):
        present = self._present()
        if present is None:
            return "nvpmodel -q names no mode"
        if present.id != wanted.id:
            return "power mode {}".format(present.name)
        return nvpmodel.out_of_force(self._machine.root, self._conf, wanted, cores)

    def _change(self, mode):
        status, out, err = self._machine.run([self._program, "-m", str(mode.id)], timeout_s=PATIENCE_S)
        return status, out + err

    def _back(self, before):
        """Put the former mode back where anything moved, and say how the board was left."""
        if before is None:
            return "what the board was in before is not known"
        if self._wrong(before) is not None:
            self._change(before)
        wrong = self._wrong(before)
        return "the board is in {}{}".format(before.name, "" if wrong is None else ", but {}".format(wrong))
