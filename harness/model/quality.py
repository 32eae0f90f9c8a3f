"""What is known of a classifier beyond its top-1 accuracy, for the record. Frozen values; sees no logits.

Every share is in [0, 1]. What follows from a stored figure by one line is a property, so that the two never disagree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ClassFigures:
    """One class. `images`: how many are of it. A figure whose denominator is zero is None.

    precision: None where the class was never predicted; recall: None where no image is of it; f1: where both hold.
    """

    images: int
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True)
class CalibrationFigures:
    """ece, adaptive_ece: shares; nll: nats per image; brier: in [0, 2]. Formulas: harness.variants.quality."""

    ece: float
    adaptive_ece: float
    nll: float
    brier: float


@dataclass(frozen=True)
class Calibration:
    """How far the confidences can be believed, as they are and after division of the logits by one temperature.

    `images`: how many the figures are over. `fitted_*` name the images that the temperature was fitted on, which are
    never those of the figures; `missing` says why there is no temperature where there is none.
    """

    images: int
    before: CalibrationFigures
    after: CalibrationFigures | None = None
    temperature: float | None = None
    fitted_dataset: str | None = None
    fitted_images: int | None = None
    fitted_sha256: str | None = None
    missing: str | None = None


@dataclass(frozen=True)
class Quality:
    """One artifact over one split: `dataset_sha256` is the split's, `sha256` the model file's.

    `confusion`: rows are true classes, columns predicted ones, counts of images; `per_class` in label order;
    `mean_class_accuracy`: the mean recall of the classes that have images. `robustness`: top-1 by corruption, at the
    severities 1 to 5, all over the same `robustness_images` images.
    """

    variant: str
    sha256: str
    dataset: str
    dataset_sha256: str
    images: int
    confusion: tuple[tuple[int, ...], ...]
    per_class: tuple[ClassFigures, ...]
    mean_class_accuracy: float
    calibration: Calibration
    robustness: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    robustness_images: int = 0

    @property
    def top1(self) -> float:
        """Share of images whose class was predicted."""
        return sum(row[label] for label, row in enumerate(self.confusion)) / self.images

    @property
    def corruption_accuracy(self) -> dict[str, float]:
        """Top-1 by corruption, the mean of its severities."""
        return {name: sum(shares) / len(shares) for name, shares in self.robustness.items()}

    @property
    def mean_corruption_accuracy(self) -> float | None:
        """Mean of `corruption_accuracy`, every corruption counting alike; None where none was applied."""
        means = self.corruption_accuracy.values()
        return sum(means) / len(means) if means else None

    @property
    def worst_corruption(self) -> str | None:
        """The corruption with the lowest `corruption_accuracy`; None where none was applied."""
        means = self.corruption_accuracy
        return min(means, key=means.__getitem__) if means else None


@dataclass(frozen=True)
class Paired:
    """Two artifacts on the same images. `only_a_right`: images that a has right and b wrong; `only_b_right` likewise.

    `difference`: top-1 of b minus top-1 of a, a share (times 100: points); `low`, `high`: its 95 % interval, which is
    not quite centred on it; `p_value`: of McNemar's exact test that neither is the better.
    """

    a: str
    b: str
    a_sha256: str
    b_sha256: str
    dataset: str
    dataset_sha256: str
    images: int
    only_a_right: int
    only_b_right: int
    p_value: float
    difference: float
    low: float
    high: float
