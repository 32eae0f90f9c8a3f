"""A recipe's id is the identity of a built artifact: it covers every field of every step and of the parents."""

from __future__ import annotations

import contextlib
import dataclasses
import typing
from dataclasses import replace

import pytest

from harness.errors import UsageError
from harness.model.lesson import Augmentation, Optimizer, Schedule
from harness.model.recipe import (
    Distillation,
    Initialise,
    MixedPrecision,
    Narrow,
    Prune,
    QuantizeAware,
    QuantizeStatic,
    Recipe,
    Sparsify,
    Train,
)

TRAIN = Train("cifar10", "d" * 64, epochs=30, batch=500, seed=0)
QUANTIZE = QuantizeStatic("cifar10", "d" * 64, images=512, seed=0)
PARENT = Recipe((Initialise("fast", 0), TRAIN))
CHILD = Recipe((QUANTIZE,), PARENT)
TAUGHT = replace(TRAIN, distillation=Distillation((PARENT,)))
STEPS = (
    Initialise("fast", 0),
    TAUGHT,
    Prune("l1", "macs", 0.5, "cifar10", "d" * 64, seed=0, tuning=TRAIN),
    Sparsify(0.5),
    QUANTIZE,
    QuantizeAware(TRAIN, QUANTIZE),
    MixedPrecision(QUANTIZE, loss=0.01),
    Narrow("fp16"),
)


def changes(value: object) -> list[object]:
    """`value` with each of its fields changed in turn, those of nested values too."""
    changed: list[object] = []
    for field in dataclasses.fields(value):  # type: ignore[arg-type]
        for other in others(getattr(value, field.name), typing.get_type_hints(type(value))[field.name]):
            with contextlib.suppress(UsageError):  # two limits at once
                changed.append(replace(value, **{field.name: other}))  # type: ignore[type-var]
    return changed


def others(value: object, hint: object) -> list[object]:
    if typing.get_origin(hint) is typing.Literal:
        return [choice for choice in typing.get_args(hint) if choice != value]
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, str):
        return [value + "x"]
    if isinstance(value, int):
        return [value + 1]
    if isinstance(value, float):
        return [value / 2 + 0.001]
    if isinstance(value, tuple):
        return [(*value, CHILD)]
    if value is None:
        return [Distillation((CHILD,))]
    return changes(value)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
def test_every_field_of_a_step_counts(step) -> None:
    changed = changes(step)
    ids = {Recipe((one,)).id for one in changed}
    assert len(ids | {Recipe((step,)).id}) == len(changed) + 1
    assert len(changed) >= len(dataclasses.fields(step))


def test_the_parent_the_order_and_the_kind_of_step_count() -> None:
    grandchild = Recipe((QUANTIZE,), Recipe((QUANTIZE,), replace(PARENT, steps=(replace(TRAIN, seed=1),))))
    recipes = [PARENT, CHILD, Recipe((QUANTIZE,)), Recipe((TRAIN, QUANTIZE)), Recipe((QUANTIZE, TRAIN)), grandchild]
    assert len({recipe.id for recipe in recipes}) == len(recipes)
    assert Recipe((replace(QUANTIZE),), replace(PARENT)).id == CHILD.id


def test_another_teacher_is_another_recipe() -> None:
    by_the_child = replace(TRAIN, distillation=Distillation((CHILD,)))
    assert Recipe((TAUGHT,)).id != Recipe((by_the_child,)).id


def test_the_two_limits_of_mixed_precision_are_two_recipes() -> None:
    limits = (MixedPrecision(QUANTIZE, loss=0.1), MixedPrecision(QUANTIZE, slowdown=0.1))
    assert len({Recipe((limit,)).id for limit in limits}) == 2


def test_a_part_of_a_recipe_has_its_own_identity() -> None:
    assert PARENT.up_to(2) == PARENT
    assert PARENT.up_to(1) == Recipe((Initialise("fast", 0),))


