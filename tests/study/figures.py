"""What the gate's study finds: values for its page, without their making."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# How the samples of other tools are laid out.
ARRANGEMENTS = {
    "one after the other": "all processes of the baseline, then all of the candidate, as these tools run",
    "in turns": "the duets' own samples of both sides, which these tools do not take",
    "one process each": "one launch of each side, a tenth of the time, as most of them run",
}


@dataclass(frozen=True)
class Alarms:
    """Gates of a family that had nothing to report, or all of it at the margin."""

    condition: str
    what: str
    gates: int
    launches: int
    alarms: float
    passes: float
    invalid: float


@dataclass(frozen=True)
class Power:
    """Gates of one cell with a real slowdown. floor, median, mean, p99: relative, over all launches; disjoint: how many
    gates of two looks fit into the data without sharing a launch; within: found in the time that is asked."""

    condition: str
    pair: str
    launches: int
    floor: float
    median: float
    mean: float
    p99: float
    regressions: float
    passes: float
    invalid: float
    within: float
    median_s: float
    slowest_s: float
    used: float
    tail_only: float
    disjoint: int


@dataclass(frozen=True)
class Rival:
    """A rule on one arrangement of samples: share that it calls slower, by (condition, kind)."""

    rule: str
    arrangement: str
    shares: Mapping[tuple[str, str], float]


@dataclass(frozen=True)
class Found:
    """The whole study. sessions: of the collection; gates: resampled, per row."""

    sessions: tuple[Mapping[str, Any], ...]
    gates: int
    seed: int
    alarms: list[Alarms]
    powers: list[Power]
    tails: list[Power]
    rivals: list[Rival]
