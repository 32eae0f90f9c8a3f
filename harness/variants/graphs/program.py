"""An fp32 ONNX graph as a torch program: the same weights, the same order of operators, checked against the graph.

Made from the file and not from the network, so that a released artifact is enough and both runtimes compute the same
thing. Owns the operators that vision networks here use; knows no recipe and no cache.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import NodeProto, helper, numpy_helper
from torch import Tensor, fx, nn
from torch.nn import functional

from harness.artifacts.onnx_file import inspect
from harness.artifacts.onnx_session import reference_outputs, seeded_inputs
from harness.errors import BuildError

TOLERANCE = 1e-4  # as of harness.variants.graphs.export
SEED = 0
# harness.agent.backends.pytorch reads it under the same name.
INPUTS = "inputs.json"
# Two, as torch.export takes a first dimension of 1 for a constant.
EXAMPLES = 2
Attributes = Mapping[str, Any]


def export(source: Path, target: Path) -> None:
    """Write the program of the ONNX file: torch.export's where `target` ends in .pt2, else TorchScript.

    BuildError for an operator that is unknown here, and where its outputs differ from the graph's by more than
    `TOLERANCE` on seeded inputs.
    """
    model = onnx.load_model(source)
    module = convert(model, source)
    inputs = seeded_inputs(inspect(source, {}).inputs, SEED)
    names = list(inputs)
    _check(module, inputs, source)
    free = [bool(value.type.tensor_type.shape.dim[0].dim_param) for value in _fed(model)]
    examples = tuple(
        torch.from_numpy(np.concatenate([array] * (EXAMPLES if one else 1)))
        for array, one in zip(inputs.values(), free, strict=True)
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.suffix == ".pt2":
        batch = torch.export.Dim("batch")
        shapes = tuple({0: batch} if one else {} for one in free)
        exported = torch.export.export(module, examples, dynamic_shapes=shapes)
        torch.export.save(exported, target, extra_files={INPUTS: json.dumps(names)})
    else:
        with warnings.catch_warnings():
            # Announced to go; boards whose torch reads no .pt2 have nothing else.
            for kind in (DeprecationWarning, FutureWarning):
                warnings.simplefilter("ignore", kind)
            traced = torch.jit.trace(module, examples, check_trace=False)
            torch.jit.save(traced, str(target), _extra_files={INPUTS: json.dumps(names)})


def convert(model: onnx.ModelProto, source: Path) -> fx.GraphModule:
    """The graph as a module whose inputs are the file's, in order. BuildError names an unknown operator."""
    builder = _Builder(model, source)
    for node in model.graph.node:
        builder.add(node)
    return builder.finish()


