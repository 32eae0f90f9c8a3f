"""From recipes to artifacts: builds what is missing of a suite, parents and teachers first.

Owns the order and the cache entries; what a recipe's steps do is in steps.py, what is recorded in describe.py.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.artifacts.locks import ENTRY, MODEL, cache_folder, write_lock
from harness.errors import BuildError, UnknownName, UsageError
from harness.model.case import ArtifactFacts, Suite, Variant
from harness.model.recipe import Recipe
from harness.variants.describe import describe
from harness.variants.steps import make
from harness.variants.workplace import Site

ROOM_BYTES = 1 << 30  # checkpoints and weights of the largest network here take half of it


@dataclass
class _Order:
    """Variants in the order of building, each once; `networks`: recipes whose weights something else starts from."""

    suite: Suite
    line: list[Variant]
    networks: set[str]

    def add(self, variant: Variant, path: tuple[str, ...] = ()) -> None:
        if variant.name in path:
            raise UsageError(
                f"suite {self.suite.name}: {variant.name} is its own ancestor; check the variants' parents"
            )
        if variant in self.line:
            return
        recipe = recipe_of(variant)
        parent = parent_of(self.suite, variant)
        if parent is not None:
            self.add(parent, (*path, variant.name))
        if recipe.parent is not None and recipe.starts_from_network:
            self.networks.add(recipe.parent.id)
        for teacher in recipe.own_teachers:
            self.add(self._by_recipe(teacher, variant), (*path, variant.name))
            self.networks.add(teacher.id)
        self.line.append(variant)

    def _by_recipe(self, recipe: Recipe, learner: Variant) -> Variant:
        for variant in self.suite.variants:
            if variant.recipe == recipe:
                return variant
        raise UsageError(
            f"suite {self.suite.name}: {learner.name} learns from recipe {recipe.id}, which no variant of the suite "
            "has; add the teacher as a variant"
        )


def build(site: Site, names: Sequence[str], anew: bool = False) -> dict[str, ArtifactFacts]:
    """Build what is missing of the named variants (all if none) and of what they are made from; facts by variant name.

    Released artifacts are not missing, unless a child or a lesson needs the network's weights, which are not released;
    `anew` builds the named ones in any case. An interrupted training goes on from its last epoch. Raises UnknownName,
    UsageError on a suite that contradicts itself, DataError, BuildError, ModelError on an altered file.
    """
    _check_room(site.cache)
    named = names or [variant.name for variant in site.suite.variants]
    order = _Order(site.suite, [], set())
    for name in named:
        order.add(find(site.suite, name))
    facts = {}
    for variant in order.line:
        recipe = recipe_of(variant)
        known = None if anew and variant.name in named else site.artifact(recipe)
        if known is not None and recipe.id in order.networks and not site.has_network(recipe):
            children = "its weights are needed and are not part of the release"
            site.report(f"{variant.name}: building {recipe.id} again, as {children}")
            known = None
        elif known is not None:
            place = "the cache" if known[1].parent == cache_folder(site.cache, recipe.id) else "the released artifacts"
            site.report(f"{variant.name}: found {recipe.id} in {place}")
        else:
            site.report(f"{variant.name}: building {recipe.id}")
        # The cache knows recipes; another suite may call the same recipe by another name.
        found = known[0] if known is not None else _build(site, variant, recipe)
        facts[variant.name] = replace(found, variant=variant.name, parent=variant.parent)
    return facts


def find(suite: Suite, name: str) -> Variant:
    """The variant of that name; UnknownName."""
    by_name = {variant.name: variant for variant in suite.variants}
    if name not in by_name:
        raise UnknownName(f"variant of suite {suite.name}", name, by_name)
    return by_name[name]


def parent_of(suite: Suite, variant: Variant) -> Variant | None:
    """The variant's parent; UsageError where its recipe starts from another recipe than its parent's."""
    if variant.parent is None:
        return None
    parent = find(suite, variant.parent)
    made_from = recipe_of(variant).parent
    if made_from is not None and made_from != parent.recipe:
        raise UsageError(
            f"suite {suite.name}: the recipe of {variant.name} starts from another recipe than its parent {parent.name}"
        )
    return parent


def recipe_of(variant: Variant) -> Recipe:
    """The variant's recipe; UsageError where it has none."""
    if variant.recipe is None:
        raise UsageError(f"{variant.name} has no recipe: it is a file brought along, so there is nothing to build")
    if not variant.recipe.steps:
        raise UsageError(f"{variant.name}: its recipe has no steps")
    return variant.recipe


def _build(site: Site, variant: Variant, recipe: Recipe) -> ArtifactFacts:
    folder = cache_folder(site.cache, recipe.id)
    started = time.monotonic()
    earlier_s = make(site, variant.name, recipe, folder)
    elapsed = time.monotonic() - started
    facts = describe(site, variant, recipe, folder / MODEL)
    if earlier_s is not None:
        facts = replace(facts, build_s=round(elapsed + earlier_s, 3))
    write_lock(folder / ENTRY, [facts])
    return facts


def _check_room(cache: Path) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(cache).free
    if free < ROOM_BYTES:
        raise BuildError(
            f"{cache} has {free / 1e6:.0f} MB left, and a build may need {ROOM_BYTES / 1e6:.0f}; "
            "free some space, or name another place with --cache"
        )
