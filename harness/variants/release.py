"""Released artifacts: copied beside their suite with a lock. Builds nothing and proves nothing (see proof.py)."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from harness.artifacts.locks import (
    read_lock,
    released_recipes,
    verify,
    write_entry,
)
from harness.errors import BuildError
from harness.model.case import ArtifactFacts
from harness.variants.build import find, recipe_of
from harness.variants.workplace import Site


def release(site: Site, names: Sequence[str], folder: Path) -> dict[str, ArtifactFacts]:
    """Copy built artifacts to ``<folder>/<suite>/<variant>.onnx`` and enter them in ``<folder>/<suite>.lock.json``.

    What is not in the cache but released already, by the same recipe, stays as it is. Random weights are left out: they
    are large and made again in seconds. BuildError where one has not been built, or where the lock would hold a child
    that was made from another file than the parent beside it; ModelError where a released file was altered.
    """
    path = folder / f"{site.suite.name}.lock.json"
    locked = read_lock(path)
    elsewhere = released_recipes(folder)
    sources: dict[str, Path] = {}
    released: dict[str, ArtifactFacts] = {}
    for name in names:
        variant = find(site.suite, name)
        recipe = recipe_of(variant)
        if recipe.learning is None:
            continue
        kept = locked.get(name)
        built = site.built(recipe)
        if built is None and kept is not None and kept.recipe_id == recipe.id:
            verify(kept, folder)
            site.report(f"{name}: stays as released")
            released[name] = kept
            continue
        if built is None and recipe.id in elsewhere:
            built = elsewhere[recipe.id], verify(elsewhere[recipe.id], folder)
        if built is None:
            command = f"harness build {site.suite.name} --variant {name}"
            raise BuildError(f"{name} is not in the cache {site.cache}; build it first: {command}")
        sources[name] = built[1]
        released[name] = replace(built[0], variant=name, parent=variant.parent, file=f"{site.suite.name}/{name}.onnx")
    _refuse_strangers(site, locked, released, sources)
    for name, source in sources.items():
        target = folder / released[name].file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        write_entry(path, released[name])
    return released


def _refuse_strangers(
    site: Site, locked: Mapping[str, ArtifactFacts], released: Mapping[str, ArtifactFacts], fresh: Collection[str]
) -> None:
    """BuildError where the lock would hold a child and another file of its parent than the child was made from.

    A child from the cache was made from the parent in the cache, where that is; one that stays, from the parent that
    the lock held so far. Nothing is known of other cases.
    """
    before = {facts.recipe_id: facts.sha256 for facts in locked.values()}
    after = {**before, **{facts.recipe_id: facts.sha256 for facts in released.values()}}
    for name, facts in {**locked, **released}.items():
        variant = next((one for one in site.suite.variants if one.name == name), None)
        if variant is None or variant.recipe is None or variant.recipe.parent is None:
            continue
        parent = variant.recipe.parent
        if facts.recipe_id != variant.recipe.id or parent.id not in after:
            continue
        made_from = before.get(parent.id)
        if name in fresh and not (name in locked and locked[name].sha256 == facts.sha256):
            built = site.built(parent)
            made_from = built[0].sha256 if built is not None else None
        if made_from is not None and made_from != after[parent.id]:
            both = f"--variant {variant.parent} --variant {name}"
            raise BuildError(
                f"{name} was made from a {variant.parent} with SHA-256 {made_from[:16]}, and the lock would hold the "
                f"one with {after[parent.id][:16]}: same recipe, other weights. Make it from the one in the cache ("
                f"harness build {site.suite.name} --variant {name} --anew) and release both together: harness build "
                f"{site.suite.name} {both} --release"
            )
