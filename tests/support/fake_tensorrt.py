"""TensorRT as its generations are: each has the names that its wheel has, and no other can be read or set.

Engines are ONNX files that onnxruntime runs, on plain memory. Generations: "8.0" (bindings, no inspector), "8.2"
(bindings), "8.6" (bindings and names), "10.3" (names), "11.4" (names, strongly typed).
"""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime

# What each generation lacks of all that is written below. For 8.6.1, 10.3.0 and 11.4.0 the wheels' bindings say so; of
# 8.0 and 8.2 there is none on PyPI: as hardware.md (section 8) has them.
FLAGS = {
    "FP16",
    "INT8_FLAG",
    "EXPLICIT_BATCH",
    "platform_has_fast_fp16",
    "platform_has_fast_int8",
    "device_memory_size",
}
CALIBRATION = {"IInt8EntropyCalibrator2", "int8_calibrator", "set_calibration_profile"}
BINDINGS = {
    *("num_bindings", "get_binding_name", "binding_is_input", "get_binding_dtype"),
    *("set_binding_shape", "get_binding_shape", "execute_async_v2"),
}
NAMES = {
    *("TensorIOMode", "num_io_tensors", "get_tensor_name", "get_tensor_mode", "get_tensor_dtype"),
    *("set_input_shape", "get_tensor_shape", "set_tensor_address", "execute_async_v3"),
}
INSPECTOR = {"create_engine_inspector", "EngineInspector", "LayerInformationFormat", "DETAILED"}
NEWER = {"node_operator", "node_name", "device_memory_size_v2", "INT64"}
LACKS = {
    "8.0": NAMES | NEWER | INSPECTOR | {"MemoryPoolType", "set_memory_pool_limit"},
    "8.2": NAMES | NEWER | {"MemoryPoolType", "set_memory_pool_limit"},
    "8.6": NEWER,
    "10.3": BINDINGS | {"max_workspace_size"},
    "11.4": BINDINGS | FLAGS | CALIBRATION | {"max_workspace_size"},
}
GENERATIONS = tuple(LACKS)
REFUSED_OPERATOR = "Mystery"
NUMPY = {"FLOAT": np.float32, "HALF": np.float16, "INT32": np.int32, "INT64": np.int64, "UINT8": np.uint8}
KINDS = {"Conv": "CONVOLUTION", "QuantizeLinear": "QUANTIZE", "DequantizeLinear": "DEQUANTIZE"}


def at_once(_stream: int, work: Callable[[], None]) -> None:
    """For a CUDA runtime that has no queue."""
    work()


@dataclass
class World:
    """What is around a module: where work is put, what each execution does besides, the GPU's units, what happened."""

    generation: str
    enqueue: Callable[[int, Callable[[], None]], None] = at_once
    tick: Callable[[], None] = lambda: None
    fast: tuple[str, ...] = ("fp16", "int8")
    built: list[dict[str, Any]] = field(default_factory=list)
    calibrated: list[list[list[float]]] = field(default_factory=list)


class _Part:
    """Only what a class declares can be set, as of a binding's object. `world` and `module` are given to each copy."""

    world: World
    module: SimpleNamespace

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and not hasattr(type(self), name):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        object.__setattr__(self, name, value)


class ILogger:
    """To be subclassed, and initialised by its subclass."""

    INTERNAL_ERROR, ERROR, WARNING = 0, 1, 2

    def __init__(self) -> None:
        self._initialised = True


class IProfiler(ILogger):
    """The same, for times of layers."""


class IInt8EntropyCalibrator2(ILogger):
    """The same, for samples."""


class ParserError(_Part):
    def __init__(self, place: int, found: onnx.NodeProto) -> None:
        self._place, self._found = place, found

    def node(self) -> int:
        return self._place

    def desc(self) -> str:
        return "no importer registered"

    def node_operator(self) -> str:
        return self._found.op_type

    def node_name(self) -> str:
        return self._found.name


