from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.agent import lease
from harness.board import pack
from tests.support.agent_side import ended, tree

BOOT = "proc/sys/kernel/random/boot_id"
POLICY = "sys/devices/system/cpu/cpufreq/policy0"
GOVERNOR = f"{POLICY}/scaling_governor"
LASTING = [sys.executable, "-c", "import signal; signal.pause()"]
NOBODY = 65534


@pytest.fixture
def root(tmp_path: Path) -> str:
    """A machine whose only control is a governor, in its first boot."""
    files = {
        BOOT: "boot-1\n",
        GOVERNOR: "performance\n",
        f"{POLICY}/scaling_available_governors": "ondemand performance",
    }
    return tree(tmp_path / "root", files)


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "leases")


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """One that lasts, in a session of its own."""
    started = subprocess.Popen(LASTING, start_new_session=True)
    yield started
    started.kill()
    started.wait()


def take(folder: str, root: str, run: str = "run") -> tuple[lease.Lease, list[str]]:
    return lease.take(folder, root, run, "me@here", "/board")


def leave_behind(folder: str, root: str, holder: dict[str, Any] | None, **entries: Any) -> Path:
    """The file of another holder; None: of one that lives in this process."""
    Path(folder).mkdir(exist_ok=True)
    path = Path(folder) / f"other{lease.SUFFIX}"
    entry = {
        "run": "theirs",
        "who": "them@there",
        "since_utc": "2026-11-21 10:00:00Z",
        "holder": lease.identity(os.getpid(), root) if holder is None else holder,
        "board": "/board",
        "child": None,
        "found": {},
        **entries,
    }
    path.write_text(json.dumps(entry))
    return path


def gone(root: str) -> dict[str, Any]:
    """The identity of a process that ran and was buried."""
    process = subprocess.Popen(LASTING)
    who = lease.identity(process.pid, root)
    assert lease.alive(who, root)
    process.kill()
    process.wait()
    return who


def test_a_free_board_is_taken(folder: str, root: str) -> None:
    held, told = take(folder, root)
    assert told == []
    (path,) = Path(folder).iterdir()
    assert str(path) == held.path
    entry = json.loads(path.read_text())
    assert (entry["run"], entry["who"], entry["child"], entry["found"]) == ("run", "me@here", None, {})
    assert entry["holder"] == lease.identity(os.getpid(), root)
    assert entry["holder"]["boot_id"] == "boot-1"
    assert Path(folder).stat().st_mode & 0o7777 == 0o1777  # other logins leave theirs here


def test_a_board_is_held_by_one_alone(folder: str, root: str) -> None:
    leave_behind(folder, root, None)
    with pytest.raises(lease.Busy) as caught:
        take(folder, root)
    assert str(caught.value) == "them@there has been measuring on it since 2026-11-21 10:00:00Z (run theirs)"
    assert caught.value.holder["run"] == "theirs"
    assert len(list(Path(folder).iterdir())) == 1


def test_one_that_was_let_go_is_free(folder: str, root: str) -> None:
    held, _ = take(folder, root)
    assert lease.release(held.path, root) == []
    assert list(Path(folder).iterdir()) == []
    assert take(folder, root, "another")[1] == []


def test_what_is_noted_stands_in_the_file(folder: str, root: str) -> None:
    held, _ = take(folder, root)
    held.note(found={"governor": "ondemand"})
    held.note(child=lease.identity(os.getpid(), root))
    entry = json.loads(Path(held.path).read_text())
    assert (entry["found"], entry["child"]["pid"]) == ({"governor": "ondemand"}, os.getpid())


def test_a_holder_that_died_holds_nothing(folder: str, root: str) -> None:
    path = leave_behind(folder, root, gone(root))
    assert take(folder, root)[1] == []
    assert not path.exists()


def test_a_later_process_of_the_same_number_is_another(folder: str, root: str) -> None:
    who = lease.identity(os.getpid(), root)
    leave_behind(folder, root, {**who, "started_ticks": who["started_ticks"] - 1})
    take(folder, root)


def test_a_holder_of_another_boot_holds_nothing(folder: str, root: str) -> None:
    """Numbers and times of processes begin anew with each boot: only the kernel's name of it tells them apart."""
    leave_behind(folder, root, None)
    (Path(root) / BOOT).write_text("boot-2\n")
    held, _ = take(folder, root)
    assert json.loads(Path(held.path).read_text())["holder"]["boot_id"] == "boot-2"


def test_a_holder_that_nobody_has_buried_yet_is_dead(folder: str, root: str) -> None:
    process = subprocess.Popen(LASTING)
    leave_behind(folder, root, lease.identity(process.pid, root))
    with pytest.raises(lease.Busy):
        take(folder, root)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    take(folder, root)
    process.wait()


