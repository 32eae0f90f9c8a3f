"""What the checks of a case look at besides its trials. A value; judges nothing."""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.case import ArtifactFacts
from harness.model.device import Device
from harness.model.trial import Record, Trial
from harness.model.verdict import Summary


@dataclass(frozen=True)
class Context:
    """What the checks look at besides the trials."""

    record: Record
    artifact: ArtifactFacts
    device: Device
    accuracy: Summary | None

    @property
    def timed(self) -> list[Trial]:
        """Finished launches of the timed run."""
        return timed_of(self.record)


def timed_of(record: Record) -> list[Trial]:
    """Finished launches of the timed run."""
    return [trial for trial in record.trials if trial.mode == "performance" and trial.status == "ok"]
