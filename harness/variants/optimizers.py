"""Muon: momentum whose update is made orthogonal, for convolution filters. Owns the update rule only.

Source: K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024); the coefficients of the
quintic Newton-Schulz iteration and the per-filter-bank weight normalization are theirs.
"""

# mypy: allow-subclassing-any, allow-untyped-decorators
# Type checking runs without torch, where its classes and decorators are Any.

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

_QUINTIC = (3.4445, -4.7750, 2.0315)


def orthogonalize(gradient: Tensor, steps: int = 3) -> Tensor:
    """The nearest matrix with singular values about 1, by Newton-Schulz. Takes and returns (rows, columns)."""
    a, b, c = _QUINTIC
    x = gradient / (gradient.norm() + 1e-7)
    tall = x.size(0) > x.size(1)
    x = x.T if tall else x
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """Nesterov momentum on filter banks, each update orthogonalized and each bank kept at the norm sqrt(outputs)."""

    def __init__(self, parameters: Iterable[Tensor], lr: float, momentum: float) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # the base class's signature; never used here
        """Apply one update."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                momentum = state.setdefault("momentum", torch.zeros_like(weight.grad))
                momentum.mul_(group["momentum"]).add_(weight.grad)
                direction = weight.grad.add(momentum, alpha=group["momentum"]).flatten(1)
                weight.mul_(len(weight) ** 0.5 / weight.norm())
                weight.add_(orthogonalize(direction).view_as(weight), alpha=-group["lr"])
