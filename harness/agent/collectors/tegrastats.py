"""NVIDIA's tegrastats as a child process: its lines, stamped as they arrive. Knows no token; the decoder does.

Rails are "board rail" readings of the chip behind them, one number a line: the mean that tegrastats prints beside it
covers its own whole life, and would smear one run into the next.
"""

import os
import select
import signal
import subprocess
import threading
import time
from collections import deque

from ..decoders import tegrastats as decoder
from . import NAN, Channel, options_of
from .files import under

OPTIONS = ("command", "interval_ms")
# A line later than this after the start means that none will come: tegrastats takes about one interval.
FIRST_LINE_S = 5.0
# Of these lines the channels are made. One is not enough: the first of some releases lacks a rail or an engine.
FIRST_LINES = 3
# NVIDIA's guide gives no lower bound; below this the program itself shows up in the CPU load that it reports.
LEAST_INTERVAL_MS = 100
LONGEST_LINE = 65536
MOST_UNKNOWN = 64
LEAVING_S = 1.0


class TegrastatsFeed:
    """One row per line. Options: command (a path, or a list of words), interval_ms."""

    name = "tegrastats"

    def __init__(self, place, first_line_s=FIRST_LINE_S):
        options = options_of(self.name, place, OPTIONS)
        command = options.get("command", under(place.root, "usr/bin/tegrastats"))
        self._command = [command] if isinstance(command, str) else [str(word) for word in command]
        default_ms = max(LEAST_INTERVAL_MS, round(place.period_s * 1000))
        self._interval_ms = int(options.get("interval_ms", default_ms))
        if self._interval_ms < 1 or not self._command:
            raise ValueError("tegrastats needs a command and an interval_ms of 1 or more")
        self._first_line_s = first_line_s
        self._child, self._channels, self._pending = None, [], deque()
        self._lines, self._undecoded, self._unknown = 0, 0, {}

    def why_unavailable(self):
        """None where the program is there to be started."""
        program = self._command[0]
        places = [""] if os.sep in program else os.get_exec_path()
        if any(_is_program(os.path.join(place, program)) for place in places):
            return None
        return (
            "no program {}: it comes with JetPack on Jetson boards (in a container, mount it from the host); name "
            "another place in the option command, or take tegrastats off the device's collectors".format(program)
        )

    def channels(self):
        """Those of the first lines; NC rails are connected to nothing and left out."""
        return list(self._channels)

    def start(self):
        """Start the child and hear its first lines. OSError where none comes in time."""
        self._channels, self._pending = [], deque()
        self._lines, self._undecoded, self._unknown = 0, 0, {}
        self._child = Child(self._command + ["--interval", str(self._interval_ms)])
        try:
            self._learn(self._child)
        except BaseException:
            self.stop()
            raise

    def wait(self):
        """(arrival, values) of the next line; NaN where it lacks a channel, all NaN where nothing in it is known."""
        try:
            moment, decoded = self._pending.popleft()
        except IndexError:
            child = self._child
            if child is None:
                raise EOFError("tegrastats is not running")
            moment, decoded = self._decoded(child.next_line(None))
        return moment, self._row(decoded)

    def facts(self):
        """What became of the lines: how many, how many said nothing, and tokens without a channel with their counts."""
        return {
            "lines": self._lines,
            "undecoded_lines": self._undecoded,
            "unknown": dict(self._unknown),
            "interval_ms": self._interval_ms,
        }

    def stop(self):
        """End the child and all it started; a `wait` in another thread raises EOFError."""
        child, self._child = self._child, None
        self._pending.clear()
        if child is not None:
            child.end()

    def pause(self, paused):
        """Halt the child or let it go on: what it costs must be absent while the sensors are off."""
        child = self._child
        if child is not None:
            child.halt(paused)

    def _learn(self, child):
        deadline = time.perf_counter() + self._first_line_s
        heard = 0
        while heard < FIRST_LINES:
            left_s = max(0.0, deadline - time.perf_counter())
            if heard:
                left_s = min(left_s, 1.5e-3 * self._interval_ms)
            try:
                line = child.next_line(left_s)
            except EOFError as error:
                if heard:
                    return  # what it said is kept; `wait` will tell how it ended
                raise OSError(str(error))
            if line is None:
                break
            moment, decoded = self._decoded(line)
            if decoded.readings:
                heard += 1
                self._pending.append((moment, decoded))
                known = {channel.name for channel in self._channels}
                self._channels += [_channel(one) for one in decoded.readings if _wanted(one, known)]
        if not heard:
            raise OSError(
                "{} printed no line that can be read within {:g} s: run it by hand with --interval {}, and look what "
                "it says".format(self._command[0], self._first_line_s, self._interval_ms)
            )

    def _decoded(self, line):
        moment, text = line
        decoded = decoder.decode(text)
        self._lines += 1
        self._undecoded += not decoded.readings
        for token in decoded.unknown:
            self._count(token)
        return moment, decoded

    def _row(self, decoded):
        values = {one.name: one.value for one in decoded.readings}
        row = [values.pop(channel.name, NAN) for channel in self._channels]
        for name in values:
            if not _unconnected(name):
                self._count(name)
        return row

    def _count(self, token):
        if token in self._unknown or len(self._unknown) < MOST_UNKNOWN:
            self._unknown[token] = self._unknown.get(token, 0) + 1


