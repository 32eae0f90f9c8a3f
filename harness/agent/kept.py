"""What lies in the board's folder: agents, artifacts with their engines, inputs, images, trials, and what clocks were.
Lists it, and removes what is named. Knows the folder's layout and nothing of what is in the files.
"""

import json
import os
import re
import shutil
import sys
import time

from . import lease, wire
from .controls import clocks

# Kind and where it lies: one entry per match, each listed and removed as a whole.
# Whoever sends an archive writes one of its own first, named after its process: with the suffix, or in its place.
_AGENT = re.compile(r"agent-[0-9a-f]{16}(\.pyz|(\.pyz)?(\.[0-9]+)?\.partial)\Z")
_FOLDERS = ("artifacts", "images", "inputs", "trials")
# Clocks are put back from these; when they are, both go. Where they stay, nothing needs them or it failed.
_STATE = (clocks.STORE, clocks.WHOLE)


def main(launch, folder, lease_folder="", who=""):
    """As `serve`, of this process."""
    serve((sys.stdin, sys.stdout), folder, launch[-1], (lease_folder, who))
    return 0


def serve(streams, folder, agent, holder):
    """List; then, for a host that names some of it in a line (a JSON list), remove that under the board's lease.

    Two lines are said: {"kept": [...]}, and {"removed": [...], "failed": [[name, reason]]}, {"busy": who has it} or
    {"refused": why the lease cannot be taken}.
    holder: the lease's folder, and who takes it.
    """
    source, target = streams
    _say(target, {"kept": listing(folder, agent)})
    line = source.readline()
    if line:
        _say(target, _removed_alone(folder, holder, json.loads(line)))


def listing(folder, agent=""):
    """Entries by name, oldest first: {"name", "kind", "bytes", "age_s", "finished"}.

    name: the path below the folder. finished: of a run's trials, how many have a result; None of all else. `agent`: the
    archive that asks, which is no left-over.
    """
    own = os.path.realpath(agent)
    names = [name for name in _names(folder) if _AGENT.match(name)]
    found = [_entry(folder, name, "agent") for name in names if os.path.realpath(os.path.join(folder, name)) != own]
    found += [_entry(folder, name, "state") for name in _names(folder) if name in _STATE]
    for kind in _FOLDERS:
        found += [_entry(folder, kind + "/" + name, kind) for name in _names(os.path.join(folder, kind))]
    return sorted(found, key=lambda entry: -entry["age_s"])


def remove(folder, names, owed=()):
    """Remove entries of the listing. Returns {"removed": names, "failed": [[name, reason]]}.

    owed: controls that are still to be put back from this folder.
    """
    known = {entry["name"] for entry in listing(folder)}
    removed, failed = [], []
    for name in names:
        path = os.path.join(folder, name)
        try:
            if name in _STATE and clocks.Clocks.name in owed:
                raise OSError("the clocks are still to be put back from it: the next run does so, or a restart")
            if name in _STATE and not os.path.lexists(path):
                removed.append(name)  # taking the lease has put the clocks back, and needs it no more
                continue
            if name not in known:  # which keeps every path within the folder
                raise OSError("it is not there")
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)
            removed.append(name)
        except OSError as error:
            failed.append([name, error.strerror or str(error)])
    return {"removed": removed, "failed": failed}


def _removed_alone(folder, holder, names):
    """A run that is under way needs what lies here."""
    lease_folder, who = holder
    try:
        held, _ = lease.take(lease_folder, "/", "cleaning", who, folder)
    except lease.Busy as busy:
        return {"busy": str(busy)}
    except OSError as error:
        return {"refused": str(error)}
    try:
        return remove(folder, names, lease.owed(lease_folder, folder))
    finally:
        lease.release(held.path, "/")


def _say(target, message):
    target.write(wire.encode(message) + "\n")
    target.flush()


def _names(folder):
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def _entry(folder, name, kind):
    path = os.path.join(folder, name)
    files = [path]
    for inner, _, names in os.walk(path):
        files += [os.path.join(inner, one) for one in names]
    stats = [os.lstat(one) for one in files if os.path.lexists(one)]
    finished = sum(os.path.basename(one) == "result.json" for one in files) if kind == "trials" else None
    return {
        "name": name,
        "kind": kind,
        "bytes": sum(one.st_size for one in stats),
        # By the board's own clock: what it was when the file was written.
        "age_s": max(0.0, time.time() - max([one.st_mtime for one in stats] or [0.0])),
        "finished": finished,
    }
