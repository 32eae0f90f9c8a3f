"""Post-training quantization of an ONNX file to int8, and the proof that its convolutions are integer.

Owns the settings of onnxruntime's quantizer; needs no torch. It works in two steps: `calibrate` finds the range of each
tensor, `write` makes the QDQ file of either profile from ranges, wherever those were found or learned. Weights are
int8, symmetric, one scale per channel. The last matrix product gives float logits: quantizing those 10 values saves
nothing and ties predictions.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from harness.artifacts.onnx_session import open_session
from harness.errors import BuildError, suggest
from harness.model.recipe import Profile, QuantizeStatic
from harness.variants.graphs.fidelity import to_unit

Span = tuple[float, float]  # the smallest and the largest value of a tensor

BATCH = 64
PERCENTILE = 99.999
# onnxruntime spreads the levels over both signs, so finer bins, as TensorRT has them, clip what follows a ReLU far too
# tightly: agreement on `fast` was 99.85 % with 256 bins, 99.3 % with 512, and 96.3 % with 2048 for 128 levels.
ENTROPY_BINS = ENTROPY_LEVELS = 256
_CONVOLUTIONS = frozenset({"Conv", "ConvTranspose"})
_FLOAT_CONVOLUTIONS = _CONVOLUTIONS | {"FusedConv"}
_PRODUCTS = ["Gemm", "MatMul"]
# What TensorRT runs in int8 and fuses by itself with what follows, so that inputs alone are quantized.
_TRT_OPERATORS = ["Conv", "ConvTranspose", *_PRODUCTS, "Add", "GlobalAveragePool", "AveragePool"]


class _Reader:
    """One batch of calibration images in the form onnxruntime's calibrators ask for."""

    def __init__(self, name: str, images: NDArray[np.uint8]) -> None:
        self._batches = iter([{name: to_unit(images)}])

    def get_next(self) -> dict[str, Any] | None:
        """Give the batch, then None."""
        return next(self._batches, None)


