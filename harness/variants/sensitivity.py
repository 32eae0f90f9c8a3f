"""Which layers int8 costs most, and int8 files in which the worst of them stay in floats.

A layer's cost is measured with that layer alone quantized: the noise it adds to the logits, whose power adds up over
layers that err independently. Agreement of predictions is what a variant is judged by, but on a few hundred images
most single layers change none of them, so it cannot rank.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from harness.errors import BuildError
from harness.model.recipe import MixedPrecision, QuantizeStatic
from harness.variants import fidelity, quantize
from harness.variants.quantize import Span

RANKING_IMAGES = 256  # an error's power over 256 images of 10 logits is known to a few per cent
AGREEMENT = 0.9  # sound int8 models agree on more than 0.98
_LAYERS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


def by_layer(
    source: Path, images: NDArray[np.uint8], step: QuantizeStatic, ranges: Mapping[str, Span] | None = None
) -> list[tuple[str, float]]:
    """Each convolution and matrix product of `source` with what quantizing it alone costs, the costliest first.

    The cost is the mean squared error of the logits as a share of their variance. The ranges are `ranges`, else found
    on all `images`; the cost is measured on the first `RANKING_IMAGES`.
    """
    spans = quantize.calibrate(source, images, step) if ranges is None else ranges
    shown = images[:RANKING_IMAGES]
    expected = fidelity.logits(source, shown)
    power = max(float(expected.var()), float(np.finfo(np.float32).tiny))
    bare = dataclasses.replace(step, wide=())
    costs = []
    with tempfile.TemporaryDirectory() as folder:
        alone = Path(folder) / "alone.onnx"
        for name, nodes in _layers(source).items():
            quantize.write(source, alone, spans, bare, {}, only=nodes)
            error = float(np.square(fidelity.logits(alone, shown) - expected).mean())
            costs.append((name, error / power))
    return sorted(costs, key=lambda cost: (-cost[1], cost[0]))


def widen(
    source: Path, target: Path, images: NDArray[np.uint8], step: MixedPrecision, metadata: Mapping[str, str]
) -> tuple[str, ...]:
    """Quantize `source` into `target` with as few layers in floats as keep the loss within the step's; their names.

    `images`: the training images, uint8 (n, channels, height, width): ranges come from the calibration's share of them,
    the loss (of top-1 agreement) is judged on the `step.images` that follow in the same shuffled order, as far as there
    are so many. Layers join in order of cost, then each is taken back that proves unneeded. BuildError where even all
    layers in floats lose more, or where what is left does not run as integers.
    """
    calibration = step.calibration
    order = np.random.default_rng(calibration.seed).permutation(len(images))
    judged = images[order[calibration.images :][: step.images]]
    if len(judged) == 0:
        raise BuildError(
            f"{calibration.images} of {len(images)} images calibrate, which leaves none to judge the loss by; "
            "lower the calibration's images"
        )
    spans = quantize.calibrate(source, images[order[: calibration.images]], calibration)
    expected = fidelity.predict(source, judged)

    def loss(wide: tuple[str, ...]) -> float:
        chosen = dataclasses.replace(calibration, wide=(*calibration.wide, *wide))
        quantize.write(source, target, spans, chosen, metadata)
        return 1 - fidelity.agreement(expected, fidelity.predict(target, judged))

    wide: tuple[str, ...] = ()
    found = loss(wide)
    if found > step.loss:
        ranked = by_layer(source, images[order[: calibration.images]], calibration, spans)
        waiting = [name for name, _ in ranked if name not in calibration.wide]
        while found > step.loss:
            if not waiting:
                raise BuildError(
                    f"{source}: with all {len(wide)} layers in floats the int8 model still loses {found:.4f} of its "
                    f"agreement, more than {step.loss}; the sums between them cost that. Allow a larger loss"
                )
            wide = (*wide, waiting.pop(0))
            found = loss(wide)
        for name in reversed(wide[:-1]):  # the last one was needed
            fewer = tuple(other for other in wide if other != name)
            wide = fewer if loss(fewer) <= step.loss else wide
        loss(wide)
    wide = (*calibration.wide, *wide)
    quantize.check(target, dataclasses.replace(calibration, wide=wide))
    return wide


def refuse_collapse(
    source: Path,
    target: Path,
    images: NDArray[np.uint8],
    step: QuantizeStatic,
    ranges: Mapping[str, Span] | None = None,
    limit: float = AGREEMENT,
) -> None:
    """BuildError, naming the layer that costs most, where `target` agrees with `source` on less than `limit`.

    `images`: uint8, to compare top-1 predictions on; `step` and `ranges`: as `target` was quantized with.
    """
    found = fidelity.agreement(fidelity.predict(source, images), fidelity.predict(target, images))
    if found >= limit:
        return
    spans = {**quantize.calibrate(source, images, step), **(ranges or {})}
    costs = by_layer(source, images, step, spans)
    if not costs:
        raise BuildError(f"{target} agrees with {source} on {found:.3f} of the images, less than {limit}")
    worst, cost = costs[0]
    raise BuildError(
        f"{target} agrees with {source} on {found:.3f} of the images, less than {limit}; {worst} costs most (alone, an "
        f"error of {cost:.2g} times the logits' variance). Name it in `wide`, or choose other calibration images"
    )


def _layers(source: Path) -> dict[str, tuple[str, ...]]:
    """The layers that can be quantized, each with the nodes that have to be for it: a ReLU alone behind it is one.

    Without its ReLU a layer's output would get a range for negative values too, which no whole int8 model has.
    """
    with quantize.preprocessed(source) as graph:
        nodes = onnx.load_model(graph).graph.node
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in nodes:
        for tensor in node.input:
            readers.setdefault(tensor, []).append(node)
    found = {}
    for node in nodes:
        if node.op_type in _LAYERS and node.name:
            behind = readers.get(node.output[0], [])
            absorbed = [reader.name for reader in behind if len(behind) == 1 and reader.op_type in {"Relu", "Clip"}]
            found[node.name] = (node.name, *absorbed)
    return found
