"""CIFAR-10 on one page: the uncompressed teacher, a small trained student, and the student in 8-bit integers."""

from harness.model.case import Suite, Variant
from harness.model.recipe import Initialise, QuantizeStatic, Recipe, TrainRecipe

# SHA-256 of the 50,000 published training images and labels, as harness.datasets.cifar10.load_train computes it.
TRAINING_SET = "973ef2abb5897efc795681a4d79a6f5f642fa2bcb1a828f7476017c89db53a57"

TEACHER = Recipe((Initialise("resnet50_cifar", seed=0),))
STUDENT = Recipe((TrainRecipe("fast", "cifar10", TRAINING_SET, epochs=30, batch=500, seed=0),))
STUDENT_INT8 = Recipe((QuantizeStatic("cifar10", TRAINING_SET, images=512, seed=0),), parent=STUDENT)

SUITE = Suite(
    name="cifar10",
    title="CIFAR-10: a large network, a small one, and the small one in 8 bits",
    dataset="cifar10",
    variants=(
        Variant(
            name="resnet50",
            title="ResNet-50, the large reference (random weights: its speed and size are real, it recognises nothing)",
            role="teacher",
            recipe=TEACHER,
        ),
        Variant(
            name="fast",
            title="Small convolutional network trained on CIFAR-10, 32-bit floats",
            role="student",
            recipe=STUDENT,
        ),
        Variant(
            name="fast-int8",
            title="The same small network with 8-bit integer weights and activations",
            role="int8",
            precision="int8",
            parent="fast",
            recipe=STUDENT_INT8,
        ),
    ),
)
