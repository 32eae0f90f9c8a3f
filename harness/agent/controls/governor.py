"""The CPU frequency governor, of all policies alike."""

import os

from ..collectors.files import read_text, under
from . import cpufreq, nearest, rights


class Governor:
    """Value: the governor's name; read as one name, or by policy where they differ."""

    name = "governor"
    moves = ()

    def __init__(self, machine):
        self._machine = machine
        self.asked_too = frozenset()

    def missing(self):
        """None where a core has a governor."""
        if self._paths():
            return None
        folder = under(self._machine.root, "sys/devices/system/cpu")
        return "no core below {} has a governor: a virtual machine shows none; else load its cpufreq driver".format(
            folder
        )

    def why_unavailable(self, asked):
        """None where it can be set; tried by writing the present value again."""

        def attempt():
            for path in self._paths().values():
                self._machine.write(path, read_text(path))

        return rights.unavailable(self, asked, attempt)

    def needs(self, asked):
        """One tee per policy; a core that is off now may come with one more."""
        return [[rights.tee(self._machine.root), path] for path in self._paths().values()]

    def read(self):
        """The name, or names by policy."""
        found = {name: read_text(path) for name, path in self._paths().items()}
        if not found:
            return None
        return found if len(set(found.values())) > 1 else next(iter(found.values()))

    def set(self, asked):
        """Write it to every policy."""
        self._check(asked)
        self._write(dict.fromkeys(self._paths(), asked))

    def differs(self, asked):
        """None where every policy has it."""
        self._check(asked)
        found = self.read()
        return None if found == asked else _words(found)

    def restore(self, found):
        """Write back what each policy had; of a policy that was not there then, nothing is known."""
        if self.astray(found) is not None:
            self._write(found if isinstance(found, dict) else dict.fromkeys(self._paths(), found))

    def astray(self, found):
        """None where it is as found. A policy whose cores are off cannot be asked, and does not count."""
        now = {name: read_text(path) for name, path in self._paths().items()}
        before = found if isinstance(found, dict) else dict.fromkeys(now, found)
        same = all(before.get(name, value) == value for name, value in now.items())
        return None if same else _words(self.read())

    def _paths(self):
        root = self._machine.root
        return {name: os.path.join(path, "scaling_governor") for name, path in cpufreq.policies(root).items()}

    def _write(self, values):
        paths = self._paths()
        for name, value in values.items():
            if name in paths:
                self._machine.write(paths[name], value)

    def _check(self, asked):
        for path in self._paths().values():
            known = read_text(os.path.join(os.path.dirname(path), "scaling_available_governors"))
            if known is not None and asked not in known.split():
                raise ValueError("governor {!r} is not on this board; {}".format(asked, nearest(asked, known.split())))


def _words(found):
    if isinstance(found, dict):
        return ", ".join("{} {}".format(name, value) for name, value in sorted(found.items()))
    return str(found)
