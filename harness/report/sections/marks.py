"""What happened when, on the run's axis: idle, warm-up and steady part of every trial, and what held a processor back.

Which channels tell of throttling, low supply and capped clocks is harness.analysis.throttle_checks' to know; here they
become spans of time, with words for what was read and never fired, and for what was not read at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from harness.analysis.throttle_checks import LATCHED, POWER_CAP, UNITS
from harness.analysis.totals import name_of
from harness.analysis.traces import known, steady_window
from harness.model.trial import Trace, Trial
from harness.report.plots import NEUTRAL
from harness.report.sections.panels import Placed, reason_for
from harness.report.thinning import Span, merged

# Two marks nearer than this share of the axis would be one on a screen.
APART = 1 / 400


@dataclass(frozen=True)
class Lane:
    """One row of spans, in s on the run's axis. tinted: those that are drawn through every strip as well."""

    name: str
    colour: str
    spans: tuple[Span, ...]
    tinted: tuple[Span, ...] = ()


@dataclass(frozen=True)
class Marks:
    """lanes: those that hold a span, the phases first. notes: sentences. by_trial: words for each trial by id, of those
    in which something fired."""

    lanes: tuple[Lane, ...]
    notes: tuple[str, ...]
    by_trial: Mapping[str, str]


@dataclass(frozen=True)
class _Family:
    """Channels of one kind of mark: their names begin with `prefix`; GPU power limits are a family of their own."""

    name: str
    prefix: str
    colour: str
    power_cap: bool = False

    def takes(self, trace: Trace) -> bool:
        channel = trace.channel
        its_own = channel.name.endswith(POWER_CAP) == self.power_cap
        return channel.unit in UNITS and channel.name.startswith(self.prefix) and its_own


@dataclass(frozen=True)
class _Fired:
    """A span of one channel in one trial. steady: it reaches into the steady part; standing: a limit that was in force
    from the trial's first reading to its last, as a power mode's is."""

    channel: str
    trial: Trial
    span: Span
    steady: bool
    standing: bool


FAMILIES = (
    _Family("throttled", "throttled", "#D55E00"),
    _Family("under-voltage", "under_voltage", "#CC79A7"),
    _Family("clock capped", "frequency_capped", "#E69F00"),
    _Family("power limit", "frequency_capped", "#56B4E9", power_cap=True),
)
_MEANING = {
    "throttled": "throttling",
    "under-voltage": "under-voltage",
    "clock capped": "capped clocks",
    "power limit": "a GPU at its power limit",
}


def marks(placed: Sequence[Placed], length_s: float, facts: Mapping[str, object]) -> Marks:
    """Over an axis of that length. `facts` may say why throttling could not be read."""
    apart_s = length_s * APART
    lanes = [Lane(name, NEUTRAL, merged(spans, apart_s)) for name, spans in _phases(placed) if spans]
    notes, unseen, unread = [], [], []
    words: dict[str, list[str]] = {}
    for family in FAMILIES:
        fired = [one for place in placed for one in _fired(family, place)]
        if fired:
            tinted = merged((one.span for one in fired if not one.standing), apart_s)
            lanes.append(Lane(family.name, family.colour, merged((one.span for one in fired), apart_s), tinted))
            notes.append(_told(family, fired, len(placed)))
            _note_trials(words, family, fired)
        elif _read(family, placed):
            unseen.append(f"{_MEANING[family.name]} ({_read(family, placed)})")
        elif not family.power_cap:  # of GPUs alone
            unread.append(_MEANING[family.name])
    if unseen:
        notes.append(f"Read and never seen: {'; '.join(unseen)}.")
    if unread:
        reason = reason_for("throttle", facts) or "no channel of it; the record gives no reason"
        notes.append(f"Not read, so it may have happened: {', '.join(unread)} ({reason}).")
    return Marks(tuple(lanes), tuple(notes), {key: "; ".join(said) for key, said in words.items()})


