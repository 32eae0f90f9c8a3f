"""Quantization needs onnxruntime alone, so these run without torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from harness.artifacts.onnx_file import inspect
from harness.errors import BuildError
from harness.model.recipe import QuantizeStatic
from harness.variants import fidelity, quantize
from tests.support import models

IMAGES = np.random.default_rng(0).integers(0, 256, (100, 3, 8, 8), dtype=np.uint8)


def test_float_convolutions_are_named(tmp_path: Path) -> None:
    assert quantize.float_convolutions(models.tiny(tmp_path / "float.onnx")) == ["conv"]
    assert quantize.float_convolutions(models.qdq(tmp_path / "int8.onnx")) == []


def test_quantized_network_keeps_counts_metadata_and_answers(tmp_path: Path) -> None:
    source, target = tmp_path / "float.onnx", tmp_path / "int8.onnx"
    models.tiny(source)
    model = onnx.load_model(source)
    helper.set_model_props(model, {"classes": "[]", "recipe": "parent"})
    source.write_bytes(model.SerializeToString())

    quantize.quantize(source, target, IMAGES, {"recipe": "child"})

    facts = inspect(target, {})
    assert facts.precision == "int8"
    assert (facts.parameters, facts.macs) == (models.TINY_PARAMETERS, models.TINY_MACS)
    assert facts.metadata == {"classes": "[]", "recipe": "child"}
    assert quantize.float_convolutions(target) == []
    assert fidelity.agreement(fidelity.predict(source, IMAGES), fidelity.predict(target, IMAGES)) > 0.9
    assert {item.domain for item in onnx.load_model(target).opset_import} == {""}


def test_quantizing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    source = models.tiny(tmp_path / "float.onnx")
    for name in ("one", "other"):
        quantize.quantize(source, tmp_path / name, IMAGES, {})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_a_convolution_that_stays_float_is_an_error(tmp_path: Path) -> None:
    """The transposed one has no integer kernel in onnxruntime."""
    source = tmp_path / "float.onnx"
    nodes = [helper.make_node("ConvTranspose", ["image", "filters"], ["y"], name="upsample")]
    weights = {"filters": np.ones((3, 2, 2, 2), np.float32)}
    models.save(source, nodes, [models.value("image", [1, 3, 8, 8])], [models.value("y", [1, 2, 9, 9])], weights)
    with pytest.raises(BuildError, match=r"int8\.onnx: 1 convolutions would still run in float: upsample"):
        quantize.quantize(source, tmp_path / "int8.onnx", IMAGES[:1], {})


def test_calibration_images_are_seeded_and_not_repeated() -> None:
    recipe = QuantizeStatic("made up", "0", images=40, seed=5)
    chosen = quantize.calibration_images(recipe, IMAGES)
    assert len({image.tobytes() for image in chosen}) == 40
    assert chosen.tobytes() == quantize.calibration_images(recipe, IMAGES).tobytes()
