"""Files that verbs write: JSON and reports. Owns the message where one cannot be written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from harness.errors import StoreError
from harness.model.trial import Record
from harness.model.verdict import RunResult


def write_report(result: RunResult, records: Mapping[str, Record], form: str, out: Path) -> Path:
    """The report of a run in the folder `out`; returns its file. StoreError."""
    from harness.report import reporter

    chosen = reporter(form)
    target = out / f"{result.run['id']}{chosen.suffix}"
    try:
        target.write_bytes(chosen.render(result, records))
    except OSError as error:
        raise StoreError(f"cannot write {target}: {error.strerror}; name another folder") from None
    return target


def write_json(value: object, target: str) -> None:
    """A file, whole or not at all, or - for stdout. StoreError."""
    from harness import console

    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    if target == "-":
        console.plain(text)
        return
    partial = Path(target + ".partial")
    try:
        partial.write_text(text, "utf-8")
        shutil.move(partial, target)
    except OSError as error:
        raise StoreError(f"cannot write {target}: {error.strerror}; name another file with --json") from None
