"""Running an ONNX file on the host's onnxruntime: sessions, seeded inputs, reference outputs, supported versions.

Owns the late import of onnxruntime and turns its exceptions into ModelErrors. Host results only say what a model
computes; nothing here is ever timed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper

from harness.errors import ModelError
from harness.model.case import TensorSpec

# Element types that numpy has and the runtime can be fed with; the names are numpy's.
FEEDABLE: dict[int, str] = {
    TensorProto.FLOAT: "float32",
    TensorProto.FLOAT16: "float16",
    TensorProto.DOUBLE: "float64",
    TensorProto.INT8: "int8",
    TensorProto.INT16: "int16",
    TensorProto.INT32: "int32",
    TensorProto.INT64: "int64",
    TensorProto.UINT8: "uint8",
    TensorProto.UINT16: "uint16",
    TensorProto.UINT32: "uint32",
    TensorProto.UINT64: "uint64",
    TensorProto.BOOL: "bool",
}
_ERROR_NAMES = (
    "EPFail",
    "Fail",
    "InvalidArgument",
    "InvalidGraph",
    "InvalidProtobuf",
    "NoSuchFile",
    "NotFound",
    "NotImplemented",
    "RuntimeException",
)


def seeded_inputs(specs: Sequence[TensorSpec], seed: int) -> dict[str, NDArray[Any]]:
    """The same arrays for the same specs and seed: floats uniform in [0, 1), integers 0 or 1 (safe as indices), bools.

    ModelError on an element type that numpy cannot hold.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    arrays: dict[str, NDArray[Any]] = {}
    for spec in specs:
        if spec.dtype not in FEEDABLE.values():
            raise ModelError(f"input {spec.name!r} is {spec.dtype}, which cannot be fed; use float32 or float16")
        if spec.dtype.startswith("float"):
            # 1/2048 steps are exact in every float type, so rounding can never give 1.0.
            arrays[spec.name] = np.asarray(generator.integers(0, 2048, spec.shape) / 2048, spec.dtype)
        else:
            arrays[spec.name] = np.asarray(generator.integers(0, 2, spec.shape), spec.dtype)
    return arrays


def reference_outputs(path: Path, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
    """Outputs of the graph as written: onnxruntime on the CPU, no optimization, one thread.

    ModelError where onnxruntime cannot run it, with its reason.
    """
    session = open_session(path, threads=1, optimization="disable_all")
    failures: tuple[type[Exception], ...] = (ValueError, *_runtime_errors())  # ValueError: an input is missing
    try:
        outputs: list[NDArray[Any]] = session.run(None, dict(inputs))
    except failures as error:
        raise ModelError(
            f"{path} failed in onnxruntime: {_reason(error)}. Check the inputs' shapes (--shape)"
        ) from None
    return outputs


def open_session(path: Path, threads: int, optimization: str = "enable_all", save_to: Path | None = None) -> Any:
    """An onnxruntime session on the CPU; `save_to` receives the optimized graph. ModelError where it cannot load.

    `optimization`: disable_all, enable_basic, enable_extended or enable_all.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # a failure arrives as an exception; its copy on stderr would only confuse
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, f"ORT_{optimization.upper()}")
    if save_to is not None:
        options.optimized_model_filepath = str(save_to)
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except _runtime_errors() as error:
        raise ModelError(
            f"{path} cannot be loaded by onnxruntime {onnxruntime.__version__}: {_reason(error)}. "
            "Export it with operators this onnxruntime has, or install one that has them"
        ) from None


@cache
def loads(opset: int, ir_version: int) -> bool:
    """Whether the installed onnxruntime takes a one-node model of these versions: it has no call that tells."""
    import onnxruntime

    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "probe", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except _runtime_errors():
        return False
    return True


def _runtime_errors() -> tuple[type[Exception], ...]:
    """List the exceptions of onnxruntime, which share no base class; each version has most of these."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return tuple(getattr(state, name) for name in _ERROR_NAMES if hasattr(state, name))


def _reason(error: Exception) -> str:
    """Give onnxruntime's message without its code prefix, on one line."""
    text = " ".join(str(error).split()).removeprefix("[ONNXRuntimeError] : ")
    return text.rstrip(".")
