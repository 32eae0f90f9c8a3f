"""The optimizers of a recipe, and Muon: momentum whose update is made orthogonal, for convolution filters.

Source: K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024); the coefficients of the
quintic Newton-Schulz iteration and the per-filter-bank weight normalization are theirs.
"""

# mypy: allow-subclassing-any, allow-untyped-decorators
# Type checking runs without torch, where its classes and decorators are Any.

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from harness.model.lesson import Optimizer

_QUINTIC = (3.4445, -4.7750, 2.0315)


def optimizers_of(chosen: Optimizer, network: nn.Module) -> list[torch.optim.Optimizer]:
    """The optimizers that together update every parameter of `network`, each group remembering its peak rate."""
    parameters = list(network.parameters())
    made: list[torch.optim.Optimizer]
    if chosen.kind == "adam":
        made = [torch.optim.Adam(parameters, lr=chosen.rate)]
    elif chosen.kind == "sgd":
        made = [_nesterov(parameters, chosen)]
    else:
        # Depthwise filters have one input channel each: as a matrix there is nothing to make orthogonal.
        filters = [p for p in parameters if p.dim() == 4 and p.size(1) > 3]
        known = {id(p) for p in filters}
        made = [Muon(filters, lr=chosen.muon_rate, momentum=chosen.muon_momentum)] if filters else []
        made.append(_nesterov([p for p in parameters if id(p) not in known], chosen))
    for optimizer in made:
        for group in optimizer.param_groups:
            group["peak_lr"] = group["lr"]
    return made


def set_rates(optimizers: Iterable[torch.optim.Optimizer], share: float) -> None:
    """Set every rate to `share` of its peak."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak_lr"] * share


def _nesterov(parameters: list[nn.Parameter], chosen: Optimizer) -> torch.optim.SGD:
    return torch.optim.SGD(
        parameters, lr=chosen.rate, momentum=chosen.momentum, weight_decay=chosen.weight_decay, nesterov=True
    )


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
