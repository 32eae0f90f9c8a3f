"""Bad luck over a real SSH link, at either end of it: whatever breaks, no finished trial is lost and none is measured
twice, the board's state is put back, and one message says what happened."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import harness
from tests.support import sshd
from tests.support.faults import ASKED, FOUND, PATIENCE_S, Rig, rig, until
from tests.support.host_side import Answer, invoke, runs_of
from tests.support.models import tiny

Fault = Callable[[Rig], None]


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path / "rig") as one:
        yield one


def ended(process: subprocess.Popen[str]) -> Answer:
    out, err = process.communicate(timeout=PATIENCE_S)
    return Answer(process.returncode, out, err)


def assert_done(answer: Answer) -> None:
    assert answer.code == 0, answer.err
    assert "Traceback" not in answer.err
    assert "harness: " not in answer.err


def assert_refused(answer: Answer, code: int, *said: str) -> None:
    """The program ended with this code and one message that says all of this."""
    assert answer.code == code, answer.err
    assert "Traceback" not in answer.err
    (message,) = [line for line in answer.err.splitlines() if line.startswith("harness: ")]
    for text in said:
        assert text in message


def test_this_machine_can_stand_in_for_a_boards_state(board: Rig) -> None:
    """Without it the tests below say nothing of the state."""
    if not board.stands_in:
        pytest.skip("no right to mount (unshare -m, unshare -rm), or no cpufreq folder in sysfs")
    with board.started() as process:
        caught = board.catch(process)
        assert caught.entry["found"] == {"governor": FOUND}
        assert board.governor() == ASKED
        caught.go_on()
        assert_done(ended(process))
    board.assert_left_clean()
    board.assert_whole()
    board.assert_asked()


# Whatever the link does, the trial that is being measured does not notice.


def kill_connections(board: Rig) -> None:
    assert board.server.kill_connections() > 0


def kill_clients(board: Rig) -> None:
    clients = board.clients()
    assert clients
    sshd.end_processes(clients)


@pytest.mark.parametrize("fault", [kill_connections, kill_clients])
def test_a_link_that_breaks_in_a_trial_costs_nothing(board: Rig, fault: Fault) -> None:
    with board.started() as process:
        caught = board.catch(process)
        fault(board)
        until(lambda: len(board.processes("steward")) == 2, "the host to be back", process)
        assert not caught.finished
        caught.go_on()
        answer = ended(process)
    assert_done(answer)
    assert answer.err.count("connecting again") == 1
    board.assert_left_clean()
    board.assert_whole()
    board.assert_asked()


def test_a_board_that_is_away_for_a_while_is_waited_for(board: Rig) -> None:
    with board.started() as process:
        caught = board.catch(process)
        board.server.stop()
        caught.go_on()
        board.wait_deserted()
        assert board.kept() == {caught.trial}
        assert board.governor() == FOUND, "put back as soon as its host is gone"
        board.server.start()
        assert_done(ended(process))
    board.assert_left_clean()
    board.assert_whole()
    board.assert_asked()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (lambda board: board.server.change_host_key(), "its host key is not the known one"),
        (lambda board: board.server.refuse_logins(), "it refuses the login"),
    ],
    ids=["another host key", "a login that is refused"],
)
def test_a_link_that_comes_back_as_another_is_not_taken(board: Rig, fault: Fault, said: str) -> None:
    """The board finishes its trial, and the same command collects it once the link is right again."""
    known = (board.server.folder / "host_key").read_bytes(), (board.server.folder / "host_key.pub").read_bytes()
    with board.started() as process:
        caught = board.catch(process)
        fault(board)
        board.server.kill_connections()
        assert_refused(ended(process), 2, said)
    caught.go_on()
    board.wait_deserted()
    assert board.kept() == {caught.trial}
    assert board.governor() == FOUND
    board.server.stop()
    for name, content in zip(("host_key", "host_key.pub"), known, strict=True):
        (board.server.folder / name).write_bytes(content)
    board.server.start()
    answer = board.invoke()
    assert_done(answer)
    assert "going on with an interrupted run: 1 of 3 trials are there" in answer.err
    board.assert_left_clean()
    board.assert_whole()


# Processes on the board.


def test_a_steward_that_is_killed_is_cleaned_up_after_and_its_trial_begins_anew(board: Rig) -> None:
    with board.started() as process:
        caught = board.catch(process)
        sshd.end_processes(board.processes("steward"))
        answer = ended(process)
    assert_done(answer)
    assert sshd.wait_gone([caught.pid]) == []
    board.assert_left_clean()
    board.assert_whole(again=[caught.trial])
    board.assert_asked()


def test_a_guard_that_is_killed_is_not_missed(board: Rig) -> None:
    with board.started() as process:
        caught = board.catch(process)
        sshd.end_processes(board.processes("guard"))
        caught.go_on()
        assert_done(ended(process))
    board.assert_left_clean()
    board.assert_whole()


def test_where_guard_and_steward_are_killed_the_next_steward_cleans_up(board: Rig) -> None:
    with board.started() as process:
        caught = board.catch(process)
        sshd.end_processes(board.processes("guard") + board.processes("steward"))
        assert_done(ended(process))
    board.assert_left_clean()
    board.assert_whole(again=[caught.trial])
    board.assert_asked()


def test_where_host_guard_and_steward_are_killed_the_same_command_cleans_up(board: Rig) -> None:
    with board.started() as process:
        caught = board.catch(process)
        process.kill()
        sshd.end_processes(board.processes("guard") + board.processes("steward"))
    assert board.lease() is not None
    assert board.governor() == (ASKED if board.stands_in else FOUND)
    answer = board.invoke()
    assert_done(answer)
    assert "going on with an interrupted run: 1 of 3 trials are there" in answer.err
    assert sshd.wait_gone([caught.pid]) == []
    board.assert_left_clean()
    board.assert_whole(again=[caught.trial])


def test_a_trial_whose_process_is_killed_has_failed_alone(board: Rig) -> None:
    with board.started() as process:
        caught = board.catch(process)
        os.kill(caught.pid, signal.SIGKILL)
        answer = ended(process)
    assert_done(answer)
    assert "ended by SIGKILL" in answer.err
    trials = harness.load(board.run_folder()).trials
    assert list(trials["trial"][trials["status"] == "failed"]) == [caught.trial]
    board.assert_left_clean()
    board.assert_whole()


# The host.


def test_a_host_that_is_killed_collects_what_the_board_has_finished(board: Rig) -> None:
    with board.started() as process:
        caught = board.catch(process)
        process.kill()
        process.wait()
        before = board.stored()
        caught.go_on()
        board.wait_deserted()
    assert board.kept() == {caught.trial}
    assert board.lease() is None
    assert board.governor() == FOUND
    assert_done(board.invoke())
    assert before.items() <= board.stored().items()
    board.assert_left_clean()
    board.assert_whole()


def test_a_host_that_is_killed_and_started_again_at_once_waits_for_its_own_trial(board: Rig) -> None:
    with board.started() as process:
        caught = board.catch(process)
        process.kill()
        process.wait()
        with board.started() as again:
            until(lambda: len(board.processes("steward")) == 2, "the host to be back", again)
            caught.go_on()
            assert_done(ended(again))
    board.assert_left_clean()
    board.assert_whole()
    board.assert_asked()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_host_leaves_at_once(board: Rig, number: signal.Signals) -> None:
    with board.started() as process:
        caught = board.catch(process)
        process.send_signal(number)
        assert_refused(ended(process), 3, "interrupted; finished trials are kept, the same command goes on")
    board.assert_left_clean()
    assert board.kept() == set()
    assert caught.trial not in board.ids()
    before = board.stored()
    assert_done(board.invoke())
    assert before.items() <= board.stored().items()
    board.assert_left_clean()
    board.assert_whole(again=[caught.trial])


def test_a_second_host_is_told_who_has_the_board(board: Rig, tmp_path: Path) -> None:
    with board.started() as process:
        caught = board.catch(process)
        answer = invoke(tmp_path / "other", *board.command)
        since = f"has been measuring on it since {caught.entry['since_utc']}"
        assert_refused(answer, 2, "board: ", since, "wait until it has ended")
        assert caught.entry["who"] in answer.err
        assert runs_of(tmp_path / "other") == []
        assert board.lease() == caught.entry
        assert board.governor() == (ASKED if board.stands_in else FOUND)
        caught.go_on()
        assert_done(ended(process))
    board.assert_left_clean()
    board.assert_whole()
    assert_done(invoke(tmp_path / "other", *board.command))


# The board itself.


def test_a_board_that_was_restarted_is_noticed(board: Rig) -> None:
    if not board.stands_in:
        pytest.skip("no right to mount: this machine's boot id cannot be stood in for")
    with board.started() as process:
        caught = board.catch(process)
        # As the power goes: nobody has time for anything.
        everything = [*board.processes("guard"), *board.processes("steward"), *sshd.agents(board.board)]
        sshd.end_processes(everything)
        board.set_boot_id("22222222-2222-4222-8222-222222222222")
        answer = ended(process)
    assert_done(answer)
    assert "board was restarted meanwhile; the trial that it was in begins anew" in answer.err
    board.assert_left_clean()
    board.assert_whole(again=[caught.trial])
    board.assert_asked()


@pytest.mark.parametrize("offset_s", [-40 * 365 * 86400.0, 7 * 86400.0])
def test_a_clock_that_is_set_changes_dates_and_nothing_else(board: Rig, offset_s: float) -> None:
    with board.started() as process:
        caught = board.catch(process)
        board.step_clock(offset_s)
        board.server.kill_connections()
        until(lambda: len(board.processes("steward")) == 2, "the host to be back", process)
        caught.go_on()
        assert_done(ended(process))
    board.assert_left_clean()
    board.assert_whole()
    facts = [json.loads(path.read_text()) for path in board.run_folder().glob("trials/*/trial.json")]
    years = {one["started_utc"][:4] for one in facts} if offset_s < 0 else {one["started_utc"][:10] for one in facts}
    assert len(years) == 2
    assert all(0 < one["wall_s"] < PATIENCE_S for one in facts)


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
    mounted = subprocess.run(command, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no right to mount a small disk: {mounted.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(folder: Path) -> Path:
    path = folder / "filler"
    with path.open("wb", buffering=0) as target, contextlib.suppress(OSError):
        while target.write(b"\0" * 4096):
            pass
    return path


def test_a_board_without_room_for_the_agent(board: Rig) -> None:
    with small_disk(board.files, "64k"):
        assert_refused(board.invoke(), 2, "board", "its disk is full: make room there (harness devices clean)")
    board.assert_left_clean()
    assert runs_of(board.host) == []


@pytest.mark.parametrize("left", [0, 4096])
def test_a_board_whose_disk_fills_up_loses_nothing(board: Rig, left: int) -> None:
    """Also with a page left, of which a trial writes several."""
    with small_disk(board.files, "4m"):
        with board.started() as process:
            caught = board.catch(process, loaded=False)
            filler = fill(board.files)
            os.truncate(filler, filler.stat().st_size - left)
            caught.go_on()
            answer = ended(process)
        assert_refused(answer, 2, "the board's disk is full (play: ", "make room there (harness devices clean)")
        board.assert_left_clean()
        before = board.stored()
        filler.unlink()
        assert_done(board.invoke())
        assert before.items() <= board.stored().items()
        board.assert_left_clean()
        board.assert_whole(again=[caught.trial])
        trials = harness.load(board.run_folder()).trials
        assert set(trials["status"]) == {"ok"}


# What is wrong from the start.


def test_another_host_key_is_refused(board: Rig) -> None:
    board.server.change_host_key()
    assert_refused(board.invoke(), 2, "board (board): its host key is not the known one", "ssh-keygen -R")


def test_an_unknown_host_key_is_refused(board: Rig) -> None:
    board.server.known_hosts.write_text("")
    assert_refused(board.invoke(), 2, "its host key is unknown: log in once by hand (ssh board)", "fingerprint")
    assert board.server.known_hosts.read_text() == ""


def test_a_refused_login(board: Rig) -> None:
    board.server.refuse_logins()
    assert_refused(board.invoke(), 2, "it refuses the login", "ssh-copy-id board")


def test_a_board_where_nothing_listens(board: Rig) -> None:
    board.server.stop()
    assert_refused(board.invoke(), 2, "nothing listens there")


def test_a_python_that_is_too_old(board: Rig) -> None:
    old = next(iter(Path.home().glob(".pyenv/versions/2.7.*/bin/python")), None)
    if old is None:
        pytest.skip("no Python 2.7 here; with pyenv: pyenv install 2.7.18")
    board.write_site(python=str(old))
    assert_refused(board.invoke(), 2, f"board: {old} there is older than 3.6", "name a newer one as `python`")


def test_a_python_that_is_missing(board: Rig) -> None:
    board.write_site(python="python4.2")
    assert_refused(board.invoke(), 2, "board has no python4.2; install Python 3.6 or later there")


def test_a_runtime_that_is_missing_is_a_skip_with_its_reason(board: Rig, tmp_path: Path) -> None:
    bare = next(iter(sorted(Path.home().glob(".pyenv/versions/3.*/bin/python"))), None)
    import_it = [str(bare), "-c", "import onnxruntime"]
    if bare is None or subprocess.run(import_it, capture_output=True, check=False).returncode == 0:
        pytest.skip("no interpreter without onnxruntime here; with pyenv: pyenv install 3.8")
    board.write_site(python=str(bare))
    model = tiny(tmp_path / "mine.onnx", (1, 3, 8, 8))
    answer = invoke(board.host, "run", "--model", model, *board.command[2:], "--quick")
    assert_refused(answer, 3, "nothing to measure", "board", "onnxruntime")
    assert runs_of(board.host) == []


def test_an_artifact_that_was_altered_on_the_board_is_not_measured(board: Rig) -> None:
    with board.started() as process:
        caught = board.catch(process, stored=0, loaded=False)
        (artifact,) = board.files.glob("artifacts/*/*")
        artifact.write_text(artifact.read_text() + "\n")
        caught.go_on()
        answer = ended(process)
    assert_refused(answer, 3, "nothing valid was measured")
    assert "was altered" in answer.err
    trials = harness.load(board.run_folder()).trials
    assert set(trials["status"]) == {"failed"}
    board.assert_left_clean()
    board.assert_whole()
    assert_done(board.invoke())  # another run, with the artifact sent again
    assert set(harness.load(runs_of(board.host)[1]).trials["status"]) == {"ok"}


def test_a_board_that_is_not_what_its_file_says(board: Rig) -> None:
    board.write_device(identity="NVIDIA Jetson Nano*")
    assert_refused(board.invoke(), 2, "board says it is", "which is no A board on loopback", "check the address")
    assert runs_of(board.host) == []
    board.assert_left_clean()
