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
NOT_KNOWN = "not known"


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
    """A sentence for each thing that the two tell differently, or of which only one tells, the machine first: what is
    not known to be the same is not taken for it."""
    return (
        *_differing("machine", baseline.machine, candidate.machine),
        *_differing("software", baseline.software, candidate.software),
    )


def _differing(of: str, before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    if bool(before) != bool(after):
        return [f"{of}: not known {'now' if before else 'in the baseline'}"]
    return [
        f"{label}: {before.get(label, NOT_KNOWN)} in the baseline, {after.get(label, NOT_KNOWN)} now"
        for label in dict.fromkeys((*before, *after))
        if before.get(label) != after.get(label)
    ]


def _told(values: Sequence[Json]) -> str:
    known = {one if isinstance(one, str) else canonical(one) for one in values if one is not None}
    return " and ".join(sorted(known))
