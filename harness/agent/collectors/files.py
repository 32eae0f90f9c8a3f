"""The small text files of /proc and /sys, under a root that tests replace.

Owns open descriptors, what counts as a number in them, and how channels of one name are told apart; no meaning.

Opening never blocks, a pipe in the place of a file included. A read that hangs inside the kernel (a bus that does not
answer) cannot be ended from here: it is left to `polling`, which gives every collector a thread of its own.
"""

import os
import re

from . import NAN

# No more digits than 64 bits need: float() of a longer one could be infinite, and it takes 1_000 and nan for numbers.
_NUMBER = re.compile(r"\s*([+-]?[0-9]{1,20})\s*\Z")
_DIGITS = re.compile(r"([0-9]+)")


class Reader:
    """A file kept open and read again from its start: one system call a reading, where opening costs three."""

    def __init__(self, path):
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def read(self):
        """The present text."""
        return os.pread(self._descriptor, 65536, 0).decode("utf-8", "replace")

    def close(self):
        """Give the descriptor back; a second time does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class Unopened:
    """Stands for a file that could not be opened; each reading fails as the opening did."""

    def __init__(self, path, error):
        self.path = path
        self._reason = (error.errno, error.strerror, path)

    def read(self):
        """Raise what the opening raised: anew each time, for an error that is raised again grows its traceback."""
        raise OSError(*self._reason)

    def close(self):
        """Nothing is open."""


def open_or_not(path, reader=Reader):
    """A Reader, or an Unopened where that fails: one file that is gone must not take the others along."""
    try:
        return reader(path)
    except OSError as error:
        return Unopened(path, error)


def read_text(path):
    """The stripped text of a file, or None where it cannot be read."""
    try:
        # Said, not left to the locale: a process may be named in any bytes, and a bare board often runs with LANG=C.
        with open(path, "rb", opener=_open_without_waiting) as source:
            return (source.read() or b"").decode("utf-8", "replace").strip()
    except OSError:
        return None


def number_in(text):
    """The whole number that a text is, as a float; NaN for anything else, None included."""
    found = _NUMBER.match(text) if text is not None else None
    return float(found.group(1)) if found else NAN


def number_of(reader):
    """The whole number that a file holds now; NaN where it cannot be read or holds none."""
    try:
        return number_in(reader.read())
    except OSError:
        return NAN


def first_failure(paths, reader=Reader):
    """None where one of the files can be read, else the OSError of the first, which names it."""
    failure = None
    for path in paths:
        try:
            opened = reader(path)
            try:
                opened.read()
            finally:
                opened.close()
            return None
        except OSError as error:
            failure = failure or OSError(error.errno, error.strerror, path)
    return failure


def why_none_reads(paths, reader=Reader):
    """None where one of the files can be read, else what went wrong with the first, and what to do."""
    failure = first_failure(paths, reader)
    if failure is None:
        return None
    if isinstance(failure, PermissionError):
        remedy = "let everybody read it (sudo chmod a+r), or run the agent as root"
    else:
        remedy = "its driver fails, and sudo dmesg may say why"
    return "{}: {}: {}".format(failure.filename, failure.strerror, remedy)


def listed(folder):
    """Names in a folder, numbers in the order of their value; none where it cannot be listed."""
    try:
        return sorted(os.listdir(folder), key=natural)
    except OSError:
        return []


def natural(name):
    """A sort key that puts cpu2 before cpu10."""
    return [int(part) if part.isdigit() else part for part in _DIGITS.split(name)]


def told_apart(names):
    """The same names; the second of one is called NAME#2, the third NAME#3, as decoders do."""
    counts, found = {}, []
    for name in names:
        counts[name] = counts.get(name, 0) + 1
        found.append(name if counts[name] == 1 else "{}#{}".format(name, counts[name]))
    return found


def under(root, *parts):
    """A path below the injectable root, e.g. under("/", "proc", "stat")."""
    return os.path.join(root, *parts)


def fields_after_name(stat_text):
    """Fields of /proc/PID/stat from the third on; the second, the name, may itself hold blanks and parentheses."""
    return stat_text.rpartition(")")[2].split()


def ticks_per_second():
    """Kernel clock ticks in which /proc counts CPU time."""
    return os.sysconf("SC_CLK_TCK")


def _open_without_waiting(path, flags):
    return os.open(path, flags | os.O_NONBLOCK)
