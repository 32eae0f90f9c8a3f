from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from harness.artifacts.onnx_file import inspect
from harness.errors import ModelError
from harness.model.case import TensorSpec
from tests.support import models


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "model.onnx"


def test_facts_of_a_small_network(file: Path) -> None:
    models.tiny(file)
    model = onnx.load_model(file)
    helper.set_model_props(model, {"classes": '["cat", "dog"]'})
    file.write_bytes(model.SerializeToString())

    facts = inspect(file, {})

    assert facts.inputs == (TensorSpec("image", "float32", (1, 3, 8, 8)),)
    assert facts.outputs == ("logits",)
    assert facts.opset == 17
    assert facts.files == ("model.onnx",)
    assert facts.size_bytes == file.stat().st_size
    assert facts.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert facts.precision == "fp32"
    assert facts.parameters == models.TINY_PARAMETERS == 122
    assert facts.macs == models.TINY_MACS == 6920
    assert facts.uncounted == ()
    assert facts.metadata == {"classes": '["cat", "dog"]'}


def test_a_batch_does_not_change_the_macs_of_one_image(file: Path) -> None:
    facts = inspect(models.tiny(file), {"image": (8, 3, 8, 8)})
    assert facts.inputs[0].shape == (8, 3, 8, 8)
    assert facts.macs == models.TINY_MACS


def test_a_given_shape_fills_free_dimensions(file: Path) -> None:
    models.tiny(file, ("batch", 3, "height", "width"))
    assert inspect(file, {"image": (1, 3, 16, 16)}).macs == 4 * 16 * 16 * 27 + 8


def test_weights_listed_as_inputs_are_not_fed(file: Path) -> None:
    weights = models.tiny_weights()
    inputs = [models.value("image", [1, 3, 8, 8]), *(models.value(name, w.shape) for name, w in weights.items())]
    models.save(file, models.tiny_nodes(), inputs, [models.value("logits", [1, 2])], weights, ir_version=3)
    assert [spec.name for spec in inspect(file, {}).inputs] == ["image"]


def test_several_inputs_and_embedding_rows(file: Path) -> None:
    facts = inspect(models.two_inputs(file), {})
    assert facts.inputs == (TensorSpec("image", "float32", (1, 4)), TensorSpec("index", "int64", (1,)))
    assert facts.parameters == 20
    assert facts.macs == 0


def test_external_data_is_listed_weighed_and_hashed_but_not_loaded(file: Path) -> None:
    models.external(file)
    weights = file.parent / "weights.bin"
    facts = inspect(file, {})
    assert facts.files == ("model.onnx", "weights.bin")
    assert facts.size_bytes == file.stat().st_size + weights.stat().st_size
    assert (facts.parameters, facts.macs) == (122, 6920)
    weights.write_bytes(bytes(weights.stat().st_size))
    assert inspect(file, {}).sha256 != facts.sha256


def test_missing_external_data(file: Path) -> None:
    models.external(file)
    (file.parent / "weights.bin").unlink()
    with pytest.raises(ModelError, match=r"model\.onnx keeps its weights in 'weights\.bin'.*copy that file"):
        inspect(file, {})


@pytest.mark.parametrize(
    "location", ["/etc/hostname", "../secret.bin", "a/../../secret.bin", "..\\secret.bin", "C:\\x"]
)
def test_external_data_outside_the_folder_is_refused(file: Path, location: str) -> None:
    (file.parent.parent / "secret.bin").write_bytes(b"secret")
    models.external(file, location)
    with pytest.raises(ModelError, match=r"model\.onnx.*'filters'.*outside its folder; refused"):
        inspect(file, {})


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    models.external(folder / "model.onnx")
    (folder / "weights.bin").rename(tmp_path / "secret.bin")
    (folder / "weights.bin").symlink_to(tmp_path / "secret.bin")
    with pytest.raises(ModelError, match="outside its folder"):
        inspect(folder / "model.onnx", {})


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"absent\.onnx does not exist; check"):
        inspect(tmp_path / "absent.onnx", {})
    with pytest.raises(ModelError, match=r"is a folder; give the \.onnx file"):
        inspect(tmp_path, {})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"just some text\n" * 20, "not an ONNX model; give"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "not an ONNX model but a PNG image"),
        (b"PK\x03\x04" + bytes(100), "zip archive, perhaps a PyTorch checkpoint; export it"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer; run `git lfs pull`"),
        (b"\x12\x00", "not an ONNX model"),
    ],
)
def test_files_that_are_no_model(file: Path, content: bytes, said: str) -> None:
    file.write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.onnx .*" + said):
        inspect(file, {})


