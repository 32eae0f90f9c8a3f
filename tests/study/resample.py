"""Gates over recorded launches: the real procedure, with its looks and its confirmation, on stretches of a series.

Owns how a stretch is drawn; harness.analysis.gate.sequential decides, as it does in a gate that measures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.analysis.gate import decide, effects, sequential
from harness.analysis.gate.effects import Effect, LaunchEffects
from harness.model.gate import Decision, Outcome, Policy, Rule
from tests.study.recorded import Recorded
from tests.support.gate_ends import concluded

Generator = np.random.Generator


@dataclass(frozen=True)
class Series:
    """Launches of one pair in one condition, in the order of measuring."""

    effects: tuple[LaunchEffects, ...]
    seconds: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.effects)


@dataclass(frozen=True)
class Stretch:
    """Launches from `start` on, and from the first one again after the last. swapped: per launch, in turn, whether the
    sides change places; shift: added to each metric's log effect."""

    series: Series
    start: int
    swapped: tuple[bool, ...] = (False,)
    shift: Mapping[str, float] | None = None

    def launches(self) -> Iterator[tuple[LaunchEffects, float]]:
        """Without end: effects and seconds."""
        number = 0
        while True:
            place = (self.start + number) % len(self.series)
            told = self.series.effects[place]
            if self.swapped[number % len(self.swapped)]:
                told = swapped(told)
            yield shifted(told, self.shift) if self.shift else told, self.series.seconds[place]
            number += 1


@dataclass(frozen=True)
class Ran:
    """A gate that ran. seconds, launches: of all its cells."""

    outcome: Outcome
    decisions: tuple[Decision, ...]
    launches: int
    seconds: float

    @property
    def regressed(self) -> bool:
        """Any metric of any cell."""
        return any(one.outcome == "regression" for one in self.decisions)


def series_of(launches: Sequence[Recorded], rules: Sequence[Rule]) -> Series:
    """Effects of every launch, the heads of blocks left out as a gate does."""
    drop = effects.settling([one.launch for one in launches])
    found = tuple(effects.launch_effects(one.launch, rules, drop) for one in launches)
    return Series(found, tuple(one.seconds for one in launches))


def run(policy: Policy, cells: Mapping[str, Stretch], family: int) -> Ran:
    """The whole procedure. family: over how many metrics the error is shared, also where fewer are here."""
    gate = replace(sequential.begin(policy, list(cells)), levels=decide.levels_of(policy, family))
    sources = {name: stretch.launches() for name, stretch in cells.items()}
    count, seconds = 0, 0.0
    while wanted := sequential.wanted(gate):
        for name, more in wanted.items():
            drawn = [next(sources[name]) for _ in range(more)]
            gate = sequential.take(gate, name, [told for told, _ in drawn])
            count, seconds = count + more, seconds + sum(took for _, took in drawn)
    return Ran(concluded(gate)[0], sequential.decisions(gate), count, seconds)


def drawn(
    generator: Generator, series: Series, swap: str = "none", shift: Mapping[str, float] | None = None
) -> Stretch:
    """A stretch from anywhere. swap: "none"; "gate": one coin for all its launches, which keeps whatever one launch
    has of the one before, and a bias; "launch": a coin each, of which there are many more."""
    start = int(generator.integers(len(series)))
    coins: tuple[bool, ...] = (False,)
    if swap == "gate":
        coins = (bool(generator.random() < 0.5),)
    elif swap == "launch":
        coins = tuple((generator.random(64) < 0.5).tolist())
    return Stretch(series, start, coins, shift)


def swapped(told: LaunchEffects) -> LaunchEffects:
    """The launch with its sides exchanged."""
    return {
        name: Effect(-one.log, one.candidate, one.baseline) if isinstance(one, Effect) else one
        for name, one in told.items()
    }


def shifted(told: LaunchEffects, shift: Mapping[str, float]) -> LaunchEffects:
    """The launch of a candidate that is slower by so much, per metric, in the log."""
    return {
        name: replace(one, log=one.log + shift.get(name, 0.0)) if isinstance(one, Effect) else one
        for name, one in told.items()
    }
