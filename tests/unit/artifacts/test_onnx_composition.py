"""What the bytes of a file hold: exactly as many as it has, each attributed to what takes them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from harness.artifacts.locks import read_lock, write_lock
from harness.artifacts.onnx_composition import composition
from harness.artifacts.onnx_file import inspect
from harness.model.case import Part

SUITES = Path(__file__).resolve().parents[3] / "suites"
LOCK = read_lock(SUITES / "cifar10.lock.json")
WEIGHT = np.arange(32, dtype=np.float16).reshape(8, 4, 1, 1)  # 64 bytes


def model_of(nodes, tensors, **metadata: str) -> onnx.ModelProto:
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 4, 2, 2])
    answer = helper.make_tensor_value_info("answer", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "small", [image], [answer], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, metadata)
    return model


def stored_as_halves(**metadata: str) -> onnx.ModelProto:
    nodes = [
        helper.make_node("Cast", ["halves"], ["weight"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["image", "weight"], ["answer"]),
    ]
    return model_of(nodes, [numpy_helper.from_array(WEIGHT, "halves")], **metadata)


def parts_of(model: onnx.ModelProto) -> dict[tuple[str, str, str], int]:
    whole = model.SerializeToString()
    found = composition(model, len(whole))
    assert sum(part.size_bytes for part in found) == len(whole)
    return {(part.kind, part.operator, part.dtype): part.size_bytes for part in found}


@pytest.mark.parametrize("name", LOCK)
def test_the_parts_of_a_released_file_are_its_size(name):
    facts = LOCK[name]
    found = inspect(SUITES / facts.file, {}).composition
    assert sum(part.size_bytes for part in found) == facts.size_bytes == (SUITES / facts.file).stat().st_size
    assert found[0].operator == "Conv"
    assert found[0].dtype == ("int8" if facts.precision == "int8" else "fp16")
    assert all(part.size_bytes > 0 for part in found)


def test_halves_behind_a_cast_are_the_convolutions():
    parts = parts_of(stored_as_halves())
    assert parts["values", "Conv", "fp16"] == 64
    assert set(parts) == {("values", "Conv", "fp16"), ("graph", "", "")}


def test_notes_are_counted_to_the_byte():
    bare, noted = stored_as_halves(), stored_as_halves(recipe="0123", note="x" * 200)
    grown = len(noted.SerializeToString()) - len(bare.SerializeToString())
    assert parts_of(noted)["metadata", "", ""] == grown
    assert parts_of(noted)["graph", "", ""] == parts_of(bare)["graph", "", ""]


def test_integers_and_their_scales_are_told_apart():
    nodes = [
        helper.make_node("DequantizeLinear", ["whole", "scale", "zero"], ["weight"]),
        helper.make_node("Conv", ["image", "weight"], ["answer"]),
    ]
    tensors = [
        numpy_helper.from_array(WEIGHT.astype(np.int8), "whole"),
        numpy_helper.from_array(np.float32(0.5), "scale"),
        numpy_helper.from_array(np.int8(0), "zero"),
    ]
    parts = parts_of(model_of(nodes, tensors))
    assert parts["values", "Conv", "int8"] == 32
    assert parts["values", "DequantizeLinear", "fp32"] == 4
    assert parts["values", "DequantizeLinear", "int8"] == 1


def test_values_that_are_no_raw_bytes_are_counted_as_they_are_stored():
    typed = helper.make_tensor("weight", TensorProto.FLOAT, [8, 4, 1, 1], WEIGHT.astype(np.float32).ravel())
    typed.ClearField("raw_data")
    typed.ClearField("float_data")
    typed.float_data.extend(WEIGHT.astype(np.float32).ravel().tolist())
    parts = parts_of(model_of([helper.make_node("Conv", ["image", "weight"], ["answer"])], [typed]))
    assert parts["values", "Conv", "fp32"] == 4 * 32 + 3  # packed: a field's name, its length in two bytes, the values


def test_what_nobody_takes_is_unused():
    stray = numpy_helper.from_array(np.zeros(5, np.int64), "stray")
    model = stored_as_halves()
    model.graph.initializer.append(stray)
    assert parts_of(model)["values", "unused", "int64"] == 40


def test_values_beside_the_model_leave_the_padding_between_them(tmp_path):
    big = np.zeros((8, 4, 16, 16), np.float32)
    model = model_of(
        [helper.make_node("Conv", ["image", "weight"], ["answer"])], [numpy_helper.from_array(big, "weight")]
    )
    path = tmp_path / "big.onnx"
    onnx.save(model, path, save_as_external_data=True, location="big.data", size_threshold=0)
    with (tmp_path / "big.data").open("ab") as file:
        file.write(b"\0" * 96)
    read = onnx.load(path, load_external_data=False)
    parts = composition(read, path.stat().st_size, (tmp_path / "big.data").stat().st_size)
    assert Part("values", big.nbytes, "Conv", "fp32") in parts
    assert Part("padding", 96) in parts
    assert sum(part.size_bytes for part in parts) == sum(one.stat().st_size for one in tmp_path.iterdir())


def test_values_that_share_their_bytes_are_not_divided():
    model = stored_as_halves()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "x"), ("length", "64")):
        tensor.external_data.add(key=key, value=value)
    parts = composition(model, model.ByteSize(), 40)
    assert Part("values", 40, "unused") in parts
    assert sum(part.size_bytes for part in parts) == model.ByteSize() + 40


def test_no_lock_holds_what_a_plan_finds(tmp_path):
    facts = LOCK["fast"]
    path = tmp_path / "some.lock.json"
    write_lock(path, [replace(facts, composition=(Part("graph", facts.size_bytes),))])
    assert "composition" not in path.read_text("utf-8")
    assert read_lock(path) == {"fast": facts}
