"""The run as a Chrome trace, for ui.perfetto.dev or chrome://tracing: a slice per inference, counters beside them.

Format: "Trace Event Format" (Google, 2016), JSON object form; times are microseconds on the run's axis, on which trials
lie as in the page's timeline. Each case is a process, each of its trials a thread; the sensors are a process too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.model.trial import Channel, Phases, Record, Samples, Trial
from harness.model.verdict import RunResult
from harness.report.cases import Named, Shown, shown
from harness.report.names import printable
from harness.report.sections.timeline import good, layout
from harness.report.summary import suite_name
from harness.report.thinning import thinned

SCHEMA = "harness.trace/1"
# About 100 bytes each: what a browser still opens at once.
MOST_EVENTS = 200_000
SENSORS = 1
FIRST_CASE = 2
# Units that are shown as counters, and in what: the unit, and what an SI value is multiplied by.
COUNTERS: Mapping[str, tuple[str, float]] = {
    "W": ("W", 1.0), "J": ("W", 1.0), "degC": ("°C", 1.0), "Hz": ("MHz", 1e-6),
}  # fmt: skip

Event = dict[str, object]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Placed:
    """A trial on the run's axis. process, thread: its numbers in the trace; shift_s: what its clock is behind."""

    trial: Trial
    process: int
    thread: int
    shift_s: float


class PerfettoReporter:
    """Latency slices and counter tracks."""

    name = "perfetto"
    suffix = ".trace.json"

    def render(self, result: RunResult, records: Mapping[str, Record]) -> bytes:
        """ASCII, an event to a line."""
        run = shown(result, records)
        placed = place(run)
        each = most_each(placed)
        lines = [_json(event) for event in (*_names(run, placed), *_events(placed, each))]
        other = _json(_other(result, placed, each))
        text = f'{{"displayTimeUnit":"ms","otherData":{other},"traceEvents":[\n' + ",\n".join(lines) + "\n]}\n"
        return text.encode("ascii")


def place(run: Shown) -> tuple[Placed, ...]:
    """All timed trials that hold an inference, in the order in which they ran."""
    numbered = [
        (process, trial)
        for process, one in enumerate(run.cases, start=FIRST_CASE)
        for trial in (one.record.trials if one.record else ())
        if trial.mode == "performance" and len(trial.samples)
    ]
    numbered.sort(key=lambda pair: (pair[1].order, pair[1].started_utc, pair[1].id))
    shifts = layout([trial for _, trial in numbered])
    threads: dict[int, int] = {}
    found = []
    for (process, trial), shift in zip(numbered, shifts, strict=True):
        threads[process] = threads.get(process, 0) + 1
        found.append(Placed(trial, process, threads[process], shift))
    return tuple(found)


