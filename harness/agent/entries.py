"""The files in which leases stand: written whole, and believed only where they have the right form.

They lie in a folder in which every login may write, so a name says nothing of what is behind it. Knows no process.
"""

import errno
import json
import os
import stat
import tempfile
from contextlib import suppress

SUFFIX, PARTIAL = ".lease.json", ".partial"
# An entry has some hundred bytes; anybody may leave a file of any size.
ENTRY_BYTES = 1 << 16
# A pipe must not be waited for, and a link not be followed to a file of somebody else's.
_LOOK = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


class Odd(Exception):
    """A file that has the name of an entry and is none."""


def write_whole(path, text):
    """A file that is there with all of its text or not at all, also after a loss of power. Every login may read it."""
    # Of a name that nobody can guess, and that is never there: a link in its place would lead to another file.
    folder, name = os.path.split(path)
    descriptor, partial = tempfile.mkstemp(suffix=PARTIAL, prefix=name + ".", dir=folder or ".")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as target:
            # Whatever the login's umask is: who may not read a lease could not know that it is held.
            os.fchmod(descriptor, 0o644)
            target.write(text)
            target.flush()
            os.fsync(descriptor)
        os.rename(partial, path)
    except OSError:
        with suppress(OSError):
            os.unlink(partial)
        raise


def keep(path, entry):
    """Write an entry."""
    write_whole(path, json.dumps(entry, sort_keys=True))


def read(path):
    """(entry, login that wrote it). Odd where it is none, OSError where it cannot be looked at."""
    try:
        descriptor = os.open(path, _LOOK)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise Odd("a link")
        raise
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Odd("not a file")
        text = os.read(descriptor, ENTRY_BYTES)
    finally:
        os.close(descriptor)
    try:
        entry = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError):
        raise Odd("not JSON")
    if not isinstance(entry, dict):
        raise Odd("not an object")
    wrong = sorted(name for name, fits in _FORM.items() if name not in entry or not fits(entry[name]))
    if wrong:
        raise Odd("{} of another form".format(", ".join(wrong)))
    return entry, status.st_uid


def _is_line(value):
    # It is shown on a terminal.
    return isinstance(value, str) and value.isprintable()


def _is_process(value):
    """As lease.identity names one, or none."""
    if value is None:
        return True
    known = isinstance(value, dict) and set(value) == {"pid", "started_ticks", "boot_id"}
    return known and (
        # A number below 1 would name a group of processes, and no process has True for its own.
        type(value["pid"]) is int
        and value["pid"] > 0
        and type(value["started_ticks"]) in (int, type(None))
        and isinstance(value["boot_id"], (str, type(None)))
    )


_FORM = {
    "run": _is_line,
    "who": _is_line,
    "since_utc": _is_line,
    "holder": _is_process,
    "board": _is_line,
    "children": lambda value: isinstance(value, list) and None not in value and all(map(_is_process, value)),
    "found": lambda value: isinstance(value, dict),
}
