"""What the sensors said of the board over a run: how warm and how fast it was when it began and ended, which channels
tell of its power and how, how long it was waited for. Values as text; judges nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from harness.analysis.totals import name_of, sensor_facts
from harness.analysis.traces import known, measured_cores, steady_part
from harness.errors import UsageError
from harness.model.codec import from_json
from harness.model.power import MEASURED, Power
from harness.model.trial import Trace, Trial
from harness.report.cases import Named

# So many channels are listed: a server has a clock for each of a hundred cores.
MOST_COURSES = 16
_SHOWN = {"degC": ("°C", 1.0), "Hz": ("GHz", 1e-9), "V": ("V", 1.0)}


@dataclass(frozen=True)
class Course:
    """A channel over the run, in `unit`: its first reading, its last, the least and the greatest."""

    name: str
    unit: str
    first: float
    last: float
    low: float
    high: float


@dataclass(frozen=True)
class PowerChannel:
    """A channel of power or energy. role: its part in the device's totals; covers: what the sensor says it reads;
    source: the provenance class; measured: whether a figure may be made of it. period_s: after which it renews its
    value, None where it was not seen; per_s: readings of it each second, at the median over launches; failed: share."""

    name: str
    role: str
    covers: str
    source: str
    measured: bool
    unit: str
    period_s: float | None
    per_s: float | None
    failed: float


@dataclass(frozen=True)
class Waiting:
    """Waits for a calm board before trials, in s. restless: how many began all the same, and the first one's reason."""

    trials: int
    waited_s: tuple[float, ...]
    restless: int
    reason: str


def device_power(device: Mapping[str, object]) -> Power:
    """What the device's file says of its power; nothing where the record is of another making."""
    try:
        return from_json(Power, device.get("power", {}), "power")
    except UsageError:
        return Power()


def role(name: str, power: Power) -> str:
    """The part that a channel of power, "collector:channel", has in the device's figures."""
    for total in power.totals:
        if any(fnmatchcase(name, pattern) for pattern in total.channels):
            return f"{'total' if len(total.channels) == 1 else 'added up to the total'}, {total.scope}"
    return "part" if any(fnmatchcase(name, pattern) for pattern in power.parts) else "in no total"


def launches(named: Sequence[Named]) -> list[Trial]:
    """Timed launches in the order in which they ran, failed ones too."""
    trials = [trial for one in named if one.record for trial in one.record.trials if trial.mode == "performance"]
    return sorted(trials, key=lambda trial: (trial.order, trial.started_utc, trial.id))


def courses(trials: Sequence[Trial], supply: str | None) -> tuple[tuple[Course, ...], int]:
    """Temperatures, clocks, and the supply's voltage where the device's file names its channel; and how many more there
    are than are listed: the hottest zones and the clocks of measured cores come first."""
    channels: dict[str, list[Trace]] = {}
    for trial in trials:
        for trace in trial.traces:
            if trace.channel.unit in ("degC", "Hz") or name_of(trace) == supply:
                channels.setdefault(name_of(trace), []).append(trace)
    measured = {f"cpu:cpu{core}_clock" for trial in trials[:1] for core in measured_cores(trial)}
    found = [course for name, traces in channels.items() if (course := _course(name, traces)) is not None]

    def rank(one: Course) -> tuple[int, bool, float, str]:
        return ("V", "°C", "GHz").index(one.unit), one.name not in measured, -one.high, one.name

    found.sort(key=rank)
    # Half of the room is the clocks', however many zones there are.
    zones = [one for one in found if one.unit != "GHz"]
    clocks = [one for one in found if one.unit == "GHz"]
    room = max(MOST_COURSES - len(clocks), MOST_COURSES // 2)
    listed = [*zones[:room], *clocks[: MOST_COURSES - min(len(zones), room)]]
    return tuple(listed), len(found) - len(listed)


def _course(name: str, traces: Sequence[Trace]) -> Course | None:
    values: list[NDArray[np.float64]] = [value for trace in traces for value in [known(trace)[1]] if len(value)]
    if not values:
        return None
    unit, scale = _SHOWN[traces[0].channel.unit]
    low, high = min(float(one.min()) for one in values), max(float(one.max()) for one in values)
    return Course(name, unit, *(scale * one for one in (float(values[0][0]), float(values[-1][-1]), low, high)))


def power_channels(trials: Sequence[Trial], power: Power) -> tuple[PowerChannel, ...]:
    """Of every channel in W or J, those of totals first, then their parts."""
    channels: dict[str, list[tuple[Trial, Trace]]] = {}
    for trial in trials:
        for trace in trial.traces:
            if trace.channel.unit in ("W", "J"):
                channels.setdefault(name_of(trace), []).append((trial, trace))
    found = [_power_channel(name, traces, power) for name, traces in channels.items()]
    return tuple(sorted(found, key=lambda one: (one.role == "in no total", one.role == "part", one.name)))


def _power_channel(name: str, traces: Sequence[tuple[Trial, Trace]], power: Power) -> PowerChannel:
    channel = traces[0][1].channel
    rates = []
    for trial, trace in traces:
        time_s, _ = steady_part(trial, trace)
        if len(time_s) > 1 and time_s[-1] > time_s[0]:
            rates.append((len(time_s) - 1) / float(time_s[-1] - time_s[0]))
    read = sum(len(trace.value) for _, trace in traces)
    failed = sum(len(trace.value) - len(known(trace)[1]) for _, trace in traces)
    return PowerChannel(
        name,
        role(name, power),
        channel.scope,
        channel.provenance,
        channel.provenance in MEASURED,
        channel.unit,
        _period_s(channel.collector, [trial for trial, _ in traces]),
        float(np.median(rates)) if rates else None,
        failed / read if read else 0.0,
    )


def _period_s(collector: str, trials: Sequence[Trial]) -> float | None:
    told = [(sensor_facts(trial).get("update_period_s") or {}).get(collector) for trial in trials]
    periods = [float(one) for one in told if isinstance(one, int | float)]
    return float(np.median(periods)) if periods else None


def waiting(trials: Sequence[Trial]) -> Waiting | None:
    """Of the trials that say how they were waited for; None where none does."""
    told = [one for trial in trials if isinstance(one := trial.environment.facts.get("settled"), Mapping)]
    if not told:
        return None
    restless = [one for one in told if one.get("calm") is False]
    waited = tuple(float(one["waited_s"]) for one in told if isinstance(one.get("waited_s"), int | float))
    return Waiting(len(told), waited, len(restless), str(restless[0].get("reason")) if restless else "")
