"""Several boards side by side, over two real SSH servers: what one does stops no other."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import harness
from tests.support import sshd
from tests.support.faults import FOUND, Rig, rig, until
from tests.support.host_side import Answer, invoke, runs_of, spawn


@dataclass
class Pair:
    """Two boards of one kind, measured by one command from the left one's host folder."""

    left: Rig
    right: Rig

    @property
    def command(self) -> tuple[str | Path, ...]:
        """The command line that measures both."""
        return ("run", self.left.suite, "--device", "left", "--device", "right", "--sites", self.left.host / "both.toml")

    def invoke(self, *more: str | Path) -> Answer:
        """That command, to its end."""
        return invoke(self.left.host, *self.command, *more)

    def names(self) -> list[str]:
        """Devices of the finished runs."""
        return sorted(
            json.loads((run / "run.json").read_text())["device"]["name"]
            for run in runs_of(self.left.host)
            if (run / "finished.json").exists()
        )


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with rig(tmp_path / "left") as left, rig(tmp_path / "right") as right:
        sites = [
            sshd.site(one.server, one.board, name=name, device="bench.toml", python=one.python)
            for name, one in (("left", left), ("right", right))
        ]
        sshd.write_sites(left.host / "both.toml", *sites)
        yield Pair(left, right)


def test_two_boards_are_measured_by_one_command(pair: Pair, tmp_path: Path) -> None:
    answer = pair.invoke("--json", tmp_path / "out.json")
    assert answer.code == 0, answer.err
    assert pair.names() == ["left", "right"]
    for name in ("left", "right"):
        assert json.loads((tmp_path / f"out-{name}.json").read_text())["device"]["name"] == name
    assert not (tmp_path / "out.json").exists()
    for board in (pair.left, pair.right):
        assert board.lease() is None
        assert board.kept() == set()
        if board.stands_in:
            assert board.governor() == FOUND
    trials = harness.load(pair.left.host / "store").trials
    assert set(trials["status"]) == {"ok"}


def test_one_that_lets_nobody_in_leaves_the_other_measured(pair: Pair) -> None:
    pair.right.server.refuse_logins()
    answer = pair.invoke()
    assert answer.code == 2
    assert "harness: right: right (board): it refuses the login" in answer.err
    assert pair.names() == ["left"]


def test_an_interrupt_reaches_every_board_once(pair: Pair) -> None:
    process = spawn(pair.left.host, *pair.command)
    try:
        until(lambda: pair.left.lease() and pair.right.lease(), "both boards are held", process)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 3, said
    assert "interrupted; finished trials are kept, the same command goes on" in said
    for board in (pair.left, pair.right):
        until(lambda board=board: board.lease() is None, "the lease is gone")
        if board.stands_in:
            assert board.governor() == FOUND
    answer = pair.invoke()
    assert answer.code == 0, answer.err
    assert pair.names() == ["left", "right"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--json", "-"), "--json - holds one summary, and there are several devices: name a file"),
        (("--power-log", "meter.csv"), "--power-log is of one board: attach it afterwards"),
        (("--device", "left"), "--device left and --device left are one machine"),
    ],
)
def test_what_cannot_be_of_several(pair: Pair, more: tuple[str, ...], said: str) -> None:
    answer = pair.invoke(*more)
    assert answer.code == 2
    assert said in answer.err
    assert runs_of(pair.left.host) == []
