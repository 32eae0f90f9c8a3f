"""The stop rule: when it stops, for which reason, and how many launches it asks for."""

from __future__ import annotations

import math

import pytest

from harness.analysis.stopping import LOOKS, Progress, Target, decide, relative_half_width
from harness.errors import UsageError

NARROW = [1.0, 1.001, 1.002, 1.003, 1.004, 1.005]
WIDE = [1.0, 1.01, 1.02, 1.03, 1.04, 1.05]


def progress(values: list[float], duration_s: float = 10.0, count: int = 5000, elapsed_s: float = 12.0) -> Progress:
    return Progress(values, duration_s, count, elapsed_s)


def test_the_width_is_half_the_interval_over_the_median() -> None:
    assert relative_half_width(WIDE) == pytest.approx(0.025 / 1.025)
    assert relative_half_width(WIDE[:5]) is None


def test_it_stops_at_a_look_where_the_interval_is_narrow() -> None:
    found = decide(progress(NARROW))
    assert (found.stop, found.more, found.reached) == (True, 0, True)
    assert found.relative == pytest.approx(0.0025 / 1.0025)
    assert found.reason == "after 6 launches the interval is +-0.25 %, within the 1 % asked"


def test_it_goes_on_to_the_next_look_where_it_is_not() -> None:
    found = decide(progress(WIDE))
    assert (found.stop, found.more, found.reached) == (False, 2, False)
    assert found.reason == "the interval is +-2.4 %, not the 1 % asked; 2 more"


@pytest.mark.parametrize(("count", "more"), [(0, 6), (1, 5), (5, 1), (6, 2), (7, 1), (8, 2), (16, 4), (20, 5), (25, 5)])
def test_launches_to_the_next_look(count: int, more: int) -> None:
    values = (WIDE * 5)[:count]
    assert decide(progress(values, elapsed_s=float(count))).more == more


def test_a_first_narrow_interval_is_looked_at_again_unless_it_is_a_third_as_wide() -> None:
    """0.75 % once is not enough; at the next look it is. A wide look in between begins anew."""
    once = [1.0, 1.003, 1.006, 1.009, 1.012, 1.015]
    found = decide(progress(once))
    assert (found.more, found.reached) == (2, True)
    assert found.reason == "the interval is +-0.74 %, within the 1 % asked at one look so far; 2 more"
    assert decide(progress([*once, 1.007, 1.008])).stop
    wider = decide(progress([*once, 0.98, 1.03]))
    assert (wider.stop, wider.reached) == (False, False)
    assert decide(progress([0.98, 1.03, *once])).more == 2  # narrow now would not be enough: it is wide
    assert decide(progress([0.98, 1.03, *once, 1.007, 1.008])).more == 2  # narrow for the first time


def test_between_looks_it_never_stops_however_narrow() -> None:
    assert decide(progress([*NARROW, 1.0025])).more == 1


def test_after_the_last_look_it_stops_and_says_the_width_reached() -> None:
    found = decide(progress(WIDE * 5))
    assert (found.stop, found.reached) == (True, False)
    assert found.reason == "the last look, at 30 launches, is past: the interval is +-1.5 %, not the 1 % asked"
    assert decide(progress([1.0, 1.5] * 15)).reason.endswith("the interval is +-20 %, not the 1 % asked")


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (Target(least_launches=10), "10 launches at the least"),
        (Target(least_duration_s=20.0), "20 s measured at the least"),
        (Target(least_count=9000), "9000 inferences at the least"),
    ],
)
def test_a_minimum_that_is_not_met_keeps_it_going(target: Target, words: str) -> None:
    found = decide(progress(NARROW), target)
    assert (found.more, found.reached) == (2, True)
    assert words in found.reason


def test_the_budget_is_hard() -> None:
    """2 s a launch: of 15 s, 12 are spent, so one more fits; of 13.9 none."""
    one = decide(progress(WIDE), Target(budget_s=15.0))
    assert (one.stop, one.more) == (False, 1)
    none = decide(progress(WIDE), Target(budget_s=13.9))
    assert (none.stop, none.reached) == (True, False)
    assert none.reason == (
        "12 of 13.9 s are spent after 6 launches and no other fits: the interval is +-2.4 %, not the 1 % asked"
    )


def test_a_budget_that_ends_before_six_launches_says_that_there_is_no_interval() -> None:
    found = decide(progress(WIDE[:3], elapsed_s=9.0), Target(budget_s=10.0))
    assert found.stop
    assert found.relative is None
    assert "there is no interval under 6 launches" in found.reason


def test_a_narrow_interval_that_the_budget_cut_short_of_a_minimum_says_both() -> None:
    found = decide(progress(NARROW), Target(least_count=9000, budget_s=12.0))
    assert found.stop
    assert found.reached
    assert "9000 inferences at the least were asked" in found.reason


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_what_is_no_latency_is_refused(value: float) -> None:
    with pytest.raises(UsageError, match="launch 2 gave"):
        decide(progress([1.0, 1.0, value]))


@pytest.mark.parametrize(
    "changes", [{"relative": 0.0}, {"relative": math.nan}, {"budget_s": -1.0}, {"looks": ()}, {"looks": (8, 6)}]
)
def test_a_target_that_cannot_be_is_refused(changes: dict) -> None:
    with pytest.raises(UsageError):
        Target(**changes)


def test_the_looks_are_those_of_the_method() -> None:
    assert LOOKS == (6, 8, 10, 12, 16, 20, 25, 30)
