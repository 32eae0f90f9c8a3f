"""The agent as one archive with a hash. The same sources give the same bytes: names sorted, dates fixed.

Nothing is compressed: zlib and its replacements give different bytes, and the hash is part of a plan's identity.
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from functools import cache
from pathlib import Path

from harness import agent

_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can hold
_MAIN = b"import sys\n\nfrom agent.main import main\n\nsys.exit(main(sys.argv))\n"


@cache
def archive() -> tuple[bytes, str]:
    """The archive's bytes and their SHA-256."""
    root = Path(agent.__file__).parent
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as packed:
        _add(packed, "__main__.py", _MAIN)
        for path in sorted(root.rglob("*.py")):
            _add(packed, f"agent/{path.relative_to(root).as_posix()}", path.read_bytes())
    content = buffer.getvalue()
    return content, hashlib.sha256(content).hexdigest()


def write(folder: Path) -> Path:
    """Put the archive into `folder` under its hash, unless it is there."""
    content, sha256 = archive()
    path = folder / f"agent-{sha256[:16]}.pyz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        partial.write_bytes(content)
        partial.replace(path)
    return path


def _add(packed: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _DATE)
    entry.external_attr = 0o644 << 16
    packed.writestr(entry, content)
