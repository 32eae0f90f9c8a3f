"""The CIFAR-10 reader: finding, checking, refusing. Small made-up batches; the real files where they are at hand."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from harness.datasets import cifar10
from harness.errors import DataError


def batch(count: int, seed: int = 0) -> bytes:
    """A batch file as the data set has them."""
    chance = np.random.default_rng(seed)
    data = chance.integers(0, 256, (count, 3072), dtype=np.uint8)
    return pickle.dumps({"data": data, "labels": [i % 10 for i in range(count)]}, protocol=2)


def written(folder: Path, name: str, content: bytes) -> dict[str, str]:
    """Put one batch where the reader looks; returns its sum as the reader wants it."""
    (folder / cifar10.FOLDER).mkdir(exist_ok=True)
    (folder / cifar10.FOLDER / name).write_bytes(content)
    return {name: hashlib.md5(content, usedforsecurity=False).hexdigest()}


def test_reads_images_in_channel_row_column_order(tmp_path: Path) -> None:
    """The first 1,024 values of a row are the red plane, row by row."""
    content = batch(3)
    sums = written(tmp_path, "test_batch", content)
    split = cifar10.read_split(cifar10.find(tmp_path), sums)
    raw = pickle.loads(content)["data"]
    assert split.images.shape == (3, 3, 32, 32)
    assert split.images.dtype == np.uint8
    assert split.images[1, 0, 0, :5].tolist() == raw[1, :5].tolist()
    assert split.images[2, 2, 31, 31] == raw[2, 3071]
    assert split.labels.tolist() == [0, 1, 2]


def test_the_hash_names_images_and_labels(tmp_path: Path) -> None:
    """Two different splits never share a hash."""
    first = cifar10.read_split(tmp_path / cifar10.FOLDER, written(tmp_path, "a", batch(2, seed=1)))
    second = cifar10.read_split(tmp_path / cifar10.FOLDER, written(tmp_path, "b", batch(2, seed=2)))
    assert first.sha256 != second.sha256


def test_an_absent_folder_says_how_to_name_or_fetch_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no CIFAR-10 under .*cifar-10-batches-py.*--data.*--download"):
        cifar10.find(tmp_path)


def test_an_altered_file_is_named_with_both_sums(tmp_path: Path) -> None:
    sums = written(tmp_path, "test_batch", batch(2))
    path = tmp_path / cifar10.FOLDER / "test_batch"
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(DataError, match=rf"test_batch is not the published file: MD5 .* expected {sums['test_batch']}"):
        cifar10.read_split(path.parent, sums)


def test_a_missing_batch_is_named(tmp_path: Path) -> None:
    sums = written(tmp_path, "test_batch", batch(2))
    with pytest.raises(DataError, match="data_batch_1 cannot be read"):
        cifar10.read_split(tmp_path / cifar10.FOLDER, {"data_batch_1": "0", **sums})


class Malicious:
    """Runs a command when unpickled by an unguarded reader."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("exit 1",)


def test_a_pickle_that_calls_anything_else_is_refused(tmp_path: Path) -> None:
    """Even with the right sum: the unpickler builds arrays and nothing else."""
    sums = written(tmp_path, "test_batch", pickle.dumps({"data": Malicious(), "labels": []}))
    with pytest.raises(DataError, match=r"refused to unpickle .*system"):
        cifar10.read_split(tmp_path / cifar10.FOLDER, sums)


def test_a_download_with_the_wrong_sum_is_not_unpacked(tmp_path: Path) -> None:
    source = tmp_path / "fake.tar.gz"
    source.write_bytes(b"not the archive")
    with pytest.raises(DataError, match=r"came with MD5 .* nothing was unpacked"):
        cifar10.download(tmp_path / "data", source.as_uri())
    assert list((tmp_path / "data").iterdir()) == []


def test_an_unreachable_host_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"could not download .*Unpack it by hand"):
        cifar10.download(tmp_path, (tmp_path / "absent").as_uri())


def test_the_real_test_split(shared: Path) -> None:
    """1,000 images of each class, with the published channel means."""
    split = cifar10.load_test(shared / "data")
    assert np.bincount(split.labels).tolist() == [1000] * 10
    means = (split.images / 255).mean(axis=(0, 2, 3))
    assert means == pytest.approx([0.494214, 0.485131, 0.450409], abs=1e-5)


def test_the_unpickler_reads_what_numpy_2_writes() -> None:
    """The core module of numpy was renamed; both names must read."""
    assert cifar10.arrays_only(io.BytesIO(batch(1)))["labels"] == [0]
