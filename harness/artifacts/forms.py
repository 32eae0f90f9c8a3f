"""Other files of the same weights, made from an artifact for runtimes that cannot load it. Owns their place on disk.

``<cache>/forms/<SHA-256 of the artifact>/model.*`` with a ``.json`` beside each that holds its hash. Makes none: that
is harness.variants.forms.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.model.backend import Form

# Raised where the same artifact would give another file.
REVISION = 1
NAMES: Mapping[Form, str] = {
    "onnx-plain": "model.plain.onnx",
    "onnx-tensorrt": "model.tensorrt.onnx",
    "pt2": "model.pt2",
    "torchscript": "model.torchscript",
}


@dataclass(frozen=True)
class Made:
    """A file made from an artifact."""

    path: Path
    sha256: str
    size_bytes: int


def find(cache: Path, artifact_sha256: str, form: Form) -> Made | None:
    """The file in that form; None where it is absent, altered or of an older revision: it can be made again."""
    path = cache / "forms" / artifact_sha256 / NAMES[form]
    try:
        told = json.loads(_note(path).read_text("utf-8"))
        content = path.read_bytes()
    except (OSError, ValueError):
        return None
    sha256 = hashlib.sha256(content).hexdigest()
    if told != {"revision": REVISION, "sha256": sha256}:
        return None
    return Made(path, sha256, len(content))


def keep(cache: Path, artifact_sha256: str, form: Form, write: Callable[[Path], None]) -> Made:
    """Have `write` make the file, and move it into place whole. Its errors pass through and leave nothing."""
    path = cache / "forms" / artifact_sha256 / NAMES[form]
    path.parent.mkdir(parents=True, exist_ok=True)
    # Under its own name, which archives hold: another one would change the bytes.
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        write(Path(scratch) / path.name)
        content = (Path(scratch) / path.name).read_bytes()
        (Path(scratch) / path.name).replace(path)
    sha256 = hashlib.sha256(content).hexdigest()
    _note(path).write_text(json.dumps({"revision": REVISION, "sha256": sha256}), "utf-8")
    return Made(path, sha256, len(content))


def _note(path: Path) -> Path:
    return path.with_name(path.name + ".json")
