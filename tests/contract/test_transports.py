"""What every transport of the table owes its Protocol. One that needs a board joins with its own place to run."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.agent import PROTOCOL, wire
from harness.board.link import Link
from harness.board.transports import TABLE, connect
from harness.errors import AgentError, ReachError
from harness.model.site import Site
from harness.ports import Transport
from tests.support import sshd
from tests.support.agent_side import SCENARIO, Gate
from tests.support.steward_side import step

PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sshd.Sshd]:
    """A real sshd on loopback, with keys and a port of its own."""
    with sshd.running(tmp_path_factory.mktemp("sshd")) as running:
        yield running


def nowhere(_tmp_path: Path, _request: pytest.FixtureRequest) -> Site | None:
    """This machine needs no site."""
    return None


def on_loopback(tmp_path: Path, request: pytest.FixtureRequest) -> Site | None:
    """This machine as a board that is logged in to."""
    return sshd.site(request.getfixturevalue("server"), tmp_path / "board")


# Where each entry of the table runs here.
SITES: dict[str, Callable[[Path, pytest.FixtureRequest], Site | None]] = {"local": nowhere, "ssh": on_loopback}


@pytest.fixture(params=sorted(TABLE))
def transport(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Transport]:
    opened = connect(SITES[request.param](tmp_path, request), tmp_path / "board", sys.executable)
    module, _, name = TABLE[request.param].partition(":")
    assert (type(opened).__module__, type(opened).__name__) == (module, name)
    yield opened
    opened.close()


def test_files_travel_there_and_back(transport: Transport, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(bytes(range(256)) * 1000)
    there = transport.put(tmp_path / "model", "artifacts/0123abcd/model")
    assert there == f"{transport.folder}/artifacts/0123abcd/model"
    assert transport.put(tmp_path / "model", "artifacts/0123abcd/model") == there
    for _ in range(2):  # a link may break before it is stored here
        transport.get(there, tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == bytes(range(256)) * 1000


def test_what_lies_there_is_not_sent_again(transport: Transport, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"content")
    there = Path(transport.put(tmp_path / "model", "artifacts/0123abcd/model"))
    sent = there.stat().st_ino
    transport.put(tmp_path / "model", "artifacts/0123abcd/model")
    assert there.stat().st_ino == sent
    assert list(there.parent.iterdir()) == [there]  # and nothing half done lies beside it


def test_what_lies_there_with_another_content_is_replaced(transport: Transport, tmp_path: Path) -> None:
    for content in (b"altered", b"right"):
        (tmp_path / "model").write_bytes(content)
        there = transport.put(tmp_path / "model", "artifacts/0123abcd/model")
    transport.get(there, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"right"


@pytest.mark.parametrize("name", ["a b", "it's", "$HOME", "ü;*?"])
def test_names_are_taken_as_they_are(transport: Transport, tmp_path: Path, name: str) -> None:
    (tmp_path / "model").write_bytes(b"content")
    there = transport.put(tmp_path / "model", f"artifacts/0123abcd/{name}")
    assert Path(there).read_bytes() == b"content"
    transport.get(there, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"content"


def test_an_empty_file_travels_too(transport: Transport, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"")
    transport.get(transport.put(tmp_path / "model", "artifacts/0123abcd/model"), tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b""


def test_what_is_not_there_cannot_be_fetched(transport: Transport, tmp_path: Path) -> None:
    with pytest.raises((ReachError, FileNotFoundError), match="absent"):
        transport.get(f"{transport.folder}/absent", tmp_path / "back")


def test_an_agent_answers(transport: Transport) -> None:
    with Link(transport.talk([])) as link:
        assert link.hello()["protocol"] == PROTOCOL


def test_an_agent_is_started_with_its_arguments(transport: Transport) -> None:
    with Link(transport.talk(["steward", transport.folder])) as link:
        link.hello()
        assert link.ask("leave", PATIENCE_S) == {"told": []}


def test_two_agents_do_not_disturb_each_other(transport: Transport) -> None:
    with Link(transport.talk([])) as one, Link(transport.talk([])) as other:
        assert one.hello()["pid"] != other.hello()["pid"]


def test_an_agent_that_leaves_is_missed(transport: Transport) -> None:
    conversation = transport.talk([])
    link = Link(conversation)
    link.ask("bye", PATIENCE_S)
    with pytest.raises(AgentError, match="ended by itself with status 0"):
        link.hello()
    assert conversation.close() == 0


def test_it_closes_twice(transport: Transport) -> None:
    conversation = transport.talk([])
    assert conversation.close() == 0
    assert conversation.close() == 0
    transport.close()
    transport.close()


def test_an_agent_that_was_killed_is_missed(transport: Transport) -> None:
    conversation = transport.talk([])
    link = Link(conversation)
    os.kill(link.hello()["pid"], signal.SIGKILL)
    with pytest.raises(AgentError):
        link.hello()
    conversation.close()


def test_many_requests_and_heartbeats_keep_their_order(transport: Transport) -> None:
    conversation = transport.talk(["steward", transport.folder])
    for number in range(100):
        conversation.send("")
        conversation.send(wire.encode({"do": "hello", "with": {"protocol": PROTOCOL, "root": "/"}, "n": number}))
    answers = [wire.decode(conversation.receive(PATIENCE_S)) for _ in range(100)]
    assert [answer["n"] for answer in answers] == list(range(100))
    conversation.close()


def test_a_conversation_that_is_cut_off_leaves_the_board_in_order(transport: Transport, tmp_path: Path) -> None:
    """In the middle of a trial; whether it is finished is the transport's business, that nothing is left is not."""
    conversation = transport.talk(["steward", transport.folder])
    link = Link(conversation)
    steward = link.hello()["pid"]
    link.ask("take", PATIENCE_S, run="run", who="me", lease_folder=transport.lease_folder, wait_s=0.0)
    gate = Gate(tmp_path / "gate.json")
    script = [
        step("load", backend="null", artifact=str(gate.path), options={}),
        step("measure", scenario=SCENARIO, inputs=None, path="samples", power={"totals": [], "idle_s": 0.0}),
    ]
    conversation.send(wire.encode({"do": "play", "with": {"trial": "one", "script": script}, "n": 7}))
    gate.reached()
    conversation.close(at_once=True)
    started = list(sshd.agents(tmp_path))
    gate.open()
    assert sshd.wait_gone([steward, *started], PATIENCE_S) == []
    assert list(Path(transport.lease_folder).iterdir()) == []
