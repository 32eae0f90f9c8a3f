"""Structured pruning: whole channels leave, with all that depends on them. Owns what goes, in which order, how much.

torch-pruning finds which layers are coupled and cuts them; accuracy is the caller's, who may train between rounds.
Channels leave in blocks, ranked across all layers by the mean score of their channels, each layer's scores having mean
1; the number of blocks is found by bisection, so that every count left is a multiple and the target is met.
"""

from __future__ import annotations

import copy
import importlib
import math
import tempfile
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.datasets.split import Split
from harness.errors import BuildError
from harness.model.recipe import Prune, Target
from harness.variants.graphs.export import export
from harness.variants.graphs.timing import fastest_ms
from harness.variants.networks.weights import NARROWED

Shape = tuple[int, int, int]
Score = Callable[[Any], Tensor | None]  # of a group of coupled layers: one number for each channel, None without any

# Widths scaled by s scale MACs and parameters by about s^2. Channels beyond half the equal share leave a layer last:
# a ranking across layers would otherwise empty some of them.
EQUAL_SHARE_KEPT = 0.5
TAYLOR_IMAGES, TAYLOR_BATCH = 1024, 32
UNITS = {"macs": "MACs", "parameters": "parameters", "ms": "ms in onnxruntime, one thread"}


@dataclass(frozen=True)
class _Block:
    """Channels of one set of coupled layers that leave together; `layer` names the set's first module."""

    layer: str
    channels: tuple[int, ...]
    score: float
    last_resort: bool


def prune(
    network: nn.Module,
    step: Prune,
    data: Split,
    shape: Shape,
    tune: Callable[[nn.Module, int], nn.Module],
    report: Callable[[str], None],
) -> nn.Module:
    """A narrower copy of `network` with at most `step.keep` of the target's figure; in evaluation mode, on the CPU.

    After each round `tune(network, round)` gives the network to go on with, rounds counting from 1. Layers that lose
    channels keep a multiple of `round_to`; the class layer keeps all. `data`: training images for `taylor`. Equal
    inputs give equal networks, except for the target ms, which is measured. BuildError where torch-pruning is missing
    or cannot follow the network, and where `keep` cannot be reached.
    """
    current = copy.deepcopy(network).cpu().eval().requires_grad_(True)
    whole = _figure(current, step.target, shape)
    widths = {name: module.weight.shape[0] for name, module in current.named_modules() if isinstance(module, NARROWED)}
    for number in range(1, step.rounds + 1):
        blocks = _ranking(current, step, number, data, shape, widths)
        if number == 1:  # before hours of tuning, not after
            _check_reach(_figure(_without(current, blocks, shape), step.target, shape) / whole, step)
        share = step.keep ** (number / step.rounds)
        current = _narrowed(current, blocks, step.target, share * whole, shape)
        figure = _figure(current, step.target, shape)
        report(
            f"pruning round {number} of {step.rounds}: {figure:.6g} {UNITS[step.target]} left, "
            f"{figure / whole:.3f} of {whole:.6g} where at most {share:.3f} was asked"
        )
        if number == step.rounds:
            _check_reach(figure / whole, step)
        current = tune(current, number).cpu().eval()
    return current


def _ranking(
    network: nn.Module, step: Prune, number: int, data: Split, shape: Shape, widths: dict[str, int]
) -> list[_Block]:
    """All blocks that can leave, in the order in which they do; `widths`: channels before the first round."""
    graph = _graph(network, shape)
    names = {module: name for name, module in network.named_modules()}
    score = _scorer(network, step, number, data)
    floor = EQUAL_SHARE_KEPT * math.sqrt(step.keep)
    blocks: list[_Block] = []
    for group in _prunable(graph):
        scores = score(group)
        if scores is not None:
            name = names[group[0].dep.target.module]
            blocks += _blocks(name, scores, _divisions(group), step.round_to, floor * widths[name])
    network.zero_grad(set_to_none=True)
    if number == 1 and not blocks:
        raise BuildError(
            f"{step.criterion} finds no channels to remove in multiples of {step.round_to}; "
            "choose the criterion l1, which needs no batch norms, or a smaller round_to"
        )
    return sorted(blocks, key=lambda block: (block.last_resort, block.score))


