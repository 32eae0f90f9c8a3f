from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import nn
from torch.nn import functional

from harness.errors import BuildError, UsageError
from harness.model.lesson import Augmentation, Optimizer, Schedule
from harness.model.recipe import Distillation, Initialise, Recipe, Train
from harness.variants.networks import catalog
from harness.variants.training import augment, log
from harness.variants.training.losses import softened_kl
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
    distillation=Distillation((Recipe((Initialise("resnet8", 7),)),)),
)
DECOUPLED = replace(
    EVERYTHING,
    augmentation=replace(EVERYTHING.augmentation, cutmix_share=0.0, mixup_share=0.0),
    distillation=Distillation((Recipe((Initialise("resnet8", 7),)),), method="dkd"),
)
# One step over all images as they are: its loss can be computed by hand.
ONCE = replace(STEP, epochs=1, batch=120, augmentation=Augmentation("none", 0), label_smoothing=0.0, bf16=False)
IMAGES, LABELS = torch.from_numpy(DATA.images).float() / 255, torch.from_numpy(DATA.labels)


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


@pytest.mark.parametrize("step", [STEP, EVERYTHING, DECOUPLED], ids=["modern", "everything", "decoupled"])
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
    with pytest.raises(
        BuildError, match=r"became nan in step 1 of epoch 2; the last good state is .*state\.pt\. Lower"
    ):
        train(student, STEP, DATA, state, ID, poison)
    assert torch.load(state, weights_only=True)["epoch"] == 1


def test_no_good_state_is_named_where_there_is_none(tmp_path: Path) -> None:
    student, state = network(), tmp_path / "state.pt"
    with torch.no_grad():
        student.network.head.weight.fill_(torch.nan)
    with pytest.raises(BuildError, match=r"became nan in step 1 of epoch 1; no epoch ended well, so nothing is kept"):
        train(student, STEP, DATA, state, ID, lambda _: None)
    assert not state.exists()


@pytest.mark.parametrize("epochs", [1, 2])
def test_an_update_that_ruins_the_weights_is_not_kept(tmp_path: Path, epochs: int) -> None:
    """A step of 1e38 times the sum of the weights' decay and gradient: finite before, infinite after."""
    step = replace(ONCE, epochs=epochs, optimizer=Optimizer("sgd", rate=3e38), schedule=Schedule(warmup_share=0.0))
    reported: list[Progress] = []
    with pytest.raises(BuildError, match="weights are no longer finite after epoch 1; no epoch ended well"):
        train(loud(), step, DATA, tmp_path / "state.pt", ID, reported.append)
    assert reported == []
    assert not (tmp_path / "state.pt").exists()


def loud() -> nn.Module:
    """A network whose gradients are large while its logits are small."""
    student = network()
    with torch.no_grad():
        student.network.head.weight.mul_(50)
    return student


def test_held_out_images_are_judged_and_not_learned_from(tmp_path: Path) -> None:
    """Other pixels in the held-out images change their accuracy and not a bit of the weights."""
    step = replace(STEP, validation_images=40)
    order = np.random.default_rng(0).permutation(120)
    shares: dict[str, list[float | None]] = {}

    def trained(name: str, changed: list[int]) -> nn.Module:
        images = DATA.images.copy()
        images[changed] = 255 - images[changed]
        shares[name] = []
        note = lambda progress: shares[name].append(progress.accuracy_validation)  # noqa: E731
        return train(network(), step, replace(DATA, images=images), tmp_path / f"{name}.pt", ID, note)

    plain = trained("plain", [])
    assert same(plain, trained("held out", order[80:].tolist()))
    assert not same(plain, trained("learned", order[79:80].tolist()))
    with torch.no_grad():
        held = IMAGES[torch.from_numpy(order[80:].copy())]
        hits = plain(held).argmax(1) == LABELS[torch.from_numpy(order[80:].copy())]
    assert shares["plain"][-1] == pytest.approx(hits.float().mean().item(), abs=0.051)  # bf16 may turn two
    assert shares["held out"] != shares["plain"]


