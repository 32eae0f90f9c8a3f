"""A board with TensorRT that is none: a fake module of one generation beside a fake CUDA runtime."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from harness.agent.backends import cuda, engine_cache, trt, trt_build
from tests.support import models
from tests.support.fake_cuda import FakeCudart
from tests.support.fake_tensorrt import World, make

EXECUTE_S = 2.0**-10  # of the device, for each execution
BUILD_S = 1.5


class TensorRtBoard:
    """Its fakes, a small model on it, and backends that build in this process."""

    def __init__(self, folder: Path, generation: str, **world: Any) -> None:
        self.library = FakeCudart()
        self.world = World(generation, self.library.enqueue, self.tick, **world)
        self.module = make(self.world)
        self.artifact = str(models.tiny(folder / "tiny.onnx"))

    def tick(self) -> None:
        """Move the device's clock."""
        self.library.now_s += EXECUTE_S

    def find(self, name: str) -> Any:
        """As importlib.import_module, there."""
        return self.module if name == "tensorrt" else importlib.import_module(name)

    def runtime(self) -> cuda.Cuda:
        """As cuda.open_runtime, there."""
        return cuda.open_runtime(lambda _path: self.library)

    def build(self, artifact: str, options: dict[str, Any], path: str, key: dict[str, Any]) -> None:
        """As trt_build.in_child, in this process."""
        engine, facts = trt_build.build(self.module, artifact, options, self.runtime)
        engine_cache.write(path, key, {**facts, "build_s": BUILD_S}, engine)

    def backend(self, kind: type[trt.TensorRt] = trt.TensorRt) -> trt.TensorRt:
        """A backend of it."""
        return kind(self.find, self.runtime, self.build)
