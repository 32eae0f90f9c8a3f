from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from harness.artifacts.onnx_file import inspect
from harness.errors import BuildError
from harness.model.recipe import Criterion, Initialise, Prune, Target
from harness.variants.compression.prune import count_macs, prune
from harness.variants.graphs.export import export
from harness.variants.networks import catalog, weights
from tests.support.pictures import pictures

SHAPE = (3, 32, 32)
DATA = pictures(64, seed=1)
FAST = Initialise("fast", seed=0)
FAST_MACS = 77_269_504  # as test_exporting.py counts them by hand

needs_torch_pruning = pytest.mark.skipif(
    importlib.util.find_spec("torch_pruning") is None, reason="the extra edge-harness[prune] is absent"
)


def uneven(origin: Initialise) -> nn.Module:
    """A network whose channels differ in importance by every criterion, as fresh ones would not."""
    network = catalog.create(origin)
    generator = torch.Generator().manual_seed(5)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=generator)
            for tensor in (module.running_var, module.weight.data):
                tensor.uniform_(0.5, 1.5, generator=generator)
    return network.eval()


def step_of(criterion: Criterion = "l1", target: Target = "macs", **fields: object) -> Prune:
    settings = {"keep": 0.5, "dataset": DATA.dataset, "dataset_sha256": DATA.sha256, "seed": 0} | fields
    return Prune(criterion, target, **settings)  # type: ignore[arg-type]  # the fields are the tests' own


def pruned(network: nn.Module, step: Prune) -> nn.Module:
    return prune(network, step, DATA, SHAPE, lambda narrow, _: narrow, lambda _: None)


def widths(network: nn.Module) -> list[int]:
    return [module.out_channels for module in network.modules() if isinstance(module, nn.Conv2d)]


def logits(network: nn.Module) -> torch.Tensor:
    images = torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return network(images)


@needs_torch_pruning
@pytest.mark.parametrize("criterion", ["l1", "bn-scale", "taylor", "fpgm", "random"])
def test_half_the_macs_with_every_criterion(criterion: Criterion) -> None:
    whole = uneven(FAST)
    narrow = pruned(whole, step_of(criterion))
    assert count_macs(whole, SHAPE) == FAST_MACS  # the given network is not touched
    assert 0.48 * FAST_MACS < count_macs(narrow, SHAPE) <= 0.5 * FAST_MACS
    assert {width % 16 for width in widths(narrow)} == {0}
    assert logits(narrow).shape == (2, 10)
    assert not narrow.training
    # No layer is emptied: half of what equal pruning would leave, rounded down to a multiple, stays everywhere.
    assert all(left >= 0.25 * full for left, full in zip(widths(narrow), widths(whole), strict=True))


@needs_torch_pruning
@pytest.mark.parametrize("network", ["plain", "paper-student", "resnet20", "wrn-16-2", "mobilenetv2-32"])
def test_residual_grouped_and_depthwise_networks_survive_saving(network: str, tmp_path: Path) -> None:
    if network == "mobilenetv2-32":
        pytest.importorskip("torchvision")
    origin = Initialise(network, seed=0)
    whole = uneven(origin)
    narrow = pruned(whole, step_of("random", keep=0.6))
    assert 0.55 < count_macs(narrow, SHAPE) / count_macs(whole, SHAPE) <= 0.6
    changed = [left for left, full in zip(widths(narrow), widths(whole), strict=True) if left != full]
    assert changed
    assert {width % 16 for width in changed} == {0}
    weights.save(narrow, origin, tmp_path / "weights.pt")
    assert torch.equal(logits(weights.load(tmp_path / "weights.pt", origin)), logits(narrow))


@needs_torch_pruning
def test_a_pruned_network_exports_with_the_counted_macs(tmp_path: Path) -> None:
    narrow = pruned(uneven(FAST), step_of())
    export(narrow, SHAPE, {}, tmp_path / "narrow.onnx")
    assert inspect(tmp_path / "narrow.onnx", {}).macs == count_macs(narrow, SHAPE)


@needs_torch_pruning
def test_the_channels_that_leave_are_the_least_important() -> None:
    network = uneven(Initialise("resnet8", seed=0))
    inner = network.network.features[3].body[0][0]  # 64 channels that no other layer shares
    with torch.no_grad():
        inner.weight[::4].mul_(0.01)
        network.network.features[3].body[1].weight[:, ::4].mul_(0.01)
    expected = inner.weight[[index for index in range(64) if index % 4]]
    narrow = pruned(network, step_of(keep=0.9))
    assert torch.equal(narrow.network.features[3].body[0][0].weight, expected)


