"""Findings: what a reader must know before trusting a case's numbers. The list of checks; each is a pure function.

A finding names what was seen and what to do. "invalid" takes the case out of fronts and gates, "doubt" marks it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from harness.analysis import (
    execution_checks,
    launch_checks,
    machine_checks,
    output_checks,
    power_checks,
    series_checks,
    state_checks,
    throttle_checks,
)
from harness.analysis.context import Context
from harness.model.verdict import Finding

CHECKS: Sequence[Callable[[Context], Iterator[Finding]]] = (
    launch_checks.failed_trials,
    output_checks.output_not_finite,
    output_checks.output_mismatch,
    output_checks.output_not_checked,
    output_checks.accuracy_differs,
    launch_checks.not_steady,
    launch_checks.budget_spent,
    launch_checks.launches_disagree,
    launch_checks.few_launches,
    machine_checks.conditions_differ,
    machine_checks.machine_busy,
    machine_checks.time_stolen,
    machine_checks.clock_changed,
    machine_checks.too_hot,
    machine_checks.paging,
    machine_checks.settings_refused,
    machine_checks.cores_shared,
    launch_checks.damaged_files,
    machine_checks.sensors_missing,
)


def findings(context: Context) -> tuple[Finding, ...]:
    """All checks, in the order of the lists: what executed, what held it back, the state, the list above, the series,
    power."""
    every = (
        *execution_checks.CHECKS,
        *throttle_checks.CHECKS,
        *state_checks.CHECKS,
        *CHECKS,
        *series_checks.CHECKS,
        power_checks.power_findings,
    )
    return tuple(finding for check in every for finding in check(context))
