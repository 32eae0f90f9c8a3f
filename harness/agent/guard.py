"""The steward's shadow: waits until the steward is gone, however it ended, and puts right what it left.

It reads nothing but the end of its input, so that nothing can distract it, and ignores what would end it with the
steward: a signal to the session, a closed terminal.
"""

import signal
import subprocess
import sys

from . import lease

IGNORED = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)


def start(launch, path, root):
    """A guard of the lease at `path`; it acts when its stdin is closed, as the end of this process closes it."""
    return subprocess.Popen(
        launch + ["guard", path, root],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        # What is ignored stays so in what is started: there is no moment in which it could be ended.
        preexec_fn=_ignore,  # noqa: PLW1509  # the steward has no threads
    )


def main(path, root):
    """Wait for the end of stdin, then release the lease at `path`. Harmless where the steward did so itself."""
    _ignore()
    while sys.stdin.buffer.read(1):
        pass
    lease.release(path, root)
    return 0


def _ignore():
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
