"""jetson-stats (jtop) as an optional source: its three shapes as one, through its installed service.

jetson-stats is under AGPL-3.0: this is the only module that imports it, late, nothing of it is copied, and nothing
needs it. Only what it says of the present is used. Its `avg` is an exponential blend in 4.x, not a mean, and its
default interval of a second is slow for energy: prefer the collectors ina or tegrastats for power.
"""

import os
import queue
import re
import time

from ..decoders import Reading
from . import NAN, Channel, options_of
from .files import under

OPTIONS = ("interval_s",)
INSTALL = "sudo python3 -m pip install -U jetson-stats (4.3 is the last for Python 3.6), then restart the board"
FIRST_S, WATCH_S = 5.0, 1.0
FAILURES = (AttributeError, KeyError, TypeError, ValueError, IndexError)
# Of a client's error: a part of its text, and the remedy.
REMEDIES = (
    ("not active", "sudo systemctl restart jtop.service"),
    ("access", "sudo usermod -aG jtop $USER, then log in again"),
    ("ython version", "run the agent with the Python that jtop.service runs with (option of the device's transport)"),
    ("ersion", "install the jetson-stats of the service's version where the agent's Python finds it"),
    ("uthentication", "install the jetson-stats of the service's version where the agent's Python finds it"),
)
_POWERED_DOWN_C = -256
_CORE, _GPU = re.compile(r"CPU\d+$"), re.compile(r"GPU\d*$")
_ENGINE = re.compile(r"(?:APE|CVNAS|DLA|MSENC|NVDEC|NVDLA|NVENC|NVJPG|OFA|PVA|SE|VIC)\d*(?![A-Za-z])")
# In MHz up to 3.x, where NVJPG and MSENC come in units that no source tells.
_ENGINES_3 = ("APE", "NVENC", "NVDEC")
# Not readings: times, words, and what jtop blends.
_NO_READINGS = ("time", "uptime", "jetson_clocks", "nvp model", "power avg", "Power avg")


def load_jtop():
    """The package, imported late."""
    import jtop

    return jtop


