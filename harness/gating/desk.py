"""One run of a gate under way: pairs of fresh processes played, checked, stored. Knows no look, margin or verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from harness.analysis.gate.effects import Figure, Launch
from harness.board.hold import Hold
from harness.board.job import Job, Material
from harness.board.runner import run_pair, run_trial
from harness.board.script import block_order
from harness.gating import launches
from harness.gating.cells import Pair
from harness.gating.launches import Both, Paused
from harness.model.case import Case, Mode, Plan, PlannedTrial
from harness.model.device import Device
from harness.model.run import Run
from harness.model.trial import Trial
from harness.stages import Progress, Watcher
from harness.store import store

Clock = Callable[[], float]


@dataclass(frozen=True)
class Budget:
    """Seconds for the whole gate, from `began` on by `clock`."""

    seconds: float
    began: float
    clock: Clock = time.monotonic

    def left_s(self) -> float:
        """Below 0 where it is spent."""
        return self.seconds - self.spent_s()

    def spent_s(self) -> float:
        """So far."""
        return self.clock() - self.began


@dataclass
class Desk:
    """Where launches are made. expected: how many trials there may be in all, as far as is known.

    played: trials of each cell's duets; dropped: launches of each cell that are none of these, as the machine was
    paused; longest_s: of a launch so far; energy: why none is measured, or empty.
    """

    hold: Hold
    run: Run
    folder: Path
    materials: Mapping[str, Material]
    watcher: Watcher
    clock: Clock
    energy: str
    chance: Random
    expected: int = 0
    longest_s: float = 0.0
    played: dict[str, list[Both]] = field(default_factory=dict)
    dropped: dict[str, list[Paused]] = field(default_factory=dict)
    _order: int = 0

    @property
    def plan(self) -> Plan:
        """Of the run."""
        return self.run.plan

    @property
    def device(self) -> Device:
        """As its file says."""
        return self.run.device

    def launch(self, pair: Pair) -> Launch | Paused | str:
        """The next launch of a cell: a duet, and where a total of power is read a whole launch of each side beside it.
        Why it supports no verdict, where it does not."""
        began = self.clock()
        done = self.played.setdefault(pair.name, [])
        number = len(done) + len(self.dropped.get(pair.name, ()))
        order = block_order(f"{self.plan.seed} {pair.name} {number}")
        self.hold.calm()
        jobs = self._job(pair.baseline, "paired", number), self._job(pair.candidate, "paired", number)
        self._watch(jobs[1], None)
        played = run_pair(self.hold, *jobs, order)
        name, second = f"{pair.name} {number}", order.start == (0, 1)
        both = (
            launches.paired_with(played[0], name, not second),
            launches.paired_with(played[1], name, second),
        )
        self._keep(both, jobs[0].trial_id)
        self._watch(jobs[1], launches.telling(both))
        paused = launches.paused(both, self.hold.facts())
        if paused is not None:
            self.dropped.setdefault(pair.name, []).append(paused)
            return paused
        done.append(both)
        reason = self._broken(both)
        energy: tuple[Figure | str, Figure | str] | str = (self.energy, self.energy)
        if not reason and not self.energy:
            energy = self._energies(pair, number)
        self.longest_s = max(self.longest_s, self.clock() - began)
        if reason or isinstance(energy, str):
            return reason or str(energy)
        return launches.launch_of(both, order, energy)

    def answers(self, pair: Pair) -> Both:
        """What both sides predict of the images; a trial that failed says why."""
        name = f"{pair.name} accuracy"
        return self._alone(pair.baseline, "accuracy", 0, name), self._alone(pair.candidate, "accuracy", 0, name)

    def profiled(self, pair: Pair, number: int) -> Both | str:
        """A whole launch of each side, one after the other in random order; why it supports no verdict."""
        found: dict[str, Trial] = {}
        for case in self.chance.sample([pair.baseline, pair.candidate], 2):
            found[case.id] = self._alone(case, "performance", number, f"{pair.name} {number} whole")
        both = found[pair.baseline.id], found[pair.candidate.id]
        return self._broken(both) or both

    def alone(self, case: Case) -> Trial | str:
        """A whole launch of one case; why it supports no verdict."""
        trial = self._alone(case, "performance", 0, f"{case.variant} alone")
        return launches.broken_alone(trial, self.plan.artifacts[case.id], self.device) or trial

    def _energies(self, pair: Pair, number: int) -> tuple[Figure | str, Figure | str] | str:
        both = self.profiled(pair, number)
        return both if isinstance(both, str) else launches.energies(both, self.device)

    def _alone(self, case: Case, mode: Mode, number: int, name: str) -> Trial:
        job = self._job(case, mode, number)
        self.hold.calm()
        self._watch(job, None)
        trial = launches.paired_with(run_trial(self.hold, job), name)
        self._keep((trial,), job.trial_id)
        self._watch(job, trial)
        return trial

    def _broken(self, both: Both) -> str:
        artifacts = self.plan.artifacts[both[0].case.id], self.plan.artifacts[both[1].case.id]
        return launches.broken(both, artifacts, self.device)

    def _job(self, case: Case, mode: Mode, number: int) -> Job:
        self._order += 1
        return Job(self.run.id, case, PlannedTrial(case.id, mode, number), self._order - 1, self.materials[case.id])

    def _keep(self, trials: tuple[Trial, ...], on_board: str) -> None:
        for trial in trials:
            store.append(self.folder, trial)
        self.hold.drop(on_board)

    def _watch(self, job: Job, finished: Trial | None) -> None:
        done = job.order + (finished is not None)
        self.watcher(Progress(done, max(self.expected, job.order + 1), job.case, job.planned, finished, 0))
