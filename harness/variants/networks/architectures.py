"""Network architectures: layer shapes only, on normalized pixels (n, 3, height, width), giving logits (n, classes)."""

# mypy: allow-subclassing-any
# Type checking runs without torch, where nn.Module is Any.

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from harness.errors import UnknownName


def convolution(channels_in: int, channels_out: int, stride: int = 1, side: int = 3, groups: int = 1) -> nn.Sequential:
    """Convolution, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, side, stride, side // 2, groups=groups, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


class Sum(nn.Module):
    """`body` with its input added to its output.

    The sum comes after the body's last ReLU, so that the quantizer's zero point absorbs every ReLU (int8 stays int8).
    """

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        """Shape in is shape out."""
        return x + self.body(x)


def plain_residual(channels: int) -> nn.Module:
    """Two plain 3x3 convolutions with the input added to their output."""
    return Sum(nn.Sequential(convolution(channels, channels), convolution(channels, channels)))


class Pooled(nn.Module):
    """Features, their mean over the image, and a linear head."""

    def __init__(self, features: nn.Module, channels: int, classes: int, bias: bool = True) -> None:
        super().__init__()
        self.features = features
        self.head = nn.Linear(channels, classes, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Normalized pixels to logits."""
        logits: Tensor = self.head(functional.adaptive_avg_pool2d(self.features(x), 1).flatten(1))
        return logits


def _dense(stem: int, widths: Sequence[int], classes: int, last: int = 0) -> nn.Module:
    """A trainable stem, then stride-2 stages of `widths` channels with one residual each.

    `last`: channels of one more stride-2 convolution before the head, without a residual; 0 for none. Dense 3x3
    convolutions keep the int8 kernels near their peak and train 3 to 5 times faster on a CPU than depthwise ones of
    equal cost; strides replace pooling because a pool between int8 convolutions costs layout changes.
    """
    layers: list[nn.Module] = [convolution(3, stem)]
    channels = stem
    for width in widths:
        layers += [convolution(channels, width, stride=2), plain_residual(width)]
        channels = width
    if last:
        layers.append(convolution(channels, last, stride=2))
        channels = last
    return Pooled(nn.Sequential(*layers), channels, classes, bias=False)


def fast(classes: int) -> nn.Module:
    """64, 128, 256 channels: the fewest MACs (77 M at 32x32) for two million parameters."""
    return _dense(64, (64, 128, 256), classes)


def plain(classes: int) -> nn.Module:
    """96, 240, 256 channels: as many parameters as `fast`, 1.8 times its MACs, spent where the image is still large."""
    return _dense(32, (96, 240), classes, last=256)


def paper_student(classes: int) -> nn.Module:
    """Depthwise separable reductions, and bottleneck residuals with grouped 3x3 convolutions: 3.1 M parameters.

    The published student's layers are not given, only their kinds and 2 to 5 M parameters; this one spends 59 MMACs at
    32x32, where a literal one at full resolution would need 326.
    """
    layers: list[nn.Module] = [convolution(3, 32)]
    channels = 32
    for width, count, middle in ((64, 1, 32), (192, 2, 96), (512, 7, 256)):
        layers += [convolution(channels, channels, 2, groups=channels), convolution(channels, width, side=1)]
        layers += [_bottleneck(width, middle) for _ in range(count)]
        channels = width
    return Pooled(nn.Sequential(*layers), channels, classes)


def _bottleneck(channels: int, middle: int) -> nn.Module:
    return Sum(
        nn.Sequential(
            convolution(channels, middle, side=1),
            convolution(middle, middle, groups=4),
            convolution(middle, channels, side=1),
        )
    )


class _Basic(nn.Module):
    """Two 3x3 convolutions, a shortcut, and a ReLU after their sum (He et al., 2016)."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            convolution(channels_in, channels_out, stride),
            nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(channels_out),
        )
        same = stride == 1 and channels_in == channels_out
        self.shortcut = (
            nn.Identity()
            if same
            else nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels_in, h, w) to (n, channels_out, h / stride, w / stride)."""
        return functional.relu(self.shortcut(x) + self.body(x))


