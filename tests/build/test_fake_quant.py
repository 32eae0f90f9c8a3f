from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor, nn

from harness.errors import BuildError
from harness.model.lesson import Optimizer
from harness.model.recipe import Initialise, QuantizeStatic, Train
from harness.variants.compression import fake_quant, quantize
from harness.variants.graphs import export, fidelity, files
from harness.variants.networks import architectures, catalog
from harness.variants.training.train import train
from tests.support.pictures import pictures

DATA = pictures(80, seed=1)
SHAPE = (3, 32, 32)
STEP = QuantizeStatic("cifar10", "0", images=40, seed=0)
TUNING = Train("cifar10", DATA.sha256, epochs=1, batch=20, seed=0, optimizer=Optimizer("sgd", rate=0.01))


class Branching(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


def small() -> nn.Module:
    """A residual, a ReLU behind a sum, and a head."""
    torch.manual_seed(0)
    features = nn.Sequential(
        architectures.convolution(3, 8, 2), architectures.plain_residual(8), architectures._Basic(8, 16, 2)
    )
    return catalog.Normalized(architectures.Pooled(features, 16, 10), [0.5] * 3, [0.25] * 3)


def seen(network: nn.Module, profile: Any = "cpu") -> fake_quant.Prepared:
    """A prepared network whose ranges come from one batch."""
    prepared = fake_quant.prepare(network, profile)
    prepared.train()(torch.from_numpy(fidelity.to_unit(DATA.images[:4])))
    return prepared.eval()


def exported(network: nn.Module, path: Path) -> Path:
    export.export(network, SHAPE, {}, path)
    return path


@pytest.mark.parametrize("profile", ["cpu", "trt"])
@pytest.mark.parametrize("name", ["fast", "plain", "resnet8", "resnet20", "paper-student"])
def test_ranges_are_learned_wherever_the_writer_quantizes(tmp_path: Path, name: str, profile: Any) -> None:
    prepared = seen(catalog.create(Initialise(name, 0)), profile)
    source, target = exported(fake_quant.strip(prepared), tmp_path / "float.onnx"), tmp_path / "int8.onnx"
    ranges = fake_quant.learned_ranges(prepared, source)
    quantize.quantize(source, target, DATA.images[:1], replace(STEP, profile=profile), {}, ranges)
    assert set(ranges) == quantize.quantized_tensors(target)


def test_ranges_are_those_of_the_tensors_they_are_named_after(tmp_path: Path) -> None:
    """In a network that has not learned yet, one batch's ranges are what calibration finds on that batch."""
    network = small().eval()
    prepared = fake_quant.prepare(network)
    for module in prepared.modules():
        if isinstance(module, fake_quant._Rounding):
            module.train()
    with torch.no_grad():
        prepared(torch.from_numpy(fidelity.to_unit(DATA.images[:40])))
    source = exported(network, tmp_path / "float.onnx")
    ranges = fake_quant.learned_ranges(prepared, source)
    measured = quantize.calibrate(source, DATA.images[:40], STEP)
    for name, span in ranges.items():
        # The error of rounding earlier tensors is in the later ones.
        assert span == pytest.approx(measured[name], rel=0.05, abs=0.05), name


def test_a_trained_network_computes_as_its_int8_file_does(tmp_path: Path) -> None:
    trained = train(fake_quant.prepare(small()), TUNING, DATA, tmp_path / "a.pt", "1", lambda _: None)
    source, target = exported(fake_quant.strip(trained), tmp_path / "float.onnx"), tmp_path / "int8.onnx"
    ranges = fake_quant.learned_ranges(trained, source)
    quantize.quantize(source, target, DATA.images[:40], STEP, {}, ranges)
    with torch.no_grad():
        expected = trained(torch.from_numpy(fidelity.to_unit(DATA.images))).numpy()
    error = np.abs(fidelity.logits(target, DATA.images) - expected).max()
    rounding = np.abs(fidelity.logits(source, DATA.images) - expected).max()
    assert error < 0.5 * rounding  # what is left is a tie here and there that both round differently


def test_training_changes_the_weights_and_strip_gives_them_back(tmp_path: Path) -> None:
    network = small()
    before = copy.deepcopy(network.state_dict())
    trained = train(fake_quant.prepare(network), TUNING, DATA, tmp_path / "a.pt", "1", lambda _: None)
    stripped = fake_quant.strip(trained).state_dict()
    assert list(stripped) == list(before)
    assert not torch.equal(stripped["network.head.weight"], before["network.head.weight"])
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), f"{name}: prepare works on a copy"


