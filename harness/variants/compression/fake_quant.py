"""Quantization-aware training: the rounding of int8 inside a float network, and the ranges it learns.

Owns where fake quantizers go, which is exactly where `harness.variants.quantize` writes Q/DQ, and what they compute;
training is `harness.variants.training`'s. The network keeps its structure and parameter names: a traced graph runs its
modules and rounds in between, so that any optimizer, checkpoint and running mean works on it as before.

Weights: int8, symmetric, one scale per output channel, from their extremes at each step. Rounding them before the batch
norm is folded gives the same as after it, because folding scales whole channels. Activations: the affine quantizer of
the profile over a running mean of each batch's extremes. Gradients pass straight through within the range, and are 0
outside (Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
2018; Krishnamoorthi, "Quantizing deep convolutional networks for efficient inference", 2018).
"""

# mypy: allow-subclassing-any
# Type checking runs without torch, where nn.Module is Any.

from __future__ import annotations

import copy
import functools
import math
import operator
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn
from torch.nn import functional

from harness.artifacts.onnx_session import reference_outputs
from harness.errors import BuildError
from harness.model.recipe import Profile, QuantizeStatic
from harness.variants.compression import quantize
from harness.variants.compression.quantize import Span

MOMENTUM = 0.02  # of a range per step: a mean over about the last 50 batches
MATCH_TOLERANCE = 0.02  # of a tensor's largest value; a file whose weights were stored as halves is off by 0.001

_WEIGHTED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
_RELUS = (nn.ReLU, nn.ReLU6, nn.Hardtanh, functional.relu, functional.relu6, torch.relu, "relu", "relu_")
_ADDS = (operator.add, operator.iadd, torch.add, "add", "add_")
_MEANS = (nn.AdaptiveAvgPool2d, functional.adaptive_avg_pool2d)
_NOTHING = (nn.Identity, nn.Dropout)
_SAME_RANGE = (nn.Flatten, nn.MaxPool2d, torch.flatten, functional.max_pool2d, "flatten", "view", "reshape")


