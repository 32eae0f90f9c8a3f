"""Carrying out a recipe: each step takes what the one before made, a network or a graph, and hands on its own.

Owns what each kind of step calls, and what is left in the recipe's cache folder: the artifact, and for a network the
weights that children and lessons start from. Torch is imported only by the steps that need it.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.artifacts.locks import MODEL
from harness.datasets.split import Split
from harness.datasets.table import dataset
from harness.errors import BuildError, UsageError
from harness.model.recipe import (
    Initialise,
    MixedPrecision,
    Narrow,
    Prune,
    QuantizeAware,
    QuantizeStatic,
    Recipe,
    Sparsify,
    Step,
    Train,
)
from harness.variants.compression import narrow, quantize, sensitivity
from harness.variants.graphs import files
from harness.variants.workplace import CHECKPOINTS, WEIGHTS, Site

if TYPE_CHECKING:
    from torch import nn

_Ranges = Mapping[str, quantize.Span]
CHECK_IMAGES = 512  # on which half-size weights must not change predictions, and int8 not most of them


@dataclass(frozen=True)
class _State:
    """What one step hands to the next: a network, or a graph once there is no network to go on with.

    `earlier_s`: seconds of training spent before this call; None where they are unknown, so that the total is too.
    """

    network: nn.Module | None = None
    graph: Path | None = None
    earlier_s: float | None = 0.0


@dataclass(frozen=True)
class _Job:
    """One recipe being built: whose, where, and the metadata that its file will carry. `scratch` is emptied after."""

    site: Site
    name: str
    recipe: Recipe
    folder: Path
    scratch: Path

    @property
    def origin(self) -> Initialise:
        return self.recipe.origin

    @property
    def metadata(self) -> Mapping[str, str]:
        classes = json.dumps(dataset(self.origin.dataset).classes)
        return {"variant": self.name, "recipe": self.recipe.id, "classes": classes}


def make(site: Site, name: str, recipe: Recipe, folder: Path) -> float | None:
    """Build a recipe into `folder`: the artifact as ``model.onnx``, for a network its weights too.

    Returns the seconds of training spent before this call, None where they are unknown. BuildError, DataError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        job = _Job(site, name, recipe, folder, Path(scratch))
        state = _State()
        try:
            for number, step in enumerate(recipe.steps):
                state = _carry_out(job, number, step, state)
            if state.network is not None:
                _save_network(job, state.network, folder / WEIGHTS)
                _write_graph(job, state.network, folder / MODEL)
            elif state.graph is not None:
                state.graph.replace(folder / MODEL)
        except ImportError as error:  # torch, torchvision for its networks, torch-pruning
            raise BuildError(
                f"{name}: making a network needs the extra: pip install 'edge-harness[build]' ({error})"
            ) from error
    return state.earlier_s


def _carry_out(job: _Job, number: int, step: Step, state: _State) -> _State:
    match step:
        case Initialise():
            if number or job.recipe.parent is not None:
                raise UsageError(f"{job.name}: Initialise starts a lineage, so it is a first step without a parent")
            from harness.variants.networks import catalog

            return replace(state, network=catalog.create(step))
        case Train():
            return _train(job, step, job.recipe.up_to(number + 1).id, replace(state, network=_network(job, state)))
        case Prune():
            return _prune(job, step, job.recipe.up_to(number + 1).id, replace(state, network=_network(job, state)))
        case Sparsify():
            from harness.variants.compression.sparsify import sparsify

            return replace(state, network=sparsify(_network(job, state), step))
        case QuantizeAware():
            return _quantize_aware(job, step, job.recipe.up_to(number + 1).id, state)
        case QuantizeStatic() | MixedPrecision() | Narrow():
            return replace(state, network=None, graph=_rewrite(job, step, _graph(job, state)))


def _network(job: _Job, state: _State) -> nn.Module:
    """The network to go on with: the last step's, or for a first step the parent's."""
    if state.network is not None:
        return state.network
    if state.graph is not None or job.recipe.parent is None:
        raise UsageError(f"{job.name}: this step changes a network, but none comes before it; see its recipe")
    return job.site.network(job.recipe.parent)


def _graph(job: _Job, state: _State) -> Path:
    """The float32 graph to go on with: the last step's, the last network's, or the parent's artifact."""
    if state.graph is not None:
        return state.graph
    source = job.scratch / "stored.onnx"
    if state.network is not None:
        _write_graph(job, state.network, source)
    elif job.recipe.parent is not None:
        known = job.site.artifact(job.recipe.parent)
        if known is None:
            raise BuildError(f"{job.name}: its parent, recipe {job.recipe.parent.id}, is neither built nor released")
        source = known[1]
    else:
        raise UsageError(f"{job.name}: this step starts from a parent, and its recipe names none")
    files.widen_stored_halves(source, job.scratch / "float.onnx")
    return job.scratch / "float.onnx"


