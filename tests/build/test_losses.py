"""Distillation's formulas against values computed by hand."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("torch")

import torch

from harness.model.recipe import Distillation, Initialise, Recipe
from harness.variants.training.losses import decoupled_kl, distillation_loss, softened_kl

TEACHERS = (Recipe((Initialise("fast", 0),)),)
LABELS = torch.tensor([0])


def test_the_softened_divergence_by_hand() -> None:
    # Softened by 2: the teacher (2/3, 1/3), the student (1/2, 1/2).
    soft, logits = torch.tensor([[2 * math.log(2), 0.0]]), torch.zeros(1, 2)
    expected = 4 * (2 / 3 * math.log(4 / 3) + 1 / 3 * math.log(2 / 3))
    assert softened_kl(logits, soft, 2.0).item() == pytest.approx(expected, rel=1e-6)


def test_no_distance_to_oneself() -> None:
    logits = torch.tensor([[1.0, -2.0, 0.5]])
    for method in ("kd", "dkd"):
        by = Distillation(TEACHERS, method=method)  # type: ignore[arg-type]
        assert distillation_loss(logits, logits, LABELS, by).item() == pytest.approx(0.0, abs=1e-6)


def test_the_decoupled_parts_add_up_to_the_whole() -> None:
    """Zhao et al., eq. 7: KD is the target part plus the other part weighted by the teacher's doubt."""
    soft, logits = torch.tensor([[2.0, 1.0, 0.0]]), torch.tensor([[0.3, -0.4, 1.0]])
    doubt = 1 - torch.softmax(soft, 1)[0, 0].item()
    by = Distillation(TEACHERS, method="dkd", temperature=1.0, target_weight=1.0, other_weight=doubt)
    assert decoupled_kl(logits, soft, LABELS, by).item() == pytest.approx(
        softened_kl(logits, soft, 1.0).item(), rel=1e-5
    )
