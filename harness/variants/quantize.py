"""Post-training quantization of an ONNX file to int8, and the proof that no float convolution is left.

Owns the settings of onnxruntime's quantizer; needs no torch. Weights are int8, symmetric, one scale per channel;
activations uint8, so that behind a ReLU the zero point is 0 and the ReLU disappears into the quantizer. The last
matrix product gives float logits: quantizing those 10 values saves nothing and ties predictions.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from harness.artifacts.onnx_session import open_session
from harness.errors import BuildError
from harness.model.recipe import QuantizeStatic
from harness.variants.fidelity import to_unit

BATCH = 64
_FLOAT_CONVOLUTIONS = frozenset({"Conv", "FusedConv", "ConvTranspose"})


class _Reader:
    """Calibration images in batches, in the form onnxruntime's quantizer asks for."""

    def __init__(self, name: str, images: NDArray[np.uint8]) -> None:
        self._batches = iter([{name: to_unit(images[i : i + BATCH])} for i in range(0, len(images), BATCH)])

    def get_next(self) -> dict[str, Any] | None:
        """Give the next batch, None after the last."""
        return next(self._batches, None)


def calibration_images(recipe: QuantizeStatic, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The recipe's share of the training images: seeded, without repetition."""
    return images[np.random.default_rng(recipe.seed).permutation(len(images))[: recipe.images]]


def quantize(source: Path, target: Path, images: NDArray[np.uint8], metadata: Mapping[str, str]) -> None:
    """Quantize the float32 graph `source` into `target` as QDQ, with ranges (MinMax) from `images`.

    The metadata of `source` is kept; `metadata` adds to it. BuildError, naming them, where onnxruntime would still
    run convolutions in float.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    original = onnx.load_model(source)
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        # The symbolic inference would need sympy and adds nothing where only the batch is free.
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(target),
            _Reader(original.graph.input[0].name, images),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={"WeightSymmetric": True, "OpTypesToExcludeOutputQuantization": ["MatMul", "Gemm"]},
        )
    _finish(target, {item.key: item.value for item in original.metadata_props} | dict(metadata))
    left = float_convolutions(target)
    if left:
        raise BuildError(f"{target}: {len(left)} convolutions would still run in float: {', '.join(left)}")


def float_convolutions(path: Path) -> list[str]:
    """Names of the float convolutions in the graph that onnxruntime makes of a file; none in a true int8 model."""
    with tempfile.TemporaryDirectory() as folder:
        optimized = Path(folder) / "optimized.onnx"
        # "extended" fuses QDQ into integer operators, as "all" does, but leaves out layouts of one processor.
        open_session(path, threads=1, optimization="enable_extended", save_to=optimized)
        nodes = onnx.load_model(optimized).graph.node
    return [node.name or node.output[0] for node in nodes if node.op_type in _FLOAT_CONVOLUTIONS]


def _finish(path: Path, metadata: Mapping[str, str]) -> None:
    """Put the metadata back and drop the opset imports that the optimizer added but no node uses."""
    model = onnx.load_model(path)
    used = {node.domain for node in model.graph.node} | {""}
    imports = [item for item in model.opset_import if item.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(imports)
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, dict(sorted(metadata.items())))
    path.write_bytes(model.SerializeToString(deterministic=True))
