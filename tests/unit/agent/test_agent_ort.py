from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.agent.backends.ort import OnnxRuntime, operators, session_options
from tests.support import models

onnxruntime = pytest.importorskip("onnxruntime")


def test_a_measured_session_is_sequential_and_optimized_and_does_not_spin() -> None:
    settings = session_options(3)
    assert (settings.intra_op_num_threads, settings.inter_op_num_threads) == (3, 1)
    assert settings.execution_mode == onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    assert settings.graph_optimization_level == onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    assert settings.get_session_config_entry("session.intra_op.allow_spinning") == "0"


def test_the_reference_differs_by_its_optimizations_alone() -> None:
    measured, reference = session_options(2), session_options(2, optimized=False)
    assert reference.graph_optimization_level == onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    for name in ("intra_op_num_threads", "inter_op_num_threads", "execution_mode", "log_severity_level"):
        assert getattr(measured, name) == getattr(reference, name)


@pytest.mark.parametrize(
    ("options", "level"),
    [({}, "ORT_ENABLE_ALL"), ({"optimized": True}, "ORT_ENABLE_ALL"), ({"optimized": False}, "ORT_DISABLE_ALL")],
)
def test_a_session_is_made_with_the_optimizations_asked_for(tmp_path: Path, options: dict, level: str) -> None:
    session = OnnxRuntime().load(str(models.tiny(tmp_path / "tiny.onnx")), {"threads": 1, **options})
    in_force = session._session.get_session_options().graph_optimization_level
    assert in_force == getattr(onnxruntime.GraphOptimizationLevel, level)
    session.close()


def event(name: str, duration_us: int, op: str, kind: str, provider: str = "CPUExecutionProvider") -> dict:
    about = {"op_name": op, "provider": provider, "input_type_shape": [{kind: [1, 3]}, {"float": [3]}]}
    return {"cat": "Node", "name": name, "dur": duration_us, "args": about}


def test_kernels_are_summed_by_operator_provider_and_precision() -> None:
    events = [
        {"cat": "Session", "name": "model_run", "dur": 999},
        {"cat": "Node", "name": "conv_fence_before", "dur": 5},
        event("conv1_kernel_time", 30, "Conv", "float"),
        event("conv2_kernel_time", 10, "Conv", "float"),
        event("conv3_kernel_time", 60, "Conv", "uint8"),
        event("conv1_kernel_time", 50, "Conv", "float"),
        event("conv2_kernel_time", 30, "Conv", "float"),
        event("conv3_kernel_time", 80, "Conv", "uint8"),
    ]
    assert operators(events, 2) == [
        {"op": "Conv", "provider": "CPUExecutionProvider", "precision": "uint8", "count": 1.0, "duration_s": 70e-6},
        {"op": "Conv", "provider": "CPUExecutionProvider", "precision": "float", "count": 2.0, "duration_s": 60e-6},
    ]


def test_the_runtime_tells_what_it_executed(tmp_path: Path) -> None:
    images = {"image": np.zeros((1, 3, 8, 8), np.float32)}
    found = OnnxRuntime().profile(str(models.tiny(tmp_path / "tiny.onnx")), {"threads": 1}, images)
    assert {kernel["provider"] for kernel in found} == {"CPUExecutionProvider"}
    assert {kernel["precision"] for kernel in found} == {"float"}
    assert sum(kernel["count"] for kernel in found) == len(found) >= 2
    assert all(kernel["duration_s"] >= 0 for kernel in found)
