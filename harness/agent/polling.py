"""One thread per collector: its readings, its pace, and what became of it. Knows no process and no pipe.

A sensor may hang in the kernel, answer late or die; in a thread of its own it holds up nobody else. These threads live
in the sensor process, so that none of them ever takes the interpreter lock of the measured one.
"""

import threading
import time
from array import array

from . import collectors

# A sensor is lost when it was silent for so long: with the watch's pace it is noticed within 2 s.
SILENCE_S = 1.5
SILENT_PERIODS = 2.5
# Reading at full speed for so long shows 5 updates of a sensor that renews its value every 100 ms.
SURVEY_S = 0.6
SURVEY_READS = 4000
LEAST_UPDATES = 4
# What is to be asked so seldom is a plug in the network or a firmware: reading it at full speed would disturb it.
SLOW_PERIOD_S = 0.5
PAUSE_PATIENCE_S = 0.25
# What a reading may fail with; it is missing then, and the polling goes on.
FAILURES = (OSError, ValueError, IndexError)


class Control:
    """What all sources are to do: "on", "off" or "stop"; sleeping that ends at once when this changes."""

    def __init__(self, clock=time.perf_counter):
        self.clock = clock
        self.word = "on"
        self._changed = threading.Condition()
        self._reading = 0

    def say(self, word):
        """Change it. After "off", return when nobody is reading any more, or when one that hangs was waited for."""
        with self._changed:
            self.word = word
            self._changed.notify_all()
            if word == "off":
                self._changed.wait_for(lambda: self._reading == 0, PAUSE_PATIENCE_S)

    def sleep_until(self, moment_s):
        """Wait for the moment, and through a pause. Returns (word, whether there was a pause)."""
        paused = False
        with self._changed:
            while self.word != "stop":
                left_s = moment_s - self.clock()
                if self.word == "off":
                    paused = True
                    self._changed.wait()
                elif left_s > 0 and not paused:
                    self._changed.wait(left_s)
                else:
                    break
            return self.word, paused

    def begin_reading(self):
        """A pause waits until `end_reading`."""
        with self._changed:
            self._reading += 1

    def end_reading(self):
        """The reading is over, however it ended."""
        with self._changed:
            self._reading -= 1
            self._changed.notify_all()


