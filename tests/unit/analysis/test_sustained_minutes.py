"""Latency by the minute, and the first mark of throttling: numbers that are known by the minute."""

from __future__ import annotations

import numpy as np
import pytest

from harness.analysis.sustained import steady_length_s, sustained
from harness.model.trial import Channel, Phases, Samples, Trace
from tests.support.host_side import column, trial

BEGIN = 100.0


def launch(minutes, every_s: float = 1.0, traces=()):
    """One inference a second, of as many milliseconds as its minute says; the last one ends the last minute."""
    count = round(60 * len(minutes) / every_s)
    starts = BEGIN + every_s * np.arange(count)
    durations = np.repeat(np.asarray(minutes) * 1e-3, round(60 / every_s))
    durations[-1] = every_s
    end = starts[-1] + durations[-1]
    return trial(
        samples=Samples(column(starts), column(durations), column(np.zeros(count))),
        phases=Phases(steady_start_s=BEGIN, steady_end_s=float(end)),
        traces=tuple(traces),
    )


def marks(values, unit: str = "flag", name: str = "throttled_now"):
    """A reading every 10 s, from 10 s before the steady part on."""
    times = BEGIN - 10 + 10.0 * np.arange(len(values))
    return Trace(Channel("throttle", name, unit, "gauge", "machine", "firmware"), column(times), column(values))


def test_the_medians_of_minutes_and_what_is_kept_of_the_speed() -> None:
    found = sustained(launch([2.0, 2.5, 4.0, 4.0]))
    assert found.p50_s == pytest.approx((0.002, 0.0025, 0.004, 0.004))
    assert found.speed_kept == pytest.approx(0.5)
    assert found.level
    assert not sustained(launch([2.0, 4.0])).level


def test_a_part_of_a_minute_is_none() -> None:
    """Three minutes less the last second of one are two; one and a part is too little to say anything."""
    whole = launch([2.0, 2.0, 9.0])
    shorter = Samples(*(column(list(values)[:-1]) for values in (whole.samples.start_s, whole.samples.duration_s)))
    cut = trial(samples=shorter, phases=whole.phases)
    assert steady_length_s(cut) == pytest.approx(178.009)
    assert sustained(cut).p50_s == pytest.approx((0.002, 0.002))
    assert sustained(launch([2.0])) is None
    assert sustained(trial()) is None


def test_a_minute_without_an_inference_has_no_median() -> None:
    starts = [BEGIN, BEGIN + 1, BEGIN + 130]
    samples = Samples(column(starts), column([0.1, 129.0, 55.0]), column([0, 0, 0]))
    assert sustained(trial(samples=samples)) is None


@pytest.mark.parametrize(
    ("trace", "moment"),
    [
        (marks([0, 0, 0, 1, 1, 0]), 20.0),
        (marks([1, 0, 0, 0]), None),  # before the steady part alone
        (marks([3, 3, 3, 3, 5, 5], "event"), 30.0),  # a count that stood at 3
        (marks([1, 1, 1, 1], name="throttled_since_boot"), None),  # a latch that was set before
        (marks([0, 0, 1, 1], name="throttled_since_boot"), 10.0),
        (marks([0, float("nan"), 1], "flag"), 10.0),
    ],
)
def test_the_first_mark_counts_from_the_steady_part_on(trace, moment) -> None:
    found = sustained(launch([2.0, 2.0], traces=[trace]))
    assert (found.throttled_s, found.watched) == (moment, True)


def test_the_earliest_of_several_marks_and_none_where_none_is_read() -> None:
    traces = [marks([0, 0, 0, 0, 1]), marks([0, 0, 1], "event", "throttled_count"), marks([1, 1, 1], "1", "throttled")]
    assert sustained(launch([2.0, 2.0], traces=traces)).throttled_s == 10.0
    other = sustained(launch([2.0, 2.0], traces=[marks([1, 1, 1], name="under_voltage_now")]))
    assert (other.throttled_s, other.watched) == (None, False)
