"""What the page's figures draw, as values: of a run result and its records."""

from __future__ import annotations

from collections.abc import Mapping

from harness.model.trial import Record
from harness.model.verdict import RunResult
from harness.report.cases import shown
from harness.report.sections import distribution, front, plane, timeline


def plane_of(result: RunResult, records: Mapping[str, Record]) -> plane.Plane:
    """Accuracy against latency."""
    return front.trade_off(shown(result, records).cases)


def distribution_of(result: RunResult, records: Mapping[str, Record]) -> distribution.Distribution:
    """Latency distributions."""
    return distribution.distribution(shown(result, records).cases)


def timeline_of(result: RunResult, records: Mapping[str, Record]) -> timeline.Timeline:
    """The run over time."""
    return timeline.timeline(shown(result, records))
