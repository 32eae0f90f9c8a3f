"""Images with their labels, as every data set here gives them. Owns the form; reads no file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Split:
    """images: uint8 (n, channels, height, width), RGB; labels: int64 (n,) from 0; `dataset`: whose they are.

    `sha256` is of the bytes of both, so that a record can name its data.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    sha256: str
    dataset: str


def digest_of(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> str:
    """The `sha256` of a split."""
    return hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()
