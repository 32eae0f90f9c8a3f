"""Where things lie: built-in suites, devices and templates; the cache; a user's own files. Reads no environment."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from harness.errors import StoreError

_PACKAGE = Path(__file__).resolve().parent


@cache
def builtin() -> dict[str, Path]:
    """Folders of the built-in inputs by name: those of the checkout if this is one, else those inside the wheel."""
    checkout = _PACKAGE.parent
    if (checkout / "pyproject.toml").is_file() and (checkout / "suites").is_dir():
        return {
            "suites": checkout / "suites",
            "devices": checkout / "devices",
            "templates": checkout / "reports" / "templates",
            "schema": checkout / "results" / "schema",
        }
    inside = _PACKAGE / "_builtin"
    return {name: inside / name for name in ("suites", "devices", "templates", "schema")}


def writable(folder: Path, option: str) -> Path:
    """The folder, made if need be. StoreError, before anything is measured, where it cannot be written; it names the
    command line's `option` for another one."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise StoreError(f"cannot write to {folder}: {error.strerror or error}; name another with {option}") from None
    return folder