class JtopFeed:
    """One row per update of the service. Option: interval_s, which the service's first client decides for all."""

    name = "jtop"

    def __init__(self, place, load=load_jtop, clock=time.perf_counter, first_s=FIRST_S, watch_s=WATCH_S):
        options = options_of(self.name, place, OPTIONS)
        self._interval_s = float(options.get("interval_s", max(0.1, place.period_s)))
        if not self._interval_s > 0:
            raise ValueError("jtop has interval_s {:g}: it must be above 0".format(self._interval_s))
        self._socket = under(place.root, "run/jtop.sock")
        self._load, self._clock, self._first_s, self._watch_s = load, clock, first_s, watch_s
        self._client, self._library, self._updates = None, None, queue.Queue()
        self._channels, self._pending, self._facts, self._odd = [], None, {}, 0

    def why_unavailable(self):
        """None where the package is installed and its service can be asked."""
        try:
            self._load()
        except ImportError as error:
            return "jetson-stats is not installed ({}): {}".format(error, INSTALL)
        if not os.path.exists(self._socket):
            return "there is no {}, so jtop.service is not active: {}".format(self._socket, REMEDIES[0][1])
        if not os.access(self._socket, os.R_OK | os.W_OK):
            return "{} cannot be opened by this user: {}".format(self._socket, REMEDIES[1][1])
        return None

    def channels(self):
        """Those of the first update."""
        return list(self._channels)

    def start(self):
        """Connect, and wait for the first update. OSError: "reason: remedy"."""
        self._updates, self._odd = queue.Queue(), 0
        self._library = self._load()
        version = str(self._library.__version__)
        self._client = self._library.jtop(interval=self._interval_s)
        self._client.attach(lambda client: self._take(version, client))
        try:
            self._client.start()
            moment, readings, summed = self._updates.get(timeout=self._first_s)
        except queue.Empty:
            self.stop()
            raise OSError("jtop.service sent nothing for {:g} s: {}".format(self._first_s, REMEDIES[0][1]))
        except (self._library.JtopException, OSError) as error:
            self.stop()
            raise OSError(explain(error))
        except BaseException:
            self.stop()
            raise
        if not readings:
            self.stop()
            raise OSError("jetson-stats {} sends a shape that is not known here: install 4.x or 7.x".format(version))
        self._channels = [_channel(one, summed) for one in readings]
        self._pending = moment, readings, summed
        self._facts["jetson_stats"] = version

    def wait(self):
        """(arrival, values) of the next update; all NaN where it has no known shape."""
        update, self._pending = self._pending, None
        while update is None:
            client = self._client
            if client is None:
                raise EOFError("jtop was stopped")
            try:
                update = self._updates.get(timeout=self._watch_s)
            except queue.Empty:
                self._look_after(client)
                continue
            if update is None:
                raise EOFError("jtop was stopped")
        moment, readings, _ = update
        values = {one.name: one.value for one in readings}
        return moment, [values.get(channel.name, NAN) for channel in self._channels]

    def facts(self):
        """Version, power mode, whether jetson_clocks is on, and how many updates could not be understood."""
        return dict(self._facts, odd_updates=self._odd)

    def stop(self):
        """Disconnect; a `wait` in another thread raises EOFError."""
        client, self._client = self._client, None
        self._pending = None
        self._updates.put(None)
        if client is not None:
            try:
                client.close()
            except (self._library.JtopException, OSError, RuntimeError):
                pass  # the service went first

    def _take(self, version, client):
        """Called in the client's own thread, which ends at any exception."""
        moment = self._clock()
        try:
            stats, power = dict(client.stats), getattr(client, "power", None)
            memory, gpu = getattr(client, "memory", None), getattr(client, "gpu", None)
            readings, summed = normalise(version, stats, power, memory, gpu), total_is_a_sum(version, power)
            self._facts.update({key: str(stats[key]) for key in ("nvp model", "jetson_clocks") if key in stats})
        except FAILURES:
            self._odd += 1
            readings, summed = [], False
        self._updates.put((moment, readings, summed))

    def _look_after(self, client):
        """EOFError where the client has ended; it says why when it is asked whether it is well."""
        try:
            alive = client.ok(spin=True)
        except (self._library.JtopException, OSError) as error:
            raise EOFError(explain(error))
        if not alive:
            raise EOFError("the connection to jtop.service has ended: {}".format(REMEDIES[0][1]))


def explain(error):
    """A client's error as "reason: remedy"."""
    text = " ".join(str(error).split())
    known = {2: REMEDIES[0], 111: REMEDIES[0], 13: REMEDIES[1]}.get(getattr(error, "errno", None))
    for part, remedy in [known] if known is not None else REMEDIES:
        if known is not None or part in text:
            return "jtop: {}: {}".format(text, remedy)
    return "jtop: {}: {}".format(text or repr(error), REMEDIES[0][1])


def normalise(version, stats, power=None, memory=None, gpu=None):
    """Readings in SI units of what a client of this version of jetson-stats shows. ValueError for 2.x and older.

    Names are the source's, with the quantity behind them: GPU_load, Temp `x` as x_temperature, rails as NAME_power,
    NAME_voltage, NAME_current. The total goes by its rail's name where it is one rail, else TOT_power. NaN for what
    sleeps or is off. Left out: averages, and of 3.x EMC and IRAM, which wrongly repeat the value of RAM there.
    """
    major = int(re.match(r"\d+", version).group(0)) if re.match(r"\d", version) else 0
    if major < 3:
        raise ValueError("jetson-stats {} is too old; from 3.1 on its shapes are known".format(version))
    old = major == 3
    readings = []
    for key, value in stats.items():
        if key not in _NO_READINGS and not (power is not None and key.startswith(("Power ", "power "))):
            readings += _stat_3(key, value) if old else _stat_4(key, value)
    if power is not None:
        readings += _power_3(power) if old else _power_4(power)
    if not old and memory is not None:
        readings += _memory_4(memory)
    if not old and gpu is not None:
        readings += [_hertz(name, one["freq"].get("cur"), 1e3) for name, one in gpu.items() if "freq" in one]
    return list({one.name: one for one in reversed(readings)}.values())[::-1]


