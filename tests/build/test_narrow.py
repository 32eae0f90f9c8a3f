"""Conversion to 16-bit floats is on the file alone, so these run without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from harness.artifacts.onnx_file import inspect
from harness.artifacts.onnx_session import open_session
from harness.errors import BuildError, ModelError
from harness.model.recipe import Narrow
from harness.variants.compression import narrow
from harness.variants.graphs import fidelity
from tests.support import models

IMAGES = np.random.default_rng(0).integers(0, 256, (50, 3, 8, 8), dtype=np.uint8)


def with_filters(path: Path, factor: float) -> Path:
    """`tiny` with its filters scaled."""
    models.tiny(path)
    model = onnx.load_model(path)
    filters = model.graph.initializer[0]
    filters.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(filters) * np.float32(factor), filters.name))
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize(("width", "error"), [("fp16", 0.002), ("bf16", 0.02)])
def test_the_graph_is_narrow_and_its_ends_are_not(tmp_path: Path, width: Any, error: float) -> None:
    source, target = models.tiny(tmp_path / "full.onnx"), tmp_path / "narrow.onnx"
    narrow.narrow(source, target, Narrow(width), {"recipe": "child"})

    facts = inspect(target, {})
    assert facts.precision == width
    assert (facts.parameters, facts.macs) == (models.TINY_PARAMETERS, models.TINY_MACS)
    assert facts.metadata == {"recipe": "child"}
    graph = onnx.load_model(target).graph
    assert [end.type.tensor_type.elem_type for end in (*graph.input, *graph.output)] == [TensorProto.FLOAT] * 2
    assert TensorProto.FLOAT not in {tensor.data_type for tensor in graph.initializer}
    onnx.checker.check_model(onnx.load_model(target), full_check=True)
    found = narrow.reference_logits(target, fidelity.to_unit(IMAGES))
    expected = fidelity.logits(source, IMAGES)
    assert 0 < np.abs(found - expected).max() < error * np.abs(expected).max()


def test_onnxruntime_runs_fp16(tmp_path: Path) -> None:
    source, target = models.tiny(tmp_path / "full.onnx"), tmp_path / "narrow.onnx"
    narrow.narrow(source, target, Narrow("fp16"), {})
    assert fidelity.agreement(fidelity.predict(source, IMAGES), fidelity.predict(target, IMAGES)) > 0.95


def test_onnxruntime_has_no_bf16_on_the_cpu(tmp_path: Path) -> None:
    """Once it has, bf16 files can be judged like all others and reference_logits is needed no more."""
    target = tmp_path / "narrow.onnx"
    narrow.narrow(models.tiny(tmp_path / "full.onnx"), target, Narrow("bf16"), {})
    with pytest.raises(ModelError, match="cannot be loaded by onnxruntime"):
        open_session(target, threads=1)


def test_bf16_rounds_to_nearest_even() -> None:
    """1 + 1/256 lies between two bf16 values and goes down to the even one, 1 + 3/256 up."""
    values = np.array([1 + 1 / 256, 1 + 3 / 256, -3.0, 1e-3], np.float32)
    as_bits = narrow._bf16(values).astype(np.uint32) << 16
    assert as_bits.view(np.float32).tolist() == [1.0, 1 + 4 / 256, -3.0, pytest.approx(1e-3, rel=2**-9)]


def test_the_same_bytes_every_time(tmp_path: Path) -> None:
    source = models.tiny(tmp_path / "full.onnx")
    for name in ("one", "other"):
        narrow.narrow(source, tmp_path / name, Narrow("bf16"), {})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_a_weight_too_large_for_fp16_is_named(tmp_path: Path) -> None:
    source = with_filters(tmp_path / "full.onnx", 1e5)
    with pytest.raises(BuildError, match=r"filters holds \S+, too large for fp16; choose bf16"):
        narrow.narrow(source, tmp_path / "narrow.onnx", Narrow("fp16"), {})
    narrow.narrow(source, tmp_path / "narrow.onnx", Narrow("bf16"), {})


def test_an_activation_too_large_for_fp16_is_found(tmp_path: Path) -> None:
    source = with_filters(tmp_path / "full.onnx", 2e4)
    with pytest.raises(BuildError, match="an intermediate value is too large for fp16"):
        narrow.narrow(source, tmp_path / "narrow.onnx", Narrow("fp16"), {})
