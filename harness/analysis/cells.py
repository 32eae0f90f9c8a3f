"""The cells of two runs, matched: what is compared with what. Owns how a cell is found again and called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.analysis import places
from harness.analysis.analyse import analyse, records
from harness.analysis.context import timed_of
from harness.errors import UsageError
from harness.model.device import Device
from harness.model.trial import Record, Trial
from harness.model.verdict import CaseResult
from harness.store.store import StoredRun


@dataclass(frozen=True)
class Cell:
    """One cell of one run. `device`: with the total of power first that serves the whole run."""

    run: str
    result: CaseResult
    record: Record
    device: Device

    @property
    def timed(self) -> list[Trial]:
        """Finished launches of the timed run that hold inferences."""
        return [trial for trial in timed_of(self.record) if len(trial.samples)]

    @property
    def key(self) -> tuple[str, str, str]:
        """Variant, backend and scenario: by these a cell of one run is found in another."""
        return self.result.case.variant, self.result.case.backend, self.result.case.scenario.name


@dataclass(frozen=True)
class Match:
    """A cell of the baseline and the one of the candidate that it is compared with."""

    name: str
    baseline: Cell
    candidate: Cell


def cells_of(stored: StoredRun) -> tuple[Cell, ...]:
    """All cells of a run, analysed."""
    grouped = records(stored)
    device = places.settled(stored.run.device, [timed_of(record) for record in grouped.values()])
    return tuple(Cell(stored.run.id, one, grouped[one.case.id], device) for one in analyse(stored).cases)


def match(
    baseline: Sequence[Cell], candidate: Sequence[Cell], renamed: Mapping[str, str] | None = None
) -> tuple[Match, ...]:
    """Cells of both runs with the same variant, backend and scenario, in the candidate's order.

    renamed: variant of the candidate -> that of the baseline. Where each run holds one variant alone, the two belong
    together whatever they are called. UsageError where nothing matches.
    """
    names = dict(renamed or {})
    variants = [{cell.key[0] for cell in cells} for cells in (baseline, candidate)]
    if not names and all(len(one) == 1 for one in variants):
        names = {variants[1].pop(): variants[0].pop()}
    known = {cell.key: cell for cell in baseline}
    found = []
    for cell in candidate:
        variant, backend, scenario = cell.key
        other = known.get((names.get(variant, variant), backend, scenario))
        if other is not None:
            found.append((other, cell))
    if not found:
        raise UsageError(
            f"the two runs have no cell in common: the baseline has {_listed(baseline)}; the candidate has "
            f"{_listed(candidate)}; compare runs of the same suite, or say which variant stands for which"
        )
    several = [len({cell.key[place] for _, cell in found}) > 1 for place in (1, 2)]
    return tuple(Match(_name(cell, several), other, cell) for other, cell in found)


def _name(cell: Cell, several: Sequence[bool]) -> str:
    """The variant, and what else is needed to tell it from the others."""
    variant, backend, scenario = cell.key
    more = [part for part, needed in zip((backend, scenario), several, strict=True) if needed]
    return f"{variant} ({', '.join(more)})" if more else variant


def _listed(cells: Sequence[Cell]) -> str:
    return ", ".join(" ".join(cell.key) for cell in cells) or "none"
