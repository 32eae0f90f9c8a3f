"""The sensor process: polls every collector on the loop's clock, from another process and another core.

A thread in the measured process would steal its interpreter lock and show up in the tail. Readings stay in
memory until the end, so that no disk write falls into the measurement.
"""

import json
import os
import select
import subprocess
import sys
import time
from array import array
from contextlib import suppress

from . import collectors, wire
from .tables import resolve


class SensorProcess:
    """The measured process's handle on its sensor process."""

    def __init__(self, launch, settings):
        """`launch`: the command that starts this agent; `settings`: names, root, target, period_s, cores, path."""
        self._settings = settings
        self._process = subprocess.Popen(
            launch + ["sensors", json.dumps(settings)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def ready(self):
        """Wait until the first row was read; returns {"unavailable": {collector: reason}, "cores": [...]}."""
        return self._hear()

    def switch(self, arm):
        """Pause ("off") or resume ("on") the polling; returns when it has taken effect."""
        try:
            self._process.stdin.write(arm.encode("ascii") + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self._fail()
        self._hear()

    def stop(self):
        """End the polling; returns {"channels": [...], "reads": n, "busy_s": ...}. Columns are in the file by then."""
        self.switch("stop")
        found = self._hear()
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        return found

    def kill(self):
        """End it without its data."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(BrokenPipeError):  # a word that it did not live to read
                pipe.close()

    def _hear(self):
        line = self._process.stdout.readline()
        if not line:
            self._fail()
        return wire.decode(line.decode("utf-8"))

    def _fail(self):
        raise RuntimeError("the sensor process ended early, with status {}".format(self._process.wait()))


def main(settings):
    """The sensor process itself: poll until "stop" arrives, then write the columns. Ends too when its parent dies."""
    in_force = _move_away(settings["cores"])
    usable, unavailable = open_collectors(settings)
    rows, times = [array("d") for _ in usable], [array("d") for _ in usable]
    _poll(usable, times, rows)
    _say({"unavailable": unavailable, "cores": in_force})
    word, polling, period_s = "on", True, settings["period_s"]
    next_read = time.perf_counter() + period_s
    while word in ("on", "off"):
        remaining = max(0.0, next_read - time.perf_counter()) if polling else None
        if select.select([sys.stdin], [], [], remaining)[0]:
            word = sys.stdin.readline().strip()
            if not word:
                return 1  # the measured process is gone, and nobody is left to hear an answer
            polling = word == "on"
            _say({"polling": polling})
            next_read = time.perf_counter() + (0.0 if polling else period_s)
        else:
            _poll(usable, times, rows)
            # After a stall the missed readings stay missed: a burst of late ones would tell nothing.
            next_read = max(next_read + period_s, time.perf_counter())
    _poll(usable, times, rows)
    _say(_finish(settings["path"], usable, times, rows))
    return 0


def open_collectors(settings):
    """Make and start the named collectors. Returns the usable ones and {name: reason} of the others."""
    usable, unavailable = [], {}
    for name in settings["names"]:
        collector = resolve(collectors.TABLE, "collector", name)(settings["root"], settings["target"], os.getpid())
        reason = collector.why_unavailable()
        if reason is None:
            collector.start()
            usable.append(collector)
        else:
            unavailable[name] = reason
    return usable, unavailable


def _poll(usable, times, rows):
    for index, collector in enumerate(usable):
        before = time.perf_counter()
        try:
            values = collector.read()
        except (OSError, ValueError, IndexError):
            # The file went away or changed under the read: the reading is missing, the polling goes on.
            values = [collectors.NAN] * len(collector.channels())
        # Stamped at the middle of the read: half its length is then the largest error.
        times[index].append((before + time.perf_counter()) / 2)
        rows[index].extend(values)


def _finish(path, usable, times, rows):
    columns, channels = [], []
    for index, collector in enumerate(usable):
        listed = collector.channels()
        columns.append(("time:" + collector.name, times[index]))
        for position, channel in enumerate(listed):
            columns.append((collector.name + ":" + channel.name, rows[index][position :: len(listed)]))
            channels.append(dict(channel._asdict(), collector=collector.name))
        collector.stop()
    wire.write_columns(path, columns)
    usage = os.times()
    return {"channels": channels, "reads": max([len(column) for column in times] or [0]), "busy_s": usage[0] + usage[1]}


def _move_away(cores):
    if cores:
        os.sched_setaffinity(0, cores)
    return sorted(os.sched_getaffinity(0))


def _say(message):
    sys.stdout.write(wire.encode(message) + "\n")
    sys.stdout.flush()
