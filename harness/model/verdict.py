"""What analysis says of records: summaries, findings, verdicts. Plain values that every output draws from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from harness.model.case import ArtifactFacts, Case
from harness.model.codec import Json
from harness.model.quality import Paired, Quality
from harness.model.run import Stopped

Severity = Literal["note", "doubt", "invalid"]
Verdict = Literal["valid", "doubtful", "invalid"]


@dataclass(frozen=True)
class Summary:
    """A metric's estimate with its 95 % interval. low and high are None where no interval is supported, and `method`
    says so; n is the number of independent units behind it (launches, or images)."""

    metric: str
    unit: str
    n: int
    point: float
    low: float | None
    high: float | None
    method: str


@dataclass(frozen=True)
class Finding:
    """Something a reader must know before trusting a number: what was seen and what to do about it."""

    code: str
    severity: Severity
    evidence: str
    advice: str


@dataclass(frozen=True)
class CaseResult:
    """One row of every report: a case, its verdict, what was measured and what is missing with its reason.

    stopped: in a run until it is precise, why its launches ended. quality: what was recorded of exactly this artifact
    beyond top-1, before this run and not in it; paired: likewise, how its answers compare with those of others, each
    the first of a pair in which this is the second. No summary for other programs holds either.
    """

    case: Case
    artifact: ArtifactFacts
    verdict: Verdict
    findings: tuple[Finding, ...]
    metrics: Mapping[str, Summary]
    missing: Mapping[str, str]
    stopped: Stopped | None = None
    quality: Quality | None = None
    paired: tuple[Paired, ...] = ()


@dataclass(frozen=True)
class RunResult:
    """A run as analysed. `run` is the run's own facts (id, command, commit, versions, times); JSON-ready."""

    run: Mapping[str, Json]
    device: Mapping[str, Json]
    environment: Mapping[str, Json]
    cases: tuple[CaseResult, ...]
    skips: tuple[Mapping[str, Json], ...] = ()
    notes: tuple[str, ...] = field(default=())


def verdict_of(findings: tuple[Finding, ...]) -> Verdict:
    """The worst severity decides."""
    severities = {finding.severity for finding in findings}
    if "invalid" in severities:
        return "invalid"
    return "doubtful" if "doubt" in severities else "valid"
