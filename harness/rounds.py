"""Launches until p50 is precise: which of the planned ones are still started, and why a case is left out of the rest.

Owns how the stop rule (harness.analysis.stopping; statistics.md, 4.3) is asked while a run goes on, and how the time
for all cases is shared out. Starts nothing and stores nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from harness.analysis import stopping
from harness.errors import UsageError
from harness.model.case import Plan, PlannedTrial, Precision, Suite
from harness.model.run import Stopped
from harness.model.trial import Trial
from harness.options import Options
from harness.store import store

# A case that failed so often is not tried on: what a runtime refuses stays refused.
MOST_FAILURES = 6
# Of a budget that nobody set.
NO_BUDGET_S = 1e9


@dataclass
class _Case:
    """What was measured of one case. values: p50 per launch, in the order of measuring; took_s: wall time of all."""

    values: list[float] = field(default_factory=list)
    failed: int = 0
    took_s: float = 0.0

    @property
    def rounds(self) -> int:
        """Launches that were started."""
        return len(self.values) + self.failed

    @property
    def cost_s(self) -> float:
        """What another launch will take, as those before did."""
        return self.took_s / self.rounds if self.rounds else 0.0


class Rounds:
    """A run of a plan with `until`, as it goes on. Feed it every finished trial, and ask before each one is started."""

    def __init__(self, plan: Plan, precision: Precision, done: Iterable[Trial], clock: Callable[[], float]) -> None:
        """done: trials of the run that are in the store; their time counts, the time between two sessions does not."""
        self._plan, self._precision, self._clock = plan, precision, clock
        self._cases = {case.id: _Case() for case in plan.cases}
        self._stopped: dict[str, Stopped] = {}
        self._round: int | None = None
        for trial in done:
            self.add(trial)
        self._before_s = sum(one.took_s for one in self._cases.values())
        self._began: float | None = None

    def add(self, trial: Trial) -> None:
        """A launch has ended."""
        if trial.mode != "performance":
            return
        one = self._cases[trial.case.id]
        one.took_s += trial.wall_s or 0.0
        value = float(np.median(np.asarray(trial.samples.duration_s))) if len(trial.samples) else 0.0
        if trial.status == "ok" and value > 0:
            one.values.append(value)
        else:
            one.failed += 1

    def wanted(self, planned: PlannedTrial) -> bool:
        """Whether this trial is to be started. It is looked once per round, when all cases have had their launch."""
        if planned.mode != "performance":
            return True
        if self._began is None:
            self._began = self._clock()
        if planned.launch != self._round:
            self._round = planned.launch
            self._look()
        return planned.case_id not in self._stopped and self._fits(planned.case_id)

    def outcome(self) -> Mapping[str, Stopped]:
        """By case, why no more launches of it were started, once the run has ended."""
        for key in self._going():
            decision = self._decision(key)
            number = self._cases[key].rounds
            reason = decision.reason if decision.stop else f"all {number} planned launches are done: {self._told(key)}"
            self._stop(key, reason)
        return dict(self._stopped)

    def _look(self) -> None:
        for key in self._going():
            decision = self._decision(key)
            if decision.stop:
                self._stop(key, decision.reason)
            elif self._cases[key].failed >= MOST_FAILURES:
                self._stop(key, f"{self._cases[key].failed} of {self._cases[key].rounds} launches failed")
        # A whole round must fit; where it does not, the dearest case is left out first, and the others may go on.
        left_s = self._left_s()
        for key in sorted(self._going(), key=lambda key: -self._cases[key].cost_s):
            if left_s <= 0 or sum(self._cases[one].cost_s for one in self._going()) > left_s:
                self._stop(key, self._spent(key))

    def _fits(self, key: str) -> bool:
        """Within a round that has taken longer than the ones before it."""
        if self._left_s() > 0 and self._cases[key].cost_s <= self._left_s():
            return True
        self._stop(key, self._spent(key))
        return False

    def _going(self) -> list[str]:
        return [case.id for case in self._plan.cases if case.id not in self._stopped]

    def _left_s(self) -> float:
        budget_s = NO_BUDGET_S if self._precision.budget_s is None else self._precision.budget_s
        return budget_s - self._spent_s()

    def _spent_s(self) -> float:
        return self._before_s + (0.0 if self._began is None else self._clock() - self._began)

    def _decision(self, key: str) -> stopping.Decision:
        """Of the precision alone: the time is shared between cases, of which the rule knows nothing."""
        progress = stopping.Progress(self._cases[key].values, 0.0, 0, self._cases[key].took_s)
        return stopping.decide(progress, stopping.Target(self._precision.relative, budget_s=NO_BUDGET_S))

    def _stop(self, key: str, reason: str) -> None:
        one, asked = self._cases[key], self._precision.relative
        width = stopping.relative_half_width(one.values)
        self._stopped[key] = Stopped(one.rounds, width, width is not None and width <= asked, reason)

    def _spent(self, key: str) -> str:
        one = self._cases[key]
        spent = f"{self._spent_s():.3g} of {self._precision.budget_s:.3g} s are spent"
        return f"{spent} after {len(one.values)} launches and no other fits: {self._told(key)}"

    def _told(self, key: str) -> str:
        width, asked = stopping.relative_half_width(self._cases[key].values), self._precision.relative
        if width is None:
            return "there is no interval under 6 launches"
        missed = f", not the {100 * asked:.2g} % asked" if width > asked else ""
        return f"the interval is +-{100 * width:.2g} %{missed}"


def asked(suite: Suite, options: Options) -> Precision | None:
    """What the command line or else the suite asks for; a quick look asks for none. UsageError for a budget of none."""
    relative = suite.until if options.until is None and not options.quick else options.until
    if relative is not None:
        return Precision(relative, stopping.LOOKS[-1], options.budget_total_s)
    if options.budget_total_s is not None:
        raise UsageError("--budget-total limits the launches of --until: add --until 1%, or give --budget for each one")
    return None


def going_on(plan: Plan, folder: Path) -> Rounds | None:
    """Of a run that is stored there; None where the number of its launches is fixed."""
    return Rounds(plan, plan.until, store.read(folder).trials, time.monotonic) if plan.until is not None else None