def most_each(placed: Sequence[Placed]) -> int | None:
    """Into how many spans of time each row of inferences or readings is cut; None: all of them fit."""
    rows = [len(one.trial.samples) + len(one.trial.warm_up) for one in placed]
    rows += [len(trace.time_s) for one in placed for trace in one.trial.traces if trace.channel.unit in COUNTERS]
    if sum(rows) <= MOST_EVENTS:
        return None
    return max(1, MOST_EVENTS // (2 * len(rows)))


def _names(run: Shown, placed: Sequence[Placed]) -> Iterator[Event]:
    """Processes and threads with what is to be known of each."""
    yield from _process(SENSORS, f"sensors of {printable(str(run.result.device.get('name', 'the board')))}", "")
    for process, one in enumerate(run.cases, start=FIRST_CASE):
        yield from _process(process, one.label, _said(one))
    for each in placed:
        trial = each.trial
        failed = "" if trial.status == "ok" else f", {trial.status}"
        name = f"launch {trial.launch} (trial {trial.order} of the run{failed})"
        yield {"ph": "M", "name": "thread_name", "pid": each.process, "tid": each.thread, "args": {"name": name}}


def _process(number: int, name: str, said: str) -> Iterator[Event]:
    yield {"ph": "M", "name": "process_name", "pid": number, "args": {"name": name}}
    yield {"ph": "M", "name": "process_sort_index", "pid": number, "args": {"sort_index": number}}
    if said:
        yield {"ph": "M", "name": "process_labels", "pid": number, "args": {"labels": said}}


def _said(one: Named) -> str:
    codes = ", ".join(dict.fromkeys(found.code for found in one.result.findings if found.severity != "note"))
    return printable(f"{one.result.verdict}: {codes}" if codes else one.result.verdict)


def _events(placed: Sequence[Placed], each: int | None) -> Iterator[Event]:
    for one in placed:
        yield from _idle(one)
        yield from _slices(one, one.trial.warm_up, "warm-up", each)
        yield from _slices(one, one.trial.samples, "inference", each)
        for trace in one.trial.traces:
            if trace.channel.unit in COUNTERS:
                time_s, value = readings(
                    trace.channel, np.asarray(trace.time_s, np.float64), np.asarray(trace.value, np.float64)
                )
                yield from _counter(one, trace.channel, _kept(time_s, value, each))


def _idle(one: Placed) -> Iterator[Event]:
    """The model is loaded and nothing is asked of it."""
    phases: Phases = one.trial.phases
    for begin, end in (
        (phases.idle_before_start_s, phases.idle_before_end_s),
        (phases.idle_after_start_s, phases.idle_after_end_s),
    ):
        # Where no sensor was read the axis begins with the warm-up, and a trace has no time before its axis.
        if begin is not None and end is not None and end > begin >= -one.shift_s:
            yield _slice(one, "idle", begin, end, {})


def _slices(one: Placed, samples: Samples, name: str, each: int | None) -> Iterator[Event]:
    start, duration = good(samples)
    index = np.arange(len(start)) if each is None or not len(start) else thinned(start, duration, each)
    for number in index.tolist():
        begin = float(start[number])
        yield _slice(one, name, begin, begin + float(duration[number]), {"number": number})


def _slice(one: Placed, name: str, begin_s: float, end_s: float, said: Event) -> Event:
    """Both ends are cut to whole nanoseconds alike, so that slices that follow one another never overlap."""
    begin, end = _nanoseconds(begin_s + one.shift_s), _nanoseconds(end_s + one.shift_s)
    event: Event = {"ph": "X", "cat": "latency", "name": name, "pid": one.process, "tid": one.thread}
    return event | {"ts": begin / 1e3, "dur": (end - begin) / 1e3} | ({"args": said} if said else {})


def readings(channel: Channel, time_s: Values, value: Values) -> tuple[Values, Values]:
    """Without failed ones, in the counter's unit. An energy counter becomes the mean power since the reading before it,
    at the time of that; where it falls, it has wrapped or was reset, and nothing is known."""
    keep = np.isfinite(value) & np.isfinite(time_s)
    time_s, value = time_s[keep], value[keep] * COUNTERS[channel.unit][1]
    if channel.unit != "J":
        return time_s, value
    apart, grown = np.diff(time_s), np.diff(value)
    rising = (apart > 0) & (grown >= 0)
    return time_s[:-1][rising], grown[rising] / apart[rising]


def _kept(time_s: Values, value: Values, each: int | None) -> tuple[Values, Values]:
    if each is None or not len(time_s):
        return time_s, value
    index = thinned(time_s, value, each)
    return time_s[index], value[index]


def _counter(one: Placed, channel: Channel, series: tuple[Values, Values]) -> Iterator[Event]:
    unit = COUNTERS[channel.unit][0]
    # Scope and provenance are part of the name, so that a modelled power is never taken for a measured one.
    name = printable(f"{channel.collector}:{channel.name}, {unit} ({channel.scope}, {channel.provenance})")
    for time_s, value in zip(series[0].tolist(), series[1].tolist(), strict=True):
        at = _nanoseconds(time_s + one.shift_s) / 1e3
        yield {
            "ph": "C",
            "cat": "sensors",
            "name": name,
            "pid": SENSORS,
            "ts": at,
            "args": {unit: float(f"{value:.9g}")},
        }


def _nanoseconds(seconds: float) -> int:
    return int(np.floor(seconds * 1e9))


def _other(result: RunResult, placed: Sequence[Placed], each: int | None) -> Event:
    rule = "none: every inference and every reading is here"
    if each is not None:
        rule = (
            f"over {MOST_EVENTS} events: each trial is cut into {each} equal spans of time, and of each span the "
            "fastest and the slowest inference are here, and the least and the greatest reading of every sensor"
        )
    return {
        "schema": SCHEMA,
        "run": str(result.run.get("id", "")),
        "suite": suite_name(result),
        "device": str(result.device.get("name", "")),
        "trials": len(placed),
        "axis": "trials follow one another as they ran, on the axis of the report's timeline: long waits are cut out",
        "thinning": rule,
        "counters": "a reading is drawn until the next one, also between trials, where nothing was read",
        **({} if placed else {"missing": "no trial's timed inferences are at hand"}),
    }


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
