"""How a training goes: its optimizer, its rates over time, what its images meet. Values that a recipe's steps hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.errors import UsageError
from harness.model import bounds

OptimizerKind = Literal["muon", "sgd", "adam"]
ScheduleKind = Literal["one-cycle", "cyclic"]
Flip = Literal["alternate", "random", "none"]


@dataclass(frozen=True)
class Optimizer:
    """muon: Muon for the filters behind the stem, Nesterov SGD for all else; sgd: Nesterov for all; adam: Adam.

    `rate`, `momentum` and `weight_decay` are SGD's; Adam takes the rate alone.
    """

    kind: OptimizerKind = "muon"
    rate: float = 0.1
    momentum: float = 0.85
    weight_decay: float = 1e-3
    muon_rate: float = 0.12
    muon_momentum: float = 0.6

    def __post_init__(self) -> None:
        bounds.one_of("optimizer", self.kind, OptimizerKind)
        bounds.positive(rate=self.rate, muon_rate=self.muon_rate)
        bounds.part(momentum=self.momentum, muon_momentum=self.muon_momentum)
        if self.kind != "adam":  # torch has no Nesterov step without one
            bounds.positive(momentum=self.momentum)
        bounds.not_negative(weight_decay=self.weight_decay)


@dataclass(frozen=True)
class Schedule:
    """one-cycle: linear up over `warmup_share`, then linear down to 0. cyclic: triangles of `cycle_epochs` epochs
    between `floor` (a share of the peak rate) and the peak, beginning and ending at the floor.

    Source of the cyclic one: L. Smith, "Cyclical learning rates for training neural networks" (2017), "triangular".
    """

    kind: ScheduleKind = "one-cycle"
    warmup_share: float = 0.05
    cycle_epochs: int = 8
    floor: float = 0.01

    def __post_init__(self) -> None:
        bounds.one_of("schedule", self.kind, ScheduleKind)
        bounds.shares(warmup_share=self.warmup_share, floor=self.floor)
        bounds.whole(1, cycle_epochs=self.cycle_epochs)

    def share_at(self, progress: float, epochs: int) -> float:
        """Share of the peak rate at `progress`, the part of the training that is done, in [0, 1)."""
        if self.kind == "cyclic":
            phase = progress * epochs / self.cycle_epochs % 1
            return self.floor + (1 - self.floor) * (1 - abs(2 * phase - 1))
        if progress < self.warmup_share:
            return (progress + 1e-3) / (self.warmup_share + 1e-3)
        return (1 - progress) / (1 - self.warmup_share)


@dataclass(frozen=True)
class Augmentation:
    """What each image meets before the network sees it. `brightness`: the largest relative change.

    `cutmix_share` and `mixup_share`: the shares of batches that are mixed either way, by Beta(1, 1).
    """

    flip: Flip = "alternate"
    translate_pixels: int = 4
    cutout_pixels: int = 0
    brightness: float = 0.0
    cutmix_share: float = 0.0
    mixup_share: float = 0.0

    def __post_init__(self) -> None:
        bounds.one_of("flip", self.flip, Flip)
        bounds.whole(0, translate_pixels=self.translate_pixels, cutout_pixels=self.cutout_pixels)
        bounds.shares(brightness=self.brightness, cutmix_share=self.cutmix_share, mixup_share=self.mixup_share)
        if self.cutmix_share + self.mixup_share > 1:
            raise UsageError("cutmix_share and mixup_share are shares of the same batches: together at most 1")
