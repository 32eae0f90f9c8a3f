"""How a variant is made, as frozen values whose hash is the variant's identity. Owns the fields; builds nothing.

A recipe is a parent (another variant, or none) and a chain of steps. Its id covers the parent's id and every field of
every step, so it changes with anything that can change the artifact. A step carries a `revision`, raised when the
code behind it starts to compute something else.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.codec import content_id


@dataclass(frozen=True)
class Initialise:
    """A network with random weights: its latency and size are real, an accuracy would mean nothing."""

    network: str
    seed: int
    revision: int = 1


@dataclass(frozen=True)
class TrainRecipe:
    """Everything that decides the weights of a trained network, given the data.

    Rates are peaks; `rate_at` gives their share over the training. `validation_images` are held out of training (0:
    train on all, the choices having been made with a split).
    """

    network: str
    dataset: str
    dataset_sha256: str
    epochs: int
    batch: int
    seed: int
    muon_rate: float = 0.12
    muon_momentum: float = 0.6
    sgd_rate: float = 0.1
    sgd_momentum: float = 0.85
    weight_decay: float = 1e-3
    label_smoothing: float = 0.2
    translate_pixels: int = 4
    warmup_share: float = 0.05
    validation_images: int = 0
    revision: int = 1

    @property
    def id(self) -> str:
        """Content hash of all fields."""
        return content_id(self)

    def rate_at(self, progress: float) -> float:
        """Share of the peak rate at `progress` in [0, 1): linear up over `warmup_share`, then linear down to 0."""
        if progress < self.warmup_share:
            return (progress + 1e-3) / (self.warmup_share + 1e-3)
        return (1 - progress) / (1 - self.warmup_share)


@dataclass(frozen=True)
class QuantizeStatic:
    """Post-training int8 as QDQ: int8 weights symmetric per channel, uint8 activations, MinMax over training images."""

    dataset: str
    dataset_sha256: str
    images: int
    seed: int
    revision: int = 1


Step = Initialise | TrainRecipe | QuantizeStatic


@dataclass(frozen=True)
class Recipe:
    """`parent`: the recipe whose artifact the steps start from, or None; steps in order."""

    steps: tuple[Step, ...]
    parent: Recipe | None = None

    @property
    def id(self) -> str:
        """Content hash of the parent's id and of all steps."""
        named = tuple({"step": type(step).__name__, "fields": step} for step in self.steps)
        return content_id({"parent": self.parent.id if self.parent else None, "steps": named})
