"""How a variant is made, as frozen values whose hash is the variant's identity. Owns the fields; builds nothing.

A recipe is a parent (the recipe of another variant, or none) and a chain of steps, each a value of its own. The id
covers the parent's id and every field of every step, so it changes with anything that can change the artifact. A step
carries a `revision`, raised when the code behind it starts to compute something else.

Shares are in [0, 1]; rates are peaks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from harness.errors import UsageError
from harness.model import bounds
from harness.model.codec import Json, content_id
from harness.model.lesson import Augmentation, Optimizer, Schedule

Soft = Literal["kd", "dkd"]
Criterion = Literal["l1", "bn-scale", "taylor", "fpgm", "random"]
Target = Literal["macs", "parameters", "ms"]
Profile = Literal["cpu", "trt"]
Ranges = Literal["minmax", "percentile", "entropy"]
Width = Literal["fp16", "bf16"]


@dataclass(frozen=True)
class Initialise:
    """A network with random weights: its latency and size are real, an accuracy would mean nothing.

    `network`: a name of the catalog, ``torchvision:NAME``, or ``module:function``, for the classes and the pixels of
    `dataset`. `kaiming`: filters drawn as He et al. (2015) have it, by fan-out, in place of the layers' own default.
    """

    network: str
    seed: int
    dataset: str = "cifar10"
    kaiming: bool = False
    revision: int = 1


@dataclass(frozen=True)
class Distillation:
    """Learn from the mean of the teachers' softened answers as well as from the labels.

    The loss is (1 - soft_share) x cross-entropy + soft_share x T^2 x KL (`kd`: Hinton et al., 2015), or with the KL
    term split into target and other classes weighted `target_weight` and `other_weight` (`dkd`: Zhao et al., 2022).
    Teachers compute in bf16, whatever the student does: what is built so was learned from those answers.
    """

    teachers: tuple[Recipe, ...]
    method: Soft = "kd"
    soft_share: float = 0.6
    temperature: float = 4.0
    target_weight: float = 1.0
    other_weight: float = 8.0

    def __post_init__(self) -> None:
        bounds.one_of("distillation method", self.method, Soft)
        if not self.teachers:
            raise UsageError("a distillation needs at least one teacher")
        bounds.shares(soft_share=self.soft_share)
        bounds.positive(temperature=self.temperature)
        bounds.not_negative(target_weight=self.target_weight, other_weight=self.other_weight)


@dataclass(frozen=True)
class Train:
    """Everything that decides the weights of a trained network, given where it starts and the data.

    `dropout`: share of the features before the head. `ema_decay`: of a running mean of the weights per step, which is
    what the training gives; 0 for the last weights. `validation_images` are held out (0: train on all, the choices
    having been made with a split).
    """

    dataset: str
    dataset_sha256: str
    epochs: int
    batch: int
    seed: int
    optimizer: Optimizer = field(default_factory=Optimizer)
    schedule: Schedule = field(default_factory=Schedule)
    augmentation: Augmentation = field(default_factory=Augmentation)
    label_smoothing: float = 0.2
    dropout: float = 0.0
    ema_decay: float = 0.0
    bf16: bool = True
    distillation: Distillation | None = None
    validation_images: int = 0
    revision: int = 1

    def __post_init__(self) -> None:
        bounds.whole(1, epochs=self.epochs, batch=self.batch)
        bounds.whole(0, seed=self.seed, validation_images=self.validation_images)
        bounds.shares(label_smoothing=self.label_smoothing)
        bounds.part(dropout=self.dropout, ema_decay=self.ema_decay)
        mixed = self.augmentation.cutmix_share + self.augmentation.mixup_share > 0
        if mixed and self.distillation is not None and self.distillation.method == "dkd":
            raise UsageError(
                "dkd sets one label apart, and an image of CutMix or MixUp has two; distil by kd, or set cutmix_share "
                "and mixup_share to 0"
            )


@dataclass(frozen=True)
class Prune:
    """Remove whole channels, and everything that depends on them, until `keep` of the target is left.

    `target`: MACs, parameters, or milliseconds measured on the building machine. The way there has `rounds` equal
    steps, each followed by `tuning`; the channel counts left are multiples of `round_to`, which the kernels need.
    """

    criterion: Criterion
    target: Target
    keep: float
    dataset: str
    dataset_sha256: str
    seed: int
    rounds: int = 1
    round_to: int = 16
    tuning: Train | None = None
    revision: int = 1

    def __post_init__(self) -> None:
        bounds.one_of("pruning criterion", self.criterion, Criterion)
        bounds.one_of("pruning target", self.target, Target)
        if not 0 < self.keep < 1:
            raise UsageError(f"pruning keeps a share between 0 and 1, not {self.keep}")
        bounds.whole(0, seed=self.seed)
        bounds.whole(1, rounds=self.rounds, round_to=self.round_to)


@dataclass(frozen=True)
class Sparsify:
    """Zero the smallest weights in place: it saves storage under compression, and neither time nor memory."""

    share: float
    seed: int = 0
    revision: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise UsageError(f"sparsity zeroes a share between 0 and 1, not {self.share!r}; correct the recipe")


@dataclass(frozen=True)
class QuantizeStatic:
    """Post-training int8 as QDQ, int8 weights symmetric per channel, ranges found on training images.

    cpu: uint8 activations, whose zero point absorbs each ReLU. trt: symmetric int8 activations with zero point 0, as
    TensorRT wants them. `wide`: names of nodes that stay in floats.
    """

    dataset: str
    dataset_sha256: str
    images: int
    seed: int
    profile: Profile = "cpu"
    ranges: Ranges = "minmax"
    wide: tuple[str, ...] = ()
    revision: int = 1

    def __post_init__(self) -> None:
        bounds.one_of("quantization profile", self.profile, Profile)
        bounds.one_of("calibration method", self.ranges, Ranges)
        bounds.whole(1, images=self.images)
        bounds.whole(0, seed=self.seed)


@dataclass(frozen=True)
class QuantizeAware:
    """int8 ranges learned together with the weights: `tuning` runs with fake quantizers, whose ranges are then
    written into the same QDQ form as post-training quantization gives."""

    tuning: Train
    calibration: QuantizeStatic
    revision: int = 1

    def __post_init__(self) -> None:
        if self.calibration.wide:
            named = ", ".join(str(name) for name in self.calibration.wide)
            raise UsageError(
                f"quantization-aware training rounds every layer, also {named}; leave "
                "`wide` empty, or keep layers in floats by QuantizeStatic after a training without rounding"
            )


@dataclass(frozen=True)
class MixedPrecision:
    """int8, except for the layers that cost most accuracy, which stay in floats, under one of two limits.

    `loss`: as few layers as keep the share of top-1 agreement lost on `images` training images at or below it.
    `slowdown`: as many as keep the milliseconds measured on the building machine at or below (1 + slowdown) times
    those of all int8.
    """

    calibration: QuantizeStatic
    loss: float | None = None
    slowdown: float | None = None
    images: int = 2048
    revision: int = 1

    def __post_init__(self) -> None:
        if (self.loss is None) == (self.slowdown is None):
            raise UsageError("mixed precision has one limit: give loss or slowdown")
        if self.loss is not None and not 0 < self.loss < 1:
            raise UsageError(f"loss is a share between 0 and 1, not {self.loss!r}; correct the recipe")
        if self.slowdown is not None:
            bounds.positive(slowdown=self.slowdown)
        bounds.whole(1, images=self.images)


@dataclass(frozen=True)
class Narrow:
    """The whole graph in 16-bit floats, input and output staying 32 bits wide."""

    to: Width
    seed: int = 0
    revision: int = 1

    def __post_init__(self) -> None:
        bounds.one_of("width", self.to, Width)


Step = Initialise | Train | Prune | Sparsify | QuantizeStatic | QuantizeAware | MixedPrecision | Narrow


@dataclass(frozen=True)
class Recipe:
    """`parent`: the recipe whose result the steps start from, or None; steps in order."""

    steps: tuple[Step, ...]
    parent: Recipe | None = None

    @property
    def id(self) -> str:
        """Content hash of the parent's id and of all steps."""
        return content_id({"parent": _identity(self.parent), "steps": _identity(self.steps)})

    @property
    def origin(self) -> Initialise:
        """The step that made the network, here or in an ancestor. UsageError where no ancestor starts with one."""
        if self.steps and isinstance(self.steps[0], Initialise):
            return self.steps[0]
        if self.parent is None:
            raise UsageError("a recipe without parent must start with Initialise")
        return self.parent.origin

    @property
    def learning(self) -> Train | None:
        """The last training up the line; None where nothing was ever learned from data."""
        for step in reversed(self.steps):
            if (lesson := _lesson(step)) is not None:
                return lesson
        return self.parent.learning if self.parent is not None else None

    @property
    def own_teachers(self) -> tuple[Recipe, ...]:
        """The teachers of all steps of this recipe, each once."""
        lessons = [_lesson(step) for step in self.steps]
        named = [one.distillation.teachers for one in lessons if one is not None and one.distillation is not None]
        return tuple(dict.fromkeys(teacher for teachers in named for teacher in teachers))

    @property
    def teachers(self) -> tuple[Recipe, ...]:
        """The teachers here, or else of the nearest ancestor that had any; none where nothing was distilled."""
        return self.own_teachers or (self.parent.teachers if self.parent is not None else ())

    @property
    def starts_from_network(self) -> bool:
        """Whether the parent's weights are needed for it, and not only the parent's file."""
        return isinstance(self.steps[0], _ON_NETWORKS)

    @property
    def is_quick(self) -> bool:
        """Whether the recipe's own steps take seconds and always give the same bytes, given the parent.

        Training and pruning take longer, and a limit of time follows what the machine does just then.
        """
        timed = any(isinstance(step, MixedPrecision) and step.slowdown is not None for step in self.steps)
        return not timed and not any(isinstance(step, _ON_NETWORKS) for step in self.steps)

    def up_to(self, count: int) -> Recipe:
        """The recipe of the state after the first `count` steps, by which an unfinished build is found again."""
        return Recipe(self.steps[:count], self.parent)


_ON_NETWORKS = (Train, Prune, Sparsify, QuantizeAware)


def _lesson(step: Step) -> Train | None:
    lesson = step if isinstance(step, Train) else getattr(step, "tuning", None)
    return lesson if isinstance(lesson, Train) else None


def _identity(value: object) -> Json:
    """A step as JSON with the names of its classes, other recipes by their ids."""
    if isinstance(value, Recipe):
        return value.id
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {one.name: _identity(getattr(value, one.name)) for one in dataclasses.fields(value)}
        return {"is": type(value).__name__, **fields}
    if isinstance(value, tuple):
        return [_identity(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _identity(item) for key, item in value.items()}
    return value
