"""The registered data sets: what a network must know of each, and how each is loaded.

A data set is one entry; nothing else names it. Loading functions take the data folder and raise DataError with what
to do where the files are absent or altered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.datasets import cifar10, tiny_imagenet
from harness.datasets.split import Split
from harness.errors import UnknownName


@dataclass(frozen=True)
class Dataset:
    """`shape`: one image's (channels, height, width); `mean`, `deviation`: of the training images in [0, 1].

    test_sha256: of the split that `load_test` gives, by which a record names its images; None where none was noted.
    """

    name: str
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    load_train: Callable[[Path], Split]
    load_test: Callable[[Path], Split]
    test_sha256: str | None = None


TABLE = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            cifar10.NAME,
            cifar10.CLASSES,
            (3, 32, 32),
            cifar10.MEAN,
            cifar10.STANDARD_DEVIATION,
            cifar10.load_train,
            cifar10.load_test,
            cifar10.TEST_SHA256,
        ),
        Dataset(
            tiny_imagenet.NAME,
            tiny_imagenet.CLASSES,
            (3, tiny_imagenet.SIDE, tiny_imagenet.SIDE),
            tiny_imagenet.MEAN,
            tiny_imagenet.STANDARD_DEVIATION,
            tiny_imagenet.load_train,
            tiny_imagenet.load_test,
        ),
    )
}


def dataset(name: str) -> Dataset:
    """The data set of that name; UnknownName if there is none."""
    if name not in TABLE:
        raise UnknownName("data set", name, TABLE)
    return TABLE[name]


def dataset_of_split(sha256: str | None) -> Dataset | None:
    """The data set whose test split has that hash; None where none here has."""
    return next((one for one in TABLE.values() if sha256 is not None and one.test_sha256 == sha256), None)
