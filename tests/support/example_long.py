"""Launches of several minutes, with a latency that is known by the minute and marks of throttling at a known moment.

One inference every half second stands for the many that a real launch would have; all times are on the trial's clock.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from harness.model.trial import Channel, Phases, Record, Samples, Trace, Trial
from harness.model.verdict import RunResult
from tests.support.example_run import example_run

EVERY_S = 0.5
# Milliseconds by the minute. fast slows down by a quarter and is overtaken by sketch, which does not.
MINUTES: dict[str, tuple[float, ...]] = {
    "fast": (1.0, 1.1, 1.2, 1.25, 1.25),
    "fast-int8": (0.3, 0.3, 0.3, 0.3, 0.3),
    "sketch": (1.1, 1.1, 1.1, 1.1, 1.1),
}
THROTTLED_S = 90.0
FLAG = Channel("throttle", "throttled_now", "flag", "gauge", "machine", "firmware")


def long_run(
    minutes: Mapping[str, Sequence[float]] = MINUTES, throttled: Sequence[str] = ("fast",), *, watched: bool = True
) -> tuple[RunResult, dict[str, Record]]:
    """example_run with these minutes in every launch. throttled: variants whose flag goes up THROTTLED_S into the
    steady part; watched: whether any flag was read."""
    result, records = example_run(tuple(minutes))
    found = {}
    for key, record in records.items():
        level, hot = minutes[record.case.variant], record.case.variant in throttled
        found[key] = Record(
            record.case, tuple(_long(trial, level, hot=hot, watched=watched) for trial in record.trials)
        )
    return result, found


def _long(trial: Trial, level: Sequence[float], *, hot: bool, watched: bool) -> Trial:
    begin = trial.samples.start_s[0]
    count = round(60 * len(level) / EVERY_S)
    starts = begin + EVERY_S * np.arange(count)
    durations = np.repeat(np.asarray(level) * 1e-3, round(60 / EVERY_S))
    # The last one ends the last minute.
    durations[-1] = EVERY_S
    end = float(starts[-1] + durations[-1])
    time = np.arange(begin - 1, end + 1, 1.0)
    flag = Trace(FLAG, array("d", time), array("d", np.where(hot & (time >= begin + THROTTLED_S), 1.0, 0.0)))
    kept = tuple(trace for trace in trial.traces if trace.channel.unit != "flag")
    return replace(
        trial,
        phases=Phases(steady_start_s=begin, steady_end_s=end),
        samples=Samples(array("d", starts), array("d", durations), array("d", np.zeros(count))),
        traces=(*kept, flag) if watched else kept,
    )
