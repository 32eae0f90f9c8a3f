"""The published figures that the report puts measured ones beside, as their papers print them, and what follows from
them. Literal values with their sources; knows no run.

Sources: Seddighi Chaharborj, "Optimized Lightweight CNN Architectures for Real-Time Inference on Edge and Embedded
Devices" (2023), tables 2 and 3; Madrigal, Ronen, Chlon, "Real-Time Edge AI" (2023), its abstract and conclusions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from harness.model.metrics import REGISTRY, significant

PAPER = "Seddighi Chaharborj, “Optimized Lightweight CNN Architectures for Real-Time Inference on Edge and Embedded Devices” (2023)"  # noqa: E501 (a title)
EDGE_AI = "Madrigal, Ronen, Chlon, “Real-Time Edge AI” (2023)"
# It is the suites' name, and that of the data set in the artifacts' facts.
DATASET = "cifar10"
SUITES = (DATASET, "paper")
# Our name of its board, by which a run on it is known.
NANO = "jetson-nano"


@dataclass(frozen=True)
class Quantity:
    """A column of a published table: the registry's metric behind it, the unit it is printed in, and `scale`, by which
    an SI value becomes one of that unit."""

    metric: str
    heading: str
    scale: float

    def shown(self, value: float) -> str:
        """An SI value in the column's unit, with as many digits as the registry gives the metric."""
        return significant(value * self.scale, REGISTRY[self.metric].digits)


ACCURACY = Quantity("accuracy_top1", "top-1, %", 100)
LATENCY = Quantity("latency_p50_s", "latency, ms", 1e3)
POWER = Quantity("power_mean_w", "mean power, mW", 1e3)
ENERGY = Quantity("energy_per_inference_j", "energy/inference, mJ", 1e3)
PARAMETERS = Quantity("parameters", "parameters, M", 1e-6)
# Whether its MB are of 10^6 bytes the paper does not say; they are taken as such.
MEMORY = Quantity("memory_peak_bytes", "peak memory, MB", 1e-6)
SIZE = Quantity("model_size_bytes", "model size, MB", 1e-6)


@dataclass(frozen=True)
class PublishedRow:
    """A row as printed, in the units of its columns. board: empty in a table that names none; device: ours for it."""

    model: str
    printed: Mapping[Quantity, str]
    board: str = ""
    device: str = ""

    def value(self, quantity: Quantity) -> float | None:
        """In SI; None where the table has no such figure, nor the two that it follows from."""
        if quantity in self.printed:
            return float(self.printed[quantity]) / quantity.scale
        if quantity is ENERGY and LATENCY in self.printed and POWER in self.printed:
            return _energy_j(self)
        return None

    def text(self, quantity: Quantity) -> str | None:
        """As printed; of the energy, which the paper does not print, three digits marked as derived."""
        if quantity in self.printed:
            return self.printed[quantity]
        value = self.value(quantity)
        return None if value is None else f"{quantity.shown(value)} (derived)"


def _energy_j(row: PublishedRow) -> float:
    """Mean power times the time of one inference, which is all that the paper's own figures allow."""
    return float(row.printed[POWER]) / POWER.scale * float(row.printed[LATENCY]) / LATENCY.scale


@dataclass(frozen=True)
class Model:
    """A published model, and which of our variants stand for it: those of its network in one of its precisions; where
    no network is recorded, those of that name."""

    name: str
    network: str
    variant: str
    precisions: tuple[str, ...]


RESNET50 = Model("ResNet-50", "resnet50-cifar", "resnet50", ("fp32", "fp16"))
PROPOSED = Model("proposed CNN", "paper-student", "paper-student", ("fp32", "fp16", "int8"))
MODELS = (RESNET50, PROPOSED)

# Table 3. What its column "energy" holds are milliwatts.
MODEL_COLUMNS = (ACCURACY, LATENCY, POWER, ENERGY, PARAMETERS)
MODEL_ROWS = (
    PublishedRow(RESNET50.name, {ACCURACY: "93.4", LATENCY: "210", POWER: "1500", PARAMETERS: "23.5"}),
    PublishedRow(PROPOSED.name, {ACCURACY: "90.1", LATENCY: "73", POWER: "840", PARAMETERS: "3.2"}),
)

# Table 2, of the proposed CNN.
BOARD_RUNTIMES = "TensorRT on Jetson Nano, TVM or ONNX Runtime on Raspberry Pi 4"
BOARD_COLUMNS = (ACCURACY, LATENCY, POWER, ENERGY, MEMORY, SIZE)
BOARD_ROWS = (
    PublishedRow(
        PROPOSED.name,
        {ACCURACY: "90.1", LATENCY: "73", POWER: "840", MEMORY: "320", SIZE: "3.2"},
        "Jetson Nano",
        NANO,
    ),
    PublishedRow(
        PROPOSED.name,
        {ACCURACY: "89.6", LATENCY: "85", POWER: "720", MEMORY: "288", SIZE: "3.2"},
        "Raspberry Pi 4",
        "raspberry-pi-4",
    ),
)

# What the paper says of the step from the one model to the other; of parameters it prints no such figure.
HEADLINES: Mapping[Quantity, str] = {
    ACCURACY: "3.3 points lower",
    LATENCY: "up to 65 % less",
    ENERGY: "up to 45 % less",
}


@dataclass(frozen=True)
class Claim:
    """What 8 bits are said to do to a model. limit: of 8 bits over parent where `kind` is ratio; of parent over 8 bits
    where it is speed; of parent minus 8 bits, a share, where it is loss. reading: how the words were taken."""

    text: str
    metric: str
    kind: Literal["ratio", "speed", "loss"]
    limit: float
    reading: str


CLAIMS = (
    Claim("up to 75 % smaller", "model_size_bytes", "ratio", 0.25, "bytes of the file, at most ×0.25"),
    Claim("under 3 % accuracy lost", "accuracy_top1", "loss", 0.03, "percentage points of top-1 lost, fewer than 3"),
    Claim("half the memory", "memory_peak_bytes", "ratio", 0.5, "peak RSS with the runtime’s own, at most ×0.5"),
    Claim("up to 60 % faster", "latency_p50_s", "speed", 1.6, "speed at p50, at least ×1.6"),
    Claim("1.9 times faster", "latency_p50_s", "speed", 1.9, "the same, at least ×1.9"),
)
