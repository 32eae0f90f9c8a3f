"""What a classifier took the images of each class for, and what follows of every class. Pure functions over counts.

Both those who build artifacts and those who analyse a run count here, so that one definition holds. Classes are
integers from 0; nothing here knows a model, a file or a record.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.errors import DataError
from harness.model.quality import ClassFigures

Labels = NDArray[np.int64]
Counts = NDArray[np.int64]


def confusion(predictions: Labels, labels: Labels, classes: int) -> Counts:
    """Counts (classes, classes): rows are true classes, columns predicted ones. DataError where a class is unknown."""
    check_pairs(len(predictions), len(labels))
    for what, values in (("label", labels), ("prediction", predictions)):
        if values.min() < 0 or values.max() >= classes:
            raise DataError(
                f"a {what} lies outside 0..{classes - 1} (found {values.min()} to {values.max()}); "
                "the model and the data set have different classes"
            )
    return np.bincount(labels * classes + predictions, minlength=classes * classes).reshape(classes, classes)


def class_figures(counts: Counts) -> tuple[ClassFigures, ...]:
    """Precision, recall and F1 of every class of a confusion matrix; None for what has nothing to be a share of."""
    right, of_class, predicted = counts.diagonal().tolist(), counts.sum(1).tolist(), counts.sum(0).tolist()
    return tuple(
        ClassFigures(n, _share(hit, m), _share(hit, n), _share(2 * hit, n + m))
        for hit, n, m in zip(right, of_class, predicted, strict=True)
    )


def mean_class_accuracy(counts: Counts) -> float:
    """Mean recall over the classes that have images."""
    of_class = counts.sum(1)
    present = of_class > 0
    return float((counts.diagonal()[present] / of_class[present]).mean())


def row_shares(counts: Counts) -> NDArray[np.float64]:
    """Each row as shares of its class's images, in [0, 1]; NaN throughout where no image is of the class."""
    of_class = counts.sum(1, keepdims=True).astype(np.float64)
    shares = np.full(counts.shape, np.nan)
    np.divide(counts, of_class, out=shares, where=of_class > 0)
    return shares


def check_pairs(found: int, expected: int) -> None:
    """DataError unless there is one answer for each label, and at least one."""
    if found != expected or not found:
        raise DataError(
            f"{found} answers for {expected} labels; each image needs one of both, and there must be at least one image"
        )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
