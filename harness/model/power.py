"""Words and values of power: where it is read, how a figure arises, and which channels make up a board's total."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from harness.errors import UsageError

# Where a total is read. Two of them are never compared silently.
Scope = Literal[
    "wall", "board input", "module input", "sum of rails", "PMIC rails", "package", "GPU", "battery", "rail"
]  # fmt: skip
# How a power or energy value arises; as harness.agent.collectors.PROVENANCES says it on the board.
Provenance = Literal["external meter", "board rail", "hardware counter", "modelled", "replayed"]
# Only these enter a measured column, a front or a gate.
MEASURED: frozenset[Provenance] = frozenset({"external meter", "board rail", "hardware counter"})

# So much of a window must be covered by readings for an energy of it to stand.
LEAST_COVERAGE = 0.95


@dataclass(frozen=True)
class PowerTotal:
    """One way to a device's total.

    channels: "collector:channel" each, all needed, added up; a channel may be a pattern with *, which must match
    exactly one (two GPUs need two totals or two entries). step_w: the coarsest step its readings move in, if known.
    caveats: what a reader must know of this figure; each becomes a note in the record.
    """

    channels: tuple[str, ...]
    scope: Scope
    step_w: float | None = None
    caveats: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_channels(self.channels)
        if not self.channels:
            raise UsageError("a total needs at least one channel")
        if len(set(self.channels)) < len(self.channels):
            raise UsageError(f"a total counts a channel twice: {', '.join(self.channels)}")
        if self.step_w is not None and not self.step_w > 0:
            raise UsageError(f"step_w is a size in W and above 0, not {self.step_w:g}; leave it out where not known")


@dataclass(frozen=True)
class Power:
    """What is known of a device's power: totals, best first (the first one that can be read is the energy; others of
    the same scope check it), and the channels that lie inside a total, drawn as its parts and never added to it."""

    totals: tuple[PowerTotal, ...] = ()
    parts: tuple[str, ...] = ()
    # Idle with the model loaded, before and after the steady part; nothing is waited for where no total can be read.
    idle_s: float = 2.0

    def __post_init__(self) -> None:
        _check_channels(self.parts)
        counted = {channel for total in self.totals for channel in total.channels}
        both = sorted(counted & set(self.parts))
        if both:
            raise UsageError(f"{', '.join(both)} is a part and counted in a total: what lies inside is never added")
        if not self.idle_s >= 0:
            raise UsageError(f"idle_s is a time in s, not {self.idle_s:g}; 0 waits for no idle")


def _check_channels(channels: tuple[str, ...]) -> None:
    for channel in channels:
        if not re.fullmatch(r"[a-z0-9-]+:\S+", channel):
            raise UsageError(f"{channel!r} is no channel; write collector:channel, for example ina:VDD_IN_power")