def calibration_images(recipe: QuantizeStatic, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The recipe's share of the training images: seeded, without repetition."""
    return images[np.random.default_rng(recipe.seed).permutation(len(images))[: recipe.images]]


def quantize(
    source: Path,
    target: Path,
    images: NDArray[np.uint8],
    step: QuantizeStatic,
    metadata: Mapping[str, str],
    ranges: Mapping[str, Span] | None = None,
) -> None:
    """Quantize the float32 graph `source` into `target` as QDQ, for the step's profile and calibration method.

    `images`: uint8 (n, channels, height, width), all of which are used. `ranges`: learned ranges by tensor name, which
    take the place of those found on the images. The metadata of `source` is kept; `metadata` adds to it. BuildError,
    naming them, where convolutions outside `step.wide` would still run in float, or a name is not of the graph.
    """
    found = calibrate(source, images, step)
    for name in ranges or {}:
        if name not in found:
            raise BuildError(f"{source} has no tensor {name!r} to give a learned range; {suggest(name, found)}")
    write(source, target, {**found, **(ranges or {})}, step, metadata)
    check(target, step)


def calibrate(source: Path, images: NDArray[np.uint8], step: QuantizeStatic) -> dict[str, Span]:
    """The range of every float tensor over `images`, by name: both profiles can be written from it.

    minmax: the extremes. percentile: the interval that leaves out the outermost 0.001 % of magnitudes. entropy: the one
    whose quantized histogram has the least relative entropy to the whole.
    """
    from onnxruntime.quantization import CalibrationMethod, create_calibrator

    method, options = {
        "minmax": (CalibrationMethod.MinMax, {}),
        "percentile": (CalibrationMethod.Percentile, {"percentile": PERCENTILE}),
        "entropy": (CalibrationMethod.Entropy, {"num_bins": ENTROPY_BINS, "num_quantized_bins": ENTROPY_LEVELS}),
    }[step.ranges]
    # The calibrators report on stdout, which belongs to results.
    with preprocessed(source) as graph, contextlib.redirect_stdout(io.StringIO()):
        augmented = graph.with_name("augmented.onnx")
        calibrator = create_calibrator(graph, None, str(augmented), method, extra_options=options)
        name = onnx.load_model(graph).graph.input[0].name
        # One call a batch: within a call the histogram methods keep every activation of every image.
        for start in range(0, len(images), BATCH):
            calibrator.collect_data(_Reader(name, images[start : start + BATCH]))
        found = calibrator.compute_data()
    return {tensor: (_number(data.lowest), _number(data.highest)) for tensor, data in sorted(found.items())}


def write(
    source: Path,
    target: Path,
    ranges: Mapping[str, Span],
    step: QuantizeStatic,
    metadata: Mapping[str, str],
    only: Collection[str] = (),
) -> None:
    """Write `source` as QDQ with the given ranges of its tensors; nothing is checked but the names.

    `only`: names of the nodes to quantize, all if none are given. BuildError where a node of `step.wide` is unknown.
    """
    from onnxruntime.quantization.calibrate import CalibrationMethod, TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
    from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

    with preprocessed(source) as graph:
        model = onnx.load_model(graph)
    names = [node.name for node in model.graph.node]
    for name in step.wide:
        if name not in names:
            raise BuildError(f"{source} has no node {name!r} to keep in floats; {suggest(name, names)}")
    spans = {name: (np.float32(low), np.float32(high)) for name, (low, high) in ranges.items()}
    activations, options = _scheme(step.profile)
    quantizer = QDQQuantizer(
        model,
        True,  # per channel
        False,  # the full range of weights
        onnx.TensorProto.INT8,
        activations,
        TensorsData(CalibrationMethod.MinMax, spans),  # as plain ranges, whatever found them
        list(only),
        list(step.wide),
        sorted({*QDQRegistry, *QLinearOpsRegistry}) if step.profile == "cpu" else _TRT_OPERATORS,
        options,
    )
    quantizer.quantize_model()
    if step.profile == "cpu":
        _keep_float(quantizer.model.model.graph, step.wide)
    quantizer.model.topological_sort()  # the quantizer puts its nodes at the end, where shape inference finds nothing
    original = onnx.load_model(source, load_external_data=False).metadata_props
    _save(quantizer.model.model, target, {item.key: item.value for item in original} | dict(metadata))


def check(path: Path, step: QuantizeStatic) -> None:
    """BuildError, naming them, where nodes outside `step.wide` would not run in int8 where the profile is meant for."""
    if step.profile == "cpu":
        left = [name for name in float_convolutions(path) if name not in step.wide]
        if left:
            raise BuildError(f"{path}: {len(left)} convolutions would still run in float: {', '.join(left)}")
    else:
        faults = tensorrt_faults(path, step.wide)
        if faults:
            raise BuildError(f"{path}: TensorRT would not run {len(faults)} nodes in int8: {'; '.join(faults)}")


def float_convolutions(path: Path) -> list[str]:
    """Names of the float convolutions in the graph that onnxruntime makes of a file; none in a true int8 model."""
    with tempfile.TemporaryDirectory() as folder:
        optimized = Path(folder) / "optimized.onnx"
        # "extended" fuses QDQ into integer operators, as "all" does, but leaves out layouts of one processor.
        open_session(path, threads=1, optimization="enable_extended", save_to=optimized)
        nodes = onnx.load_model(optimized).graph.node
    return [node.name or node.output[0] for node in nodes if node.op_type in _FLOAT_CONVOLUTIONS]


def tensorrt_faults(path: Path, wide: Collection[str] = ()) -> list[str]:
    """What keeps TensorRT from int8, as "node: reason", read from the file alone: this needs no TensorRT.

    Its rules ("Working with Quantized Types" in the developer guide): a convolution is int8 where input and weight
    come from a DequantizeLinear, a residual sum where both terms do, and zero points are 0 of type int8.
    """
    graph = onnx.load_model(path).graph
    makers = {output: node.op_type for node in graph.node for output in node.output}
    weights = {tensor.name: tensor for tensor in graph.initializer}
    faults = []
    for node in graph.node:
        name = node.name or node.output[0]
        terms = list(node.input[:2])
        if node.op_type in {"QuantizeLinear", "DequantizeLinear"}:
            zero = weights.get(node.input[2]) if len(node.input) > 2 else None
            if zero is None or zero.data_type != onnx.TensorProto.INT8 or numpy_helper.to_array(zero).any():
                faults.append(f"{name}: its zero point is not an int8 0")
        elif name in wide or node.op_type not in _CONVOLUTIONS | {"Add"}:
            continue
        elif node.op_type == "Add" and any(term in weights for term in terms):
            continue  # a bias, no residual
        else:
            faults += [f"{name}: {term} is not quantized" for term in terms if makers.get(term) != "DequantizeLinear"]
    return faults


def quantized_tensors(path: Path) -> set[str]:
    """Names of the activations that a QDQ file quantizes with a range of their own, as the float graph calls them."""
    graph = onnx.load_model(path).graph
    weights = {tensor.name for tensor in graph.initializer}
    activations = {node.input[0] for node in graph.node if node.op_type == "QuantizeLinear"} - weights
    scales = {node.input[1] for node in graph.node if node.op_type == "QuantizeLinear"}
    return {name for name in activations if f"{name}_scale" in scales}


@contextlib.contextmanager
def preprocessed(source: Path) -> Iterator[Path]:
    """The graph as onnxruntime prepares it for quantization, shapes inferred and constants folded, for a while."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "prepared.onnx"
        # The symbolic inference would need sympy and adds nothing where only the batch is free.
        quant_pre_process(str(source), str(graph), skip_symbolic_shape=True)
        yield graph


def _scheme(profile: Profile) -> tuple[int, dict[str, Any]]:
    """The type of activations and the quantizer's options."""
    if profile == "cpu":
        # uint8, so that behind a ReLU the zero point is 0 and the ReLU disappears into the quantizer.
        return onnx.TensorProto.UINT8, {"WeightSymmetric": True, "OpTypesToExcludeOutputQuantization": _PRODUCTS}
    return onnx.TensorProto.INT8, {
        "ActivationSymmetric": True,
        "WeightSymmetric": True,
        "OpTypesToExcludeOutputQuantization": _TRT_OPERATORS,
        "DedicatedQDQPair": True,  # a pair that two nodes share keeps TensorRT from fusing either
        # TensorRT 8 refuses a DequantizeLinear of stored int8 weights, every version one of an int32 bias: "only
        # activation types allowed as input to this layer" (onnxruntime issue 14229).
        "AddQDQPairToWeight": True,
        "QuantizeBias": False,
    }


def _keep_float(graph: onnx.GraphProto, wide: Collection[str]) -> None:
    """Put a LeakyRelu that changes nothing behind each wide layer, or in the place of its ReLU.

    onnxruntime rounds float weights to int8, and one scale for all channels at that, wherever a layer lies between a
    DequantizeLinear and, but for a Relu or Clip, a QuantizeLinear (its weight_bias_quantization.cc). A LeakyRelu is no
    such thing, and is fused into the float convolution just as well.
    """
    for node in [node for node in graph.node if node.name in wide]:
        output = node.output[0]
        readers = [reader for reader in graph.node if output in reader.input]
        if len(readers) != 1:
            continue
        if readers[0].op_type == "Relu":
            readers[0].op_type = "LeakyRelu"
            readers[0].attribute.append(onnx.helper.make_attribute("alpha", 0.0))
        elif readers[0].op_type in {"Clip", "QuantizeLinear"}:
            node.output[0] = f"{output}_float"
            same = onnx.helper.make_node("LeakyRelu", [node.output[0]], [output], f"{node.name}_float", alpha=1.0)
            graph.node.append(same)


def _number(value: Any) -> float:
    """Turn a calibrator's bound, an array of one value, into a float."""
    return float(np.asarray(value).reshape(-1)[0])


def _save(model: onnx.ModelProto, path: Path, metadata: Mapping[str, str]) -> None:
    """Write deterministic bytes, without the opset imports that the optimizer added but no node uses."""
    used = {node.domain for node in model.graph.node} | {""}
    imports = [item for item in model.opset_import if item.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(imports)
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, dict(sorted(metadata.items())))
    path.write_bytes(model.SerializeToString(deterministic=True))
