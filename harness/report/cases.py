"""A run as the report handles it: its cases with label, style and record, and which others each is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.model.trial import Record
from harness.model.verdict import CaseResult, RunResult
from harness.report.blocks import Name
from harness.report.names import Style, labels, styles

ABSENT = "—"
NOT_RECORDED = "not recorded"
# Whom the others are held against, by the role a suite gives a variant; the first that was measured alike.
TEACHERS = ("teacher", "reference")


@dataclass(frozen=True)
class Named:
    """A case result with its label and style, and its record where there is one."""

    result: CaseResult
    label: str
    style: Style
    record: Record | None

    @property
    def name(self) -> Name:
        """As a table or a legend shows it."""
        return Name(self.label, self.style)


@dataclass(frozen=True)
class Shown:
    """What every section draws from: the result, and its cases in their order."""

    result: RunResult
    cases: tuple[Named, ...]

    def parent(self, one: Named) -> Named | None:
        """The case of the variant it was made from, measured alike; None where there is none."""
        found = (other for other in self.alike(one) if other.result.case.variant == one.result.artifact.parent)
        return next(found, None)

    def teacher(self, one: Named) -> Named | None:
        """The case measured alike that the whole suite is held against: by role; else the first that has no parent.
        None for itself, and where there is none."""
        alike = self.alike(one)
        by_role = [other for role in TEACHERS for other in alike if other.result.artifact.role == role]
        roots = [other for other in alike if other.result.artifact.parent is None]
        found = next(iter([*by_role, *roots]), None)
        return None if found is one else found

    def alike(self, one: Named) -> tuple[Named, ...]:
        """Itself, and the cases measured on the same device, by the same runtime, in the same way."""
        return tuple(other for other in self.cases if _conditions(other) == _conditions(one))


def shown(result: RunResult, records: Mapping[str, Record]) -> Shown:
    """A run result and its records by case id; a case without a record has no curves, and says so."""
    cases = result.cases
    called = zip(cases, labels([one.case for one in cases]), styles(cases), strict=True)
    return Shown(result, tuple(Named(case, label, style, records.get(case.case.id)) for case, label, style in called))


def legend(cases: Sequence[Named]) -> tuple[tuple[Name, str], ...]:
    """Of these cases, with the verdict where it is not valid."""
    return tuple((one.name, "" if one.result.verdict == "valid" else one.result.verdict) for one in cases)


def reference_of(one: Named, named: Sequence[Named]) -> Named | None:
    """What a case is compared with: its parent variant run alike, else the first case run alike; None for itself."""
    case = one.result.case
    alike = [other for other in named if _conditions(other) == _conditions(one)]
    parents = [other for other in alike if other.result.case.variant == one.result.artifact.parent]
    reference = (parents or alike)[0]
    return None if reference.result.case.id == case.id else reference


def _conditions(one: Named) -> tuple[object, ...]:
    case = one.result.case
    return case.device, case.backend, case.scenario, case.settings
