from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from harness.errors import BuildError
from harness.model.recipe import Augmentation, Distillation, Initialise, Optimizer, Recipe, Schedule, Train
from harness.variants.networks import catalog
from harness.variants.training import log
from harness.variants.training.train import Progress, train
from tests.support.pictures import pictures

DATA = pictures(120, seed=1)
STEP = Train("cifar10", DATA.sha256, epochs=2, batch=40, seed=3)
ID = Recipe((Initialise("resnet8", 3), STEP)).id
EVERYTHING = replace(
    STEP,
    optimizer=Optimizer("adam", rate=1e-3),
    schedule=Schedule("cyclic", cycle_epochs=1),
    augmentation=Augmentation("random", 2, 4, 0.2, cutmix_share=0.5, mixup_share=0.5),
    dropout=0.3,
    ema_decay=0.5,
    bf16=False,
    distillation=Distillation((Recipe((Initialise("resnet8", 7),)),), method="dkd"),
)


def network() -> nn.Module:
    return catalog.create(Initialise("resnet8", 3))


def same(a: nn.Module, b: nn.Module) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(one, other) for one, other in pairs)


def interrupt(_progress: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("kind", ["muon", "sgd", "adam"])
def test_the_loss_falls(tmp_path: Path, kind) -> None:
    losses: list[float] = []
    step = replace(STEP, epochs=3, optimizer=Optimizer(kind, rate=0.003 if kind == "adam" else 0.1))
    train(network(), step, DATA, tmp_path / "state.pt", ID, lambda progress: losses.append(progress.loss))
    assert len(losses) == 3
    assert losses[2] < losses[0]


@pytest.mark.parametrize("step", [STEP, EVERYTHING], ids=["modern", "everything"])
def test_resumed_training_ends_with_the_same_bits(tmp_path: Path, step: Train) -> None:
    teachers = [catalog.create(Initialise("resnet8", 7))]
    whole = train(network(), step, DATA, tmp_path / "whole.pt", ID, lambda _: None, teachers)
    with pytest.raises(KeyboardInterrupt):
        train(network(), step, DATA, tmp_path / "parts.pt", ID, interrupt, teachers)
    epochs: list[int] = []
    note = lambda progress: epochs.append(progress.epoch)  # noqa: E731
    resumed = train(network(), step, DATA, tmp_path / "parts.pt", ID, note, teachers)

    assert epochs == [2]
    assert same(whole, resumed)


def test_each_option_changes_the_weights(tmp_path: Path) -> None:
    """An option that is silently ignored would give the weights of the plain training."""
    teachers = [catalog.create(Initialise("resnet8", 7))]
    taught = Distillation((Recipe((Initialise("resnet8", 7),)),))
    plain = replace(STEP, epochs=1)
    options = {
        "plain": plain,
        "cutout": replace(plain, augmentation=Augmentation(cutout_pixels=8)),
        "brightness": replace(plain, augmentation=Augmentation(brightness=0.5)),
        "cutmix": replace(plain, augmentation=Augmentation(cutmix_share=1.0)),
        "mixup": replace(plain, augmentation=Augmentation(mixup_share=1.0)),
        "random flip": replace(plain, augmentation=Augmentation(flip="random")),
        "no flip": replace(plain, augmentation=Augmentation(flip="none")),
        "dropout": replace(plain, dropout=0.5),
        "mean": replace(plain, ema_decay=0.9),
        "smoothing": replace(plain, label_smoothing=0.0),
        "kd": replace(plain, distillation=taught),
        "dkd": replace(plain, distillation=replace(taught, method="dkd")),
        "temperature": replace(plain, distillation=replace(taught, temperature=1.0)),
    }
    weights = {}
    for name, step in options.items():
        found = train(network(), step, DATA, tmp_path / f"{name}.pt", ID, lambda _: None, teachers)
        weights[name] = found.network.head.weight.detach().numpy().tobytes()
    assert len(set(weights.values())) == len(options)


def test_a_teacher_alone_pulls_the_student_to_itself(tmp_path: Path) -> None:
    teacher, student = catalog.create(Initialise("resnet8", 7)), network()
    images = torch.from_numpy(DATA.images).float() / 255
    step = replace(
        STEP,
        epochs=4,
        augmentation=Augmentation("none", 0),
        distillation=Distillation((Recipe((Initialise("resnet8", 7),)),), soft_share=1.0, temperature=1.0),
    )
    with torch.no_grad():
        wanted = teacher.train()(images).softmax(1)
        before = (copy.deepcopy(student).train()(images).softmax(1) - wanted).abs().sum()
    teacher.train()  # training puts it into evaluation mode again
    learned = train(student, step, DATA, tmp_path / "state.pt", ID, lambda _: None, [teacher])
    with torch.no_grad():
        after = (learned.eval()(images).softmax(1) - teacher.eval()(images).softmax(1)).abs().sum()
    assert after < before


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    torch.save({"recipe": "somebody else's"}, tmp_path / "state.pt")
    with pytest.raises(BuildError, match=rf"state\.pt belongs to recipe somebody else's, not {ID}"):
        train(network(), STEP, DATA, tmp_path / "state.pt", ID, lambda _: None)


def test_a_loss_that_is_not_finite_stops_at_its_step_and_keeps_the_last_good_state(tmp_path: Path) -> None:
    def poison(progress: Progress) -> None:
        assert progress.epoch == 1
        with torch.no_grad():
            student.network.head.weight.fill_(torch.nan)

    student, state = network(), tmp_path / "state.pt"
    with pytest.raises(BuildError, match=r"became nan in step 1 of epoch 2; the last good state is .*state\.pt"):
        train(student, STEP, DATA, state, ID, poison)
    assert torch.load(state, weights_only=True)["epoch"] == 1


def test_held_out_images_are_judged_and_not_learned_from(tmp_path: Path) -> None:
    seen: list[float | None] = []
    step = replace(STEP, validation_images=40)
    train(network(), step, DATA, tmp_path / "a.pt", ID, lambda progress: seen.append(progress.accuracy_validation))
    assert all(share is not None and 0 <= share <= 1 for share in seen)


def test_dropout_needs_a_head(tmp_path: Path) -> None:
    headless = nn.Sequential(nn.Conv2d(3, 10, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(BuildError, match="no linear layer, so dropout before its head has no place"):
        train(headless, replace(STEP, dropout=0.1), DATA, tmp_path / "a.pt", ID, lambda _: None)


def test_the_log_holds_the_time_of_earlier_parts(tmp_path: Path) -> None:
    messages: list[str] = []
    kept = (tmp_path, ID)
    with pytest.raises(KeyboardInterrupt):
        log.train_and_log(network(), STEP, DATA, kept, interrupt)
    first = log.read_seconds(tmp_path / f"{ID}.log.jsonl")
    _, earlier_s = log.train_and_log(network(), STEP, DATA, kept, messages.append)

    assert list(first) == [1]
    assert earlier_s == first[1]
    assert len(messages) == 1
    assert messages[0].startswith("epoch 2 of 2, loss ")
    _, all_s = log.train_and_log(network(), STEP, DATA, kept, messages.append)
    assert all_s == sum(log.read_seconds(tmp_path / f"{ID}.log.jsonl").values())


def test_time_is_unknown_where_earlier_epochs_left_no_log(tmp_path: Path) -> None:
    train(network(), STEP, DATA, tmp_path / f"{ID}.pt", ID, lambda _: None)
    _, earlier_s = log.train_and_log(network(), STEP, DATA, (tmp_path, ID), lambda _: None)
    assert earlier_s is None