def _fed(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """Inputs that are not weights: old files list those too."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in weights]


class _Builder:
    """A torch graph in the making; `values` are its nodes by the file's names."""

    def __init__(self, model: onnx.ModelProto, source: Path) -> None:
        self.model, self.source, self.graph, self.root = model, source, fx.Graph(), nn.Module()
        self.constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        self.values: dict[str, fx.Node] = {}
        for value in _fed(model):
            self.values[value.name] = self.graph.placeholder(_identifier(value.name))

    def add(self, node: NodeProto) -> None:
        """The torch calls of one node."""
        attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        if node.op_type == "Constant":
            self.constants[node.output[0]] = numpy_helper.to_array(attributes["value"])
        elif node.op_type == "Cast" and node.input[0] in self.constants:  # weights stored in half the space
            kind = helper.tensor_dtype_to_np_dtype(attributes["to"])
            self.constants[node.output[0]] = self.constants[node.input[0]].astype(kind)
        elif node.op_type in OPERATORS and not node.domain:
            self.values[node.output[0]] = OPERATORS[node.op_type](self, node.input, attributes)
        else:
            raise BuildError(
                f"{self.source} has the operator {node.op_type} ({node.name}), which is not made into torch programs "
                "here; measure it with onnxruntime"
            )

    def value(self, name: str) -> fx.Node:
        """A tensor of the program; a weight becomes a buffer at its first use."""
        if name not in self.values:
            own = _identifier(f"w_{name}")
            self.root.register_buffer(own, torch.from_numpy(np.array(self.constants[name])))
            self.values[name] = self.graph.get_attr(own)
        return self.values[name]

    def call(self, function: Callable[..., Any], *arguments: Any) -> fx.Node:
        """One call of the program."""
        return self.graph.call_function(function, arguments)

    def finish(self) -> fx.GraphModule:
        """The module; several outputs become a tuple."""
        found = [self.value(value.name) for value in self.model.graph.output]
        self.graph.output(found[0] if len(found) == 1 else tuple(found))
        return fx.GraphModule(self.root, self.graph).eval()


def _identifier(name: str) -> str:
    text = "".join(letter if letter.isalnum() else "_" for letter in name)
    return f"_{text}" if text[:1].isdigit() else text


def _window(attributes: Attributes, source: Path) -> tuple[list[int], list[int]]:
    """Stride and padding of a convolution or a pool, in two dimensions."""
    pads = list(attributes.get("pads", [0, 0, 0, 0]))
    if attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID") or pads[:2] != pads[2:]:
        raise BuildError(f"{source}: padding that differs from side to side is not made into torch programs here")
    return list(attributes.get("strides", [1, 1])), pads[:2]


def _convolution(builder: _Builder, names: Sequence[str], attributes: Attributes) -> fx.Node:
    stride, padding = _window(attributes, builder.source)
    bias = builder.value(names[2]) if len(names) > 2 else None
    dilation, groups = list(attributes.get("dilations", [1, 1])), attributes.get("group", 1)
    image, weight = builder.value(names[0]), builder.value(names[1])
    return builder.call(functional.conv2d, image, weight, bias, stride, padding, dilation, groups)


def _max_pool(builder: _Builder, names: Sequence[str], attributes: Attributes) -> fx.Node:
    stride, padding = _window(attributes, builder.source)
    image, side = builder.value(names[0]), list(attributes["kernel_shape"])
    ceil = bool(attributes.get("ceil_mode", 0))
    return builder.call(functional.max_pool2d, image, side, stride, padding, 1, ceil)


def _average_pool(builder: _Builder, names: Sequence[str], attributes: Attributes) -> fx.Node:
    stride, padding = _window(attributes, builder.source)
    image, side = builder.value(names[0]), list(attributes["kernel_shape"])
    ceil, padded = bool(attributes.get("ceil_mode", 0)), bool(attributes.get("count_include_pad", 0))
    return builder.call(functional.avg_pool2d, image, side, stride, padding, ceil, padded)


def _gemm(builder: _Builder, names: Sequence[str], attributes: Attributes) -> fx.Node:
    if attributes.get("alpha", 1.0) != 1.0 or attributes.get("beta", 1.0) != 1.0 or attributes.get("transA", 0):
        raise BuildError(f"{builder.source}: a Gemm with alpha, beta or transA is not made into torch programs here")
    image, weight = builder.value(names[0]), builder.value(names[1])
    if not attributes.get("transB", 0):
        weight = builder.call(torch.transpose, weight, 0, 1)
    return builder.call(functional.linear, image, weight, builder.value(names[2]) if len(names) > 2 else None)


def _clip(builder: _Builder, names: Sequence[str], attributes: Attributes) -> fx.Node:
    bounds = [attributes.get("min"), attributes.get("max")]  # before opset 11
    for place, name in enumerate(names[1:]):
        bounds[place] = float(builder.constants[name]) if name else None
    return builder.call(torch.clamp, builder.value(names[0]), *bounds)


def _flatten(builder: _Builder, names: Sequence[str], attributes: Attributes) -> fx.Node:
    if attributes.get("axis", 1) != 1:
        raise BuildError(f"{builder.source}: a Flatten of another axis than 1 is not made into torch programs here")
    return builder.call(torch.flatten, builder.value(names[0]), 1)


def _plain(function: Callable[..., Tensor]) -> Callable[[_Builder, Sequence[str], Attributes], fx.Node]:
    """An operator that is one torch function of its inputs."""
    return lambda builder, names, _attributes: builder.call(function, *(builder.value(name) for name in names))


OPERATORS: Mapping[str, Callable[[_Builder, Sequence[str], Attributes], fx.Node]] = {
    "Add": _plain(torch.add),
    "AveragePool": _average_pool,
    "Clip": _clip,
    "Concat": lambda builder, names, its: builder.call(torch.cat, [builder.value(name) for name in names], its["axis"]),
    "Conv": _convolution,
    "Div": _plain(torch.div),
    "Flatten": _flatten,
    "Gemm": _gemm,
    "GlobalAveragePool": lambda builder, names, _: builder.call(torch.mean, builder.value(names[0]), (2, 3), True),
    "HardSwish": _plain(functional.hardswish),
    "Identity": _plain(torch.clone),
    "MatMul": _plain(torch.matmul),
    "MaxPool": _max_pool,
    "Mul": _plain(torch.mul),
    "Relu": _plain(torch.relu),
    "Sigmoid": _plain(torch.sigmoid),
    "Sub": _plain(torch.sub),
}


def _check(module: nn.Module, inputs: Mapping[str, NDArray[Any]], source: Path) -> None:
    with torch.no_grad():
        answered = module(*(torch.from_numpy(array) for array in inputs.values()))
    found = answered if isinstance(answered, tuple) else (answered,)
    for one, expected in zip(found, reference_outputs(source, dict(inputs)), strict=True):
        if not np.allclose(one.numpy(), expected, rtol=TOLERANCE, atol=TOLERANCE):
            worst = float(np.abs(one.numpy() - expected).max())
            raise BuildError(f"the torch program of {source} differs from it by {worst:g}, more than {TOLERANCE:g}")
