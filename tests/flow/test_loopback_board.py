"""The tests' own board on loopback: real OpenSSH, checked host keys, and connections that can be killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.model.site import FOLDER, Site, parse_sites
from tests.support import sshd


@pytest.fixture
def board(tmp_path: Path) -> Iterator[sshd.Sshd]:
    with sshd.running(tmp_path / "sshd") as server:
        yield server


def open_connection(board: sshd.Sshd, *words: str) -> subprocess.Popen[str]:
    """A command on the board that said its first line."""
    command = ["ssh", "-F", str(board.ssh_config), "-o", "BatchMode=yes", sshd.HOST, *words]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_login_has_its_own_home_and_the_environment_that_was_asked_for(tmp_path: Path) -> None:
    with sshd.running(tmp_path / "a b", {"QEMU_CPU": "cortex a72"}) as board:
        said = board.ssh("echo $HOME; echo $QEMU_CPU; exit 7")
    assert (said.returncode, said.stdout) == (7, f"{tmp_path}/a b/home\ncortex a72\n")


def test_a_connection_is_killed_and_what_runs_over_it_stays(board: sshd.Sshd, tmp_path: Path) -> None:
    archive = tmp_path / "agent.pyz"
    archive.write_text("import sys, signal; print('ready', flush=True); signal.pause()")
    # As the harness starts it: from within the board's folder.
    with open_connection(board, f"cd {tmp_path} && exec {sys.executable} agent.pyz steward") as process:
        (steward,) = sshd.stewards(tmp_path)
        assert sshd.agents(tmp_path) == {steward: ["steward"]}
        assert sshd.stewards(tmp_path, "guard") == []
        assert board.kill_connections() >= 1
        assert process.wait() == 255
        assert (board.connections(), sshd.stewards(tmp_path)) == ([], [steward])
        assert board.ssh("true").returncode == 0
    sshd.end_processes([steward])
    assert sshd.agents(tmp_path) == {}


def test_what_was_started_from_a_site_is_ended_with_the_server(tmp_path: Path) -> None:
    with sshd.running(tmp_path / "sshd") as board:
        place = Path(sshd.site(board, tmp_path / "board").folder)
        place.mkdir(parents=True)
        archive = place / "agent.pyz"
        archive.write_text("import signal; print('ready', flush=True); signal.pause()")
        process = open_connection(board, sys.executable, str(archive))
        assert len(sshd.agents(tmp_path)) == 1
    with process:
        assert process.wait() == 255
    assert sshd.agents(tmp_path) == {}


def test_another_host_key_is_refused_at_the_same_address(board: sshd.Sshd) -> None:
    port = board.port
    board.change_host_key()
    said = board.ssh("true")
    assert (board.port, said.returncode) == (port, 255)
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in said.stderr


def test_logins_are_refused_and_allowed_again(board: sshd.Sshd) -> None:
    board.refuse_logins()
    for _ in range(5):  # from OpenSSH 9.8 on such an address would be shut out for a while
        said = board.ssh("true")
        assert (said.returncode, "Permission denied (publickey)" in said.stderr) == (255, True)
    board.allow_logins()
    assert board.ssh("true").returncode == 0


def test_a_stopped_server_refuses_the_connection(board: sshd.Sshd) -> None:
    board.stop()
    assert "Connection refused" in board.ssh("true").stderr
    board.stop()
    board.start()
    assert board.ssh("true").returncode == 0


def test_signals_that_the_tests_ignore_work_on_the_board(tmp_path: Path) -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    try:
        with sshd.running(tmp_path / "sshd") as board:
            said = board.ssh("grep -E '^Sig(Blk|Ign)' /proc/self/status")
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
    assert said.stdout.split() == ["SigBlk:", "0" * 16, "SigIgn:", "0" * 16]


def test_sites_are_read_back_as_they_were_written(board: sshd.Sshd, tmp_path: Path) -> None:
    here = sshd.site(board, tmp_path / "board", port=22)
    plain = Site("nano", "jetson@192.0.2.7", python='/opt/"odd" \\ ü/python3')
    path = sshd.write_sites(tmp_path / "sites.toml", here, plain)
    assert parse_sites(path.read_text("utf-8"), str(path)) == {"board": here, "nano": plain}
    assert "folder" not in path.read_text("utf-8").partition("[nano]")[2]
    assert plain.folder == FOLDER


def test_keys_of_two_servers_differ(board: sshd.Sshd, tmp_path: Path) -> None:
    with sshd.running(tmp_path / "other") as other:
        assert other.port != board.port
        assert other.known_hosts.read_text().split()[2] != board.known_hosts.read_text().split()[2]
        said = subprocess.run(
            ["ssh", "-F", str(board.ssh_config), "-o", "BatchMode=yes", "-p", str(other.port), sshd.HOST, "true"],
            capture_output=True,
            text=True,
            check=False,
        )
    assert "Host key verification failed" in said.stderr
