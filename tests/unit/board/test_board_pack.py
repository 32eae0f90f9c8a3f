from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from harness import agent
from harness.board import pack
from tests.support.agent_side import interpreter

SOURCES = Path(agent.__file__).parent


def test_the_archive_holds_the_agent_and_nothing_else() -> None:
    content, sha256 = pack.archive()
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        names = packed.namelist()
        assert packed.testzip() is None
        assert sha256 == hashlib.sha256(uncompressed(packed)).hexdigest()
        assert packed.read("agent/measure.py") == (SOURCES / "measure.py").read_bytes()
    sources = {f"agent/{path.relative_to(SOURCES).as_posix()}" for path in SOURCES.rglob("*.py")}
    assert set(names) == sources | {"__main__.py"}
    assert len(names) == len(set(names))
    assert names[1:] == sorted(names[1:])


def uncompressed(packed: zipfile.ZipFile) -> bytes:
    """The same archive without compression, whatever library compressed it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as stored:
        for entry in packed.infolist():
            plain = zipfile.ZipInfo(entry.filename, entry.date_time)
            plain.external_attr = entry.external_attr
            stored.writestr(plain, packed.read(entry))
    return buffer.getvalue()


def test_the_archive_stays_small_enough_for_a_serial_line() -> None:
    assert len(pack.archive()[0]) < 150_000


def test_the_same_sources_give_the_same_bytes_whenever_they_were_written(tmp_path: Path) -> None:
    found = []
    for number, folder in enumerate((tmp_path / "a", tmp_path / "elsewhere" / "b")):
        shutil.copytree(SOURCES.parent, folder / "harness", ignore=shutil.ignore_patterns("__pycache__"))
        for path in (folder / "harness").rglob("*.py"):
            os.utime(path, (10**9 * (number + 1), 10**9 * (number + 1)))
            path.chmod(0o600 if number else 0o644)
        say = "from harness.board import pack; print(pack.__file__, pack.archive()[1])"
        said = subprocess.run(
            [sys.executable, "-c", say], cwd=folder, capture_output=True, text=True, check=True
        ).stdout.split()  # fmt: skip
        assert said[0] == str(folder / "harness/board/pack.py")
        found.append(said[1])
    assert found == [pack.archive()[1]] * 2


def test_the_archive_is_written_once_under_its_hash(tmp_path: Path) -> None:
    path = pack.write(tmp_path / "new")
    assert path.name == f"agent-{pack.archive()[1][:16]}.pyz"
    assert path.read_bytes() == pack.archive()[0]
    os.utime(path, (1, 1))
    assert pack.write(tmp_path / "new") == path
    assert path.stat().st_mtime == 1
    assert list(path.parent.iterdir()) == [path]


def test_a_python_that_is_too_old_says_so_before_it_meets_what_it_cannot_read(tmp_path: Path) -> None:
    python = interpreter("2.7")
    if python is None:
        pytest.skip("no Python 2.7 here; with pyenv: pyenv install 2.7.18")
    command = [python, str(pack.write(tmp_path)), "steward", str(tmp_path)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (pack.TOO_OLD, "Python 2.7 is too old for the agent\n")


def test_its_exit_status_is_no_one_elses() -> None:
    """Neither the shell's (126 and up), nor ssh's (255), nor Python's own (1, 2)."""
    assert 2 < pack.TOO_OLD < 126