class OnnxParser(_Part):
    def __init__(self, network: Any, logger: Any) -> None:
        assert logger._initialised
        self._network, self._errors = network, []

    def parse_from_file(self, path: str) -> bool:
        self._network._model = onnx.load_model(path)
        refused = [n for n in enumerate(self._network._model.graph.node) if n[1].op_type == REFUSED_OPERATOR]
        self._errors = [self.module.ParserError(*one) for one in refused]
        return not refused

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    def get_error(self, place: int) -> Any:
        return self._errors[place]


class INetworkDefinition(_Part):
    _model: Any = None

    @property
    def num_inputs(self) -> int:
        return len(self._model.graph.input)

    def get_input(self, place: int) -> Any:
        value = self._model.graph.input[place]
        return SimpleNamespace(name=value.name, shape=_sizes(value, -1))

    @property
    def num_layers(self) -> int:
        return len(self._model.graph.node)

    def get_layer(self, place: int) -> Any:
        node, types = self._model.graph.node[place], self.module
        half = any(one.data_type == onnx.TensorProto.FLOAT16 for one in self._model.graph.initializer)
        output = SimpleNamespace(dtype=types.DataType.HALF if half else types.DataType.FLOAT)
        kind = types.LayerType[KINDS.get(node.op_type, "OTHER")]
        return SimpleNamespace(type=kind, num_outputs=len(node.output), get_output=lambda _place: output)


class IOptimizationProfile(_Part):
    def __init__(self) -> None:
        self._shapes: dict[str, tuple[int, ...]] = {}

    def set_shape(self, name: str, least: Any, best: Any, most: Any) -> None:
        assert least == best == most
        self._shapes[name] = tuple(best)


class IBuilderConfig(_Part):
    profiling_verbosity: Any = None
    max_workspace_size = 0
    int8_calibrator: Any = None

    def __init__(self) -> None:
        self._flags, self._profiles, self._limits = {self.module.BuilderFlag.TF32}, [], {}
        self._calibrated_with = None

    def set_flag(self, flag: Any) -> None:
        self._flags.add(flag)

    def clear_flag(self, flag: Any) -> None:
        self._flags.discard(flag)

    def add_optimization_profile(self, profile: Any) -> None:
        self._profiles.append(profile)

    def set_memory_pool_limit(self, pool: Any, size: int) -> None:
        self._limits[pool.name] = size

    def set_calibration_profile(self, profile: Any) -> None:
        self._calibrated_with = profile


