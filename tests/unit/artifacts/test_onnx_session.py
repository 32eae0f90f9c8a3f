from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.artifacts.onnx_file import inspect
from harness.artifacts.onnx_session import reference_outputs, seeded_inputs
from harness.errors import ModelError
from harness.model.case import TensorSpec
from tests.support import models

SPECS = (
    TensorSpec("a", "float32", (2, 3)),
    TensorSpec("b", "float16", (64,)),
    TensorSpec("c", "int64", (50,)),
    TensorSpec("d", "bool", (50,)),
    TensorSpec("e", "uint8", ()),
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "model.onnx"


def test_seeded_inputs_have_the_type_the_range_and_the_seed() -> None:
    first, again, other = seeded_inputs(SPECS, 0), seeded_inputs(SPECS, 0), seeded_inputs(SPECS, 1)
    for spec in SPECS:
        array = first[spec.name]
        assert (str(array.dtype), array.shape) == (spec.dtype, spec.shape)
        assert array.tobytes() == again[spec.name].tobytes()
        assert float(array.astype(float).min()) >= 0
    assert first["a"].max() < 1
    assert first["b"].max() < 1
    assert set(first["c"].tolist()) == {0, 1}
    assert first["a"].tobytes() != other["a"].tobytes()


def test_seeded_inputs_never_change() -> None:
    """Records hold outputs for these bytes; a change here makes old signatures meaningless."""
    (array,) = seeded_inputs((TensorSpec("a", "float32", (4,)),), 0).values()
    assert (array * 2048).tolist() == [1742, 1304, 1046, 552]


def test_seeded_inputs_refuse_bfloat16() -> None:
    with pytest.raises(ModelError, match="'a' is bfloat16"):
        seeded_inputs((TensorSpec("a", "bfloat16", (1,)),), 0)


def test_reference_outputs_are_those_of_the_graph(file: Path) -> None:
    models.tiny(file)
    image = seeded_inputs(inspect(file, {}).inputs, 0)["image"]
    (logits,) = reference_outputs(file, {"image": image})

    weights = models.tiny_weights()
    padded = np.pad(image[0], ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))
    convolved = np.einsum("chwij,ocij->ohw", windows, weights["filters"]) + weights["bias"][:, None, None]
    expected = weights["head"] @ np.maximum(convolved, 0).mean((1, 2)) + weights["head_bias"]
    np.testing.assert_allclose(logits[0], expected, rtol=1e-5)


def test_reference_outputs_show_what_is_not_finite(file: Path) -> None:
    (y,) = reference_outputs(models.not_finite(file), {"x": np.zeros((1, 3), np.float32)})
    assert np.isnan(y).all()


def test_unknown_operator_is_named(file: Path) -> None:
    models.one_node(file, "Mystery", [models.value("x", [1])])
    with pytest.raises(ModelError, match=r"model\.onnx cannot be loaded by onnxruntime .*Mystery.*Export it"):
        reference_outputs(file, {"x": np.zeros(1, np.float32)})


def test_wrong_and_missing_feeds_are_model_errors(file: Path) -> None:
    models.tiny(file)
    with pytest.raises(ModelError, match=r"model\.onnx failed in onnxruntime: .*image"):
        reference_outputs(file, {"image": np.zeros((1, 3, 9, 8), np.float32)})
    with pytest.raises(ModelError, match=r"model\.onnx failed in onnxruntime: .*image"):
        reference_outputs(file, {})


def test_a_scalar_input_is_an_array_too() -> None:
    fed = seeded_inputs((TensorSpec("scale", "float32", ()), TensorSpec("index", "int64", ())), seed=3)
    assert [(type(one), one.shape, str(one.dtype)) for one in fed.values()] == [
        (np.ndarray, (), "float32"),
        (np.ndarray, (), "int64"),
    ]
