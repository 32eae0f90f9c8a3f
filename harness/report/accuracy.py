"""Where an accuracy comes from: measured in this run, on all images or on a part of them, or recorded before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from harness.model.verdict import Summary
from harness.report.cases import Named

# here: measured in this run, while nothing recorded says of how many images the whole would consist.
Source = Literal["recorded", "all", "part", "here"]


def images_in_all(named: Sequence[Named]) -> int | None:
    """How many images the data set has, as the accuracies recorded for the artifacts of this run say; None without."""
    recorded = (one.result.artifact.accuracy for one in named)
    return max((accuracy.images for accuracy in recorded if accuracy is not None), default=None)


def source(top1: Summary, in_all: int | None) -> Source:
    """The estimate's method says in its first word whether this run itself classified images; n says how many."""
    if not top1.method.lower().startswith("measured"):
        return "recorded"
    if in_all is None:
        return "here"
    return "part" if top1.n < in_all else "all"


def source_text(top1: Summary, in_all: int | None) -> str:
    """The same in words, with the number of images."""
    return {
        "recorded": f"recorded, {top1.n} images; not measured here",
        "all": f"measured here on all {top1.n} images",
        "part": f"measured here on {top1.n} of {in_all} images",
        "here": f"measured here on {top1.n} images",
    }[source(top1, in_all)]


def source_briefly(top1: Summary, in_all: int | None) -> str:
    """The same for the middle of a sentence: the number of images only where not all of them were classified."""
    return {
        "recorded": "recorded earlier",
        "all": "measured here",
        "part": f"measured here on {top1.n} of {in_all} images",
        "here": f"measured here on {top1.n} images",
    }[source(top1, in_all)]
