"""The strips under the timeline: temperatures, clocks and the load of other processes, or why there are none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.model.trial import Channel, Trace, Trial
from harness.report.thinning import rounded, thinned

LINES_PER_PANEL = 4


@dataclass(frozen=True)
class Placed:
    """A trial, what to add to its clock, and into how many spans of time it is cut."""

    trial: Trial
    shift_s: float
    buckets: int


@dataclass(frozen=True)
class Line:
    """A channel over the whole run, in the panel's unit; None separates trials."""

    name: str
    provenance: str
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
class _Kind:
    """Which channels a strip takes, and how their readings (s, SI value) become what is drawn."""

    title: str
    unit: str
    collector: str
    takes: Callable[[Channel], bool]
    shown: Callable[[NDArray[np.float64], NDArray[np.float64]], tuple[NDArray[np.float64], NDArray[np.float64]]]
    remedy: str
    from_zero: bool = False


def panels(placed: Sequence[Placed], facts: Mapping[str, object]) -> tuple[tuple[Panel, ...], tuple[str, ...]]:
    """The strips that hold a reading, and one sentence for each that does not."""
    shown, absent = [], []
    for kind in _KINDS:
        panel = _panel(kind, placed)
        if panel is not None:
            shown.append(panel)
        else:
            absent.append(f"{kind.title}: {_why_absent(kind, placed, facts)}.")
    return tuple(shown), tuple(absent)


def _why_absent(kind: _Kind, placed: Sequence[Placed], facts: Mapping[str, object]) -> str:
    if any(kind.takes(trace.channel) for one in placed for trace in one.trial.traces):
        return "read, but no trial holds enough readings to draw"
    return f"no channel was readable ({reason_for(kind.collector, facts) or kind.remedy})"


def reason_for(collector: str, facts: Mapping[str, object]) -> str | None:
    """The reason recorded for a collector under any key that speaks of unavailable or missing sensors."""
    for key, value in _mappings(facts):
        if ("unavailable" in key or "missing" in key) and isinstance(value.get(collector), str):
            return str(value[collector])
    return None


def _mappings(facts: Mapping[str, object]) -> Iterator[tuple[str, Mapping[str, object]]]:
    for key, value in facts.items():
        if isinstance(value, Mapping):
            yield key, value
            yield from _mappings(value)


def _panel(kind: _Kind, placed: Sequence[Placed]) -> Panel | None:
    names: dict[str, list[tuple[Placed, Trace]]] = {}
    for one in placed:
        for trace in one.trial.traces:
            if kind.takes(trace.channel):
                names.setdefault(trace.channel.name, []).append((one, trace))
    lines = [line for name, traces in sorted(names.items()) if (line := _line(kind, name, traces)) is not None]
    if not lines:
        return None
    # The liveliest channels say most; a flat one says it in the conditions.
    liveliest = sorted(lines, key=lambda line: (line.low - line.high, line.name))[:LINES_PER_PANEL]
    drawn = tuple(sorted(liveliest, key=lambda line: line.name))
    return Panel(kind.title, kind.unit, kind.from_zero, drawn, len(lines) - len(liveliest))


def _line(kind: _Kind, name: str, traces: Sequence[tuple[Placed, Trace]]) -> Line | None:
    times: list[float | None] = []
    values: list[float | None] = []
    for one, trace in traces:
        time_s, value = kind.shown(
            np.asarray(trace.time_s, dtype=np.float64), np.asarray(trace.value, dtype=np.float64)
        )
        keep = np.isfinite(value)
        time_s, value = time_s[keep], value[keep]
        drawn = thinned(time_s, value, one.buckets)
        if times:
            times.append(None)
            values.append(None)
        times += [rounded(t + one.shift_s) for t in time_s[drawn]]
        values += [rounded(v) for v in value[drawn]]
    real = [value for value in values if value is not None]
    if not real:
        return None
    return Line(name, traces[0][1].channel.provenance, tuple(times), tuple(values), min(real), max(real))


def _as_read(
    time_s: NDArray[np.float64], value: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return time_s, value


def _gigahertz(
    time_s: NDArray[np.float64], value: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return time_s, value * 1e-9


def rate(time_s: NDArray[np.float64], value: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Seconds of work per second of a counter, i.e. busy cores, over spans of at least half a second.

    The kernel counts in ticks of usually 10 ms, so that shorter spans would show its grid and not the load.
    """
    keep = np.isfinite(value)
    time_s, value = time_s[keep], value[keep]
    picked: list[int] = []
    for index, now in enumerate(time_s.tolist()):
        if not picked or now - time_s[picked[-1]] >= 0.5:
            picked.append(index)
    if len(picked) < 2:
        return np.empty(0), np.empty(0)
    times, counts = time_s[picked], value[picked]
    return times[1:], np.diff(counts) / np.diff(times)


_KINDS = (
    _Kind(
        "Temperature",
        "°C",
        "thermal",
        lambda channel: channel.unit == "degC",
        _as_read,
        "the record gives no reason",
    ),
    _Kind(
        "Clock",
        "GHz",
        "cpu",
        lambda channel: channel.unit == "Hz",
        _gigahertz,
        "no clock is shown by cpufreq, as in most virtual machines",
    ),
    _Kind(
        "Other load",
        "cores",
        "others",
        lambda channel: (channel.collector, channel.name) == ("others", "other_busy"),
        rate,
        "the record gives no reason",
        from_zero=True,
    ),
)
