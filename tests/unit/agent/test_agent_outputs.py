from __future__ import annotations

import hashlib
from array import array
from pathlib import Path

import numpy as np
import pytest

from harness.agent import outputs

NAN, INFINITY = float("nan"), float("inf")


def test_signature_of_a_short_output_is_all_of_it() -> None:
    assert outputs.signature([np.array([[1.5, -2.0, 0.25]], np.float32)]) == ([1.5, -2.0, 0.25], True)


@pytest.mark.parametrize(
    ("length", "picked"),
    [(256, list(range(256))), (257, list(range(0, 257, 2))), (512, list(range(0, 512, 2))), (2561, range(0, 2561, 11))],
)
def test_signature_of_a_long_output_is_thinned_evenly(length: int, picked: list[int]) -> None:
    values, finite = outputs.signature([np.arange(length, dtype=np.float32)])
    assert values == [float(number) for number in picked]
    assert len(values) <= outputs.SIGNATURE_VALUES
    assert finite


def test_signature_is_of_the_first_output_and_finiteness_of_all() -> None:
    assert outputs.signature([np.ones(2), np.array([0.0, NAN])]) == ([1.0, 1.0], False)


def test_values_that_are_not_finite_become_none() -> None:
    assert outputs.signature([np.array([1.0, NAN, INFINITY, -INFINITY])]) == ([1.0, None, None, None], False)


def test_a_value_that_is_not_finite_is_seen_where_thinning_skips_it() -> None:
    long = np.zeros(1000)
    long[1] = NAN
    values, finite = outputs.signature([long])
    assert None not in values
    assert not finite


@pytest.mark.parametrize("kind", [list, lambda values: array("d", values)])
def test_signature_needs_no_numpy(kind: type[list[float]]) -> None:
    assert outputs.signature([kind([1.0, 2.0])]) == ([1.0, 2.0], True)
    assert outputs.signature([kind([1.0, NAN])]) == ([1.0, None], False)


def test_integers_are_finite() -> None:
    assert outputs.signature([np.array([7, 8], np.int64)]) == ([7.0, 8.0], True)


def test_signature_of_an_empty_output_is_empty() -> None:
    assert outputs.signature([np.zeros((0, 4), np.float32)]) == ([], True)


@pytest.mark.parametrize(
    "words", [np.array(["cat", "dog"]), np.array(["cat"], object), ["cat"], [{0: 0.25, 1: 0.75}], [np.ones(2)]]
)
def test_words_and_sequences_have_no_signature(words: object) -> None:
    assert outputs.signature([words]) == ([], True)
    assert outputs.signature([words, np.array([2.0, 3.0])]) == ([2.0, 3.0], True)
    assert outputs.signature([words, np.array([2.0, NAN])]) == ([2.0, None], False)


def test_truth_values_are_numbers() -> None:
    assert outputs.signature([np.array([True, False])]) == ([1.0, 0.0], True)


@pytest.mark.parametrize("size", [0, 3, 2**20 + 1])  # files are read by the MiB
def test_the_hash_is_of_all_bytes(tmp_path: Path, size: int) -> None:
    content = b"x" * size
    (tmp_path / "model").write_bytes(content)
    assert outputs.file_sha256(str(tmp_path / "model")) == hashlib.sha256(content).hexdigest()


def test_inputs_come_back_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "inputs.npz", image=np.ones((1, 3), np.float32), index=np.array([2]))
    loaded = outputs.load_inputs(str(tmp_path / "inputs.npz"))
    assert sorted(loaded) == ["image", "index"]
    assert loaded["image"].dtype == np.float32
    assert loaded["index"].tolist() == [2]


def test_no_file_means_no_inputs() -> None:
    assert outputs.load_inputs(None) == {}


def test_pickled_inputs_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "inputs.npz", image=np.array([object()], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        outputs.load_inputs(str(tmp_path / "inputs.npz"))


class Brightness:
    """A session of two classes: the mean of the image, and one minus it."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, ...]] = []

    def input_names(self) -> list[str]:
        return ["image"]

    def bind(self, arrays: dict[str, np.ndarray]) -> None:
        self._image = arrays["image"]

    def step(self) -> None:
        self.batches.append(self._image.shape)
        assert self._image.dtype == np.float32

    def outputs(self) -> list[np.ndarray]:
        mean = self._image.mean(axis=(1, 2, 3), dtype=np.float64)
        return [np.stack([1 - mean, mean], axis=1)]


def test_predictions_are_of_the_first_images_scaled_to_one(tmp_path: Path) -> None:
    images = np.array([0, 255, 51, 204, 255], np.uint8).reshape(5, 1, 1, 1) * np.ones((5, 3, 2, 2), np.uint8)
    np.save(tmp_path / "images.npy", images)
    session = Brightness()
    columns, finite = outputs.predict(session, str(tmp_path / "images.npy"), batch=3, limit=4)
    assert finite
    assert session.batches == [(3, 3, 2, 2), (1, 3, 2, 2)]
    found = {name: list(values) for name, values in columns}
    assert found["top1"] == [0.0, 1.0, 0.0, 1.0]
    assert found["logits"] == pytest.approx([1, 0, 0, 1, 0.8, 0.2, 0.2, 0.8], abs=1e-6)
