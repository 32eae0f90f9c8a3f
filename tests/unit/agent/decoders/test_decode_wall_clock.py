"""Stamps to seconds, against the calendar of the standard library that the agent does without."""

from __future__ import annotations

import datetime
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.agent.decoders.wall_clock import seconds

FIXED = settings(
    derandomize=True, database=None, deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow]
)


@FIXED
@given(st.datetimes(datetime.datetime(1970, 1, 1), datetime.datetime(9999, 12, 31)))
def test_every_moment_is_that_of_the_calendar(moment: datetime.datetime) -> None:
    at = moment.replace(microsecond=0)
    expected = at.replace(tzinfo=datetime.UTC).timestamp()
    assert seconds((at.year, at.month, at.day), (at.hour, at.minute, at.second)) == expected


def test_texts_fractions_and_zones() -> None:
    assert seconds(("1970", "01", "02"), ("00", "00", "01.25")) == 86401.25
    assert seconds(("1970", "01", "02"), ("02", "00", "00"), ahead_s=7200.0) == 86400.0


@pytest.mark.parametrize(
    ("date", "time_of_day"),
    [
        ((2025, 2, 29), (0, 0, 0)),
        ((2100, 2, 29), (0, 0, 0)),
        ((2025, 4, 31), (0, 0, 0)),
        ((2025, 0, 1), (0, 0, 0)),
        ((2025, 13, 1), (0, 0, 0)),
        ((2025, 1, 0), (0, 0, 0)),
        ((1969, 12, 31), (0, 0, 0)),
        ((2025, 1, 1), (24, 0, 0)),
        ((2025, 1, 1), (0, 60, 0)),
        ((2025, 1, 1), (0, 0, 61)),
    ],
)
def test_what_no_calendar_holds_is_missing(date: tuple[int, ...], time_of_day: tuple[int, ...]) -> None:
    assert math.isnan(seconds(date, time_of_day))


@pytest.mark.parametrize("year", [2000, 2024])
def test_leap_days_are_there(year: int) -> None:
    assert seconds((year, 3, 1), (0, 0, 0)) - seconds((year, 2, 29), (0, 0, 0)) == 86400.0


def test_a_leap_second_is_the_next_one() -> None:
    assert seconds((2016, 12, 31), (23, 59, 60)) == seconds((2017, 1, 1), (0, 0, 0))
