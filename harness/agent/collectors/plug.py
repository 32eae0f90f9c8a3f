"""A metering wall plug asked over HTTP: Tasmota, and Shelly of both generations. Knows no other meter.

A plug renews its figures once a second at best, in steps of 0.1 to 1 W: good for windows of minutes, and it counts the
supply of the board with the board. Plugs speak plain HTTP on the local network; nothing else is contacted, whatever
proxies the environment names and wherever an answer redirects to.
"""

import json
import math
from http.client import HTTPException
from urllib import request
from urllib.error import HTTPError

from . import NAN, Channel, options_of

OPTIONS = ("url", "kind", "channel", "timeout_s")
PATHS = {
    "tasmota": "/cm?cmnd=status%2010",
    "shelly": "/meter/{channel}",
    "shelly-gen2": "/rpc/Switch.GetStatus?id={channel}",
}
TIMEOUT_S = 2.0
LARGEST_ANSWER = 65536
JOULES_PER_KWH = 3.6e6
JOULES_PER_WH = 3600.0
# Meters of Shelly's first generation count watt-minutes, unlike all later ones.
JOULES_PER_WATT_MINUTE = 60.0


class PlugCollector:
    """Power and the energy counter of one socket. Options: url, kind, channel (from 0), timeout_s."""

    name = "plug"

    def __init__(self, place):
        options = options_of(self.name, place, OPTIONS)
        self._url, self._kind = options.get("url"), options.get("kind", "tasmota")
        self._channel, self._timeout_s = int(options.get("channel", 0)), float(options.get("timeout_s", TIMEOUT_S))
        if self._kind not in PATHS:
            raise ValueError("plug: {!r} is no kind; write one of {}".format(self._kind, ", ".join(sorted(PATHS))))
        if self._url is not None and not str(self._url).startswith("http://"):
            raise ValueError("plug: {!r} is no address; write http://ADDRESS".format(self._url))
        if self._channel < 0 or not 0 < self._timeout_s < math.inf:
            raise ValueError("plug: channel counts from 0, timeout_s is above 0")
        self._opener = None

    def why_unavailable(self):
        """None where the plug answers with a power."""
        if self._url is None:
            return "no plug is named: give its address in the option url of plug, as http://ADDRESS"
        try:
            self.read()
        except (OSError, ValueError) as error:
            return "{}: check its address, that it is on this network, and the options kind and channel".format(error)
        return None

    def channels(self):
        """Two, at the wall."""
        return [
            Channel("plug_power", "W", "gauge", "wall", "external meter"),
            Channel("plug_energy", "J", "counter", "wall", "external meter"),
        ]

    def start(self):
        """Nothing stays open: a plug serves few connections, and closes those that idle."""

    def read(self):
        """Power and energy; NaN for an energy that this plug does not count."""
        answer = self._ask(PATHS[self._kind].format(channel=self._channel))
        try:
            if self._kind == "tasmota":
                return list(tasmota(answer, self._channel))
            return list(shelly(answer) if self._kind == "shelly" else shelly_gen2(answer))
        except (LookupError, TypeError, AttributeError) as error:
            raise ValueError(
                "the plug at {} sent no power of a {} ({!r} is missing or odd)".format(self._url, self._kind, error)
            )

    def stop(self):
        """A reading that is under way ends by its timeout."""

    def _ask(self, path):
        if self._opener is None:
            # Put together by hand: the ready-made opener obeys http_proxy and follows redirects to anywhere.
            self._opener = request.OpenerDirector()
            for handler in (request.HTTPHandler, request.HTTPErrorProcessor, request.HTTPDefaultErrorHandler):
                self._opener.add_handler(handler())
        try:
            with self._opener.open(str(self._url).rstrip("/") + path, timeout=self._timeout_s) as answer:
                text = answer.read(LARGEST_ANSWER)
        except (OSError, HTTPException) as error:
            if isinstance(error, HTTPError):
                error.close()  # it holds the answer, and with it the connection
            raise OSError("the plug at {} does not answer ({!r})".format(self._url, error))
        try:
            return json.loads(text.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            raise ValueError("the plug at {} answers with something that is no JSON".format(self._url))


def tasmota(answer, channel):
    """(W, J) of `status 10`. A plug of several sockets lists its powers; a total that is no list covers them all."""
    energy = answer["StatusSNS"]["ENERGY"]
    power, total = energy["Power"], energy.get("Total")
    if isinstance(power, list):
        power, total = power[channel], total[channel] if isinstance(total, list) else None
    elif channel:
        raise IndexError("channel {}".format(channel))
    return _power(power), _number(total) * JOULES_PER_KWH


def shelly(answer):
    """(W, J) of `/meter/N`."""
    if answer.get("is_valid") is False:
        return NAN, NAN
    return _power(answer["power"]), _number(answer.get("total")) * JOULES_PER_WATT_MINUTE


def shelly_gen2(answer):
    """(W, J) of `Switch.GetStatus`."""
    return _power(answer["apower"]), _number(answer.get("aenergy", {}).get("total")) * JOULES_PER_WH


def _power(value):
    number = _number(value)
    if math.isnan(number):
        raise TypeError("power {!r}".format(value))
    return number


def _number(value):
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e300:
        return NAN
    return float(value)
