"""The bars of the intervals, of the stop rule and of the checks, with fewer trials than tests.study.intervals has.

The bar is widened by two standard errors of the simulation; what fails it must be far off, as the last test shows.
"""

from __future__ import annotations

import numpy as np
import pytest

from harness.analysis import stats
from tests.study import intervals

LINES = intervals.study(quick=True)


@pytest.mark.parametrize("line", LINES, ids=lambda line: f"{line.bar}: {line.case}")
def test_the_bar_is_reached(line: intervals.Line) -> None:
    assert line.reached, f"{line.share:.1%} is not within {line.low:.0%} to {line.high:.0%}"


def test_every_bar_is_there() -> None:
    assert {line.bar for line in LINES} == {
        "interval", "5 stop rule", "7 drift seen", "7 drift, false", "two modes, false", "two modes seen", "8 warm-up",
        "ratio",
    }  # fmt: skip


def test_an_interval_of_one_process_would_fail_the_bar() -> None:
    """Order statistics of the 600 inferences of one launch, as if they were independent, cover far less."""
    generator = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        level = np.exp(intervals.LAUNCH_SIGMA * generator.standard_normal())
        times = level * intervals.normal_tail(intervals.correlated(generator, 0.5, 1, intervals.INFERENCES)[0])
        low, high = stats.order_interval(times.tolist()) or (0.0, 0.0)
        covered += low <= 1e-3 <= high
    assert not intervals.Line("interval", "one process", covered / 200, 0.93, 0.97, 200).reached
    assert covered / 200 < 0.5


def test_the_table_says_what_was_not_reached() -> None:
    missed = intervals.Line("interval", "made up", 0.5, 0.93, 0.97, 100)
    assert intervals.table([missed]).splitlines()[-1] == "| interval | made up | 50.0 % +- 5.0 | 93-97 % | NO |"
