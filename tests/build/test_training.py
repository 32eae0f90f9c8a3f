from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch

from harness.errors import BuildError
from harness.model.recipe import TrainRecipe
from harness.variants import training_log
from harness.variants.train import Progress, train
from tests.support.pictures import pictures

DATA = pictures(120, seed=1)
RECIPE = TrainRecipe("fast", "made up", DATA.sha256, epochs=2, batch=40, seed=3)


def test_the_loss_falls(tmp_path: Path) -> None:
    losses: list[float] = []
    train(RECIPE, DATA, tmp_path / "state.pt", lambda progress: losses.append(progress.loss))
    assert len(losses) == 2
    assert losses[1] < losses[0]


def test_resumed_training_ends_with_the_same_bits(tmp_path: Path) -> None:
    def interrupt(_progress: Progress) -> None:
        raise KeyboardInterrupt

    whole = train(RECIPE, DATA, tmp_path / "whole.pt", lambda _: None)
    with pytest.raises(KeyboardInterrupt):
        train(RECIPE, DATA, tmp_path / "parts.pt", interrupt)
    epochs: list[int] = []
    resumed = train(RECIPE, DATA, tmp_path / "parts.pt", lambda progress: epochs.append(progress.epoch))

    assert epochs == [2]
    expected = whole.state_dict()
    for name, found in resumed.state_dict().items():
        assert torch.equal(found, expected[name]), name


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    torch.save({"recipe": "somebody else's"}, tmp_path / "state.pt")
    with pytest.raises(BuildError, match=rf"state\.pt belongs to recipe somebody else's, not {RECIPE.id}"):
        train(RECIPE, DATA, tmp_path / "state.pt", lambda _: None)


def test_the_log_holds_the_time_of_earlier_parts(tmp_path: Path) -> None:
    messages: list[str] = []

    def interrupt(_message: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training_log.train_and_log(RECIPE, DATA, tmp_path, interrupt)
    first = training_log.read_seconds(tmp_path / f"{RECIPE.id}.log.jsonl")
    _, earlier_s = training_log.train_and_log(RECIPE, DATA, tmp_path, messages.append)

    assert list(first) == [1]
    assert earlier_s == first[1]
    assert len(messages) == 1
    assert messages[0].startswith("fast: epoch 2 of 2, loss ")
    _, all_s = training_log.train_and_log(RECIPE, DATA, tmp_path, messages.append)
    assert all_s == sum(training_log.read_seconds(tmp_path / f"{RECIPE.id}.log.jsonl").values())


def test_time_is_unknown_where_earlier_epochs_left_no_log(tmp_path: Path) -> None:
    train(RECIPE, DATA, tmp_path / f"{RECIPE.id}.pt", lambda _: None)
    _, earlier_s = training_log.train_and_log(RECIPE, DATA, tmp_path, lambda _: None)
    assert earlier_s is None
