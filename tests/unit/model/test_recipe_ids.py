"""A recipe's id is the identity of a built artifact: it covers every field of every step and of the parents."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.model.recipe import Initialise, QuantizeStatic, Recipe, TrainRecipe

TRAIN = TrainRecipe("fast", "cifar10", "d" * 64, epochs=30, batch=500, seed=0)
QUANTIZE = QuantizeStatic("cifar10", "d" * 64, images=512, seed=0)
PARENT = Recipe((TRAIN,))
CHILD = Recipe((QUANTIZE,), PARENT)


def other(value: object) -> object:
    return value + "x" if isinstance(value, str) else value + 1  # type: ignore[operator]


@pytest.mark.parametrize(
    "step", [TRAIN, QUANTIZE, Initialise("resnet50_cifar", 0)], ids=lambda step: type(step).__name__
)
def test_every_field_of_a_step_counts(step) -> None:
    names = list(step.__dataclass_fields__)
    ids = {Recipe((replace(step, **{name: other(getattr(step, name))}),)).id for name in names}
    assert len(ids | {Recipe((step,)).id}) == len(names) + 1


def test_the_parent_the_order_and_the_kind_of_step_count() -> None:
    grandchild = Recipe((QUANTIZE,), Recipe((QUANTIZE,), replace(PARENT, steps=(replace(TRAIN, seed=1),))))
    recipes = [PARENT, CHILD, Recipe((QUANTIZE,)), Recipe((TRAIN, QUANTIZE)), Recipe((QUANTIZE, TRAIN)), grandchild]
    assert len({recipe.id for recipe in recipes}) == len(recipes)
    assert Recipe((replace(QUANTIZE),), replace(PARENT)).id == CHILD.id


def test_the_rate_rises_and_falls() -> None:
    recipe = replace(TRAIN, warmup_share=0.5)
    assert recipe.rate_at(0.0) == pytest.approx(0.001 / 0.501)
    assert recipe.rate_at(0.499) == pytest.approx(0.5 / 0.501)
    assert recipe.rate_at(0.5) == 1.0
    assert recipe.rate_at(0.75) == pytest.approx(0.5)
