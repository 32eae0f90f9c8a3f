"""A trained network as an ONNX file: exported, checked against the network, its weights stored in half the bytes.

Owns the exporter's settings and the file's metadata; knows no recipe, data set or cache. The same network gives the
same bytes. torch's older exporter is used on purpose: its graphs fuse completely in every runtime measured.
"""

from __future__ import annotations

import math
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from harness.artifacts.onnx_session import reference_outputs
from harness.errors import BuildError
from harness.variants import fidelity

OPSET = 17
INPUT, OUTPUT = "image", "logits"
INPUT_DESCRIPTION = "float32 NCHW, RGB in [0, 1]; normalization is inside the network"
TOLERANCE = 1e-4  # absolute and relative; float32 sums in another order differ by about 1e-6
HALF_MINIMUM_VALUES = 1024  # smaller tensors, such as biases, save no space worth their rounding
HALF_AGREEMENT = 0.998  # of top-1 predictions, at most one in 500 may change


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
    set_metadata(model, {"input": INPUT_DESCRIPTION, **metadata})
    save(model, path)
    _check(network, model, path, seeded_images(4, shape))


def seeded_images(count: int, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Noise images, the same ones every time: uint8 (count, channels, height, width)."""
    return np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)


def store_half(full: Path, target: Path, images: NDArray[np.uint8]) -> bool:
    """Write `full` to `target` with its large weights stored as float16 and cast to float32 on load.

    Runtimes fold the casts, so it computes in float32 as before. Where that changes too many top-1 predictions on
    `images`, `target` is a plain copy. Returns whether the weights were halved.
    """
    model = onnx.load_model(full)
    save(_halve_weights(model), target)
    if fidelity.agreement(fidelity.predict(full, images), fidelity.predict(target, images)) >= HALF_AGREEMENT:
        return True
    shutil.copyfile(full, target)
    return False


def set_metadata(model: onnx.ModelProto, metadata: Mapping[str, str]) -> None:
    """Replace all of a model's metadata, ordered by key."""
    del model.metadata_props[:]
    helper.set_model_props(model, dict(sorted(metadata.items())))


def save(model: onnx.ModelProto, path: Path) -> None:
    """Write deterministic bytes, without the exporter's notes on source files and its version.

    The versions are in the artifact's facts; in the file they would change its hash where nothing else changed.
    """
    model.doc_string = model.producer_version = ""
    for node in model.graph.node:
        node.doc_string = ""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _halve_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or math.prod(tensor.dims) <= HALF_MINIMUM_VALUES:
            continue
        with np.errstate(over="ignore"):
            half = numpy_helper.to_array(tensor).astype(np.float16)
        if not np.isfinite(half).all():
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
        casts.append(helper.make_node("Cast", [tensor.name], [name], name=f"{name}.cast", to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


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
