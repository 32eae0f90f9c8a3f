"""Network architectures by name. Owns the layer shapes; knows nothing of training, files or runtimes.

Every network takes float32 images (n, 3, 32, 32) in [0, 1], normalizes them itself and returns logits (n, classes),
so that whoever holds an exported file needs no other knowledge to use it.
"""

# mypy: allow-subclassing-any
# Type checking runs without torch, where nn.Module is Any.

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.datasets import cifar10
from harness.errors import UnknownName


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


def convolution(channels_in: int, channels_out: int, stride: int = 1) -> nn.Sequential:
    """3x3 convolution, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


class PlainResidual(nn.Module):
    """Two plain 3x3 convolutions with the input added to their output.

    The sum comes after the last ReLU, so that the quantizer's zero point absorbs every ReLU (int8 stays int8).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(convolution(channels, channels), convolution(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        """Shape in is shape out."""
        return x + self.body(x)


class Fast(nn.Module):
    """A plain dense student: trainable stem, three stride-2 stages of 64, 128, 256 channels with one residual each.

    Dense 3x3 convolutions keep the int8 kernels near their peak and train 3 to 5 times faster on a CPU than depthwise
    ones of equal cost; strides replace pooling because a pool between int8 convolutions costs layout changes.
    """

    def __init__(self, widths: Sequence[int] = (64, 128, 256), stem: int = 64, classes: int = 10) -> None:
        super().__init__()
        layers: list[nn.Module] = [convolution(3, stem)]
        channels = stem
        for width in widths:
            layers += [convolution(channels, width, stride=2), PlainResidual(width)]
            channels = width
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(channels, classes, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Normalized pixels to logits."""
        pooled = functional.adaptive_avg_pool2d(self.features(x), 1).flatten(1)
        return self.head(pooled)


def fast() -> nn.Module:
    """The default student."""
    return Normalized(Fast(), cifar10.MEAN, cifar10.STANDARD_DEVIATION)


def resnet50_cifar() -> nn.Module:
    """Torchvision's ResNet-50 with the usual CIFAR stem: a 3x3 stride-1 convolution and no max-pool."""
    from torchvision.models import resnet50  # only the teacher needs it

    network = resnet50(weights=None, num_classes=10)
    network.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    network.maxpool = nn.Identity()
    return Normalized(network, cifar10.MEAN, cifar10.STANDARD_DEVIATION)


TABLE: dict[str, Callable[[], nn.Module]] = {"fast": fast, "resnet50_cifar": resnet50_cifar}


def create(name: str, seed: int) -> nn.Module:
    """A freshly initialised network; the same name and seed give the same weights. UnknownName if there is none."""
    if name not in TABLE:
        raise UnknownName("network", name, TABLE)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return TABLE[name]()
