"""Which trial ran when, and which never did: the order of a run by case and launch, and what its store lacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from harness.model.trial import Trial
from harness.model.verdict import RunResult
from harness.report.cases import Named

MODES = {"accuracy": "accuracy", "observer": "observer cost", "paired": "paired"}


@dataclass(frozen=True)
class Places:
    """A case's trials as places in the run's order, from 0: of each launch of the timed run, None where there is none;
    and of its trials in other modes."""

    case: Named
    launches: tuple[Trial | None, ...]
    others: tuple[Trial, ...]


def trials_of(named: Sequence[Named]) -> list[Trial]:
    """All trials of all modes, in their order."""
    found = [trial for one in named if one.record for trial in one.record.trials]
    return sorted(found, key=lambda trial: (trial.order, trial.id))


def places(named: Sequence[Named]) -> tuple[Places, ...]:
    """One per case; all with as many launches as the case that has most."""
    timed = [_timed(one) for one in named]
    most = max((launch + 1 for trials in timed for launch in trials), default=0)
    return tuple(
        Places(one, tuple(trials.get(launch) for launch in range(most)), _others(one))
        for one, trials in zip(named, timed, strict=True)
    )


def _timed(one: Named) -> dict[int, Trial]:
    trials = one.record.trials if one.record else ()
    return {trial.launch: trial for trial in trials if trial.mode == "performance"}


def _others(one: Named) -> tuple[Trial, ...]:
    trials = one.record.trials if one.record else ()
    return tuple(sorted((trial for trial in trials if trial.mode != "performance"), key=lambda trial: trial.order))


def not_there(result: RunResult, named: Sequence[Named]) -> tuple[int, ...]:
    """Places in the order of which the store holds no trial; empty where the plan's length is not known."""
    planned = result.run.get("trials_planned")
    if not isinstance(planned, int):
        return ()
    present = {trial.order for trial in trials_of(named)}
    return tuple(order for order in range(planned) if order not in present)


def in_runs(numbers: Sequence[int]) -> str:
    """Ascending numbers in words: 3, 5 to 9."""
    found = []
    for _, group in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        run = [number for _, number in group]
        found.append(str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}")
    return ", ".join(found)
