"""What planning must know of a backend before anyone talks to a board: the file it takes and what it makes of it.

A backend without an entry takes the ONNX file as it is and keeps its precision. Imports no runtime.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from harness.model.codec import Json

# onnx: the artifact itself. onnx-plain: with its stored halves as plain float32 weights, and stamped as opset 15, as
# the oldest runtimes on boards read it. onnx-tensorrt: the same, of a file whose quantizers TensorRT reads. pt2,
# torchscript: a program for torch. harness.variants.forms makes all but the first.
Form = Literal["onnx", "onnx-plain", "onnx-tensorrt", "pt2", "torchscript"]
# Made without torch.
ONNX_FORMS: tuple[Form, ...] = ("onnx", "onnx-plain", "onnx-tensorrt")


@dataclass(frozen=True)
class Needs:
    """`forms`: files it can load, best first. precision: what it makes of an fp32 file; None: what the file says.

    shaped: what it builds is for given shapes, which its options must therefore hold. asks_for_int8: it runs a file's
    quantizers only where the option int8 allows it. options: of every case.
    """

    forms: tuple[Form, ...] = ("onnx",)
    precision: str | None = None
    shaped: bool = False
    asks_for_int8: bool = False
    options: Mapping[str, Json] = field(default_factory=dict)


# The backend of scripts, which no model is for and which computes nothing.
SCRIPTED = "null"
# The first torch that reads a .pt2 of this harness's: its archive took another form then (torch/export/__init__.py).
EXPORTED_SINCE = (2, 8)
EXPORTED_PYTHON = (3, 9)  # the oldest Python that such a torch is made for
# The first onnxruntime that reads opset 17, in which artifacts are exported (1.10 says: "support is till opset 15").
OPSET_17_SINCE = (1, 12)

_CPU, _CUDA, _TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
# Parsers of TensorRT take a convolution's weights as they stand; a cast before them makes them a tensor, which only
# quantized networks may have there (onnx-tensorrt, importer of Conv).
_PLAIN: tuple[Form, ...] = ("onnx-tensorrt",)
_PROGRAM: tuple[Form, ...] = ("pt2", "torchscript")
_EXPORTED: tuple[Form, ...] = ("pt2",)
TABLE: Mapping[str, Needs] = {
    "onnxruntime-cuda": Needs(options={"providers": [_CUDA, _CPU]}),
    "onnxruntime-tensorrt": Needs(asks_for_int8=True, options={"providers": [_TENSORRT, _CUDA, _CPU]}),
    "tensorrt": Needs(_PLAIN, shaped=True),
    "tensorrt-fp16": Needs(_PLAIN, "fp16", shaped=True),
    "tensorrt-int8": Needs(_PLAIN, "int8", shaped=True),
    "torch": Needs(_PROGRAM),
    "torch-compiled": Needs(_EXPORTED),
    "torch-cuda": Needs(_PROGRAM),
    "torch-cuda-compiled": Needs(_EXPORTED),
    "torch-cuda-graph": Needs(_PROGRAM),
}


def needs(backend: str) -> Needs:
    """Of any backend."""
    return TABLE.get(backend, Needs())
