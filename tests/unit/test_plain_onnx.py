"""The form of an ONNX file that the oldest runtimes read: the same numbers under an older stamp. Needs no torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from harness.errors import BuildError
from harness.variants.graphs import plain
from tests.support import models

IMAGE = np.linspace(-1, 1, 192, dtype=np.float32).reshape(1, 3, 8, 8)


def answers(path: Path) -> np.ndarray:
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"image": IMAGE})[0]


def test_stored_halves_become_plain_weights_and_the_answers_stay(tmp_path: Path) -> None:
    source = models.half_storage(tmp_path / "half.onnx")
    plain.write(source, tmp_path / "plain.onnx")
    model = onnx.load_model(tmp_path / "plain.onnx")
    assert {one.data_type for one in model.graph.initializer} == {onnx.TensorProto.FLOAT}
    assert "Cast" not in {node.op_type for node in model.graph.node}
    assert [(one.domain, one.version) for one in model.opset_import] == [("", 15)]
    np.testing.assert_array_equal(answers(tmp_path / "plain.onnx"), answers(source))


def test_an_older_stamp_stays(tmp_path: Path) -> None:
    plain.write(models.tiny(tmp_path / "old.onnx", opset=13), tmp_path / "plain.onnx")
    assert onnx.load_model(tmp_path / "plain.onnx").opset_import[0].version == 13


def test_the_same_file_gives_the_same_bytes(tmp_path: Path) -> None:
    source = models.half_storage(tmp_path / "half.onnx")
    for name in ("one", "other"):
        plain.write(source, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_an_operator_that_means_something_newer_is_refused(tmp_path: Path) -> None:
    source = models.one_node(tmp_path / "new.onnx", "LayerNormalization", [models.value("x", [1, 3])])
    with pytest.raises(
        BuildError, match=r"new\.onnx is of opset 17, and its LayerNormalization was defined anew after"
    ):
        plain.write(source, tmp_path / "plain.onnx")


def test_unsigned_quantizers_are_seen(tmp_path: Path) -> None:
    source = models.qdq(tmp_path / "qdq.onnx")
    assert plain.quantizes_unsigned(source)
    assert not plain.quantizes_unsigned(models.tiny(tmp_path / "tiny.onnx"))
    model = onnx.load_model(source)
    zero = next(one for one in model.graph.initializer if one.name == "zero")
    zero.CopyFrom(onnx.numpy_helper.from_array(np.array(0, np.int8), "zero"))
    onnx.save_model(model, tmp_path / "signed.onnx")
    assert not plain.quantizes_unsigned(tmp_path / "signed.onnx")
