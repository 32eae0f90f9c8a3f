"""Whose answers are shown class by class: one case for each file and runtime, and which other one it is held against.

Owns the choosing and the words of it; draws nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.analysis import classes
from harness.analysis.classes import Answers
from harness.report.cases import NOT_RECORDED, Named, Shown


@dataclass(frozen=True)
class Answered:
    """A case with what its model took the images for. base: whose answers these are held against, if anyone's."""

    named: Named
    answers: Answers
    base: Answered | None = None

    @property
    def origin(self) -> str:
        """In this run, or before it, and over how many images."""
        images = f"{self.answers.images} images"
        return f"measured here on {images}" if self.answers.measured else f"recorded, {images}; not measured here"

    @property
    def remark(self) -> str:
        """The same, after the verdict where that is not valid."""
        verdict = self.named.result.verdict
        return self.origin if verdict == "valid" else f"{verdict}; {self.origin}"


# By file and runtime.
_Found = dict[tuple[str, str], tuple[Named, Answers]]


def answered(shown: Shown) -> tuple[tuple[Answered, ...], tuple[tuple[str, str], ...]]:
    """Those with answers, in the run's order but what others are held against first; and (label, reason) of the rest.

    Answers depend on the file and on what runs it, not on how it was timed: of several cases of both the first stands
    for all. Each is held against its teacher, or where that has no answers, its parent. An invalid case is held
    against nothing, and nothing against it.
    """
    found: _Found = {}
    for one in _measured_first(shown.cases):
        own = classes.answers(one.record, one.result.quality)
        if own is not None:
            found.setdefault(_model(one), (one, own))
    standing = [_against(shown, one, own, found) for one, own in found.values()]
    places = {id(one): place for place, one in enumerate(shown.cases)}
    standing.sort(key=lambda one: (one.base is not None, places[id(one.named)]))
    absent = tuple((one.label, _why_not(one)) for one in shown.cases if _model(one) not in found)
    return tuple(standing), absent


def _measured_first(cases: Iterable[Named]) -> list[Named]:
    """Those with a pass over the images before those without, each in their order: measured beats recorded."""
    return sorted(cases, key=lambda one: not (one.record and any(t.mode == "accuracy" for t in one.record.trials)))


def _model(one: Named) -> tuple[str, str]:
    return one.result.artifact.sha256, one.result.case.backend


def _against(shown: Shown, one: Named, own: Answers, found: _Found) -> Answered:
    if one.result.verdict == "invalid":
        return Answered(one, own)
    for other in (shown.teacher(one), shown.parent(one)):
        known = None if other is None or other.result.verdict == "invalid" else found.get(_model(other))
        if known is not None and known[0] is not one and classes.comparable(own, known[1]):
            return Answered(one, own, Answered(*known))
    return Answered(one, own)


def _why_not(one: Named) -> str:
    failed = [t.message for t in one.record.trials if t.mode == "accuracy" and t.message] if one.record else []
    if failed:
        return failed[-1].splitlines()[0]
    if "accuracy_top1" in one.result.metrics:
        return "its accuracy is known, but not what it took each image for"
    return one.result.missing.get("accuracy_top1", NOT_RECORDED)
