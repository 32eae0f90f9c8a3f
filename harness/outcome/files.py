"""Text to a file, whole or not at all, or to stdout. Owns the message where that fails."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from harness import console
from harness.errors import StoreError
from harness.model.codec import Json


def write_text(text: str, path: Path, option: str) -> None:
    """A file of that text. StoreError, which names the option that the path came by."""
    partial = path.with_name(f".{os.getpid()}-{path.name}"[:200])
    try:
        partial.write_text(text, "utf-8", errors="replace")
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise StoreError(f"cannot write {path}: {error.strerror}; name another file with {option}") from None


def write_json(value: Json, target: str) -> None:
    """A file, or stdout for "-"."""
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    if target == "-":
        console.plain(text)
    else:
        write_text(text, Path(target), "--json")