def test_one_cycle_rises_and_falls() -> None:
    schedule = Schedule(warmup_share=0.5)
    assert schedule.share_at(0.0, 8) == pytest.approx(0.001 / 0.501)
    assert schedule.share_at(0.499, 8) == pytest.approx(0.5 / 0.501)
    assert schedule.share_at(0.5, 8) == 1.0
    assert schedule.share_at(0.75, 8) == pytest.approx(0.5)


def test_the_cyclic_schedule_is_a_row_of_triangles() -> None:
    schedule = Schedule("cyclic", cycle_epochs=4, floor=0.01)
    at = [schedule.share_at(epoch / 8, 8) for epoch in range(8)]
    assert at == pytest.approx([0.01, 0.505, 1.0, 0.505] * 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Optimizer("lion"), "unknown optimizer 'lion'; choose one of: muon, sgd, adam"),  # type: ignore[arg-type]
        (lambda: Schedule("cosine"), "unknown schedule 'cosine'"),  # type: ignore[arg-type]
        (lambda: Prune("l1", "macs", 1.5, "cifar10", "", seed=0), "keeps a share between 0 and 1, not 1.5"),
        (lambda: Augmentation(cutmix_share=0.6, mixup_share=0.6), "together at most 1"),
        (lambda: Distillation(()), "at least one teacher"),
    ],
)
def test_contradictions_are_refused(make: typing.Callable[[], object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


def pruning(**fields: object) -> Prune:
    return replace(Prune("l1", "macs", 0.5, "cifar10", "", seed=0), **fields)  # type: ignore[arg-type]


NAN, ENDLESS = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: replace(TRAIN, epochs=0), "epochs is a whole number, 1 or more, not 0"),
        (lambda: replace(TRAIN, batch=0), "batch is a whole number, 1 or more, not 0"),
        (lambda: replace(TRAIN, batch=1.5), r"batch is a whole number, 1 or more, not 1\.5"),  # type: ignore[arg-type]
        (lambda: replace(TRAIN, seed=-1), "seed is a whole number, 0 or more, not -1"),
        (lambda: replace(TRAIN, validation_images=-1), "validation_images is a whole number, 0 or more, not -1"),
        (lambda: replace(TRAIN, label_smoothing=1.1), r"label_smoothing is a share from 0 to 1, not 1\.1"),
        (lambda: replace(TRAIN, dropout=1.0), r"dropout is a share from 0 to below 1, not 1\.0"),
        (lambda: replace(TRAIN, ema_decay=1.0), r"ema_decay is a share from 0 to below 1, not 1\.0"),
        (lambda: Optimizer(rate=0.0), r"rate is a number above 0, not 0\.0"),
        (lambda: Optimizer(rate=NAN), "rate is a number above 0, not nan"),
        (lambda: Optimizer(muon_rate=ENDLESS), "muon_rate is a number above 0, not inf"),
        (lambda: Optimizer(momentum=1.0), r"momentum is a share from 0 to below 1, not 1\.0"),
        (lambda: Optimizer("sgd", momentum=0.0), r"momentum is a number above 0, not 0\.0"),
        (lambda: Optimizer(muon_momentum=-0.1), "muon_momentum is a share from 0 to below 1"),
        (lambda: Optimizer(weight_decay=-1.0), r"weight_decay is 0 or more, not -1\.0"),
        (lambda: Schedule(warmup_share=-0.1), r"warmup_share is a share from 0 to 1, not -0\.1"),
        (lambda: Schedule(floor=2.0), r"floor is a share from 0 to 1, not 2\.0"),
        (lambda: Schedule("cyclic", cycle_epochs=0), "cycle_epochs is a whole number, 1 or more, not 0"),
        (lambda: Augmentation(translate_pixels=-1), "translate_pixels is a whole number, 0 or more, not -1"),
        (lambda: Augmentation(cutout_pixels=-1), "cutout_pixels is a whole number, 0 or more, not -1"),
        (lambda: Augmentation(brightness=1.5), r"brightness is a share from 0 to 1, not 1\.5"),
        (lambda: Augmentation(cutmix_share=-0.5), r"cutmix_share is a share from 0 to 1, not -0\.5"),
        (lambda: Augmentation(mixup_share=1.5), r"mixup_share is a share from 0 to 1, not 1\.5"),
        (lambda: Distillation((PARENT,), soft_share=1.2), r"soft_share is a share from 0 to 1, not 1\.2"),
        (lambda: Distillation((PARENT,), temperature=0.0), r"temperature is a number above 0, not 0\.0"),
        (lambda: Distillation((PARENT,), target_weight=-1.0), r"target_weight is 0 or more, not -1\.0"),
        (lambda: Distillation((PARENT,), other_weight=-1.0), r"other_weight is 0 or more, not -1\.0"),
        (lambda: pruning(rounds=0), "rounds is a whole number, 1 or more, not 0"),
        (lambda: pruning(round_to=0), "round_to is a whole number, 1 or more, not 0"),
        (lambda: pruning(seed=-1), "seed is a whole number, 0 or more, not -1"),
        (lambda: Sparsify(0.0), r"zeroes a share between 0 and 1, not 0\.0"),
        (lambda: Sparsify(1), "zeroes a share between 0 and 1, not 1;"),
        (lambda: replace(QUANTIZE, images=0), "images is a whole number, 1 or more, not 0"),
        (lambda: replace(QUANTIZE, seed=-1), "seed is a whole number, 0 or more, not -1"),
        (lambda: MixedPrecision(QUANTIZE, loss=0.0), r"loss is a share between 0 and 1, not 0\.0"),
        (lambda: MixedPrecision(QUANTIZE, loss=1.0), r"loss is a share between 0 and 1, not 1\.0"),
        (lambda: MixedPrecision(QUANTIZE, slowdown=0.0), r"slowdown is a number above 0, not 0\.0"),
        (lambda: MixedPrecision(QUANTIZE, loss=0.1, images=0), "images is a whole number, 1 or more, not 0"),
    ],
)
def test_values_without_sense_are_refused(make: typing.Callable[[], object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


def test_the_ends_of_a_range_are_in_it() -> None:
    assert Distillation((PARENT,), soft_share=0.0).soft_share == 0.0
    whole = Distillation((PARENT,), soft_share=1.0, target_weight=0.0)
    assert (whole.soft_share, whole.target_weight) == (1.0, 0.0)
    mixed = Augmentation("none", 0, 0, 0.0, cutmix_share=0.5, mixup_share=0.5)
    assert mixed.cutmix_share + mixed.mixup_share == 1.0
    least = replace(TRAIN, epochs=1, batch=1, label_smoothing=0.0, ema_decay=0.0)
    assert (least.epochs, least.batch, least.label_smoothing, least.ema_decay) == (1, 1, 0.0, 0.0)
    still = Optimizer("adam", momentum=0.0, weight_decay=0.0)
    assert (still.momentum, still.weight_decay) == (0.0, 0.0)


@pytest.mark.parametrize("mixing", [{"cutmix_share": 0.1}, {"mixup_share": 0.1}])
def test_dkd_has_no_place_for_mixed_labels(mixing: dict[str, float]) -> None:
    mixed = replace(TAUGHT, augmentation=Augmentation(**mixing))  # type: ignore[arg-type]
    assert mixed.distillation is not None
    with pytest.raises(UsageError, match="dkd sets one label apart, and an image of CutMix or MixUp has two"):
        replace(mixed, distillation=replace(mixed.distillation, method="dkd"))


def test_training_with_rounding_keeps_no_layer_wide() -> None:
    with pytest.raises(UsageError, match="rounds every layer, also conv1, conv2; leave `wide` empty"):
        QuantizeAware(TRAIN, replace(QUANTIZE, wide=("conv1", "conv2")))


def test_quick_is_what_always_gives_the_same_bytes_in_seconds() -> None:
    quick = {type(step).__name__ for step in STEPS if Recipe((step,), PARENT).is_quick}
    assert quick == {"Initialise", "QuantizeStatic", "MixedPrecision", "Narrow"}
    assert not Recipe((MixedPrecision(QUANTIZE, slowdown=0.1),), PARENT).is_quick
