"""The tracked artifacts: what they are without any data, what they answer where the data is at hand. No torch."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.artifacts.locks import read_lock, verify
from harness.artifacts.onnx_file import inspect
from harness.datasets import cifar10
from harness.datasets.split import Split
from harness.variants.compression.quantize import float_convolutions
from harness.variants.graphs import fidelity
from suites.cifar10 import SUITE

SUITES = Path(__file__).resolve().parents[2] / "suites"
LOCK = read_lock(SUITES / "cifar10.lock.json")


# Lower bounds of accuracy, a little below what was reached: a file that was swapped for another falls below.
PROMISED = {
    "plain": 0.935,
    "plain-distilled": 0.935,
    "plain-distilled-int8": 0.935,
    "fast": 0.925,
    "fast-int8": 0.925,
    "fast-pruned": 0.929,
    "fast-pruned-int8": 0.929,
    "paper-student": 0.885,
    "paper-student-int8": 0.885,
}


@pytest.fixture(scope="module")
def first_images(shared: Path) -> Split:
    if not (shared / "data" / cifar10.FOLDER).is_dir():
        pytest.skip(f"no CIFAR-10 in {shared}/data")
    whole = cifar10.load_test(shared / "data")
    return Split(whole.images[:500], whole.labels[:500], "the first 500", whole.dataset)


def test_the_lock_holds_every_trained_variant_and_no_random_one() -> None:
    assert set(LOCK) == {variant.name for variant in SUITE.variants if variant.recipe and variant.recipe.learning}


@pytest.mark.parametrize("name", LOCK)
def test_artifact_is_the_locked_one(name: str) -> None:
    facts = LOCK[name]
    path = verify(facts, SUITES)
    found = inspect(path, {})
    assert (found.sha256, found.size_bytes) == (facts.sha256, facts.size_bytes)
    assert (found.parameters, found.macs, found.precision) == (facts.parameters, facts.macs, facts.precision)
    assert found.metadata["recipe"] == facts.recipe_id


@pytest.mark.parametrize("name", LOCK)
def test_artifact_is_made_by_the_suites_recipe(name: str) -> None:
    (variant,) = [variant for variant in SUITE.variants if variant.name == name]
    assert variant.recipe is not None
    assert LOCK[name].recipe_id == variant.recipe.id


@pytest.mark.parametrize("name", LOCK)
def test_artifact_computes_the_locked_signature(name: str) -> None:
    locked = LOCK[name].signature
    assert locked is not None
    # Another processor sums in another order; int8 may then round to the next step.
    tolerance = 1e-3 if LOCK[name].precision == "fp32" else 0.2
    assert fidelity.signature(SUITES / LOCK[name].file, 0).values == pytest.approx(locked.values, abs=tolerance)


@pytest.mark.parametrize("name", [name for name in LOCK if LOCK[name].precision == "int8"])
def test_int8_has_no_float_convolution(name: str) -> None:
    assert float_convolutions(SUITES / LOCK[name].file) == []


@pytest.mark.parametrize("name", LOCK)
def test_claimed_accuracy_holds_on_the_first_images(name: str, first_images: Split) -> None:
    claimed = LOCK[name].accuracy
    assert claimed is not None
    assert claimed.images == 10_000
    assert claimed.top1 >= PROMISED[name]
    found = fidelity.accuracy(fidelity.evaluate(SUITES / LOCK[name].file, first_images), first_images).top1
    assert found == pytest.approx(claimed.top1, abs=0.035)  # three standard errors of 500 images
