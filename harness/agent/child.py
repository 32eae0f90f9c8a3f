"""A process of ours that is spoken to in lines: start it, send, wait for its answer, end it and all that it started.

It leads a session of its own, so that a Ctrl-C reaches nobody but the host, and so that its children end with it. The
host uses it too, for whatever it starts.
"""

import os
import selectors
import signal
import subprocess
import time
from contextlib import suppress

ENDING_S = 5.0
# The end of what it wrote to stderr says why it ended.
SAID_BYTES = 2000


class Gone(Exception):
    """The process ended, or was ended for its silence. kind: Killed, Exited or Silence; text: a sentence without its
    subject; said: the end of its stderr."""

    def __init__(self, kind, text, said="", status=None):
        super().__init__(text)
        self.kind, self.text, self.said, self.status = kind, text, said, status


class Child:
    """One running process. `errors`: an open file for its stderr, which is read back when it ends early.

    `ending_s`: so long one that was told to end, or that said its last, gets before it is ended.
    """

    def __init__(self, command, errors, folder=None, ending_s=ENDING_S):
        self._errors, self._ending_s = errors, ending_s
        self._pending, self._killed = b"", False
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(
                command, stdin=pipe, stdout=pipe, stderr=errors, cwd=folder, start_new_session=True
            )
        except OSError:
            errors.close()
            raise
        self.pid = self._process.pid

    def send(self, line):
        """One line. Gone where nobody reads it any more."""
        try:
            self._process.stdin.write(line.encode("utf-8") + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._gone()

    def receive(self, timeout_s, others=None):
        """The next line. Gone where the process ended, or was silent for `timeout_s` and therefore ended.

        others: {descriptor: function}; the function is called when the descriptor can be read meanwhile, and once it
        returns False no more.
        """
        deadline = time.perf_counter() + timeout_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            for descriptor, call in (others or {}).items():
                selector.register(descriptor, selectors.EVENT_READ, call)
            while b"\n" not in self._pending:
                left_s = deadline - time.perf_counter()
                ready = selector.select(left_s) if left_s > 0 else []
                if not ready:
                    self.kill()
                    raise Gone("Silence", "did not answer within {:.0f} s and was ended".format(timeout_s))
                for key, _ in ready:
                    if key.data is None:
                        self._read_on()
                    elif key.data() is False:
                        selector.unregister(key.fd)
        line, _, self._pending = self._pending.partition(b"\n")
        return line.decode("utf-8", "replace")

    def close(self, at_once=False):
        """End it: by closing its input and, if it lingers or `at_once`, by force. Its exit status; twice does nothing.

        What it started and left behind is ended by force too.
        """
        if at_once:
            self.kill()
        for stream in (self._process.stdin, self._process.stdout):
            with suppress(BrokenPipeError):
                stream.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(self._ending_s)
        self.kill()
        self._errors.close()
        return self._process.returncode

    def kill(self):
        """The whole session at once, so that no process of it is left behind. Twice does nothing."""
        # Once alone: later on its number may be another's.
        if not self._killed:
            self._killed = True
            kill_session(self.pid)
            self._process.wait()

    def _read_on(self):
        chunk = os.read(self._process.stdout.fileno(), 1 << 16)
        if not chunk:
            raise self._gone()
        self._pending += chunk

    def _gone(self):
        # Its output has ended and nothing more will come: a runtime that hangs as it is unloaded is not waited for.
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(self._ending_s)
        self.kill()  # its own children would see the end of their input too, but perhaps within the next trial
        status, said = self._process.returncode, self._said()
        if status < 0:
            name = signal.Signals(-status).name
            hint = "; SIGKILL usually means that memory ran out (see dmesg)" if -status == signal.SIGKILL else ""
            return Gone("Killed", "was ended by {}{}".format(name, hint), said, status)
        return Gone("Exited", "ended by itself with status {}".format(status), said, status)

    def _said(self):
        # Without moving the file's place: another thread may be told of the same end.
        descriptor = self._errors.fileno()
        begin = max(0, os.fstat(descriptor).st_size - SAID_BYTES)
        return os.pread(descriptor, SAID_BYTES, begin).decode("utf-8", "replace").strip()


def kill_session(pid):
    """SIGKILL to the session that `pid` leads, where it is still there."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
