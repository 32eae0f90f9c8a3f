"""Names of TensorRT's Python interface that the agent's sources use, and how a wheel's bindings show which they have.

The libraries behind the bindings are not on PyPI, so the module cannot be imported; its names stand in its text.
"""

from __future__ import annotations

import re

# By where they must be. "INPUT" and the like end longer words in the bindings' text, which linkers merge.
EVERY = (
    "ILogger", "IProfiler", "Builder", "Runtime", "OnnxParser", "NetworkDefinitionCreationFlag", "BuilderFlag", "TF32",
    "DataType", "FLOAT", "HALF", "INT8", "INT32", "BOOL", "UINT8", "LayerType", "QUANTIZE", "DEQUANTIZE",
    "ProfilingVerbosity", "DETAILED", "LayerInformationFormat", "JSON", "init_libnvinfer_plugins", "create_network",
    "create_builder_config", "create_optimization_profile", "build_serialized_network", "set_shape", "num_inputs",
    "get_input", "num_layers", "get_layer", "get_output", "num_outputs", "clear_flag", "add_optimization_profile",
    "profiling_verbosity", "parse_from_file", "num_errors", "get_error", "desc", "node", "deserialize_cuda_engine",
    "create_execution_context", "create_engine_inspector", "execution_context", "get_layer_information", "profiler",
    "report_layer_time", "log",
)  # fmt: skip
NAMED = (
    "num_io_tensors", "get_tensor_name", "get_tensor_mode", "TensorIOMode", "INPUT", "get_tensor_dtype",
    "set_input_shape", "get_tensor_shape", "set_tensor_address", "execute_async_v3", "set_memory_pool_limit",
    "MemoryPoolType", "WORKSPACE",
)  # fmt: skip
SINCE_10 = ("node_operator", "node_name", "device_memory_size_v2", "INT64")
UNTIL_10 = (
    "EXPLICIT_BATCH", "FP16", "set_flag", "platform_has_fast_fp16", "platform_has_fast_int8", "int8_calibrator",
    "set_calibration_profile", "IInt8EntropyCalibrator2", "get_batch", "get_batch_size", "read_calibration_cache",
    "write_calibration_cache", "device_memory_size",
)  # fmt: skip
UNTIL_8 = (
    "num_bindings", "get_binding_name", "binding_is_input", "get_binding_dtype", "set_binding_shape",
    "get_binding_shape", "execute_async_v2", "max_workspace_size",
)  # fmt: skip
# set_flag stays, for other flags; FP16 stays as words of a documentation.
GONE_IN_11 = tuple(name for name in UNTIL_10 if name not in ("set_flag", "FP16"))


def of(version: str) -> tuple[str, ...]:
    """Names that the sources use with a TensorRT of that version, 8.5 or later."""
    major = int(version.partition(".")[0])
    found = (*EVERY, *NAMED, *(UNTIL_8 if major < 10 else SINCE_10))
    return found if major >= 11 else (*found, *UNTIL_10)


def lacking(bindings: bytes, names: tuple[str, ...]) -> list[str]:
    """Those that are no string of the library, nor the end of one."""
    return [name for name in names if name.encode() + b"\0" not in bindings]


def present(bindings: bytes, names: tuple[str, ...]) -> list[str]:
    """Those that stand there as a whole string."""
    return [name for name in names if re.search(rb"\0" + name.encode() + rb"\0", bindings)]
