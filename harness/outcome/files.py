"""Where a verb's output goes: a file (whole or not at all), through a device or a pipe, or stdout. Owns what may be
named for it, and the message where that fails.

A name is followed as a shell follows it: a link leads to its target, and what is no regular file is written through
and never replaced. "-", and whatever else is this process's stdout, is stdout.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from harness import console, places
from harness.errors import StoreError, UsageError

STDOUT = "-"
# The one option whose text does not go to stdout: what keeps commands from CI's log would change a page's style sheet.
PAGE = "--html"
Target = str | Path


def is_stdout(target: Target | None) -> bool:
    """Whether what is written there stands among what is printed; a table beside it would spoil it."""
    if target is None or str(target) == STDOUT:
        return target is not None
    try:
        return os.path.samestat(os.stat(target), os.fstat(1))  # noqa: PTH116  # the same as of a descriptor
    except OSError:
        return False


def is_file(target: Target) -> bool:
    """Whether a file may be made there, or replaced: neither stdout, a device nor a folder."""
    path = Path(target)
    return not is_stdout(target) and not path.is_dir() and not _is_special(path)


def check(files: Mapping[str, Target | None]) -> None:
    """Before anything is measured: targets by option, None where one is not asked for. UsageError where two are one,
    where one is a folder, where a page would go to stdout; StoreError where one cannot be written."""
    taken: dict[str, str] = {}
    for option, target in files.items():
        if target is None:
            continue
        place = STDOUT if is_stdout(target) else os.path.realpath(target)
        if place == STDOUT and option == PAGE:
            raise UsageError(f"{option} writes a page, which no terminal shows: name a file of its own")
        if place in taken:
            raise UsageError(f"{taken[place]} and {option} both name {target}: give each a file of its own")
        taken[place] = option
        if place != STDOUT:
            _check(Path(target), option)


def check_folder(folder: Path, option: str) -> None:
    """Likewise one that several files go to. UsageError, StoreError."""
    if str(folder) == STDOUT:
        raise UsageError(f"{option} names a folder, and - is stdout: name a folder by its whole path")
    places.writable(folder, option)


def write(content: str | bytes, target: Target, other: str) -> None:
    """To where `target` leads. StoreError, whose last words are `other`: what to name instead."""
    content = content.encode("utf-8", "replace") if isinstance(content, str) else content
    if is_stdout(target):
        console.plain(content.decode("utf-8", "replace"))
        return
    try:
        if _is_special(Path(target)):
            with Path(target).open("wb", buffering=0) as through:
                _pour(content, through.write)
        else:
            _replace(content, Path(os.path.realpath(target)))
    except OSError as error:
        raise StoreError(f"cannot write {target}: {error.strerror or error}; name {other}") from None


def write_each(writers: Iterable[Callable[[], object]]) -> tuple[str, ...]:
    """Do all, whatever becomes of one; returns what went wrong. A reader who left (BrokenPipeError) is told last."""
    failed: list[str] = []
    left: BrokenPipeError | None = None
    for do in writers:
        try:
            do()
        except StoreError as error:
            failed.append(str(error))
        except BrokenPipeError as error:
            left = error
        except OSError as error:  # of stdout itself
            failed.append(f"cannot write {error.filename or 'what was to be printed'}: {error.strerror or error}")
    if left is not None and not failed:
        raise left
    return tuple(failed)


def write_all(writers: Iterable[Callable[[], object]]) -> None:
    """Likewise; StoreError of all that went wrong."""
    failed = write_each(writers)
    if failed:
        raise StoreError("; ".join(failed))


def _check(path: Path, option: str) -> None:
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):  # made anew; of the latter the folder says what is wrong
        mode = stat.S_IFREG
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}; name another file with {option}") from None
    if stat.S_ISDIR(mode):
        raise UsageError(f"{path} is a folder: name a file with {option}")
    if stat.S_ISREG(mode):
        places.writable(Path(os.path.realpath(path)).parent, option)
    elif not os.access(path, os.W_OK):
        raise StoreError(f"cannot write {path}: {os.strerror(13)}; name another file with {option}")


def _is_special(path: Path) -> bool:
    """A device, a pipe, a socket: there, and neither a file nor a folder."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _replace(content: bytes, path: Path) -> None:
    partial = path.with_name(f".harness-{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def _pour(content: bytes, write_some: Callable[[bytes], int | None]) -> None:
    """A device may take less than it is given."""
    while content:
        content = content[write_some(content) or 0 :]
