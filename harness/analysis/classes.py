"""What a case's model took the images of each class for: counted from the run itself, else as recorded before it.

Pure: a record, and what is known of its artifact, in; counts out. Knows no report.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from harness.datasets.confusion import Counts, class_figures, confusion, row_shares
from harness.datasets.table import TABLE, dataset_of_split
from harness.model.proportion import wilson_interval
from harness.model.quality import ClassFigures, Quality
from harness.model.trial import Record, Trial


@dataclass(frozen=True)
class Answers:
    """counts: (classes, classes), rows are true classes, columns predicted ones, in images.

    measured: in this run; else recorded earlier for exactly the same file. names: of the classes, their numbers where
    nobody knows better.
    """

    counts: Counts
    measured: bool
    names: tuple[str, ...]

    @property
    def images(self) -> int:
        """Classified in all."""
        return int(self.counts.sum())

    @property
    def of_class(self) -> tuple[int, ...]:
        """Images of each true class."""
        return tuple(self.counts.sum(1).tolist())

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """Of each true class's images, in [0, 1]; NaN where no image is of the class."""
        return row_shares(self.counts)

    @cached_property
    def figures(self) -> tuple[ClassFigures, ...]:
        """Precision, recall and F1 by class."""
        return class_figures(self.counts)

    def recall_interval(self, label: int) -> tuple[float, float] | None:
        """95 %, Wilson's, over the images of the class; None where there are none."""
        images = self.of_class[label]
        return wilson_interval(int(self.counts[label, label]), images) if images else None


@dataclass(frozen=True)
class Mistake:
    """Images of class `true` taken for class `predicted`. share: of all images of the true class, in [0, 1]."""

    true: int
    predicted: int
    count: int
    share: float


def answers(record: Record | None, quality: Quality | None) -> Answers | None:
    """Measured beats recorded; None where there is neither."""
    for trial in reversed(record.trials if record is not None else ()):
        outputs = trial.outputs
        if trial.mode == "accuracy" and trial.status == "ok" and len(outputs.top1) == len(outputs.label) > 0:
            return _measured(trial)
    return None if quality is None else _recorded(quality)


def mistakes(found: Answers) -> tuple[Mistake, ...]:
    """All that happened, the largest share first, then the larger count."""
    wrong = [
        Mistake(true, predicted, int(found.counts[true, predicted]), float(found.shares[true, predicted]))
        for true, predicted in np.argwhere(found.counts).tolist()
        if true != predicted
    ]
    return tuple(sorted(wrong, key=lambda one: (-one.share, -one.count, one.true, one.predicted)))


def comparable(one: Answers, other: Answers) -> bool:
    """Whether class by class they speak of the same."""
    return one.names == other.names


def _measured(trial: Trial) -> Answers:
    predicted = np.asarray(trial.outputs.top1, dtype=np.float64).astype(np.int64)
    true = np.asarray(trial.outputs.label, dtype=np.float64).astype(np.int64)
    images = dataset_of_split(trial.dataset_sha256)
    known = images.classes if images is not None else ()
    # A model tells its classes by its logits; one that answers less than it could shows them by no prediction.
    told = len(trial.outputs.logits) // len(predicted)
    classes = max(told, len(known), int(predicted.max()) + 1, int(true.max()) + 1)
    return Answers(confusion(predicted, true, classes), measured=True, names=_names(known, classes))


def _recorded(quality: Quality) -> Answers:
    counts = np.array(quality.confusion, dtype=np.int64)
    known = TABLE[quality.dataset].classes if quality.dataset in TABLE else ()
    return Answers(counts, measured=False, names=_names(known, len(counts)))


def _names(known: tuple[str, ...], classes: int) -> tuple[str, ...]:
    return known if len(known) == classes else tuple(str(number) for number in range(classes))
