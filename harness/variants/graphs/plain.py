"""An ONNX file as the oldest runtimes on boards read it: weights in float32, an opset that they know.

Changes no number and no operator. Needs no torch.
"""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto, defs

from harness.errors import BuildError
from harness.variants.graphs import files

# The newest of onnxruntime 1.10, which is the last for Python 3.6.
OPSET = 15


def write(source: Path, target: Path) -> None:
    """Write `source` in that form to `target`. BuildError where an operator has changed since opset 15."""
    files.widen_stored_halves(source, target)
    model = onnx.load_model(target)
    for stamped in model.opset_import:
        if stamped.domain in ("", "ai.onnx") and stamped.version > OPSET:
            _refuse_newer(model, source, stamped.version)
            stamped.version = OPSET
    files.save(model, target)


def quantizes_unsigned(path: Path) -> bool:
    """Whether the file has uint8 quantizers, as CPUs want them; TensorRT reads symmetric int8 alone."""
    model = onnx.load_model(path, load_external_data=False)
    unsigned = {tensor.name for tensor in model.graph.initializer if tensor.data_type == TensorProto.UINT8}
    return any(node.op_type == "QuantizeLinear" and set(node.input) & unsigned for node in model.graph.node)


def _refuse_newer(model: onnx.ModelProto, source: Path, opset: int) -> None:
    """An operator whose definition is not newer than opset 15 means the same under either stamp."""
    for name in sorted({node.op_type for node in model.graph.node if node.domain in ("", "ai.onnx")}):
        since = defs.get_schema(name, opset, "").since_version
        if since > OPSET:
            raise BuildError(
                f"{source.name} is of opset {opset}, and its {name} was defined anew after opset {OPSET}, the newest "
                f"that the oldest runtimes on boards read; export it with opset {OPSET}"
            )
