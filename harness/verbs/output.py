"""Files that verbs write: JSON, reports, pages, their index. Owns the message where one cannot be written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from harness.model.trial import Record
from harness.model.verdict import RunResult

# Where reports go unless a folder is named; a page that is written there joins its index.
SITE = Path("reports/site")
# Of two processes that write the index at once, each looks again until it finds what it would write.
_MOST_LOOKS = 20


def write_report(result: RunResult, records: Mapping[str, Record], form: str, out: Path) -> Path:
    """The report of a run in the folder `out`, whole or not at all, and there the index of pages; returns the report's
    file. StoreError."""
    from harness.outcome.files import write
    from harness.report import reporter

    chosen = reporter(form)
    target = out / f"{result.run['id']}{chosen.suffix}"
    write(chosen.render(result, records), target, "another folder")
    if form == "html":
        refresh_index(out)
    return target


def write_page(text: str, path: Path) -> None:
    """A page of a comparison, a gate or a history, and the index where one lies beside it. StoreError."""
    from harness.outcome.files import write
    from harness.report import index

    write(text, path, "another file with --html")
    if not path.is_file():  # a pipe
        return
    folder = path.absolute().parent
    if index.is_own(folder / index.NAME) or folder == SITE.absolute():
        refresh_index(folder)


def refresh_index(folder: Path) -> None:
    """The index of a folder's pages, unless an index.html of another origin lies there. StoreError.

    Whoever writes a page looks for all pages after it, and looks again after it wrote the index: so the last that
    writes has seen them all, however many write at once.
    """
    from harness import console
    from harness.outcome.files import write
    from harness.report import index

    target = folder / index.NAME
    if target.exists() and not index.is_own(target):
        console.message(f"{target} is not the harness's, so it stays as it is, and no index lists the pages")
        return
    for _ in range(_MOST_LOOKS):
        text = index.index_page(folder)
        if target.is_file() and target.read_text("utf-8", errors="replace") == text:
            return
        write(text, target, "another folder")


def write_json(value: object, target: str) -> None:
    """JSON to a file, through a device, or - for stdout. StoreError."""
    from harness.outcome.files import is_stdout, write

    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    if is_stdout(target):  # which CI may read for its old commands; to a reader of JSON this is the same
        text = text.replace("##[", "\\u0023#[")
    write(text, target, "another file with --json")
