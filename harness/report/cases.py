"""A case as the report handles it: its result with label, style and record, and which other one it is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.model.trial import Record
from harness.model.verdict import CaseResult
from harness.report.names import Style

ABSENT = "—"
NOT_RECORDED = "not recorded"


@dataclass(frozen=True)
class Named:
    """A case result with its label and style, and its record where there is one."""

    result: CaseResult
    label: str
    style: Style
    record: Record | None


def reference_of(one: Named, named: Sequence[Named]) -> Named | None:
    """What a case is compared with: its parent variant run alike, else the first case run alike; None for itself."""
    case = one.result.case
    alike = [other for other in named if _conditions(other) == _conditions(one)]
    parents = [other for other in alike if other.result.case.variant == one.result.artifact.parent]
    reference = (parents or alike)[0]
    return None if reference.result.case.id == case.id else reference


def _conditions(one: Named) -> tuple[object, ...]:
    case = one.result.case
    return case.backend, case.scenario, case.settings
