"""The small text files of /proc and /sys, under a root that tests replace. Owns open descriptors, no meaning."""

import os


class Reader:
    """A file kept open and read again from its start: one system call a reading, where opening costs three."""

    def __init__(self, path):
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY)

    def read(self):
        """The present text."""
        return os.pread(self._descriptor, 65536, 0).decode("utf-8", "replace")

    def close(self):
        """Give the descriptor back."""
        os.close(self._descriptor)


def read_text(path):
    """The stripped text of a file, or None where it cannot be read."""
    try:
        # Said, not left to the locale: a process may be named in any bytes, and a bare board often runs with LANG=C.
        with open(path, encoding="utf-8", errors="replace") as source:
            return source.read().strip()
    except OSError:
        return None


def under(root, *parts):
    """A path below the injectable root, e.g. under("/", "proc", "stat")."""
    return os.path.join(root, *parts)


def fields_after_name(stat_text):
    """Fields of /proc/PID/stat from the third on; the second, the name, may itself hold blanks and parentheses."""
    return stat_text.rpartition(")")[2].split()


def ticks_per_second():
    """Kernel clock ticks in which /proc counts CPU time."""
    return os.sysconf("SC_CLK_TCK")
