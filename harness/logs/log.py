"""A log as a value: which channels it holds, what was not understood, and its summary as `harness import` prints it."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from harness.agent.decoders import Reading


@dataclass(frozen=True)
class LogChannel:
    """One quantity over the file. A value is NaN where the source printed a placeholder.

    time_s: of each reading, in seconds since 1970; NaN where its line carries none.
    """

    name: str
    unit: str
    kind: Literal["gauge", "counter"]
    time_s: array[float]
    value: array[float]


@dataclass(frozen=True)
class Log:
    """lines: those that are not blank, headers included. unknown_tokens: each once, in the order of the file."""

    kind: str
    source: str
    lines: int
    unknown_tokens: tuple[str, ...]
    channels: tuple[LogChannel, ...]


class Gathering:
    """A log while it is being read. Not a value: `log` makes one of it."""

    def __init__(self, kind: str, source: str) -> None:
        self._kind, self._source = kind, source
        self._unknown: dict[str, None] = {}
        self._channels: dict[str, LogChannel] = {}

    def add(self, readings: Iterable[Reading], time_s: float) -> None:
        """Readings of one moment."""
        for name, unit, kind, value in readings:
            channel = self._channels.get(name)
            if channel is None:
                channel = self._channels[name] = LogChannel(name, unit, kind, array("d"), array("d"))
            channel.time_s.append(time_s)
            channel.value.append(value)

    def add_unknown(self, tokens: Iterable[str]) -> None:
        """What no rule takes."""
        self._unknown.update(dict.fromkeys(tokens))

    def log(self, lines: int) -> Log:
        """All of it."""
        return Log(self._kind, self._source, lines, tuple(self._unknown), tuple(self._channels.values()))


def summary(log: Log) -> dict[str, Any]:
    """The JSON of `harness import`: per channel how many readings are values, how many are missing, and the ends."""
    channels = {channel.name: _channel_summary(channel) for channel in log.channels}
    return {"lines": log.lines, "unknown_tokens": list(log.unknown_tokens), "channels": channels}


def _channel_summary(channel: LogChannel) -> dict[str, Any]:
    values = [value for value in channel.value if not math.isnan(value)]
    return {
        "unit": channel.unit,
        "kind": channel.kind,
        "n": len(values),
        "missing": len(channel.value) - len(values),
        "first": values[0] if values else None,
        "last": values[-1] if values else None,
    }
