"""Where energy is read, over the launches of a case and the cases of a run: at one place, or said where not.

Energies read at two places (a rail, the wall) are never mixed in one figure. So one total is chosen for a whole run
where one serves it, else one for each case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.analysis.power import Idle, TrialPower, gap_reason, power_at, trial_power
from harness.model.device import Device
from harness.model.power import PowerTotal
from harness.model.trial import Trial

ENERGY, NET, POWER = "energy_per_inference_j", "net_energy_per_inference_j", "power_mean_w"
NO_POWER = "no power sensor was read on this device"


@dataclass(frozen=True)
class Figures:
    """One metric: a value per launch, by how much each may be off beyond what launches show, and how it was got."""

    values: tuple[float, ...]
    errors: tuple[float, ...]
    method: str


def settled(device: Device, cases: Sequence[Sequence[Trial]]) -> Device:
    """The device with that total first which serves all cases, each given by its timed launches; as it is where none
    does."""
    timed = [one for one in cases if one]
    for total in device.power.totals if timed else ():
        if all(_serves(total, one, device) for one in timed):
            others = tuple(other for other in device.power.totals if other != total)
            return replace(device, power=replace(device.power, totals=(total, *others)))
    return device


def powers(timed: Sequence[Trial], device: Device) -> tuple[TrialPower | str, ...]:
    """Of each launch of a case, all at one total: the first that serves them all, else the one that serves most. Where
    none serves any launch: what is told of each."""
    totals = device.power.totals
    chosen = next((total for total in totals if _serves(total, timed, device)), None)
    if chosen is None:
        standing = [_standing(total, timed, device) for total in totals]
        chosen = totals[standing.index(max(standing))] if any(standing) else None
    if chosen is None:
        return tuple(trial_power(trial, device) for trial in timed)
    return tuple(power_at(trial, chosen, device) for trial in timed)


def figures(timed: Sequence[Trial], device: Device | None) -> dict[str, Figures | str]:
    """The three metrics of power over the launches, each with its values or with the reason why it has none."""
    if device is None or not timed:
        return dict.fromkeys((ENERGY, NET, POWER), NO_POWER)
    found = powers(timed, device)
    reasons = [one if isinstance(one, str) else one.withheld for one in found]
    good = [one for one in found if isinstance(one, TrialPower) and not one.withheld]
    if not good:
        return dict.fromkeys((ENERGY, NET, POWER), reasons[0])
    scopes = sorted({f"{one.scope} ({' + '.join(one.channels)})" for one in good})
    if len({one.scope for one in good}) > 1:
        mixed = f"launches were read at different places and are not mixed: {', '.join(scopes)}"
        return dict.fromkeys((ENERGY, NET, POWER), mixed)
    method = _method(good)
    return {
        ENERGY: Figures(tuple(one.energy_per_inference_j for one in good), (0.0,) * len(good), method),
        NET: _net(good, method),
        POWER: Figures(tuple(one.gross.mean_w for one in good), (0.0,) * len(good), method),
    }


def place_notes(device: Device, in_use: Device, cases: Sequence[tuple[str, Sequence[Trial]]]) -> list[str]:
    """What a reader of the whole run must know: cases read at different places, and better totals that told too few
    launches to be used. `device`: as its file says; `in_use`: as `settled`; `cases`: names and timed launches."""
    used: dict[PowerTotal, list[str]] = {}
    places: dict[str, list[str]] = {}
    for name, timed in cases:
        good = [one for one in powers(timed, in_use) if isinstance(one, TrialPower) and not one.withheld]
        for one in good[:1]:
            used.setdefault(one.total, []).append(name)
            places.setdefault(f"{one.scope} ({' + '.join(one.channels)})", []).append(name)
    notes = []
    if len(places) > 1:
        told = "; ".join(f"{place} for {', '.join(names)}" for place, names in places.items())
        notes.append(f"Energy was read at different places, and only energies of one place compare: {told}.")
    launches = [trial for _, timed in cases for trial in timed]
    for total in device.power.totals:
        if total in used or not used:
            break
        standing = _standing(total, launches, device)
        if standing:
            notes.append(
                f"{' + '.join(total.channels)} ({total.scope}) told the energy of {standing} of {len(launches)} "
                "launches and is not used: a figure holds launches of one place alone."
            )
    return notes


def _serves(total: PowerTotal, timed: Sequence[Trial], device: Device) -> bool:
    """Whether each launch has a figure here that may stand, but for holes in a few of the traces: such a launch is left
    out, and moves no case to another place."""
    standing = 0
    for trial in timed:
        found = power_at(trial, total, device)
        if isinstance(found, str) or found.withheld not in ("", gap_reason(found.gross)):
            return False
        standing += not found.withheld
    return 2 * standing > len(timed)


def _standing(total: PowerTotal, timed: Sequence[Trial], device: Device) -> int:
    found = [power_at(trial, total, device) for trial in timed]
    return sum(not isinstance(one, str) and not one.withheld for one in found)


def _net(good: Sequence[TrialPower], method: str) -> Figures | str:
    known = [one for one in good if isinstance(one.idle, Idle)]
    if not known:
        return str(good[0].idle)
    idles = [one.idle for one in known if isinstance(one.idle, Idle)]
    before, after = (float(np.median([getattr(one, name) for one in idles])) for name in ("before_w", "after_w"))
    values = tuple(float(one.net_energy_per_inference_j or 0.0) for one in known)
    idle = f"minus idle of {before:.3g} W before and {after:.3g} W after, interval widened by half their difference"
    return Figures(values, tuple(one.net_error_j for one in known), f"{idle}; {method}")


def _method(good: Sequence[TrialPower]) -> str:
    gross = [one.gross for one in good]
    rate = float(np.median([one.distinct / one.window_s for one in gross]))
    within = max(one.relative for one in gross)
    sources = " or ".join(sorted({" + ".join(one.channels) for one in good}))
    provenances = " or ".join(sorted({one.provenance for one in good}))
    methods = " or ".join(sorted({one.method for one in gross}))
    return (
        f"{good[0].scope}, {provenances} {sources}, {methods}, {rate:.3g} readings/s, "
        f"coverage {min(one.coverage for one in gross):.0%}, each launch known to +-{100 * within:.2g} %"
    )
