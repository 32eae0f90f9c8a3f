from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from harness.agent.backends import apart, ort
from harness.agent.backends.ort import (
    OnnxRuntime,
    OnnxRuntimeCuda,
    OnnxRuntimeTensorRt,
    missing_provider,
    operators,
    providers_for,
    session_options,
)
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


GPU = OnnxRuntimeCuda.provider, OnnxRuntimeTensorRt.provider


def test_a_provider_that_was_not_built_in_is_named_with_the_fix() -> None:
    reason = missing_provider(GPU[0], "1.11.0", ["CPUExecutionProvider"])
    assert reason is not None
    assert reason.startswith(
        "onnxruntime 1.11.0 here has no CUDAExecutionProvider (it has: CPUExecutionProvider); on a"
    )
    assert "Jetson Zoo" in reason
    assert "pip install onnxruntime-gpu" in reason
    assert missing_provider(GPU[0], "1.11.0", [GPU[0], "CPUExecutionProvider"]) is None


@pytest.mark.parametrize("version", [(1, 10), (1, 17)])
def test_old_versions_are_given_no_option_that_they_would_refuse(tmp_path: Path, version: tuple[int, int]) -> None:
    found = providers_for(GPU[0], str(tmp_path / "m.onnx"), {}, version)
    assert found == ["CUDAExecutionProvider", "CPUExecutionProvider"]


def test_tf32_is_off_where_there_is_a_switch(tmp_path: Path) -> None:
    found = providers_for(GPU[0], str(tmp_path / "m.onnx"), {}, (1, 18))
    assert found == [("CUDAExecutionProvider", {"use_tf32": "0"}), "CPUExecutionProvider"]


@pytest.mark.parametrize(
    ("options", "halves", "integers"),
    [({}, "False", "False"), ({"fp16": True}, "True", "False"), ({"int8": True}, "False", "True")],
)
def test_engines_of_the_tensorrt_provider_lie_beside_the_artifact(
    tmp_path: Path, options: dict, halves: str, integers: str
) -> None:
    first, *others = providers_for(GPU[1], str(tmp_path / "m.onnx"), options, (1, 10))
    assert others == ["CUDAExecutionProvider", "CPUExecutionProvider"]
    assert first == (
        "TensorrtExecutionProvider",
        {
            "trt_engine_cache_enable": "True",
            "trt_engine_cache_path": str(tmp_path / "engines" / "onnxruntime"),
            "trt_fp16_enable": halves,
            "trt_int8_enable": integers,
        },
    )
    assert (tmp_path / "engines" / "onnxruntime").is_dir()


def test_options_may_name_the_providers_but_not_another_first(tmp_path: Path) -> None:
    asked = {"providers": [["CUDAExecutionProvider", {"device_id": "1"}], "CPUExecutionProvider"]}
    assert providers_for(GPU[0], str(tmp_path / "m.onnx"), asked, (1, 20)) == [
        ("CUDAExecutionProvider", {"device_id": "1"}),
        "CPUExecutionProvider",
    ]
    with pytest.raises(ValueError, match="runs TensorrtExecutionProvider first, but its options ask for CUDAExec"):
        providers_for(GPU[1], str(tmp_path / "m.onnx"), asked, (1, 20))


class OnTheCpu(OnnxRuntimeTensorRt):
    """As on a board with the provider, but for the provider."""

    provider = OnnxRuntime.provider


def test_engines_are_built_by_another_process_once_for_what_decides_them(tmp_path: Path) -> None:
    model, engines = str(models.tiny(tmp_path / "tiny.onnx")), tmp_path / "engines" / "onnxruntime"
    np.savez(tmp_path / "inputs.npz", image=np.zeros((1, 3, 8, 8), np.float32))
    inputs, asked = str(tmp_path / "inputs.npz"), list[dict]()

    def build(work: dict) -> tuple[int, str]:
        asked.append(work)
        engines.mkdir(parents=True, exist_ok=True)
        (engines / f"{len(asked)}.engine").write_bytes(b"")
        return 0, ""

    options = {"threads": 1, "fp16": True}
    backend = OnTheCpu(build)
    assert backend.prepare(model, options, inputs)
    assert asked == [{"artifact": model, "options": options, "inputs": inputs, "backend": "onnxruntime-tensorrt"}]
    facts = backend.load(model, options).engines
    assert facts is not None
    assert (facts["files"], facts["build_s"] >= 0) == (["1.engine"], True)
    later = OnTheCpu(build)
    assert not later.prepare(model, options, inputs)
    assert later.load(model, options).engines == facts  # with the time of the one building
    # What decides an engine, and an engine that was removed, make it be built again.
    assert OnTheCpu(build).prepare(model, {"threads": 1}, inputs)
    np.savez(tmp_path / "inputs.npz", image=np.zeros((2, 3, 8, 8), np.float32))
    assert OnTheCpu(build).prepare(model, options, inputs)
    (engines / "1.engine").unlink()
    assert OnTheCpu(build).prepare(model, options, inputs)
    assert len(asked) == 4


@pytest.mark.parametrize(("answer", "said"), [((1, "no room"), "no room"), ((-9, ""), "it died of signal 9")])
def test_engines_that_were_not_built_beforehand_are_told(tmp_path: Path, answer: tuple, said: str) -> None:
    model = str(models.tiny(tmp_path / "tiny.onnx"))
    for _ in range(2):  # and tried again
        backend = OnTheCpu(lambda _work: answer)
        assert backend.prepare(model, {"threads": 1}, None)
        assert backend.load(model, {"threads": 1}).engines == {"not_built": said}


def test_the_other_process_runs_the_model_on_what_it_is_given(tmp_path: Path) -> None:
    """Really one of its own, here with the CPU's provider."""
    model = str(models.tiny(tmp_path / "tiny.onnx"))
    inputs = str(tmp_path / "inputs.npz")
    work = {"artifact": model, "options": {"threads": 1}, "inputs": inputs, "backend": "onnxruntime"}
    np.savez(inputs, image=np.zeros((1, 3, 8, 8), np.float32))
    assert apart.run(ort.__name__, "run_once", work) == (0, "")
    np.savez(inputs, picture=np.zeros((1, 3, 8, 8), np.float32))
    status, said = apart.run(ort.__name__, "run_once", work)
    assert (status, "image" in said) == (1, True)


def test_on_the_cpu_the_facts_are_providers_and_threads(tmp_path: Path) -> None:
    session = OnnxRuntime().load(str(models.tiny(tmp_path / "tiny.onnx")), {"threads": 1})
    assert session.facts() == {"providers": ["CPUExecutionProvider"], "threads": 1}


def test_a_session_that_fell_back_says_which_providers_it_has(tmp_path: Path) -> None:
    """A session is made even where the first provider is missing; a finding tells it from the facts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        session = OnnxRuntimeCuda().load(str(models.tiny(tmp_path / "tiny.onnx")), {"threads": 1})
    if GPU[0] in onnxruntime.get_available_providers():
        pytest.skip("this machine has the provider")
    assert session.facts()["providers"] == ["CPUExecutionProvider"]
