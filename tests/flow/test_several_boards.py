"""Several boards side by side, over two real SSH servers: what one does stops no other."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import harness
from tests.support import sshd
from tests.support.faults import FOUND, PATIENCE_S, Rig, rig, until
from tests.support.host_side import Answer, invoke, runs_of, spawn


@dataclass
class Pair:
    """Two boards of one kind, measured by one command from the left one's host folder."""

    left: Rig
    right: Rig

    @property
    def command(self) -> tuple[str | Path, ...]:
        """The command line that measures both."""
        return ("run", self.left.suite, "--device", "left", "--device", "right", *self.sites)

    @property
    def sites(self) -> tuple[str | Path, ...]:
        """Where they are."""
        return ("--sites", self.left.host / "both.toml")

    @contextlib.contextmanager
    def started(self, *more: str | Path) -> Iterator[subprocess.Popen[str]]:
        """That command in a process of its own, which is killed at the end if it is still there."""
        process = spawn(self.left.host, *self.command, *more)
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

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
    assert "harness: right (board): it refuses the login" in answer.err
    assert pair.names() == ["left"]
    # Its own table was printed, and the same command would measure it anew.
    assert answer.out.count("A board on loopback (left)") == 1
    said = answer.err.replace("\n", " ")
    assert "harness: the same command would begin anew on left; for the others alone: harness run " in said
    rest = answer.err.rpartition("for the others alone: ")[2]
    assert "--device right" in rest
    assert "--device left" not in rest


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


def children(process: subprocess.Popen[str]) -> list[int]:
    """The processes of the boards."""
    found = []
    for pid, (parent, _) in sshd.processes().items():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if parent == process.pid and b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


def leads(pid: int, client: int) -> bool:
    """Whether an ssh client was started by that process."""
    return sshd.processes().get(client, (0, ""))[0] == pid


def test_one_that_is_told_to_end_puts_its_board_back_and_the_other_is_measured(pair: Pair) -> None:
    with pair.started() as process:
        caught = pair.left.catch(process, stored=0)
        clients = pair.left.clients()
        (told,) = [pid for pid in children(process) if any(leads(pid, client) for client in clients)]
        os.kill(told, signal.SIGTERM)
        out, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 3, said
    assert "harness: left: interrupted; finished trials are kept" in said
    assert "Traceback" not in said
    pair.left.assert_left_clean()
    assert caught.trial not in pair.left.ids()
    assert pair.names() == ["right"]
    assert "A board on loopback (right)" in out
    assert "for the others alone: " in said
    answer = invoke(pair.left.host, *pair.command[:2], "--device", "left", *pair.command[-2:])
    assert answer.code == 0, answer.err
    assert pair.names() == ["left", "right"]


def test_an_interrupt_keeps_the_tables_of_those_that_are_done(pair: Pair, tmp_path: Path) -> None:
    with pair.started("--json", tmp_path / "out.json") as process:
        pair.left.catch(process, stored=0)
        until(lambda: pair.names() == ["right"] and len(children(process)) == 1, "the right one to be done", process)
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 3, said
    assert "harness: left: interrupted" in said
    assert "A board on loopback (right)" in out
    assert json.loads((tmp_path / "out-right.json").read_text())["device"]["name"] == "right"
    pair.left.assert_left_clean()


def test_boards_are_put_back_when_the_process_that_watches_is_killed(pair: Pair) -> None:
    """Although each is in the middle of a trial that will not end: nobody has to speak first."""
    with pair.started() as process:
        pair.left.catch(process, stored=0)
        pair.right.catch(process, stored=0)
        process.kill()
        for board in (pair.left, pair.right):
            board.assert_left_clean()


def test_this_machine_beside_others_is_told(pair: Pair) -> None:
    pair.right.server.refuse_logins()
    answer = invoke(
        pair.left.host, "run", "smoke", "--quick", "--device", "localhost", "--device", "right", *pair.sites
    )
    assert answer.code == 2, answer.err
    assert "this machine is one of the boards and serves the others meanwhile" in answer.err


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
