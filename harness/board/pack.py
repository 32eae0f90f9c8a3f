"""The agent as one archive with a hash. The same sources give the same hash: names sorted, dates fixed.

The hash, which is part of a plan's identity, is of the entries before compression: zlib and its replacements give
different bytes for the same content.
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from harness import agent

# The agent's exit status under a Python before 3.6.
TOO_OLD = 86

_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can hold
# An interpreter that is too old must say so, and not fail in a syntax that it never knew: this much it can read.
_MAIN = b"""import sys

if sys.version_info < (3, 6):
    sys.stderr.write("Python %d.%d is too old for the agent\\n" % sys.version_info[:2])
    sys.exit(@OLD@)

from agent.main import main

sys.exit(main(sys.argv))
""".replace(b"@OLD@", b"%d" % TOO_OLD)


@cache
def archive() -> tuple[bytes, str]:
    """The archive's bytes, and the SHA-256 of what is in it."""
    root = Path(agent.__file__).parent
    entries = [(f"agent/{path.relative_to(root).as_posix()}", path.read_bytes()) for path in root.rglob("*.py")]
    entries = [("__main__.py", _MAIN), *sorted(entries)]
    return _packed(entries, zipfile.ZIP_DEFLATED), hashlib.sha256(_packed(entries, zipfile.ZIP_STORED)).hexdigest()


def write(folder: Path) -> Path:
    """Put the archive into `folder` under its hash, unless it is there."""
    content, sha256 = archive()
    path = folder / name_of(sha256)
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        partial.write_bytes(content)
        partial.replace(path)
    return path


def name_of(sha256: str) -> str:
    """What an archive of that hash is called on a board."""
    return f"agent-{sha256[:16]}.pyz"


def _packed(entries: Sequence[tuple[str, bytes]], compression: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, content in entries:
            entry = zipfile.ZipInfo(name, _DATE)
            entry.external_attr = 0o644 << 16
            packed.writestr(entry, content, compression, 9)
    return buffer.getvalue()
