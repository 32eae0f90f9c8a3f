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

from harness.agent import entries, lease
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
        "children": [],
        "found": {},
        **entries,
    }
    path.write_text(json.dumps(entry))
    return path


def leave_no_holder(folder: str) -> None:
    """As if every holder that is noted had ended; what they owe stays."""
    for path in Path(folder).iterdir():
        path.write_text(json.dumps({**json.loads(path.read_text()), "holder": None}))


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
    assert (entry["run"], entry["who"], entry["children"], entry["found"]) == ("run", "me@here", [], {})
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
    held.note(children=[lease.identity(os.getpid(), root)])
    entry = json.loads(Path(held.path).read_text())
    assert (entry["found"], [child["pid"] for child in entry["children"]]) == ({"governor": "ondemand"}, [os.getpid()])


def test_a_holder_that_died_holds_nothing(folder: str, root: str) -> None:
    path = leave_behind(folder, root, gone(root))
    assert take(folder, root)[1] == []
    assert not path.exists()


def test_a_later_process_of_the_same_number_is_another(folder: str, root: str) -> None:
    who = lease.identity(os.getpid(), root)
    path = leave_behind(folder, root, {**who, "started_ticks": who["started_ticks"] - 1})
    assert take(folder, root)[1] == []
    assert not path.exists()


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


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not JSON"),
        ("[]", "not an object"),
        ("[" * 50000, "not JSON"),
        (b"\xff", "not JSON"),
        ('{"holder": 1}', "board, children, found, holder, run, since_utc, who of another form"),
    ],
)
def test_what_is_no_entry_holds_nothing_and_is_named(folder: str, root: str, text: str | bytes, why: str) -> None:
    Path(folder).mkdir()
    odd = Path(folder) / f"odd{lease.SUFFIX}"
    odd.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert take(folder, root)[1] == [f"{odd} is no lease ({why}) and was passed over: remove it"]
    assert odd.exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("run", 3),
        ("who", "me\x1b[2J"),
        ("since_utc", None),
        ("holder", {"pid": 1}),
        ("holder", {"pid": "1", "started_ticks": 1, "boot_id": "boot-1"}),
        ("holder", {"pid": -1, "started_ticks": 1, "boot_id": "boot-1"}),
        ("children", [{"pid": True, "started_ticks": 1, "boot_id": "boot-1"}]),
        ("children", [None]),
        ("children", None),
        ("children", [{"pid": 1, "started_ticks": 1.5, "boot_id": "boot-1"}]),
        ("children", [{"pid": 1, "started_ticks": 1, "boot_id": 1}]),
        ("board", ["/board"]),
        ("found", None),
    ],
)
def test_an_entry_of_another_form_is_none(folder: str, root: str, name: str, value: Any) -> None:
    path = leave_behind(folder, root, None)
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
    assert take(folder, root)[1] == [f"{path} is no lease ({name} of another form) and was passed over: remove it"]


@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
def test_what_is_no_file_is_not_waited_for_nor_followed(folder: str, root: str, tmp_path: Path, kind: str) -> None:
    elsewhere = leave_behind(str(tmp_path / "elsewhere"), root, None)
    Path(folder).mkdir()
    odd = Path(folder) / f"odd{lease.SUFFIX}"
    if kind == "pipe":
        os.mkfifo(odd)
    elif kind == "link":
        odd.symlink_to(elsewhere)
    else:
        odd.mkdir()
    said = "a link" if kind == "link" else "not a file"
    assert take(folder, root)[1] == [f"{odd} is no lease ({said}) and was passed over: remove it"]


def test_what_a_killed_process_was_writing_is_swept_away(folder: str, root: str) -> None:
    Path(folder).mkdir()
    for name in (f"0-1{lease.SUFFIX}.x{entries.PARTIAL}", f"mine{entries.PARTIAL}"):
        (Path(folder) / name).write_text("{")
    held, _ = take(folder, root)
    assert {path.name for path in Path(folder).iterdir()} == {f"mine{entries.PARTIAL}", Path(held.path).name}