def test_a_running_mean_of_the_weights_is_one_of_the_ranges_too(tmp_path: Path) -> None:
    """The mean network's ranges start empty; what they are then given must count in full."""
    step = replace(TUNING, ema_decay=0.99)
    trained = train(fake_quant.prepare(small()), step, DATA, tmp_path / "a.pt", "1", lambda _: None)
    low, high = trained.quantizers["at_truediv"].span()
    normalized = (fidelity.to_unit(DATA.images) - 0.5) / 0.25
    assert (low, high) == (pytest.approx(normalized.min(), abs=0.4), pytest.approx(normalized.max(), abs=0.4))


def test_rounding_is_to_256_values_and_gradients_pass_within_the_range() -> None:
    rounding = fake_quant._Rounding("cpu")
    rounding(torch.tensor([0.0, 2.55]))
    rounding.eval()
    x = torch.tensor([0.004, 0.0151, 2.0, 9.0, -1.0], requires_grad=True)
    y = rounding(x)
    y.sum().backward()
    assert y.tolist() == pytest.approx([0.0, 0.02, 2.0, 2.55, 0.0])
    assert x.grad is not None
    assert x.grad.tolist() == [1, 1, 1, 0, 0]


def test_weights_round_channel_by_channel() -> None:
    layer = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.27, 0.5049], [127.0, 0.5049]]))
    rounded = fake_quant._rounded_weight(layer)
    assert rounded.tolist() == [pytest.approx([1.27, 0.50]), pytest.approx([127.0, 1.0])]


def test_ranges_before_any_batch_are_an_error(tmp_path: Path) -> None:
    prepared = fake_quant.prepare(small())
    source = exported(fake_quant.strip(prepared), tmp_path / "float.onnx")
    with pytest.raises(BuildError, match="have seen no batch yet; train the prepared network first"):
        fake_quant.learned_ranges(prepared, source)


def test_halved_weights_are_still_recognised(tmp_path: Path) -> None:
    prepared = seen(small())
    full = exported(fake_quant.strip(prepared), tmp_path / "float.onnx")
    files.save(files._halve_weights(onnx.load_model(full)), tmp_path / "half.onnx")
    files.widen_stored_halves(tmp_path / "half.onnx", tmp_path / "wide.onnx")
    ranges = fake_quant.learned_ranges(prepared, tmp_path / "wide.onnx")
    assert ranges == fake_quant.learned_ranges(prepared, full)


def test_the_file_of_another_network_is_an_error(tmp_path: Path) -> None:
    source = exported(catalog.create(Initialise("resnet8", 1)), tmp_path / "float.onnx")
    with pytest.raises(BuildError, match=r"float\.onnx has no tensor that holds what the network computes at truediv"):
        fake_quant.learned_ranges(seen(small()), source)


def test_what_cannot_be_prepared_is_an_error() -> None:
    with pytest.raises(BuildError, match="Branching cannot be traced for quantization-aware training"):
        fake_quant.prepare(Branching())
    with pytest.raises(BuildError, match=r"batch norm network\.features\.2\.before\.0 does not follow a convolution"):
        fake_quant.prepare(catalog.create(Initialise("wrn-16-2", 0)))
    with pytest.raises(BuildError, match="Branching has no fake quantizers; give what prepare"):
        fake_quant.strip(Branching())


def test_a_dead_activation_still_has_a_range_of_some_width() -> None:
    """A scale of 1e-12 made onnxruntime divide by zero, which ends the process."""
    rounding = fake_quant._Rounding("cpu").train()
    rounding(torch.zeros(1, 4))
    rounding(torch.full((1, 4), 1e-9))
    low, high = rounding.span()
    assert low == 0.0
    assert high == pytest.approx(1e-6)
