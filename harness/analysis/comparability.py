"""The guard: every condition that differs between two runs, as a sentence, and which of them make a comparison mean
nothing. Looks at conditions alone; compares no figure.

A condition that only one side recorded is a difference too, though it refuses nothing: older records tell less.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from harness.analysis import places
from harness.analysis.cells import Cell, Match
from harness.analysis.power import TrialPower
from harness.analysis.traces import measured_cores, steady_values
from harness.errors import UnknownName
from harness.model.codec import Json, canonical, to_json
from harness.model.trial import Trial
from harness.store.store import StoredRun

# Clocks nearer than this are one clock: governors and readings move them by less.
SAME_CLOCK = 0.02
UNKNOWN = "not recorded"


@dataclass(frozen=True)
class Difference:
    """name: one of NAMES, by which a caller may allow it. meaningless: of `metrics`, or of all where there are none, a
    comparison would say nothing. cell: the one it is of; empty: of all."""

    name: str
    sentence: str
    meaningless: bool = False
    metrics: tuple[str, ...] = ()
    cell: str = ""


@dataclass(frozen=True)
class _Condition:
    """read: a JSON value of a launch, None where it is not recorded."""

    name: str
    label: str
    read: Callable[[Trial], Json]
    meaningless: bool = False


def _fact(name: str) -> Callable[[Trial], Json]:
    return lambda trial: trial.environment.facts.get(name)


def _in_force(name: str) -> Callable[[Trial], Json]:
    return lambda trial: trial.environment.in_force.get(name)


def _state(name: str) -> Callable[[Trial], Json]:
    return lambda trial: (trial.environment.in_force.get("state") or {}).get(name)


def _board(trial: Trial) -> Json:
    facts = trial.environment.facts
    return facts.get("board_model") or " ".join(str(facts[key]) for key in ("machine", "cpu") if key in facts) or None


def _memory(trial: Trial) -> Json:
    size = trial.environment.facts.get("memory_bytes")  # a kernel keeps some tens of MB of it, now more and now less
    return None if size is None else f"{size / 2**30:.0f} GiB"


def _runtime(trial: Trial) -> Json:
    versions = trial.environment.facts.get("versions") or {}
    named = sorted(f"{name} {version}" for name, version in versions.items() if name != "numpy")
    return ", ".join([trial.case.backend, *named])


def _providers(trial: Trial) -> Json:
    return ", ".join(map(str, trial.environment.in_force.get("providers") or [])) or None


def _numpy(trial: Trial) -> Json:
    return (trial.environment.facts.get("versions") or {}).get("numpy")


def _collectors(trial: Trial) -> Json:
    return ", ".join(sorted({trace.channel.collector for trace in trial.traces})) or None


# Another board, power mode or runtime is another experiment; the rest moves figures and must be known.
CONDITIONS = (
    _Condition("board", "board", _board, meaningless=True),
    _Condition("board", "number of cores", _fact("cores"), meaningless=True),
    _Condition("board", "memory", _memory, meaningless=True),
    _Condition("board", "emulation", lambda trial: trial.environment.facts.get("emulated") or "none", meaningless=True),
    _Condition("power_mode", "power mode", _state("power_mode"), meaningless=True),
    _Condition("runtime", "runtime", _runtime, meaningless=True),
    _Condition("runtime", "provider in force", _providers, meaningless=True),
    _Condition("cores", "cores allowed", _fact("cores_allowed")),
    _Condition("cores", "cores online", _state("cores")),
    _Condition("clocks", "clocks as set", _state("clocks")),
    _Condition("governor", "governor", lambda trial: _state("governor")(trial) or _fact("governors")(trial)),
    _Condition("governor", "boost", _fact("boost")),
    _Condition("fan", "fan", _state("fan")),
    _Condition("kernel", "kernel", _fact("kernel")),
    _Condition("system", "distribution", _fact("distribution")),
    _Condition("system", "hypervisor", _fact("hypervisor")),
    _Condition("system", "address randomization", _fact("address_randomization")),
    _Condition("system", "boot", _fact("boot_id")),
    _Condition("versions", "Python", _fact("python")),
    _Condition("versions", "numpy", _numpy),
    _Condition("threads", "threads", lambda trial: trial.case.settings.threads),
    _Condition("threads", "threads in force", _in_force("threads")),
    _Condition("settings", "cores of the measured process", _in_force("affinity")),
    _Condition("settings", "niceness", _in_force("nice")),
    _Condition("settings", "options of the runtime", lambda trial: to_json(trial.case.options)),
    _Condition("sensors", "sensors read while measuring", _collectors),
)  # fmt: skip
ENERGIES = (places.ENERGY, places.NET, places.POWER)
NAMES = tuple(dict.fromkeys((
    *(one.name for one in CONDITIONS),
    "device_file", "harness", "scenario", "inputs", "precision", "power_place", "time",
)))  # fmt: skip


def differences(
    baseline: StoredRun, candidate: StoredRun, matches: Sequence[Match], allowed: Collection[str] = ()
) -> tuple[Difference, ...]:
    """All that differs, what makes it meaningless first. `allowed`: names of NAMES that refuse nothing though they do.

    UnknownName for an allowed name that is none.
    """
    for name in allowed:
        if name not in NAMES:
            raise UnknownName("condition", name, NAMES)
    found = [*_of_runs(baseline, candidate), *_of_trials(matches)]
    for one in matches:
        found += _of_cells(one)
    kept = [
        Difference(one.name, one.sentence, one.meaningless and one.name not in allowed, one.metrics, one.cell)
        for one in found
    ]
    return tuple(sorted(dict.fromkeys(kept), key=lambda one: not one.meaningless))


def refusal(found: Sequence[Difference]) -> str:
    """Why the two runs must not be compared at all; empty where they may."""
    reasons = [one for one in found if one.meaningless and not one.metrics]
    if not reasons:
        return ""
    names = ", ".join(dict.fromkeys(one.name for one in reasons))
    return (
        f"these runs do not compare: {'; '.join(one.sentence for one in reasons)}. Measure both under the same "
        f"conditions, or allow it by name: {names}"
    )


def _of_runs(baseline: StoredRun, candidate: StoredRun) -> Iterator[Difference]:
    one, other = baseline.run, candidate.run
    if one.id == other.id:
        return
    if one.device.name != other.device.name:
        known = any(_board(trial) for trial in (*baseline.trials, *candidate.trials))
        sentence = f"device: {one.device.name} in the baseline, {other.device.name} in the candidate"
        yield Difference("board" if not known else "device_file", sentence, meaningless=not known)
    elif one.plan.device_id != other.plan.device_id:
        fields = [key for key, value in to_json(one.device).items() if value != to_json(other.device)[key]]
        told = f" ({', '.join(fields)})" if fields else ""
        yield Difference("device_file", f"the file of the device {one.device.name} was changed in between{told}")
    for label, before, after in (
        ("harness", one.plan.harness_version, other.plan.harness_version),
        ("agent", one.plan.agent_sha256[:12], other.plan.agent_sha256[:12]),
    ):
        if before != after:
            yield Difference("harness", _told(label, before, after))
    apart_s = abs((_utc(other.started_utc) - _utc(one.started_utc)).total_seconds())
    apart = f"{apart_s / 3600:.3g} h" if apart_s >= 3600 else f"{apart_s / 60:.3g} minutes"
    yield Difference(
        "time",
        f"measured one after the other, {apart} apart, not interleaved: a drift of the machine in between is "
        "not in the intervals",
    )


def _of_trials(matches: Sequence[Match]) -> Iterator[Difference]:
    sides = [
        [trial for one in matches for trial in one.baseline.timed],
        [trial for one in matches for trial in one.candidate.timed],
    ]
    for condition in CONDITIONS:
        before, after = (_values(condition.read, trials) for trials in sides)
        if before != after:
            both = UNKNOWN not in (before, after)
            sentence = _told(condition.label, before, after)
            yield Difference(condition.name, sentence, condition.meaningless and both)
    clocks = [_clock_hz(trials) for trials in sides]
    if all(clocks) and abs(clocks[1] / clocks[0] - 1) > SAME_CLOCK:
        told = (f"{hertz / 1e9:.2f} GHz" for hertz in clocks)
        yield Difference("clocks", _told("clock of the measured cores", *told))


def _of_cells(one: Match) -> Iterator[Difference]:
    before, after = one.baseline.result.case, one.candidate.result.case
    for name, label, values in (
        ("inputs", "inputs", [_inputs(cell) for cell in (one.baseline, one.candidate)]),
        ("scenario", "scenario", [canonical(case.scenario) for case in (before, after)]),
        ("precision", "precision", [case.precision for case in (before, after)]),
    ):
        if values[0] != values[1]:
            yield Difference(name, f"{one.name}: {_told(label, *values)}", cell=one.name)
    if before.backend != after.backend:
        yield Difference("runtime", _told(f"{one.name}: backend", before.backend, after.backend), meaningless=True)
    places_read = [_power_place(cell) for cell in (one.baseline, one.candidate)]
    if all(places_read) and places_read[0] != places_read[1]:
        sentence = _told(f"{one.name}: energy was read at", *places_read)
        yield Difference("power_place", sentence, meaningless=True, metrics=ENERGIES, cell=one.name)


def _values(read: Callable[[Trial], Json], trials: Sequence[Trial]) -> str:
    """All that the launches say, as one text."""
    known = [value for trial in trials if (value := read(trial)) is not None]
    said = sorted({value if isinstance(value, str) else canonical(value) for value in known})
    return " and ".join(said) if said else UNKNOWN


def _inputs(cell: Cell) -> str:
    case = cell.result.case
    return ", ".join(f"{one.name} {one.dtype} {'x'.join(map(str, one.shape))}" for one in case.inputs) or UNKNOWN


def _power_place(cell: Cell) -> str:
    """Scope and channels of the first launch with a figure; empty where there is none."""
    if not cell.device.power.totals:
        return ""
    found = places.powers(cell.timed, cell.device)
    good = next((one for one in found if isinstance(one, TrialPower) and not one.withheld), None)
    return "" if good is None else f"{good.scope} ({' + '.join(good.channels)}, {good.provenance})"


def _clock_hz(trials: Sequence[Trial]) -> float:
    medians = [
        float(np.median(values))
        for trial in trials
        for core in measured_cores(trial)
        if len(values := steady_values(trial, "cpu", f"cpu{core}_clock"))
    ]
    return float(np.median(medians)) if medians else 0.0


def _told(label: str, before: str, after: str) -> str:
    return f"{label}: {before} in the baseline, {after} in the candidate"


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text)
