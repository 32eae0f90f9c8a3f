"""All artifacts of a suite judged beyond top-1, and each against its parent and its teachers. Runs on the host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.artifacts.quality_file import Qualities
from harness.datasets.split import Split, digest_of
from harness.errors import BuildError
from harness.model.case import Variant
from harness.model.quality import Paired, Quality
from harness.model.recipe import Recipe
from harness.variants.build import find, recipe_of
from harness.variants.describe import why_no_accuracy
from harness.variants.quality.judge import calibrate, compare, halves, judge, robustness
from harness.variants.workplace import Site


@dataclass(frozen=True)
class How:
    """What is asked: `corruptions` by name, over the first `images` of the test split; `seed` of noise and halves."""

    corruptions: tuple[str, ...]
    images: int
    seed: int = 0


def judge_suite(site: Site, names: Sequence[str], how: How) -> Qualities:
    """Judge the named variants (all trained ones that are built if none), and pair each with parent and teachers.

    One that has no accuracy, as it was not trained or does not run here, is left out, and said so.

    The released models learned from every training image, so the temperature is fitted on one half of the test images
    and judged on the other. BuildError where a named variant is not built.
    """
    chosen = [find(site.suite, name) for name in names] or [one for one in site.suite.variants if _ready(site, one)]
    qualities, paired = [], []
    for variant in chosen:
        missing = why_no_accuracy(recipe_of(variant))
        if missing is not None:
            site.report(f"{variant.name}: not judged: {missing}")
            continue
        site.report(f"{variant.name}: judging")
        qualities.append(_judge(site, variant, how))
        paired += [_pair(site, variant, other) for other in _relatives(site, variant)]
    return Qualities(how.seed, tuple(qualities), tuple(paired))


def _ready(site: Site, variant: Variant) -> bool:
    recipe = variant.recipe
    return recipe is not None and recipe.learning is not None and site.artifact(recipe) is not None


def _judge(site: Site, variant: Variant, how: How) -> Quality:
    path, test = _file(site, variant), _test(site, variant)
    held, rest = halves(test, how.seed)
    part = _first(test, how.images)
    found = judge(path, test, calibrate(path, rest, held))
    return replace(
        found,
        variant=variant.name,
        robustness=robustness(path, part, how.corruptions, how.seed),
        robustness_images=len(part.labels) if how.corruptions else 0,
    )


def _pair(site: Site, variant: Variant, other: Variant) -> Paired:
    found = compare(_file(site, other), _file(site, variant), _test(site, variant))
    return replace(found, a=other.name, b=variant.name)


def _relatives(site: Site, variant: Variant) -> list[Variant]:
    """The parent and the own teachers, where the suite has them and they are built."""
    recipe = recipe_of(variant)
    recipes: dict[Recipe, None] = dict.fromkeys([*([recipe.parent] if recipe.parent else []), *recipe.own_teachers])
    known = [one for one in site.suite.variants if one.recipe in recipes and _ready(site, one)]
    return [one for one in known if why_no_accuracy(recipe_of(one)) is None]


def _file(site: Site, variant: Variant) -> Path:
    known = site.artifact(recipe_of(variant))
    if known is None:
        raise BuildError(f"{variant.name} is not built; build it first: harness build --variant {variant.name}")
    return known[1]


def _test(site: Site, variant: Variant) -> Split:
    return site.data.test(recipe_of(variant).origin.dataset)


def _first(split: Split, count: int) -> Split:
    images, labels = split.images[:count], split.labels[:count]
    return Split(images, labels, digest_of(images, labels), split.dataset)
