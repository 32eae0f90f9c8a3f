"""The machine and the software that launches ran on, and what differs between two of them. statistics.md, 4.9.

Built from the conditions that every comparison looks at. What belongs to a case (its model, scenario, options) is not
here: the case's id covers it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.analysis.comparability import CONDITIONS
from harness.model.baseline import Fingerprint
from harness.model.codec import Json, canonical
from harness.model.trial import Trial

# By the names and labels of harness.analysis.comparability. A boot is new every time and changes nothing by itself.
_MACHINE_NAMES = ("board",)
_MACHINE_LABELS = ("cores allowed", "hypervisor")
_CASE_LABELS = ("threads", "options of the runtime", "sensors read while measuring", "boot")


def fingerprint(trials: Sequence[Trial]) -> Fingerprint:
    """Of launches of one case. What nothing recorded is left out."""
    machine: dict[str, str] = {}
    software: dict[str, str] = {}
    for condition in CONDITIONS:
        told = _told([condition.read(trial) for trial in trials])
        if told and condition.label not in _CASE_LABELS:
            of_machine = condition.name in _MACHINE_NAMES or condition.label in _MACHINE_LABELS
            (machine if of_machine else software)[condition.label] = told
    instructions = _told([trial.environment.facts.get("instruction_sets") for trial in trials])
    if instructions:
        machine["instruction sets"] = instructions
    return Fingerprint(machine, software)


def differing(baseline: Fingerprint, candidate: Fingerprint) -> tuple[str, ...]:
    """A sentence for each thing that both tell and tell differently, the machine first."""
    return (*_differing(baseline.machine, candidate.machine), *_differing(baseline.software, candidate.software))


def _differing(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    return [
        f"{label}: {before[label]} in the baseline, {after[label]} now"
        for label in before
        if label in after and before[label] != after[label]
    ]


def _told(values: Sequence[Json]) -> str:
    known = {one if isinstance(one, str) else canonical(one) for one in values if one is not None}
    return " and ".join(sorted(known))