def test_a_link_in_the_place_of_what_is_written_leads_nowhere(folder: str, root: str, tmp_path: Path) -> None:
    """Whoever may write in the folder must not choose what this login writes to."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    Path(folder).mkdir()
    name = f"{os.geteuid()}-{os.getpid()}{lease.SUFFIX}"
    for place in (name, name + ".partial"):
        (Path(folder) / place).symlink_to(victim)
    held, _ = take(folder, root)
    held.note(found={"governor": "ondemand"})
    assert victim.read_text() == "precious"
    assert json.loads(Path(held.path).read_text())["found"] == {"governor": "ondemand"}


def test_a_link_in_the_place_of_the_folder_is_refused(folder: str, root: str, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir(0o700)
    Path(folder).symlink_to(victim)
    with pytest.raises(NotADirectoryError, match="leases"):
        take(folder, root)
    assert victim.stat().st_mode & 0o7777 == 0o700


@pytest.fixture
def closed_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("closed_umask")
def test_every_login_may_read_who_holds_the_board(folder: str, root: str) -> None:
    held, _ = take(folder, root)
    held.note(found={"governor": "ondemand"})
    assert Path(held.path).stat().st_mode & 0o7777 == 0o644
    assert Path(folder).stat().st_mode & 0o7777 == 0o1777


def test_who_has_the_board_is_told_without_taking_it(folder: str, root: str) -> None:
    assert lease.holder(folder, root) is None
    assert not Path(folder).exists()
    path = leave_behind(folder, root, None, found={"governor": "ondemand"})
    before = path.read_text()
    assert lease.holder(folder, root) == {
        "who": "them@there",
        "since_utc": "2026-11-21 10:00:00Z",
        "run": "theirs",
    }
    (Path(root) / BOOT).write_text("boot-2\n")
    assert lease.holder(folder, root) is None  # nor is anything put back
    assert (path.read_text(), (Path(root) / GOVERNOR).read_text()) == (before, "performance\n")


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
    governor = (Path(root) / GOVERNOR).parent
    (told,) = take(folder, root)[1]
    assert told.startswith("governor could not be put back: ")
    assert told.endswith("; it is tried again the next time that the board is taken")
    assert json.loads(path.read_text())["found"] == {"governor": "ondemand"}
    # And so it is, as soon as it can be: by whoever takes the board next.
    tree(Path(root), {GOVERNOR: "performance\n", f"{POLICY}/scaling_available_governors": "ondemand performance"})
    leave_no_holder(folder)
    assert take(folder, root)[1] == []
    assert ((governor / "scaling_governor").read_text(), path.exists()) == ("ondemand", False)


def test_only_what_failed_stays_to_be_put_back(folder: str, root: str) -> None:
    held, _ = take(folder, root)
    held.note(found={"governor": "ondemand", "clocks": "free"}, child=gone(root))
    (told,) = lease.release(held.path, root)
    assert told.startswith("clocks could not be put back: ")
    entry = json.loads(Path(held.path).read_text())
    assert (entry["found"], entry["holder"], entry["children"]) == ({"clocks": "free"}, None, [])
    assert lease.owed(folder, "/board") == {"clocks"}
    assert lease.owed(folder, "/elsewhere") == set()
    # Nobody holds it any more, and what is owed is not forgotten by the next lease of the same process.
    assert lease.holder(folder, root) is None
    again, _ = take(folder, root)
    assert again.path != held.path
    assert lease.release(again.path, root) == []
    assert lease.owed(folder, "/board") == {"clocks"}


def test_a_state_that_another_version_told_keeps_nobody_from_the_board(folder: str, root: str) -> None:
    path = leave_behind(folder, root, gone(root), found={"governor": ["ondemand"]})
    (told,) = take(folder, root)[1]
    assert told.startswith(f"{path} tells the state in a form that is not known here (")
    assert path.exists()


def test_what_could_not_be_put_back_is_not_touched_while_another_measures(folder: str, root: str) -> None:
    """The guard comes after its steward, and whoever is refused after the holder: neither may change the state."""
    path = leave_behind(folder, root, None, found={"governor": "ondemand"})
    entry = json.loads(path.read_text())
    path.write_text(json.dumps({**entry, "holder": None}))
    other = Path(folder) / f"zzz{lease.SUFFIX}"
    other.write_text(json.dumps({**entry, "found": {}}))
    assert lease.release(str(path), root) == []
    with pytest.raises(lease.Busy):
        take(folder, root)
    assert (Path(root) / GOVERNOR).read_text() == "performance\n"


def test_of_two_left_states_the_older_is_the_one_that_was_found(folder: str, root: str) -> None:
    path = leave_behind(folder, root, gone(root), found={"governor": "ondemand"})
    later = {**json.loads(path.read_text()), "since_utc": "2026-11-21 11:00:00Z", "found": {"governor": "performance"}}
    for name in ("aaa", "zzz"):
        (Path(folder) / f"{name}{lease.SUFFIX}").write_text(json.dumps(later))
    take(folder, root)
    assert (Path(root) / GOVERNOR).read_text() == "ondemand"


def test_the_trial_of_a_dead_holder_is_ended_before_anything_else(
    folder: str, root: str, process: subprocess.Popen[bytes]
) -> None:
    who = lease.identity(process.pid, root)
    leave_behind(folder, root, gone(root), children=[who])
    take(folder, root)
    # At once, not some time later: the next trial would run beside it.
    assert not lease.alive(who, root)


def test_both_sides_of_a_duet_are_ended(folder: str, root: str) -> None:
    both = [subprocess.Popen(LASTING, start_new_session=True) for _ in range(2)]
    children = [lease.identity(one.pid, root) for one in both]
    leave_behind(folder, root, gone(root), children=children)
    take(folder, root)
    assert [lease.alive(who, root) for who in children] == [False, False]
    for one in both:
        one.wait()


@pytest.mark.parametrize("change", [{"started_ticks": 1}, {"boot_id": "boot-0"}, {"started_ticks": None}])
def test_a_stranger_with_the_trials_number_is_left_alone(
    folder: str, root: str, process: subprocess.Popen[bytes], change: dict[str, Any]
) -> None:
    who = lease.identity(process.pid, root)
    leave_behind(folder, root, gone(root), children=[{**who, **change}])
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
def test_what_another_login_lets_nobody_read_may_be_held(open_folder: Path) -> None:
    folder = open_folder / "leases"
    path = leave_behind(str(folder), "/", None)
    path.chmod(0o600)
    os.utime(path, (0.0, 0.0))
    folder.chmod(0o1777)
    os.seteuid(NOBODY)
    try:
        with pytest.raises(lease.Busy) as caught:
            take(str(folder), "/")
        found = lease.holder(str(folder), "/")
    finally:
        os.seteuid(0)
    who = f"root (whose lease {path} no other login may read: let root remove it if that run is over)"
    assert str(caught.value) == f"{who} has been measuring on it since 1970-01-01 00:00:00Z (run unknown)"
    assert found == {"who": who, "since_utc": "1970-01-01 00:00:00Z", "run": "unknown"}


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
