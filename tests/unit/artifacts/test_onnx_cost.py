"""Every expected count is worked out by hand, in the test or beside its model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from harness.artifacts import onnx_cost
from harness.artifacts.onnx_file import inspect
from tests.support import models


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "model.onnx"


def test_half_precision(file: Path) -> None:
    facts = inspect(models.tiny_half(file), {})
    assert (facts.precision, facts.inputs[0].dtype) == ("fp16", "float16")
    assert (facts.parameters, facts.macs) == (122, 6920)


def test_weights_stored_in_half_still_compute_in_float(file: Path) -> None:
    facts = inspect(models.half_storage(file), {})
    assert (facts.precision, facts.parameters, facts.macs) == ("fp32", 122, 6920)


def test_quantized_weights_count_and_scales_do_not(file: Path) -> None:
    facts = inspect(models.qdq(file), {})
    assert facts.precision == "int8"
    assert facts.parameters == 108 + 4
    assert facts.macs == 4 * 8 * 8 * 27


def test_quantized_weights_alone_are_mixed(file: Path) -> None:
    nodes = [
        helper.make_node("DequantizeLinear", ["filters", "scale", "zero"], ["w"]),
        helper.make_node("Conv", ["image", "w"], ["y"]),
    ]
    weights = {
        "filters": np.ones((2, 3, 1, 1), np.int8),
        "scale": np.array(1, np.float32),
        "zero": np.array(0, np.int8),
    }
    models.save(file, nodes, [models.value("image", [1, 3, 4, 4])], [models.value("y", [1, 2, 4, 4])], weights)
    assert inspect(file, {}).precision == "mixed"


def test_depthwise_strided_and_transposed_convolutions(file: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["image", "depthwise"], ["a"], group=4, strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("ConvTranspose", ["a", "up"], ["y"], strides=[2, 2]),
    ]
    weights = {"depthwise": np.ones((4, 1, 3, 3), np.float32), "up": np.ones((4, 6, 2, 2), np.float32)}
    models.save(file, nodes, [models.value("image", [1, 4, 8, 8])], [models.value("y", [1, 6, 8, 8])], weights)
    facts = inspect(file, {})
    # 4 channels of 4x4 outputs from 3x3 each; then each of 4*4*4 inputs goes to 6 channels of 2x2.
    assert facts.macs == 4 * 16 * 9 + 64 * 24
    assert facts.parameters == 36 + 96


def test_batched_matrix_product_and_normalization_constants(file: Path) -> None:
    nodes = [
        helper.make_node("Sub", ["x", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "deviation"], ["unit"]),
        helper.make_node("MatMul", ["unit", "w"], ["m"]),
        helper.make_node("Add", ["m", "bias"], ["y"]),
    ]
    weights = {
        "mean": np.ones((1, 5), np.float32),
        "deviation": np.ones((1, 5), np.float32),
        "w": np.ones((5, 7), np.float32),
        "bias": np.ones(7, np.float32),
    }
    models.save(file, nodes, [models.value("x", ["batch", 3, 5])], [models.value("y", ["batch", 3, 7])], weights)
    facts = inspect(file, {})
    assert facts.macs == 3 * 7 * 5
    assert facts.parameters == 35 + 7


def test_batch_norm_statistics_are_not_trained(file: Path) -> None:
    names = ["scale", "shift", "mean", "variance"]
    nodes = [helper.make_node("BatchNormalization", ["image", *names], ["y"])]
    weights = {name: np.ones(3, np.float32) for name in names}
    models.save(file, nodes, [models.value("image", [1, 3, 2, 2])], [models.value("y", [1, 3, 2, 2])], weights)
    assert inspect(file, {}).parameters == 6


def test_other_operators_with_work_are_named(file: Path) -> None:
    inputs = [models.value("a", [2, 3]), models.value("b", [3, 4])]
    facts = inspect(models.one_node(file, "Einsum", inputs, equation="ij,jk->ik"), {})
    assert facts.uncounted == ("Einsum",)


def test_macs_are_missing_where_a_shape_is_unknown(file: Path) -> None:
    nodes = [
        helper.make_node("Mystery", ["image"], ["a"], domain="my.operators"),
        helper.make_node("Conv", ["a", "w"], ["y"]),
    ]
    weights = {"w": np.ones((2, 3, 1, 1), np.float32)}
    models.save(file, nodes, [models.value("image", [1, 3, 4, 4])], [models.value("y", None)], weights)
    facts = inspect(file, {})
    assert facts.macs is None
    assert facts.uncounted == ("Mystery",)


def test_large_weights_are_not_copied_through_shape_inference(file: Path) -> None:
    """It serializes its model there and back, which for a large one takes seconds."""
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    weights = {"w": np.zeros((500, 500), np.float32)}
    models.save(file, nodes, [models.value("x", [1, 500])], [models.value("y", [1, 500])], weights)
    light = onnx_cost._without_weights(onnx.load_model(file), {"x": (1, 500)})
    assert light.ByteSize() < 1000
    facts = inspect(file, {})
    assert facts.macs == facts.parameters == 250_000
