"""Training from a recipe's step: one function from network, step and data to weights. Owns the loop and checkpoints.

The same code runs on CPU and CUDA. Randomness of an epoch comes from (seed, epoch) alone, so a training that was
interrupted and resumed ends with the same weights as one that was not.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.datasets.split import Split
from harness.errors import BuildError, UsageError
from harness.model.recipe import Train
from harness.variants.training import augment, losses
from harness.variants.training.optimizers import optimizers_of, set_rates


@dataclass(frozen=True)
class Progress:
    """Where a training stands after an epoch; accuracy_validation is None where no images were held out."""

    epoch: int
    epochs: int
    loss: float
    accuracy_validation: float | None
    elapsed_s: float
    remaining_s: float


@dataclass
class _Course:
    """A training under way: what one epoch needs of it, and what a checkpoint keeps."""

    step: Train
    network: nn.Module
    teachers: Sequence[nn.Module]
    optimizers: list[torch.optim.Optimizer]
    mean: nn.Module | None  # the running mean of the weights, where the step asks for one
    epoch: int = 0
    loss: float = field(default=math.nan)

    @property
    def outcome(self) -> nn.Module:
        """The network that the training gives."""
        return self.network if self.mean is None else self.mean


def train(
    network: nn.Module,
    step: Train,
    data: Split,
    checkpoint: Path,
    identity: str,
    report: Callable[[Progress], None],
    teachers: Sequence[nn.Module] = (),
) -> nn.Module:
    """Train `network` to the end of the step, from `checkpoint` where it holds an earlier part of the same training.

    `identity` names the recipe up to and with this step; a checkpoint of another is refused. Raises BuildError on
    that, on a damaged checkpoint, and when loss or weights stop being finite (the checkpoint of the last good epoch
    stays); UsageError where the step asks for more images than there are.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    images, labels, held_images, held_labels = _hold_out(step, data, device)
    network = network.to(device).to(memory_format=torch.channels_last)
    ready = [teacher.to(device).to(memory_format=torch.channels_last).eval() for teacher in teachers]
    mean = copy.deepcopy(network) if step.ema_decay else None
    course = _Course(step, network, ready, optimizers_of(step.optimizer, network), mean)
    _resume(checkpoint, identity, course)
    first_flipped = torch.from_numpy(np.random.default_rng(step.seed).random(len(images)) < 0.5).to(device)
    first_epoch, started = course.epoch, time.monotonic()
    with _dropout_before_head(network, step.dropout):
        for epoch in range(first_epoch, step.epochs):
            generator = torch.Generator().manual_seed(step.seed * 100_003 + epoch)
            view = augment.view_of_epoch(images, step.augmentation, first_flipped, epoch, generator)
            _epoch(course, view, labels, generator, checkpoint)
            course.epoch = epoch + 1
            _refuse_ruins(course, checkpoint)
            _save(checkpoint, identity, course)
            accuracy = accuracy_of(course.outcome, held_images, held_labels, step.bf16) if len(held_images) else None
            elapsed = time.monotonic() - started
            remaining = elapsed / (epoch + 1 - first_epoch) * (step.epochs - epoch - 1)
            report(Progress(epoch + 1, step.epochs, course.loss, accuracy, elapsed, remaining))
    return course.outcome.eval()


def accuracy_of(network: nn.Module, images: Tensor, labels: Tensor, bf16: bool, batch: int = 500) -> float:
    """Share of `images` (uint8) whose largest logit is the label; single view, in bf16 or else in fp32."""
    network.eval()
    with torch.no_grad(), _autocast(images.device, bf16):
        hits = sum(
            int((network(part.float() / 255).argmax(1) == truth).sum())
            for part, truth in zip(images.split(batch), labels.split(batch), strict=True)
        )
    return hits / len(images)


def _epoch(course: _Course, images: Tensor, labels: Tensor, generator: torch.Generator, checkpoint: Path) -> None:
    step, network = course.step, course.network
    network.train()
    steps = len(images) // step.batch
    total, order = 0.0, torch.randperm(len(images), generator=generator).to(images.device)
    with torch.random.fork_rng(devices=[]):  # dropout draws from the global generator
        torch.manual_seed(step.seed * 100_003 + course.epoch)
        for number in range(steps):
            chosen = order[number * step.batch : (number + 1) * step.batch]
            done = (course.epoch * steps + number) / (step.epochs * steps)
            set_rates(course.optimizers, step.schedule.share_at(done, step.epochs))
            loss = _loss(course, images[chosen].float() / 255, labels[chosen], generator)
            for optimizer in course.optimizers:
                optimizer.zero_grad(set_to_none=True)
            loss.backward()
            for optimizer in course.optimizers:
                optimizer.step()
            _follow(course)
            total += loss.item()
            if not math.isfinite(total):
                raise _diverged(
                    f"the loss became {loss.item()} in step {number + 1} of epoch {course.epoch + 1}", checkpoint
                )
    course.loss = total / max(steps, 1)