class Builder(_Part):
    def __init__(self, logger: Any) -> None:
        self._logger = logger

    @property
    def platform_has_fast_fp16(self) -> bool:
        return "fp16" in self.world.fast

    @property
    def platform_has_fast_int8(self) -> bool:
        return "int8" in self.world.fast

    def create_network(self, flags: int) -> Any:
        assert flags == (1 if hasattr(self.module.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH") else 0)
        return self.module.INetworkDefinition()

    def create_builder_config(self) -> Any:
        return self.module.IBuilderConfig()

    def create_optimization_profile(self) -> Any:
        return self.module.IOptimizationProfile()

    def build_serialized_network(self, network: Any, config: Any) -> bytes | None:
        shapes = config._profiles[0]._shapes
        if not shapes:
            self._logger.log(ILogger.ERROR, "no optimization profile")
            return None
        calibrator = getattr(config, "int8_calibrator", None)
        # Without one, the real builder guesses which shapes to calibrate with.
        assert calibrator is None or config._calibrated_with is config._profiles[0]
        while calibrator is not None and (batch := calibrator.get_batch(list(shapes))) is not None:
            assert calibrator.get_batch_size() == next(iter(shapes.values()))[0]
            views = [_view(address, shape, np.float32) for address, shape in zip(batch, shapes.values(), strict=True)]
            self.world.calibrated.append([view.ravel().tolist() for view in views])
        limits = config._limits or getattr(config, "max_workspace_size", None)
        flags = sorted(flag.name for flag in config._flags)
        about = {"version": self.world.generation, "shapes": shapes, "flags": flags}
        self.world.built.append({**about, "workspace": limits, "verbosity": config.profiling_verbosity})
        return json.dumps(about).encode() + b"\n" + network._model.SerializeToString()


class Runtime(_Part):
    def __init__(self, logger: Any) -> None:
        self._logger = logger

    def deserialize_cuda_engine(self, serialized: bytes) -> Any:
        head, _, model = serialized.partition(b"\n")
        about = json.loads(head)
        if about["version"] != self.world.generation:
            self._logger.log(ILogger.ERROR, "the engine is of another version")
            return None
        return self.module.ICudaEngine(about, model)


class ICudaEngine(_Part):
    num_layers = 2
    device_memory_size, device_memory_size_v2 = 1024, 2048

    def __init__(self, about: dict[str, Any], model: bytes) -> None:
        quiet = onnxruntime.SessionOptions()
        quiet.log_severity_level = 4
        self._about = about
        self._session = onnxruntime.InferenceSession(model, quiet, providers=["CPUExecutionProvider"])
        graph = onnx.load_model_from_string(model).graph
        self._ins, self._outs = ([one.name for one in part] for part in (graph.input, graph.output))
        self._all = self._ins + self._outs
        self._values = {one.name: one for one in [*graph.input, *graph.output]}

    def _numpy(self, name: str) -> Any:
        return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(self._values[name].type.tensor_type.elem_type))

    def create_execution_context(self) -> Any:
        return self.module.IExecutionContext(self)

    def create_engine_inspector(self) -> Any:
        return self.module.EngineInspector(self)

    @property
    def num_io_tensors(self) -> int:
        return len(self._all)

    def get_tensor_name(self, place: int) -> str:
        return self._all[place]

    def get_tensor_mode(self, name: str) -> Any:
        return self.module.TensorIOMode.INPUT if name in self._ins else self.module.TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> Any:
        label = next(label for label, kind in NUMPY.items() if np.dtype(kind) == self._numpy(name))
        return self.module.DataType[label]

    @property
    def num_bindings(self) -> int:
        return len(self._all)

    def get_binding_name(self, place: int) -> str:
        return self._all[place]

    def binding_is_input(self, place: int) -> bool:
        return place < len(self._ins)

    def get_binding_dtype(self, place: int) -> Any:
        return ICudaEngine.get_tensor_dtype(self, self._all[place])


class IExecutionContext(_Part):
    profiler: Any = None

    def __init__(self, engine: Any) -> None:
        self._engine, self._shapes, self._addresses = engine, {}, {}

    def set_input_shape(self, name: str, shape: Any) -> bool:
        self._shapes[name] = tuple(shape)
        return tuple(shape) == tuple(self._engine._about["shapes"][name])

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        batch = next(iter(self._shapes.values()))[0]
        return self._shapes.get(name) or _sizes(self._engine._values[name], batch)

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        return self._queue(self._addresses, stream)

    def set_binding_shape(self, place: int, shape: Any) -> bool:
        return IExecutionContext.set_input_shape(self, self._engine._all[place], shape)

    def get_binding_shape(self, place: int) -> tuple[int, ...]:
        return IExecutionContext.get_tensor_shape(self, self._engine._all[place])

    def execute_async_v2(self, bindings: list[int], stream: int) -> bool:
        return self._queue(dict(zip(self._engine._all, bindings, strict=True)), stream)

    def _queue(self, addresses: dict[str, int], stream: int) -> bool:
        self.world.enqueue(stream, lambda: self._run(addresses))
        return True

    def _run(self, addresses: dict[str, int]) -> None:
        engine, half = self._engine, "FP16" in self._engine._about["flags"]

        def array(name: str) -> Any:
            return _view(addresses[name], IExecutionContext.get_tensor_shape(self, name), engine._numpy(name))

        found = engine._session.run(engine._outs, {name: array(name) for name in engine._ins})
        for name, values in zip(engine._outs, found, strict=True):
            array(name)[...] = values.astype(np.float16) if half else values
        self.world.tick()
        for place in range(engine.num_layers if self.profiler is not None else 0):
            self.profiler.report_layer_time(f"layer {place}", 0.25)


class EngineInspector(_Part):
    execution_context: Any = None

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    def get_layer_information(self, place: int, kind: Any) -> str:
        assert kind == self.module.LayerInformationFormat.JSON
        assert self.execution_context is not None
        text = "Half" if "FP16" in self._engine._about["flags"] else "Row major linear FP32"
        inputs = [{"Name": "x", "Format/Datatype": text}]
        return json.dumps(
            {"Name": f"layer {place}", "LayerType": ("CaskConvolution", "Reformat")[place], "Inputs": inputs}
        )


CLASSES = (
    ParserError, OnnxParser, INetworkDefinition, IOptimizationProfile, IBuilderConfig, Builder, Runtime, ICudaEngine,
    IExecutionContext, EngineInspector,
)  # fmt: skip
ENUMS = {
    "NetworkDefinitionCreationFlag": {"EXPLICIT_BATCH": 0, "STRICT": 5},
    "BuilderFlag": {"FP16": 0, "INT8": 1, "TF32": 7},
    "DataType": {"FLOAT": 0, "HALF": 1, "INT8": 2, "INT32": 3, "BOOL": 4, "UINT8": 5, "INT64": 8},
    "LayerType": {"CONVOLUTION": 0, "QUANTIZE": 1, "DEQUANTIZE": 2, "OTHER": 3},
    "MemoryPoolType": {"WORKSPACE": 0},
    "TensorIOMode": {"INPUT": 1, "OUTPUT": 2},
    "LayerInformationFormat": {"ONELINE": 0, "JSON": 1},
    "ProfilingVerbosity": {"LAYER_NAMES_ONLY": 0, "DETAILED": 2},
}


def make(world: World) -> SimpleNamespace:
    """The module of a generation, less all that it lacks."""
    lacks = LACKS[world.generation]
    module = SimpleNamespace(
        __version__=f"{world.generation}.1", init_libnvinfer_plugins=lambda _logger, _namespace: True
    )
    for name, members in ENUMS.items():
        # The one name that two enumerations share, and only one of them lost.
        gone = {"INT8"} if name == "BuilderFlag" and "INT8_FLAG" in lacks else set()
        setattr(module, name, IntEnum(name, {key: code for key, code in members.items() if key not in lacks | gone}))
    for one in (ILogger, IProfiler, IInt8EntropyCalibrator2):
        setattr(module, one.__name__, one)
    for one in CLASSES:
        kept = {key: value for key, value in vars(one).items() if key not in {*lacks, "__dict__", "__weakref__"}}
        setattr(module, one.__name__, type(one.__name__, (_Part,), {**kept, "world": world, "module": module}))
    for name in lacks & set(vars(module)):
        delattr(module, name)
    return module


def public_names(module: SimpleNamespace) -> set[str]:
    """Every name of a fake that code can see, in the module and in its classes."""
    found = set(vars(module))
    for one in vars(module).values():
        if isinstance(one, type):
            found |= set(one.__members__) if issubclass(one, IntEnum) else set(vars(one)) - {"world", "module"}
    return {name for name in found if not name.startswith("_")} - {"STRICT", "OTHER"}


def _sizes(value: onnx.ValueInfoProto, free: int) -> tuple[int, ...]:
    return tuple(one.dim_value if one.HasField("dim_value") else free for one in value.type.tensor_type.shape.dim)


def _view(address: int, shape: tuple[int, ...], kind: Any) -> np.ndarray[Any, Any]:
    count = int(np.prod(shape))
    memory = (ctypes.c_char * (count * np.dtype(kind).itemsize)).from_address(address)
    return np.frombuffer(memory, kind, count).reshape(shape)
