"""The verbs about boards, as a user gives them: what is printed, and the exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import registry
from harness.agent import lease
from harness.errors import EXIT_DONE, EXIT_NOTHING_VALID, EXIT_USAGE
from tests.support.host_side import ROOT, Answer, invoke, leases_of
from tests.support.scripted_suite import write_device

NO_SITES = "schema = 1\n"
# What OpenSSH says and does, by the last word of its options: the address.
SSH = """\
#!/bin/sh
echo "$*" >> "$0.asked"
case "$*" in
*"-O exit"*) exit 0 ;;
*away*) echo "ssh: connect to host away port 22: Connection refused" >&2; exit 255 ;;
*stranger*) echo "Host key verification failed." >&2; exit 255 ;;
*) echo "edge-harness folder: /home/me/.cache/edge-harness" ;;
esac
"""


def sites(tmp_path: Path, text: str = NO_SITES) -> Path:
    path = tmp_path / "sites.toml"
    path.write_text(text)
    return path


def with_ssh(tmp_path: Path, *words: str | Path) -> Answer:
    """The program with another ssh in its PATH."""
    program = tmp_path / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text(SSH)
    program.chmod(0o755)
    settings = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "harness", *map(str, words), "--cache", str(tmp_path / "cache")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=settings, cwd=tmp_path)
    return Answer(done.returncode, done.stdout, done.stderr)


def test_every_registered_device_is_listed_with_how_it_is_reached(tmp_path: Path) -> None:
    answer = invoke(tmp_path, "devices", "--sites", sites(tmp_path))
    lines = {line.split()[0]: line for line in answer.out.splitlines()}
    assert (answer.code, answer.err) == (EXIT_DONE, "")
    assert set(lines) == set(registry.device_names())
    assert "This machine" in lines["localhost"]
    assert lines["localhost"].endswith("this machine  reachable")
    said = " ".join(lines["jetson-nano"].split())
    assert said == "jetson-nano NVIDIA Jetson Nano no address give one with --host, or in sites.toml"


def test_boards_with_an_address_are_asked_whether_they_answer(tmp_path: Path) -> None:
    text = """\
[jetson-nano]
address = "me@here"
[jetson-tx2]
address = "me@away"
[lab-nano]
address = "stranger"
device = "jetson-nano"
"""
    answer = with_ssh(tmp_path, "devices", "--sites", sites(tmp_path, NO_SITES + text))
    lines = {line.split()[0]: " ".join(line.split()) for line in answer.out.splitlines()}
    assert (answer.code, answer.err) == (EXIT_DONE, "")
    assert lines["jetson-nano"] == "jetson-nano NVIDIA Jetson Nano me@here reachable"
    assert "me@away not reachable: jetson-tx2 (me@away): nothing listens there" in lines["jetson-tx2"]
    assert lines["lab-nano"].startswith("lab-nano a jetson-nano stranger not reachable: ")
    assert "its host key is unknown: log in once by hand (ssh stranger)" in lines["lab-nano"]


def test_a_file_that_is_right_is_told_back(tmp_path: Path) -> None:
    answer = invoke(tmp_path, "devices", "check", "jetson-nano")
    lines = {line.split("  ")[0]: line.split("  ", 1)[1].strip() for line in answer.out.splitlines()}
    assert (answer.code, answer.err) == (EXIT_DONE, "")
    assert lines["jetson-nano"] == "NVIDIA Jetson Nano"
    assert lines["reached"] == "over ssh"
    assert lines["identity"] == "*jetson nano*"
    assert lines["runtime python"] == "3.6.9 or later"
    assert lines["runtime tensorrt"].startswith("8.2.1 or later; it comes with JetPack 4.6.1")
    assert lines["state"] == "clocks locked"
    assert lines["power modes"] == "MAXN, 5W"
    assert lines["settling"] == "up to 300 s, start at or below 60 degC"
    assert lines["limits"] == "95 degC; other programs 0.2 cores"
    assert lines["supply"] == "ina:POM_5V_IN_voltage"
    assert "ina:POM_5V_IN_power (board input)\n" in answer.out


def test_a_file_that_says_little_is_told_back_too(tmp_path: Path) -> None:
    answer = invoke(tmp_path, "devices", "check", write_device(tmp_path))
    for text in ("as this machine", "any machine", "none: no total is named", "left as it is found", "not waited for"):
        assert text in answer.out
    assert "not listed: any name is taken" in answer.out


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("title", "titel", "bench.toml: unknown key 'titel'; did you mean title"),
        ('"process"', '"proces"', "bench.toml: the agent has no collector 'proces'; did you mean process"),
        ('"local"', '"ssh"', "bench.toml: identity is empty, so that any machine would pass for this board"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_one_message(tmp_path: Path, old: str, new: str, said: str) -> None:
    device = write_device(tmp_path)
    device.write_text(device.read_text().replace(old, new))
    answer = invoke(tmp_path, "devices", "check", device)
    assert (answer.code, answer.out, len(answer.err.splitlines())) == (EXIT_USAGE, "", 1)
    assert said in answer.err


def test_a_file_that_is_absent_or_a_name_that_is_unknown_is_refused(tmp_path: Path) -> None:
    assert invoke(tmp_path, "devices", "check", tmp_path / "absent.toml").code == EXIT_USAGE
    answer = invoke(tmp_path, "devices", "check", "jetson-nono")
    assert (answer.code, "did you mean jetson-nano" in answer.err) == (EXIT_USAGE, True)


@pytest.mark.parametrize("verb", [("run", "smoke"), ("doctor",), ("devices", "clean")])
def test_a_board_without_an_address_is_a_usage_error_of_every_verb_that_asks_it(
    tmp_path: Path, verb: tuple[str, ...]
) -> None:
    answer = invoke(tmp_path, *verb, "--device", "jetson-nano", "--sites", sites(tmp_path))
    assert (answer.code, answer.out) == (EXIT_USAGE, "")
    assert "harness: jetson-nano has no address: give it with --host user@address" in answer.err


def keep(tmp_path: Path, *names: str) -> Path:
    """Files in what is this machine's folder as a board."""
    board = tmp_path / "cache" / "board"
    for name in names:
        path = board / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 200_000)
    return board


