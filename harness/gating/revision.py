"""A suite as it was at a git revision, unpacked into a folder. Owns the calls of git; reads no suite."""

from __future__ import annotations

import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError


@dataclass(frozen=True)
class Unpacked:
    """The suite's file in the folder, and the commit's hash."""

    suite: Path
    commit: str


def unpack(revision: str, suite: Path, folder: Path) -> Unpacked:
    """All that lay beside the suite at the revision: its lock, its artifacts, other suites' locks. UsageError where
    there is no such revision, or no such suite in it."""
    suite = suite.resolve()
    top = Path(_git(suite.parent, f"{suite} lies in no git repository", "rev-parse", "--show-toplevel"))
    unknown = f"git knows no revision {revision!r} in {top}; fetch it first (in CI: a checkout with its whole history)"
    commit = _git(top, unknown, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    inside = suite.relative_to(top.resolve())
    absent = f"{inside} is not in {revision} ({commit[:12]}): the suite is younger, or was called otherwise"
    _git(top, absent, "cat-file", "-e", f"{commit}:{inside.as_posix()}")
    archive = folder / "archive.tar"
    part = inside.parent.as_posix()
    failed = f"git cannot pack {part} of {revision}"
    _git(top, failed, "archive", "--format=tar", f"--output={archive}", commit, *([] if part == "." else ["--", part]))
    with tarfile.open(archive) as packed:
        packed.extractall(folder / "tree", filter="data")
    archive.unlink()
    return Unpacked(folder / "tree" / inside, commit)


def _git(folder: Path, failed: str, *arguments: str) -> str:
    try:
        said = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False)
    except OSError as error:
        raise UsageError(f"git cannot be run ({error.strerror}); install it, or name a file or a run") from None
    if said.returncode:
        reason = said.stderr.strip().partition("\n")[0]
        raise UsageError(f"{failed}{f' ({reason})' if reason else ''}")
    return said.stdout.strip()
