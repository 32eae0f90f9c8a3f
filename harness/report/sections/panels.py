"""The strips under the timeline: power, temperatures, clocks and the load of other processes, or why there are none."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.analysis.totals import name_of
from harness.analysis.traces import measured_cores
from harness.model.power import MEASURED, Power
from harness.model.trial import Channel, Trace, Trial
from harness.report.sensed import role
from harness.report.thinning import Grain, Series, end_to_end, grain, rounded, thinned

LINES_PER_PANEL = 4
# Spans of time that one line is cut into: a strip is low, and there may be sixteen lines.
ROOM = 800
# The kernel counts CPU time in ticks of usually 10 ms: shorter spans would show its grid and not the load.
LEAST_LOAD_S = 0.5
OTHER_BUSY = ("others", "other_busy")
# Energy counters move in steps of a millisecond's work; this smooths what two readings are apart.
LEAST_ENERGY_S = 0.2
_POWER_COLLECTORS = (
    "ina", "rapl", "pyrapl", "raspberry", "tegrastats", "jtop", "nvml", "battery", "plug", "joulescope", "replay",
)  # fmt: skip


@dataclass(frozen=True)
class Placed:
    """A trial, and what to add to its clock to place it on the run's axis."""

    trial: Trial
    shift_s: float


@dataclass(frozen=True)
class Line:
    """A channel over the whole run, "collector:channel", in the panel's unit; None separates trials. `said`: how its
    figures arise, and what part it has in the run's power."""

    name: str
    said: str
    time_s: tuple[float | None, ...]
    value: tuple[float | None, ...]
    low: float
    high: float


@dataclass(frozen=True)
class Panel:
    """One strip. `others`: how many more channels of the kind were read than are drawn."""

    title: str
    unit: str
    from_zero: bool
    lines: tuple[Line, ...]
    others: int


@dataclass(frozen=True)
class Told:
    """What the run says of its sensors. facts: of the environment; no_power: why a case has no figure of power."""

    power: Power
    facts: Mapping[str, object]
    no_power: str = ""


@dataclass(frozen=True)
class _Kind:
    """Which channels a strip takes, and how their readings (s, SI value) become what is drawn."""

    title: str
    unit: str
    collectors: tuple[str, ...]
    takes: Callable[[Channel], bool]
    shown: Callable[[Trace], Series]
    remedy: str
    from_zero: bool = False


def panels(placed: Sequence[Placed], told: Told) -> tuple[tuple[Panel, ...], tuple[str, ...]]:
    """The strips that hold a reading, and one sentence for each that does not."""
    shown, absent = [], []
    for kind in KINDS:
        panel = _panel(kind, placed, told.power)
        if panel is not None:
            shown.append(panel)
        else:
            absent.append(f"{kind.title}: {_why_absent(kind, placed, told)}.")
    return tuple(shown), tuple(absent)


def reason_for(collector: str, facts: Mapping[str, object]) -> str | None:
    """The reason recorded for a collector under any key that speaks of unavailable or missing sensors."""
    for key, value in _mappings(facts):
        if ("unavailable" in key or "missing" in key) and isinstance(value.get(collector), str):
            return str(value[collector])
    return None


def _why_absent(kind: _Kind, placed: Sequence[Placed], told: Told) -> str:
    if any(kind.takes(trace.channel) for one in placed for trace in one.trial.traces):
        return "read, but no trial holds enough readings to draw"
    reasons = {one: reason for one in kind.collectors if (reason := reason_for(one, told.facts)) is not None}
    if len(kind.collectors) > 1:
        said = "; ".join(f"{one}: {reason}" for one, reason in reasons.items()) or told.no_power
    else:
        said = next(iter(reasons.values()), "")
    return f"no channel was readable ({said or kind.remedy})"


def _mappings(facts: Mapping[str, object]) -> Iterator[tuple[str, Mapping[str, object]]]:
    for key, value in facts.items():
        if isinstance(value, Mapping):
            yield key, value
            yield from _mappings(value)


def _panel(kind: _Kind, placed: Sequence[Placed], power: Power) -> Panel | None:
    channels: dict[str, list[tuple[Placed, Trace]]] = {}
    for one in placed:
        for trace in one.trial.traces:
            if kind.takes(trace.channel):
                channels.setdefault(name_of(trace), []).append((one, trace))
    fine = grain(len(placed), ROOM)
    lines = [line for name in sorted(channels) if (line := _line(kind, channels[name], fine, power)) is not None]
    if not lines:
        return None
    first = _first({line.name for line in lines}, placed, power)
    # The liveliest channels say most; a flat one says it in the conditions.
    best = sorted(lines, key=lambda line: (line.name not in first, line.low - line.high, line.name))[:LINES_PER_PANEL]
    drawn = tuple(sorted(best, key=lambda line: (line.name not in first, line.name)))
    return Panel(kind.title, kind.unit, kind.from_zero, drawn, len(lines) - len(best))