def timed_span(trial: Trial) -> Span | None:
    """The steady part as recorded, else from the first timed inference to the last; None without any."""
    window = steady_window(trial)
    if window is not None or not len(trial.samples):
        return window
    start = trial.samples.start_s
    return start[0], start[-1]


def _phases(placed: Sequence[Placed]) -> tuple[tuple[str, list[Span]], ...]:
    idle: list[Span] = []
    warm_up: list[Span] = []
    steady: list[Span] = []
    for one in placed:
        phases, warm = one.trial.phases, one.trial.warm_up
        for begin, end in (
            (phases.idle_before_start_s, phases.idle_before_end_s),
            (phases.idle_after_start_s, phases.idle_after_end_s),
        ):
            if begin is not None and end is not None:
                idle.append((begin + one.shift_s, end + one.shift_s))
        if len(warm):
            warm_up.append((warm.start_s[0] + one.shift_s, warm.start_s[-1] + warm.duration_s[-1] + one.shift_s))
        timed = timed_span(one.trial)
        if timed is not None:
            steady.append((timed[0] + one.shift_s, timed[1] + one.shift_s))
    return ("idle", idle), ("warm-up", warm_up), ("steady part", steady)


def _fired(family: _Family, one: Placed) -> Iterator[_Fired]:
    timed = timed_span(one.trial)
    for trace in one.trial.traces:
        if not family.takes(trace):
            continue
        spans, standing = _spans(trace)
        for begin, end in spans:
            steady = timed is not None and begin <= timed[1] and end >= timed[0]
            yield _Fired(name_of(trace), one.trial, (begin + one.shift_s, end + one.shift_s), steady, standing)


def _spans(trace: Trace) -> tuple[list[Span], bool]:
    """Of a flag, from the first reading that is up to the next that is not; of a counter or a latch, between the two
    readings in which it rose. And whether it is a limit that stood all the time (the firmware's never is: it was set by
    heat or supply)."""
    time, value = known(trace)
    if trace.channel.unit == "event" or trace.channel.name.endswith(LATCHED):
        rose = np.flatnonzero(np.diff(value) > 0).tolist()
        return [(float(time[index]), float(time[index + 1])) for index in rose], False
    up = value > 0
    if not up.any():
        return [], False
    capped = trace.channel.name.startswith("frequency_capped") and trace.channel.provenance != "firmware"
    edges = [0, *(np.flatnonzero(np.diff(up)) + 1).tolist(), len(up)]
    last = len(time) - 1
    runs = [(begin, end) for begin, end in pairwise(edges) if up[begin]]
    return [(float(time[begin]), float(time[min(end, last)])) for begin, end in runs], capped and bool(up.all())


def _told(family: _Family, fired: Sequence[_Fired], trials: int) -> str:
    by_channel: dict[str, list[_Fired]] = {}
    for one in fired:
        by_channel.setdefault(one.channel, []).append(one)
    told = []
    for channel, ones in sorted(by_channel.items()):
        seen = len({one.trial.id for one in ones})
        steady = len({one.trial.id for one in ones if one.steady})
        standing = ", all the time" if all(one.standing for one in ones) else ""
        told.append(f"{channel} in {seen} of {trials} trials, in the steady part of {steady}{standing}")
    return f"{family.name.capitalize()}: {'; '.join(told)}."


def _note_trials(words: dict[str, list[str]], family: _Family, fired: Sequence[_Fired]) -> None:
    steady: dict[str, bool] = {}
    for one in fired:
        steady[one.trial.id] = steady.get(one.trial.id, False) or one.steady
    for key, inside in steady.items():
        words.setdefault(key, []).append(family.name + ("" if inside else " outside the steady part"))


def _read(family: _Family, placed: Sequence[Placed]) -> str:
    """How many channels of a family were read; empty where none was."""
    names = {name_of(trace) for one in placed for trace in one.trial.traces if family.takes(trace)}
    if not names:
        return ""
    return next(iter(names)) if len(names) == 1 else f"{len(names)} channels"
