"""Energy per inference by the channels that a total is made of, or that lie inside it, each with its idle part.

Owns which channels may be stacked: those of one measurement boundary, and never a total with its parts. Every energy is
harness.analysis.power's, at a total of that one channel; what may not stand there does not stand here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.analysis import places
from harness.analysis.power import TrialPower, power_at
from harness.model.device import Device
from harness.model.power import Power, PowerTotal
from harness.model.trial import Trial

# Parts that add up to more than so many times their total lie in one another, or a sensor is wrong.
OVERFULL = 1.05


@dataclass(frozen=True)
class Rail:
    """A channel over the launches, J per inference. idle_j: what its mean power at rest costs over the same time, as
    many values as launches told it; `unknown` says why there are none."""

    channel: str
    gross_j: tuple[float, ...]
    idle_j: tuple[float, ...]
    unknown: str = ""

    @property
    def median_j(self) -> float:
        """Over launches."""
        return float(np.median(self.gross_j))

    @property
    def median_idle_j(self) -> float | None:
        """Over launches; None where no launch told it."""
        return float(np.median(self.idle_j)) if self.idle_j else None


@dataclass(frozen=True)
class Breakdown:
    """One case at one total. parts: channels that may be stacked, empty where the total alone was read. note: why parts
    that were read are not here, or empty."""

    scope: str
    provenance: str
    total: Rail
    parts: tuple[Rail, ...]
    note: str = ""


def breakdown(timed: Sequence[Trial], device: Device) -> Breakdown | str:
    """Of the launches of a case; the reason where no launch has an energy that may stand. `device`: as
    `harness.analysis.places.settled`."""
    if not timed:
        return places.NO_POWER
    found = places.powers(timed, device)
    good = [
        (trial, one)
        for trial, one in zip(timed, found, strict=True)
        if isinstance(one, TrialPower) and not one.withheld
    ]
    if not good:
        return found[0] if isinstance(found[0], str) else found[0].withheld
    first = good[0][1]
    total = _rail(" + ".join(first.channels), [one for _, one in good])
    trials = [trial for trial, _ in good]
    wanted = first.channels if len(first.channels) > 1 else _inside(first, device)
    parts, lost = [], []
    for channel in wanted:
        part = _part(channel, trials, first.total.step_w if len(first.channels) > 1 else None)
        if isinstance(part, Rail):
            parts.append(part)
        else:
            lost.append(f"{channel}: {part}")
    note = f"not drawn: {'; '.join(lost)}" if lost else ""
    if sum(part.median_j for part in parts) > OVERFULL * total.median_j:
        names = ", ".join(part.channel for part in parts)
        note, parts = f"{names} add up to more than {total.channel}: they overlap, and are not stacked", []
    return Breakdown(first.scope, first.provenance, total, tuple(parts), note)


def _inside(total: TrialPower, device: Device) -> tuple[str, ...]:
    """The device's parts as the sensor of the total reads them: another one's are the same rails once more."""
    collector = total.channels[0].partition(":")[0]
    return tuple(channel for channel in device.power.parts if channel.partition(":")[0] == collector)


def _part(channel: str, trials: Sequence[Trial], step_w: float | None) -> Rail | str:
    """The reason where a launch has no energy of it that may stand: a stack holds the same launches all over."""
    alone = PowerTotal((channel,), "rail", step_w)
    found = []
    for trial in trials:
        one = power_at(trial, alone, _reading(alone))
        if isinstance(one, str):
            return one
        if one.withheld:
            return one.withheld
        found.append(one)
    return _rail(found[0].channels[0], found)


def _reading(total: PowerTotal) -> Device:
    """A device of which nothing but this total is known: within a larger one a rail is no total, and here it need not
    be."""
    return replace(_NO_DEVICE, power=Power((total,)))


_NO_DEVICE = Device(1, "", "", "local", (), ())


def _rail(channel: str, found: Sequence[TrialPower]) -> Rail:
    rests = [one.idle for one in found if isinstance(one.idle, str)]
    idle = tuple(
        one.idle.mean_w * one.gross.window_s / one.inferences for one in found if not isinstance(one.idle, str)
    )
    return Rail(channel, tuple(one.energy_per_inference_j for one in found), idle, rests[0] if not idle else "")
