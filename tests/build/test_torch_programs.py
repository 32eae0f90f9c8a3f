"""ONNX files as torch programs, and the agent's torch backends over them, on the CPU. No GPU ran any of this."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

pytest.importorskip("torch")

import torch

from harness.agent.backends import pytorch
from harness.artifacts import forms
from harness.errors import BuildError
from harness.model.case import ArtifactFacts
from harness.model.recipe import Initialise
from harness.variants import forms as making
from harness.variants.graphs import export, plain, program
from harness.variants.networks import catalog
from tests.support import models

RELEASED = sorted(Path("suites/cifar10").glob("*.onnx"))
IMAGE = np.random.default_rng(3).random((1, 3, 32, 32), dtype=np.float32)
# Announced to go; boards whose torch reads no .pt2 have nothing else.
OLD = pytest.mark.filterwarnings("ignore:.*torch.jit.*:FutureWarning", "ignore:.*torch.jit.*:DeprecationWarning")


def answers(path: Path, image: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: image})[0]


def fp32() -> list[Path]:
    return [path for path in RELEASED if "int8" not in path.name]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One released file in both forms."""
    folder = tmp_path_factory.mktemp("programs")
    found = {"onnx": Path("suites/cifar10/fast-pruned.onnx")}
    for form in ("pt2", "torchscript"):
        found[form] = folder / f"model.{form}"
        program.export(found["onnx"], found[form])
    return found


