"""The accuracies of two cases compared image by image, where both answered the same images.

Two models err on much the same images, so their difference is known far better than either accuracy. The test is
harness.analysis.compare's, from the answers of this run; else the one recorded for exactly these two files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from harness.analysis.compare import paired_top1
from harness.model.trial import Record
from harness.model.verdict import CaseResult

TOP1 = "accuracy_top1"


@dataclass(frozen=True)
class PairedTop1:
    """`difference`: top-1 of the one minus that of the other, a share, with its 95 % interval; images: how many both
    answered. source: by the answers of this run, or as recorded earlier."""

    difference: float
    low: float
    high: float
    images: int
    source: Literal["measured here", "recorded earlier"]

    @property
    def told_apart(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low > 0 or self.high < 0

    @property
    def text(self) -> str:
        """The interval in words."""
        ends = ", ".join(f"{end * 100:+.2f}".replace("-", "−") for end in (self.low, self.high))
        return f"95 % interval [{ends}] pp, paired on the same {self.images} images, {self.source}"


def paired(one: CaseResult, other: CaseResult, record: Record | None, other_record: Record | None) -> PairedTop1 | None:
    """None where no pair is known, or where it is not of the very numbers that are shown of the two."""
    if TOP1 not in one.metrics or TOP1 not in other.metrics:
        return None
    mine, base = one.metrics[TOP1], other.metrics[TOP1]
    measured = [summary.method.startswith("measured") for summary in (mine, base)]
    candidates: Iterator[PairedTop1] = iter(())
    if all(measured) and record is not None and other_record is not None:
        candidates = _measured(record, other_record)
    elif not any(measured):
        candidates = _recorded(one, other)
    for found in candidates:
        same = abs(found.difference - (mine.point - base.point)) < 0.5 / found.images
        if same and found.images == mine.n == base.n:
            return found
    return None


def _measured(record: Record, other: Record) -> Iterator[PairedTop1]:
    found = paired_top1(other, record)
    if found is not None:
        tested, images = found
        yield PairedTop1(tested.difference, tested.low, tested.high, images, "measured here")


def _recorded(one: CaseResult, other: CaseResult) -> Iterator[PairedTop1]:
    """Each pair is kept with its second file, whichever of the two that is."""
    # What a backend makes in another precision is another model than the file that was judged.
    if any(side.case.precision != side.artifact.precision for side in (one, other)):
        return
    for pair in one.paired:
        if pair.a_sha256 == other.artifact.sha256:
            yield PairedTop1(pair.difference, pair.low, pair.high, pair.images, "recorded earlier")
    for pair in other.paired:
        if pair.a_sha256 == one.artifact.sha256:
            yield PairedTop1(-pair.difference, -pair.high, -pair.low, pair.images, "recorded earlier")
