"""A run as the report handles it: its cases with label, style and record, and which others each is compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.model.case import Scenario, Settings
from harness.model.trial import Record
from harness.model.verdict import CaseResult, RunResult
from harness.report.blocks import Name
from harness.report.names import Style, labels, styles
from harness.report.paired import PairedTop1, paired

ABSENT = "—"
NOT_RECORDED = "not recorded"
# Whom the others are held against, by the role a suite gives a variant; the first that was measured alike.
TEACHERS = ("teacher", "reference")
# What two cases must share to be compared: device, backend, scenario, settings.
Conditions = tuple[str, str, Scenario, Settings]


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


# The accuracy of the one minus that of the other, image by image; None where that is not known.
Pairing = Callable[[Named, Named], PairedTop1 | None]


@dataclass(frozen=True)
class Shown:
    """What every section draws from: the result, and its cases in their order."""

    result: RunResult
    cases: tuple[Named, ...]

    def parent(self, one: Named) -> Named | None:
        """The case of the variant it was made from, measured alike; None where there is none."""
        name = one.result.artifact.parent
        found = None if name is None else self._by_variant.get((_conditions(one), name))
        return None if found is one else found

    def teacher(self, one: Named) -> Named | None:
        """The case measured alike that the whole suite is held against: by role; else the first that has no parent.
        None for itself, and where there is none."""
        found = self._teachers[_conditions(one)]
        return None if found is one else found

    def alike(self, one: Named) -> tuple[Named, ...]:
        """Itself, and the cases measured on the same device, by the same runtime, in the same way."""
        return self._groups[_conditions(one)]

    def paired(self, one: Named, other: Named) -> PairedTop1 | None:
        """The accuracy of the one minus that of the other, image by image, where that is known. It takes a hundredth
        of a second, and sentences, tables and figures ask for the same."""
        key = one.result.case.id, other.result.case.id
        if key not in self._paired:
            self._paired[key] = pair_of(one, other)
        return self._paired[key]

    @property
    def groups(self) -> tuple[tuple[Named, ...], ...]:
        """All cases, those measured alike together."""
        return tuple(self._groups.values())

    # Looked up for every case, so each is made once: a run may have a thousand variants.

    @cached_property
    def _paired(self) -> dict[tuple[str, str], PairedTop1 | None]:
        return {}

    @cached_property
    def _groups(self) -> dict[Conditions, tuple[Named, ...]]:
        found: dict[Conditions, list[Named]] = {}
        for one in self.cases:
            found.setdefault(_conditions(one), []).append(one)
        return {conditions: tuple(group) for conditions, group in found.items()}

    @cached_property
    def _by_variant(self) -> dict[tuple[Conditions, str], Named]:
        # The first of a name stays.
        return {(_conditions(one), one.result.case.variant): one for one in reversed(self.cases)}

    @cached_property
    def _teachers(self) -> dict[Conditions, Named | None]:
        return {conditions: _teacher(group) for conditions, group in self._groups.items()}


def shown(result: RunResult, records: Mapping[str, Record]) -> Shown:
    """A run result and its records by case id; a case without a record has no curves, and says so."""
    cases = result.cases
    called = zip(cases, labels([one.case for one in cases]), styles(cases), strict=True)
    return Shown(result, tuple(Named(case, label, style, records.get(case.case.id)) for case, label, style in called))


def pair_of(one: Named, other: Named) -> PairedTop1 | None:
    """As Shown.paired, which remembers it."""
    return paired(one.result, other.result, one.record, other.record)


def legend(cases: Sequence[Named]) -> tuple[tuple[Name, str], ...]:
    """Of these cases, with the verdict where it is not valid."""
    return tuple((one.name, "" if one.result.verdict == "valid" else one.result.verdict) for one in cases)


def _teacher(alike: Sequence[Named]) -> Named | None:
    by_role = (other for role in TEACHERS for other in alike if other.result.artifact.role == role)
    roots = (other for other in alike if other.result.artifact.parent is None)
    return next(by_role, None) or next(roots, None)


def _conditions(one: Named) -> Conditions:
    case = one.result.case
    return case.device, case.backend, case.scenario, case.settings
