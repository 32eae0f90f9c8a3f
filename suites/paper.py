"""The published comparison: ResNet-50 against a lightweight student, in floats and in 8-bit integers alike.

Source: Seddighi Chaharborj, "Optimized Lightweight CNN Architectures for Real-Time Inference on Edge and Embedded
Devices" (2023), tables 2 and 3. Its ResNet-50 is here without its training (random weights): latency, memory and size
do not depend on the weights, accuracy is missing.
"""

from harness.model.case import Suite, Variant
from harness.model.recipe import QuantizeStatic, Recipe
from harness.registry import load_suite

ZOO = {variant.name: variant for variant in load_suite("cifar10")[0].variants}
TRAINING_SET = "973ef2abb5897efc795681a4d79a6f5f642fa2bcb1a828f7476017c89db53a57"

SUITE = Suite(
    name="paper",
    title="The published comparison: ResNet-50 and the lightweight student",
    dataset="cifar10",
    variants=(
        ZOO["resnet50"],
        Variant(
            "resnet50-int8",
            "ResNet-50 in 8-bit integers, which the paper leaves out (random weights)",
            "int8",
            "int8",
            "resnet50",
            Recipe((QuantizeStatic("cifar10", TRAINING_SET, images=64, seed=0),), parent=ZOO["resnet50"].recipe),
        ),
        ZOO["fast"],
        ZOO["paper-student"],
        ZOO["paper-student-int8"],
        ZOO["plain"],
        ZOO["plain-distilled"],
        ZOO["plain-distilled-int8"],
    ),
)
