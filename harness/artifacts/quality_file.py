"""The file of what is known of a suite's artifacts beyond top-1. Owns its layout; judges nothing.

JSON beside the suite, ``<suite>.quality.json``:
``{"schema": "harness.quality/1", "seed": .., "qualities": [Quality, ...], "paired": [Paired, ...]}``.
An entry names its artifact by hash, so one of a model that was built anew since is found to be stale.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import NewerSchema, UsageError
from harness.model.case import ArtifactFacts
from harness.model.codec import from_json, to_json
from harness.model.quality import Paired, Quality

# 1: first version.
SCHEMA = 1
QUALITY_SCHEMA = f"harness.quality/{SCHEMA}"
SUFFIX = ".quality.json"


@dataclass(frozen=True)
class Qualities:
    """What the file holds; `seed` is that of the corruptions' noise, one for all, so that all saw the same images."""

    seed: int
    qualities: tuple[Quality, ...] = ()
    paired: tuple[Paired, ...] = ()

    def of(self, facts: ArtifactFacts) -> Quality | None:
        """The entry of exactly this artifact; None where there is none, or only one of other bytes."""
        found = (one for one in self.qualities if (one.variant, one.sha256) == (facts.variant, facts.sha256))
        return next(found, None)

    def between(self, a: ArtifactFacts, b: ArtifactFacts) -> Paired | None:
        """The comparison of exactly these artifacts, in this order; None where there is none."""
        wanted = (a.variant, a.sha256, b.variant, b.sha256)
        found = (one for one in self.paired if (one.a, one.a_sha256, one.b, one.b_sha256) == wanted)
        return next(found, None)


@dataclass(frozen=True)
class _File:
    schema: str
    seed: int
    qualities: tuple[Quality, ...]
    paired: tuple[Paired, ...]


def quality_path(suite: Path) -> Path:
    """Where the file of a suite lies, given the suite's own (``suites/NAME.py``)."""
    return suite.with_name(suite.stem + SUFFIX)


def read_qualities(path: Path) -> Qualities | None:
    """The file's content; None where there is no file. UsageError where it is not such a file or lists something
    twice, NewerSchema where its version is unknown."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return None
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(f"{path} is not valid JSON ({error}); restore it from git or judge the suite again") from None
    _check_schema(data.get("schema") if isinstance(data, dict) else None, path)
    file = from_json(_File, data, str(path))
    content = Qualities(file.seed, file.qualities, file.paired)
    _check_once(content, path)
    return content


def recorded_qualities(folder: Path) -> dict[str, Quality]:
    """By SHA-256 of the model file, from the files of all suites of a folder: one suite may use another's artifacts.

    Raises what `read_qualities` does.
    """
    found: dict[str, Quality] = {}
    for content in _all(folder):
        for one in content.qualities:
            found.setdefault(one.sha256, one)
    return found


def recorded_pairs(folder: Path) -> dict[str, tuple[Paired, ...]]:
    """Likewise the comparisons, by SHA-256 of the second file of each."""
    found: dict[str, tuple[Paired, ...]] = {}
    for content in _all(folder):
        for one in content.paired:
            found[one.b_sha256] = (*found.get(one.b_sha256, ()), one)
    return found


def _all(folder: Path) -> list[Qualities]:
    read = (read_qualities(path) for path in sorted(folder.glob(f"*{SUFFIX}")))
    return [content for content in read if content is not None]


def write_qualities(path: Path, content: Qualities) -> None:
    """Replace the file as a whole, ordered by name; a reader sees the old file or the new one, never a part."""
    _check_once(content, path)
    qualities = tuple(sorted(content.qualities, key=lambda one: one.variant))
    paired = tuple(sorted(content.paired, key=lambda one: (one.a, one.b)))
    file = _File(QUALITY_SCHEMA, content.seed, qualities, paired)
    text = json.dumps(to_json(file), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(_rows_on_one_line(text), "utf-8")
    partial.replace(path)


def merged(known: Qualities, found: Qualities, path: Path) -> Qualities:
    """What the file at `path` holds once `found` is entered: of what was judged now nothing older stays.

    A pair stays where both its artifacts are still the ones it was made of. UsageError as in `check_comparable`.
    """
    judged = {one.variant: one.sha256 for one in found.qualities}
    kept = tuple(one for one in known.qualities if one.variant not in judged)
    for one in found.qualities:
        check_comparable(replace(known, qualities=kept), found.seed, one.robustness_images, one.robustness, path)
    pairs = tuple(
        pair for pair in known.paired if pair.b not in judged and judged.get(pair.a, pair.a_sha256) == pair.a_sha256
    )
    seed = found.seed if found.qualities else known.seed
    return Qualities(seed, (*kept, *found.qualities), (*pairs, *found.paired))


def check_comparable(kept: Qualities, seed: int, images: int, corruptions: Collection[str], path: Path) -> None:
    """UsageError where what stays in the file saw other corrupted images than what is to stand beside it."""
    for one in kept.qualities:
        asked = (seed, min(images, one.images) if corruptions else 0, set(corruptions))
        was = (kept.seed, one.robustness_images, set(one.robustness))
        if asked != was:
            raise UsageError(
                f"{path} holds {one.variant}, judged with {_conditions(*was)}; now asked: {_conditions(*asked)}. "
                f"Figures of one file have to be comparable: ask for the same, or name {one.variant} too"
            )


def _conditions(seed: int, images: int, corruptions: Collection[str]) -> str:
    return f"--seed {seed} --images {images} and the corruptions {', '.join(sorted(corruptions)) or 'none'}"


def _rows_on_one_line(text: str) -> str:
    """Lists of bare numbers on one line each: a confusion matrix reads as a matrix, in the file and in its diffs."""
    return re.sub(
        r"\[[\s\d.,eE+-]+\]", lambda found: " ".join(found[0].split()).replace("[ ", "[").replace(" ]", "]"), text
    )


def _check_once(content: Qualities, path: Path) -> None:
    names = [one.variant for one in content.qualities]
    pairs = [f"{one.a} and {one.b}" for one in content.paired]
    for what, listed in (("variant", names), ("pair", pairs)):
        twice = sorted({one for one in listed if listed.count(one) > 1})
        if twice:
            raise UsageError(f"{path} lists the {what} {twice[0]} twice; keep one entry for each")


def _check_schema(schema: object, path: Path) -> None:
    name, _, version = str(schema).partition("/")
    if name != QUALITY_SCHEMA.partition("/")[0] or not version.isdecimal():
        raise UsageError(f"{path} is not a quality file: its schema is {schema!r}, expected {QUALITY_SCHEMA!r}")
    if int(version) > SCHEMA:
        raise NewerSchema(f"{path} has schema {schema}; this harness reads up to {QUALITY_SCHEMA}. Update the harness")
