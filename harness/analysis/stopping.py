"""When one configuration has been measured often enough: launch values so far to "stop" or "so many more".

Pure; starts nothing. The interval is over launches (harness.analysis.stats.order_interval), as inferences of one
process say nothing of the next. Source: statistics.md, 4.3; its coverage: `python -m tests.study.intervals`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.analysis import stats
from harness.errors import UsageError

# Numbers of launches at which is looked: each is one more chance to stop on a narrow interval by luck, so few of them.
LOOKS = (6, 8, 10, 12, 16, 20, 25, 30)
# To stop at the first narrow interval favours those that are narrow by luck: 94.0 % of them held the long-run median
# where launches differ by 2 %, the worst case. Two looks running, or one at a third of the target, make it 95.0 %
# there (222,000 synthetic runs) and up to 98 % where launches differ less.
AT_ONCE = 1 / 3


@dataclass(frozen=True)
class Target:
    """relative: half the 95 % interval over the estimate. All of the minima must be met before it stops early; the
    budget, s of wall time, is hard: no launch is started that would not end within it."""

    relative: float = 0.01
    least_launches: int = LOOKS[0]
    least_duration_s: float = 0.0
    least_count: int = 0
    budget_s: float = 300.0
    looks: tuple[int, ...] = LOOKS

    def __post_init__(self) -> None:
        if not (0 < self.relative < math.inf and 0 < self.budget_s < math.inf):
            raise UsageError(f"target {self.relative} and budget {self.budget_s} s must be numbers above 0")
        if not self.looks or list(self.looks) != sorted(set(self.looks)) or self.looks[0] < 1:
            raise UsageError(f"looks {self.looks} must be numbers of launches that rise, such as {LOOKS}")


@dataclass(frozen=True)
class Progress:
    """What was measured so far. values: the target statistic per launch; duration_s, count: of the steady parts of all
    launches; elapsed_s: wall time since the first launch was started."""

    values: Sequence[float]
    duration_s: float
    count: int
    elapsed_s: float


@dataclass(frozen=True)
class Decision:
    """more: launches to start before it is looked at again, 0 to stop. reached: whether the interval is as narrow as
    asked. relative: half its width over the estimate, None where there is no interval. reason: one sentence."""

    more: int
    reached: bool
    relative: float | None
    reason: str

    @property
    def stop(self) -> bool:
        """Whether measuring ends here."""
        return self.more == 0


def decide(progress: Progress, target: Target = Target()) -> Decision:
    """Stop, or how many more launches. UsageError on values that no latency can have.

    Looks only at the planned numbers of launches: between them the answer is how many are missing to the next. Stops
    where the interval is as narrow as asked at this look and was at the one before, or a third as wide; `values` are in
    the order in which they were measured.
    """
    values = _checked(progress.values)
    count, width = len(values), relative_half_width(values)
    at_look = count in target.looks
    lacks = _lacks(progress, target)
    narrow = width is not None and width <= target.relative
    if at_look and not lacks and _is_sure(values, target):
        return Decision(
            0, True, width, f"after {count} launches {_told(width)}, within the {_percent(target.relative)} asked"
        )
    following = next((look for look in target.looks if look > count), None)
    if following is None:
        ended = f"the last look, at {target.looks[-1]} launches, is past"
        return Decision(0, narrow, width, f"{ended}: {_told(width)}{_against(narrow, target)}{_without(lacks)}")
    fitting = _fitting(progress, target)
    if fitting < 1:
        spent = (
            f"{progress.elapsed_s:.3g} of {target.budget_s:.3g} s are spent after {count} launches and no other fits"
        )
        return Decision(0, narrow, width, f"{spent}: {_told(width)}{_against(narrow, target)}{_without(lacks)}")
    more = min(following - count, fitting)
    why = f"{count} of {following} launches"
    if at_look:
        once = f", within the {_percent(target.relative)} asked at one look so far" if narrow and not lacks else ""
        why = _told(width) + _against(narrow, target) + once
    return Decision(more, narrow, width, f"{why}{_without(lacks)}; {more} more")


def relative_half_width(values: Sequence[float]) -> float | None:
    """Half the 95 % interval of the median over launches, over that median; None under 6 launches."""
    interval = stats.order_interval(values)
    return None if interval is None else (interval[1] - interval[0]) / 2 / float(np.median(values))


def _is_sure(values: Sequence[float], target: Target) -> bool:
    width = relative_half_width(values)
    before = [relative_half_width(values[:look]) for look in target.looks if look < len(values)][-1:]
    if width is None or width > target.relative:
        return False
    return width <= AT_ONCE * target.relative or any(one is not None and one <= target.relative for one in before)


def _checked(values: Sequence[float]) -> list[float]:
    for number, value in enumerate(values):
        if not (math.isfinite(value) and value > 0):
            raise UsageError(f"launch {number} gave {value}, which is no latency; leave a failed launch out")
    return list(values)


def _lacks(progress: Progress, target: Target) -> str:
    """Which of the minima is not met; empty where all are."""
    if len(progress.values) < target.least_launches:
        return f"{target.least_launches} launches at the least"
    if progress.duration_s < target.least_duration_s:
        return f"{target.least_duration_s:g} s measured at the least"
    if progress.count < target.least_count:
        return f"{target.least_count} inferences at the least"
    return ""


def _fitting(progress: Progress, target: Target) -> int:
    """Launches that end within the budget if each takes as long as they did so far; one, before the first was run."""
    left_s = target.budget_s - progress.elapsed_s
    if not len(progress.values) or progress.elapsed_s <= 0:
        return target.looks[0] if left_s > 0 else 0
    return max(0, math.floor(left_s / (progress.elapsed_s / len(progress.values)) + 1e-9))


def _told(width: float | None) -> str:
    return "there is no interval under 6 launches" if width is None else f"the interval is +-{_percent(width)}"


def _against(narrow: bool, target: Target) -> str:
    return "" if narrow else f", not the {_percent(target.relative)} asked"


def _without(lacks: str) -> str:
    return f", and {lacks} were asked" if lacks else ""


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"