class _Rounding(nn.Module):
    """Rounds activations to the 8 bits of a profile, over a range that follows the batches of the training.

    `low` and `high` are weighted sums of extremes and `weight` is the sum of the weights, so that a running mean over
    the buffers of several moments, which the training may keep, is one of ranges too.
    """

    low: Tensor
    high: Tensor
    weight: Tensor

    def __init__(self, profile: Profile) -> None:
        super().__init__()
        self.profile = profile
        for name in ("low", "high", "weight"):
            self.register_buffer(name, torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Any shape and float type, kept."""
        full = x.float()  # bf16 has too few bits to divide by a scale in
        if self.training:
            with torch.no_grad():
                lowest, highest = torch.aminmax(full.detach())
                for buffer, value in ((self.low, lowest), (self.high, highest), (self.weight, 1.0)):
                    buffer.mul_(1 - MOMENTUM).add_(MOMENTUM * value)
        low, high = self._bounds()
        if self.profile == "trt":
            scale = torch.maximum(high, -low) / 127
            zero, bottom, top = torch.zeros_like(scale), -127, 127
        else:
            scale = (high - low) / 255
            zero, bottom, top = torch.round(-low / scale), 0, 255
        rounded = torch.fake_quantize_per_tensor_affine(full, scale, zero.to(torch.int32), bottom, top)
        return rounded.to(x.dtype)

    def span(self) -> Span:
        """The learned range, with 0 in it and of some width: a scale of nearly nothing makes runtimes divide by 0.

        BuildError before any training.
        """
        self._refuse_unseen()
        low, high = self._bounds()
        return float(low), float(high)

    def _refuse_unseen(self) -> None:
        if float(self.weight) == 0:
            raise BuildError("the fake quantizers have seen no batch yet; train the prepared network first")

    def _bounds(self) -> tuple[Tensor, Tensor]:
        """The range with 0 in it and of some width, as the writer takes it."""
        if not self.training:
            self._refuse_unseen()
        low = (self.low / self.weight).clamp(max=0)
        high = (self.high / self.weight).clamp(min=0)
        return low, torch.maximum(high, low + 1e-6)


class Prepared(nn.Module):
    """A network that computes as its int8 form will. `network` is the float one, whose weights are trained."""

    def __init__(self, network: nn.Module, graph: fx.Graph, places: Sequence[str], profile: Profile) -> None:
        super().__init__()
        self.network = network
        self.graph = graph
        self.profile = profile
        # The prefix keeps the graph's names, such as "float", apart from a module's own attributes.
        self.quantizers = nn.ModuleDict({f"at_{place}": _Rounding(profile) for place in places})

    def forward(self, image: Tensor) -> Tensor:
        """Pixels to logits."""
        logits: Tensor = _Run(self, round_values=True).run(image)
        return logits


class _Run(fx.Interpreter):
    """One pass through the traced graph, with or without rounding; `seen` gets what it finds at the places."""

    def __init__(self, prepared: Prepared, round_values: bool) -> None:
        super().__init__(prepared.network, graph=prepared.graph)
        self.prepared = prepared
        self.round_values = round_values
        self.seen: dict[str, Tensor] = {}

    def run_node(self, n: fx.Node) -> Any:
        """Run one node, then round its value where the writer would."""
        value = super().run_node(n)
        place = f"at_{n.name}"
        if place not in self.prepared.quantizers:
            return value
        if not self.round_values:
            self.seen[place] = value.clone()  # a ReLU in place may follow
            return value
        return self.prepared.quantizers[place](value)

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a module, with its weights rounded where it has some."""
        module = self.fetch_attr(target)
        if not self.round_values or not isinstance(module, _WEIGHTED):
            return super().call_module(target, args, kwargs)
        return torch.func.functional_call(module, {"weight": _rounded_weight(module)}, args, kwargs)


def prepare(network: nn.Module, profile: Profile = "cpu") -> Prepared:
    """A copy of `network` with a fake quantizer at each place where the profile's writer puts one.

    BuildError where the network's code cannot be traced, or where a batch norm cannot be folded into a convolution.
    """
    network = copy.deepcopy(network)
    try:
        graph = fx.symbolic_trace(network).graph
    except (TypeError, ValueError, RuntimeError, NameError, AttributeError) as error:  # what tracing fails with
        raise BuildError(
            f"{type(network).__name__} cannot be traced for quantization-aware training ({error}); "
            "write its forward without control flow that depends on tensors"
        ) from error
    modules = dict(network.named_modules())
    _check_norms(graph, modules)
    quantized = _places(graph, modules, profile)
    return Prepared(network, graph, [node.name for node in graph.nodes if node in quantized], profile)


def strip(prepared: nn.Module) -> nn.Module:
    """The float network with the trained weights, in eval mode; BuildError where it was not prepared."""
    network: nn.Module = copy.deepcopy(_as_prepared(prepared).network)
    return network.eval()


def learned_ranges(prepared: nn.Module, source: Path) -> dict[str, Span]:
    """The learned range of each tensor of `source`, the float export of `strip(prepared)`, by its name in the file.

    Tensors are found by what they hold for a seeded image: each place takes the nearest that no other took, the first
    of equals, for both are in the order of computing. BuildError where a place has no tensor, or where the writer would
    quantize a tensor whose range was not learned.
    """
    prepared = _as_prepared(prepared)
    tensors = _tensors_of(source)
    image = torch.from_numpy(_image_for(source))
    run = _Run(copy.deepcopy(prepared).cpu().eval(), round_values=False)
    with torch.no_grad():
        run.run(image)
    found: dict[str, Span] = {}
    for place, value in run.seen.items():
        distances = {name: _distance(value.numpy(), held) for name, held in tensors.items() if name not in found}
        name = min(distances, key=distances.__getitem__, default="")
        if not name or distances[name] > MATCH_TOLERANCE:
            raise BuildError(
                f"{source} has no tensor that holds what the network computes at {place[3:]}; "
                "export the network that strip() gives, without changing it"
            )
        found[name] = prepared.quantizers[place].span()
    _check_covered(source, prepared.profile, tensors, found)
    return found


def _rounded_weight(module: nn.Module) -> Tensor:
    """The weight rounded to int8, one scale per output channel; gradients pass."""
    weight: Tensor = module.weight
    axis = 1 if isinstance(module, nn.ConvTranspose2d) else 0
    with torch.no_grad():
        others = [dimension for dimension in range(weight.dim()) if dimension != axis]
        # Below this a channel is as good as zero, and a scale of 0 would give nan.
        scale = (weight.detach().abs().amax(others) / 127).clamp(min=1e-12)
    zero = torch.zeros_like(scale, dtype=torch.int32)
    rounded: Tensor = torch.fake_quantize_per_channel_affine(weight, scale, zero, axis, -127, 127)
    return rounded


def _places(graph: fx.Graph, modules: Mapping[str, nn.Module], profile: Profile) -> set[fx.Node]:
    """The nodes whose values get quantized.

    Both profiles: what a convolution, matrix product, residual sum or global mean reads. cpu: also what all but the
    products give, after the ReLU where one follows alone, since int8 goes on from one operator to the next.
    """
    is_a = functools.partial(_is_a, modules)

    def reaches(node: fx.Node) -> fx.Node:
        """Find the value that a reader is given: through what changes nothing, or on a CPU no range."""
        skipped = (*_NOTHING, *_SAME_RANGE) if profile == "cpu" else _NOTHING
        while is_a(node, skipped):
            node = node.all_input_nodes[0]
        return node

    def leaves(node: fx.Node) -> fx.Node:
        """Find the value that a node hands on: behind its batch norm, and behind a ReLU that is its one reader."""
        for kinds in ((nn.BatchNorm2d,), _RELUS):
            readers = list(node.users)
            if len(readers) == 1 and is_a(readers[0], kinds):
                node = readers[0]
        return node

    found = set()
    for node in graph.nodes:
        residual = is_a(node, _ADDS) and len(node.all_input_nodes) == 2
        if not residual and not is_a(node, (*_WEIGHTED, *_MEANS)):
            continue
        found |= {reaches(source) for source in node.all_input_nodes}
        if profile == "cpu" and not is_a(node, (nn.Linear,)):
            found.add(leaves(node))
    return found


def _is_a(modules: Mapping[str, nn.Module], node: fx.Node, kinds: tuple[Any, ...]) -> bool:
    """Whether a node runs one of `kinds`: module classes, functions, names of methods."""
    if node.op == "call_module":
        return isinstance(modules[node.target], tuple(kind for kind in kinds if isinstance(kind, type)))
    return node.op in {"call_function", "call_method"} and node.target in kinds


def _check_norms(graph: fx.Graph, modules: Mapping[str, nn.Module]) -> None:
    for node in graph.nodes:
        if _is_a(modules, node, (nn.BatchNorm2d,)):
            before = node.all_input_nodes[0]
            if not _is_a(modules, before, _WEIGHTED) or len(before.users) != 1:
                raise BuildError(
                    f"batch norm {node.target} does not follow a convolution alone, so that it cannot be folded into "
                    "one, and int8 has no place for it; quantization-aware training needs another network"
                )


def _as_prepared(network: nn.Module) -> Prepared:
    if not isinstance(network, Prepared):
        raise BuildError(f"{type(network).__name__} has no fake quantizers; give what prepare() made")
    return network


def _image_for(source: Path) -> NDArray[np.float32]:
    """One seeded image of the size that the file takes, batch first."""
    dimensions = onnx.load_model(source, load_external_data=False).graph.input[0].type.tensor_type.shape.dim
    shape = [dimension.dim_value for dimension in dimensions][1:]
    return np.random.default_rng(0).random((1, *shape), dtype=np.float32)


def _tensors_of(source: Path) -> dict[str, NDArray[np.float32]]:
    """What each float tensor of the file, as the quantizer will see it, holds for the seeded image; in order."""
    with quantize.preprocessed(source) as graph:
        model = onnx.load_model(graph)
        weights = {tensor.name for tensor in model.graph.initializer}
        names = [name for node in model.graph.node for name in node.output if name not in weights]
        known = {value.name for value in model.graph.output}
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in known)
        graph.write_bytes(model.SerializeToString())
        ordered = [value.name for value in model.graph.output]
        values = reference_outputs(graph, {model.graph.input[0].name: _image_for(source)})
    held = dict(zip(ordered, values, strict=True))
    return {name: held[name] for name in names}


def _distance(expected: NDArray[np.float32], held: NDArray[np.float32]) -> float:
    """The largest difference as a share of the largest value; infinite between shapes."""
    if expected.shape != held.shape:
        return math.inf
    return float(np.abs(expected - held).max()) / max(float(np.abs(expected).max()), 1e-6)


def _check_covered(
    source: Path, profile: Profile, tensors: Mapping[str, NDArray[np.float32]], found: Mapping[str, Span]
) -> None:
    """Let the writer itself say which tensors it quantizes, and miss none of them."""
    image = onnx.load_model(source, load_external_data=False).graph.input[0].name
    spans: dict[str, Span] = dict.fromkeys((image, *tensors), (-1.0, 1.0))
    with quantize.preprocessed(source) as graph:
        target = graph.with_name("covered.onnx")
        quantize.write(source, target, spans, QuantizeStatic("", "", 1, 0, profile), {})
        missed = sorted(quantize.quantized_tensors(target) - set(found))
    if missed:
        raise BuildError(f"{source}: no range was learned for {', '.join(missed)}, which the int8 file quantizes")
