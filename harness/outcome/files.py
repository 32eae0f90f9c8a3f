"""Text or bytes to a file, whole or not at all, or to stdout. Owns the message where that fails."""

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
    write_bytes(text.encode("utf-8", "replace"), path, f"another file with {option}")


def write_bytes(content: bytes, path: Path, other: str) -> None:
    """A file of these bytes. StoreError, whose last words are `other`: what to name instead."""
    partial = path.with_name(f".{os.getpid()}-{path.name}"[:200])
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise StoreError(f"cannot write {path}: {error.strerror}; name {other}") from None


def write_json(value: Json, target: str) -> None:
    """A file, or stdout for "-"."""
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    if target == "-":
        console.plain(text)
    else:
        write_text(text, Path(target), "--json")
