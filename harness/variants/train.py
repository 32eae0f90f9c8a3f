"""Training from a recipe: one function from recipe, data and folder to weights. Owns the loop and its checkpoints.

The same code runs on CPU and CUDA. Randomness of an epoch comes from (seed, epoch) alone, so a training that was
interrupted and resumed ends with the same weights as one that was not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.datasets.cifar10 import Split
from harness.errors import BuildError
from harness.model.recipe import TrainRecipe
from harness.variants import augment, catalog
from harness.variants.optimizers import Muon


@dataclass(frozen=True)
class Progress:
    """Where a training stands after an epoch; accuracy_validation is None where no images were held out."""

    epoch: int
    epochs: int
    loss: float
    accuracy_validation: float | None
    elapsed_s: float
    remaining_s: float


def train(recipe: TrainRecipe, data: Split, checkpoint: Path, report: Callable[[Progress], None]) -> nn.Module:
    """Train to the end of the recipe, from `checkpoint` where it holds an earlier part of the same recipe.

    Raises BuildError on a checkpoint of another recipe and when the loss stops being finite (the checkpoint of the
    last good epoch stays).
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    images, labels, held_images, held_labels = _hold_out(recipe, data, device)
    network = catalog.create(recipe.network, recipe.seed).to(device).to(memory_format=torch.channels_last)
    optimizers = _optimizers(recipe, network)
    first_flipped = torch.from_numpy(np.random.default_rng(recipe.seed).random(len(images)) < 0.5).to(device)
    first_epoch = _resume(checkpoint, recipe, network, optimizers)
    started = time.monotonic()
    for epoch in range(first_epoch, recipe.epochs):
        generator = torch.Generator().manual_seed(recipe.seed * 100_003 + epoch)
        moved = augment.translate(images, recipe.translate_pixels, generator)
        view = augment.alternate_flip(moved, first_flipped, epoch)
        loss = _epoch(recipe, epoch, network, optimizers, view, labels, generator)
        if not math.isfinite(loss):
            raise BuildError(
                f"the loss of {recipe.network} became {loss} in epoch {epoch + 1}; "
                f"the last good state is {checkpoint}. Lower the learning rate"
            )
        _save(checkpoint, recipe, epoch + 1, network, optimizers)
        accuracy = accuracy_of(network, held_images, held_labels) if len(held_images) else None
        elapsed = time.monotonic() - started
        remaining = elapsed / (epoch + 1 - first_epoch) * (recipe.epochs - epoch - 1)
        report(Progress(epoch + 1, recipe.epochs, loss, accuracy, elapsed, remaining))
    return network.eval()


def accuracy_of(network: nn.Module, images: Tensor, labels: Tensor, batch: int = 500) -> float:
    """Share of `images` (uint8) whose largest logit is the label; single view."""
    network.eval()
    with torch.no_grad(), _autocast(images.device):
        hits = sum(
            int((network(part.float() / 255).argmax(1) == truth).sum())
            for part, truth in zip(images.split(batch), labels.split(batch), strict=True)
        )
    return hits / len(images)


def _epoch(
    recipe: TrainRecipe,
    epoch: int,
    network: nn.Module,
    optimizers: list[torch.optim.Optimizer],
    images: Tensor,
    labels: Tensor,
    generator: torch.Generator,
) -> float:
    network.train()
    steps = len(images) // recipe.batch
    total, order = 0.0, torch.randperm(len(images), generator=generator).to(images.device)
    for step in range(steps):
        chosen = order[step * recipe.batch : (step + 1) * recipe.batch]
        _set_rates(optimizers, recipe.rate_at((epoch * steps + step) / (recipe.epochs * steps)))
        batch = (images[chosen].float() / 255).contiguous(memory_format=torch.channels_last)
        with _autocast(images.device):
            logits = network(batch)
        loss = functional.cross_entropy(logits.float(), labels[chosen], label_smoothing=recipe.label_smoothing)
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        total += loss.item()
    return total / max(steps, 1)


def _optimizers(recipe: TrainRecipe, network: nn.Module) -> list[torch.optim.Optimizer]:
    """Muon for the 4-d filters behind the stem; SGD with Nesterov for the stem, norms, biases and head."""
    filters = [p for p in network.parameters() if p.dim() == 4 and p.size(1) > 3]
    known = {id(p) for p in filters}
    others = [p for p in network.parameters() if id(p) not in known]
    decay = recipe.weight_decay
    sgd = torch.optim.SGD(others, lr=recipe.sgd_rate, momentum=recipe.sgd_momentum, weight_decay=decay, nesterov=True)
    muon = Muon(filters, lr=recipe.muon_rate, momentum=recipe.muon_momentum)
    for optimizer in (muon, sgd):
        for group in optimizer.param_groups:
            group["peak_lr"] = group["lr"]
    return [muon, sgd]


def _set_rates(optimizers: list[torch.optim.Optimizer], share: float) -> None:
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak_lr"] * share


def _hold_out(recipe: TrainRecipe, data: Split, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Shuffle with a fixed seed and put the last `validation_images` aside: images, labels, held images, labels."""
    order = np.random.default_rng(0).permutation(len(data.images))  # one split for every recipe, whatever its seed
    cut = len(order) - recipe.validation_images
    images = torch.from_numpy(data.images[order]).to(device)
    labels = torch.from_numpy(data.labels[order]).to(device)
    return images[:cut], labels[:cut], images[cut:], labels[cut:]


def _autocast(device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, dtype=torch.bfloat16)


def _save(
    path: Path, recipe: TrainRecipe, epoch: int, network: nn.Module, optimizers: list[torch.optim.Optimizer]
) -> None:
    state = {
        "recipe": recipe.id,
        "epoch": epoch,
        "network": network.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)


def _resume(path: Path, recipe: TrainRecipe, network: nn.Module, optimizers: list[torch.optim.Optimizer]) -> int:
    if not path.exists():
        return 0
    state = torch.load(path, map_location="cpu", weights_only=True)
    if state["recipe"] != recipe.id:
        raise BuildError(f"{path} belongs to recipe {state['recipe']}, not {recipe.id}; remove it or build that one")
    network.load_state_dict(state["network"])
    for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    return int(state["epoch"])
