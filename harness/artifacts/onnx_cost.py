"""What an ONNX graph costs: trained parameters, multiply-accumulates, the precision it computes in.

Owns the counting rules; opens no file. Counts are exact for the operators named here; every other operator that
could do multiply-accumulates is reported by name, never guessed. Subgraphs (If, Loop, Scan) are not entered.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import onnx
from onnx import TensorProto, shape_inference

Shapes = Mapping[str, tuple[int, ...]]

_PRECISIONS: dict[int, str] = {
    TensorProto.FLOAT: "fp32",
    TensorProto.FLOAT16: "fp16",
    TensorProto.BFLOAT16: "bf16",
    TensorProto.DOUBLE: "fp64",
}
_INTEGER_OPERATORS = frozenset({"QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger", "QGemm"})
# Where integer operators keep trained values, as (operator, input number).
_INTEGER_WEIGHTS = frozenset(
    {
        ("QLinearConv", 3),
        ("QLinearConv", 8),
        ("QLinearMatMul", 3),
        ("ConvInteger", 1),
        ("MatMulInteger", 1),
        ("QGemm", 3),
        ("QGemm", 6),
    }
)
# Their first input is passed on, so a weight stays a weight behind them.
CARRIERS = frozenset(
    (
        "Cast", "DequantizeLinear", "Flatten", "Identity", "QuantizeLinear", "Reshape", "Squeeze", "Transpose",
        "Unsqueeze",
    )
)  # fmt: skip
# Float constants of these are settings or pixel statistics, not trained values.
_SETTING_OPERATORS = frozenset(
    (
        "Clip", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Min", "Pad", "Pow",
        "Range", "Resize", "Sub", "Upsample", "Where",
    )
)  # fmt: skip
_BATCH_NORM_STATISTICS = (3, 4)  # running mean and variance: measured, not trained
# Elementwise work, data movement, pooling, reductions and normalization: no multiply-accumulates by convention.
_FREE = frozenset(
    (
        "Abs", "Add", "And", "ArgMax", "ArgMin", "AveragePool", "BatchNormalization", "BitShift", "Cast",
        "CastLike", "Ceil", "Celu", "CenterCropPad", "Clip", "Compress", "Concat", "Constant",
        "ConstantOfShape", "Cos", "CumSum", "DepthToSpace", "DequantizeLinear", "Div", "Dropout",
        "DynamicQuantizeLinear", "Elu", "Equal", "Erf", "Exp", "Expand", "EyeLike", "Flatten", "Floor",
        "Gather", "GatherElements", "GatherND", "Gelu", "GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool",
        "Greater", "GreaterOrEqual", "GroupNormalization", "HardSigmoid", "HardSwish", "Hardmax", "Identity",
        "InstanceNormalization", "IsInf", "IsNaN", "LRN", "LayerNormalization", "LeakyRelu", "Less",
        "LessOrEqual", "Log", "LogSoftmax", "LpNormalization", "LpPool", "Max", "MaxPool", "MaxUnpool", "Mean",
        "MeanVarianceNormalization", "Min", "Mish", "Mod", "Mul", "Neg", "NonMaxSuppression", "NonZero", "Not",
        "OneHot", "Or", "PRelu", "Pad", "Pow", "QLinearAdd", "QLinearAveragePool", "QLinearConcat",
        "QLinearGlobalAveragePool", "QLinearLeakyRelu", "QLinearMul", "QLinearSigmoid", "QLinearSoftmax",
        "QuantizeLinear", "RMSNormalization", "Range", "Reciprocal", "ReduceL1", "ReduceL2", "ReduceLogSum",
        "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare",
        "Relu", "Reshape", "Resize", "ReverseSequence", "RoiAlign", "Round", "ScatterElements", "ScatterND",
        "Selu", "Shape", "Shrink", "Sigmoid", "Sign", "Sin", "Size", "Slice", "Softmax", "Softplus", "Softsign",
        "SpaceToDepth", "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Swish", "Tanh", "ThresholdedRelu", "Tile",
        "TopK", "Transpose", "Trilu", "Unique", "Unsqueeze", "Upsample", "Where", "Xor",
    )
)  # fmt: skip
_LARGE_VALUES = 1024  # constants above this are weights, whose values shape inference never needs


@dataclass(frozen=True)
class Cost:
    """`macs` per image, None where a shape is unknown; `uncounted`: operator types whose work is not in it."""

    parameters: int
    macs: int | None
    uncounted: tuple[str, ...]
    precision: str


def count(model: onnx.ModelProto, shapes: Shapes, batch: int) -> Cost:
    """The cost of one image, given the concrete shapes of all inputs, which hold `batch` images."""
    inferred, elements = _infer(model, shapes)
    per_node = [_macs_of(node, inferred) for node in model.graph.node if node.op_type in _MACS]
    known = [macs for macs in per_node if macs is not None]
    uncounted = {node.op_type for node in model.graph.node if node.op_type not in _MACS and node.op_type not in _FREE}
    return Cost(
        parameters=_parameters(model.graph),
        macs=sum(known) // batch if len(known) == len(per_node) else None,
        uncounted=tuple(sorted(uncounted)),
        precision=_precision(model.graph, elements),
    )


def opset(model: onnx.ModelProto) -> int:
    """Version of the standard operators; 0 where the model uses none."""
    return next((int(item.version) for item in model.opset_import if item.domain in ("", "ai.onnx")), 0)


def constants(graph: onnx.GraphProto) -> dict[str, TensorProto]:
    """Initializers and the tensors of Constant nodes, by name."""
    found = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].HasField("t"):
            found[node.output[0]] = node.attribute[0].t
    return found


def _parameters(graph: onnx.GraphProto) -> int:
    uses: dict[str, list[tuple[str, int, str]]] = {}
    for node in graph.node:
        for slot, name in enumerate(node.input):
            uses.setdefault(name, []).append((node.op_type, slot, node.output[0]))
    return sum(math.prod(tensor.dims) for name, tensor in constants(graph).items() if _is_trained(name, tensor, uses))


def _is_trained(name: str, tensor: TensorProto, uses: Mapping[str, list[tuple[str, int, str]]]) -> bool:
    """Whether any use of a constant is that of a weight. Scalars, scales, zero points and settings are not."""
    if not tensor.dims:
        return False
    waiting = [(name, tensor.data_type in _PRECISIONS)]
    while waiting:
        current, is_float = waiting.pop()
        for operator, slot, output in uses.get(current, []):
            if operator in CARRIERS and slot == 0:
                waiting.append((output, is_float or operator == "DequantizeLinear"))
            elif _holds_weight(operator, slot, is_float):
                return True
    return False


def _holds_weight(operator: str, slot: int, is_float: bool) -> bool:
    if (operator, slot) in _INTEGER_WEIGHTS:
        return True
    if not is_float or operator in CARRIERS or operator in _INTEGER_OPERATORS or operator.startswith("QLinear"):
        return False
    if operator == "BatchNormalization" and slot in _BATCH_NORM_STATISTICS:
        return False
    return operator not in _SETTING_OPERATORS


def _precision(graph: onnx.GraphProto, elements: Mapping[str, int]) -> str:
    """What the multiply-accumulates are done in; without any, what the first input is given in."""
    dequantized = {node.output[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    found = set()
    for node in graph.node:
        if node.op_type not in _MACS:
            continue
        if node.op_type in _INTEGER_OPERATORS or all(name in dequantized for name in node.input[:2]):
            found.add("int8")
        elif any(name in dequantized for name in node.input[:2]):
            found.add("mixed")  # only the weights or only the activations are integers
        else:
            found.add(_PRECISIONS.get(elements.get(node.input[0], 0), "unknown"))
    if not found:
        found = {_PRECISIONS.get(value.type.tensor_type.elem_type, "unknown") for value in graph.input[:1]}
    return found.pop() if len(found) == 1 else "mixed"


def _infer(model: onnx.ModelProto, shapes: Shapes) -> tuple[dict[str, tuple[int, ...]], dict[str, int]]:
    """Shapes where every dimension is known, and element types, by value name."""
    try:
        graph = shape_inference.infer_shapes(_without_weights(model, shapes), data_prop=True).graph
    except (shape_inference.InferenceError, RuntimeError):
        # An operator this onnx does not know stops its inference; macs are then missing, which is what is true.
        graph = model.graph
    found, elements = dict(shapes), {}
    for value in (*graph.input, *graph.value_info, *graph.output):
        tensor = value.type.tensor_type
        elements[value.name] = tensor.elem_type
        sizes = tuple(size.dim_value for size in tensor.shape.dim)
        if tensor.HasField("shape") and all(sizes):
            found.setdefault(value.name, sizes)
    for name, constant in constants(model.graph).items():
        found[name], elements[name] = tuple(constant.dims), constant.data_type
    return found, elements


def _without_weights(model: onnx.ModelProto, shapes: Shapes) -> onnx.ModelProto:
    """A copy with concrete inputs and no large constants: inference serializes its model, which for 100 MB is slow."""
    light = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import, functions=model.functions)
    graph = light.graph
    graph.name = model.graph.name
    graph.node.extend(model.graph.node)
    graph.value_info.extend(model.graph.value_info)
    for tensor in model.graph.initializer:
        if math.prod(tensor.dims) > _LARGE_VALUES or tensor.data_location == TensorProto.EXTERNAL:
            graph.initializer.append(TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims))
        else:
            graph.initializer.append(tensor)
    for value in model.graph.input:
        copied = graph.input.add()
        copied.CopyFrom(value)
        if value.name in shapes:
            element = value.type.tensor_type.elem_type
            copied.CopyFrom(onnx.helper.make_tensor_value_info(value.name, element, shapes[value.name]))
    for value in model.graph.output:
        # A declared output shape may be stale; only its element type is kept.
        element = value.type.tensor_type.elem_type
        graph.output.append(onnx.helper.make_tensor_value_info(value.name, element, None))
    return light


def _macs_of(node: onnx.NodeProto, shapes: Shapes) -> int | None:
    rule, weight_slot = _MACS[node.op_type]
    names = (node.input[0], node.input[weight_slot], node.output[0])
    if any(name not in shapes for name in names):
        return None
    return rule(node, *(shapes[name] for name in names))


def _convolution(_node: onnx.NodeProto, _data: tuple[int, ...], weight: tuple[int, ...], out: tuple[int, ...]) -> int:
    """Each output value sums over input channels of its group and the kernel: weight is (out, in / groups, *kernel)."""
    return math.prod(out) * math.prod(weight[1:])


def _transposed(_node: onnx.NodeProto, data: tuple[int, ...], weight: tuple[int, ...], _out: tuple[int, ...]) -> int:
    """Each input value is spread over output channels of its group and the kernel: (in, out / groups, *kernel)."""
    return math.prod(data) * math.prod(weight[1:])


def _product(_node: onnx.NodeProto, data: tuple[int, ...], _weight: tuple[int, ...], out: tuple[int, ...]) -> int:
    return math.prod(out) * data[-1]


def _gemm(node: onnx.NodeProto, data: tuple[int, ...], weight: tuple[int, ...], _out: tuple[int, ...]) -> int:
    transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
    return math.prod(data) * (weight[0] if transposed else weight[1])


_Rule = Callable[[onnx.NodeProto, tuple[int, ...], tuple[int, ...], tuple[int, ...]], int]
# Operator -> its rule and which input is its weight or second factor.
_MACS: dict[str, tuple[_Rule, int]] = {
    "Conv": (_convolution, 1),
    "ConvInteger": (_convolution, 1),
    "QLinearConv": (_convolution, 3),
    "ConvTranspose": (_transposed, 1),
    "MatMul": (_product, 1),
    "MatMulInteger": (_product, 1),
    "QLinearMatMul": (_product, 3),
    "Gemm": (_gemm, 1),
    "QGemm": (_gemm, 3),
}
