"""Who holds the board: one small file per holder in a folder that all logins share, and what must be put back after it.

A holder is known by its process, the time that the process started at, and the boot it lives in: a file whose holder
is gone is stale, whatever else it says. It also lists the trial process and the state as it was found, so that whoever
finds it stale (the guard, or the next steward) can clean up as the holder would have done.
"""

import fcntl
import json
import os
import time
from contextlib import contextmanager, suppress

from .child import ENDING_S, kill_session
from .collectors.files import fields_after_name, read_text, under
from .controls import setting

SUFFIX = ".lease.json"
STEP_S = 0.01


class Busy(Exception):
    """Another run holds the board. `holder`: its entry."""

    def __init__(self, holder):
        super().__init__("{who} has been measuring on it since {since_utc} (run {run})".format(**holder))
        self.holder = holder


def identity(pid, root):
    """What tells a process from a later one of the same number: {"pid", "started_ticks", "boot_id"}."""
    # Of the real /proc, whatever the root is: processes are not made of files. Of its first thread, which started with
    # it: user-mode emulators make up /proc/PID/stat for a process's own eyes.
    text = read_text("/proc/{0}/task/{0}/stat".format(pid))
    fields = fields_after_name(text) if text else ["Z"]
    # The 22nd field; the third, the state, is the first of these. One that nobody has reaped yet has ended.
    started = None if fields[0] in "ZX" else int(fields[19])
    return {"pid": pid, "started_ticks": started, "boot_id": boot_id(root)}


def boot_id(root):
    """The kernel's name of the present boot; None where there is none."""
    return read_text(under(root, "proc/sys/kernel/random/boot_id"))


def alive(who, root):
    """Whether this very process, as `identity` named it, still runs."""
    if who["started_ticks"] is None or who["boot_id"] != boot_id(root):
        return False
    now = identity(who["pid"], root)
    return now == who or (now["started_ticks"] is None and _hidden(who["pid"]))


def _hidden(pid):
    """Whether a process is there that /proc does not show to this login (hidepid)."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return not os.path.exists("/proc/{}".format(pid))
    except OSError:
        pass
    return False


class Lease:
    """The board's lease in the hand of this process."""

    def __init__(self, path, entry):
        self.path, self._entry = path, entry

    def note(self, **changes):
        """Set entries: `child` (the trial process), `found` (the state to be put back)."""
        self._entry.update(changes)
        write_whole(self.path, json.dumps(self._entry, sort_keys=True))


def take(folder, root, run, who, board):
    """Hold the board for a run. Returns (lease, what stale holders had left to be put right, in words).

    Busy where somebody else does: the same run by another process included. OSError where the folder cannot be written.
    """
    os.makedirs(folder, exist_ok=True)
    with suppress(OSError):  # somebody else's folder has its mode already
        os.chmod(folder, 0o1777)  # noqa: S103  # as of /tmp: every login of the board leaves its own here
    with _locked(folder):
        told = []
        for path in _entries(folder):
            entry = _read(path)
            if entry is None:
                continue
            if alive(entry["holder"], root):
                raise Busy(entry)
            told += clean_up(path, root)
        # By login and process: after a restart another login's left-over may bear the same process number.
        path = os.path.join(folder, "{}-{}{}".format(os.geteuid(), os.getpid(), SUFFIX))
        since = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
        entry = {
            "run": run,
            "who": who,
            "since_utc": since,
            "holder": identity(os.getpid(), root),
            "board": board,
            "child": None,
            "found": {},
        }
        lease = Lease(path, entry)
        lease.note()
    return lease, told


def release(path, root):
    """Let go: end the trial process, put the state back, remove the entry. What could not be put back, in words.

    Harmless where it was done already.
    """
    with _locked(os.path.dirname(path)):
        return clean_up(path, root)


def clean_up(path, root):
    """As `release`, for one who holds the folder's lock."""
    entry = _read(path)
    if entry is None:
        return []
    if os.stat(path).st_uid != os.geteuid():
        # Not by root either: anybody may write here, and root would kill and restore what somebody made up.
        return ["{} left a stale lease ({}) that only they can clear away".format(entry["who"], path)]
    if entry["child"] is not None and alive(entry["child"], root):
        _end(entry["child"], root)
    told = []
    if entry["found"]:
        machine = setting.machine(root, entry["board"])
        for problem in setting.restore(machine, entry["found"]):
            said = "{control} could not be put back: {reason}".format(**problem)
            told += ["{}; {}".format(said, problem["grant"]) if problem["grant"] else said]
    os.unlink(path)
    return told


def write_whole(path, text):
    """A file that is there with all of its text or not at all, also after a loss of power."""
    partial = path + ".partial"
    try:
        with open(partial, "w", encoding="utf-8") as target:
            target.write(text)
            target.flush()
            os.fsync(target.fileno())
        os.rename(partial, path)
    except OSError:
        with suppress(OSError):
            os.unlink(partial)
        raise


def _end(who, root):
    """Kill a process with its session, and wait until it is gone: the next trial must not run beside its rest."""
    kill_session(who["pid"])
    deadline = time.perf_counter() + ENDING_S
    while alive(who, root) and time.perf_counter() < deadline:
        time.sleep(STEP_S)


@contextmanager
def _locked(folder):
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _entries(folder):
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(SUFFIX)]


def _read(path):
    """An entry; None where it is gone, or is none."""
    try:
        with open(path, encoding="utf-8") as source:
            entry = json.load(source)
        entry["holder"]["pid"]
        return entry
    except (OSError, ValueError, KeyError, TypeError):
        return None