def test_truncated_model(file: Path) -> None:
    models.tiny(file)
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"model\.onnx is truncated or damaged \(\d+ bytes\); export or copy"):
        inspect(file, {})


def test_newer_opset_names_both(file: Path) -> None:
    models.tiny(file, opset=99)
    with pytest.raises(
        ModelError, match=r"model\.onnx needs opset 99, but onnxruntime .* up to opset (1[5-9]|[2-9]\d);"
    ):
        inspect(file, {})


def test_newer_file_version(file: Path) -> None:
    models.tiny(file, ir_version=99)
    with pytest.raises(ModelError, match=r"model\.onnx has IR version 99, newer than onnxruntime"):
        inspect(file, {})


def test_no_inputs(file: Path) -> None:
    nodes = [helper.make_node("Identity", ["w"], ["y"])]
    models.save(file, nodes, [], [models.value("y", [1])], {"w": np.ones(1, np.float32)})
    with pytest.raises(ModelError, match=r"model\.onnx has no inputs"):
        inspect(file, {})


@pytest.mark.parametrize(
    ("declared", "named"),
    [
        (models.value("text", [1], TensorProto.STRING), "string"),
        (models.value("text", [1], TensorProto.BFLOAT16), "bfloat16"),
        (helper.make_tensor_sequence_value_info("text", TensorProto.FLOAT, [1]), "sequence"),
    ],
)
def test_inputs_that_cannot_be_fed(file: Path, declared: onnx.ValueInfoProto, named: str) -> None:
    models.one_node(file, "Identity", [declared])
    with pytest.raises(ModelError, match=rf"input 'text' of .*model\.onnx is of type {named}"):
        inspect(file, {})


def test_unknown_dimension_tells_the_option(file: Path) -> None:
    models.tiny(file, ("batch", 3, "height", "width"))
    with pytest.raises(
        ModelError, match=r"input 'image' of .*model\.onnx .*\(\?, 3, \?, \?\).*--shape image=1,3,224,224"
    ):
        inspect(file, {})


def test_unknown_rank_tells_the_option(file: Path) -> None:
    models.one_node(file, "Relu", [models.value("image", None)])
    with pytest.raises(ModelError, match=r"'image' of .*model\.onnx declares no shape.*--shape image=1,3,224,224"):
        inspect(file, {})
    assert inspect(file, {"image": (2, 3)}).inputs[0].shape == (2, 3)


def test_shape_for_an_unknown_input_suggests_the_nearest(file: Path) -> None:
    models.tiny(file)
    with pytest.raises(ModelError, match=r"model\.onnx has no input called 'imag'; did you mean image\?"):
        inspect(file, {"imag": (1, 3, 8, 8)})


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((3, 8, 8), r"--shape image=3,8,8 has 3 dimensions, but input 'image' of .* has 4 \(\?,3,8,8\)"),
        ((1, 1, 8, 8), r"image=1,1,8,8 contradicts the fixed shape of input 'image'.*\(\?,3,8,8\)"),
        ((0, 3, 8, 8), r"image=0,3,8,8: every dimension of input 'image' .* at least 1"),
    ],
)
def test_shape_that_does_not_fit(file: Path, shape: tuple[int, ...], said: str) -> None:
    models.tiny(file)
    with pytest.raises(ModelError, match=said):
        inspect(file, {"image": shape})
