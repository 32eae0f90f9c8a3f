"""Logs of other tools attached to a stored run: kept beside its trials, and laid on each trial's clock when it is read.

The log's own clock is wall time. Each trial knows what wall time its board had (`epoch_minus_clock_s`), so a log finds
its place in every one of them; `clock_offset_s` is what the log's clock lacked to the board's.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from harness.errors import UnknownName, UsageError
from harness.logs.attach import COLLECTORS, placed, power_traces
from harness.logs.reading import read
from harness.model.codec import Json
from harness.model.device import Device
from harness.model.power import LEAST_COVERAGE, PowerTotal, Scope
from harness.model.trial import Trace, Trial
from harness.options import PowerLog
from harness.store import store
from harness.store.store import StoredRun

_REMEDY = (
    "Stamps without a zone are read as UTC: give what the log's clock lacks to the board's as --clock-offset SECONDS, "
    "or name the run that it belongs to"
)


@dataclass(frozen=True)
class _Laid:
    """One log, its traces on its own clock (seconds since 1970), and which of them are totals of the device."""

    wanted: PowerLog
    traces: tuple[Trace, ...]
    totals: tuple[Trace, ...]

    @property
    def collector(self) -> str:
        """The one that would have read the same."""
        return COLLECTORS[self.wanted.kind]

    @property
    def span_s(self) -> tuple[float, float]:
        """First and last reading on the board's wall clock."""
        moved_s = self.wanted.clock_offset_s
        return min(one.time_s[0] for one in self.traces) + moved_s, max(one.time_s[-1] for one in self.traces) + moved_s


def attach(folder: Path, wanted: PowerLog) -> str:
    """Keep a log with the run in `folder`; returns what it covers, in words.

    UsageError, and nothing is kept, where it cannot be read, covers no timed launch of the run, does not say which
    channel is the total, or tells of a launch what is known already.
    """
    log = _laid(wanted)
    if not wanted.path.is_file():
        raise UsageError(f"{wanted.path} is a pipe, which cannot be kept with the run: name a file")
    stored, own_name = store.read(folder), store.attached_name(wanted.path)
    # The same file once more replaces what was said of it.
    others = [one for one in _kept(folder) if one.wanted.path.name != own_name]
    _all_laid(stored, [*others, log])
    covered, said = _coverage(stored.trials, log, str(wanted.path))
    if not covered:
        raise UsageError(said)
    facts: dict[str, Json] = {"kind": wanted.kind, "clock_offset_s": wanted.clock_offset_s}
    store.attach(folder, wanted.path, {**facts, "scope": wanted.scope, "channel": wanted.channel})
    return said


def with_attached(stored: StoredRun) -> tuple[StoredRun, tuple[str, ...]]:
    """The run with the traces of all its logs in its trials and with their totals before its device's; and a note for
    each log that does not cover all timed launches."""
    logs = _kept(stored.folder)
    found = [_coverage(stored.trials, log, log.wanted.path.name) for log in logs]
    timed = len(_timed(stored.trials))
    return _all_laid(stored, logs), tuple(said for covered, said in found if covered < timed or not timed)


def _kept(folder: Path) -> list[_Laid]:
    return [
        _laid(
            PowerLog(path, str(facts["kind"]), float(facts["clock_offset_s"]), facts.get("scope"), facts.get("channel"))
        )
        for path, facts in store.attached(folder)
    ]


def _laid(wanted: PowerLog) -> _Laid:
    """Converted once, whatever the number of trials; a trial then takes a slice."""
    traces = power_traces(read(wanted.kind, wanted.path), 0.0)
    chosen = {trace.channel.name for trace in _totals(wanted, traces)}
    if COLLECTORS[wanted.kind] == "meter":  # what else a meter saw is another circuit
        traces = tuple(trace for trace in traces if trace.channel.name in chosen)
    traces = tuple(_scoped(trace, wanted) if trace.channel.name in chosen else trace for trace in traces)
    return _Laid(wanted, traces, tuple(trace for trace in traces if trace.channel.name in chosen))


def _totals(wanted: PowerLog, traces: Sequence[Trace]) -> Sequence[Trace]:
    """Which channels are the device's total: the one that was named; else all of a meter with one circuit. Of other
    logs the device's file says it."""
    by_name = {trace.channel.name: trace for trace in traces}
    listed = ", ".join(by_name)
    if wanted.channel is not None:
        named = by_name.get(wanted.channel)
        if named is None:
            raise UnknownName(f"channel of power or energy in {wanted.path}", wanted.channel, by_name)
        if named.channel.scope == "rail" and wanted.scope is None:
            raise UsageError(
                f"{wanted.path}: {wanted.channel} is a rail: say what it covers as a total with --power-scope"
            )
        return [named]
    if COLLECTORS[wanted.kind] != "meter":
        if wanted.scope is not None:
            raise UsageError(f"{wanted.path}: of {listed}, --power-scope is of one: name it with --power-channel NAME")
        return []
    circuits = {re.sub(r"_(power|energy)(?=#|$)", "", name) for name in by_name}
    if len(circuits) > 1:
        raise UsageError(
            f"{wanted.path} holds {listed}, and one of them is the device's total: name it with --power-channel NAME"
        )
    return traces


def _scoped(trace: Trace, wanted: PowerLog) -> Trace:
    scope = wanted.scope or trace.channel.scope
    return dataclasses.replace(trace, channel=dataclasses.replace(trace.channel, scope=scope))