def test_held_out_accuracy_is_computed_as_wide_as_the_training(tmp_path: Path) -> None:
    widths: list[torch.dtype] = []
    student = network()
    student.network.head.register_forward_hook(lambda *seen: widths.append(seen[2].dtype))
    for bf16 in (False, True):
        step = replace(STEP, epochs=1, validation_images=40, bf16=bf16)
        train(student, step, DATA, tmp_path / f"{bf16}.pt", ID, lambda _: None)
    assert widths == [torch.float32] * 3 + [torch.bfloat16] * 3


@pytest.mark.parametrize(
    ("fields", "numbers"),
    [
        ({"batch": 121}, "0 of the 120 training images are held out, which leaves 120, fewer than one batch of 121"),
        ({"validation_images": 81}, "81 of the 120 .* leaves 39, fewer than one batch of 40"),
        ({"validation_images": 121}, "121 of the 120 .* leaves 0, fewer than one batch of 40"),
    ],
)
def test_less_than_a_batch_to_learn_from_is_an_error(tmp_path: Path, fields: dict[str, int], numbers: str) -> None:
    with pytest.raises(UsageError, match=numbers):
        train(network(), replace(STEP, **fields), DATA, tmp_path / "a.pt", ID, lambda _: None)  # type: ignore[arg-type]


def loss_of(step: Train, path: Path, teachers: Sequence[nn.Module] = ()) -> float:
    """The loss that the one epoch of `step` reports."""
    losses: list[float] = []
    train(network(), step, DATA, path, ID, lambda progress: losses.append(progress.loss), teachers)
    assert len(losses) == 1
    return losses[0]


def test_several_teachers_answer_by_the_mean_of_their_logits(tmp_path: Path) -> None:
    teachers = [catalog.create(Initialise("resnet8", seed)).eval() for seed in (7, 8)]
    for label, teacher in enumerate(teachers):  # each is sure of a label of its own
        with torch.no_grad():
            teacher.network.head.weight.zero_()
            teacher.network.head.bias.copy_(8.0 * torch.eye(10)[label])
    named = tuple(Recipe((Initialise("resnet8", seed),)) for seed in (7, 8))
    step = replace(ONCE, distillation=Distillation(named, soft_share=1.0, temperature=2.0))
    with torch.no_grad():
        answers = torch.stack([teacher(IMAGES) for teacher in teachers])
        logits = network().train()(IMAGES)
    by_hand = [softened_kl(logits, soft, 2.0).item() for soft in (answers.mean(0), *answers)]
    found = loss_of(step, tmp_path / "a.pt", teachers)
    assert found == pytest.approx(by_hand[0], rel=1e-4)
    assert all(abs(by_hand[0] - alone) > 0.2 * by_hand[0] for alone in by_hand[1:])


@pytest.mark.parametrize("kind", ["cutmix_share", "mixup_share"])
def test_a_mixed_batch_counts_each_label_by_its_share(tmp_path: Path, kind: str) -> None:
    step = replace(ONCE, augmentation=Augmentation("none", 0, **{kind: 1.0}))  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(step.seed * 100_003)
    shuffled = torch.from_numpy(np.random.default_rng(0).permutation(120))
    order = shuffled[torch.randperm(120, generator=generator)]
    mixed = augment.mix(IMAGES[order], step.augmentation, generator)
    with torch.no_grad():
        logits = network().train()(mixed.images)
    own, other = LABELS[order], LABELS[order][mixed.partner]
    shares = [mixed.share, 1 - mixed.share]
    by_hand = [
        (share * functional.cross_entropy(logits, own) + (1 - share) * functional.cross_entropy(logits, other)).item()
        for share in shares
    ]
    assert loss_of(step, tmp_path / "a.pt") == pytest.approx(by_hand[0], rel=1e-4)
    assert abs(by_hand[0] - by_hand[1]) > 2e-3