@pytest.mark.parametrize("text", ["", "[]", '{"holder": 1}', '{"run": "x"}'])
def test_what_is_no_entry_holds_nothing(folder: str, root: str, text: str) -> None:
    Path(folder).mkdir()
    (Path(folder) / f"odd{lease.SUFFIX}").write_text(text)
    (Path(folder) / "0-1.lease.json.partial").write_text("{")
    take(folder, root)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, root: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        take(str(tmp_path / "file/leases"), root)


def test_of_two_at_once_one_gets_it(folder: str, tmp_path: Path) -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from agent import lease\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "try: lease.take(sys.argv[2], '/', 'run', 'me', '/board'); print('held', flush=True)\n"
        "except lease.Busy: print('busy', flush=True)\n"
        "sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(pack.write(tmp_path)), folder]
    pipe = subprocess.PIPE
    takers = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(6)]
    assert [taker.stdout.readline() for taker in takers] == ["ready\n"] * 6
    for taker in takers:
        taker.stdin.write("go\n")
        taker.stdin.flush()
    answers = sorted(taker.stdout.readline() for taker in takers)
    for taker in takers:
        taker.communicate()
    assert answers == ["busy\n"] * 5 + ["held\n"]


def test_the_state_is_put_back_exactly_once(folder: str, root: str) -> None:
    held, _ = take(folder, root)
    held.note(found={"governor": "ondemand"})
    governor = Path(root) / GOVERNOR
    assert lease.release(held.path, root) == []
    assert governor.read_text() == "ondemand"
    governor.write_text("performance")  # whoever holds the board next
    assert lease.release(held.path, root) == []
    assert governor.read_text() == "performance"


def test_the_state_that_a_dead_holder_left_is_put_back(folder: str, root: str) -> None:
    leave_behind(folder, root, gone(root), found={"governor": "ondemand"})
    assert take(folder, root)[1] == []
    assert (Path(root) / GOVERNOR).read_text() == "ondemand"


def test_what_cannot_be_put_back_is_said(folder: str, root: str) -> None:
    path = leave_behind(folder, root, gone(root), found={"governor": "ondemand"})
    shutil.rmtree(Path(root) / POLICY)
    (told,) = take(folder, root)[1]
    assert told.startswith("governor could not be put back: ")
    assert not path.exists()


def test_the_trial_of_a_dead_holder_is_ended_before_anything_else(
    folder: str, root: str, process: subprocess.Popen[bytes]
) -> None:
    who = lease.identity(process.pid, root)
    leave_behind(folder, root, gone(root), child=who)
    take(folder, root)
    # At once, not some time later: the next trial would run beside it.
    assert not lease.alive(who, root)


@pytest.mark.parametrize("change", [{"started_ticks": 1}, {"boot_id": "boot-0"}, {"started_ticks": None}])
def test_a_stranger_with_the_trials_number_is_left_alone(
    folder: str, root: str, process: subprocess.Popen[bytes], change: dict[str, Any]
) -> None:
    who = lease.identity(process.pid, root)
    leave_behind(folder, root, gone(root), child={**who, **change})
    take(folder, root)
    assert lease.alive(who, root)


def test_a_process_that_never_was_has_no_start(root: str) -> None:
    who = lease.identity(2**22 + 1, root)
    assert (who["started_ticks"], lease.alive(who, root)) == (None, False)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every login can reach; pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="lease-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="another login is needed: run as root")
def test_what_another_login_left_is_only_told_of(open_folder: Path, root: str) -> None:
    folder = open_folder / "leases"
    path = leave_behind(str(folder), "/", gone("/"), found={"governor": "ondemand"})
    folder.chmod(0o1777)
    os.seteuid(NOBODY)
    try:
        held, told = take(str(folder), "/")
        lease.release(held.path, "/")
    finally:
        os.seteuid(0)
    assert told == [f"them@there left a stale lease ({path}) that only they can clear away"]
    assert path.exists()
    # Root's is free of that bound.
    assert take(str(folder), root)[1] == []
    assert [json.loads(one.read_text())["who"] for one in folder.iterdir()] == ["me@here"]


def test_what_is_known_of_a_process_stays_the_same_until_it_ends(root: str) -> None:
    program = "import sys; print(sys.stdin.fileno(), flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        who = lease.identity(other.pid, root)
        assert select.select([other.stdout], [], [], 60.0)[0]
        assert lease.identity(other.pid, root) == who
        other.stdin.close()
        assert ended(other.pid)
        assert not lease.alive(who, root)
