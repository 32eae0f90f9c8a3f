"""An ONNX file judged beyond top-1: its confusion, calibration and robustness, and two files against each other.

Runs the files on the host; times nothing. What is computed from the logits is in figures.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.datasets.confusion import class_figures, confusion, mean_class_accuracy
from harness.datasets.corruptions import SEVERITIES, TABLE, corrupt
from harness.datasets.split import Split, digest_of
from harness.errors import DataError, ModelError, UnknownName
from harness.model.quality import Calibration, Paired, Quality
from harness.variants.graphs import fidelity
from harness.variants.quality import figures

Logits = NDArray[np.float32]


def judge(path: Path, test: Split, calibration: Calibration) -> Quality:
    """The classes of all images of `test`; the variant is called like the file, without its suffix. No robustness yet.

    ModelError where the file fails or its classes are not those of the labels.
    """
    logits = _logits(path, test)
    counts = confusion(logits.argmax(1), test.labels, logits.shape[1])
    return Quality(
        variant=path.stem,
        sha256=_digest(path),
        dataset=test.dataset,
        dataset_sha256=test.sha256,
        images=len(test.labels),
        confusion=tuple(tuple(row) for row in counts.tolist()),
        per_class=class_figures(counts),
        mean_class_accuracy=mean_class_accuracy(counts),
        calibration=calibration,
    )


def calibrate(path: Path, test: Split, held: Split | None) -> Calibration:
    """How far the confidences can be believed, over the images of `test`.

    The temperature is fitted on `held`, which may share no image with `test` (DataError) and should hold none that the
    model was trained on: it is surer of those than of any other. Without `held`, or where no temperature fits, the
    record says why there is none.
    """
    _check_apart(test, held)
    logits, images = _logits(path, test), len(test.labels)
    before = figures.calibration_figures(logits, test.labels)
    if held is None:
        return Calibration(images, before, missing="no images were held out to fit a temperature on")
    try:
        temperature = figures.fit_temperature(_logits(path, held), held.labels)
    except DataError as error:  # a fact about this model, as much as a temperature would be
        return Calibration(images, before, missing=str(error))
    return Calibration(
        images=images,
        before=before,
        after=figures.calibration_figures(logits, test.labels, temperature),
        temperature=temperature,
        fitted_dataset=held.dataset,
        fitted_images=len(held.labels),
        fitted_sha256=held.sha256,
    )


def robustness(path: Path, test: Split, corruptions: Sequence[str], seed: int) -> Mapping[str, tuple[float, ...]]:
    """Top-1 under each corruption at the severities 1 to 5. Two files see the same corrupted images for one seed.

    UnknownName on an unknown corruption.
    """
    for name in corruptions:  # before minutes are spent on the first of them
        if name not in TABLE:
            raise UnknownName("corruption", name, TABLE)
    return {
        name: tuple(
            float((fidelity.predict(path, corrupt(name, test.images, severity, seed)) == test.labels).mean())
            for severity in SEVERITIES
        )
        for name in corruptions
    }


def compare(path_a: Path, path_b: Path, test: Split) -> Paired:
    """Whether b recognises more of the images than a, or fewer; called like their files, without the suffix."""
    answers = [_logits(path, test).argmax(1) for path in (path_a, path_b)]
    return Paired(
        a=path_a.stem,
        b=path_b.stem,
        a_sha256=_digest(path_a),
        b_sha256=_digest(path_b),
        dataset=test.dataset,
        dataset_sha256=test.sha256,
        images=len(test.labels),
        **asdict(figures.mcnemar(answers[0], answers[1], test.labels)),
    )


def halves(split: Split, seed: int) -> tuple[Split, Split]:
    """Two parts of a split, drawn at random, for a temperature where all other images were trained on.

    The first is the larger by one where the number is odd; within each the split's order stays.
    """
    chance = np.random.default_rng(seed).permutation(len(split.labels))
    cut = (len(chance) + 1) // 2
    return _part(split, np.sort(chance[:cut])), _part(split, np.sort(chance[cut:]))


def _part(split: Split, index: NDArray[np.int64]) -> Split:
    images, labels = split.images[index], split.labels[index]
    return Split(images, labels, digest_of(images, labels), split.dataset)


def _logits(path: Path, split: Split) -> Logits:
    logits = fidelity.logits(path, split.images)
    if logits.ndim != 2 or split.labels.max() >= logits.shape[1]:
        raise ModelError(
            f"{path} gives {logits.shape[1:]} values for an image, but {split.dataset} has labels up to "
            f"{split.labels.max()}; judge it on the data set that it was made for"
        )
    return logits


def _check_apart(test: Split, held: Split | None) -> None:
    """Refuse to fit on what is judged. By content: two splits of other bounds or names can share images."""
    if held is None:
        return
    judged = {image.tobytes() for image in test.images}
    shared = sum(image.tobytes() in judged for image in held.images)
    if shared:
        raise DataError(
            f"{shared} of the {len(held.labels)} images held out for the temperature are among the {len(test.labels)} "
            "that are judged; hold out others"
        )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
