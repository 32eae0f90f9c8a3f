"""A log's power and energy as traces on a trial's clock, so that they can be integrated like any other trace."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from itertools import groupby, pairwise

from harness.agent.decoders import vcgencmd
from harness.errors import UsageError
from harness.logs.log import Log, LogChannel
from harness.model.power import Provenance, Scope
from harness.model.trial import Channel, Trace

# The collector that would have read the same quantity live: a device's totals name their channels by it.
COLLECTORS: Mapping[str, str] = {
    "tegrastats": "tegrastats",
    "vcgencmd": "raspberry",
    "nvml-csv": "nvml",
    "meter-csv": "meter",
}
# What the readings of each kind cover and how they arise, where the caller does not say otherwise.
DEFAULTS: Mapping[str, tuple[Scope, Provenance]] = {
    "tegrastats": ("rail", "board rail"),
    "vcgencmd": ("rail", "board rail"),
    "nvml-csv": ("GPU", "hardware counter"),
    "meter-csv": ("wall", "external meter"),
}
# The one channel of a kind that covers more than its others do.
_SUMS: Mapping[tuple[str, str], Scope] = {("vcgencmd", vcgencmd.SUM): "PMIC rails"}
_QUANTITY = {"W": "_power", "J": "_energy"}
# tegrastats stamps whole seconds; what shares a stamp lies within that second.
_LONGEST_STAMP_S = 1.0


def power_traces(
    log: Log, clock_offset_s: float, *, scope: Scope | None = None, provenance: Provenance | None = None
) -> tuple[Trace, ...]:
    """Traces of all power and energy channels: board time = file time + clock_offset_s, in seconds.

    Stamps without a zone were read as UTC, so the offset holds the zone too. Readings that share a stamp are spread
    evenly up to the next one (a second at most). Rails that are not connected (NC) and readings without a time are left
    out. UsageError where nothing is left, or where the clock of the file was set back.
    """
    if not math.isfinite(clock_offset_s):
        raise UsageError(f"a clock offset of {clock_offset_s} s is none: give a number of seconds")
    usual_scope, usual_provenance = DEFAULTS[log.kind]
    chosen = [channel for channel in log.channels if _is_power(channel)]
    if not chosen:
        raise UsageError(f"{log.source} holds no channel of power or energy: log one, or leave this file out")
    traces = []
    for channel in chosen:
        times, values = _timed(channel, log.source)
        if times:
            own_scope = _SUMS.get((log.kind, channel.name), usual_scope)
            described = (scope or own_scope, provenance or usual_provenance)
            named = Channel(COLLECTORS[log.kind], channel.name, channel.unit, channel.kind, *described)
            traces.append(Trace(named, array("d", [time + clock_offset_s for time in times]), array("d", values)))
    if not traces:
        raise UsageError(f"{log.source} holds no times, so it has no place on a trial's clock: {_remedy(log.kind)}")
    return tuple(traces)


def clipped(trace: Trace, start_s: float, end_s: float) -> Trace:
    """The part of a trace from start_s to end_s, with one reading more on either side to interpolate the edges from."""
    first = max(0, bisect_right(trace.time_s, start_s) - 1)
    last = min(len(trace.time_s), bisect_left(trace.time_s, end_s) + 1)
    return Trace(trace.channel, trace.time_s[first:last], trace.value[first:last])


def placed(trace: Trace, shift_s: float, start_s: float, end_s: float) -> Trace:
    """As `clipped`, of a trace that `shift_s` brings to the clock of start_s and end_s; a long one is not copied."""
    part = clipped(trace, start_s - shift_s, end_s - shift_s)
    return Trace(part.channel, array("d", [time + shift_s for time in part.time_s]), part.value)


def _is_power(channel: LogChannel) -> bool:
    """By its name too: a power limit is in watts and nothing that was drawn."""
    name = channel.name.partition("#")[0]
    return name.endswith(_QUANTITY.get(channel.unit, "\0")) and name != "NC_power"


def _timed(channel: LogChannel, source: str) -> tuple[list[float], list[float]]:
    """Readings that have a time, in order, no two at once."""
    pairs = [pair for pair in zip(channel.time_s, channel.value, strict=True) if not math.isnan(pair[0])]
    for (before, _), (after, _) in pairwise(pairs):
        if after < before:
            raise UsageError(
                f"{source}: the clock of {channel.name} goes back from {before:.3f} to {after:.3f} s: cut the file "
                "where it was set"
            )
    return _spread([time for time, _ in pairs]), [value for _, value in pairs]


def _spread(times: Sequence[float]) -> list[float]:
    groups = [(stamp, len(list(same))) for stamp, same in groupby(times)]
    stamps = [stamp for stamp, _ in groups]
    widths = [min(after - before, _LONGEST_STAMP_S) for before, after in pairwise(stamps)]
    widths.append(widths[-1] if widths else _LONGEST_STAMP_S)
    return [
        stamp + width * place / count
        for (stamp, count), width in zip(groups, widths, strict=False)
        for place in range(count)
    ]


def _remedy(kind: str) -> str:
    if kind == "nvml-csv":
        return "log with timestamp among the columns of --query-gpu"
    tool = "tegrastats" if kind == "tegrastats" else "while sleep 1; do vcgencmd pmic_read_adc; done"
    return f"log it with seconds before each line, as `{tool} | ts %.s` does (ts is in the package moreutils)"
