"""What a comparison and a gate say: values that analysis makes and every output draws from.

Effects are natural logarithms of candidate over baseline, turned so that positive is worse, one per launch (a pair of
fresh processes); per cent appear in the formatters alone. Terms: tolerance (tau) is the slowdown that is accepted,
limit (delta) the smallest one that must never slip through; statistics.md, sections 4.5 and 4.6.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from harness.errors import UsageError
from harness.model.codec import Json
from harness.model.metrics import REGISTRY

# What a gate concludes of one metric of one cell, and, in the order of gravity, of all of them.
Outcome = Literal["invalid", "regression", "inconclusive", "pass", "improvement"]
# paired: both measured together now; stored: against figures of the same machine; counted: exact counts, no time.
Design = Literal["paired", "stored", "counted"]
# What a comparison says of a change against the practical margin.
Side = Literal["better", "worse", "same", "unclear"]
GRAVITY: tuple[Outcome, ...] = ("invalid", "regression", "inconclusive", "pass", "improvement")
# Under this many launches a standard deviation says nothing: no verdict.
FEWEST_LAUNCHES = 3
# Of the chances of error that a policy may ask for. Shares of them, of one test of many, are smaller.
LEAST_CHANCE, MOST_CHANCE = 1e-6, 0.5
# Of a tolerance or a limit, relative: above the first one no change could be meant, above the second one a note says
# how much is let through. An accuracy's margins are points, and 1 is all images.
MOST_MARGIN, WIDE_MARGIN = 10.0, 1.0
POINTS = ("accuracy_top1", "agreement_top1")


@dataclass(frozen=True)
class Rule:
    """How one metric is judged. tolerance and limit are relative (0.02 is 2 %), of accuracy in points (0.005 is half a
    per cent of the images); least_change in the metric's unit: a smaller one never counts. cells: patterns (with *) of
    variants; empty: all. better: the registry's word, which a policy may repeat and not contradict.

    required: not measured on either side is invalid; else it is noted and left out. only_alarms: it can raise an alarm,
    but its being inconclusive holds nothing up; meant for tails, which a gate of seconds cannot clear.
    """

    metric: str
    tolerance: float
    limit: float
    least_change: float = 0.0
    cells: tuple[str, ...] = ()
    better: Literal["lower", "higher"] | None = None
    required: bool = True
    only_alarms: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance < self.limit < math.inf:
            raise UsageError(
                f"{self.metric}: tolerance {self.tolerance} must be 0 or more and below limit {self.limit}"
            )
        if not 0 <= self.least_change < math.inf:
            raise UsageError(f"{self.metric}: least_change {self.least_change} must be 0 or more")
        if self.limit > MOST_MARGIN * self.scale:
            raise UsageError(
                f"{self.metric}: limit {self.limit:g} would let a change of {self.limit * 100:g} % pass; margins are "
                f"shares (0.05 is 5 %), {MOST_MARGIN * self.scale:g} at most"
            )
        known = REGISTRY.get(self.metric)
        if known is not None and self.better not in (None, known.better):
            raise UsageError(
                f"{self.metric}: better = {self.better!r} would let every worse model pass: {known.better} is better"
            )

    @property
    def scale(self) -> float:
        """Of what margins mean: 1, and of points a tenth."""
        return 0.1 if self.metric in POINTS else 1.0

    @property
    def wide(self) -> bool:
        """Whether more than twice the baseline's value may pass, or more than a tenth of the images be lost."""
        return self.limit > WIDE_MARGIN * self.scale


@dataclass(frozen=True)
class Policy:
    """alpha: chance that a gate run with nothing worse than its tolerances reports a regression, over all its metrics
    and cells; beta: chance, per metric, that a slowdown of the limit passes. looks: numbers of launches after which it
    is looked at. confirm: fresh launches that a regression must show itself in again, each time at confirm_alpha; 0:
    none, and all of alpha is then spent on the first sight of it."""

    rules: tuple[Rule, ...]
    alpha: float = 0.01
    beta: float = 0.05
    looks: tuple[int, ...] = (6, 10, 16)
    confirm: int = 4
    confirm_alpha: float = 0.05
    inconclusive: Literal["fails", "passes"] = "fails"
    budget_s: float = 300.0

    def __post_init__(self) -> None:
        for name in ("alpha", "beta", "confirm_alpha"):
            if not 0 < getattr(self, name) <= MOST_CHANCE:
                raise UsageError(f"{name} {getattr(self, name)} must lie between {LEAST_CHANCE} and {MOST_CHANCE}")
        if not self.looks or self.looks[0] < FEWEST_LAUNCHES or list(self.looks) != sorted(set(self.looks)):
            raise UsageError(f"looks {list(self.looks)} must rise and begin at {FEWEST_LAUNCHES} launches or more")
        if self.confirm and self.confirm < FEWEST_LAUNCHES:
            raise UsageError(f"confirm {self.confirm} must be 0 or at least {FEWEST_LAUNCHES} launches")
        if not self.rules:
            raise UsageError("a policy needs at least one rule")
        if not self.budget_s > 0:
            raise UsageError(f"budget_s {self.budget_s} must be above 0")


@dataclass(frozen=True)
class Decision:
    """One metric of one cell. change, low, high: relative, positive is worse; low at the level of the whole gate, high
    at that of beta; None where nothing supports them. p: of a change above the tolerance, for display. detectable: the
    smallest change that this many launches would have found, and the fresh ones confirmed, in 95 of 100 gates; None
    where there is none below +1000 %. reason: one sentence.

    confirmed: None where no confirmation was asked. tail_only: the median is unmoved and the tail is not.
    """

    cell: str
    metric: str
    outcome: Outcome
    n: int
    reason: str
    change: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    detectable: float | None = None
    baseline: float | None = None
    candidate: float | None = None
    confirmed: bool | None = None
    tail_only: bool = False
    effects: tuple[float, ...] = ()


@dataclass(frozen=True)
class GateResult:
    """A gate run. `conditions`: what differs between the two sides; `facts`: machine, versions, seed, order of blocks,
    seconds taken; notes: sentences for people."""

    design: Design
    outcome: Outcome
    reason: str
    baseline: str
    candidate: str
    decisions: tuple[Decision, ...]
    conditions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """A metric of one cell in two runs: ratio candidate over baseline with its 95 % interval, and what it amounts to
    against the margin (relative). missing: why there is none."""

    cell: str
    metric: str
    side: Side
    margin: float
    baseline: float | None = None
    candidate: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    method: str = ""
    missing: str = ""


def gravest(outcomes: Iterable[Outcome]) -> Outcome:
    """The outcome of a whole: its gravest part's. Of nothing: invalid, as nothing was judged."""
    present = set(outcomes)
    return next((one for one in GRAVITY if one in present), "invalid")
