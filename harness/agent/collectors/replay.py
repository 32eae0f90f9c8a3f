"""A recorded trace, played on the run's clock: for tests and for teaching. Its readings are never measurements.

The recording is a CSV: a header `time_s,NAME,NAME,...`, then a row per reading. time_s counts seconds from the
beginning of the recording and never goes back. A NAME tells its quantity by its end, as all channels do: NAME_power
(W), NAME_energy (J, a counter), NAME_voltage (V), NAME_current (A), NAME_temperature (degC), NAME_clock (Hz), NAME_load
(a share of 1); throttled..., under_voltage..., frequency_capped... are flags. The unit may stand behind it as in other
CSVs of the harness: NAME_power_w, NAME_energy_j and so on. An empty cell is a missing value.
"""

import csv
import math
import os
import threading
import time

from . import NAN, SCOPES, Channel, options_of

OPTIONS = ("path", "loop", "scale", "scope")
# (end of the name, the same with its unit, unit, kind)
QUANTITIES = (
    ("_power", "_power_w", "W", "gauge"),
    ("_energy", "_energy_j", "J", "counter"),
    ("_voltage", "_voltage_v", "V", "gauge"),
    ("_current", "_current_a", "A", "gauge"),
    ("_temperature", "_temperature_c", "degC", "gauge"),
    ("_clock", "_clock_hz", "Hz", "gauge"),
    ("_load", "_load_1", "1", "gauge"),
)
FLAGS = ("throttled", "under_voltage", "frequency_capped")


class ReplayFeed:
    """One row per recorded row, when its time has come.

    Options: path (relative ones below the root), loop (begin again at the end, counters going on), scale (a factor on
    the recorded times: 0.5 plays twice as fast), scope (of power and energy; "rail" unless said).
    """

    name = "replay"

    def __init__(self, place, clock=time.perf_counter, pause=None):
        """`pause`: waits for so many seconds and returns whether `stop` was called; a test brings its own."""
        options = options_of(self.name, place, OPTIONS)
        self._path = os.path.join(place.root, options["path"]) if options.get("path") else None
        self._loop, self._scale = bool(options.get("loop", False)), float(options.get("scale", 1.0))
        self._scope = options.get("scope", "rail")
        if not 0 < self._scale < math.inf:
            raise ValueError("replay: scale is a factor on the recorded times and above 0, not {}".format(self._scale))
        if self._scope not in SCOPES:
            raise ValueError("replay: {!r} is no scope; write one of {}".format(self._scope, ", ".join(SCOPES)))
        self._clock = clock
        self._stopped = threading.Event()
        self._pause = pause or self._stopped.wait
        self._recording, self._begin_s, self._next = None, None, 0

    def why_unavailable(self):
        """None where the recording can be read to its end."""
        if self._path is None:
            return "no recording is named: give its path in the option path of replay"
        try:
            self._recorded()
        except OSError as error:
            return "{}: the recording cannot be read ({}): check the option path of replay".format(self._path, error)
        except ValueError as error:
            return "{}: write a CSV with the header time_s,NAME_power,...".format(error)
        return None

    def channels(self):
        """One per column behind time_s."""
        return list(self._recorded()[0]) if self.why_unavailable() is None else []

    def start(self):
        """The recording begins now."""
        self._recorded()
        self._stopped.clear()
        self._begin_s, self._next = self._clock(), 0

    def wait(self):
        """(begin + recorded time, values), at that time or, if it has passed already, at once."""
        begin_s = self._begin_s
        if begin_s is None:
            raise EOFError("replay is not running")
        _, rows, turn = self._recorded()
        round_, place = divmod(self._next, len(rows))
        if round_ and not self._loop:
            raise EOFError("the recording {} is at its end".format(self._path))
        recorded_s, values = rows[place]
        due_s = begin_s + (recorded_s + round_ * turn[0]) * self._scale
        while self._clock() < due_s and not self._stopped.is_set():
            self._pause(due_s - self._clock())
        if self._stopped.is_set():
            raise EOFError("replay was stopped")
        self._next += 1
        return due_s, [value + round_ * rise for value, rise in zip(values, turn[1])]

    def stop(self):
        """End it; a `wait` in another thread raises EOFError."""
        self._begin_s = None
        self._stopped.set()

    def _recorded(self):
        """(channels, [(time, values)], (length of a turn, rise of each channel in it)), read once."""
        if self._recording is None:
            with open(self._path, encoding="utf-8", errors="replace", newline="") as source:
                channels, rows = parse(csv.reader(source), self._path, self._scope)
            if self._loop and (len(rows) < 2 or rows[-1][0] <= rows[0][0]):
                raise ValueError("{}: too short for the option loop, which needs two moments".format(self._path))
            self._recording = channels, rows, _turn(channels, rows)
        return self._recording


def parse(table, where, scope):
    """Channels and [(time, values)] of the rows of a CSV. ValueError names the line that is wrong."""
    header = next(table, [])
    names = [name.strip() for name in header[1:]]
    if not names or header[0].strip() != "time_s":
        raise ValueError("{}:1: the header is not time_s and names of channels".format(where))
    channels = [_channel(name, scope, where) for name in names]
    if len({channel.name for channel in channels}) < len(channels):
        raise ValueError("{}:1: two columns have the same name".format(where))
    rows, last_s = [], 0.0
    for cells in table:
        if not cells:
            continue
        here = "{}:{}".format(where, table.line_num)
        if len(cells) != len(header):
            raise ValueError("{}: {} cells under {} names".format(here, len(cells), len(header)))
        moment_s = _number(cells[0], here)
        if not last_s <= moment_s < math.inf:  # NaN too
            raise ValueError("{}: the time {!r} goes back, or is none".format(here, cells[0]))
        rows.append((moment_s, [_number(cell, here) for cell in cells[1:]]))
        last_s = moment_s
    if not rows:
        raise ValueError("{}: there is no row in it".format(where))
    return channels, rows


def _channel(name, scope, where):
    if name.startswith(FLAGS):
        return Channel(name, "flag", "gauge", "board", "replayed")
    for end, with_unit, unit, kind in QUANTITIES:
        if name.endswith(with_unit):
            name = name[: -len(with_unit)] + end
        if name.endswith(end) and name != end:
            return Channel(name, unit, kind, scope if unit in "WJVA" else "board", "replayed")
    ends = ", ".join(quantity[0] for quantity in QUANTITIES)
    raise ValueError("{}:1: {!r} names no quantity (one of {})".format(where, name, ends))


def _number(cell, where):
    try:
        return float(cell) if cell.strip() else NAN
    except ValueError:
        raise ValueError("{}: {!r} is no number".format(where, cell))


def _turn(channels, rows):
    """How long one turn of a loop is, and how far each channel has risen in it: gauges not at all.

    One mean step longer than the recording, for times and counters alike, so that its last row and the first of the
    next turn are as far apart as two rows are.
    """
    stretch = len(rows) / (len(rows) - 1.0) if len(rows) > 1 else 1.0
    rises = []
    for place, channel in enumerate(channels):
        known = [values[place] for _, values in rows if values[place] == values[place]]  # NaN equals nothing
        rises.append((known[-1] - known[0]) * stretch if channel.kind == "counter" and known else 0.0)
    return (rows[-1][0] - rows[0][0]) * stretch, rises
