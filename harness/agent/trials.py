"""The folder of one trial on the board: where its process writes, and its result once it is finished.

A result lies there whole or not at all; a folder without one is the rest of a trial that came to no end.
"""

import errno
import json
import os
import shutil

from .entries import write_whole

# A full disk, a full quota, a file beyond the limit.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
RESULT = "result.json"


def folder_of(board, run, trial):
    """Where a trial lies below the board's folder."""
    return os.path.join(board, "trials", run, trial)


def errors_of(arm):
    """The file for what a process of a trial says to stderr."""
    return "errors-{}".format(arm)


def result_of(folder):
    """What a finished trial left, as a dict; None where it is not finished."""
    try:
        with open(os.path.join(folder, RESULT), encoding="utf-8") as source:
            return json.load(source)
    except FileNotFoundError:
        return None


def begin(folder):
    """A fresh folder: what an unfinished trial left there is of no use."""
    drop(folder)
    os.makedirs(folder)


def finish(folder, result):
    """Keep the result; afterwards the trial is finished, even if the board loses its power now.

    OSError where the disk is full: nothing is kept then, and a trial that failed for that alone has come to no end.
    """
    try:
        if _lacked_room(result):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), folder)
        # First what the result speaks of: without them it would lie about what is here.
        for name in sorted(os.listdir(folder)):
            _to_disk(os.path.join(folder, name))
        write_whole(os.path.join(folder, RESULT), json.dumps(result, sort_keys=True))
        _to_disk(folder)
    except OSError:
        drop(folder)
        raise


def drop(folder):
    """Remove a trial or a run, whether it is there or not."""
    shutil.rmtree(folder, ignore_errors=True)


def _lacked_room(result):
    """Whether what ended it is a full disk: of its replies only the last can be a failure that counts."""
    ends = [reply["error"]["text"] for reply in result["replies"][-1:] if not reply["ok"]]
    ends += [result["died"]["said"]] if result["died"] is not None else []
    return any(os.strerror(number) in text for text in ends for number in NO_ROOM)


def _to_disk(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
