"""The plug collector against an HTTP server on this machine that answers as the plugs do."""

from __future__ import annotations

import json
import math
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from harness.agent.collectors import Channel, Place
from harness.agent.collectors.plug import PlugCollector

TASMOTA = {
    "StatusSNS": {"Time": "2026-01-01T00:00:00", "ENERGY": {"Total": 3.705, "Today": 0.026, "Power": 5, "Voltage": 233}}
}
SHELLY = {"power": 12.5, "is_valid": True, "timestamp": 1, "counters": [12.1, 12.0, 11.9], "total": 600}
GEN2 = {"id": 0, "output": True, "apower": 8.25, "voltage": 230.1, "aenergy": {"total": 2.5, "by_minute": [1, 2, 3]}}


class Server:
    """What it answers by path: (status, headers, body); what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                status, headers, body = outer.answers.get(self.path, (404, {}, b"no such page"))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Nothing on stderr."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def says(self, path: str, body: Any, status: int = 200, **headers: str) -> None:
        self.answers[path] = status, headers, body if isinstance(body, bytes) else json.dumps(body).encode()


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    thread = threading.Thread(target=found.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    found.server.shutdown()
    thread.join()
    found.server.server_close()


def plug(url: str | None, **options: Any) -> PlugCollector:
    named = {} if url is None else {"url": url}
    return PlugCollector(Place("/", 1, 1, 1.0, {**named, **options}))


def readings(collector: PlugCollector) -> list[float]:
    assert collector.why_unavailable() is None
    collector.start()
    try:
        return collector.read()
    finally:
        collector.stop()


def test_a_plug_is_an_external_meter_at_the_wall() -> None:
    assert plug("http://here").channels() == [
        Channel("plug_power", "W", "gauge", "wall", "external meter"),
        Channel("plug_energy", "J", "counter", "wall", "external meter"),
    ]


def test_tasmota_in_watts_and_joules(server: Server) -> None:
    server.says("/cm?cmnd=status%2010", TASMOTA)
    assert readings(plug(server.url + "/", kind="tasmota")) == [5.0, pytest.approx(3.705 * 3.6e6, abs=1e-6)]
    assert set(server.asked) == {"/cm?cmnd=status%2010"}


@pytest.mark.parametrize(("channel", "watts", "joules"), [(0, 4.0, 3.6e6), (1, 6.0, 7.2e6)])
def test_tasmota_of_two_sockets(server: Server, channel: int, watts: float, joules: float) -> None:
    server.says("/cm?cmnd=status%2010", {"StatusSNS": {"ENERGY": {"Power": [4, 6], "Total": [1, 2]}}})
    assert readings(plug(server.url, channel=channel)) == [watts, joules]


def test_a_total_of_both_sockets_is_not_that_of_one(server: Server) -> None:
    server.says("/cm?cmnd=status%2010", {"StatusSNS": {"ENERGY": {"Power": [4, 6], "Total": 3}}})
    watts, joules = readings(plug(server.url, channel=1))
    assert watts == 6.0
    assert math.isnan(joules)


def test_shelly_counts_watt_minutes(server: Server) -> None:
    server.says("/meter/0", SHELLY)
    server.says("/meter/1", {**SHELLY, "power": 1.5, "total": 10})
    assert readings(plug(server.url, kind="shelly")) == [12.5, 36_000.0]
    assert readings(plug(server.url, kind="shelly", channel=1)) == [1.5, 600.0]


def test_shelly_that_calls_its_reading_invalid_has_none(server: Server) -> None:
    server.says("/meter/0", {**SHELLY, "is_valid": False})
    assert [math.isnan(value) for value in readings(plug(server.url, kind="shelly"))] == [True, True]


def test_shelly_of_the_second_generation_counts_watt_hours(server: Server) -> None:
    server.says("/rpc/Switch.GetStatus?id=0", GEN2)
    server.says("/rpc/Switch.GetStatus?id=3", {**GEN2, "apower": -1.0, "aenergy": {}})
    assert readings(plug(server.url, kind="shelly-gen2")) == [8.25, 9000.0]
    watts, joules = readings(plug(server.url, kind="shelly-gen2", channel=3))
    assert watts == -1.0
    assert math.isnan(joules)


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        7,
        None,
        {"StatusSNS": {"Time": "now"}},
        {"StatusSNS": {"ENERGY": {"Total": 3}}},
        {"StatusSNS": {"ENERGY": {"Power": "5"}}},
        {"StatusSNS": {"ENERGY": {"Power": True}}},
        {"StatusSNS": {"ENERGY": {"Power": []}}},
        {"StatusSNS": {"ENERGY": {"Power": float("nan")}}},
    ],
)
def test_an_answer_without_a_power_is_no_reading(server: Server, body: Any) -> None:
    server.says("/cm?cmnd=status%2010", body)
    with pytest.raises(ValueError, match="sent no power of a tasmota"):
        plug(server.url).read()
    reason = plug(server.url).why_unavailable()
    assert reason is not None
    assert server.url in reason
    assert reason.endswith("check its address, that it is on this network, and the options kind and channel")


@pytest.mark.parametrize(("kind", "path"), [("shelly", "/meter/0"), ("shelly-gen2", "/rpc/Switch.GetStatus?id=0")])
def test_a_missing_key_is_no_reading(server: Server, kind: str, path: str) -> None:
    for body in ({}, [], {"power": None, "apower": None}, {"aenergy": 5, "apower": 1, "power": "x"}):
        server.says(path, body)
        with pytest.raises(ValueError, match="sent no power of a " + kind):
            plug(server.url, kind=kind).read()


def test_a_channel_that_is_not_there_is_no_reading(server: Server) -> None:
    server.says("/cm?cmnd=status%2010", TASMOTA)
    with pytest.raises(ValueError, match="channel 2"):
        plug(server.url, channel=2).read()


@pytest.mark.parametrize("body", [b"<html>login</html>", b"", b"\xff\xfe\x00", b"[" * 60_000, b'{"StatusSNS": '])
def test_garbage_is_no_reading(server: Server, body: bytes) -> None:
    server.says("/cm?cmnd=status%2010", body)
    with pytest.raises(ValueError, match="answers with something that is no JSON"):
        plug(server.url).read()


@pytest.mark.parametrize("status", [401, 404, 500])
def test_a_refusal_is_no_reading(server: Server, status: int) -> None:
    server.says("/cm?cmnd=status%2010", TASMOTA, status=status)
    with pytest.raises(OSError, match=f"does not answer.*{status}"):
        plug(server.url).read()


@pytest.mark.parametrize("status", [301, 302, 307])
def test_redirects_are_not_followed(server: Server, status: int) -> None:
    server.says("/cm?cmnd=status%2010", b"", status=status, Location=server.url + "/elsewhere")
    server.says("/elsewhere", TASMOTA)
    with pytest.raises(OSError, match="does not answer"):
        plug(server.url).read()
    assert server.asked == ["/cm?cmnd=status%2010"]


def test_proxies_of_the_environment_are_not_asked(server: Server) -> None:
    server.says("/cm?cmnd=status%2010", TASMOTA)
    program = (
        "from harness.agent.collectors import Place, plug\n"
        f"print(plug.PlugCollector(Place('/', 1, 1, 1.0, {{'url': {server.url!r}}})).read()[0])"
    )
    dead = {"http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9", "no_proxy": ""}
    command = [sys.executable, "-c", program]
    said = subprocess.run(command, env={**os.environ, **dead}, capture_output=True, text=True, check=True)
    assert said.stdout == "5.0\n"


def listening(act: Callable[[socket.socket], None]) -> tuple[str, threading.Thread, socket.socket]:
    """A server of one connection, with which `act` does what it likes."""
    door = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=lambda: act(door))
    thread.start()
    return f"http://127.0.0.1:{door.getsockname()[1]}", thread, door


def test_a_plug_that_hangs_is_given_up() -> None:
    url, thread, door = listening(lambda _: None)  # the kernel takes the connection, and nobody answers
    with pytest.raises(OSError, match=r"does not answer.*timed out"):
        plug(url, timeout_s=0.05).read()
    thread.join()
    door.close()


@pytest.mark.parametrize(
    "answer", [b"", b"\x00\x01\x02 garbage\r\n\r\n", b"HTTP/1.0 200 OK\r\nContent-Length: 500\r\n\r\n{"]
)
def test_an_answer_that_is_no_http_is_no_reading(answer: bytes) -> None:
    def act(door: socket.socket) -> None:
        connection, _ = door.accept()
        connection.recv(65536)
        connection.sendall(answer)
        connection.close()

    url, thread, door = listening(act)
    with pytest.raises((OSError, ValueError), match="plug at http://127"):
        plug(url, timeout_s=5.0).read()
    thread.join()
    door.close()


def test_a_plug_that_is_gone_names_its_address() -> None:
    door = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{door.getsockname()[1]}"
    door.close()
    reason = plug(url).why_unavailable()
    assert reason is not None
    assert f"the plug at {url} does not answer" in reason


def test_a_plug_that_is_not_named_says_how_to() -> None:
    assert (
        plug(None).why_unavailable()
        == "no plug is named: give its address in the option url of plug, as http://ADDRESS"
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"adress": "x"}, "no option adress"),
        ({"kind": "meross"}, "'meross' is no kind; write one of shelly, shelly-gen2, tasmota"),
        ({"url": "file:///etc/passwd"}, "is no address"),
        ({"channel": -1}, "counts from 0"),
        ({"timeout_s": 0}, "above 0"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        PlugCollector(Place("/", 1, 1, 1.0, options))
