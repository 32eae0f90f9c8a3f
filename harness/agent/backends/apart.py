"""Work that is done once, in a process of its own: the building of engines.

What it leaves in memory, in the libraries' state and on the device is no part of what is measured afterwards, and what
kills it leaves the trial alive to say so. Knows no runtime.
"""

import ctypes
import importlib
import json
import os
import subprocess
import sys

_KILL_WITH_PARENT = 1  # PR_SET_PDEATHSIG

_START = """
import importlib, sys
sys.path.insert(0, sys.argv[1])
importlib.import_module(sys.argv[2]).work(*sys.argv[3:])
"""


def run(module, function, asked):
    """Call a function of a module of this package with `asked`, a dict of texts, numbers and lists.

    Returns (status, said): 0 where it returned, the signal below 0 that it died of, else what it raised, in words.
    """
    # This package lies in an archive or a checkout: its module's name and place lead to what must be importable.
    root = os.path.abspath(__file__)
    for _ in __name__.split("."):
        root = os.path.dirname(root)
    command = [sys.executable, "-c", _START, root, __name__, module, function, json.dumps(asked)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    said = process.communicate()[0].decode("utf-8", "replace").strip()
    return process.returncode, said


def work(module, function, asked):
    """The process of `run`: whatever a library prints goes to stderr, and the reason of a failure to the pipe."""
    ctypes.CDLL(None).prctl(_KILL_WITH_PARENT, 9)
    reply = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        getattr(importlib.import_module(module), function)(json.loads(asked))
    except Exception as error:  # noqa: BLE001  # whatever stopped it is for the parent to tell
        # An error that was raised for a reader needs no type before it.
        told = str(error) if getattr(error, "told", False) else "{}: {}".format(type(error).__name__, error)
        reply.write(told)
        reply.close()
        # Destructors of a library that just failed may crash, and hide the reason.
        os._exit(1)
