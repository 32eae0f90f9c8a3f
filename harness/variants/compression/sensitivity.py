"""Which layers int8 costs most, and int8 files in which the worst of them stay in floats.

A layer's cost is measured with that layer alone quantized: the noise it adds to the logits, whose power adds up over
layers that err independently. Agreement of predictions is what a variant is judged by, but on a few hundred images
most single layers change none of them, so it cannot rank.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from harness.errors import BuildError
from harness.model.recipe import MixedPrecision, QuantizeStatic
from harness.variants.compression import quantize
from harness.variants.compression.quantize import Span
from harness.variants.graphs import fidelity
from harness.variants.graphs.timing import fastest_ms

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
    """Quantize `source` into `target` with the costliest layers in floats, by the step's limit; their names.

    `images`: the training images, uint8 (n, channels, height, width): ranges come from the calibration's share of them,
    a loss is judged on the `step.images` that follow in the same shuffled order, as far as there are so many.
    BuildError where even all layers in floats lose more, or where what is left does not run as integers.
    """
    calibration = step.calibration
    order = np.random.default_rng(calibration.seed).permutation(len(images))
    shown = images[order[: calibration.images]]
    spans = quantize.calibrate(source, shown, calibration)

    def write(wide: Sequence[str]) -> Path:
        chosen = dataclasses.replace(calibration, wide=(*calibration.wide, *wide))
        quantize.write(source, target, spans, chosen, metadata)
        return target

    def ranked() -> list[str]:
        costs = by_layer(source, shown, calibration, spans)
        return [name for name, _ in costs if name not in calibration.wide]

    if step.loss is not None:
        judged = images[order[calibration.images :][: step.images]]
        wide = _fewest_within_loss(source, judged, step.loss, write, ranked)
    else:
        wide = _most_within_time(images.shape[1:], step.slowdown or 0.0, write, ranked())
    write(wide)
    wide = (*calibration.wide, *wide)
    quantize.check(target, dataclasses.replace(calibration, wide=wide))
    return wide


def _fewest_within_loss(
    source: Path,
    judged: NDArray[np.uint8],
    limit: float,
    write: Callable[[Sequence[str]], Path],
    ranked: Callable[[], list[str]],
) -> tuple[str, ...]:
    """Layers join in order of cost until the loss is within the limit, then each is taken back that proves unneeded."""
    if len(judged) == 0:
        raise BuildError(
            "all training images calibrate, which leaves none to judge the loss by; lower the calibration's images"
        )
    expected = fidelity.predict(source, judged)

    def loss(wide: Sequence[str]) -> float:
        return 1 - fidelity.agreement(expected, fidelity.predict(write(wide), judged))

    wide: tuple[str, ...] = ()
    found = loss(wide)
    if found <= limit:
        return wide
    waiting = ranked()
    while found > limit:
        if not waiting:
            raise BuildError(
                f"{source}: with all {len(wide)} layers in floats the int8 model still loses {found:.4f} of its "
                f"agreement, more than {limit}; the sums between them cost that. Allow a larger loss"
            )
        wide = (*wide, waiting.pop(0))
        found = loss(wide)
    for name in reversed(wide[:-1]):  # the last one was needed
        fewer = tuple(other for other in wide if other != name)
        wide = fewer if loss(fewer) <= limit else wide
    return wide


def _most_within_time(
    shape: tuple[int, ...], slowdown: float, write: Callable[[Sequence[str]], Path], ranked: Sequence[str]
) -> tuple[str, ...]:
    """Layers join in order of cost; one that would exceed the limit is passed over, as a cheaper one may still fit."""
    limit_ms = (1 + slowdown) * fastest_ms(write(()), shape)
    wide: tuple[str, ...] = ()
    for name in ranked:
        if fastest_ms(write((*wide, name)), shape) <= limit_ms:
            wide = (*wide, name)
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
    whose, floats = _named(target), _named(source)
    floats = "its own floats" if whose == floats else floats
    told = f"{whose} agrees with {floats} on {found:.3f} of the images, less than {limit}"
    advice = "choose other `ranges` (percentile, entropy) or calibration images, or learn the ranges (QuantizeAware)"
    if not costs:
        raise BuildError(f"{told}; {advice}")
    worst, cost = costs[0]
    raise BuildError(
        f"{told}; {worst} costs most (alone, an error of {cost:.2g} times the logits' variance). Name it in `wide`, "
        f"{advice}"
    )


def _named(path: Path) -> str:
    """The variant that a file says it is, since a build's own files are gone when its error is read; else the file."""
    names = [str(entry.value) for entry in onnx.load_model(path).metadata_props if entry.key == "variant"]
    return names[0] if names else str(path)


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
