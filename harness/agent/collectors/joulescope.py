"""A Joulescope on USB, through its maker's package `joulescope`: the statistics that it computes of its own samples.

Written after the package's documented interface and tried against a stand-in alone, never on a real instrument. The
package needs a recent Python (3.11 in 2026): a meter at a board with an older one is read on another machine, and its
recording imported.
"""

import queue
import time

from . import NAN, SCOPES, Channel, options_of

OPTIONS = ("scope",)
# Statistics come twice a second unless the instrument was told otherwise.
FIRST_S = 5.0
REMEDY = "python3 -m pip install joulescope"
# A value's mean is called µ in versions 0.x, avg in 1.x.
MEANS = ("avg", "\u00b5", "\u03bc")


def load_joulescope():
    """The package, imported late: it brings numpy with it."""
    import joulescope

    return joulescope


class JoulescopeFeed:
    """One row per statistics message. Option: scope, "board input" unless said."""

    name = "joulescope"

    def __init__(self, place, load=load_joulescope, clock=time.perf_counter, first_s=FIRST_S):
        options = options_of(self.name, place, OPTIONS)
        self._scope = options.get("scope", "board input")
        if self._scope not in SCOPES:
            raise ValueError("joulescope: {!r} is no scope; write one of {}".format(self._scope, ", ".join(SCOPES)))
        self._load, self._clock, self._first_s = load, clock, first_s
        self._device, self._heard, self._pending = None, queue.Queue(), None

    def why_unavailable(self):
        """None where the package finds one instrument."""
        try:
            self._found()
        except ImportError as error:
            return "the package joulescope is missing ({}): {}".format(error, REMEDY)
        except Exception as error:  # noqa: BLE001  # the package raises what libusb made it raise
            return (
                "no single Joulescope is found ({!r}): plug one in, install its udev rules, and end other programs "
                "that use it".format(error)
            )
        return None

    def channels(self):
        """Means over a statistics interval, and the energy since it was opened."""
        units = (
            ("power", "W", "gauge"),
            ("voltage", "V", "gauge"),
            ("current", "A", "gauge"),
            ("energy", "J", "counter"),
        )
        return [Channel("joulescope_" + name, unit, kind, self._scope, "external meter") for name, unit, kind in units]

    def start(self):
        """Open it, and hear the first message."""
        self._heard, self._pending = queue.Queue(), None
        self._device = self._found()
        try:
            self._device.statistics_callback_register(self._take, "sensor")
            self._device.open()
            self._pending = self._heard.get(timeout=self._first_s)
        except queue.Empty:
            self.stop()
            raise OSError("the Joulescope sent nothing for {:g} s: plug it out and in again".format(self._first_s))
        except BaseException:
            self.stop()
            raise

    def wait(self):
        """(arrival, values) of the next message."""
        row, self._pending = self._pending, None
        if row is None:
            row = self._heard.get() if self._device is not None else None
        if row is None:
            raise EOFError("joulescope was stopped")
        return row

    def stop(self):
        """Close it; a `wait` in another thread raises EOFError."""
        device, self._device = self._device, None
        self._heard.put(None)
        if device is not None:
            device.close()

    def _found(self):
        return self._load().scan_require_one(config="auto")

    def _take(self, statistics):
        moment = self._clock()
        try:
            values = [_mean(statistics["signals"][name]) for name in ("power", "voltage", "current")]
            values.append(float(statistics["accumulators"]["energy"]["value"]))
        except (KeyError, TypeError, ValueError):
            values = [NAN] * 4  # this runs in the driver's thread, which is not to end of it
        self._heard.put((moment, values))


def _mean(signal):
    for name in MEANS:
        if name in signal:
            return float(signal[name]["value"])
    return NAN