@pytest.mark.parametrize("path", fp32(), ids=lambda path: path.stem)
def test_every_released_float_file_is_the_same_program(path: Path) -> None:
    module = program.convert(onnx.load_model(path), path)
    images = np.concatenate([IMAGE, 1 - IMAGE, IMAGE / 2])
    with torch.no_grad():
        found = module(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(found, answers(path, images), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["resnet20", "mobilenetv2-32", "resnet8"])
def test_networks_of_the_catalog_are_too(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    export.export(catalog.create(Initialise(name, seed=0)), (3, 32, 32), {}, path)
    module = program.convert(onnx.load_model(path), path)
    with torch.no_grad():
        np.testing.assert_allclose(module(torch.from_numpy(IMAGE)).numpy(), answers(path, IMAGE), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("operator", ["Mystery", "DequantizeLinear"])
def test_an_operator_that_is_unknown_is_named(operator: str, tmp_path: Path) -> None:
    path = models.one_node(tmp_path / "odd.onnx", operator, [models.value("x", [1, 3])])
    with pytest.raises(BuildError, match=rf"odd\.onnx has the operator {operator} .* measure it with onnxruntime"):
        program.convert(onnx.load_model(path), path)


@pytest.mark.parametrize(
    ("operator", "attributes"),
    [("MaxPool", {"kernel_shape": [2, 2], "pads": [0, 0, 1, 1]}), ("Flatten", {"axis": 2})],
)
def test_what_would_be_computed_otherwise_is_refused(operator: str, attributes: dict, tmp_path: Path) -> None:
    path = models.one_node(tmp_path / "odd.onnx", operator, [models.value("x", [1, 3, 4, 4])], **attributes)
    with pytest.raises(BuildError, match="is not made into torch programs here"):
        program.convert(onnx.load_model(path), path)


def test_a_program_that_differs_is_refused(made: dict[str, Path]) -> None:
    module = program.convert(onnx.load_model(made["onnx"]), made["onnx"])
    with torch.no_grad():
        next(iter(module.buffers())).mul_(1.5)
    with pytest.raises(BuildError, match="differs from it by"):
        program._check(module, {"image": IMAGE}, made["onnx"])


def test_the_same_file_gives_the_same_program(tmp_path: Path, made: dict[str, Path]) -> None:
    again = tmp_path / "model.pt2"
    program.export(made["onnx"], again)
    assert again.read_bytes() == made["pt2"].read_bytes()


@OLD
@pytest.mark.parametrize(
    ("kind", "form", "said"),
    [
        (pytorch.Torch, "pt2", "torch.export"),
        (pytorch.Torch, "torchscript", "TorchScript"),
        (pytorch.TorchCompiled, "pt2", "torch.export"),
    ],
)
def test_a_session_answers_as_the_onnx_file_does(kind: Any, form: str, said: str, made: dict[str, Path]) -> None:
    backend = kind()
    if backend.why_unavailable() is not None:
        pytest.skip(backend.why_unavailable())
    session = backend.load(str(made[form]), {"threads": 1})
    assert session.input_names() == ["image"]
    for image in (IMAGE, np.concatenate([IMAGE] * 3), IMAGE):
        session.bind({"image": image})
        session.step()
        (found,) = session.outputs()
        np.testing.assert_allclose(found, answers(made["onnx"], image), rtol=1e-4, atol=1e-4)
    facts = session.facts()
    assert json.loads(json.dumps(facts)) == facts
    assert (facts["form"], facts["mode"], facts["dtypes"]) == (said, backend.mode, ["torch.float32"])
    assert facts["threads"] == 1
    session.close()


@OLD
def test_what_cannot_be_compiled_is_refused_and_not_run_otherwise(made: dict[str, Path]) -> None:
    with pytest.raises(ValueError, match=r"is TorchScript, which torch\.compile does not take; measure torch"):
        pytorch.TorchCompiled().load(str(made["torchscript"]), {"threads": 1})


def test_a_program_of_somebody_elses_is_refused(tmp_path: Path) -> None:
    exported = torch.export.export(torch.nn.Linear(3, 2), (torch.zeros(1, 3),))
    torch.export.save(exported, tmp_path / "own.pt2")
    with pytest.raises(ValueError, match=r"own\.pt2 does not name its inputs"):
        pytorch.Torch().load(str(tmp_path / "own.pt2"), {"threads": 1})


def fake(**changes: Any) -> Any:
    """A torch that has only what availability is asked of."""
    cuda = SimpleNamespace(is_available=lambda: changes.get("gpu", True))
    found = {"torch": SimpleNamespace(__version__=changes.get("version", "2.9"), cuda=cuda)}
    if changes.get("compiles", True):
        found["torch"].compile = None

    def find(name: str) -> Any:
        if name in changes.get("absent", ()):
            raise ImportError(f"No module named {name!r}")
        return found.get(name)

    return find


@pytest.mark.parametrize(
    ("kind", "changes", "compiler", "said"),
    [
        (pytorch.Torch, {"absent": ["torch"]}, "/g++", "No module named 'torch'; on the board run: python3 -m pip"),
        (pytorch.TorchCuda, {"absent": ["torch"]}, "/g++", "No module named 'torch'; pip's torch for aarch64 is no"),
        (pytorch.TorchCuda, {"gpu": False}, "/g++", "torch 2.9 sees no CUDA device; pip's torch for aarch64"),
        (pytorch.TorchCompiled, {"compiles": False, "version": "1.10"}, "/g++", "torch 1.10 has no torch.compile"),
        (pytorch.TorchCompiled, {}, None, "torch.compile needs a C++ compiler; on the board run: sudo apt install g++"),
        (pytorch.TorchCudaCompiled, {"absent": ["triton"]}, "/g++", "No module named 'triton', which torch.compile"),
    ],
)
def test_what_is_missing_is_a_reason_with_its_remedy(kind: Any, changes: dict, compiler: str | None, said: str) -> None:
    reason = kind(fake(**changes), lambda _name: compiler).why_unavailable()
    assert reason is not None
    assert reason.startswith(said)


@pytest.mark.parametrize("kind", [pytorch.Torch, pytorch.TorchCuda, pytorch.TorchCudaCompiled, pytorch.TorchCudaGraph])
def test_what_is_there_is_usable(kind: Any) -> None:
    assert kind(fake(), lambda _name: "/usr/bin/g++").why_unavailable() is None


def facts(path: Path, precision: str = "fp32") -> ArtifactFacts:
    return ArtifactFacts("fast", path.name, "a" * 64, path.stat().st_size, precision)


def test_a_form_is_made_once_and_kept(tmp_path: Path, made: dict[str, Path]) -> None:
    first = making.make(tmp_path, facts(made["onnx"]), made["onnx"], "pt2")
    assert first.path == tmp_path / "forms" / ("a" * 64) / "model.pt2"
    assert zipfile.is_zipfile(first.path)
    stamp = first.path.stat().st_mtime_ns
    assert making.make(tmp_path, facts(made["onnx"]), made["onnx"], "pt2") == first
    assert first.path.stat().st_mtime_ns == stamp
    first.path.write_bytes(b"altered")
    assert forms.find(tmp_path, "a" * 64, "pt2") is None
    assert making.make(tmp_path, facts(made["onnx"]), made["onnx"], "pt2") == first


def test_a_precision_that_has_no_program_says_so(tmp_path: Path, made: dict[str, Path]) -> None:
    with pytest.raises(BuildError, match="fast is int8, and only fp32 files are made into torch programs"):
        making.make(tmp_path, facts(made["onnx"], "int8"), made["onnx"], "torchscript")


@pytest.mark.parametrize("path", RELEASED, ids=lambda path: path.stem)
def test_the_plain_form_of_a_released_file_computes_the_same(path: Path, tmp_path: Path) -> None:
    plain.write(path, tmp_path / "plain.onnx")
    model = onnx.load_model(tmp_path / "plain.onnx")
    assert {one.domain: one.version for one in model.opset_import}[""] == plain.OPSET
    assert not [node for node in model.graph.node if node.op_type == "Cast"]
    np.testing.assert_allclose(answers(tmp_path / "plain.onnx", IMAGE), answers(path, IMAGE), rtol=1e-6, atol=1e-6)
