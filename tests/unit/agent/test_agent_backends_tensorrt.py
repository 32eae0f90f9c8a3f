"""TensorRT's sessions and their building, on a fake module per generation that refuses what that generation lacks."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from harness.agent.backends import cuda, trt, trt_build, trt_tensors
from tests.support import models
from tests.support.fake_board import EXECUTE_S, TensorRtBoard
from tests.support.fake_cuda import NO_DEVICE
from tests.support.fake_tensorrt import GENERATIONS

FLAGGED = [one for one in GENERATIONS if one != "11.4"]
IMAGE = np.linspace(-1, 1, 192, dtype=np.float32).reshape(1, 3, 8, 8)


@pytest.fixture(params=GENERATIONS)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> TensorRtBoard:
    return TensorRtBoard(tmp_path, request.param)


def expected(artifact: str, image: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(artifact, providers=["CPUExecutionProvider"])
    return session.run(None, {"image": image})[0]


def test_a_session_answers_as_the_file_does_and_gives_everything_back(bench: TensorRtBoard) -> None:
    backend = bench.backend()
    assert backend.why_unavailable() is None
    session = backend.load(bench.artifact, {"threads": 1})
    assert session.input_names() == ["image"]
    session.bind({"image": IMAGE})
    session.step()
    np.testing.assert_array_equal(session.outputs()[0], expected(bench.artifact, IMAGE))
    session.close()
    assert bench.library.live == 0


def test_a_step_returns_when_the_device_is_idle(bench: TensorRtBoard) -> None:
    session = bench.backend().load(bench.artifact, {"threads": 1})
    session.bind({"image": IMAGE})
    for _ in range(3):
        session.step()
        assert [len(queue) for queue in bench.library.streams.values()] == [0]


def test_the_devices_own_time_is_that_of_the_execution_alone(bench: TensorRtBoard) -> None:
    session = bench.backend().load(bench.artifact, {"threads": 1})
    session.bind({"image": IMAGE})
    with pytest.raises(cuda.CudaError, match="cudaEventElapsedTime: device not ready"):
        session.device_s()
    session.step()
    assert session.device_s() == EXECUTE_S


@pytest.mark.parametrize(
    ("generation", "api", "memory"),
    [
        ("8.0", "bindings", 1024),
        ("8.2", "bindings", 1024),
        ("8.6", "named tensors", 1024),
        ("10.3", "named tensors", 2048),
        ("11.4", "named tensors", 2048),
    ],
)
def test_facts_say_which_interface_and_which_engine(tmp_path: Path, generation: str, api: str, memory: int) -> None:
    bench = TensorRtBoard(tmp_path, generation)
    facts = bench.backend().load(bench.artifact, {"threads": 1}).facts()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["providers"] == ["TensorRT"]
    assert facts["gpu"] == {"name": "Fake Orin", "capability": "8.7", "multiprocessors": 8, "integrated": True}
    engine = facts["engine"]
    assert (engine["api"], engine["device_memory_bytes"], engine["layers"]) == (api, memory, 2)
    assert (engine["tf32"], engine["build_s"], engine["shapes"]) == (False, 1.5, {"image": [1, 3, 8, 8]})
    assert engine["bytes"] > Path(bench.artifact).stat().st_size
    assert engine["allowed"] == (["as the file says"] if generation == "11.4" else ["fp32"])


def test_versions_are_those_of_the_board(bench: TensorRtBoard) -> None:
    versions = bench.backend().versions()
    assert (versions["cuda"], versions["cuda_driver"], versions["gpu"]) == ("12.6", "10.2", "Fake Orin")
    assert versions["tensorrt"] == bench.module.__version__


def test_tf32_is_off_in_every_generation_and_layers_are_told_where_they_can_be(bench: TensorRtBoard) -> None:
    bench.backend().prepare(bench.artifact, {"threads": 1})
    (built,) = bench.world.built
    assert built["flags"] == []
    assert (built["verbosity"] is None) == (bench.world.generation == "8.0")


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("asked", [None, 1 << 20])
def test_the_workspace_is_what_was_asked_or_enough(tmp_path: Path, generation: str, asked: int | None) -> None:
    bench = TensorRtBoard(tmp_path, generation)
    bench.backend().prepare(bench.artifact, {"threads": 1, **({"workspace_bytes": asked} if asked else {})})
    if generation in ("8.0", "8.2"):
        assert bench.world.built[0]["workspace"] == (asked or trt_build.WORKSPACE_BYTES)
    else:
        assert bench.world.built[0]["workspace"] == (
            {"WORKSPACE": asked} if asked else (0 if generation == "8.6" else None)
        )


def test_a_shape_is_the_one_asked_for(bench: TensorRtBoard) -> None:
    session = bench.backend().load(bench.artifact, {"threads": 1, "shapes": {"image": [4, 3, 8, 8]}})
    images = np.concatenate([IMAGE * scale for scale in (1, 2, 3, 4)])
    session.bind({"image": images})
    session.step()
    np.testing.assert_allclose(session.outputs()[0], expected(bench.artifact, images), rtol=1e-6)
    # The last images of a set are fewer.
    session.bind({"image": images[2:3]})
    session.step()
    assert session.outputs()[0].shape == (1, 2)
    np.testing.assert_allclose(session.outputs()[0], expected(bench.artifact, images[2:3]), rtol=1e-6)


@pytest.mark.parametrize("shape", [(5, 3, 8, 8), (1, 3, 8, 9), (3, 8, 8)])
def test_inputs_of_another_shape_are_refused(bench: TensorRtBoard, shape: tuple[int, ...]) -> None:
    session = bench.backend().load(bench.artifact, {"threads": 1})
    with pytest.raises(ValueError, match=r"image was built for \(1, 3, 8, 8\), not for"):
        session.bind({"image": np.zeros(shape, np.float32)})


def test_inputs_of_another_kind_are_refused(bench: TensorRtBoard) -> None:
    session = bench.backend().load(bench.artifact, {"threads": 1})
    session.bind({"image": IMAGE.astype(np.float64)})
    with pytest.raises(TypeError):
        session.bind({"image": IMAGE.astype(np.complex64)})


@pytest.mark.parametrize("asked", [{"image": [1, 3, 8]}, {"image": [0, 3, 8, 8]}])
def test_a_shape_that_cannot_be_is_an_error(bench: TensorRtBoard, asked: dict) -> None:
    with pytest.raises(ValueError, match=r"input image has the shape \[-1, 3, 8, 8\] in the file, and .* was given"):
        bench.backend().load(bench.artifact, {"threads": 1, "shapes": asked})


def test_an_engine_is_built_once_and_kept(bench: TensorRtBoard) -> None:
    backend = bench.backend()
    assert backend.prepare(bench.artifact, {"threads": 1})
    assert not backend.prepare(bench.artifact, {"threads": 4, "optimized": False})  # neither makes another engine
    backend.load(bench.artifact, {"threads": 1}).close()
    assert len(bench.world.built) == 1


def test_whatever_changes_an_engine_builds_another(tmp_path: Path) -> None:
    bench = TensorRtBoard(tmp_path, "10.3")
    backend = bench.backend()
    backend.prepare(bench.artifact, {"threads": 1})
    backend.prepare(bench.artifact, {"threads": 1, "shapes": {"image": [2, 3, 8, 8]}})
    bench.backend(trt.TensorRtFp16).prepare(bench.artifact, {"threads": 1})
    models.tiny(Path(bench.artifact), opset=16)  # the same name, another model
    backend.prepare(bench.artifact, {"threads": 1})
    bench.library.attributes[16] = 4  # another power mode
    backend.prepare(bench.artifact, {"threads": 1})
    bench.library.device = "Another GPU"
    backend.prepare(bench.artifact, {"threads": 1})
    bench.module.__version__ = "10.3.2"
    backend.prepare(bench.artifact, {"threads": 1})
    assert len(bench.world.built) == 7
    assert len(list((tmp_path / "engines").glob("*.engine"))) == 7


@pytest.mark.parametrize("damage", ["cut", "turned", "emptied", "head"])
def test_a_damaged_engine_is_built_again(bench: TensorRtBoard, tmp_path: Path, damage: str) -> None:
    backend = bench.backend()
    backend.prepare(bench.artifact, {"threads": 1})
    (entry,) = (tmp_path / "engines").iterdir()
    content = bytearray(entry.read_bytes())
    content[-1] ^= 1 if damage == "turned" else 0
    entry.write_bytes({"cut": content[:-9], "emptied": b"", "head": b"{}\n" + content}.get(damage, content))
    session = bench.backend().load(bench.artifact, {"threads": 1})
    session.bind({"image": IMAGE})
    session.step()
    np.testing.assert_array_equal(session.outputs()[0], expected(bench.artifact, IMAGE))
    assert len(bench.world.built) == 2


def test_loading_what_was_prepared_reads_and_hashes_nothing(bench: TensorRtBoard, tmp_path: Path) -> None:
    """It would be timed as the loading of the model: a gigabyte of ONNX takes a board seconds."""
    backend = bench.backend()
    bench.backend().prepare(bench.artifact, {"threads": 1})
    assert not backend.prepare(bench.artifact, {"threads": 1})
    answer = expected(bench.artifact, IMAGE)
    Path(bench.artifact).unlink()
    (entry,) = (tmp_path / "engines").iterdir()
    entry.unlink()
    session = backend.load(bench.artifact, {"threads": 1})
    session.bind({"image": IMAGE})
    session.step()
    np.testing.assert_array_equal(session.outputs()[0], answer)
    # Once: a later one must not be of a file that changed meanwhile.
    with pytest.raises(FileNotFoundError):
        backend.load(bench.artifact, {"threads": 1})


def test_what_was_prepared_otherwise_is_not_loaded(tmp_path: Path) -> None:
    bench = TensorRtBoard(tmp_path, "10.3")
    backend = bench.backend()
    backend.prepare(bench.artifact, {"threads": 1})
    session = backend.load(bench.artifact, {"threads": 1, "shapes": {"image": [2, 3, 8, 8]}})
    assert session.facts()["engine"]["shapes"] == {"image": [2, 3, 8, 8]}


def test_an_engine_that_the_runtime_refuses_says_why(tmp_path: Path) -> None:
    bench = TensorRtBoard(tmp_path, "10.3")
    backend = bench.backend()
    backend.prepare(bench.artifact, {"threads": 1})
    bench.world.generation = "10.4"
    with pytest.raises(RuntimeError, match=r"refuses its engine: the engine is of another version"):
        backend.load(bench.artifact, {"threads": 1})


@pytest.mark.parametrize("generation", FLAGGED)
def test_fp16_is_allowed_by_a_flag(tmp_path: Path, generation: str) -> None:
    bench = TensorRtBoard(tmp_path, generation)
    session = bench.backend(trt.TensorRtFp16).load(bench.artifact, {"threads": 1})
    assert bench.world.built[0]["flags"] == ["FP16"]
    assert session.facts()["engine"]["allowed"] == ["fp16"]
    session.bind({"image": IMAGE})
    session.step()
    exact = expected(bench.artifact, IMAGE)
    assert np.array_equal(session.outputs()[0], exact.astype(np.float16))
    assert not np.array_equal(session.outputs()[0], exact)


@pytest.mark.parametrize("kind", [trt.TensorRtFp16, trt.TensorRtInt8])
def test_without_flags_the_file_must_have_the_precision(tmp_path: Path, kind: type[trt.TensorRt]) -> None:
    bench = TensorRtBoard(tmp_path, "11.4")
    backend = bench.backend(kind)
    reason = backend.why_unavailable()
    assert reason is not None
    assert reason.startswith(
        f"TensorRT 11.4.1 takes an engine's precision from the file alone (it has no {kind.precision.upper()}"
    )
    assert "ask for the backend tensorrt" in reason
    with pytest.raises(trt_build.BuildFailed) as caught:
        backend.load(bench.artifact, {"threads": 1})
    assert str(caught.value) == reason


@pytest.mark.parametrize(("generation", "flags"), [(one, [] if one == "11.4" else ["FP16"]) for one in GENERATIONS])
def test_a_file_of_halves_runs_in_halves(tmp_path: Path, generation: str, flags: list[str]) -> None:
    bench = TensorRtBoard(tmp_path, generation)
    path = str(models.tiny_half(tmp_path / "half.onnx"))
    session = bench.backend().load(path, {"threads": 1})
    assert bench.world.built[0]["flags"] == flags
    session.bind({"image": IMAGE.astype(np.float16)})
    session.step()
    assert session.outputs()[0].dtype == np.float16


@pytest.mark.parametrize(("generation", "flags"), [(one, [] if one == "11.4" else ["INT8"]) for one in GENERATIONS])
def test_a_file_with_quantizers_runs_in_int8(tmp_path: Path, generation: str, flags: list[str]) -> None:
    bench = TensorRtBoard(tmp_path, generation)
    bench.backend().prepare(str(models.qdq(tmp_path / "qdq.onnx")), {"threads": 1})
    assert bench.world.built[0]["flags"] == flags
    assert bench.world.calibrated == []


@pytest.mark.parametrize("generation", FLAGGED)
def test_int8_is_calibrated_over_whole_batches_of_the_samples(tmp_path: Path, generation: str) -> None:
    bench = TensorRtBoard(tmp_path, generation)
    samples = np.arange(5 * 192, dtype=np.float32).reshape(5, 3, 8, 8)
    np.savez(tmp_path / "samples.npz", image=samples)
    options = {"threads": 1, "shapes": {"image": [2, 3, 8, 8]}, "calibration": str(tmp_path / "samples.npz")}
    bench.backend(trt.TensorRtInt8).load(bench.artifact, options).close()
    assert bench.world.built[0]["flags"] == ["INT8"]
    assert bench.world.calibrated == [[samples[:2].ravel().tolist()], [samples[2:4].ravel().tolist()]]
    assert bench.library.live == 0
    np.savez(tmp_path / "samples.npz", image=samples + 1)  # other ranges, another engine
    assert bench.backend(trt.TensorRtInt8).prepare(bench.artifact, options)


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        ({"picture": np.zeros((2, 3, 8, 8))}, r"samples\.npz has no samples for image; it has: picture"),
        (
            {"image": np.zeros((2, 3, 4, 4))},
            r"samples of image have the shape \[3, 4, 4\], the engine takes \[3, 8, 8\]",
        ),
        ({"image": np.zeros((0, 3, 8, 8))}, "not enough for one batch"),
    ],
)
def test_samples_that_do_not_fit_are_named(tmp_path: Path, samples: dict, said: str) -> None:
    bench = TensorRtBoard(tmp_path, "8.6")
    np.savez(tmp_path / "samples.npz", **samples)
    with pytest.raises(ValueError, match=said):
        bench.backend(trt.TensorRtInt8).load(
            bench.artifact, {"threads": 1, "calibration": str(tmp_path / "samples.npz")}
        )


@pytest.mark.parametrize("generation", FLAGGED)
def test_int8_without_ranges_says_where_they_come_from(tmp_path: Path, generation: str) -> None:
    bench = TensorRtBoard(tmp_path, generation)
    with pytest.raises(
        trt_build.BuildFailed, match=r"needs ranges: give an ONNX with quantizers .* option calibration"
    ):
        bench.backend(trt.TensorRtInt8).load(bench.artifact, {"threads": 1})


@pytest.mark.parametrize(("kind", "name"), [(trt.TensorRtFp16, "fp16"), (trt.TensorRt, "int8")])
def test_a_gpu_without_the_units_is_not_measured_under_their_name(
    tmp_path: Path, kind: type[trt.TensorRt], name: str
) -> None:
    bench = TensorRtBoard(tmp_path, "8.2", fast=())
    path = bench.artifact if name == "fp16" else str(models.qdq(tmp_path / "qdq.onnx"))
    with pytest.raises(trt_build.BuildFailed, match=f"this GPU has no {name} units"):
        bench.backend(kind).load(path, {"threads": 1})


@pytest.mark.parametrize(
    ("generation", "where"), [(one, "node 1" if one.startswith("8") else "Mystery 'odd'") for one in GENERATIONS]
)
def test_an_operator_that_the_parser_refuses_is_named(tmp_path: Path, generation: str, where: str) -> None:
    bench = TensorRtBoard(tmp_path, generation)
    model = onnx.load_model(bench.artifact)
    model.graph.node[1].op_type, model.graph.node[1].name = "Mystery", "odd"
    onnx.save_model(model, bench.artifact)
    said = f"TensorRT {generation}.1 cannot read tiny.onnx: {where}: no importer registered"
    with pytest.raises(trt_build.BuildFailed) as caught:
        bench.backend().load(bench.artifact, {"threads": 1})
    assert str(caught.value) == said


def test_a_build_that_fails_tells_what_the_builder_said(bench: TensorRtBoard, tmp_path: Path) -> None:
    nothing_fed = models.save(
        tmp_path / "constant.onnx",
        [onnx.helper.make_node("Identity", ["one"], ["y"])],
        [],
        [models.value("y", [1])],
        {"one": np.ones(1, np.float32)},
    )
    with pytest.raises(trt_build.BuildFailed, match="built no engine: no optimization profile"):
        bench.backend().load(str(nothing_fed), {"threads": 1})


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("kind", [trt.TensorRt, trt.TensorRtFp16])
def test_the_profile_is_by_layer_type_and_precision(tmp_path: Path, generation: str, kind: type[trt.TensorRt]) -> None:
    bench = TensorRtBoard(tmp_path, generation)
    if bench.backend(kind).why_unavailable():
        return
    found = bench.backend(kind).profile(bench.artifact, {"threads": 1}, {"image": IMAGE})
    precision = "fp16" if kind is trt.TensorRtFp16 else "fp32"
    names = ["layer 0", "layer 1"] if generation == "8.0" else ["CaskConvolution", "Reformat"]
    assert [one["op"] for one in found] == names
    assert {one["precision"] for one in found} == {"" if generation == "8.0" else precision}
    assert {(one["provider"], one["count"], one["duration_s"]) for one in found} == {("TensorRT", 1.0, 0.00025)}
    assert bench.library.live == 0


def test_what_is_missing_is_a_reason_with_its_remedy(tmp_path: Path) -> None:
    bench = TensorRtBoard(tmp_path, "10.3")

    def nothing(name: str) -> Any:
        raise ImportError(f"No module named {name!r}")

    absent = trt.TensorRt(nothing, bench.runtime).why_unavailable()
    assert absent is not None
    assert "python3-libnvinfer" in absent
    bench.library.status = NO_DEVICE
    assert "cudaGetDeviceCount: no CUDA-capable device is detected (error 100)" in str(
        bench.backend().why_unavailable()
    )


def test_a_build_of_its_own_process_tells_its_reason(tmp_path: Path) -> None:
    """There is no TensorRT here, which is what that process finds."""
    if importlib.util.find_spec("tensorrt") is not None:
        pytest.skip("this machine has TensorRT")
    with pytest.raises(trt_build.BuildFailed, match="ModuleNotFoundError: No module named 'tensorrt'"):
        trt_build.in_child(str(tmp_path / "absent.onnx"), {}, str(tmp_path / "engine"), {})


def test_types_without_a_numpy_one_are_refused() -> None:
    module = SimpleNamespace(DataType=SimpleNamespace(FLOAT=0, HALF=1, INT8=2, INT32=3, BOOL=4))
    assert trt_tensors.numpy_type(module, 1, "x") == "float16"
    with pytest.raises(TypeError, match="x is of type 9"):
        trt_tensors.numpy_type(module, 9, "x")