def _first(names: Collection[str], placed: Sequence[Placed], power: Power) -> set[str]:
    """Whom a reader looks for: the device's totals of power, and the clocks of the measured cores."""
    clocks = {f"cpu:cpu{core}_clock" for one in placed[:1] for core in measured_cores(one.trial)}
    return {name for name in names if name in clocks or role(name, power).startswith(("total", "added"))}


def _line(kind: _Kind, traces: Sequence[tuple[Placed, Trace]], fine: Grain, power: Power) -> Line | None:
    pieces: list[Series] = []
    for one, trace in traces:
        time_s, value = kind.shown(trace)
        keep = np.isfinite(value)
        if keep.any():
            pieces.append((time_s[keep] + one.shift_s, value[keep]))
    if not pieces:
        return None
    if fine.whole:
        pieces = [end_to_end(pieces)]
    times: list[float | None] = []
    values: list[float | None] = []
    for time_s, value in pieces:
        drawn = thinned(time_s, value, fine.spans)
        if times:
            times.append(None)
            values.append(None)
        times += [rounded(t) for t in time_s[drawn].tolist()]
        values += [rounded(v) for v in value[drawn].tolist()]
    real = [value for value in values if value is not None]
    channel = traces[0][1].channel
    name = name_of(traces[0][1])
    return Line(name, _said(name, channel, power), tuple(times), tuple(values), min(real), max(real))


def _said(name: str, channel: Channel, power: Power) -> str:
    if (channel.collector, channel.name) == OTHER_BUSY:
        return f"{channel.provenance}; mean over at least {LEAST_LOAD_S:g} s; what ticks put below 0 is drawn as 0"
    if channel.unit not in ("W", "J"):
        return channel.provenance
    unmeasured = "" if channel.provenance in MEASURED else ", in no figure"
    rates = f"; its rate over at least {LEAST_ENERGY_S:g} s" if channel.unit == "J" else ""
    return f"{role(name, power)}; {channel.provenance}{unmeasured}{rates}"


def _arrays(trace: Trace) -> Series:
    return np.asarray(trace.time_s, dtype=np.float64), np.asarray(trace.value, dtype=np.float64)


def _gigahertz(trace: Trace) -> Series:
    time_s, value = _arrays(trace)
    return time_s, value * 1e-9


def _watts(trace: Trace) -> Series:
    """Power as read, or the rate of an energy counter between readings that renewed it."""
    time_s, value = _arrays(trace)
    if trace.channel.unit == "W":
        return time_s, value
    keep = np.isfinite(value)
    time_s, value = time_s[keep], value[keep]
    renewed = np.concatenate([np.ones(min(len(value), 1), dtype=bool), np.diff(value) != 0])
    times, watts = rate(time_s[renewed], value[renewed], LEAST_ENERGY_S)
    # A counter that began anew tells no power there.
    return times[watts >= 0], watts[watts >= 0]


def rate(
    time_s: NDArray[np.float64], value: NDArray[np.float64], least_s: float = LEAST_LOAD_S
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What a counter gained per second, over spans of at least least_s; each at the end of its span."""
    keep = np.isfinite(value)
    time_s, value = time_s[keep], value[keep]
    picked: list[int] = []
    for index, now in enumerate(time_s.tolist()):
        if not picked or now - time_s[picked[-1]] >= least_s:
            picked.append(index)
    if len(picked) < 2:
        return np.empty(0), np.empty(0)
    times, counts = time_s[picked], value[picked]
    return times[1:], np.diff(counts) / np.diff(times)


def _load(trace: Trace) -> Series:
    """Seconds of work per second, i.e. busy cores. All work less our own, which are counted in ticks of their own: an
    idle span may come out just below 0, which no load is."""
    time_s, cores = rate(*_arrays(trace))
    return time_s, np.maximum(cores, 0.0)


KINDS = (
    _Kind(
        "Power",
        "W",
        _POWER_COLLECTORS,
        lambda channel: channel.unit in ("W", "J"),
        _watts,
        "the record gives no reason",
        from_zero=True,
    ),
    _Kind(
        "Temperature",
        "°C",
        ("thermal",),
        lambda channel: channel.unit == "degC",
        _arrays,
        "the record gives no reason",
    ),
    _Kind(
        "Clock",
        "GHz",
        ("cpu",),
        lambda channel: channel.unit == "Hz",
        _gigahertz,
        "no clock is shown by cpufreq, as in most virtual machines",
    ),
    _Kind(
        "Other load",
        "cores",
        ("others",),
        lambda channel: (channel.collector, channel.name) == OTHER_BUSY,
        _load,
        "the record gives no reason",
        from_zero=True,
    ),
)
