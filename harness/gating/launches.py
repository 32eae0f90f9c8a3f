"""Trials of a pair to what the decisions are made of: a Launch, or why there can be none. Measures nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

import numpy as np

from harness.analysis import execution_checks, machine_checks, output_checks, places, state_checks
from harness.analysis.context import Context
from harness.analysis.gate.drift import ratio_drift
from harness.analysis.gate.effects import Figure, Launch, Side
from harness.analysis.power import TrialPower
from harness.board.script import BlockOrder
from harness.model.case import ArtifactFacts
from harness.model.codec import Json
from harness.model.device import Device
from harness.model.trial import Record, Trial
from harness.model.verdict import Finding

SIDES = ("baseline", "candidate")
PARTNER = "ended with its partner"
# What makes a launch worth nothing, asked of each one at once.
_AT_ONCE: Sequence[Callable[[Context], Iterator[Finding]]] = (
    output_checks.output_not_finite,
    output_checks.output_mismatch,
    execution_checks.emulated_cpu,
    execution_checks.provider_fallback,
)
# What a reader must know of all launches of a side together.
_AT_END: Sequence[Callable[[Context], Iterator[Finding]]] = (
    *state_checks.CHECKS,
    machine_checks.conditions_differ,
    machine_checks.settings_refused,
)
Both = tuple[Trial, Trial]
# Of the wall clock against the one that times, from the begin of a launch to its end: what a time keeper steers moves
# both, so more is a pause of the machine, or a clock that was set (statistics.md, 4.9).
JUMP_S = 0.1


@dataclass(frozen=True)
class Paused:
    """A launch that is dropped and repeated, for what is known before anyone looks at an effect and falls on both sides
    alike."""

    jump_s: float


def paused(trials: Both, after: Mapping[str, Json]) -> Paused | None:
    """Whether the machine was paused in a launch, or its wall clock set. after: its facts when the launch had ended."""
    jumps = [0.0]
    for trial in trials:
        before = trial.environment.facts
        then, now = (facts.get("epoch_minus_clock_s") for facts in (before, after))
        if then is not None and now is not None and before.get("boot_id") == after.get("boot_id"):
            jumps.append(float(now) - float(then))
    jump = max(jumps, key=abs)
    return Paused(jump) if abs(jump) > JUMP_S else None


def broken(trials: Both, artifacts: tuple[ArtifactFacts, ArtifactFacts], device: Device) -> str:
    """Why this launch supports no verdict: a side failed, or computed something else. Empty where it does."""
    failed = [(side, one.message) for side, one in zip(SIDES, trials, strict=True) if one.status == "failed"]
    if failed:
        # Of a pair both fail: the one that was ended with its partner did nothing wrong.
        side, message = next((one for one in failed if PARTNER not in one[1]), failed[0])
        return f"the {side} failed: {message.splitlines()[0]}"
    for side, trial, artifact in zip(SIDES, trials, artifacts, strict=True):
        bad = broken_alone(trial, artifact, device)
        if bad:
            return f"the {side}: {bad}"
    return ""


def broken_alone(trial: Trial, artifact: ArtifactFacts, device: Device) -> str:
    """As broken, of one trial."""
    if trial.status == "failed":
        return f"it failed: {trial.message.splitlines()[0]}"
    found = _findings([trial], artifact, device, _AT_ONCE)
    bad = next((one for one in found if one.severity == "invalid"), None)
    return "" if bad is None else f"{bad.evidence}; {bad.advice}"


def telling(both: Both) -> Trial:
    """The trial of a pair that says how it went: the one that failed by itself, else the candidate's."""
    failed = [trial for trial in both if trial.status == "failed"]
    return next((trial for trial in failed if PARTNER not in trial.message), both[1])


def restless(launches: Sequence[Both], drop: int = 0) -> str:
    """Why the launches of a cell reached no steady state; empty where nothing says so. drop: as of block_logs."""
    return ratio_drift([Launch(_side(one), _side(other)) for one, other in launches], drop)


def doubts(launches: Sequence[Both], artifacts: tuple[ArtifactFacts, ArtifactFacts], device: Device) -> tuple[str, ...]:
    """What a reader must know of all launches of a cell: sentences."""
    found = []
    for index, side in enumerate(SIDES):
        trials = [both[index] for both in launches]
        found += [
            f"the {side}: {one.evidence}"
            for one in _findings(trials, artifacts[index], device, _AT_END)
            if one.severity != "note"
        ]
    return tuple(found)


def launch_of(trials: Both, order: BlockOrder, energy: tuple[Figure | str, Figure | str] | None) -> Launch:
    """A duet's trials, with the energies of the launches beside it where there are any."""
    sides = []
    for index, trial in enumerate(trials):
        figures, absent = _figures(trial)
        if energy is not None:
            told = energy[index]
            if isinstance(told, str):
                absent[places.ENERGY] = told
            else:
                figures[places.ENERGY] = told
        sides.append(replace(_side(trial), figures=figures, absent=absent))
    return Launch(sides[0], sides[1], order.candidate_second, order.start == (0, 1))


def energies(trials: Both, device: Device) -> tuple[Figure | str, Figure | str]:
    """Per inference, of two whole launches side by side, both at the same total of power; why not."""
    told = [_energy(one) for one in places.powers(trials, device)]
    return told[0], told[1]


def why_no_energy(device: Device, told: Mapping[str, Json]) -> str:
    """Why no total of the device's power can be read, by what the board said; empty where one can."""
    if not device.power.totals:
        return "no power sensor was read on this device"
    readable = {
        f"{collector}:{channel[0]}"
        for collector, facts in (told.get("collectors") or {}).items()
        for channel in facts["channels"]
        if channel[4] is not None
    }
    for total in device.power.totals:
        if all(any(fnmatchcase(name, channel) for name in readable) for channel in total.channels):
            return ""
    wanted = sorted({channel.partition(":")[0] for total in device.power.totals for channel in total.channels})
    return f"no total of power can be read here ({', '.join(wanted)}): `harness doctor` says why"


def paired_with(trial: Trial, name: str, started_second: bool | None = None) -> Trial:
    """The trial, which knows its partner by a name that no other two share."""
    facts = {**trial.environment.facts, "pair": name}
    if started_second is not None:
        facts["started_second"] = started_second
    return replace(trial, environment=replace(trial.environment, facts=facts))


def _side(trial: Trial) -> Side:
    return Side(np.asarray(trial.samples.duration_s, np.float64), np.asarray(trial.samples.block, np.float64))


def _figures(trial: Trial) -> tuple[dict[str, Figure], dict[str, str]]:
    known = {
        "memory_peak_bytes": (trial.memory.get("end_peak_rss_bytes"), "B"),
        "load_s": (trial.phases.load_s, "s"),
        "first_inference_s": (trial.phases.first_inference_s, "s"),
    }
    figures = {name: Figure(float(value), unit) for name, (value, unit) in known.items() if value is not None}
    return figures, {name: "was not recorded by the agent" for name in known if name not in figures}


def _energy(told: TrialPower | str) -> Figure | str:
    if isinstance(told, str):
        return told
    return told.withheld or Figure(told.energy_per_inference_j, "J")


def _findings(
    trials: Sequence[Trial],
    artifact: ArtifactFacts,
    device: Device,
    checks: Sequence[Callable[[Context], Iterator[Finding]]],
) -> list[Finding]:
    """The checks look at launches of the timed run, and a side of a duet is one."""
    as_timed = tuple(replace(trial, mode="performance") for trial in trials)
    context = Context(Record(trials[0].case, as_timed), artifact, device, None)
    return [finding for check in checks for finding in check(context)]
