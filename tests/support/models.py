"""Small ONNX models made node by node, so that every count in a test can be done by hand. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16
Shape = Sequence[int | str | None] | None

# Of `tiny`, by hand: weights 4*3*3*3 + bias 4 + head 2*4 + bias 2; 4*8*8 outputs of 3*3*3 products each, then 2*4.
TINY_PARAMETERS = 108 + 4 + 8 + 2
TINY_MACS = 4 * 8 * 8 * 27 + 8


def value(name: str, shape: Shape, kind: int = FLOAT) -> ValueInfoProto:
    """Declare an input or output."""
    return helper.make_tensor_value_info(name, kind, shape)


def save(
    path: Path,
    nodes: Sequence[NodeProto],
    inputs: Sequence[ValueInfoProto],
    outputs: Sequence[ValueInfoProto],
    weights: Mapping[str, NDArray[Any]] | None = None,
    opset: int = 17,
    ir_version: int = 8,
) -> Path:
    """Write a model without checking it."""
    tensors = [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()]
    graph = helper.make_graph(nodes, "test", inputs, outputs, tensors)
    imports = [helper.make_opsetid("", opset)]
    path.write_bytes(helper.make_model(graph, opset_imports=imports, ir_version=ir_version).SerializeToString())
    return path


def tiny_weights(kind: type[np.floating[Any]] = np.float32) -> dict[str, NDArray[Any]]:
    """Weights of `tiny`, seeded."""
    generator = np.random.default_rng(0)
    shapes = {"filters": (4, 3, 3, 3), "bias": (4,), "head": (2, 4), "head_bias": (2,)}
    return {name: generator.standard_normal(shape).astype(kind) for name, shape in shapes.items()}


def tiny_nodes() -> list[NodeProto]:
    """Convolution 3 to 4 channels, ReLU, global pool, fully connected layer to 2 classes."""
    return [
        helper.make_node("Conv", ["image", "filters", "bias"], ["c"], name="conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "head", "head_bias"], ["logits"], transB=1),
    ]


def tiny(path: Path, shape: Shape = ("batch", 3, 8, 8), opset: int = 17, ir_version: int = 8) -> Path:
    """The smallest network with everything: image (batch, 3, 8, 8) to logits (batch, 2)."""
    outputs = [value("logits", ["batch", 2])]
    return save(path, tiny_nodes(), [value("image", shape)], outputs, tiny_weights(), opset, ir_version)


def tiny_half(path: Path) -> Path:
    """`tiny` in float16 throughout."""
    inputs, outputs = [value("image", [1, 3, 8, 8], HALF)], [value("logits", [1, 2], HALF)]
    return save(path, tiny_nodes(), inputs, outputs, tiny_weights(np.float16))


def half_storage(path: Path) -> Path:
    """`tiny` in float32 whose filters are stored as float16 and cast."""
    weights = tiny_weights()
    weights["filters.half"] = weights.pop("filters").astype(np.float16)
    cast = helper.make_node("Cast", ["filters.half"], ["filters"], to=FLOAT)
    inputs, outputs = [value("image", [1, 3, 8, 8])], [value("logits", [1, 2])]
    return save(path, [cast, *tiny_nodes()], inputs, outputs, weights)


def external(path: Path, location: str = "weights.bin") -> Path:
    """`tiny` with its filters in another file, of which the model holds only the name; the file is written too,
    unless the name leads out of the folder."""
    tiny(path)
    model = onnx.load_model(path)
    filters = model.graph.initializer[0]
    content = numpy_helper.to_array(filters).tobytes()
    filters.ClearField("raw_data")
    filters.data_location = TensorProto.EXTERNAL
    filters.external_data.add(key="location", value=location)
    filters.external_data.add(key="length", value=str(len(content)))
    path.write_bytes(model.SerializeToString())
    if Path(location).name == location:
        (path.parent / location).write_bytes(content)
    return path


def two_inputs(path: Path) -> Path:
    """An image and an int64 index; the image plus one of 5 learned rows of 4 values."""
    nodes = [
        helper.make_node("Gather", ["rows", "index"], ["row"]),
        helper.make_node("Add", ["image", "row"], ["sum"]),
    ]
    inputs = [value("image", [1, 4]), value("index", [1], TensorProto.INT64)]
    return save(path, nodes, inputs, [value("sum", [1, 4])], {"rows": np.ones((5, 4), np.float32)})


def one_node(path: Path, operator: str, inputs: Sequence[ValueInfoProto], domain: str = "", **attributes: Any) -> Path:
    """A model of one operator with the output `y`."""
    node = helper.make_node(operator, [one.name for one in inputs], ["y"], domain=domain, **attributes)
    return save(path, [node], inputs, [value("y", None)])


def not_finite(path: Path) -> Path:
    """NaN for every input: the square root of a negative number."""
    nodes = [helper.make_node("Sub", ["x", "two"], ["d"]), helper.make_node("Sqrt", ["d"], ["y"])]
    return save(path, nodes, [value("x", [1, 3])], [value("y", [1, 3])], {"two": np.array([2], np.float32)})


def qdq(path: Path) -> Path:
    """One convolution, 3 to 4 channels, 3x3, between quantizers: int8 weights, int32 bias, uint8 activations."""
    nodes = [
        helper.make_node("QuantizeLinear", ["image", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["x"]),
        helper.make_node("DequantizeLinear", ["filters", "scales", "zeros"], ["w"], axis=0),
        helper.make_node("DequantizeLinear", ["bias", "scales32", "zeros32"], ["b"], axis=0),
        helper.make_node("Conv", ["x", "w", "b"], ["c"], name="conv", pads=[1, 1, 1, 1]),
        helper.make_node("QuantizeLinear", ["c", "scale", "zero"], ["cq"]),
        helper.make_node("DequantizeLinear", ["cq", "scale", "zero"], ["y"]),
    ]
    weights = {
        "scale": np.array(0.1, np.float32),
        "zero": np.array(0, np.uint8),
        "filters": np.ones((4, 3, 3, 3), np.int8),
        "scales": np.full(4, 0.1, np.float32),
        "zeros": np.zeros(4, np.int8),
        "bias": np.zeros(4, np.int32),
        "scales32": np.full(4, 0.01, np.float32),
        "zeros32": np.zeros(4, np.int32),
    }
    return save(path, nodes, [value("image", ["batch", 3, 8, 8])], [value("y", ["batch", 4, 8, 8])], weights)