def _blocks(name: str, scores: Tensor, divisions: int, round_to: int, floor: float) -> Iterator[_Block]:
    """Split one layer's channels into blocks, lowest scores first; the last multiple of `round_to` always stays.

    A grouped convolution loses the same channels of each of its `divisions`.
    """
    multiple = math.lcm(round_to, divisions)
    width, depth = len(scores), len(scores) // divisions
    means = scores.nan_to_num().view(divisions, depth).mean(0)  # a layer of zeros cannot have mean 1
    order = torch.argsort(means, stable=True)
    left = width
    while left > multiple:
        size = left % multiple or multiple  # the first block makes an uneven width even
        chosen = order[(width - left) // divisions : (width - left + size) // divisions]
        channels = tuple(int(index) + part * depth for part in range(divisions) for index in chosen)
        left -= size
        yield _Block(name, channels, float(means[chosen].mean()), last_resort=left < floor)


def _narrowed(network: nn.Module, blocks: Sequence[_Block], target: Target, goal: float, shape: Shape) -> nn.Module:
    """Remove as few blocks as bring the figure to `goal` or below it, then give back what still fits."""

    def fits(removed: Sequence[_Block]) -> bool:
        return _figure(_without(network, removed, shape), target, shape) <= goal

    count = bisect_left(range(len(blocks)), True, key=lambda number: fits(blocks[:number]))
    removed = list(blocks[:count])
    full: set[str] = set()
    for block in reversed(blocks[:count]) if target != "ms" else ():  # noise would decide over what comes back
        rest = [other for other in removed if other is not block]
        if block.layer not in full and fits(rest):
            removed = rest
        else:
            full.add(block.layer)
    return _without(network, removed, shape)


def _without(network: nn.Module, blocks: Sequence[_Block], shape: Shape) -> nn.Module:
    """Copy the network without these channels."""
    narrow = copy.deepcopy(network)
    graph, modules = _graph(narrow, shape), dict(narrow.named_modules())
    for layer in dict.fromkeys(block.layer for block in blocks):
        channels = sorted(channel for block in blocks if block.layer == layer for channel in block.channels)
        cut = graph.get_pruner_of_module(modules[layer]).prune_out_channels
        graph.get_pruning_group(modules[layer], cut, channels).prune()
    return narrow


def _graph(network: nn.Module, shape: Shape) -> Any:
    """Find which layers depend on each other's channels: torch-pruning's DependencyGraph."""
    try:
        torch_pruning = importlib.import_module("torch_pruning")
    except ImportError as error:
        raise BuildError(f"pruning needs the extra: pip install 'edge-harness[prune]' ({error})") from error
    try:
        with torch.enable_grad():
            return torch_pruning.DependencyGraph().build_dependency(network, torch.zeros(1, *shape), verbose=False)
    except Exception as error:  # its tracing raises whatever the network's operators lead to
        raise _untraceable(error) from error


def _untraceable(error: Exception) -> BuildError:
    return BuildError(
        f"torch-pruning cannot follow how this network's layers depend on each other ({error}); write its forward with "
        "plain layers, sums and concatenations, or leave the pruning step out of its recipe"
    )


def _prunable(graph: Any) -> Iterator[Any]:
    """Groups of coupled layers that can be narrowed and saved: not the logits', no layers but the usual three."""
    for group in graph.get_all_groups():
        makes_logits = any(not dep.target.outputs and graph.is_out_channel_pruning_fn(dep.handler) for dep, _ in group)
        if not makes_logits and all(_can_narrow(dep.target.module) for dep, _ in group):
            yield group


def _can_narrow(module: Any) -> bool:
    return isinstance(module, NARROWED) or (isinstance(module, nn.Module) and not list(module.parameters()))


def _divisions(group: Any) -> int:
    """Into how many parts grouped, but not depthwise, convolutions divide the group's channels."""
    modules = [dep.target.module for dep, _ in group]
    grouped = [m.groups for m in modules if isinstance(m, nn.Conv2d) and 1 < m.groups < m.out_channels]
    return math.lcm(*grouped)


def _scorer(network: nn.Module, step: Prune, number: int, data: Split) -> Score:
    importance = importlib.import_module("torch_pruning").importance
    match step.criterion:
        case "l1":  # Li et al. (2017), summed over all filters that share the channel, and those that read it
            score: Score = importance.GroupMagnitudeImportance(p=1, target_types=[nn.Conv2d, nn.Linear])
        case "bn-scale":  # Liu et al. (2017)
            score = importance.BNScaleImportance()
        case "taylor":  # Molchanov et al. (2019)
            _leave_gradients(network, np.random.default_rng((step.seed, number)), data)
            score = importance.GroupTaylorImportance()
        case "fpgm":  # He et al. (2019), but on squared weights and with the readers' too: measured, that keeps more
            score = importance.FPGMImportance()
        case "random":
            generator = torch.Generator().manual_seed(step.seed * 100_003 + number)
            score = lambda group: torch.rand(len(group[0].idxs), generator=generator)  # noqa: E731
    return score


def _leave_gradients(network: nn.Module, generator: np.random.Generator, data: Split) -> None:
    """Leave in `.grad` the sum over batches of each gradient's magnitude: signed ones cancel once training is over."""
    chosen = generator.permutation(len(data.images))[:TAYLOR_IMAGES]
    parameters = list(network.parameters())
    sums = [torch.zeros_like(parameter) for parameter in parameters]
    for part in np.split(chosen, range(TAYLOR_BATCH, len(chosen), TAYLOR_BATCH)):
        images = torch.from_numpy(data.images[part]).float() / 255
        loss = functional.cross_entropy(network(images), torch.from_numpy(data.labels[part]))
        for total, gradient in zip(sums, torch.autograd.grad(loss, parameters), strict=True):
            total += gradient.abs()
    for parameter, total in zip(parameters, sums, strict=True):
        parameter.grad = total


def _check_reach(share: float, step: Prune) -> None:
    if share > step.keep:
        raise BuildError(
            f"pruning cannot go down to {step.keep:.3f} of the {UNITS[step.target]}: {share:.3f} is as near as it "
            f"comes with channels in multiples of {step.round_to}. Keep at least that share, or lower round_to"
        )


def _figure(network: nn.Module, target: Target, shape: Shape) -> float:
    """What the target counts. BuildError where the network does not run, having lost channels it needs."""
    try:
        macs = count_macs(network, shape)
    except RuntimeError as error:
        raise _untraceable(error) from error
    match target:
        case "macs":
            return macs
        case "parameters":
            return float(sum(parameter.numel() for parameter in network.parameters()))
        case "ms":
            return _ms(network, shape)


def count_macs(network: nn.Module, shape: Shape) -> int:
    """Products of convolutions and linear layers for one image, as the exported file's facts count them."""
    counts: list[int] = []

    def count(module: nn.Module, _: object, output: Tensor) -> None:
        positions = output[0].numel() // module.weight.shape[0]
        counts.append(module.weight.numel() * positions)

    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    handles = [layer.register_forward_hook(count) for layer in layers]
    with torch.no_grad():
        network(torch.zeros(1, *shape))
    for handle in handles:
        handle.remove()
    return sum(counts)


def _ms(network: nn.Module, shape: Shape) -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        export(copy.deepcopy(network), shape, {}, path)
        return fastest_ms(path, shape)
