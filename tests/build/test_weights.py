from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from harness.errors import BuildError
from harness.model.recipe import Initialise, Sparsify
from harness.variants.compression.sparsify import sparsify
from harness.variants.networks import catalog, weights

RESNET8 = Initialise("resnet8", seed=3)


def logits(network: nn.Module) -> torch.Tensor:
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return network.eval()(images)


def seen_data(network: nn.Module) -> nn.Module:
    """The same network with norms that are not as they were made."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network


def test_a_loaded_network_is_the_saved_one_bit_for_bit(tmp_path: Path) -> None:
    network = seen_data(catalog.create(RESNET8)).to(memory_format=torch.channels_last)
    path = tmp_path / "cache" / "weights.pt"
    weights.save(network, RESNET8, path)
    loaded = weights.load(path, RESNET8)
    assert not loaded.training
    assert torch.equal(logits(loaded), logits(network.to(memory_format=torch.contiguous_format)))
    assert [file.name for file in path.parent.iterdir()] == ["weights.pt"]


def test_a_layer_that_cannot_be_narrowed_is_refused_when_saving(tmp_path: Path) -> None:
    network = catalog.create(RESNET8)
    network.mean = network.mean.repeat(1, 1, 2, 2)
    with pytest.raises(BuildError, match=r"w\.pt: the weights do not fit .*mean.* Build the variant again"):
        weights.save(network, RESNET8, tmp_path / "w.pt")
    assert not list(tmp_path.iterdir())


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="do not fit the network that their origin makes"):
        weights.save(catalog.create(RESNET8), Initialise("fast", seed=3), tmp_path / "w.pt")


def test_the_recipe_says_what_is_made_and_not_the_file(tmp_path: Path) -> None:
    """Else an altered file could have any importable function called."""
    weights.save(catalog.create(RESNET8), RESNET8, tmp_path / "w.pt")
    with pytest.raises(BuildError, match=r"refused: it is of another network than resnet8, seed 4"):
        weights.load(tmp_path / "w.pt", Initialise("resnet8", seed=4))


def test_marked_weights_are_of_one_recipe_and_old_files_of_any(tmp_path: Path) -> None:
    network, path = catalog.create(RESNET8), tmp_path / "w.pt"
    weights.save(network, RESNET8, path)
    assert torch.equal(logits(weights.load(path, RESNET8, "a" * 16)), logits(network))  # as before there were marks
    weights.mark(path, "a" * 16)
    assert torch.equal(logits(weights.load(path, RESNET8, "a" * 16)), logits(network))
    with pytest.raises(BuildError, match=r"w\.pt holds the weights of recipe a{16}, not of b{16}; .*--anew"):
        weights.load(path, RESNET8, "b" * 16)
    assert [file.name for file in tmp_path.iterdir()] == ["w.pt"]


class Attack:
    """What a pickle from elsewhere may hold: it makes a folder when it is read."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.target),)


def test_a_pickle_that_runs_code_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save({"format": weights.FORMAT, "state": Attack(tmp_path / "reached")}, path)
    with pytest.raises(BuildError, match=r"weights\.pt is refused: .*Only files that this harness wrote.* as ONNX"):
        weights.load(path, RESNET8)
    assert not (tmp_path / "reached").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x08\x00\x00\x00safetensors"])
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    path.write_bytes(content)
    with pytest.raises(BuildError, match=r"other\.safetensors is refused: "):
        weights.load(path, RESNET8)


def test_tensors_without_the_format_and_absent_files_are_refused(tmp_path: Path) -> None:
    torch.save(catalog.create(RESNET8).state_dict(), tmp_path / "plain.pt")
    with pytest.raises(BuildError, match=r"plain\.pt is refused: it does not say 'edge-harness weights 1'"):
        weights.load(tmp_path / "plain.pt", RESNET8)
    with pytest.raises(BuildError, match=r"absent\.pt is refused: .*No such file"):
        weights.load(tmp_path / "absent.pt", RESNET8)


def test_sparsify_zeroes_the_smallest_share_across_layers() -> None:
    network = catalog.create(RESNET8)
    with torch.no_grad():
        network.network.head.weight.copy_(torch.linspace(10, 11, 640).view(10, 64))  # far above the others' magnitudes
    sparse = sparsify(network, Sparsify(0.6))

    before = {name: m.weight.data for name, m in network.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    after = {name: m.weight.data for name, m in sparse.named_modules() if name in before}
    values = torch.cat([weight.flatten() for weight in before.values()]).abs()
    left = torch.cat([weight.flatten() for weight in after.values()])
    assert int((left == 0).sum()) == round(0.6 * len(values))
    assert float(left[left != 0].abs().min()) >= float(values.kthvalue(round(0.6 * len(values))).values)
    assert torch.equal(after["network.head"], before["network.head"])
    others = [name for name in network.state_dict() if name.removesuffix(".weight") not in before]
    assert all(torch.equal(network.state_dict()[name], sparse.state_dict()[name]) for name in others)


def test_sparsify_takes_exactly_its_share_of_equal_weights() -> None:
    network = catalog.create(RESNET8)
    for parameter in network.parameters():
        nn.init.ones_(parameter)
    kept = [m.weight for m in sparsify(network, Sparsify(0.25)).modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert sum(int(w.sum()) for w in kept) / sum(w.numel() for w in kept) == pytest.approx(0.75, abs=1e-5)
