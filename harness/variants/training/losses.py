"""What a training minimises: cross-entropy with soft labels, and the distance to a teacher. Owns the formulas only."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from harness.model.recipe import Distillation


def distillation_loss(logits: Tensor, soft: Tensor, labels: Tensor, by: Distillation) -> Tensor:
    """Mean distance from `logits` to the teacher's `soft` logits, both (n, classes), times T^2.

    The factor keeps the gradient's size independent of the temperature (Hinton et al., 2015).
    """
    if by.method == "kd":
        return softened_kl(logits, soft, by.temperature)
    return decoupled_kl(logits, soft, labels, by)


def softened_kl(logits: Tensor, soft: Tensor, temperature: float) -> Tensor:
    """T^2 x KL(teacher || student) of both softened by `temperature`, averaged over the batch."""
    student = functional.log_softmax(logits / temperature, 1)
    teacher = functional.log_softmax(soft / temperature, 1)
    return functional.kl_div(student, teacher, reduction="batchmean", log_target=True) * temperature**2


def decoupled_kl(logits: Tensor, soft: Tensor, labels: Tensor, by: Distillation) -> Tensor:
    """The same KL in its two parts, weighted apart: target against the rest, and the rest among themselves.

    Source: Zhao et al., "Decoupled knowledge distillation" (2022), eq. 7, times T^2.
    """
    is_label = functional.one_hot(labels, logits.size(1)).bool()
    student, teacher = logits / by.temperature, soft / by.temperature
    target = functional.kl_div(
        _target_against_rest(student, is_label),
        _target_against_rest(teacher, is_label),
        reduction="batchmean",
        log_target=True,
    )
    rest = functional.kl_div(
        functional.log_softmax(student[~is_label].view(len(labels), -1), 1),
        functional.log_softmax(teacher[~is_label].view(len(labels), -1), 1),
        reduction="batchmean",
        log_target=True,
    )
    return (by.target_weight * target + by.other_weight * rest) * by.temperature**2


def _target_against_rest(scaled: Tensor, is_label: Tensor) -> Tensor:
    """Log-probabilities (n, 2): of the label, and of all others together."""
    log_shares = functional.log_softmax(scaled, 1)
    label = log_shares[is_label]
    others = log_shares.masked_fill(is_label, -torch.inf).logsumexp(1)
    return torch.stack((label, others), 1)
