"""Unstructured sparsity: single weights set to zero. Owns the choice of weights; compresses and prunes nothing."""

from __future__ import annotations

import copy

import torch
from torch import nn

from harness.model.recipe import Sparsify

SPARSIFIED = (nn.Conv2d, nn.Linear)


def sparsify(network: nn.Module, step: Sparsify) -> nn.Module:
    """A copy of `network` with the smallest `share` of all filter and linear weights zeroed, ranked across layers.

    Norms and biases stay. It saves storage under compression and nothing else: every tensor keeps its shape, so a dense
    runtime takes the same time and memory.
    """
    changed = copy.deepcopy(network)
    weights = [module.weight.data for module in changed.modules() if isinstance(module, SPARSIFIED)]
    magnitudes = torch.cat([weight.abs().flatten() for weight in weights])
    # By rank, not by threshold: equal magnitudes at the threshold would otherwise all go.
    order = torch.argsort(magnitudes, stable=True)[: round(step.share * len(magnitudes))]
    kept = torch.ones(len(magnitudes), dtype=torch.bool, device=magnitudes.device)
    kept[order] = False
    for weight, part in zip(weights, kept.split([weight.numel() for weight in weights]), strict=True):
        weight.mul_(part.view(weight.shape))
    return changed.eval()
