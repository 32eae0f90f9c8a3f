"""A blessed baseline: a run's artifacts, its machine, its launch-level values and its noise floor, as one tracked file.

Small, and the same for the same run and store: no time of blessing, numbers of six digits. Looks at no disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.model.case import ArtifactFacts, Case

# 1: first version.
SCHEMA = 1
BASELINE_SCHEMA = f"harness.baseline/{SCHEMA}"


@dataclass(frozen=True)
class Fingerprint:
    """What a machine and its software say of themselves, by label. Figures of two machines never meet in an absolute
    comparison, and those of two softwares only as a change of both (statistics.md, 4.9)."""

    machine: Mapping[str, str] = field(default_factory=dict)
    software: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Kept:
    """A metric of a cell. launches: of the blessed run; sessions: one value for each run of BlessedCell.sessions, None
    where it has none."""

    metric: str
    unit: str
    launches: tuple[float, ...]
    sessions: tuple[float | None, ...]


@dataclass(frozen=True)
class BlessedCell:
    """A cell of the blessed run, with the file it ran. sessions: runs of exactly this case on this machine, the blessed
    one among them, from which the noise floor is learned. placement: operators by where and in what they ran."""

    case: Case
    artifact: ArtifactFacts
    fingerprint: Fingerprint
    sessions: tuple[str, ...]
    metrics: tuple[Kept, ...]
    placement: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Baseline:
    """As stored. `run`: the blessed one; command and commit are its own."""

    schema: str
    name: str
    run: str
    started_utc: str
    suite: str
    device: str
    command: tuple[str, ...]
    commit: str | None
    commit_dirty: bool | None
    cells: tuple[BlessedCell, ...]
