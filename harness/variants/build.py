"""From recipes to artifacts: builds what is missing of a suite, parents and teachers first.

Owns the order, the cache entries and when checkpoints go; what a recipe's steps do is in steps.py, what is recorded in
describe.py.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.artifacts.locks import ENTRY, MODEL, cache_folder, write_lock
from harness.errors import BuildError, HarnessError, ModelError, UnknownName, UsageError
from harness.model.case import ArtifactFacts, Suite, Variant
from harness.model.recipe import Recipe
from harness.variants.describe import describe
from harness.variants.steps import make
from harness.variants.workplace import CHECKPOINTS, WEIGHTS, Site

ROOM_BYTES = 1 << 30  # checkpoints and weights of the largest network here take half of it


@dataclass
class _Order:
    """Variants in the order of building, each once."""

    suite: Suite
    line: list[Variant]

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
        for teacher in recipe.own_teachers:
            self.add(self._by_recipe(teacher, variant), (*path, variant.name))
        self.line.append(variant)

    def _by_recipe(self, recipe: Recipe, learner: Variant) -> Variant:
        for variant in self.suite.variants:
            if variant.recipe == recipe:
                return variant
        raise UsageError(
            f"suite {self.suite.name}: {learner.name} learns from recipe {recipe.id}, which no variant of the suite "
            "has; add the teacher as a variant"
        )


@dataclass
class _Found:
    """What is there before and while a suite is built, by recipe id. `networks`: whose weights something is made from;
    `failed`: what could not be built, and what is made from it."""

    artifacts: dict[str, tuple[ArtifactFacts, Path]]
    networks: set[str]
    failed: set[str]


def build(site: Site, names: Sequence[str], anew: bool = False) -> dict[str, ArtifactFacts]:
    """Build what is missing of the named variants (all if none) and of what they are made from; facts by variant name.

    What was altered in the cache is missing. Released artifacts are not, unless a missing child or lesson needs the
    network's weights, which are not released. `anew` builds the named ones in any case and from their first epoch;
    other trainings go on from their last. One that fails stops only those made from it, and is raised at the end.
    Raises UnknownName, UsageError on a suite that contradicts itself, DataError, BuildError, ModelError.
    """
    _check_room(site.cache)
    named = names or [variant.name for variant in site.suite.variants]
    order = _Order(site.suite, [])
    for name in named:
        order.add(find(site.suite, name))
    found = _look_up(site, order.line, named if anew else ())
    facts, failures = {}, []
    for variant in order.line:
        recipe = recipe_of(variant)
        if recipe.id not in found.artifacts or (anew and variant.name in named):
            try:
                _build_one(site, variant, found, anew and variant.name in named)
            except (BuildError, ModelError) as error:
                site.report(f"{variant.name}: failed: {error}")
                found.failed.add(recipe.id)
                failures.append((variant.name, error))
                continue
        else:
            here = found.artifacts[recipe.id][1].parent == cache_folder(site.cache, recipe.id)
            site.report(f"{variant.name}: found {recipe.id} in {'the cache' if here else 'the released artifacts'}")
        # The cache knows recipes; another suite may call the same recipe by another name.
        facts[variant.name] = replace(found.artifacts[recipe.id][0], variant=variant.name, parent=variant.parent)
    _raise(failures)
    return facts


def _look_up(site: Site, line: Sequence[Variant], anew: Sequence[str]) -> _Found:
    """What needs no building. Children come first, as only those that are to be built need their parents' weights."""
    found = _Found({}, set(), set())
    for variant in reversed(line):
        recipe = recipe_of(variant)
        known = None if variant.name in anew else site.artifact(recipe)
        if known is not None and recipe.id in found.networks and not site.has_network(recipe):
            children = "its weights are needed and are not part of the release"
            site.report(f"{variant.name}: {recipe.id} has to be built again, as {children}")
            known = None
        if known is not None:
            found.artifacts[recipe.id] = known
            continue
        found.networks.update(teacher.id for teacher in recipe.own_teachers)
        if recipe.parent is not None and recipe.starts_from_network:
            found.networks.add(recipe.parent.id)
    return found


def _build_one(site: Site, variant: Variant, found: _Found, anew: bool) -> None:
    recipe = recipe_of(variant)
    for source in (*([recipe.parent] if recipe.parent else []), *recipe.own_teachers):
        if source.id in found.failed:
            raise BuildError(f"not tried, as recipe {source.id}, which it is made from, could not be built")
    site.report(f"{variant.name}: building {recipe.id}")
    if anew:
        _remove_checkpoints(site, [one.id for one in _stages(recipe)], "*")
    found.artifacts[recipe.id] = _build(site, variant, recipe), cache_folder(site.cache, recipe.id) / MODEL
    waiting = {
        stage.id
        for other in site.suite.variants
        if other.recipe is not None and other.recipe != recipe and site.built(other.recipe) is None
        for stage in _stages(other.recipe)
    }
    _remove_checkpoints(site, [one.id for one in _stages(recipe) if one.id not in waiting], "pt")


def _stages(recipe: Recipe) -> list[Recipe]:
    """The recipe as it stands after each of its steps, by which trainings are kept; unfinished ones may share some."""
    return [recipe.up_to(count) for count in range(1, len(recipe.steps) + 1)]


def _remove_checkpoints(site: Site, identities: Sequence[str], suffix: str) -> None:
    """Those of the identities, and of a pruning's rounds (``ID-NUMBER``). `suffix`: pt, or * to remove the logs too."""
    for identity in identities:
        for path in (site.cache / CHECKPOINTS).glob(f"{identity}*.{suffix}"):
            if re.fullmatch(rf"{identity}(-\d+)?", path.name.partition(".")[0]):
                path.unlink()


def _raise(failures: Sequence[tuple[str, HarnessError]]) -> None:
    if len(failures) == 1:
        raise failures[0][1]
    if failures:
        told = "; ".join(f"{name}: {error}" for name, error in failures)
        raise BuildError(f"{len(failures)} variants could not be built, the others are in the cache. {told}")


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
    if (folder / WEIGHTS).is_file():
        from harness.variants.networks import weights

        weights.mark(folder / WEIGHTS, recipe.id)
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
