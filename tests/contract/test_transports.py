"""What every transport of the table owes its Protocol. One that needs a board joins with its own place to run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.agent import PROTOCOL
from harness.board.link import Link
from harness.board.transports import TABLE, connect
from harness.errors import AgentError
from harness.ports import Transport


@pytest.fixture(params=sorted(TABLE))
def transport(request: pytest.FixtureRequest, tmp_path: Path) -> Transport:
    return connect(request.param, tmp_path / "work", sys.executable)


def test_files_travel_there_and_back(transport: Transport, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(bytes(range(256)))
    there = transport.put(tmp_path / "model", "artifacts/0123abcd/model")
    assert transport.put(tmp_path / "model", "artifacts/0123abcd/model") == there
    transport.get(there, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == bytes(range(256))
    assert transport.put(tmp_path / "model", "artifacts/0123abcd/model") == there  # it was removed, so it travels again


def test_what_lies_there_with_another_content_is_replaced(transport: Transport, tmp_path: Path) -> None:
    for content in (b"altered", b"right"):
        (tmp_path / "model").write_bytes(content)
        there = transport.put(tmp_path / "model", "artifacts/0123abcd/model")
    transport.get(there, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"right"


def test_scratch_paths_differ_by_name_alone(transport: Transport) -> None:
    assert transport.scratch("samples") == transport.scratch("samples") != transport.scratch("traces")


def test_an_agent_answers(transport: Transport) -> None:
    with Link(transport.talk([])) as link:
        assert link.hello()["protocol"] == PROTOCOL


def test_two_agents_do_not_disturb_each_other(transport: Transport) -> None:
    with Link(transport.talk([])) as one, Link(transport.talk([])) as other:
        assert one.hello()["pid"] != other.hello()["pid"]


def test_an_agent_that_leaves_is_missed(transport: Transport) -> None:
    conversation = transport.talk([])
    link = Link(conversation)
    link.ask("bye", 60.0)
    with pytest.raises(AgentError, match="ended by itself with status 0"):
        link.hello()
    assert conversation.close() == 0


def test_it_closes_twice(transport: Transport) -> None:
    conversation = transport.talk([])
    assert conversation.close() == 0
    assert conversation.close() == 0