def total_is_a_sum(version, power):
    """Whether TOT_power is added up from rails. 3.x does not say it, so that the figures have to."""
    if not version.startswith("3."):
        return True  # 4.x names a total that is one rail, and it is not called TOT
    if power is None or not power[1]:
        return False
    parts = sum(_number(rail.get("cur")) for rail in power[1].values())
    return abs(_number(power[0].get("cur")) - parts) <= len(power[1])  # mW, each rounded on its own


def _stat_3(key, value):
    if key in ("EMC", "IRAM"):
        return []
    if key == "RAM":
        return [Reading("ram_used", "B", "gauge", _number(value) * 1024)]
    if key == "SWAP":
        return [Reading("swap_used", "B", "gauge", _number(value) * 1024**2)]
    if key == "fan":
        return [_share(key, value)]
    if key == "power cur":
        return [_milli("TOT_power", "W", value)]
    if key in _ENGINES_3:
        return [_hertz(key, value, 1e6)]
    return _stat(key, value)


def _stat_4(key, value):
    if key in ("RAM", "SWAP", "IRAM"):
        return [Reading(key + "_load", "1", "gauge", _number(value))]  # a fraction already
    if key == "EMC":
        return [_share(key, value)]
    if key.startswith("Fan "):
        return [_share(key[len("Fan ") :], value)]
    if key.startswith("Power "):
        return [_milli(key[len("Power ") :] + "_power", "W", value)]
    if _ENGINE.match(key):
        return [_hertz(key.replace(" ", "_"), value, 1e3)]
    return _stat(key, value)


def _stat(key, value):
    if _CORE.match(key) or _GPU.match(key) or key.startswith("MTS "):
        return [_share(key.replace(" ", "_"), value)]
    if key.startswith("Temp "):
        degrees = _number(value)
        name = key[len("Temp ") :] + "_temperature"
        return [Reading(name, "degC", "gauge", NAN if degrees == _POWERED_DOWN_C else degrees)]
    return []


def _power_3(power):
    total, rails = power
    found = [_milli(name + "_power", "W", rail.get("cur")) for name, rail in rails.items()]
    return found + [_milli("TOT_power", "W", total.get("cur"))]


def _power_4(power):
    found = []
    for name, rail in power["rail"].items():
        found += _rail_4(name, rail)
    total = power["tot"]
    if "name" in total:
        return found + _rail_4(total["name"], total)
    return found + [_milli("TOT_power", "W", total.get("power"))]  # a sum has no voltage


def _rail_4(name, rail):
    asleep = rail.get("online") is False
    units = (("power", "W", "power"), ("voltage", "V", "volt"), ("current", "A", "curr"))
    return [_milli(name + "_" + what, unit, None if asleep else rail.get(key)) for what, unit, key in units]


def _memory_4(memory):
    used = [(area.lower() + "_used", memory[area].get("used")) for area in ("RAM", "SWAP") if area in memory]
    found = [Reading(name, "B", "gauge", _number(kibibytes) * 1024) for name, kibibytes in used]
    if "cur" in memory.get("EMC", {}):
        found.append(_hertz("EMC", memory["EMC"]["cur"], 1e3))
    return found


def _share(name, percent):
    return Reading(name + "_load", "1", "gauge", _number(percent) / 100.0)


def _hertz(name, value, factor):
    return Reading(name + "_clock", "Hz", "gauge", _number(value) * factor)


def _milli(name, unit, value):
    return Reading(name, unit, "gauge", _number(value) / 1000.0)


def _number(value):
    # 'OFF' for what is off, a bool for a switch.
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else NAN


def _channel(reading, summed):
    if reading.unit not in ("W", "V", "A"):
        return Channel(reading.name, reading.unit, reading.kind, "board", "jtop")
    scope = "sum of rails" if summed and reading.name == "TOT_power" else "rail"
    return Channel(reading.name, reading.unit, reading.kind, scope, "board rail")
