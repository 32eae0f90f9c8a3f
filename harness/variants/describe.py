"""What is recorded of a built artifact: size, counts, accuracy, agreements, signature, versions. Changes no file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.artifacts.locks import MODEL
from harness.artifacts.onnx_file import artifact_facts, inspect
from harness.datasets.split import Split
from harness.model.case import ArtifactFacts, Variant
from harness.model.proportion import wilson_interval
from harness.model.recipe import Narrow, Recipe
from harness.variants.graphs import fidelity
from harness.variants.workplace import Site

INPUT_SEED = 0
NO_BF16 = "onnxruntime's CPU has no bf16 convolutions, so this file was not run where it was built"
PACKAGES = ("numpy", "onnx", "onnxruntime", "torch", "torchvision", "torch-pruning")


def describe(site: Site, variant: Variant, recipe: Recipe, path: Path) -> ArtifactFacts:
    """The facts of the artifact at `path`, all of them measured on it now; random weights get no accuracy."""
    origin = recipe.origin
    facts = replace(
        artifact_facts(variant, MODEL, inspect(path, {})),
        recipe_id=recipe.id,
        network=origin.network,
        seed=getattr(recipe.steps[-1], "seed", origin.seed),
        versions=versions(),
    )
    missing, learning = why_no_accuracy(recipe), recipe.learning
    if missing != NO_BF16:
        facts = replace(facts, signature=fidelity.signature(path, INPUT_SEED))
    if missing is not None or learning is None:
        return replace(facts, accuracy_missing=missing)
    test = site.data.test(origin.dataset)
    logits = fidelity.logits(path, test.images)
    accuracy = fidelity.accuracy(logits.argmax(1), test)
    return replace(
        facts,
        dataset_sha256=learning.dataset_sha256,
        accuracy=accuracy,
        accuracy_interval=wilson_interval(accuracy.correct, accuracy.images),
        agreement_with_parent=_agreement(site, logits, test, (recipe.parent,) if recipe.parent else ()),
        agreement_with_teacher=_agreement(site, logits, test, recipe.teachers),
    )


def why_no_accuracy(recipe: Recipe) -> str | None:
    """Why the recipe's artifact is not judged by images; None where it is."""
    if any(isinstance(step, Narrow) and step.to == "bf16" for step in recipe.steps):
        return NO_BF16
    return "not trained: random weights" if recipe.learning is None else None


def compared(recipes: Sequence[Recipe]) -> list[Recipe]:
    """Those among a recipe's parents or teachers whose answers its own are held against: all trained ones, or none
    where one of them cannot answer."""
    trained = [one for one in recipes if one.learning is not None]
    return trained if all(why_no_accuracy(one) is None for one in trained) else []


def agreement(logits: NDArray[np.float32], others: Sequence[NDArray[np.float32]]) -> float:
    """Share of images on which the mean of the others' logits has the same class."""
    return fidelity.agreement(logits.argmax(1), np.mean(others, axis=0).argmax(1))


def _agreement(site: Site, logits: NDArray[np.float32], test: Split, others: Sequence[Recipe]) -> float | None:
    """With the others that are built or released; None where there are none to compare with."""
    known = [site.artifact(other) for other in compared(others)]
    if not known or None in known:
        return None
    return agreement(logits, [fidelity.logits(one[1], test.images) for one in known if one is not None])


def versions() -> dict[str, str]:
    """Versions of everything that can change an artifact's bytes; and whether int8 ranges were found with VNNI."""
    found = {}
    for package in PACKAGES:
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
