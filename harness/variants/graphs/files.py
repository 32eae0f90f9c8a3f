"""ONNX files as this project writes them: deterministic bytes, metadata, large weights stored in half the space.

Needs no torch. A runtime folds the casts of stored halves when it loads a file, so it computes in float32 as before;
children are made from the same numbers, which is why they can be made again from a released file alone.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from harness.variants.graphs import fidelity

HALF_MINIMUM_VALUES = 1024  # smaller tensors, such as biases, save no space worth their rounding
HALF_AGREEMENT = 0.998  # of top-1 predictions, at most one in 500 may change


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


def store_half(full: Path, target: Path, images: NDArray[np.uint8]) -> bool:
    """Write `full` to `target` with its large weights stored as float16 and cast to float32 on load.

    Where that changes too many top-1 predictions on `images`, `target` is a plain copy. Returns whether the weights
    were halved.
    """
    model = onnx.load_model(full)
    save(_halve_weights(model), target)
    if fidelity.agreement(fidelity.predict(full, images), fidelity.predict(target, images)) >= HALF_AGREEMENT:
        return True
    shutil.copyfile(full, target)
    return False


def widen_stored_halves(source: Path, target: Path) -> None:
    """Undo `store_half`, rounding kept: the same graph with plain float32 weights and no casts."""
    model = onnx.load_model(source)
    halves = {tensor.name: tensor for tensor in model.graph.initializer if tensor.data_type == TensorProto.FLOAT16}
    nodes = []
    for node in model.graph.node:
        if node.op_type == "Cast" and node.input[0] in halves:
            wide = numpy_helper.to_array(halves[node.input[0]]).astype(np.float32)
            halves[node.input[0]].CopyFrom(numpy_helper.from_array(wide, node.output[0]))
        else:
            nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    save(model, target)


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
