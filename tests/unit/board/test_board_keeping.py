"""What is kept on a board, through the real packed agent on this machine."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.agent import lease
from harness.board import keeping
from harness.board.transports import LocalTransport
from harness.errors import AgentError, BoardBusy, ReachError


@pytest.fixture
def board(tmp_path: Path) -> LocalTransport:
    transport = LocalTransport(tmp_path / "board", sys.executable)
    for name in ("inputs/a.npz", "trials/run-1/t0/result.json", "agent-0123456789abcdef.pyz"):
        path = tmp_path / "board" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    return transport


def test_what_is_kept_is_listed_and_removed(board: LocalTransport) -> None:
    found = {one.name: one for one in keeping.listing(board)}
    assert set(found) == {"inputs/a.npz", "trials/run-1", "agent-0123456789abcdef.pyz"}
    assert (found["inputs/a.npz"].kind, found["inputs/a.npz"].size_bytes) == ("inputs", 2)
    assert (found["trials/run-1"].finished, found["inputs/a.npz"].finished) == (1, None)
    failed = keeping.remove(board, ["inputs/a.npz", "inputs/b.npz"])
    assert failed == (("inputs/b.npz", "it is not there"),)
    assert [one.name for one in keeping.listing(board) if one.kind == "inputs"] == []


def test_a_run_on_the_board_keeps_everything_there(board: LocalTransport) -> None:
    held, _ = lease.take(board.lease_folder, "/", "run-1", "you@host", board.folder)
    with pytest.raises(BoardBusy, match=r"you@host has been measuring on it since .*: nothing was removed; wait until"):
        keeping.remove(board, ["inputs/a.npz"])
    lease.release(held.path, "/")
    assert "inputs/a.npz" in {one.name for one in keeping.listing(board)}


def test_an_answer_that_is_none_is_told(tmp_path: Path) -> None:
    python = tmp_path / "python3"
    python.write_text("#!/bin/sh\necho hello\n")
    python.chmod(0o755)
    with pytest.raises(AgentError, match="the agent answered 'hello', which is no message"):
        keeping.listing(LocalTransport(tmp_path / "board", str(python)))


def test_a_lease_that_cannot_be_taken_names_what_to_change(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    shut = LocalTransport(tmp_path / "board", sys.executable, tmp_path / "file")
    with pytest.raises(ReachError, match=r"file.*`lease_folder`"):
        keeping.remove(shut, ["inputs/a.npz"])
