"""A training with its log: one JSON line per epoch beside the checkpoint, which also holds the time it took.

Owns the log's form. The log survives interruptions, so the seconds of a training are those of all its parts.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from torch import nn

from harness.datasets.cifar10 import Split
from harness.model.codec import to_json
from harness.model.recipe import TrainRecipe
from harness.variants.train import Progress, train


def train_and_log(
    recipe: TrainRecipe, data: Split, folder: Path, report: Callable[[str], None]
) -> tuple[nn.Module, float | None]:
    """Train, or go on training, in `folder`; returns the network and the seconds spent before this call.

    The seconds are None where the checkpoint's earlier epochs left no log.
    """
    log = folder / f"{recipe.id}.log.jsonl"
    checkpoint = folder / f"{recipe.id}.pt"
    known_before = read_seconds(log)
    had_checkpoint = checkpoint.exists()
    folder.mkdir(parents=True, exist_ok=True)
    previous_s = 0.0

    def note(progress: Progress) -> None:
        nonlocal previous_s
        line = {"epoch_s": progress.elapsed_s - previous_s, **to_json(progress)}
        previous_s = progress.elapsed_s
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        report(
            f"{recipe.network}: epoch {progress.epoch} of {progress.epochs}, loss {progress.loss:.3f}, "
            f"about {progress.remaining_s / 60:.0f} min left"
        )

    network = train(recipe, data, checkpoint, note)
    if not had_checkpoint:
        return network, 0.0
    first_now = recipe.epochs - sum(1 for epoch in read_seconds(log) if epoch not in known_before)
    if set(known_before) >= set(range(1, first_now + 1)):
        return network, sum(known_before[epoch] for epoch in range(1, first_now + 1))
    return network, None


def read_seconds(log: Path) -> dict[int, float]:
    """Seconds by epoch number (from 1); the last line of an epoch counts. Empty where there is no log."""
    try:
        lines = log.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return {}
    rows = [json.loads(line) for line in lines]
    return {int(row["epoch"]): float(row["epoch_s"]) for row in rows}
