"""Logs of other tools attached to a stored run: kept beside its trials, and laid on each trial's clock when it is read.

The log's own clock is wall time. Each trial knows what wall time its board had (`epoch_minus_clock_s`), so a log finds
its place in every one of them; `clock_offset_s` is what the log's clock lacked to the board's.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from harness.errors import UsageError
from harness.logs.attach import COLLECTORS, clipped, power_traces
from harness.logs.log import Log
from harness.logs.reading import read
from harness.model.device import Device
from harness.model.power import PowerTotal
from harness.model.trial import Trace, Trial
from harness.options import PowerLog
from harness.store import store
from harness.store.store import StoredRun


def attach(folder: Path, wanted: PowerLog) -> None:
    """Keep a log with the run in `folder`. UsageError where it cannot be read or covers no trial of the run."""
    log = read(wanted.kind, wanted.path)
    stored = store.read(folder)
    if not any(_traces_of(trial, log, wanted.clock_offset_s) for trial in stored.trials):
        raise UsageError(
            f"{wanted.path} has no reading within a trial of {folder.name}: give the difference of its clock to the "
            "board's as --clock-offset SECONDS (board minus log), or name the run that it belongs to"
        )
    store.attach(folder, wanted.path, {"kind": wanted.kind, "clock_offset_s": wanted.clock_offset_s})


def with_attached(stored: StoredRun) -> StoredRun:
    """The run with the traces of all its logs in its trials, and with a meter's total among its device's."""
    trials, run = stored.trials, stored.run
    for path, facts in store.attached(stored.folder):
        log = read(str(facts["kind"]), path)
        offset_s = float(facts["clock_offset_s"])
        trials = tuple(
            dataclasses.replace(trial, traces=trial.traces + _traces_of(trial, log, offset_s)) for trial in trials
        )
        run = dataclasses.replace(run, device=_with_meter(run.device, log, offset_s))
    return dataclasses.replace(stored, run=run, trials=trials)


def _traces_of(trial: Trial, log: Log, offset_s: float) -> tuple[Trace, ...]:
    phases, behind = trial.phases, trial.environment.facts.get("epoch_minus_clock_s")
    if behind is None or phases.steady_start_s is None or phases.steady_end_s is None:
        return ()
    if any(trace.channel.collector == COLLECTORS[log.kind] for trace in trial.traces):
        raise UsageError(
            f"{log.source}: {COLLECTORS[log.kind]} was read in this run already; a second record of it would not say "
            "which one a figure is from"
        )
    begin_s = phases.steady_start_s if phases.idle_before_start_s is None else phases.idle_before_start_s
    end_s = phases.steady_end_s if phases.idle_after_end_s is None else phases.idle_after_end_s
    found = (clipped(trace, begin_s, end_s) for trace in power_traces(log, offset_s - float(behind)))
    # One reading on either side lies outside: what is left without any inside says nothing of this trial.
    return tuple(trace for trace in found if any(begin_s <= time <= end_s for time in trace.time_s))


def _with_meter(device: Device, log: Log, offset_s: float) -> Device:
    """A meter's power comes first among the totals: it sees what no rail does."""
    if COLLECTORS[log.kind] != "meter":
        return device
    caveat = f"from the log {Path(log.source).name}, whose clock was set by {offset_s:+g} s"
    channels = [one.name for one in log.channels if one.name.endswith(("_power", "_energy"))]
    totals = tuple(PowerTotal((f"meter:{name}",), "wall", caveats=(caveat,)) for name in channels)
    return dataclasses.replace(device, power=dataclasses.replace(device.power, totals=totals + device.power.totals))