def _resnet(widths: Sequence[int], depth: int, classes: int) -> nn.Module:
    layers: list[nn.Module] = [convolution(3, widths[0])]
    channels = widths[0]
    for stage, width in enumerate(widths):
        for block in range(depth):
            layers.append(_Basic(channels, width, 2 if stage and not block else 1))
            channels = width
    return Pooled(nn.Sequential(*layers), channels, classes)


def resnet8(classes: int) -> nn.Module:
    """The image classification network of MLPerf Tiny: 0.08 M parameters."""
    return _resnet((16, 32, 64), 1, classes)


def resnet20(classes: int) -> nn.Module:
    """He et al.'s ResNet-20 for CIFAR, with projecting shortcuts: 0.27 M parameters."""
    return _resnet((16, 32, 64), 3, classes)


class _PreActivated(nn.Module):
    """Norm and ReLU before each of two 3x3 convolutions (Zagoruyko and Komodakis, 2016)."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.before = nn.Sequential(nn.BatchNorm2d(channels_in), nn.ReLU(inplace=True))
        self.body = nn.Sequential(
            convolution(channels_in, channels_out, stride), nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        )
        same = stride == 1 and channels_in == channels_out
        self.shortcut = nn.Identity() if same else nn.Conv2d(channels_in, channels_out, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels_in, h, w) to (n, channels_out, h / stride, w / stride)."""
        ready = self.before(x)
        skipped = x if isinstance(self.shortcut, nn.Identity) else self.shortcut(ready)
        total: Tensor = skipped + self.body(ready)
        return total


def _wide_resnet(factor: int, classes: int) -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(3, 16, 3, 1, 1, bias=False)]
    channels = 16
    for stage, base in enumerate((16, 32, 64)):
        for block in range(2):
            layers.append(_PreActivated(channels, base * factor, 2 if stage and not block else 1))
            channels = base * factor
    layers += [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
    return Pooled(nn.Sequential(*layers), channels, classes)


def wrn_16_2(classes: int) -> nn.Module:
    """Wide ResNet, 16 layers, factor 2: 0.69 M parameters."""
    return _wide_resnet(2, classes)


def wrn_16_4(classes: int) -> nn.Module:
    """Wide ResNet, 16 layers, factor 4: 2.75 M parameters."""
    return _wide_resnet(4, classes)


def mobilenet_v2(classes: int) -> nn.Module:
    """Torchvision's MobileNetV2 with the first three reductions left out, so that 32x32 ends at 4x4."""
    network = from_torchvision("mobilenet_v2", classes)
    strided = [m for m in network.features.modules() if isinstance(m, nn.Conv2d) and m.stride == (2, 2)]
    for module in strided[:2]:
        module.stride = (1, 1)
    return network


def resnet50_cifar(classes: int) -> nn.Module:
    """Torchvision's ResNet-50 with the usual CIFAR stem: a 3x3 stride-1 convolution and no max-pool."""
    return _with_stem(from_torchvision("resnet50", classes), stride=1)


def resnet50_stride2(classes: int) -> nn.Module:
    """The same with a stride-2 stem: a quarter of the MACs, for machines without a GPU."""
    return _with_stem(from_torchvision("resnet50", classes), stride=2)


def _with_stem(network: nn.Module, stride: int) -> nn.Module:
    network.conv1 = nn.Conv2d(3, 64, 3, stride, 1, bias=False)
    network.maxpool = nn.Identity()
    return network


def from_torchvision(name: str, classes: int) -> nn.Module:
    """One of torchvision's classification networks, untrained. UnknownName if there is none of that name."""
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        raise UnknownName("torchvision network", name, known)
    network: nn.Module = models.get_model(name, weights=None, num_classes=classes)
    return network
