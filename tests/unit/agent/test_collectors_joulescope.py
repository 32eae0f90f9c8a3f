"""The Joulescope feed against a stand-in of its package; no instrument was at hand."""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Callable
from typing import Any

import pytest

from harness.agent.collectors import Channel, Place
from harness.agent.collectors.joulescope import JoulescopeFeed


def message(mean: str, power: float, energy: float) -> dict[str, Any]:
    values = {"power": power, "voltage": 5.0, "current": power / 5.0}
    signals = {name: {mean: {"value": value, "units": "?"}} for name, value in values.items()}
    return {"signals": signals, "accumulators": {"energy": {"value": energy, "units": "J"}}}


class Instrument:
    """A device: what it says as soon as it is opened, and whether it is open."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.messages = messages
        self.is_open, self.source = False, ""
        self.say: Callable[[dict[str, Any]], None] = lambda _: None

    def statistics_callback_register(self, callback: Callable[[dict[str, Any]], None], source: str) -> None:
        self.say, self.source = callback, source

    def open(self) -> None:
        self.is_open = True
        for one in self.messages:
            self.say(one)

    def close(self) -> None:
        self.is_open = False


class Package:
    def __init__(self, instrument: Instrument | None) -> None:
        self.instrument = instrument

    def scan_require_one(self, config: str) -> Instrument:
        assert config == "auto"
        if self.instrument is None:
            raise RuntimeError("no devices found")
        return self.instrument


def feed(instrument: Instrument | None, first_s: float = 10.0, **options: Any) -> JoulescopeFeed:
    package = Package(instrument)
    return JoulescopeFeed(Place("/", 1, 1, 0.5, options), load=lambda: package, clock=lambda: 7.5, first_s=first_s)


@pytest.mark.parametrize("mean", ["avg", "µ"])
def test_a_message_is_a_row(mean: str) -> None:
    instrument = Instrument(message(mean, 2.5, 10.0), message(mean, 3.0, 11.5))
    joulescope = feed(instrument)
    assert joulescope.why_unavailable() is None
    joulescope.start()
    assert instrument.source == "sensor"
    assert [joulescope.wait() for _ in range(2)] == [(7.5, [2.5, 5.0, 0.5, 10.0]), (7.5, [3.0, 5.0, 0.6, 11.5])]
    joulescope.stop()
    assert not instrument.is_open


def test_an_odd_message_is_a_row_of_nan() -> None:
    joulescope = feed(Instrument(message("median", 2.5, 10.0), {"signals": {}}, message("avg", 2.5, 10.0)))
    joulescope.start()
    rows = [joulescope.wait()[1] for _ in range(3)]
    joulescope.stop()
    missing = [[math.isnan(value) for value in row] for row in rows]
    assert missing == [[True, True, True, False], [True] * 4, [False] * 4]


def test_its_scope_is_what_was_said() -> None:
    assert feed(None).channels() == [
        Channel("joulescope_power", "W", "gauge", "board input", "external meter"),
        Channel("joulescope_voltage", "V", "gauge", "board input", "external meter"),
        Channel("joulescope_current", "A", "gauge", "board input", "external meter"),
        Channel("joulescope_energy", "J", "counter", "board input", "external meter"),
    ]
    assert {channel.scope for channel in feed(None, scope="module input").channels()} == {"module input"}


def test_stop_wakes_one_who_waits() -> None:
    instrument = Instrument(message("avg", 1.0, 1.0))
    joulescope = feed(instrument)
    joulescope.start()
    heard: queue.Queue[object] = queue.Queue()

    def listen() -> None:
        try:
            while True:
                heard.put(joulescope.wait()[1][0])
        except EOFError as error:
            heard.put(str(error))

    waiting = threading.Thread(target=listen)
    waiting.start()
    assert heard.get(timeout=10.0) == 1.0
    joulescope.stop()
    assert heard.get(timeout=10.0) == "joulescope was stopped"
    waiting.join(10.0)
    with pytest.raises(EOFError):
        joulescope.wait()


def test_an_instrument_that_is_silent_is_given_up_and_closed() -> None:
    instrument = Instrument()
    with pytest.raises(OSError, match=r"sent nothing for 0\.02 s: plug it out"):
        feed(instrument, first_s=0.02).start()
    assert not instrument.is_open


def test_it_can_be_started_again() -> None:
    joulescope = feed(Instrument(message("avg", 1.0, 1.0)))
    for _ in range(2):
        joulescope.start()
        assert joulescope.wait()[1][0] == 1.0
        joulescope.stop()


def test_no_instrument_and_no_package_are_reasons() -> None:
    reason = feed(None).why_unavailable()
    assert reason is not None
    assert "no single Joulescope is found (RuntimeError('no devices found')): plug one in" in reason

    def missing() -> Any:
        raise ImportError("No module named 'joulescope'")

    joulescope = JoulescopeFeed(Place("/", 1, 1, 0.5, None), load=missing)
    assert joulescope.why_unavailable() == (
        "the package joulescope is missing (No module named 'joulescope'): python3 -m pip install joulescope"
    )


def test_wrong_options_are_refused() -> None:
    with pytest.raises(ValueError, match="no option rate: it takes scope"):
        feed(None, rate=2)
    with pytest.raises(ValueError, match="'town' is no scope"):
        feed(None, scope="town")