class Child:
    """A program in a process group of its own, and the lines it prints. `next_line` in one thread, `end` in any."""

    def __init__(self, words):
        self._words = words
        self._lines, self._rest, self._errors, self._said = deque(), b"", b"", ""
        self._reading, self._leaving, self._ending = threading.Lock(), threading.Lock(), False
        self._woken, self._waker = os.pipe()
        try:
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
        except BaseException:
            os.close(self._woken)
            os.close(self._waker)
            raise
        self._pipes = [self._process.stdout, self._process.stderr]

    def next_line(self, timeout_s):
        """(arrival on time.perf_counter, text) of the next line that is not blank; None when none came in time.

        EOFError, with its last words, when the program ended; also when `end` was called meanwhile.
        """
        # Held while waiting, so that `end` closes no descriptor under a select: it wakes the waiting one first.
        with self._reading:
            deadline = None if timeout_s is None else time.perf_counter() + timeout_s
            while not self._lines:
                if self._ending:
                    raise EOFError("{} was stopped".format(self._words[0]))
                left_s = None if deadline is None else max(0.0, deadline - time.perf_counter())
                readable = select.select([self._woken] + self._pipes, [], [], left_s)[0]
                if not readable:
                    return None
                if self._process.stderr in readable:
                    self._hear_errors()
                if self._process.stdout in readable:
                    self._hear_lines()
            return self._lines.popleft()

    def halt(self, halted):
        """Stop the group where it stands, or let it continue."""
        with self._leaving:
            if not self._ending:
                self._signal(signal.SIGSTOP if halted else signal.SIGCONT)

    def end(self):
        """Terminate the group, wait for the program and close everything. The second time it does nothing."""
        with self._leaving:
            if self._ending:
                return
            self._ending = True
            os.write(self._waker, b".")
            with self._reading:
                self._signal(signal.SIGTERM)
                self._signal(signal.SIGCONT)  # one that was halted hears nothing
                # Closed before the wait: a child of another user (sudo) cannot be signalled, but its next line ends it.
                for pipe in (self._process.stdout, self._process.stderr):
                    pipe.close()
                self._await()
                self._signal(signal.SIGKILL)  # of the group, whoever did not listen
                self._await()
                os.close(self._woken)
                os.close(self._waker)

    def _hear_lines(self):
        chunk = os.read(self._process.stdout.fileno(), 65536)
        moment = time.perf_counter()
        if not chunk:
            raise EOFError(self._last_words())
        lines = (self._rest + chunk).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > LONGEST_LINE:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            text = line.decode("utf-8", "replace").strip()
            if text:
                self._lines.append((moment, text))
                self._said = text

    def _hear_errors(self):
        chunk = os.read(self._process.stderr.fileno(), 65536)
        self._errors = (self._errors + chunk)[-2048:]
        if not chunk:
            self._pipes = [self._process.stdout]  # a pipe at its end is always readable
        return bool(chunk)

    def _last_words(self):
        while self._process.stderr in self._pipes and select.select([self._process.stderr], [], [], 0)[0]:
            self._hear_errors()
        self._await()
        status = self._process.poll()
        ended = "closed its output" if status is None else "ended with status {}".format(status)
        heard = self._errors or self._rest
        words = heard.decode("utf-8", "replace").strip().rpartition("\n")[2] or self._said
        return "{} {}; it said last: {}".format(self._words[0], ended, words[:200] or "nothing")

    def _signal(self, number):
        try:
            os.killpg(self._process.pid, number)
        except OSError:
            pass  # the group is gone, or belongs to another user

    def _await(self):
        try:
            self._process.wait(LEAVING_S)
        except subprocess.TimeoutExpired:
            pass


def _channel(reading):
    scope, provenance = ("rail", "board rail") if reading.unit == "W" else ("board", "tegrastats")
    return Channel(reading.name, reading.unit, reading.kind, scope, provenance)


def _wanted(reading, known):
    return reading.name not in known and not _unconnected(reading.name)


def _unconnected(name):
    return name.partition("#")[0] == "NC_power"


def _is_program(path):
    return os.path.isfile(path) and os.access(path, os.X_OK)
