"""Tiny ImageNet, 64x64 pixels and 200 classes: what four times CIFAR's pixels cost the same small networks.

The set's training images are not at hand, so nothing here is trained: latency, memory and size do not depend on the
weights, accuracy is missing. Quantized forms are left out for the same reason: their ranges come from training images.
"""

from harness.model.case import Suite, Variant
from harness.model.recipe import Initialise, Recipe

WHY = "random weights, as no training images are at hand: its speed and size are real, its accuracy is missing"

SUITE = Suite(
    name="tiny-imagenet",
    title="Tiny ImageNet (64x64, 200 classes): the cost of two small networks, untrained",
    dataset="tiny-imagenet",
    variants=(
        Variant(
            "resnet20-64",
            f"ResNet-20 at 64x64 pixels ({WHY})",
            "reference",
            recipe=Recipe((Initialise("resnet20", seed=0, dataset="tiny-imagenet"),)),
        ),
        Variant(
            "mobilenetv2-64",
            f"MobileNetV2 at 64x64 pixels, reduced to 8x8 ({WHY})",
            "reference",
            recipe=Recipe((Initialise("mobilenetv2-32", seed=0, dataset="tiny-imagenet"),)),
        ),
    ),
)
