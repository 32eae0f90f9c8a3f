"""What is asked of a board: one planned trial, with the places where its material lies there."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.board.columns import Column
from harness.model.case import Case, PlannedTrial
from harness.model.run import trial_id
from harness.model.trial import no_values


@dataclass(frozen=True)
class Material:
    """Paths on the board: the artifact, the bound inputs, and the images of the accuracy mode.

    `sha256`: what the artifact's main file must hash to there.
    `labels`: the true classes of the first images, as many as are to be evaluated; they stay on the host.
    """

    artifact: str
    sha256: str
    inputs: str | None = None
    images: str | None = None
    labels: Column = field(default_factory=no_values)
    dataset_sha256: str | None = None


@dataclass(frozen=True)
class Job:
    """One planned trial with all it needs; `order` is its place in the run."""

    run: str
    case: Case
    planned: PlannedTrial
    order: int
    material: Material

    @property
    def trial_id(self) -> str:
        """As `trial_id`."""
        return trial_id(self.run, self.planned)