def test_what_is_kept_is_listed_and_stays(tmp_path: Path) -> None:
    board = keep(tmp_path, "inputs/a.npz", "trials/run-1/t0/result.json")
    answer = invoke(tmp_path, "devices", "clean")
    assert answer.code == EXIT_DONE
    assert "inputs/a.npz" in answer.out
    assert "0.2 MB" in answer.out
    assert "1 finished trials" in answer.out
    assert "localhost: --yes removes 1 of 2 entries" in answer.err
    assert "trials stay that no host has collected: the run's own command collects them" in answer.err
    assert (board / "inputs/a.npz").exists()


def test_what_is_kept_is_removed_but_for_trials(tmp_path: Path) -> None:
    board = keep(tmp_path, "inputs/a.npz", "agent-0123456789abcdef.pyz", "trials/run-1/t0/result.json")
    answer = invoke(tmp_path, "devices", "clean", "--yes")
    assert (answer.code, "localhost: 2 of 3 entries removed" in answer.err) == (EXIT_DONE, True)
    assert [(board / name).exists() for name in ("inputs/a.npz", "trials/run-1")] == [False, True]
    answer = invoke(tmp_path, "devices", "clean", "--yes", "--trials")
    assert (answer.code, "localhost: 1 of 1 entries removed" in answer.err) == (EXIT_DONE, True)
    assert not (board / "trials/run-1").exists()


def test_an_empty_board_has_nothing_to_remove(tmp_path: Path) -> None:
    answer = invoke(tmp_path, "devices", "clean", "--yes")
    assert (answer.code, answer.err) == (EXIT_DONE, "")
    assert answer.out == f"localhost: {tmp_path / 'cache' / 'board'}: nothing is kept there\n"


def test_nothing_is_removed_below_a_run(tmp_path: Path) -> None:
    board = keep(tmp_path, "inputs/a.npz")
    held, _ = lease.take(str(leases_of(tmp_path)), "/", "run-1", "you@host", str(board))
    answer = invoke(tmp_path, "devices", "clean", "--yes")
    lease.release(held.path, "/")
    said = "harness: localhost: you@host has been measuring on it since"
    assert (answer.code, said in answer.err) == (EXIT_USAGE, True)
    assert (board / "inputs/a.npz").exists()


def test_the_doctor_of_a_machine_with_null_alone_ends_with_3(tmp_path: Path) -> None:
    answer = invoke(tmp_path, "doctor", "--device", write_device(tmp_path, backends=("null",)))
    assert (answer.code, "A bench: fit to measure?" in answer.out) == (EXIT_NOTHING_VALID, True)


def test_a_plan_needs_no_address(tmp_path: Path) -> None:
    boards = ("--device", "jetson-nano", "--device", "jetson-tx2")
    answer = invoke(tmp_path, "plan", "smoke", *boards, "--sites", sites(tmp_path))
    assert (answer.code, answer.err) == (EXIT_DONE, "")
    for name in ("jetson-nano", "jetson-tx2"):
        assert f"smoke on {name}" in answer.out


TWO = """\
[jetson-nano]
address = "me@away"
[lab-nano]
address = "stranger"
device = "jetson-nano"
"""


@pytest.mark.parametrize("verb", [("doctor",), ("devices", "clean")])
def test_a_board_that_fails_leaves_the_others_their_turn(tmp_path: Path, verb: tuple[str, ...]) -> None:
    path = sites(tmp_path, NO_SITES + TWO)
    answer = with_ssh(tmp_path, *verb, "--sites", path, "--device", "jetson-nano", "--device", "lab-nano")
    assert (answer.code, len(answer.err.splitlines())) == (EXIT_USAGE, 2)
    first, second = answer.err.splitlines()
    assert first.startswith("harness: jetson-nano (me@away): nothing listens there")
    assert second.startswith("harness: lab-nano (stranger): its host key is unknown")


def test_a_board_that_lets_nobody_in_leaves_no_connection_behind(tmp_path: Path) -> None:
    path = sites(tmp_path, NO_SITES + TWO)
    answer = with_ssh(tmp_path, "run", "smoke", "--sites", path, "--device", "lab-nano")
    assert (answer.code, "its host key is unknown" in answer.err) == (EXIT_USAGE, True)
    *_, last = (tmp_path / "bin" / "ssh.asked").read_text().splitlines()
    assert "-O exit" in last
    (socket,) = [word.partition("=")[2] for word in last.split() if word.startswith("ControlPath=")]
    assert not Path(socket).parent.exists()


def test_a_plan_that_fails_leaves_the_others_theirs(tmp_path: Path) -> None:
    """Of one device the suite names nothing."""
    bad = write_device(tmp_path, backends=("onnxruntime", "onnxrunt"))
    answer = invoke(tmp_path, "plan", "smoke", "--device", bad, "--device", "localhost")
    assert answer.code == EXIT_USAGE
    assert "harness: bench: " in answer.err
    assert "the agent has no backend 'onnxrunt'" in answer.err
    assert "smoke on localhost" in answer.out
