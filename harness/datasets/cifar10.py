"""CIFAR-10 as torchvision lays it out: found, MD5-checked, read. Owns the file format; knows no model.

The files are pickles, so their MD5 is checked against the published one before a byte is interpreted, and even
then only numpy's array constructors may be called by the unpickler.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
import tempfile
import urllib.request
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from harness.datasets.split import Split, digest_of
from harness.errors import DataError

NAME = "cifar10"
FOLDER = "cifar-10-batches-py"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
# Of the training images in [0, 1]; computed from all 50,000.
MEAN = (0.491400, 0.482158, 0.446531)
STANDARD_DEVIATION = (0.247032, 0.243485, 0.261588)
# The sums that the data set's home page and torchvision publish.
MD5_TRAIN = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
}
MD5_TEST = {"test_batch": "40351d587109b95175f43aff81a1287e"}
# Of the 10,000 test images and labels as `load_test` gives them (harness.datasets.split.digest_of).
TEST_SHA256 = "2c33b053d1cd726af8d86e174a96dd89d7000ba1412add026d68142375b89d51"
ARCHIVE_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
ARCHIVE_MD5 = "c58f30108f718f92721af3b95e74349a"


def find(data_dir: Path) -> Path:
    """The folder that holds the batches: `data_dir` itself or its ``cifar-10-batches-py``. DataError if neither."""
    for folder in (data_dir / FOLDER, data_dir):
        if (folder / "test_batch").is_file():
            return folder
    raise DataError(
        f"no CIFAR-10 under {data_dir}: expected {FOLDER}/test_batch, as torchvision lays it out. "
        "Point --data (or HARNESS_DATA) at the folder, or add --download to fetch it"
    )


def load_test(data_dir: Path) -> Split:
    """The 10,000 test images in their published order."""
    return read_split(find(data_dir), MD5_TEST)


def load_train(data_dir: Path) -> Split:
    """The 50,000 training images in their published order."""
    return read_split(find(data_dir), MD5_TRAIN)


def fetch(data_dir: Path) -> Path:
    """The folder that holds the batches, downloaded unless they are there. Only ever called on request."""
    try:
        return find(data_dir)
    except DataError:
        return download(data_dir)


def download(data_dir: Path, url: str = ARCHIVE_URL) -> Path:
    """Fetch the published archive into `data_dir`, check its MD5, unpack it. Only ever called on request."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=data_dir, suffix=".tar.gz") as archive:
        digest = hashlib.md5(usedforsecurity=False)
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310  # a constant, or a test's file
                while chunk := answer.read(1 << 20):
                    digest.update(chunk)
                    archive.write(chunk)
        except OSError as error:
            raise DataError(f"could not download {url}: {error}. Unpack it by hand in {data_dir}") from None
        if digest.hexdigest() != ARCHIVE_MD5:
            raise DataError(f"{url} came with MD5 {digest.hexdigest()}, expected {ARCHIVE_MD5}; nothing was unpacked")
        archive.flush()
        with tarfile.open(archive.name) as tar:
            tar.extractall(data_dir, filter="data")
    return find(data_dir)


def read_split(folder: Path, sums: dict[str, str]) -> Split:
    """The named batch files, in order, as one split. DataError where one is absent or is not what its MD5 says."""
    images, labels = [], []
    for name, expected in sums.items():
        batch = _read_batch(folder / name, expected)
        images.append(np.asarray(batch["data"], np.uint8).reshape(-1, 3, 32, 32))
        labels.append(np.asarray(batch["labels"], np.int64))
    all_images, all_labels = np.concatenate(images), np.concatenate(labels)
    return Split(all_images, all_labels, digest_of(all_images, all_labels), NAME)


def _read_batch(path: Path, expected_md5: str) -> dict[str, Any]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); the data set is incomplete") from None
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != expected_md5:
        raise DataError(f"{path} is not the published file: MD5 {found}, expected {expected_md5}. Fetch it again")
    return arrays_only(io.BytesIO(content))


def arrays_only(source: BinaryIO) -> dict[str, Any]:
    """Unpickle a batch, refusing everything but numpy's array constructors (DataError)."""
    batch: dict[str, Any] = _ArraysOnly(source, encoding="latin1").load()
    return batch


class _ArraysOnly(pickle.Unpickler):
    """An unpickler that can build numpy arrays and nothing else."""

    _allowed = frozenset({"_reconstruct", "ndarray", "dtype", "encode"})

    def find_class(self, module: str, name: str) -> Any:
        if module.split(".", maxsplit=1)[0] in ("numpy", "_codecs") and name in self._allowed:
            # Batches written by numpy 1 name numpy.core, which newer versions renamed.
            return super().find_class(module.replace("numpy.core", "numpy._core"), name)
        raise DataError(f"refused to unpickle {module}.{name}: the file holds more than arrays")
