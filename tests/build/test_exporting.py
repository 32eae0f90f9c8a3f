from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

pytest.importorskip("torch")

import torch

from harness.artifacts.onnx_file import inspect
from harness.artifacts.onnx_session import open_session
from harness.errors import BuildError
from harness.model.recipe import Initialise
from harness.variants.graphs import export, fidelity, files
from harness.variants.networks import catalog

SHAPE = (3, 32, 32)
# Of `fast`, by hand: 3x3 filters of all layers, their biases, the head without bias.
FAST_FILTERS = 9 * (3 * 64 + 3 * 64 * 64 + 64 * 128 + 2 * 128 * 128 + 128 * 256 + 2 * 256 * 256)
FAST_PARAMETERS = FAST_FILTERS + 4 * 64 + 3 * 128 + 3 * 256 + 256 * 10


@pytest.fixture
def network() -> torch.nn.Module:
    """The student with batch norms that have seen data: fresh ones fold into nothing."""
    network = catalog.create(Initialise("fast", seed=0))
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
    return network.eval()


def test_the_file_answers_as_the_network_does(network: torch.nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "fast.onnx"
    export.export(network, SHAPE, {"variant": "fast"}, path)
    images = fidelity.to_unit(export.seeded_images(7, SHAPE))
    with torch.no_grad():
        expected = network(torch.from_numpy(images)).numpy()
    found = open_session(path, threads=1).run(["logits"], {"image": images})[0]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_facts_of_the_student(network: torch.nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "fast.onnx"
    export.export(network, SHAPE, {"classes": json.dumps(["cat"])}, path)
    facts = inspect(path, {})
    assert (facts.inputs[0].name, facts.inputs[0].dtype, facts.inputs[0].shape) == ("image", "float32", (1, 3, 32, 32))
    assert facts.outputs == ("logits",)
    assert facts.opset == export.OPSET
    assert facts.metadata == {"classes": '["cat"]', "input": export.INPUT_DESCRIPTION}
    assert facts.parameters == FAST_PARAMETERS == 1_959_488
    # Outputs of 32, 16, 8 and 4 pixels a side; 9 products per input and output channel.
    stages = 32**2 * 3 * 64 + 16**2 * 3 * 64**2 + 8**2 * (64 * 128 + 2 * 128**2) + 4**2 * (128 * 256 + 2 * 256**2)
    assert facts.macs == 9 * stages + 256 * 10 == 77_269_504
    assert facts.uncounted == ()


def test_half_storage_halves_the_file_and_keeps_the_answers(network: torch.nn.Module, tmp_path: Path) -> None:
    full, half = tmp_path / "full.onnx", tmp_path / "half.onnx"
    export.export(network, SHAPE, {}, full)
    assert files.store_half(full, half, export.seeded_images(20, SHAPE))
    assert half.stat().st_size < 0.51 * full.stat().st_size
    facts = inspect(half, {})
    assert (facts.precision, facts.parameters) == ("fp32", FAST_PARAMETERS)


def test_runtimes_fold_the_casts_away(network: torch.nn.Module, tmp_path: Path) -> None:
    full, half, optimized = (tmp_path / f"{name}.onnx" for name in ("full", "half", "optimized"))
    export.export(network, SHAPE, {}, full)
    files.store_half(full, half, export.seeded_images(20, SHAPE))
    open_session(half, threads=1, optimization="enable_basic", save_to=optimized)
    assert not [node for node in onnx.load_model(optimized).graph.node if node.op_type == "Cast"]


def test_the_same_network_gives_the_same_bytes(network: torch.nn.Module, tmp_path: Path) -> None:
    for name in ("one", "other"):
        export.export(network, SHAPE, {"variant": "fast"}, tmp_path / name)
        files.store_half(tmp_path / name, tmp_path / f"{name}.half", export.seeded_images(4, SHAPE))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    assert (tmp_path / "one.half").read_bytes() == (tmp_path / "other.half").read_bytes()


class Restless(torch.nn.Module):
    """A network that answers differently each time, as one exported in the wrong mode would."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0.0

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        self.calls += 1.0
        return image.mean((2, 3)) + self.calls


def test_a_file_that_differs_from_its_network_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"bad\.onnx differs from its network by .* more than 0\.0001"):
        export.export(Restless(), SHAPE, {}, tmp_path / "bad.onnx")
