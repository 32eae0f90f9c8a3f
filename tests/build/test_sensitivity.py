"""Mixed precision needs onnxruntime alone, so these run without torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from harness.errors import BuildError, UsageError
from harness.model.recipe import MixedPrecision, QuantizeStatic
from harness.variants.compression import quantize, sensitivity
from harness.variants.graphs import fidelity
from tests.support import models

IMAGES = np.random.default_rng(0).integers(0, 256, (300, 3, 8, 8), dtype=np.uint8)
STEP = QuantizeStatic("made up", "0", images=100, seed=0)


def coarse(path: Path) -> Path:
    """Three convolutions, of which the second's input has one channel 10 000 times the others.

    Its next filter takes that channel no notice of, so that int8 leaves nothing of what matters.
    """
    generator = np.random.default_rng(5)
    weights = {name: generator.standard_normal((4, size, 3, 3)).astype(np.float32) for name, size in (("w1", 3),)}
    weights |= {name: generator.standard_normal((4, 4, 3, 3)).astype(np.float32) for name in ("w2", "w3")}
    weights["w1"][0] = 1e4
    weights["w2"][:, 0] = 0
    weights["head"] = generator.standard_normal((4, 5)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["image", "w1"], ["c1"], name="first", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"], name="relu1"),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], name="second", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c2"], ["r2"], name="relu2"),
        helper.make_node("Conv", ["r2", "w3"], ["c3"], name="third", pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["c3"], ["mean"], name="pool"),
        helper.make_node("Flatten", ["mean"], ["flat"], name="flatten"),
        helper.make_node("MatMul", ["flat", "head"], ["logits"], name="product"),
    ]
    inputs, outputs = [models.value("image", ["batch", 3, 8, 8])], [models.value("logits", ["batch", 5])]
    return models.save(path, nodes, inputs, outputs, weights)


def test_the_layers_that_read_or_write_the_coarse_tensor_cost_most(tmp_path: Path) -> None:
    costs = sensitivity.by_layer(coarse(tmp_path / "float.onnx"), IMAGES, STEP)
    assert {name for name, _ in costs} == {"first", "second", "third", "product"}
    assert {name for name, _ in costs[:2]} == {"first", "second"}
    assert [cost for _, cost in costs] == sorted((cost for _, cost in costs), reverse=True)
    assert costs[1][1] > 100 * costs[2][1]


def test_only_what_has_to_stays_float(tmp_path: Path) -> None:
    source, target = coarse(tmp_path / "float.onnx"), tmp_path / "int8.onnx"
    wide = sensitivity.widen(source, target, IMAGES, MixedPrecision(STEP, loss=0.1, images=200), {"recipe": "mixed"})
    assert set(wide) == {"first", "second"}
    assert set(quantize.float_convolutions(target)) == {"first", "second"}
    assert fidelity.agreement(fidelity.predict(source, IMAGES), fidelity.predict(target, IMAGES)) > 0.85


def test_a_sound_network_keeps_no_layer_wide(tmp_path: Path) -> None:
    source, target = models.tiny(tmp_path / "float.onnx"), tmp_path / "int8.onnx"
    assert sensitivity.widen(source, target, IMAGES, MixedPrecision(STEP, loss=0.1), {}) == ()
    assert quantize.float_convolutions(target) == []


def test_a_limit_of_time_admits_the_costliest_layers_that_fit(tmp_path: Path) -> None:
    source, target = coarse(tmp_path / "float.onnx"), tmp_path / "int8.onnx"
    endless = sensitivity.widen(source, target, IMAGES, MixedPrecision(STEP, slowdown=1e6), {})
    assert set(endless) == {"first", "second", "third", "product"}


def test_a_limit_of_time_that_nothing_meets_admits_no_layer(tmp_path: Path) -> None:
    source = coarse(tmp_path / "float.onnx")
    asked: list[tuple[str, ...]] = []

    def write(wide: Sequence[str]) -> Path:
        asked.append(tuple(wide))
        return source

    assert sensitivity._most_within_time((3, 8, 8), -1.0, write, ["first", "second"]) == ()
    assert asked == [(), ("first",), ("second",)]


def test_one_limit_and_not_two() -> None:
    for given in ({}, {"loss": 0.1, "slowdown": 0.1}):
        with pytest.raises(UsageError, match="mixed precision has one limit"):
            MixedPrecision(STEP, **given)


def test_the_loss_is_judged_on_other_images_than_calibrate(tmp_path: Path) -> None:
    source = models.tiny(tmp_path / "float.onnx")
    with pytest.raises(BuildError, match="all training images calibrate, which leaves none to judge the loss by"):
        sensitivity.widen(source, tmp_path / "int8.onnx", IMAGES[:100], MixedPrecision(STEP, loss=0.1), {})


def test_a_collapse_names_the_layer_behind_it(tmp_path: Path) -> None:
    source, target = coarse(tmp_path / "float.onnx"), tmp_path / "int8.onnx"
    quantize.quantize(source, target, IMAGES[:100], STEP, {})
    with pytest.raises(
        BuildError, match=r"int8\.onnx agrees with .*float\.onnx on 0\.\d+ .* (first|second) costs most"
    ):
        sensitivity.refuse_collapse(source, target, IMAGES, STEP)


def test_a_sound_model_has_not_collapsed(tmp_path: Path) -> None:
    source, target = models.tiny(tmp_path / "float.onnx"), tmp_path / "int8.onnx"
    quantize.quantize(source, target, IMAGES[:100], STEP, {})
    sensitivity.refuse_collapse(source, target, IMAGES, STEP)
    found = fidelity.agreement(fidelity.predict(source, IMAGES), fidelity.predict(target, IMAGES))
    assert found >= sensitivity.AGREEMENT