def _write_graph(job: _Job, network: nn.Module, target: Path) -> None:
    from harness.variants.graphs.export import export

    full = job.scratch / "full.onnx"
    export(network, dataset(job.origin.dataset).shape, job.metadata, full)
    if not files.store_half(full, target, _check_images(job)):
        job.site.report(f"{job.name}: half-size weights change its predictions, so they stay 32 bits wide")


def _save_network(job: _Job, network: nn.Module, path: Path) -> None:
    from harness.variants.networks import weights

    weights.save(network, job.origin, path)


def _check_images(job: _Job) -> NDArray[np.uint8]:
    """Training images where there was a training; noise where no data set is needed."""
    if job.recipe.learning is not None:
        return job.site.data.train(job.origin.dataset).images[:CHECK_IMAGES]
    shape = (CHECK_IMAGES // 8, *dataset(job.origin.dataset).shape)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def _train(job: _Job, step: Train, identity: str, state: _State) -> _State:
    from harness.variants.training.log import train_and_log

    assert state.network is not None  # noqa: S101  # the caller found it
    teachers = [] if step.distillation is None else [job.site.network(one) for one in step.distillation.teachers]
    network, earlier_s = train_and_log(
        state.network,
        step,
        job.site.data.train_of(step.dataset, step.dataset_sha256),
        (job.site.cache / CHECKPOINTS, identity),
        lambda line: job.site.report(f"{job.name}: {line}"),
        teachers,
    )
    total = None if earlier_s is None or state.earlier_s is None else earlier_s + state.earlier_s
    return replace(state, network=network.cpu(), earlier_s=total)


def _prune(job: _Job, step: Prune, identity: str, state: _State) -> _State:
    from harness.variants.compression.prune import prune

    assert state.network is not None  # noqa: S101  # the caller found it
    latest = state

    def tune(network: nn.Module, number: int) -> nn.Module:
        nonlocal latest
        if step.tuning is None:
            return network
        latest = _train(job, step.tuning, f"{identity}-{number}", replace(latest, network=network))
        assert latest.network is not None  # noqa: S101  # training gives one
        return latest.network

    data: Split = job.site.data.train_of(step.dataset, step.dataset_sha256)
    report = lambda line: job.site.report(f"{job.name}: {line}")  # noqa: E731
    pruned = prune(state.network, step, data, dataset(job.origin.dataset).shape, tune, report)
    return replace(latest, network=pruned)


def _quantize_aware(job: _Job, step: QuantizeAware, identity: str, state: _State) -> _State:
    from harness.variants.compression import fake_quant

    prepared = fake_quant.prepare(_network(job, state), step.calibration.profile)
    learned = _train(job, step.tuning, identity, replace(state, network=prepared))
    assert learned.network is not None  # noqa: S101  # training gives one
    network = fake_quant.strip(learned.network)
    source = _graph(job, replace(learned, network=network))
    ranges = fake_quant.learned_ranges(learned.network, source)
    return replace(learned, network=None, graph=_quantize(job, step.calibration, source, ranges))


def _rewrite(job: _Job, step: QuantizeStatic | MixedPrecision | Narrow, source: Path) -> Path:
    target = job.scratch / "rewritten.onnx"
    match step:
        case QuantizeStatic():
            return _quantize(job, step, source, None)
        case MixedPrecision():
            images = job.site.data.train_of(step.calibration.dataset, step.calibration.dataset_sha256).images
            wide = sensitivity.widen(source, target, images, step, job.metadata)
            _refuse_collapse(job, source, target, images, replace(step.calibration, wide=wide), None)
            job.site.report(f"{job.name}: {len(wide)} layers stay in floats: {', '.join(wide) or 'none'}")
        case Narrow():
            narrow.narrow(source, target, step, job.metadata)
    return target


def _quantize(job: _Job, step: QuantizeStatic, source: Path, ranges: _Ranges | None) -> Path:
    target = job.scratch / "quantized.onnx"
    images = job.site.data.train_of(step.dataset, step.dataset_sha256).images
    quantize.quantize(source, target, quantize.calibration_images(step, images), step, job.metadata, ranges)
    _refuse_collapse(job, source, target, images, step, ranges)
    return target


def _refuse_collapse(
    job: _Job, source: Path, target: Path, images: NDArray[np.uint8], step: QuantizeStatic, ranges: _Ranges | None
) -> None:
    """BuildError where int8 lost what was learned; random weights have no predictions to keep."""
    if job.recipe.learning is not None:
        sensitivity.refuse_collapse(source, target, images[:CHECK_IMAGES], step, ranges)
