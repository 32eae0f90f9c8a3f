"""Quantization needs onnxruntime alone, so these run without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from harness.artifacts.onnx_file import inspect
from harness.errors import BuildError
from harness.model.recipe import QuantizeStatic
from harness.variants.compression import quantize
from harness.variants.graphs import fidelity
from tests.support import models

IMAGES = np.random.default_rng(0).integers(0, 256, (100, 3, 8, 8), dtype=np.uint8)
STEP = QuantizeStatic("made up", "0", images=100, seed=0)
TRT = replace(STEP, profile="trt")


def residual(path: Path, relu: bool = True) -> Path:
    """Two convolutions with ReLUs, the second (whose ReLU is optional) added to its input, and a head."""
    generator = np.random.default_rng(2)
    weights = {
        "w1": generator.standard_normal((4, 3, 3, 3)).astype(np.float32),
        "w2": generator.standard_normal((4, 4, 3, 3)).astype(np.float32) / 4,
        "head": generator.standard_normal((4, 2)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["image", "w1"], ["c1"], name="first", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"], name="relu1"),
        helper.make_node("Conv", ["r1", "w2"], ["c2" if relu else "r2"], name="second", pads=[1, 1, 1, 1]),
        *([helper.make_node("Relu", ["c2"], ["r2"], name="relu2")] if relu else []),
        helper.make_node("Add", ["r1", "r2"], ["sum"], name="add"),
        helper.make_node("GlobalAveragePool", ["sum"], ["mean"], name="pool"),
        helper.make_node("Flatten", ["mean"], ["flat"], name="flatten"),
        helper.make_node("MatMul", ["flat", "head"], ["logits"], name="product"),
    ]
    inputs, outputs = [models.value("image", ["batch", 3, 8, 8])], [models.value("logits", ["batch", 2])]
    return models.save(path, nodes, inputs, outputs, weights)


def weights_of(path: Path) -> Mapping[str, NDArray[Any]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load_model(path).graph.initializer}


def test_float_convolutions_are_named(tmp_path: Path) -> None:
    assert quantize.float_convolutions(models.tiny(tmp_path / "float.onnx")) == ["conv"]
    assert quantize.float_convolutions(models.qdq(tmp_path / "int8.onnx")) == []


def test_quantized_network_keeps_counts_metadata_and_answers(tmp_path: Path) -> None:
    source, target = tmp_path / "float.onnx", tmp_path / "int8.onnx"
    models.tiny(source)
    model = onnx.load_model(source)
    helper.set_model_props(model, {"classes": "[]", "recipe": "parent"})
    source.write_bytes(model.SerializeToString())

    quantize.quantize(source, target, IMAGES, STEP, {"recipe": "child"})

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
        quantize.quantize(source, tmp_path / name, IMAGES, STEP, {})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_a_convolution_that_stays_float_is_an_error(tmp_path: Path) -> None:
    """The transposed one has no integer kernel in onnxruntime."""
    source = tmp_path / "float.onnx"
    nodes = [helper.make_node("ConvTranspose", ["image", "filters"], ["y"], name="upsample")]
    weights = {"filters": np.ones((3, 2, 2, 2), np.float32)}
    models.save(source, nodes, [models.value("image", [1, 3, 8, 8])], [models.value("y", [1, 2, 9, 9])], weights)
    with pytest.raises(BuildError, match=r"int8\.onnx: 1 convolutions would still run in float: upsample"):
        quantize.quantize(source, tmp_path / "int8.onnx", IMAGES[:1], STEP, {})


def test_calibration_images_are_seeded_and_not_repeated() -> None:
    recipe = QuantizeStatic("made up", "0", images=40, seed=5)
    chosen = quantize.calibration_images(recipe, IMAGES)
    assert len({image.tobytes() for image in chosen}) == 40
    assert chosen.tobytes() == quantize.calibration_images(recipe, IMAGES).tobytes()


@pytest.mark.parametrize("step", [STEP, TRT], ids=["cpu", "trt"])
@pytest.mark.parametrize("method", ["minmax", "percentile", "entropy"])
def test_every_calibration_serves_both_profiles(tmp_path: Path, step: QuantizeStatic, method: Any) -> None:
    source, target = residual(tmp_path / "float.onnx"), tmp_path / "int8.onnx"
    quantize.quantize(source, target, IMAGES, replace(step, ranges=method), {})
    assert fidelity.agreement(fidelity.predict(source, IMAGES), fidelity.predict(target, IMAGES)) > 0.9
    assert inspect(target, {}).precision == "int8"
    assert inspect(target, {}).macs == inspect(source, {}).macs


def test_minmax_ranges_are_the_extremes_of_all_batches(tmp_path: Path) -> None:
    source = models.tiny(tmp_path / "float.onnx")
    ranges = quantize.calibrate(source, IMAGES, STEP)
    logits = fidelity.logits(source, IMAGES)
    assert len(IMAGES) > quantize.BATCH
    assert ranges["image"] == (0.0, 1.0)
    assert ranges["logits"] == pytest.approx((logits.min(), logits.max()), rel=1e-5)
    assert ranges["r"][0] == 0


def test_percentile_leaves_out_an_outlier(tmp_path: Path) -> None:
    """One pixel of 600 000 is 100 times the others, less than the 0.001 % that may be left out."""
    path = models.one_node(tmp_path / "a.onnx", "Relu", [models.value("image", ["batch", 3, 50, 50])])
    images = np.full((80, 3, 50, 50), 2, np.uint8)
    images[0, 0, 0, 0] = 200
    extreme = quantize.calibrate(path, images, STEP)["image"][1]
    kept = quantize.calibrate(path, images, replace(STEP, ranges="percentile"))["image"][1]
    assert extreme == pytest.approx(200 / 255)
    assert kept < 0.01


def test_calibration_prints_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Stdout belongs to results."""
    quantize.calibrate(models.tiny(tmp_path / "float.onnx"), IMAGES, replace(STEP, ranges="entropy"))
    assert capsys.readouterr().out == ""


