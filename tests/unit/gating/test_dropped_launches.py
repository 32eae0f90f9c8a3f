"""Launches in which the machine was paused: dropped, repeated, and too many of them. On a desk that plays a list."""

from __future__ import annotations

from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness.gating import concluding, paired
from harness.gating.desk import Budget
from harness.gating.launches import Paused
from tests.support import fake_launches

LAUNCH = fake_launches.launch(np.random.default_rng(0), blocks=4, size=4)


class Played:
    """What paired asks of a desk, from a list: "." is a launch, a number a pause of so many seconds."""

    def __init__(self, told: list[Any]) -> None:
        self.told, self.chance, self.longest_s = list(told), Random(0), 0.0
        self.played: dict[str, list[Any]] = {"a": []}
        self.dropped: dict[str, list[Paused]] = {}

    def launch(self, pair: Any) -> Any:
        one = self.told.pop(0)
        if one == ".":
            self.played[pair.name].append(None)
            return LAUNCH
        self.dropped.setdefault(pair.name, []).append(Paused(one))
        return self.dropped[pair.name][-1]


def measured(told: list[Any], *wanted: int, seconds: float = 300.0) -> tuple[paired.Measured, Played, str]:
    """One cell, look by look."""
    desk = Played(told)
    found = paired.Measured(Path(), "run", dropped=desk.dropped)
    budget = Budget(seconds, 0.0, lambda: float(len(told) - len(desk.told)))
    work: Any = SimpleNamespace(pairs=(SimpleNamespace(name="a"),), budget=budget)
    stopped = ""
    for count in wanted:
        _, stopped = paired._measured(found, desk, work, {"a": count})
    return found, desk, stopped


def test_one_of_seven_is_dropped_and_repeated() -> None:
    found, desk, stopped = measured([".", 10.1, *"....."], 6)
    assert (len(found.launches["a"]), len(desk.dropped["a"]), found.broken, stopped) == (6, 1, {}, "")
    assert desk.told == []


@pytest.mark.parametrize(("told", "count"), [([10.1, 0.2, *"......"], 8), ([*".....", -5.0, 0.2, "."], 8)])
def test_two_of_eight_are_too_many(told: list[Any], count: int) -> None:
    found, desk, _ = measured(told, 6)
    assert found.broken["a"].startswith(f"the machine was paused in 2 of {count} launches, or its wall clock was set")
    assert desk.told  # and nothing more was measured


def test_two_of_twelve_are_not() -> None:
    found, _, _ = measured([10.1, *"......", 0.2, *"...."], 6, 4)
    assert (len(found.launches["a"]), found.broken) == (10, {})


def test_a_repetition_is_within_the_budget() -> None:
    found, _, stopped = measured([*".....", 10.1, "."], 6, seconds=6.0)
    assert (len(found.launches["a"]), stopped) == (5, "the budget of 6 s was spent")


def test_the_note_says_how_many_and_the_largest_jump() -> None:
    assert concluding._dropped([Paused(0.2), Paused(-5.0)]) == (
        "2 launches were dropped and repeated: the wall clock jumped by -5 s against the one that times, so the "
        "machine was paused or its clock set"
    )
    assert concluding._dropped([Paused(10.1)]).startswith(
        "1 launch was dropped and repeated: the wall clock jumped by +10"
    )