def _loss(course: _Course, batch: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    """The loss of one batch; teacher and student see the same augmented, mixed view."""
    step = course.step
    mixed = augment.mix(batch, step.augmentation, generator)
    view = mixed.images.contiguous(memory_format=torch.channels_last)
    with _autocast(view.device, step.bf16):
        logits = course.network(view)
    logits = logits.float()
    hard = functional.cross_entropy(logits, labels, label_smoothing=step.label_smoothing)
    if mixed.share < 1:
        others = functional.cross_entropy(logits, labels[mixed.partner], label_smoothing=step.label_smoothing)
        hard = mixed.share * hard + (1 - mixed.share) * others
    if step.distillation is None:
        return hard
    with torch.no_grad(), _autocast(view.device, True):  # whatever step.bf16 says: see Distillation
        soft = torch.stack([teacher(view).float() for teacher in course.teachers]).mean(0)
    share = step.distillation.soft_share
    return (1 - share) * hard + share * losses.distillation_loss(logits, soft, labels, step.distillation)


def _follow(course: _Course) -> None:
    """Let the running mean of the weights follow by one step."""
    if course.mean is None:
        return
    with torch.no_grad():
        decay = course.step.ema_decay
        for kept, now in zip(course.mean.state_dict().values(), course.network.state_dict().values(), strict=True):
            if kept.is_floating_point():
                kept.lerp_(now, 1 - decay)
            else:
                kept.copy_(now)


def _dropout_before_head(network: nn.Module, share: float) -> AbstractContextManager[object]:
    """Drop features before the last linear layer while training, within the context that this gives."""
    if share == 0:
        return nullcontext()
    linear = [module for module in network.modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise BuildError("the network has no linear layer, so dropout before its head has no place; set dropout to 0")

    def drop(module: nn.Module, features: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (functional.dropout(features[0], share, module.training), *features[1:])

    handle: AbstractContextManager[object] = linear[-1].register_forward_pre_hook(drop)
    return handle


def _hold_out(step: Train, data: Split, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Shuffle with a fixed seed and put the last `validation_images` aside: images, labels, held images, labels.

    UsageError where that leaves less than a batch.
    """
    left = len(data.images) - step.validation_images
    if left < step.batch:
        raise UsageError(
            f"{step.validation_images} of the {len(data.images)} training images are held out, which leaves "
            f"{max(left, 0)}, fewer than one batch of {step.batch}; lower validation_images or batch"
        )
    order = np.random.default_rng(0).permutation(len(data.images))  # one split for every recipe, whatever its seed
    images = torch.from_numpy(data.images[order]).to(device)
    labels = torch.from_numpy(data.labels[order]).to(device)
    return images[:left], labels[:left], images[left:], labels[left:]


def _autocast(device: torch.device, enabled: bool) -> torch.autocast:
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled)


def _save(path: Path, identity: str, course: _Course) -> None:
    state = {
        "recipe": identity,
        "epoch": course.epoch,
        "network": course.network.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in course.optimizers],
        "mean": course.mean.state_dict() if course.mean is not None else None,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)


def _resume(path: Path, identity: str, course: _Course) -> None:
    if not path.exists():
        return
    state = _read(path)
    if state["recipe"] != identity:
        raise BuildError(f"{path} belongs to recipe {state['recipe']}, not {identity}; remove it or build that one")
    try:
        course.network.load_state_dict(state["network"])
        if course.mean is not None:
            course.mean.load_state_dict(state["mean"])
        for optimizer, saved in zip(course.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        course.epoch = int(state["epoch"])
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        # A pruning by milliseconds ends with other widths each time, so its interrupted tuning may not fit.
        raise _unusable(path, "does not fit the network that is trained", error) from None
    if not _is_finite(course):
        raise _unusable(path, "holds weights that are not finite", None)


def _read(path: Path) -> dict[str, Any]:
    """The content of a checkpoint, of whatever recipe. BuildError where it is none."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise BuildError(
            f"{path} cannot be read: {error.strerror or error}; make it readable, then build again"
        ) from None
    except Exception as error:  # damaged pickles end in whatever their bytes happen to say
        raise _unusable(path, "is damaged", error) from error
    if not isinstance(state, dict) or "recipe" not in state:
        raise _unusable(path, "is no checkpoint of this harness", None)
    return state


def _unusable(path: Path, what: str, error: Exception | None) -> BuildError:
    reason = "" if error is None else f" ({' '.join(str(error).split())[:200] or type(error).__name__})"
    return BuildError(f"the checkpoint {path} {what}{reason}; remove it, and this training starts from its first epoch")


def _refuse_ruins(course: _Course, checkpoint: Path) -> None:
    """BuildError where the last update of an epoch left weights that no later epoch could go on from."""
    if not _is_finite(course):
        raise _diverged(f"the weights are no longer finite after epoch {course.epoch}", checkpoint)


def _is_finite(course: _Course) -> bool:
    networks = [one for one in (course.network, course.mean) if one is not None]
    values = [value for one in networks for value in one.state_dict().values() if value.is_floating_point()]
    return all(bool(value.isfinite().all()) for value in values)


def _diverged(what: str, checkpoint: Path) -> BuildError:
    kept = f"the last good state is {checkpoint}" if checkpoint.exists() else "no epoch ended well, so nothing is kept"
    return BuildError(f"{what}; {kept}. Lower the learning rate")
