"""A torch network on disk, also one that lost channels. Owns the file's form; nothing in a file is ever executed.

The file holds tensors, dicts and strings alone. What made the network is its origin step; what pruning changed since is
read off the tensors' shapes, which is why the network is made anew and narrowed before it is filled.
"""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from harness.errors import BuildError
from harness.model.recipe import Initialise
from harness.variants.networks import catalog

FORMAT = "edge-harness weights 1"
NARROWED = (nn.Conv2d, nn.BatchNorm2d, nn.Linear)  # the layers whose channels may be fewer than the origin's


def save(network: nn.Module, origin: Initialise, path: Path) -> None:
    """Write `network`, which began as `origin`, so that `load` gives the same one.

    BuildError where it could not be read back: a layer other than convolution, batch norm and linear has changed shape.
    """
    groups = {name: module.groups for name, module in network.named_modules() if isinstance(module, nn.Conv2d)}
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    content = {"format": FORMAT, "origin": dataclasses.asdict(origin), "groups": groups, "state": state}
    _recreate(content, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save(content, partial)
    partial.replace(path)


def mark(path: Path, recipe_id: str) -> None:
    """Enter in a file that `save` just wrote which recipe its weights are of."""
    content = _read(path)
    content["recipe"] = recipe_id
    partial = path.with_suffix(".partial")
    torch.save(content, partial)
    partial.replace(path)


def load(path: Path, expected: Initialise, recipe_id: str | None = None) -> nn.Module:
    """The network of a file that `save` wrote for the origin `expected`, on the CPU and in evaluation mode.

    BuildError for any other file, also for a pickle that would have to run code to be read, and for weights that are
    marked as another recipe's than `recipe_id`; files from before there were marks have none. An origin may name any
    function to call, so it is the recipe's that counts and not the file's.
    """
    content = _read(path)
    if content.get("origin") != dataclasses.asdict(expected):
        raise _refusal(path, f"it is of another network than {expected.network}, seed {expected.seed}")
    marked = content.get("recipe")
    if recipe_id is not None and marked is not None and marked != recipe_id:
        raise BuildError(
            f"{path} holds the weights of recipe {marked}, not of {recipe_id}; build the variant whose folder this is "
            "again: harness build --variant NAME --anew"
        )
    return _recreate(content, path)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError, OSError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise _refusal(path, reason[0]) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise _refusal(path, f"it does not say {FORMAT!r}")
    return content


def _recreate(content: Mapping[str, Any], path: Path) -> nn.Module:
    try:
        origin = Initialise(**content["origin"])
        network = catalog.create(origin)
        _narrow(network, content["state"], content["groups"])
        network.load_state_dict(content["state"])
    except (KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise BuildError(
            f"{path}: the weights do not fit the network that their origin makes ({' '.join(str(error).split())}); "
            "only convolutions, batch norms and linear layers may differ from it. Build the variant again"
        ) from None
    return network.eval()


def _narrow(network: nn.Module, state: Mapping[str, Tensor], groups: Mapping[str, int]) -> None:
    """Give each layer the channels of its tensors in `state`; their values come later."""
    for name, module in network.named_modules():
        if not isinstance(module, NARROWED):
            continue
        for key, old in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)):
            new = torch.empty(state[f"{name}.{key}"].shape, dtype=old.dtype)
            setattr(module, key, nn.Parameter(new, old.requires_grad) if isinstance(old, nn.Parameter) else new)
        if isinstance(module, nn.Conv2d):
            module.groups = groups[name]
            module.out_channels, module.in_channels = module.weight.shape[0], module.weight.shape[1] * module.groups
        elif isinstance(module, nn.Linear):
            module.out_features, module.in_features = module.weight.shape
        else:
            module.num_features = state[f"{name}.running_mean"].numel()


def _refusal(path: Path, reason: str) -> BuildError:
    return BuildError(
        f"{path} is refused: {reason}. Only files that this harness wrote are loaded, since other pickles can run "
        "code; bring a network of your own as ONNX (--model FILE.onnx)"
    )
