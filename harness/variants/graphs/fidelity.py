"""What a model file answers: predictions, accuracy, agreement, its signature. Runs on the host; times nothing."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.artifacts.onnx_file import inspect
from harness.artifacts.onnx_session import open_session, reference_outputs, seeded_inputs
from harness.datasets.split import Split
from harness.errors import ModelError
from harness.model.case import Accuracy, Signature

BATCH = 100
SIGNATURE_VALUES = 256  # harness.agent.outputs has the same number


def evaluate(path: Path, split: Split) -> NDArray[np.int64]:
    """The predicted class of each image of a split, single view, in the split's order."""
    return predict(path, split.images)


def predict(path: Path, images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The class with the largest logit for each image (n, c, h, w). ModelError where logits are not finite."""
    predicted: NDArray[np.int64] = logits(path, images).argmax(1)
    return predicted


def logits(path: Path, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The first output (n, classes) for images (n, c, h, w). ModelError where a value of it is not finite."""
    session = open_session(path, threads=_cores())
    name = session.get_inputs()[0].name
    answers = []
    for start in range(0, len(images), BATCH):
        answer = session.run(None, {name: to_unit(images[start : start + BATCH])})[0]
        if not np.isfinite(answer).all():
            raise ModelError(f"{path} gives logits that are not finite for images {start} to {start + BATCH - 1}")
        answers.append(answer.astype(np.float32))
    return np.concatenate(answers)


def to_unit(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Pixels 0..255 as float32 in [0, 1]."""
    return images.astype(np.float32) / np.float32(255)


def accuracy(predictions: NDArray[np.int64], split: Split) -> Accuracy:
    """Right predictions among all images of the split."""
    return Accuracy(int((predictions == split.labels).sum()), len(split.labels), split.dataset)


def agreement(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    """Share of images, in [0, 1], for which both predict the same class."""
    return float((a == b).mean())


def signature(path: Path, seed: int, source: str = "lock") -> Signature:
    """Evenly spaced values (256 at most) of the first output for one seeded input, from the graph as written.

    The agent picks its values the same way. ModelError where one is not finite: nothing could be compared with it.
    """
    values = reference_outputs(path, seeded_inputs(inspect(path, {}).inputs, seed))[0].ravel()
    picked = values[:: max(1, -(-len(values) // SIGNATURE_VALUES))]
    if not np.isfinite(picked).all():
        raise ModelError(f"{path} gives outputs that are not finite for the seeded input")
    return Signature(tuple(float(value) for value in picked), source)


def _cores() -> int:
    """Cores this process may use: the affinity where the system has one."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
