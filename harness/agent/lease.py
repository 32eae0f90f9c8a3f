"""Who holds the board: one small file per holder in a folder that all logins share, and what must be put back after it.

A holder is known by its process, the time that the process started at, and the boot it lives in: a file whose holder
is gone is stale, whatever else it says. It also lists the trial process and the state as it was found, so that whoever
finds it stale (the guard, or the next steward) can clean up as the holder would have done. What could not be put back
stays in the file, without a holder, for the next one to try. Every login may write here: nothing that lies in the
folder is believed for its name alone.
"""

import fcntl
import os
import pwd
import time
from contextlib import contextmanager, suppress

from .child import ENDING_S, kill_session
from .collectors.files import fields_after_name, read_text, under
from .controls import setting
from .entries import PARTIAL, SUFFIX, Odd, keep, read

STEP_S = 0.01


class Busy(Exception):
    """Another run holds the board. `holder`: its entry; only who, since_utc and run where it may not be read."""

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
    if who is None or who["started_ticks"] is None or who["boot_id"] != boot_id(root):
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
        """Set entries: `children` (the trial's processes), `found` (the state to be put back)."""
        self._entry.update(changes)
        keep(self.path, self._entry)


def take(folder, root, run, who, board):
    """Hold the board for a run. Returns (lease, what stale holders had left to be put right, in words).

    Busy where somebody else does: the same run by another process included. OSError where the folder cannot be written.
    """
    os.makedirs(folder, exist_ok=True)
    with _locked(folder) as descriptor:
        with suppress(OSError):  # somebody else's folder has its mode already
            os.fchmod(descriptor, 0o1777)  # as of /tmp: every login of the board leaves its own here
        # First whether it is free: a state that is put back disturbs whoever measures.
        entries, told = _all_of(folder)
        _check_free(entries, root)
        _sweep(folder)
        # The last that was changed is put back first, as one would undo it.
        for path, _, _ in sorted(entries, key=lambda one: one[1]["since_utc"], reverse=True):
            told += clean_up(path, root)
        path = _free_path(folder)
        entry = {
            "run": run,
            "who": who,
            "since_utc": _utc(time.time()),
            "holder": identity(os.getpid(), root),
            "board": board,
            "children": [],
            "found": {},
        }
        lease = Lease(path, entry)
        lease.note()
    return lease, told


def holder(folder, root):
    """Who has the board now: {"who", "since_utc", "run"}, or None. Takes, locks and changes nothing. OSError."""
    try:
        _check_free(_all_of(folder)[0], root)
    except Busy as busy:
        return {name: busy.holder[name] for name in ("who", "since_utc", "run")}
    except FileNotFoundError:
        pass  # nobody ever took it
    return None


def owed(folder, board):
    """Names of what is still to be put back by what lies in the folder `board`."""
    return {name for _, entry, _ in _all_of(folder)[0] if entry["board"] == board for name in entry["found"]}


def release(path, root):
    """Let go: end the trial process, put the state back, remove the entry. What could not be put back, in words.

    Harmless where it was done already: what failed then is the next holder's to try, for one may measure by now.
    """
    with _locked(os.path.dirname(path)):
        entry = _entry_of(path)
        return [] if entry is None or entry["holder"] is None else clean_up(path, root)


def clean_up(path, root):
    """As `release`, for one who holds the folder's lock; what failed before is tried again."""
    try:
        entry, uid = read(path)
    except (Odd, OSError):
        return []
    if uid != os.geteuid():
        # Not by root either: anybody may write here, and root would kill and restore what somebody made up.
        return ["{} left a stale lease ({}) that only they can clear away".format(entry["who"], path)]
    for child in entry["children"]:
        if alive(child, root):
            _end(child, root)
    problems = []
    if entry["found"]:
        machine = setting.machine(root, entry["board"])
        try:
            problems = setting.restore(machine, entry["found"])
        except (AttributeError, KeyError, TypeError) as error:  # of another version of the harness
            said = "{} tells the state in a form that is not known here ({!r})"
            return [said.format(path, error) + ": put it back by hand, or restart the board; then remove the file"]
    if not problems:
        os.unlink(path)
        return []
    left = {problem["control"]: entry["found"][problem["control"]] for problem in problems}
    with suppress(OSError):  # a full disk: then all of it is tried again
        keep(path, dict(entry, holder=None, children=[], found=left))
    return [_told(problem) for problem in problems]


def _told(problem):
    said = "{control} could not be put back: {reason}".format(**problem)
    again = "it is tried again the next time that the board is taken"
    return "; ".join([said] + ([problem["grant"]] if problem["grant"] else []) + [again])


def _end(who, root):
    """Kill a process with its session, and wait until it is gone: the next trial must not run beside its rest."""
    kill_session(who["pid"])
    deadline = time.perf_counter() + ENDING_S
    while alive(who, root) and time.perf_counter() < deadline:
        time.sleep(STEP_S)


@contextmanager
def _locked(folder):
    # Of the folder itself: what a link of somebody else's leads to must not get the mode of this one.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _free_path(folder):
    """By login and process; after a restart a left-over may bear the same numbers."""
    stem, number = os.path.join(folder, "{}-{}".format(os.geteuid(), os.getpid())), 1
    path = stem + SUFFIX
    while os.path.lexists(path):
        number += 1
        path = "{}-{}{}".format(stem, number, SUFFIX)
    return path


def _check_free(entries, root):
    for _, entry, _ in entries:
        if alive(entry["holder"], root):
            raise Busy(entry)


def _all_of(folder):
    """[(path, entry, uid)] and what is no entry, in words. Busy where one may not be read."""
    found, told = [], []
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if not name.endswith(SUFFIX):
            continue
        try:
            found.append((path,) + read(path))
        except FileNotFoundError:
            continue
        except PermissionError:
            raise Busy(_closed(path))
        except (Odd, OSError) as error:
            told.append("{} is no lease ({}) and was passed over: remove it".format(path, error))
    return found, told


def _closed(path):
    """What can be said of an entry that another login lets nobody read: it may be held."""
    status = os.lstat(path)
    try:
        login = pwd.getpwuid(status.st_uid).pw_name
    except KeyError:
        login = "login {}".format(status.st_uid)
    who = "{0} (whose lease {1} no other login may read: let {0} remove it if that run is over)".format(login, path)
    return {"who": who, "since_utc": _utc(status.st_mtime), "run": "unknown"}


def _utc(epoch_s):
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(epoch_s))


def _sweep(folder):
    """Remove what this login's killed processes were writing; nobody holds the board, so nobody writes now."""
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if SUFFIX in name and name.endswith(PARTIAL):
            with suppress(OSError):
                if os.lstat(path).st_uid == os.geteuid():
                    os.unlink(path)


def _entry_of(path):
    """An entry; None where it is gone, or is none."""
    try:
        return read(path)[0]
    except (Odd, OSError):
        return None
