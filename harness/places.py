"""Where things lie: built-in suites, devices and templates; the cache; a user's own files. Reads no environment."""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from harness.errors import StoreError

_PACKAGE = Path(__file__).resolve().parent
LOCK = ".lock"


@cache
def checkout() -> Path | None:
    """The root of the checkout that this code runs from, or None for an installed copy."""
    root = _PACKAGE.parent
    return root if (root / "pyproject.toml").is_file() and (root / "suites").is_dir() else None


@cache
def builtin() -> dict[str, Path]:
    """Folders of the built-in inputs by name: those of the checkout if this is one, else those inside the wheel."""
    root = checkout()
    if root is not None:
        return {
            "suites": root / "suites",
            "devices": root / "devices",
            "templates": root / "reports" / "templates",
            "schema": root / "results" / "schema",
        }
    inside = _PACKAGE / "_builtin"
    return {name: inside / name for name in ("suites", "devices", "templates", "schema")}


def writable(folder: Path, option: str) -> Path:
    """The folder, made if need be. StoreError, before anything is measured, where it cannot be written; it names the
    command line's `option` for another one."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise StoreError(f"cannot write to {folder}: {error.strerror or error}; name another with {option}") from None
    return folder


@contextmanager
def held(folder: Path, busy: str) -> Iterator[None]:
    """Keep other harness processes out of what `folder` stands for. StoreError with the message `busy` where one is in.

    The kernel lets go when the process ends, however it ends.
    """
    try:
        lock = (folder / LOCK).open("w")
    except OSError as error:
        raise StoreError(f"cannot write to {folder}: {error.strerror or error}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(busy) from None
        yield