def _all_laid(stored: StoredRun, logs: Sequence[_Laid]) -> StoredRun:
    _refuse_two_places(logs)
    trials, device = list(stored.trials), stored.run.device
    sources: dict[tuple[int, str], _Laid] = {}
    for log in logs:
        for place, trial in enumerate(trials):
            found = _traces_of(trial, log)
            if found:
                _refuse_twice(trial, log, sources.get((place, log.collector)))
                sources[place, log.collector] = log
                trials[place] = dataclasses.replace(trial, traces=trial.traces + found)
        device = _with_totals(device, log)
    run = dataclasses.replace(stored.run, device=device)
    return dataclasses.replace(stored, run=run, trials=tuple(trials))


def _traces_of(trial: Trial, log: _Laid) -> tuple[Trace, ...]:
    phases, epoch_s = trial.phases, _epoch_s(trial)
    if epoch_s is None or phases.steady_start_s is None or phases.steady_end_s is None:
        return ()
    begin_s = phases.steady_start_s if phases.idle_before_start_s is None else phases.idle_before_start_s
    end_s = phases.steady_end_s if phases.idle_after_end_s is None else phases.idle_after_end_s
    found = (placed(trace, log.wanted.clock_offset_s - epoch_s, begin_s, end_s) for trace in log.traces)
    # One reading on either side lies outside: what is left without any inside says nothing of this trial.
    return tuple(trace for trace in found if any(begin_s <= time <= end_s for time in trace.time_s))


def _epoch_s(trial: Trial) -> float | None:
    """Wall time minus the trial's clock, where it knew both."""
    behind = trial.environment.facts.get("epoch_minus_clock_s")
    return None if behind is None else float(behind)


def _refuse_twice(trial: Trial, log: _Laid, other: _Laid | None) -> None:
    """Two records of one quantity would not say which of them a figure is from."""
    path, collector = log.wanted.path, log.collector
    if other is not None:
        kept = other.wanted.path
        raise UsageError(
            f"{path}: {kept} holds {collector} of the same launch already, and a figure must be of one of them: "
            f"remove {kept} and {kept}.json, or cut the logs so that no launch is in both"
        )
    if any(one.channel.collector == collector and one.channel.unit in ("W", "J") for one in trial.traces):
        raise UsageError(
            f"{path}: {collector} was read in this run already; a second record of it would not say which one a figure "
            "is from: leave the log out"
        )


def _refuse_two_places(logs: Sequence[_Laid]) -> None:
    """A total has one scope, whichever launch it is of."""
    first: dict[str, tuple[Path, str]] = {}
    for log in logs:
        for trace in log.totals:
            name, scope = f"{log.collector}:{trace.channel.name}", trace.channel.scope
            path, known = first.setdefault(name, (log.wanted.path, scope))
            if scope != known:
                raise UsageError(
                    f"{log.wanted.path} says that {name} is read at the {scope}, {path} at the {known}: attach both "
                    f"with the same --power-scope, or remove {path} and {path}.json"
                )


def _with_totals(device: Device, log: _Laid) -> Device:
    """What was attached comes first among the totals: it is there to be used, and a meter sees what no rail does."""
    own = f"from the log {log.wanted.path.name}, whose clock was set by {log.wanted.clock_offset_s:+g} s"
    totals, added = {one.channels: one for one in device.power.totals}, {}
    for trace in log.totals:
        channels = (f"{log.collector}:{trace.channel.name}",)
        scope = cast("Scope", trace.channel.scope)
        known = totals.pop(channels, None) or PowerTotal(channels, scope)
        added[channels] = dataclasses.replace(known, scope=scope, caveats=(*known.caveats, own))
    try:
        power = dataclasses.replace(device.power, totals=(*added.values(), *totals.values()))
    except UsageError as error:  # a part of another total
        raise UsageError(f"{log.wanted.path}: {error}") from None
    return dataclasses.replace(device, power=power)


def _timed(trials: Iterable[Trial]) -> list[Trial]:
    return [trial for trial in trials if trial.mode == "performance" and trial.status == "ok"]


def _coverage(trials: Iterable[Trial], log: _Laid, name: str) -> tuple[int, str]:
    """How many timed launches a log covers, and that in words, with both times as a person can compare them."""
    timed = _timed(trials)
    covered = sum(_covers(log, trial) for trial in timed)
    moments = [
        epoch_s + moment_s
        for trial in timed
        for moment_s in (trial.phases.steady_start_s, trial.phases.steady_end_s)
        if (epoch_s := _epoch_s(trial)) is not None and moment_s is not None
    ]
    if not moments:
        return 0, f"{name} has no place in this run: none of its {len(timed)} timed launches knows the wall clock"
    begin_s, end_s = log.span_s
    said = (
        f"{name} covers {covered} of {len(timed)} timed launches: its readings run from {_utc(begin_s)} to "
        f"{_utc(end_s)} UTC (its clock set by {log.wanted.clock_offset_s:+g} s), the launches from "
        f"{_utc(min(moments))} to {_utc(max(moments))} UTC"
    )
    return covered, said if covered == len(timed) else f"{said}. {_REMEDY}"


def _covers(log: _Laid, trial: Trial) -> bool:
    start_s, end_s = trial.phases.steady_start_s, trial.phases.steady_end_s
    if start_s is None or end_s is None:
        return False
    for trace in _traces_of(trial, log):
        outside_s = max(0.0, trace.time_s[0] - start_s) + max(0.0, end_s - trace.time_s[-1])
        if any(start_s <= time <= end_s for time in trace.time_s):
            return outside_s <= (1 - LEAST_COVERAGE) * (end_s - start_s)
    return False


def _utc(epoch_s: float) -> str:
    try:
        return f"{datetime.fromtimestamp(epoch_s, UTC):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):  # milliseconds that were called seconds
        return f"{epoch_s:.0f} s after 1970"
