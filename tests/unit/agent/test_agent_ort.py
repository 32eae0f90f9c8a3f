from __future__ import annotations

from pathlib import Path

import pytest

from harness.agent.backends.ort import OnnxRuntime, session_options
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
