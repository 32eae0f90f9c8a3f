"""The steward's end of the link: requests from stdin, replies to stdout, and the signs that nobody is there any more.

The host writes an empty line every few seconds. Where it closes its end, or is not heard for HOST_PATIENCE_S while a
request is waited for, it is lost: a cable that was pulled closes nothing.
"""

import os
import select
import signal
import time
from contextlib import suppress

from . import wire

HOST_PATIENCE_S = 60.0


class Lost(Exception):
    """The host is gone."""


class Recalled(Exception):
    """The host wants to leave now, in the middle of a trial, or the board is going down."""


class Host:
    """Lines in and out. Once `lost`, nothing is said any more."""

    def __init__(self, source, target):
        self._source, self._target = source, target
        # A dead link takes nothing in; whoever waits for that could not be told of anything else.
        os.set_blocking(target, False)
        self._pending, self.lost = b"", False
        self._waiting = []
        # A signal makes `woken` readable: SIGTERM as the board goes down, SIGUSR1 from a steward that serves the same
        # host by another link, SIGHUP from a dying login.
        self.woken, writing = os.pipe()
        os.set_blocking(self.woken, False)
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing)
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        for number in (signal.SIGINT, signal.SIGPIPE):
            signal.signal(number, signal.SIG_IGN)

    def next(self, patience_s=HOST_PATIENCE_S):
        """The next request. Lost where none will come."""
        while not self._waiting:
            if self.lost:
                raise Lost("the host closed the link")
            deadline = time.perf_counter() + patience_s
            ready = select.select([self._source, self.woken], [], [], max(0.0, deadline - time.perf_counter()))[0]
            if not ready:
                self.lost = True
                raise Lost("the host was not heard for {:.0f} s".format(patience_s))
            if self.woken in ready:
                self._signalled()
            if self._source in ready:
                self._take_in()
        return self._waiting.pop(0)

    def meanwhile(self):
        """{descriptor: function} for a trial that is being waited for: heartbeats are taken in, and a loss is noted.

        Recalled where the host asks to leave.
        """
        self._let_go()
        watched = {self.woken: self._signalled}
        if not self.lost:
            watched[self._source] = self._overhear
        return watched

    def wait(self, seconds):
        """Sleep. Lost where nobody waits for the end of it any more, Recalled where the host asks to leave."""
        self._let_go()
        deadline = time.perf_counter() + seconds
        while True:
            left_s = max(0.0, deadline - time.perf_counter())
            ready = select.select([self._source, self.woken], [], [], left_s)[0]
            if self.woken in ready:
                self._signalled()
            if self._source in ready:
                self._overhear()
            if self.lost:
                raise Lost("the host closed the link")
            if not ready:
                return

    def heed(self, patience_s):
        """Recalled where a signal says within `patience_s` that the board goes down."""
        if select.select([self.woken], [], [], patience_s)[0]:
            self._signalled()

    def say(self, message, patience_s=HOST_PATIENCE_S):
        """One reply; to nobody where the host is gone, or takes nothing in for `patience_s`."""
        data = wire.encode(message).encode("utf-8") + b"\n"
        while data and not self.lost:
            ready, taking, _ = select.select([self.woken], [self._target], [], patience_s)
            if self.woken in ready:
                self._signalled()
            elif not taking:
                self.lost = True
            else:
                try:
                    data = data[os.write(self._target, data) :]
                except BlockingIOError:
                    continue  # it has room for less than a page
                except OSError:
                    self.lost = True

    def _overhear(self):
        self._take_in()
        self._let_go()
        return not self.lost

    def _let_go(self):
        if any(request["do"] == "leave" for request in self._waiting):
            raise Recalled("the host leaves")

    def _signalled(self):
        with suppress(BlockingIOError):
            numbers = bytearray(os.read(self.woken, 64))
            self.lost = True
            if signal.SIGTERM in numbers:
                raise Recalled("the board goes down")

    def _take_in(self):
        chunk = os.read(self._source, 1 << 16)
        if not chunk:
            self.lost = True
            return
        *lines, self._pending = (self._pending + chunk).split(b"\n")
        self._waiting += [wire.decode(line.decode("utf-8")) for line in lines if line.strip()]