def test_profiles_write_their_types(tmp_path: Path) -> None:
    source, cpu, trt = residual(tmp_path / "float.onnx"), tmp_path / "cpu.onnx", tmp_path / "trt.onnx"
    ranges = quantize.calibrate(source, IMAGES, STEP)
    quantize.write(source, cpu, ranges, STEP, {})
    quantize.write(source, trt, ranges, TRT, {})

    on_cpu, on_trt = weights_of(cpu), weights_of(trt)
    assert on_cpu["r1_zero_point"].dtype == np.uint8
    assert on_trt["r1_zero_point"].dtype == np.int8
    assert on_cpu["r1_scale"] == pytest.approx(ranges["r1"][1] / 255)
    assert on_trt["r1_scale"] == pytest.approx(ranges["r1"][1] / 127)
    for weights in (on_cpu, on_trt):
        assert weights["w2_scale"].shape == (4,)
        assert not weights["w2_zero_point"].any()
    assert quantize.quantized_tensors(cpu) == {"image", "r1", "r2", "sum", "mean"}
    # TensorRT fuses the ReLU and the sum itself: only what an operator reads is quantized, the flat mean too.
    assert quantize.quantized_tensors(trt) == {"image", "r1", "r2", "sum", "flat"}


def test_each_profile_is_checked_by_its_own_rule(tmp_path: Path) -> None:
    source, cpu, trt = residual(tmp_path / "float.onnx"), tmp_path / "cpu.onnx", tmp_path / "trt.onnx"
    quantize.quantize(source, cpu, IMAGES, STEP, {})
    quantize.quantize(source, trt, IMAGES, TRT, {})
    assert quantize.tensorrt_faults(trt) == []
    assert any("zero point is not an int8 0" in fault for fault in quantize.tensorrt_faults(cpu))
    assert quantize.tensorrt_faults(source) == [
        "first: image is not quantized",
        "first: w1 is not quantized",
        "second: r1 is not quantized",
        "second: w2 is not quantized",
        "add: r1 is not quantized",
        "add: r2 is not quantized",
    ]
    with pytest.raises(BuildError, match=r"TensorRT would not run \d+ nodes in int8: .*zero point"):
        quantize.check(cpu, TRT)


@pytest.mark.parametrize("step", [STEP, TRT], ids=["cpu", "trt"])
@pytest.mark.parametrize("relu", [True, False])
def test_wide_layers_stay_float(tmp_path: Path, step: QuantizeStatic, relu: bool) -> None:
    """Between quantized neighbours onnxruntime would round the weights of a float convolution by itself."""
    source, target = residual(tmp_path / "float.onnx", relu), tmp_path / "int8.onnx"
    quantize.quantize(source, target, IMAGES, replace(step, wide=("second",)), {})
    assert "second" in quantize.float_convolutions(target)
    assert weights_of(target)["w2"].dtype == np.float32
    assert "w2_scale" not in weights_of(target)
    assert inspect(target, {}).macs == inspect(source, {}).macs
    assert fidelity.agreement(fidelity.predict(source, IMAGES), fidelity.predict(target, IMAGES)) > 0.9
    with pytest.raises(BuildError, match="second"):
        quantize.check(target, step)


def test_learned_ranges_replace_measured_ones(tmp_path: Path) -> None:
    source, target = residual(tmp_path / "float.onnx"), tmp_path / "int8.onnx"
    quantize.quantize(source, target, IMAGES, STEP, {}, {"r1": (0.0, 5.1), "sum": (-1.0, 4.1)})
    weights = weights_of(target)
    assert weights["r1_scale"] == pytest.approx(0.02)
    assert (weights["sum_scale"], weights["sum_zero_point"]) == (pytest.approx(0.02), 50)


def test_names_that_the_graph_lacks_are_errors(tmp_path: Path) -> None:
    source, target = residual(tmp_path / "float.onnx"), tmp_path / "int8.onnx"
    with pytest.raises(BuildError, match="no node 'secund' to keep in floats; did you mean second"):
        quantize.quantize(source, target, IMAGES, replace(STEP, wide=("secund",)), {})
    with pytest.raises(BuildError, match="no tensor 'summe' to give a learned range; did you mean sum"):
        quantize.quantize(source, target, IMAGES, STEP, {}, {"summe": (0.0, 1.0)})
