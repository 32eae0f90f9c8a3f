"""The lock file of a suite's released artifacts, and the build cache. Owns both layouts; builds and runs nothing.

A lock is JSON, ``{"schema": "harness.lock/1", "artifacts": [ArtifactFacts, ...]}``, beside its suite. The cache keeps
each built artifact under its recipe's id: ``<cache>/artifacts/<recipe id>/`` with ``model.onnx`` and an ``entry.json``
of the same form that holds the one artifact.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from harness.errors import ModelError, NewerSchema, UsageError
from harness.model.case import ArtifactFacts
from harness.model.codec import from_json, to_json

# 1: first version.
SCHEMA = 1
LOCK_SCHEMA = f"harness.lock/{SCHEMA}"
ENTRY = "entry.json"
MODEL = "model.onnx"


@dataclass(frozen=True)
class _Lock:
    schema: str
    artifacts: tuple[ArtifactFacts, ...]


def read_lock(path: Path) -> dict[str, ArtifactFacts]:
    """Facts by variant name; none where the file is absent. UsageError where it is not a lock, NewerSchema where its
    version is unknown."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return {}
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(f"{path} is not valid JSON ({error}); restore it from git or build it again") from None
    _check_schema(data.get("schema") if isinstance(data, dict) else None, path)
    artifacts = from_json(_Lock, data, str(path)).artifacts
    by_name = {facts.variant: facts for facts in artifacts}
    if len(by_name) != len(artifacts):
        raise UsageError(f"{path} lists a variant twice; keep one entry for each")
    return by_name


def released_recipes(folder: Path) -> dict[str, ArtifactFacts]:
    """Released artifacts by recipe id, from all locks of a folder of suites: one suite may use what another released.

    Files are relative to the folder. Raises what `read_lock` does.
    """
    found: dict[str, ArtifactFacts] = {}
    for path in sorted(folder.glob("*.lock.json")):
        for facts in read_lock(path).values():
            if facts.recipe_id is not None:
                found.setdefault(facts.recipe_id, facts)
    return found


def write_lock(path: Path, artifacts: Iterable[ArtifactFacts]) -> None:
    """Replace the lock as a whole, ordered by variant name; a reader sees the old file or the new one, never a part."""
    lock = to_json(_Lock(LOCK_SCHEMA, tuple(sorted(artifacts, key=lambda facts: facts.variant))))
    for entry in lock["artifacts"]:
        del entry["composition"]  # found anew by each plan, and not known to the harness that wrote the first locks
    text = json.dumps(lock, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, "utf-8")
    partial.replace(path)


def write_entry(path: Path, facts: ArtifactFacts) -> None:
    """Add one artifact to a lock, or replace the entry of the same variant."""
    write_lock(path, (read_lock(path) | {facts.variant: facts}).values())


def cache_folder(cache: Path, recipe_id: str) -> Path:
    """Where the artifact of a recipe is kept."""
    return cache / "artifacts" / recipe_id


def cache_entry(cache: Path, recipe_id: str) -> tuple[ArtifactFacts, Path] | None:
    """A built artifact's facts and file, or None where it is not (completely) there. The file is not re-hashed.

    ModelError where the entry is of another recipe than its folder.
    """
    folder = cache_folder(cache, recipe_id)
    entries = list(read_lock(folder / ENTRY).values())
    if not entries or not (folder / MODEL).is_file():
        return None
    if entries[0].recipe_id != recipe_id:
        raise ModelError(
            f"{folder / ENTRY} is of recipe {entries[0].recipe_id}, though its folder is that of {recipe_id}; "
            "remove the folder, or build its variant again: harness build --variant NAME"
        )
    return entries[0], folder / MODEL


def verify(facts: ArtifactFacts, folder: Path) -> Path:
    """The artifact's file, once its hash is found to be the recorded one.

    ModelError where it is absent, altered, or not inside `folder`.
    """
    path = folder / facts.file
    found = sha256_of(facts, folder)
    if found != facts.sha256:
        raise ModelError(
            f"{path} was altered: SHA-256 {found}, recorded {facts.sha256} for {facts.variant}; {_remedy(facts)}"
        )
    return path


def sha256_of(facts: ArtifactFacts, folder: Path) -> str:
    """The hash that the artifact's file has now. ModelError where it cannot be read, or is not inside `folder`."""
    written, path = facts.file, folder / facts.file
    outside = any(kind(written).is_absolute() or kind(written).drive for kind in (PurePosixPath, PureWindowsPath))
    if outside or ".." in PureWindowsPath(written).parts:
        raise ModelError(
            f"the file of {facts.variant} is given as {written!r}, which leads out of {folder}; artifacts lie beside "
            "their lock, so restore the lock from git"
        )
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(
            f"the artifact of {facts.variant} cannot be read at {path} ({error.strerror}); {_remedy(facts)}"
        ) from None


def _remedy(facts: ArtifactFacts) -> str:
    """What helps: a damaged file of the cache counts as missing for a build, a released one as released."""
    suite, _, name = facts.file.rpartition("/")
    if name == MODEL and not suite:
        return f"build it again: harness build --variant {facts.variant}"
    command = " ".join(("harness build", *([suite] if suite else []), f"--variant {facts.variant} --anew --release"))
    return f"restore it from git, or build it again: {command}"


def _check_schema(schema: object, path: Path) -> None:
    name, _, version = str(schema).partition("/")
    if name != LOCK_SCHEMA.partition("/")[0] or not version.isdecimal():
        raise UsageError(f"{path} is not a lock file: its schema is {schema!r}, expected {LOCK_SCHEMA!r}")
    if int(version) > SCHEMA:
        raise NewerSchema(f"{path} has schema {schema}; this harness reads up to {LOCK_SCHEMA}. Update the harness")
