"""From recipes to artifacts: builds what the cache lacks, parents first, and releases artifacts beside their suite.

Owns the order, the cache entries and the facts of each artifact; the work of each step is its own module's. Torch is
imported only when a network has to be made.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from importlib import metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.artifacts.locks import ENTRY, MODEL, cache_entry, cache_folder, verify, write_entry, write_lock
from harness.artifacts.onnx_file import artifact_facts, inspect
from harness.datasets import cifar10
from harness.datasets.cifar10 import Split
from harness.errors import BuildError, DataError, UnknownName, UsageError
from harness.model.case import ArtifactFacts, Suite, Variant
from harness.model.recipe import Initialise, QuantizeStatic, Recipe, TrainRecipe
from harness.variants import fidelity, quantize

FULL = "full.onnx"  # float32 as exported, from which children are made
INPUT_SEED = 0
IMAGE_SHAPE = (3, 32, 32)
CHECK_IMAGES = 512  # on which half-size weights must not change predictions

Report = Callable[[str], None]


@dataclass(frozen=True)
class Data:
    """The two splits of the data set, each read when first needed."""

    load_train: Callable[[], Split]
    load_test: Callable[[], Split]

    @cached_property
    def train(self) -> Split:
        """Images to learn and calibrate from."""
        return self.load_train()

    @cached_property
    def test(self) -> Split:
        """Images to judge by."""
        return self.load_test()


@dataclass(frozen=True)
class _Site:
    """Where a build works and what it works on."""

    suite: Suite
    data: Data
    cache: Path
    report: Report


def build(suite: Suite, names: Sequence[str], data_dir: Path, cache: Path, report: Report) -> dict[str, ArtifactFacts]:
    """Build the named variants (all if none) and their ancestors where the cache lacks them; facts by variant name.

    `report` gets one line of progress at a time. An interrupted training goes on from its last epoch. Raises
    UnknownName, UsageError on a suite that contradicts itself, DataError, BuildError, ModelError on an altered cache.
    """
    data = Data(partial(cifar10.load_train, data_dir), partial(cifar10.load_test, data_dir))
    return build_from(suite, names, data, cache, report)


def build_from(suite: Suite, names: Sequence[str], data: Data, cache: Path, report: Report) -> dict[str, ArtifactFacts]:
    """Do what `build` does, with the data given."""
    site = _Site(suite, data, cache, report)
    built: dict[str, ArtifactFacts] = {}
    for variant in _in_order(suite, names or [variant.name for variant in suite.variants]):
        recipe = _recipe_of(variant)
        cached = cache_entry(cache, recipe.id)
        if cached is None:
            report(f"{variant.name}: building {recipe.id}")
            built[variant.name] = _build(site, variant, recipe)
        else:
            verify(cached[0], cache_folder(cache, recipe.id))
            report(f"{variant.name}: found {recipe.id} in the cache")
            # The cache knows recipes; another suite may call the same recipe by another name.
            built[variant.name] = replace(cached[0], variant=variant.name, parent=variant.parent)
    return built


def release(suite: Suite, names: Sequence[str], cache: Path, suite_folder: Path) -> dict[str, ArtifactFacts]:
    """Copy built artifacts to ``<suite_folder>/<suite>/<variant>.onnx`` and enter them in ``<suite>.lock.json`` there.

    Random weights are left out: they are large and made again in seconds. BuildError where one has not been built.
    """
    released = {}
    for name in names:
        variant = _find(suite, name)
        recipe = _recipe_of(variant)
        if isinstance(_origin(recipe), Initialise):
            continue
        cached = cache_entry(cache, recipe.id)
        if cached is None:
            raise BuildError(f"{name} is not in the cache {cache}; build it first: harness build --variant {name}")
        source = verify(cached[0], cache_folder(cache, recipe.id))
        file = f"{suite.name}/{name}.onnx"
        (suite_folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, suite_folder / file)
        released[name] = replace(cached[0], variant=name, parent=variant.parent, file=file)
        write_entry(suite_folder / f"{suite.name}.lock.json", released[name])
    return released


def _in_order(suite: Suite, names: Sequence[str]) -> list[Variant]:
    """The named variants and their ancestors, each once, parents first."""
    ordered: list[Variant] = []
    for name in names:
        line: list[Variant] = []
        variant: Variant | None = _find(suite, name)
        while variant is not None:
            if variant in line:
                raise UsageError(f"suite {suite.name}: {name} is its own ancestor; check the variants' parents")
            line.append(variant)
            variant = _parent_of(suite, variant)
        ordered += [member for member in reversed(line) if member not in ordered]
    return ordered


def _find(suite: Suite, name: str) -> Variant:
    by_name = {variant.name: variant for variant in suite.variants}
    if name not in by_name:
        raise UnknownName(f"variant of suite {suite.name}", name, by_name)
    return by_name[name]


def _parent_of(suite: Suite, variant: Variant) -> Variant | None:
    if variant.parent is None:
        return None
    parent = _find(suite, variant.parent)
    made_from = _recipe_of(variant).parent
    if made_from is not None and made_from != parent.recipe:
        raise UsageError(
            f"suite {suite.name}: the recipe of {variant.name} starts from another recipe than its parent {parent.name}"
        )
    return parent


def _recipe_of(variant: Variant) -> Recipe:
    if variant.recipe is None:
        raise UsageError(f"{variant.name} has no recipe: it is a file brought along, so there is nothing to build")
    return variant.recipe


def _build(site: _Site, variant: Variant, recipe: Recipe) -> ArtifactFacts:
    folder = cache_folder(site.cache, recipe.id)
    folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    notes = {"variant": variant.name, "recipe": recipe.id, "classes": json.dumps(cifar10.CLASSES)}
    first, *others = recipe.steps
    if others:
        raise UsageError(f"{variant.name}: a recipe has one step; give each further step a variant of its own")
    trained_earlier_s: float | None = 0.0  # None: unknown, so that the total is too
    match first:
        case Initialise() | TrainRecipe():
            try:
                trained_earlier_s = _make_network(site, first, folder, notes)
            except ImportError as error:  # torch, or torchvision for its networks
                raise BuildError(
                    f"{variant.name}: making a network needs the extra: pip install 'edge-harness[build]' ({error})"
                ) from error
        case QuantizeStatic():
            _check_data(first.dataset_sha256, site.data.train.sha256, variant.name)
            images = quantize.calibration_images(first, site.data.train.images)
            quantize.quantize(_full_graph(site, variant, recipe), folder / MODEL, images, notes)
    elapsed = time.monotonic() - started
    facts = _describe(site, variant, recipe, folder / MODEL)
    if trained_earlier_s is not None:
        facts = replace(facts, build_s=round(elapsed + trained_earlier_s, 3))
    write_lock(folder / ENTRY, [facts])
    return facts


def _make_network(site: _Site, step: Initialise | TrainRecipe, folder: Path, notes: dict[str, str]) -> float | None:
    """Export a network, in full and as shipped. Returns seconds of training spent earlier, None where unknown."""
    from harness.variants import catalog, export, training_log

    if isinstance(step, Initialise):
        network = catalog.create(step.network, step.seed)
        earlier_s: float | None = 0.0
        images = export.seeded_images(CHECK_IMAGES // 8, IMAGE_SHAPE)
    else:
        _check_data(step.dataset_sha256, site.data.train.sha256, notes["variant"])
        network, earlier_s = training_log.train_and_log(step, site.data.train, site.cache / "checkpoints", site.report)
        images = site.data.train.images[:CHECK_IMAGES]
    export.export(network, IMAGE_SHAPE, notes, folder / FULL)
    if not export.store_half(folder / FULL, folder / MODEL, images):
        site.report(f"{notes['variant']}: half-size weights change its predictions, so they stay 32 bits wide")
    return earlier_s


def _full_graph(site: _Site, variant: Variant, recipe: Recipe) -> Path:
    if recipe.parent is None:
        raise UsageError(f"{variant.name}: quantization starts from a parent, and its recipe names none")
    path = cache_folder(site.cache, recipe.parent.id) / FULL
    if not path.is_file():
        raise BuildError(f"{path} is gone, from which {variant.name} is made; remove its folder and build again")
    return path


def _check_data(expected: str, found: str, name: str) -> None:
    if expected != found:
        raise DataError(
            f"{name} is made from training data with SHA-256 {expected}, but the data folder holds {found}; "
            "point --data at the data set of the recipe"
        )


def _describe(site: _Site, variant: Variant, recipe: Recipe, path: Path) -> ArtifactFacts:
    found = inspect(path, {})
    facts = replace(
        artifact_facts(variant, MODEL, found),
        recipe_id=recipe.id,
        signature=fidelity.signature(path, INPUT_SEED),
        versions=_versions(),
    )
    origin = _origin(recipe)
    facts = replace(facts, network=origin.network, seed=recipe.steps[-1].seed)
    if isinstance(origin, Initialise):
        return replace(facts, accuracy_missing="not trained: random weights")
    predictions = fidelity.evaluate(path, site.data.test)
    return replace(
        facts,
        dataset_sha256=origin.dataset_sha256,
        accuracy=fidelity.accuracy(predictions, site.data.test),
        agreement_with_parent=_agreement(site, variant, predictions),
    )


def _agreement(site: _Site, variant: Variant, predictions: NDArray[np.int64]) -> float | None:
    parent = _parent_of(site.suite, variant)
    cached = cache_entry(site.cache, _recipe_of(parent).id) if parent is not None else None
    if cached is None or cached[0].accuracy is None:
        return None  # without a trained parent there is nothing to agree with
    return fidelity.agreement(predictions, fidelity.evaluate(cached[1], site.data.test))


def _origin(recipe: Recipe) -> Initialise | TrainRecipe:
    """The step that made the weights, in this recipe or an ancestor."""
    step = recipe.steps[0]
    if isinstance(step, Initialise | TrainRecipe):
        return step
    if recipe.parent is None:
        raise UsageError("a recipe without parent must start with Initialise or TrainRecipe")
    return _origin(recipe.parent)


def _versions() -> dict[str, str]:
    """Versions of everything that can change an artifact's bytes; and whether int8 ranges were found with VNNI."""
    found = {}
    for package in ("numpy", "onnx", "onnxruntime", "torch", "torchvision"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found | {"cpu_vnni": _vnni()}


def _vnni() -> str:
    """Without VNNI, uint8 x int8 sums saturate at 16 bits on x86: accuracies measured there can be lower."""
    try:
        flags = Path("/proc/cpuinfo").read_text("ascii", errors="replace")
    except OSError:
        return "unknown"
    return "yes" if "vnni" in flags else "no"
