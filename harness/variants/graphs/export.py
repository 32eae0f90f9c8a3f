"""A network as an ONNX file, checked against the network. Owns the exporter's settings.

Knows no recipe, data set or cache. The same network gives the same bytes. torch's older exporter is used on purpose:
its graphs fuse completely in every runtime measured.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from harness.artifacts.onnx_session import reference_outputs
from harness.errors import BuildError
from harness.variants.graphs import fidelity, files

OPSET = 17
INPUT, OUTPUT = "image", "logits"
INPUT_DESCRIPTION = "float32 NCHW, RGB in [0, 1]; normalization is inside the network"
TOLERANCE = 1e-4  # absolute and relative; float32 sums in another order differ by about 1e-6


def export(network: nn.Module, shape: tuple[int, int, int], metadata: Mapping[str, str], path: Path) -> None:
    """Write `network` with a free batch dimension; `shape` is one image's (channels, height, width).

    BuildError where the file's outputs differ from the network's by more than `TOLERANCE` on seeded images.
    """
    network = network.cpu().eval().to(memory_format=torch.contiguous_format)
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        # The exporter announces its removal on each call; pyproject.toml bounds torch, so there is nothing to act on.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            network,
            (torch.zeros(1, *shape),),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: {0: "batch"}, OUTPUT: {0: "batch"}},
        )
    model = onnx.load_model(path)
    files.set_metadata(model, {"input": INPUT_DESCRIPTION, **metadata})
    files.save(model, path)
    _check(network, model, path, seeded_images(4, shape))


def seeded_images(count: int, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Noise images, the same ones every time: uint8 (count, channels, height, width)."""
    return np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)


def _check(network: nn.Module, model: onnx.ModelProto, path: Path, images: NDArray[np.uint8]) -> None:
    left = [node.name for node in model.graph.node if node.op_type == "BatchNormalization"]
    if left:
        raise BuildError(f"{path}: {len(left)} batch norms were not folded into convolutions, first {left[0]}")
    batch = fidelity.to_unit(images)
    with torch.no_grad():
        expected = network(torch.from_numpy(batch)).numpy()
    (found,) = reference_outputs(path, {INPUT: batch})
    if not np.allclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE):
        worst = float(np.abs(found - expected).max())
        raise BuildError(f"{path} differs from its network by {worst:g}, more than {TOLERANCE:g}; do not use it")
