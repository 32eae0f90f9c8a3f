"""Artifacts of stored runs found again by their hash: beside the suite, in the build cache, in the board's folder."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.artifacts import locks, onnx_file
from harness.errors import HarnessError
from harness.model.case import ArtifactFacts, Case
from harness.resolve import Source


@dataclass(frozen=True)
class Places:
    """beside: folders that file names are relative to; named: files that a command named; cache: the build cache;
    board: what was sent to this machine as a board."""

    beside: tuple[Path, ...]
    named: tuple[Path, ...]
    cache: Path
    board: Path


def find(case: Case, facts: ArtifactFacts, places: Places) -> Source | None:
    """The files of the artifact that the case ran, unaltered; None where none is left."""
    seen: set[Path] = set()
    for path in _candidates(case, facts, places):
        if path not in seen and path.is_file():
            seen.add(path)
            found = _source(path, case)
            if found is not None:
                return found
    return None


def _candidates(case: Case, facts: ArtifactFacts, places: Places) -> Iterator[Path]:
    name = Path(facts.file).name
    for folder in places.beside:
        yield folder / facts.file
    yield from places.named
    if facts.recipe_id is not None:
        yield locks.cache_folder(places.cache, facts.recipe_id) / locks.MODEL
    yield places.board / "artifacts" / case.artifact_sha256[:16] / name
    # A model with its weights beside it lies there under the hash of its own file alone.
    yield from sorted(places.board.glob(f"artifacts/*/{name}"))


def _source(path: Path, case: Case) -> Source | None:
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    if sha256 == case.artifact_sha256:
        return Source(path.parent, (path.name,), sha256)
    if path.suffix != ".onnx":
        return None
    try:
        found = onnx_file.inspect(path, {spec.name: spec.shape for spec in case.inputs})
    except (HarnessError, OSError):
        return None  # another file of that name: it is no error that it cannot be read
    if found.sha256 != case.artifact_sha256:
        return None
    return Source(path.parent, found.files, sha256)


def named_in(command: Sequence[str]) -> tuple[Path, ...]:
    """Model files among the words of a command."""
    return tuple(Path(word) for word in command if word.endswith(".onnx"))


def suites_in(command: Sequence[str]) -> tuple[Path, ...]:
    """Folders of suite files among the words of a command."""
    return tuple(Path(word).parent for word in command if word.endswith(".py"))
