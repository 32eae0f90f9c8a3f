"""A float32 graph in 16-bit floats, its input and output staying 32 bits wide, and the proof that it still computes.

Owns the conversion, which is on the file alone. fp16 runs in every onnxruntime. bf16 is for TensorRT and GPUs: ONNX has
bf16 convolutions from opset 22, and onnxruntime's CPU has none (1.31: "Could not find an implementation"). What a file
of either width computes is therefore found with ONNX's own reference evaluator, which rounds after every operator.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from harness.artifacts.onnx_file import inspect
from harness.artifacts.onnx_session import reference_outputs, seeded_inputs
from harness.errors import BuildError
from harness.model.recipe import Narrow, Width

BF16_OPSET = 22
TOLERANCE: Mapping[Width, float] = {  # of the largest logit; `fast` is off by 0.0007 and 0.007
    "fp16": 0.02,
    "bf16": 0.16,  # three bits fewer than fp16
}
_KINDS: Mapping[Width, int] = {"fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}
_FLOAT_INPUTS = {"Resize": (1, 2), "Upsample": (1,)}  # scales and regions, float32 by definition


def narrow(source: Path, target: Path, step: Narrow, metadata: Mapping[str, str]) -> None:
    """Write the float32 graph `source` to `target` with weights and computation of the step's width.

    The metadata of `source` is kept; `metadata` adds to it. BuildError where a weight does not fit the width, where the
    installed onnx is too old for bf16, or where the outputs for one seeded image differ by more than `TOLERANCE`.
    """
    model = onnx.load_model(source)
    if step.to == "bf16":
        model = _raise_opset(model, source)
    kind = _KINDS[step.to]
    kept = {name for node in model.graph.node for name in _stay_float(node)}
    for tensor in _tensors(model.graph):
        if tensor.data_type == TensorProto.FLOAT and tensor.name not in kept:
            tensor.CopyFrom(_narrowed(tensor, step.to, source))
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = kind
    _cast_ends(model.graph, kind)
    del model.graph.value_info[:]  # their types are no longer true
    properties = {item.key: item.value for item in model.metadata_props} | dict(metadata)
    del model.metadata_props[:]
    helper.set_model_props(model, dict(sorted(properties.items())))
    target.write_bytes(model.SerializeToString(deterministic=True))
    _check(source, target, step)


def reference_logits(path: Path, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """The first output for `images`, float32 (n, channels, height, width) in [0, 1], by ONNX's reference evaluator.

    For files that no runtime here can run. One image of `fast` takes 0.02 s in bf16 and 0.8 s in fp16.
    """
    from onnx.reference import ReferenceEvaluator

    model = onnx.load_model(path)
    with np.errstate(over="ignore", invalid="ignore"):  # what does not fit becomes inf or nan, which callers look for
        outputs: Any = ReferenceEvaluator(model).run(None, {model.graph.input[0].name: images})
    return np.asarray(outputs[0], np.float32)


def _raise_opset(model: onnx.ModelProto, source: Path) -> onnx.ModelProto:
    if onnx.defs.onnx_opset_version() < BF16_OPSET:
        raise BuildError(
            f"{source}: onnx {onnx.__version__} knows no bf16 convolution, which came with opset {BF16_OPSET}; "
            "install onnx 1.17 or later, or choose fp16"
        )
    if any(item.domain in {"", "ai.onnx"} and item.version >= BF16_OPSET for item in model.opset_import):
        return model
    return onnx.version_converter.convert_version(model, BF16_OPSET)


def _stay_float(node: onnx.NodeProto) -> list[str]:
    return [node.input[place] for place in _FLOAT_INPUTS.get(node.op_type, ()) if place < len(node.input)]


def _tensors(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    """Weights, and the constants inside nodes under the name of their output."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                attribute.t.name = node.output[0]
                yield attribute.t


def _narrowed(tensor: TensorProto, to: Width, source: Path) -> TensorProto:
    values = numpy_helper.to_array(tensor)
    if to == "bf16":
        return helper.make_tensor(tensor.name, TensorProto.BFLOAT16, values.shape, _bf16(values).tobytes(), raw=True)
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    if not np.isfinite(half).all():
        largest = float(np.abs(values).max())
        raise BuildError(
            f"{source}: {tensor.name} holds {largest:g}, too large for fp16; choose bf16, or leave it fp32"
        )
    return numpy_helper.from_array(half, tensor.name)


def _bf16(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Round float32 to the nearest bf16, ties to even, as its 16 bits: the upper half of a float32."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype("<u2")


def _cast_ends(graph: onnx.GraphProto, kind: int) -> None:
    """Cast float inputs on their way in and outputs on their way out, so that callers see float32 as before."""
    weights = {tensor.name for tensor in graph.initializer}
    inputs = {value.name: f"{value.name}.narrow" for value in graph.input if _is_float(value, weights)}
    outputs = {value.name: f"{value.name}.narrow" for value in graph.output if _is_float(value, weights)}
    renamed = inputs | outputs
    for node in graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [outputs.get(name, name) for name in node.output]
    ahead = [helper.make_node("Cast", [name], [new], name=f"{new}.cast", to=kind) for name, new in inputs.items()]
    behind = [
        helper.make_node("Cast", [new], [name], name=f"{new}.cast", to=TensorProto.FLOAT)
        for name, new in outputs.items()
    ]
    nodes = [*ahead, *graph.node, *behind]
    del graph.node[:]
    graph.node.extend(nodes)


def _is_float(value: onnx.ValueInfoProto, weights: set[str]) -> bool:
    return value.type.tensor_type.elem_type == TensorProto.FLOAT and value.name not in weights


def _check(source: Path, target: Path, step: Narrow) -> None:
    inputs = seeded_inputs(inspect(source, {}).inputs, step.seed)
    expected = reference_outputs(source, inputs)[0]
    found = reference_logits(target, next(iter(inputs.values())))
    if not np.isfinite(found).all():
        raise BuildError(f"{target}: an intermediate value is too large for {step.to}; choose bf16, or leave it fp32")
    worst = float(np.abs(found - expected).max() / max(float(np.abs(expected).max()), 1e-6))
    if worst > TOLERANCE[step.to]:
        raise BuildError(
            f"{target} differs from {source} by {worst:.3g} of the largest logit, more than {TOLERANCE[step.to]}; "
            f"its values do not bear {step.to}"
        )