@needs_torch_pruning
def test_random_is_seeded_and_is_not_l1() -> None:
    network = uneven(Initialise("resnet8", seed=0))
    steps = [step_of("random", keep=0.7, seed=seed) for seed in (0, 0, 1)]
    one, same, other = (logits(pruned(network, step)) for step in steps)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert not torch.equal(one, logits(pruned(network, step_of(keep=0.7))))


@needs_torch_pruning
def test_taylor_twice_is_equal_and_leaves_no_gradients() -> None:
    network = uneven(Initialise("resnet8", seed=0))
    one, other = (pruned(network, step_of("taylor", keep=0.7)) for _ in range(2))
    assert torch.equal(logits(one), logits(other))
    assert all(parameter.grad is None for parameter in (*one.parameters(), *network.parameters()))


@needs_torch_pruning
def test_rounds_are_equal_steps_each_followed_by_tuning() -> None:
    calls: list[tuple[int, int]] = []
    lines: list[str] = []

    def tune(network: nn.Module, number: int) -> nn.Module:
        calls.append((number, count_macs(network, SHAPE)))
        nn.init.constant_(network.network.head.weight, number)
        return network.train()

    narrow = prune(uneven(FAST), step_of(rounds=3, keep=0.343), DATA, SHAPE, tune, lines.append)
    assert [number for number, _ in calls] == [1, 2, 3]
    for number, macs in calls:
        assert macs / FAST_MACS == pytest.approx(0.7**number, rel=0.05)
        assert macs / FAST_MACS <= 0.7**number
    assert narrow.network.head.weight.unique().tolist() == [3]
    assert not narrow.training
    assert lines[-1].startswith(f"pruning round 3 of 3: {calls[-1][1]:.6g} MACs left, 0.3")
    assert lines[-1].endswith("of 7.72695e+07 where at most 0.343 was asked")


@needs_torch_pruning
def test_parameters_and_measured_time_are_targets_too() -> None:
    network = uneven(Initialise("resnet8", seed=0))
    lines: list[str] = []
    counts = [sum(p.numel() for p in n.parameters()) for n in (network, pruned(network, step_of(target="parameters")))]
    assert 0.35 < counts[1] / counts[0] <= 0.5  # steps of 16 channels are coarse where layers have 16 to 64
    prune(network, step_of(target="ms", keep=0.95), DATA, SHAPE, lambda narrow, _: narrow, lines.append)
    assert "ms in onnxruntime, one thread left" in lines[0]


@needs_torch_pruning
def test_a_target_out_of_reach_says_how_near_it_came() -> None:
    network = uneven(Initialise("resnet8", seed=0))

    def tune(_: nn.Module, number: int) -> nn.Module:
        raise AssertionError(f"round {number} was tuned though the target is known to be out of reach")

    wanted = r"go down to 0\.300 of the MACs: 0\.537 is as near .*multiples of 16.*round_to"
    with pytest.raises(BuildError, match=wanted):
        prune(network, step_of(keep=0.3, rounds=2), DATA, SHAPE, tune, lambda _: None)
    finer = pruned(network, step_of(keep=0.3, round_to=8))
    assert count_macs(finer, SHAPE) <= 0.3 * count_macs(network, SHAPE)


class Forking(nn.Module):
    """A network whose layers depend on each other through what torch-pruning does not follow."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 32, 3)
        self.second = nn.Conv2d(32, 32, 3)
        self.head = nn.Linear(32, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        features = self.second(self.first(image))
        scale = torch.linspace(1, 2, 32).view(1, 32, 1, 1)
        return self.head((features * scale).mean((2, 3)))


@needs_torch_pruning
def test_a_network_that_cannot_be_followed_is_an_error_with_a_way_out() -> None:
    with pytest.raises(BuildError, match=r"torch-pruning cannot follow .*leave the pruning step out"):
        pruned(Forking(), step_of())


@needs_torch_pruning
def test_bn_scale_without_norms_is_an_error() -> None:
    with pytest.raises(BuildError, match=r"bn-scale finds no channels .*choose the criterion l1"):
        pruned(Forking(), step_of("bn-scale"))


def test_the_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_pruning", None)
    with pytest.raises(BuildError, match=r"pip install 'edge-harness\[prune\]'"):
        pruned(catalog.create(FAST), step_of())