class Source:
    """A collector in its thread. `ready` is set when its first reading, or the reason for none, is there."""

    def __init__(self, name, make, place, control):
        self.name, self.period_s = name, place.period_s
        self.ready = threading.Event()
        self.unavailable = None
        self.misconfigured = None  # what is wrong with its options
        self.channels = []
        self.times, self.rows = array("d"), array("d")
        self.update_period_s = self.read_s = None
        self.last_s = None  # the last reading that held a value; until there is one, when it was opened
        self.ended = None  # why there will be no more readings
        self.details = {}
        self._make, self._place, self._control = make, place, control
        self._collector, self._started, self._abandoned = None, False, False
        self._thread = _thread(self._run, name)

    def start(self):
        """Begin, in the thread."""
        self._thread.start()

    def abandon(self, reason):
        """It did not become ready in time: what its thread still finds is not wanted any more."""
        self._abandoned, self.unavailable = True, reason

    def pause(self, paused):
        """Stop a feed's source for the time of a pause, where it can be; nothing asks the others then anyway."""
        self.last_s = self._control.clock()  # the silence was asked for
        if hasattr(self._collector, "pause"):
            self._collector.pause(paused)

    def end(self, patience_s):
        """After "stop" was said: wait for the thread, which lets the collector go. False where it still hangs."""
        if self._started and not self.is_asked:
            # Which ends its `wait`; a library that hangs in it must not hold up the others.
            stopping = _thread(self._collector.stop, self.name + " stop")
            stopping.start()
        self._thread.join(patience_s)
        return not self._thread.is_alive()

    @property
    def is_asked(self):
        """Whether it is read at our pace, not its own."""
        return not hasattr(self._collector, "wait")

    @property
    def is_powered(self):
        """Whether it reads power or energy."""
        return any(channel.unit in ("W", "J") for channel in self.channels)

    def silent_for(self, now_s):
        """Seconds without a value beyond what is usual, or 0."""
        if self.unavailable is not None or self.last_s is None:
            return 0.0
        silence_s = now_s - self.last_s
        return silence_s if silence_s > max(SILENCE_S, SILENT_PERIODS * self.period_s) else 0.0

    def line_period_s(self):
        """Of a feed, the median time between its readings, which is how often it renews its values; None of others."""
        if self.is_asked or len(self.times) <= LEAST_UPDATES:
            return None
        gaps = _gaps(self.times)
        return gaps[len(gaps) // 2]

    def columns(self):
        """(name, values) of what was read so far, times first."""
        count = len(self.times)  # appended last, so that all rows up to it are whole
        width = len(self.channels)
        found = [("time:" + self.name, self.times[:count])]
        for position, channel in enumerate(self.channels):
            found.append((self.name + ":" + channel.name, self.rows[position : count * width : width]))
        return found

    def _run(self):
        try:
            if self._open():
                self.ready.set()
                self._serve()
        finally:
            self.ready.set()
            if self._started:
                self._close()

    def _open(self):
        """Whether there is something to read. Never raises: whatever a sensor does, the others go on."""
        reason = None
        try:
            self._collector = self._make(self._place)
        except ValueError as error:
            self.misconfigured = reason = str(error)
        except Exception as error:  # noqa: BLE001  # whatever a sensor's library raises is its reason
            reason = "{}: {}".format(type(error).__name__, error)
        try:
            if reason is None:
                reason = self._collector.why_unavailable()
            if reason is None:
                self._started = True
                self._collector.start()
                self.channels = list(self._collector.channels())
                self._first_readings()
        except OSError as error:
            reason = str(error)  # as the collector put it, remedy and all
        except Exception as error:  # noqa: BLE001  # whatever a sensor's library raises is its reason
            reason = "{}: {}".format(type(error).__name__, error)
        if not self._abandoned:
            self.unavailable = reason
        return reason is None and not self._abandoned

    def _first_readings(self):
        self.last_s = self._control.clock()
        if not self.is_asked:
            return
        if self.is_powered and self.period_s < SLOW_PERIOD_S:
            self.update_period_s, self.read_s = survey(self._collector, self.channels, self._control.clock)
        self._read()

    def _serve(self):
        try:
            if self.is_asked:
                self._poll()
            else:
                self._listen()
        except EOFError as error:
            self.ended = str(error) or "its source ended"
        except Exception as error:  # noqa: BLE001  # told as the end of this sensor; the others go on
            self.ended = "{}: {}".format(type(error).__name__, error)

    def _poll(self):
        period_s, clock = self.period_s, self._control.clock
        next_s = clock() + period_s
        while True:
            word, paused = self._control.sleep_until(next_s)
            if paused:
                self.last_s = clock()  # the silence was asked for
            self._control.begin_reading()
            try:
                self._read()
            finally:
                self._control.end_reading()
            if word == "stop":
                return
            # After a stall the missed readings stay missed: a burst of late ones would tell nothing.
            next_s = max(next_s + period_s, clock())

    def _read(self):
        before = self._control.clock()
        try:
            values = self._collector.read()
        except FAILURES:
            values = [collectors.NAN] * len(self.channels)
        # Stamped at the middle of the read: half its length is then the largest error.
        self._keep((before + self._control.clock()) / 2, values)

    def _listen(self):
        while self._control.word != "stop":
            moment_s, values = self._collector.wait()
            if self._control.word == "on":
                self._keep(moment_s, values)
            else:
                self.last_s = moment_s

    def _keep(self, moment_s, values):
        if len(values) != len(self.channels):
            raise RuntimeError("{} values for {} channels".format(len(values), len(self.channels)))
        self.rows.extend(values)
        self.times.append(moment_s)
        if any(value == value for value in values):  # NaN equals nothing
            self.last_s = moment_s

    def _close(self):
        try:
            if hasattr(self._collector, "facts"):
                self.details = self._collector.facts()
        finally:
            self._collector.stop()


def _thread(target, name):
    thread = threading.Thread(target=target, name=name)
    thread.daemon = True  # one that hangs in the kernel must not keep the process alive
    return thread


def survey(collector, channels, clock):
    """How often a sensor renews its value and what a reading takes: (update period, reading), in seconds.

    Read at full speed. The period is None where too few changes were seen to tell: a value may be renewed and stay the
    same, so of each channel the lower quartile of the times between changes counts, and of these the median.
    """
    watched = [place for place, channel in enumerate(channels) if channel.unit in ("W", "J")]
    last, changes = {}, {place: [] for place in watched}
    begin, reads = clock(), 0
    while reads < SURVEY_READS and clock() - begin < SURVEY_S:
        try:
            values = collector.read()
        except FAILURES:
            values = None
        reads += 1
        if values is None:
            continue
        now = clock()
        for place in watched:
            value = values[place]
            if value == value and last.get(place, value) != value:
                changes[place].append(now)
            last[place] = value
    read_s = (clock() - begin) / reads
    periods = [_lower_quartile(moments) for moments in changes.values() if len(moments) >= LEAST_UPDATES]
    return (sorted(periods)[len(periods) // 2] if periods else None), read_s


def _lower_quartile(moments):
    gaps = _gaps(moments)
    return gaps[len(gaps) // 4]


def _gaps(moments):
    """Times between successive moments, the shortest first."""
    # itertools.pairwise came with Python 3.10.
    return sorted(after - before for before, after in zip(moments, moments[1:]))  # noqa: RUF007
