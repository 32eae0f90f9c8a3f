from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from harness.agent.host import Host, Lost, Recalled

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP, signal.SIGINT, signal.SIGPIPE)
HELLO, LEAVE = {"do": "hello"}, {"do": "leave"}


@dataclass
class Ends:
    """The host of the tests: what it writes to, and reads from."""

    requests: int
    replies: int

    def write(self, *messages: dict[str, Any]) -> None:
        """Whole lines, in one piece."""
        os.write(self.requests, "".join(json.dumps(message) + "\n" for message in messages).encode())

    def hang_up(self) -> None:
        """As a link that breaks and says so."""
        os.close(self.requests)
        self.requests = -1


@pytest.fixture
def ends() -> Iterator[tuple[Host, Ends]]:
    """A steward's end of the link, in this process, and the other one; signals are as before afterwards."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    source, requests = os.pipe()
    replies, target = os.pipe()
    host, other = Host(source, target), Ends(requests, replies)
    yield host, other
    os.close(signal.set_wakeup_fd(-1))
    for number, handler in before.items():
        signal.signal(number, handler)
    for descriptor in (source, target, host.woken, other.requests, other.replies):
        if descriptor >= 0:
            os.close(descriptor)


@pytest.fixture
def host(ends: tuple[Host, Ends]) -> Host:
    return ends[0]


@pytest.fixture
def other(ends: tuple[Host, Ends]) -> Ends:
    return ends[1]


def test_requests_come_in_their_order(host: Host, other: Ends) -> None:
    other.write(HELLO, LEAVE)
    assert [host.next(), host.next()] == [HELLO, LEAVE]


def test_a_line_may_come_in_pieces(host: Host, other: Ends) -> None:
    os.write(other.requests, b'{"do": "he')
    with pytest.raises(Lost):
        host.next(patience_s=0.0)
    host.lost = False
    os.write(other.requests, b'llo"}\n')
    assert host.next() == HELLO


def test_half_a_line_at_the_end_is_no_request(host: Host, other: Ends) -> None:
    other.write(HELLO)
    os.write(other.requests, b'{"do": "pl')
    other.hang_up()
    assert host.next() == HELLO
    with pytest.raises(Lost, match=r"^the host closed the link$"):
        host.next()


def test_what_came_before_the_end_is_still_a_request(host: Host, other: Ends) -> None:
    other.write(HELLO, LEAVE)
    other.hang_up()
    assert [host.next(), host.next()] == [HELLO, LEAVE]
    with pytest.raises(Lost):
        host.next()


def test_a_heartbeat_is_a_sign_of_life_and_no_request(host: Host, other: Ends) -> None:
    os.write(other.requests, b"\n\n")
    other.write(HELLO)
    os.write(other.requests, b"\n")
    assert host.next(patience_s=0.0) == HELLO
    with pytest.raises(Lost):
        host.next(patience_s=0.0)


def test_silence_is_a_loss(host: Host) -> None:
    with pytest.raises(Lost, match=r"^the host was not heard for 0 s$"):
        host.next(patience_s=0.001)
    assert host.lost


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGHUP])
def test_another_link_of_the_same_host_ends_this_one(host: Host, number: signal.Signals) -> None:
    os.kill(os.getpid(), number)
    with pytest.raises(Lost, match="closed the link"):
        host.next()


def test_a_board_that_goes_down_recalls(host: Host) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(Recalled, match="the board goes down"):
        host.next()
    assert host.lost


def test_a_ctrl_c_is_the_hosts_business(host: Host, other: Ends) -> None:
    os.kill(os.getpid(), signal.SIGINT)
    other.write(HELLO)
    assert host.next() == HELLO


def test_meanwhile_heartbeats_and_requests_are_taken_in(host: Host, other: Ends) -> None:
    os.write(other.requests, b"\n")
    other.write(HELLO)
    watched = host.meanwhile()
    hear = watched[next(descriptor for descriptor in watched if descriptor != host.woken)]
    assert hear() is True
    assert host.next() == HELLO


def test_meanwhile_a_loss_is_noted_and_the_trial_goes_on(host: Host, other: Ends) -> None:
    other.hang_up()
    (source,) = set(host.meanwhile()) - {host.woken}
    assert host.meanwhile()[source]() is False
    assert host.lost
    # And a source that is at its end is not listened to for ever.
    assert list(host.meanwhile()) == [host.woken]


def test_meanwhile_the_host_may_leave(host: Host, other: Ends) -> None:
    other.write(LEAVE)
    (source,) = set(host.meanwhile()) - {host.woken}
    with pytest.raises(Recalled, match="the host leaves"):
        host.meanwhile()[source]()
    assert host.next() == LEAVE


@pytest.mark.parametrize(("number", "recalled"), [(signal.SIGTERM, True), (signal.SIGUSR1, False)])
def test_meanwhile_signals_are_heard(host: Host, number: signal.Signals, recalled: bool) -> None:
    os.kill(os.getpid(), number)
    if recalled:
        with pytest.raises(Recalled):
            host.meanwhile()[host.woken]()
    else:
        host.meanwhile()[host.woken]()
    assert host.lost


def test_a_wait_ends_by_itself(host: Host, other: Ends) -> None:
    os.write(other.requests, b"\n")
    host.wait(0.0)
    other.write(HELLO)
    host.wait(0.0)
    assert host.next() == HELLO


def test_a_wait_ends_with_its_host(host: Host, other: Ends) -> None:
    other.write(LEAVE)
    with pytest.raises(Recalled):
        host.wait(600.0)
    assert host.next() == LEAVE
    other.hang_up()
    with pytest.raises(Lost, match="closed the link"):
        host.wait(600.0)


def test_a_host_that_left_at_once_is_not_kept_waiting(host: Host, other: Ends) -> None:
    """Its request to leave came in one piece with what it asked before."""
    other.write(HELLO, LEAVE)
    assert host.next() == HELLO
    for wait in (host.meanwhile, lambda: host.wait(600.0)):
        with pytest.raises(Recalled, match="the host leaves"):
            wait()
    assert host.next() == LEAVE


def test_going_down_is_heeded_where_it_is_so(host: Host) -> None:
    host.heed(0.0)
    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(Recalled):
        host.heed(600.0)


def test_a_long_reply_arrives_whole(host: Host, other: Ends) -> None:
    """More than a pipe holds."""
    message, heard = {"ok": True, "result": "x" * 300_000}, bytearray()

    def read() -> None:
        while not heard.endswith(b"\n"):
            heard.extend(os.read(other.replies, 1 << 12))

    reader = threading.Thread(target=read)
    reader.start()
    host.say(message)
    reader.join()
    assert json.loads(heard) == message


def test_nobody_is_told_what_nobody_takes_in(host: Host, other: Ends) -> None:
    """A cable that was pulled: the pipe fills, and no end of it is closed."""
    host.say({"result": "x" * 300_000}, patience_s=0.001)
    assert host.lost
    host.say({"result": "y"})  # at once
    assert b"y" not in os.read(other.replies, 1 << 20)


def test_a_reply_to_a_closed_link_is_a_loss(host: Host, other: Ends) -> None:
    os.close(other.replies)
    other.replies = -1
    host.say({"ok": True})
    assert host.lost


def test_a_board_that_goes_down_waits_for_no_reader(host: Host) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(Recalled):
        host.say({"result": "x" * 300_000}, patience_s=600.0)
