"""What a build makes of its steps: what is refused, what goes on after an interruption, what is compared with what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from harness.artifacts.locks import cache_folder
from harness.errors import BuildError
from harness.model.case import ArtifactFacts, Suite, Variant
from harness.model.lesson import Augmentation, Optimizer
from harness.model.recipe import (
    Distillation,
    Initialise,
    MixedPrecision,
    Prune,
    QuantizeAware,
    QuantizeStatic,
    Recipe,
    Step,
    Train,
)
from harness.variants.build import build
from harness.variants.compression.quantize import float_convolutions
from harness.variants.graphs import fidelity
from harness.variants.workplace import Data, Site
from tests.support.pictures import pictures

TRAIN, TEST = pictures(120, seed=1), pictures(200, seed=2)
LEARN = Train("cifar10", TRAIN.sha256, epochs=2, batch=40, seed=3)
ONCE = replace(LEARN, epochs=1)
CALIBRATE = QuantizeStatic("cifar10", TRAIN.sha256, images=32, seed=0)
SMALL = Recipe((Initialise("resnet8", 3), ONCE))
OTHER = Recipe((Initialise("resnet8", 4), replace(ONCE, seed=4)))
# Hardly any learning, so that the channels stay as `coarse` makes them.
STILL = replace(ONCE, optimizer=Optimizer("adam", rate=1e-9), augmentation=Augmentation("none", 0), bf16=False)
COARSE = Recipe((Initialise("tests.build.test_steps:coarse", 0), STILL))


def coarse(classes: int) -> nn.Module:
    """A network whose second convolution reads a tensor with one channel 10 000 times the others, and not that one.

    One scale for the whole tensor leaves nothing of what it does read.
    """
    first, second, head = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Linear(8, classes)
    with torch.no_grad():
        first.weight[0] *= 1e4
        second.weight.mul_(20)[:, 0] = 0
        second.bias.fill_(0.1)  # type: ignore[union-attr]  # it has one
        head.weight.normal_()
        head.bias.zero_()
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)


def ignore(_line: str) -> None:
    """Progress that nobody reads."""


def built(
    cache: Path, recipe: Recipe, *needed: Recipe, parent: Recipe | None = None, report: Callable[[str], None] = ignore
) -> tuple[ArtifactFacts, Path]:
    """Facts and file of a recipe, built together with those it needs."""
    made_from = [*needed] if parent is None else [*needed, parent]
    others = [Variant(f"variant {number}", "", "", recipe=one) for number, one in enumerate(made_from)]
    parent_name = None if parent is None else others[-1].name
    wanted = Variant("wanted", "", "", parent=parent_name, recipe=recipe)
    suite = Suite("made-up", "", variants=(*others, wanted))
    facts = build(Site(suite, Data(lambda _: TRAIN, lambda _: TEST), cache, None, report), ["wanted"])
    return facts["wanted"], cache_folder(cache, recipe.id) / "model.onnx"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize(
    "step",
    [
        CALIBRATE,
        MixedPrecision(CALIBRATE, loss=0.999, images=64),
        QuantizeAware(STILL, CALIBRATE),
    ],
    ids=lambda step: type(step).__name__,
)
def test_a_build_refuses_an_int8_file_that_forgot_what_was_learned(cache: Path, step: Step) -> None:
    recipe = Recipe((step,), COARSE)
    with pytest.raises(BuildError, match=r"agrees with .* on 0\.\d+ of the images, less than 0\.9; .* costs most"):
        built(cache, recipe, parent=COARSE)
    assert not (cache_folder(cache, recipe.id) / "model.onnx").exists()


def test_random_weights_have_nothing_to_forget(cache: Path) -> None:
    blank = Recipe(COARSE.steps[:1])
    facts, path = built(cache, Recipe((CALIBRATE,), blank), parent=blank)
    assert facts.accuracy is None
    assert float_convolutions(path) == []


def test_mixed_precision_keeps_what_int8_would_lose(cache: Path) -> None:
    lines: list[str] = []
    recipe = Recipe((MixedPrecision(CALIBRATE, loss=0.05, images=64),), COARSE)
    facts, path = built(cache, recipe, parent=COARSE, report=lines.append)
    wide = float_convolutions(path)
    assert len(wide) == 2
    assert any("layers stay in floats: " in line and all(name in line for name in wide) for line in lines)
    agreement = fidelity.agreement(
        fidelity.predict(cache_folder(cache, COARSE.id) / "model.onnx", TRAIN.images),
        fidelity.predict(path, TRAIN.images),
    )
    assert agreement >= 0.9
    assert facts.agreement_with_parent is not None


def test_mixed_precision_of_a_sound_network_is_int8_throughout(cache: Path) -> None:
    _, mixed = built(cache, Recipe((MixedPrecision(CALIBRATE, loss=0.2, images=64),), SMALL), parent=SMALL)
    assert float_convolutions(mixed) == []


def test_the_agreement_with_teachers_is_that_with_the_mean_of_them_all(cache: Path) -> None:
    taught = Recipe((replace(ONCE, distillation=Distillation((SMALL, OTHER))),), SMALL)
    facts, path = built(cache, taught, OTHER, parent=SMALL)
    answers = [fidelity.logits(cache_folder(cache, one.id) / "model.onnx", TEST.images) for one in (SMALL, OTHER)]
    own = fidelity.logits(path, TEST.images).argmax(1)
    first, second = (float((own == answer.argmax(1)).mean()) for answer in answers)
    together = float((own == np.mean(answers, axis=0).argmax(1)).mean())
    assert facts.agreement_with_teacher == pytest.approx(together, abs=1e-9)
    assert len({first, second, together}) == 3  # or the test would tell nothing


def interrupted_at(epoch_line: int) -> Callable[[str], None]:
    """A report that stops the build when the epochs so far are `epoch_line`."""
    seen: list[str] = []

    def report(line: str) -> None:
        if ": epoch " in line:
            seen.append(line)
            if len(seen) == epoch_line:
                raise KeyboardInterrupt

    return report


def epochs(lines: list[str]) -> list[str]:
    return [line.split(", loss")[0] for line in lines if ": epoch " in line]


PRUNING = Prune("taylor", "macs", 0.6, "cifar10", TRAIN.sha256, seed=0, rounds=2, round_to=8, tuning=LEARN)


@pytest.mark.parametrize(
    ("step", "stop_at", "left"),
    [
        (PRUNING, 1, ["epoch 2 of 2", "epoch 1 of 2", "epoch 2 of 2"]),
        (PRUNING, 3, ["epoch 2 of 2"]),
        (QuantizeAware(replace(LEARN, ema_decay=0.5), CALIBRATE), 1, ["epoch 2 of 2"]),
    ],
    ids=["pruning, first round", "pruning, second round", "quantization-aware"],
)
def test_an_interrupted_build_goes_on_to_the_same_bytes(
    cache: Path, tmp_path: Path, step: Step, stop_at: int, left: list[str]
) -> None:
    if isinstance(step, Prune):
        pytest.importorskip("torch_pruning")
    recipe = Recipe((step,), SMALL)
    _, whole = built(cache, recipe, parent=SMALL)
    built(tmp_path, SMALL)
    with pytest.raises(KeyboardInterrupt):
        built(tmp_path, recipe, parent=SMALL, report=interrupted_at(stop_at))
    lines: list[str] = []
    _, resumed = built(tmp_path, recipe, parent=SMALL, report=lines.append)
    assert epochs(lines) == [f"wanted: {line}" for line in left]
    assert resumed.read_bytes() == whole.read_bytes()


def test_a_pruning_that_left_other_widths_names_the_checkpoint_to_remove(cache: Path, tmp_path: Path) -> None:
    """By milliseconds the widths may differ from run to run; here another tuning stands in for the earlier run's."""
    pytest.importorskip("torch_pruning")
    recipe, narrower = (Recipe((replace(PRUNING, keep=keep),), SMALL) for keep in (0.6, 0.5))
    built(tmp_path, SMALL)
    for one in (recipe, narrower):
        with pytest.raises(KeyboardInterrupt):
            built(tmp_path, one, parent=SMALL, report=interrupted_at(1))
    checkpoint, other = (tmp_path / "checkpoints" / f"{one.id}-1.pt" for one in (recipe, narrower))
    state = torch.load(other, weights_only=True)
    torch.save({**state, "recipe": checkpoint.stem}, checkpoint)
    with pytest.raises(BuildError, match=rf"{checkpoint.name} does not fit the network that is trained .*; remove it"):
        built(tmp_path, recipe, parent=SMALL)
    checkpoint.unlink()
    _, path = built(tmp_path, recipe, parent=SMALL)
    assert path.read_bytes() == built(cache, recipe, parent=SMALL)[1].read_bytes()