def test_the_running_mean_of_two_steps_by_hand(tmp_path: Path) -> None:
    student = network()
    states = [copy.deepcopy(student.network.head.weight.detach())]
    note = lambda _: states.append(copy.deepcopy(student.network.head.weight.detach()))  # noqa: E731
    step = replace(ONCE, epochs=2, ema_decay=0.9)
    mean = train(student, step, DATA, tmp_path / "a.pt", ID, note)
    expected = 0.9 * (0.9 * states[0] + 0.1 * states[1]) + 0.1 * states[2]
    assert not torch.allclose(states[0], states[2], atol=1e-4)
    assert torch.allclose(mean.network.head.weight, expected, atol=1e-7)


def half_trained(path: Path) -> dict[str, Any]:
    with pytest.raises(KeyboardInterrupt):
        train(network(), STEP, DATA, path, ID, interrupt)
    state: dict[str, Any] = torch.load(path, weights_only=True)
    return state


def test_a_damaged_checkpoint_is_named_and_to_be_removed(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    half_trained(path)
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:100], b"", b"not a checkpoint"):
        path.write_bytes(content)
        with pytest.raises(BuildError, match=r"the checkpoint .*state\.pt is damaged .*; remove it"):
            train(network(), STEP, DATA, path, ID, lambda _: None)
    path.unlink()
    train(network(), STEP, DATA, path, ID, lambda _: None)


@pytest.mark.parametrize("content", [{"weights": 1}, [1, 2], torch.zeros(2)], ids=["dict", "list", "tensor"])
def test_what_is_no_checkpoint_is_said_to_be_none(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "state.pt")
    with pytest.raises(BuildError, match=r"state\.pt is no checkpoint of this harness; remove it"):
        train(network(), STEP, DATA, tmp_path / "state.pt", ID, lambda _: None)


def test_a_checkpoint_that_does_not_fit_is_to_be_removed(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    state = half_trained(path)
    head = {**state["network"], "network.head.weight": torch.zeros(10, 5)}
    faulty = [
        {**state, "network": head},  # as after a pruning to milliseconds that came out otherwise
        {**state, "network": [1]},
        {**state, "optimizers": state["optimizers"][:1]},
        {**state, "epoch": None},
        {"recipe": ID},
    ]
    for content in faulty:
        torch.save(content, path)
        with pytest.raises(BuildError, match=r"state\.pt does not fit the network that is trained \(.*\); remove it"):
            train(network(), STEP, DATA, path, ID, lambda _: None)


def test_ruined_weights_of_an_earlier_version_are_not_resumed(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    state = half_trained(path)
    state["network"]["network.head.weight"].fill_(torch.inf)
    torch.save(state, path)
    with pytest.raises(BuildError, match=r"state\.pt holds weights that are not finite; remove it"):
        train(network(), STEP, DATA, path, ID, lambda _: None)


def test_one_training_at_a_time(tmp_path: Path) -> None:
    """A second builder is refused while the first holds the lock, and touches nothing; another training is free."""
    refused: list[str] = []

    def meanwhile(_line: str) -> None:
        with pytest.raises(BuildError, match=f"another process is training {ID} in .*wait until it has ended"):
            log.train_and_log(network(), STEP, DATA, (tmp_path, ID), lambda _: None)
        log.train_and_log(network(), replace(STEP, epochs=1), DATA, (tmp_path, "other"), lambda _: None)
        refused.append(ID)

    log.train_and_log(network(), STEP, DATA, (tmp_path, ID), meanwhile)
    assert refused == [ID] * 2
    assert list(log.read_seconds(tmp_path / f"{ID}.log.jsonl")) == [1, 2]
    log.train_and_log(network(), STEP, DATA, (tmp_path, ID), lambda _: None)  # it is free again


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
