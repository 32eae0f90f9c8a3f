"""The sensor process: reads every collector on the loop's clock, from another process and another core.

A thread in the measured process would steal its interpreter lock and show up in the tail. Readings stay in memory
until the end, so that no disk write falls into the measurement. `polling` reads; this watches, and answers.
"""

import json
import os
import select
import subprocess
import sys
import time
from contextlib import suppress

from . import collectors, polling, wire
from .collectors.process import memory_now
from .tables import resolve

# So long all collectors together get for their first reading; tegrastats itself takes a second or two.
OPENING_S = 8.0
# So long a thread that is told to stop gets, before it is left behind.
LEAVING_S = 1.0
WATCH_S = 0.25
# All is written by then; what takes longer is a library's own thread.
ENDING_S = 5.0
# Doctor waits so long for the first reading of one that tells by itself.
FIRST_FEED_S = 1.5


class SensorProcess:
    """The measured process's handle on its sensor process."""

    def __init__(self, launch, settings):
        """`launch`: the command that starts this agent.

        settings: names, root, target, period_s, cores, path; options by collector's name, where one has any.
        """
        self._settings = settings
        self._process = subprocess.Popen(
            launch + ["sensors", json.dumps(settings)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def ready(self):
        """Wait until the first row was read.

        Returns {"unavailable": {collector: reason}, "cores": [...]} and, of those with power channels, by collector
        "update_period_s" (null where it did not show) and "read_s".
        """
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
        """End the polling; returns channels, reads, busy_s, peak_rss_bytes, lost, line_period_s (of feeds), details.

        Columns are in the file by then.

        lost: for each time that a collector fell silent, {"collector", "last_s", "seen_s", "reason"}.
        """
        self.switch("stop")
        found = self._hear()
        self._process.stdin.close()
        try:
            self._process.wait(ENDING_S)
        except subprocess.TimeoutExpired:  # a sensor's library that does not end; its columns are written
            self._process.kill()
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
    """The sensor process itself: read until "stop" arrives, then write the columns. Ends too when its parent dies."""
    in_force = _move_away(settings["cores"])
    control = polling.Control()
    sources = open_sources(settings, control)
    usable = [source for source in sources if source.unavailable is None]
    watch = Watch(usable, control)
    # Of those that are asked, also the ones too slow to be watched: nothing is known of their period.
    powered = [source for source in usable if source.is_asked and source.is_powered]
    _say(
        {
            "unavailable": {source.name: source.unavailable for source in sources if source.unavailable is not None},
            "cores": in_force,
            "update_period_s": {source.name: source.update_period_s for source in powered},
            "read_s": {source.name: source.read_s for source in powered if source.read_s is not None},
        }
    )
    while control.word != "stop":
        if select.select([sys.stdin], [], [], WATCH_S)[0]:
            word = sys.stdin.readline().strip()
            if not word:
                return 1  # the measured process is gone, and nobody is left to hear an answer
            control.say(word)
            for source in usable if word in ("on", "off") else ():
                source.pause(word == "off")
            _say({"polling": word == "on"})
        watch.look()
    _say(_finish(settings, usable, watch, control))
    return 0


def open_sources(settings, control):
    """Start all named collectors side by side. Returns every source, those that answer too late as unavailable.

    KeyError for a name that is not in the table, ValueError for options that a collector refuses.
    """
    options = settings.get("options", {})
    sources = []
    for name in settings["names"]:
        own = dict(options.get(name, {}))
        period_s = float(own.pop("period_s", settings["period_s"]))
        place = collectors.Place(settings["root"], settings["target"], os.getpid(), period_s, own)
        sources.append(polling.Source(name, resolve(collectors.TABLE, "collector", name), place, control))
    patience_s = settings.get("opening_s", OPENING_S)
    deadline = control.clock() + patience_s
    for source in sources:
        source.start()
    for source in sources:
        if not source.ready.wait(max(0.0, deadline - control.clock())):
            source.abandon("did not answer within {:g} s: see `dmesg`; its bus or driver hangs".format(patience_s))
    for source in sources:
        if source.misconfigured is not None:
            raise ValueError("collector {}: {}".format(source.name, source.misconfigured))
    return sources


def survey_all(settings):
    """What every named collector reads here: {"collectors": {name: {...}}, "unavailable": {name: reason}}.

    Of each: channels as [name, unit, scope, provenance, value or null], period_s, update_period_s and read_s.
    """
    control = polling.Control()
    sources = open_sources(settings, control)
    usable = [source for source in sources if source.unavailable is None]
    waited_until = control.clock() + FIRST_FEED_S
    while any(not source.times for source in usable) and control.clock() < waited_until:
        time.sleep(0.05)
    _leave(usable, control)
    return {
        "collectors": {source.name: _surveyed(source) for source in usable},
        "unavailable": {source.name: source.unavailable for source in sources if source.unavailable is not None},
    }


def _surveyed(source):
    last = source.columns()[1:]
    return {
        "channels": [
            [channel.name, channel.unit, channel.scope, channel.provenance, _known(column[-1:])]
            for channel, (_, column) in zip(source.channels, last)
        ],
        "period_s": source.period_s,
        "update_period_s": source.update_period_s,
        "read_s": source.read_s,
    }


def _known(values):
    return values[0] if len(values) and values[0] == values[0] else None


class Watch:
    """Notices sources that fell silent or ended; each time of silence is told once, at once, and kept."""

    def __init__(self, sources, control):
        self.lost = []
        self._sources, self._control, self._silent = sources, control, set()

    def look(self):
        """Look at all sources once."""
        if self._control.word != "on":
            return
        now = self._control.clock()
        for source in self._sources:
            silent_s = source.silent_for(now)
            if source.ended is not None or silent_s:
                if source.name not in self._silent:
                    reason = source.ended or "no reading for {:.2f} s".format(silent_s)
                    self._tell(source, now, reason)
                self._silent.add(source.name)
            else:
                self._silent.discard(source.name)

    def _tell(self, source, now, reason):
        event = {"collector": source.name, "last_s": source.last_s, "seen_s": now, "reason": reason}
        self.lost.append(event)
        sys.stderr.write("sensor {} was lost: {}\n".format(source.name, reason))
        sys.stderr.flush()


def _leave(usable, control):
    control.say("stop")
    deadline = control.clock() + LEAVING_S
    for source in usable:
        source.end(max(0.0, deadline - control.clock()))


def _finish(settings, usable, watch, control):
    _leave(usable, control)
    columns, channels = [], []
    for source in usable:
        columns += source.columns()
        channels += [dict(channel._asdict(), collector=source.name) for channel in source.channels]
    wire.write_columns(settings["path"], columns)
    lines = [(source.name, source.line_period_s()) for source in usable]
    usage = os.times()
    return {
        "channels": channels,
        "reads": max([len(source.times) for source in usable] or [0]),
        "busy_s": usage[0] + usage[1],
        "peak_rss_bytes": memory_now(settings["root"], os.getpid()).get("peak_rss_bytes"),
        "lost": watch.lost,
        "line_period_s": {name: period_s for name, period_s in lines if period_s is not None},
        "details": {source.name: source.details for source in usable if source.details},
    }


def _move_away(cores):
    if cores:
        os.sched_setaffinity(0, cores)
    return sorted(os.sched_getaffinity(0))


def _say(message):
    sys.stdout.write(wire.encode(message) + "\n")
    sys.stdout.flush()
