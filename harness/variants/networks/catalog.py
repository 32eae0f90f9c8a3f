"""Networks by name. Owns the names and what is put around every network; the layers are in architectures.py.

A network here takes float32 images (n, 3, height, width) in [0, 1], normalizes them itself and returns logits
(n, classes), so that whoever holds an exported file needs no other knowledge to use it.
"""

# mypy: allow-subclassing-any
# Type checking runs without torch, where nn.Module is Any.

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from harness.datasets.table import Dataset, dataset
from harness.errors import BuildError, UnknownName, UsageError
from harness.model.recipe import Initialise
from harness.variants.networks import architectures

Maker = Callable[[int], nn.Module]  # a network for so many classes, on normalized pixels

TORCHVISION = "torchvision"

TABLE: Mapping[str, Maker] = {
    "fast": architectures.fast,
    "plain": architectures.plain,
    "resnet8": architectures.resnet8,
    "resnet20": architectures.resnet20,
    "wrn-16-2": architectures.wrn_16_2,
    "wrn-16-4": architectures.wrn_16_4,
    "mobilenetv2-32": architectures.mobilenet_v2,
    "paper-student": architectures.paper_student,
    "resnet50-cifar": architectures.resnet50_cifar,
    "resnet50-stride2": architectures.resnet50_stride2,
}


class Normalized(nn.Module):
    """Subtract the channel mean and divide by the standard deviation, then run the network."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, network: nn.Module, mean: Sequence[float], deviation: Sequence[float]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("deviation", torch.tensor(deviation).view(1, -1, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        """Pixels to logits."""
        logits: Tensor = self.network((image - self.mean) / self.deviation)
        return logits


def create(step: Initialise) -> nn.Module:
    """A freshly initialised network; an equal step gives equal weights.

    UnknownName where the catalog, torchvision or the module has no such network; BuildError where it does not turn
    one of the data set's images into one logit for each class.
    """
    data = dataset(step.dataset)
    make = _maker(step.network)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(step.seed)
        network = make(len(data.classes))
        if step.kaiming:
            _draw_by_fan_out(network)
    whole = Normalized(network, data.mean, data.deviation)
    _check(whole, step.network, data)
    return whole


def _maker(name: str) -> Maker:
    module_name, colon, function = name.partition(":")
    if not colon:
        if name not in TABLE:
            raise UnknownName("network", name, TABLE)
        return TABLE[name]
    if module_name == TORCHVISION:
        return lambda classes: architectures.from_torchvision(function, classes)
    try:
        found = getattr(importlib.import_module(module_name), function)
    except (ImportError, AttributeError) as error:
        raise UsageError(
            f"network {name!r} cannot be imported ({error}); write it as module:function, where the function takes "
            "the number of classes and gives a torch.nn.Module, and the module is importable from here"
        ) from None
    made: Maker = found
    return made


def _draw_by_fan_out(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def _check(network: nn.Module, name: str, data: Dataset) -> None:
    was_training = network.training
    with torch.no_grad():
        logits = network.eval()(torch.zeros(2, *data.shape))
    network.train(was_training)
    if not isinstance(logits, Tensor) or logits.shape != (2, len(data.classes)):
        found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise BuildError(
            f"network {name} gives {found} for 2 images of {data.name}, expected logits (2, {len(data.classes)})"
        )
