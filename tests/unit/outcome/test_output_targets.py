"""Where output may go: links are followed, pipes written through, folders and doubles refused before anything else."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import StoreError, UsageError
from harness.outcome.files import check, check_folder, is_stdout, write, write_all, write_each
from harness.verbs.output import write_json
from tests.support.host_side import ROOT


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A named pipe and its reader's end, which blocks nobody."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    yield path, reader
    os.close(reader)


def test_a_pipe_is_written_through_and_stays(pipe: tuple[Path, int]) -> None:
    path, reader = pipe
    check({"--json": str(path)})
    write_json({"a": 1}, str(path))
    assert json.loads(os.read(reader, 1000)) == {"a": 1}
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert [one.name for one in path.parent.iterdir()] == ["pipe"]


def test_a_link_to_a_pipe_is_written_through_too(pipe: tuple[Path, int], tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(pipe[0])
    write("text", tmp_path / "link", "another")
    assert os.read(pipe[1], 1000) == b"text"
    assert (tmp_path / "link").is_symlink()
    assert stat.S_ISFIFO(pipe[0].stat().st_mode)


@pytest.mark.parametrize("there", [True, False])
def test_a_link_leads_to_its_target(tmp_path: Path, there: bool) -> None:
    target, link = tmp_path / "there" / "target", tmp_path / "link"
    target.parent.mkdir()
    if there:
        target.write_text("old")
    link.symlink_to("there/target")
    check({"--junit": link})
    write("new", link, "another")
    assert (link.is_symlink(), target.read_text()) == (True, "new")
    assert sorted(one.name for one in tmp_path.rglob("*")) == ["link", "target", "there"]


def test_a_link_to_itself_and_a_name_too_long_are_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("link")
    for name in ("link", "n" * 300):
        with pytest.raises(StoreError, match="--html"):
            check({"--html": tmp_path / name})


def test_a_name_as_long_as_the_disk_allows_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("\u20ac" * 85)
    write("text", path, "another")
    assert path.read_text() == "text"


@pytest.mark.parametrize("name", ["", ".", "folder", "link"])
def test_a_folder_is_refused(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    with pytest.raises(UsageError, match="is a folder: name a file with --junit"):
        check({"--junit": Path(name)})


def test_one_place_for_two_is_refused_however_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("same")
    for first, second in (("same", "same"), ("same", "link"), ("a/../same", "same")):
        with pytest.raises(UsageError, match="--json and --junit both name"):
            check({"--json": str(tmp_path / first), "--markdown": None, "--junit": tmp_path / second})
    with pytest.raises(UsageError, match="both name -"):
        check({"--json": "-", "--markdown": Path("-")})
    with pytest.raises(UsageError, match="--html writes a page"):
        check({"--html": Path("-")})
    check({"--json": str(tmp_path / "same"), "--junit": tmp_path / "other"})
    assert [one.name for one in tmp_path.iterdir()] == ["link"]


def test_stdout_is_no_folder() -> None:
    with pytest.raises(UsageError, match="--report names a folder"):
        check_folder(Path("-"), "--report")


def test_a_hyphen_is_stdout_for_every_text(capsys: pytest.CaptureFixture[str]) -> None:
    write("text", Path("-"), "another")
    assert capsys.readouterr().out == "text\n"
    assert is_stdout("-")
    assert not is_stdout(None)


def test_json_on_stdout_is_no_command_and_the_same_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    told = {"a": "##[error]x", "b": "::error::y"}
    write_json(told, "-")
    said = capsys.readouterr().out
    assert "##[" not in said
    assert json.loads(said) == told
    write_json(told, str(tmp_path / "file"))
    assert json.loads((tmp_path / "file").read_text()) == told


def test_what_stdout_was_redirected_to_is_stdout(tmp_path: Path) -> None:
    """As `--json out.txt > out.txt`, or --json /dev/stdout: replaced, it would lose what is printed."""
    path = tmp_path / "out.txt"
    program = (
        "from harness import console; from harness.outcome.files import write\n"
        f"console.plain('table'); write('json', {str(path)!r}, 'x'); console.plain('end')"
    )
    with path.open("w") as out:
        subprocess.run([sys.executable, "-c", program], stdout=out, check=True, env={"PYTHONPATH": str(ROOT)})
    assert path.read_text() == "table\njson\nend\n"


def test_what_fails_costs_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()

    def bad() -> None:
        write("text", tmp_path / "folder", "another")

    def full() -> None:
        raise OSError(28, "No space left on device")

    failed = write_each([bad, full, lambda: write("text", tmp_path / "file", "another")])
    assert [("folder" in one, "No space" in one) for one in failed] == [(True, False), (False, True)]
    assert (tmp_path / "file").read_text() == "text"
    with pytest.raises(StoreError, match=r"folder.*; .*No space"):
        write_all([bad, full])


def test_a_reader_who_left_is_told_after_everything_else(tmp_path: Path) -> None:
    def left() -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        write_each([left, lambda: write("text", tmp_path / "file", "another")])
    assert (tmp_path / "file").read_text() == "text"
