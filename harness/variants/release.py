"""Released artifacts: copied beside their suite with a lock, and proved again. Builds nothing by itself."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.artifacts.locks import MODEL, cache_entry, cache_folder, read_lock, verify, write_entry
from harness.artifacts.onnx_file import inspect
from harness.errors import BuildError
from harness.model.case import ArtifactFacts, Variant
from harness.variants.build import find, recipe_of
from harness.variants.describe import versions
from harness.variants.graphs import fidelity
from harness.variants.steps import make
from harness.variants.workplace import Site

# Another processor sums in another order, which turns a few of 10,000 predictions that were nearly ties.
ACCURACY_TOLERANCE = 0.001


@dataclass(frozen=True)
class Check:
    """One thing that was verified of one released artifact, and how it ended."""

    variant: str
    what: str
    good: bool
    found: str


def release(site: Site, names: Sequence[str], folder: Path) -> dict[str, ArtifactFacts]:
    """Copy built artifacts to ``<folder>/<suite>/<variant>.onnx`` and enter them in ``<folder>/<suite>.lock.json``.

    Random weights are left out: they are large and made again in seconds. BuildError where one has not been built.
    """
    released = {}
    for name in names:
        variant = find(site.suite, name)
        recipe = recipe_of(variant)
        if recipe.learning is None:
            continue
        cached = cache_entry(site.cache, recipe.id)
        if cached is None:
            raise BuildError(f"{name} is not in the cache {site.cache}; build it first: harness build --variant {name}")
        source = verify(cached[0], cache_folder(site.cache, recipe.id))
        file = f"{site.suite.name}/{name}.onnx"
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, folder / file)
        released[name] = replace(cached[0], variant=name, parent=variant.parent, file=file)
        write_entry(folder / f"{site.suite.name}.lock.json", released[name])
    return released


def check(site: Site, names: Sequence[str], folder: Path) -> list[Check]:
    """Verify every released artifact: its hash, its recipe, its accuracy, and its bytes where it is made in seconds.

    A failed check is a row, not an exception, so that one bad artifact does not hide the others. DataError where the
    images are absent; ModelError where a file cannot be read.
    """
    lock = read_lock(folder / f"{site.suite.name}.lock.json")
    rows: list[Check] = []
    for name in names or sorted(lock):
        variant = find(site.suite, name)
        if name not in lock:
            rows.append(Check(name, "released", False, "it is not in the lock; build it and add --release"))
            continue
        rows += _check_one(site, variant, lock[name], folder)
    return rows


def _check_one(site: Site, variant: Variant, facts: ArtifactFacts, folder: Path) -> list[Check]:
    path = folder / facts.file
    found = inspect(path, {})
    same = found.sha256 == facts.sha256
    rows = [Check(variant.name, "hash", same, found.sha256[:16] + ("" if same else f", locked {facts.sha256[:16]}"))]
    recipe = recipe_of(variant)
    as_locked = facts.recipe_id == recipe.id
    rows.append(
        Check(variant.name, "recipe", as_locked, recipe.id + ("" if as_locked else f", locked {facts.recipe_id}"))
    )
    if facts.accuracy is not None:
        test = site.data.test(recipe.origin.dataset)
        now = fidelity.accuracy(fidelity.evaluate(path, test), test)
        good = abs(now.top1 - facts.accuracy.top1) <= ACCURACY_TOLERANCE
        rows.append(Check(variant.name, "accuracy", good, f"{now.top1:.2%}, locked {facts.accuracy.top1:.2%}"))
    if as_locked and recipe.is_quick:
        rows.append(_check_bytes(site, variant, facts))
    return rows


def _check_bytes(site: Site, variant: Variant, facts: ArtifactFacts) -> Check:
    with tempfile.TemporaryDirectory(dir=site.cache) as scratch:
        make(site, variant.name, recipe_of(variant), Path(scratch))
        again = inspect(Path(scratch) / MODEL, {})
    if again.sha256 == facts.sha256:
        return Check(variant.name, "built again", True, "the same bytes")
    now = versions()
    changed = [
        f"{name} {facts.versions.get(name)} -> {now.get(name)}" for name in now if facts.versions.get(name) != now[name]
    ]
    if changed:  # another version may write other bytes; that alone is no fault of the artifact
        return Check(variant.name, "built again", True, f"other bytes, as versions differ: {', '.join(changed)}")
    return Check(variant.name, "built again", False, f"other bytes ({again.sha256[:16]}) from the same versions")
