"""Checks of the conditions: other load, stolen time, clocks, heat, paging, settings in force, sensors not read."""

from __future__ import annotations

import math
from collections.abc import Iterator

from harness.analysis.context import Context
from harness.analysis.stats import Values
from harness.analysis.traces import measured_cores, steady_rate, steady_values
from harness.model.codec import canonical
from harness.model.trial import Trial
from harness.model.verdict import Finding

# Above this share of busy launches the case is doubted; below, it is noted.
BUSY_LAUNCHES = 0.25
STEAL_SHARE = 0.02
CLOCK_SHARE = 0.95
# What must be equal in all launches of a case; a restart in between is state_checks.board_rebooted's to say.
SAME_FACTS = ("cpu", "machine", "kernel", "python", "cores_allowed", "governors", "boost", "versions")


def conditions_differ(context: Context) -> Iterator[Finding]:
    """Launches of one case under different conditions."""
    differing = []
    for name in SAME_FACTS:
        seen = sorted({canonical(trial.environment.facts.get(name)) for trial in context.timed})
        if len(seen) > 1:
            differing.append(f"{name}: {' and '.join(seen)}")
    if differing:
        yield Finding(
            "conditions_differ",
            "doubt",
            f"the launches did not share their conditions ({'; '.join(differing)})",
            "repeat the whole run without a break",
        )


def machine_busy(context: Context) -> Iterator[Finding]:
    """CPU time that other processes took during the steady part."""
    limit = context.device.limits.other_load_cores
    known = [rate for trial in context.timed if (rate := steady_rate(trial, "others", "other_busy")) is not None]
    busy = [rate for rate in known if rate > limit]
    if not known and context.timed:
        yield Finding(
            "load_not_checked", "note", "the load of other processes was not read", "a busy machine would go unseen"
        )
    if busy:
        yield Finding(
            "machine_busy",
            "doubt" if len(busy) > BUSY_LAUNCHES * len(known) else "note",
            f"other processes kept up to {max(busy):.2f} cores busy in {len(busy)} of {len(known)} launches "
            f"(limit {limit:g})",
            "close other programs and repeat",
        )


def time_stolen(context: Context) -> Iterator[Finding]:
    """CPU time that the hypervisor gave to somebody else."""
    rates = [steady_rate(t, "cpu", f"cpu{core}_steal") for t in context.timed for core in measured_cores(t)]
    worst = max((rate for rate in rates if rate is not None), default=0.0)
    if worst > STEAL_SHARE:
        yield Finding(
            "time_stolen",
            "doubt",
            f"the hypervisor took up to {worst:.1%} of a measured core in a launch",
            "measure on a machine of your own, or trust only paired comparisons here",
        )


def clock_changed(context: Context) -> Iterator[Finding]:
    """A measured core's clock that fell during the steady part."""
    for trial in context.timed:
        for core in measured_cores(trial):
            values = steady_values(trial, "cpu", f"cpu{core}_clock")
            advice = "set the governor to performance, or cool the board"
            found = clock_fell(f"core {core}", values, trial, advice)
            if found is not None:
                yield found
                return


def clock_fell(what: str, values: Values, trial: Trial, advice: str) -> Finding | None:
    """What a clock that fell (Hz, over the steady part) makes of a launch; None for one that stood."""
    if not len(values) or values.min() >= CLOCK_SHARE * values.max():
        return None
    evidence = f"{what} ran between {values.min() / 1e9:.2f} and {values.max() / 1e9:.2f} GHz in launch {trial.launch}"
    return Finding("clock_changed", "doubt", evidence, advice)


def too_hot(context: Context) -> Iterator[Finding]:
    """A thermal zone above the device's limit."""
    limit = context.device.limits.temperature_c
    hottest: tuple[float, str] = (-math.inf, "")
    for trial in context.timed:
        for zone in [trace.channel.name for trace in trial.traces if trace.channel.collector == "thermal"]:
            values = steady_values(trial, "thermal", zone)
            if len(values):
                hottest = max(hottest, (float(values.max()), zone))
    if hottest[0] > limit:
        yield Finding(
            "too_hot",
            "doubt",
            f"zone {hottest[1]} reached {hottest[0]:.0f} degC (limit {limit:g})",
            "cool the board; throttling may have begun",
        )


def paging(context: Context) -> Iterator[Finding]:
    """Memory that had to be read back from a disk during the steady part."""
    rates = [steady_rate(trial, "process", "major_faults") for trial in context.timed]
    waited = [rate for rate in rates if rate]
    if waited:
        yield Finding(
            "paging",
            "doubt",
            f"{len(waited)} of {len(context.timed)} launches read memory back from a disk, up to {max(waited):.0f}/s",
            "free memory: a swapping model measures the disk",
        )


def settings_refused(context: Context) -> Iterator[Finding]:
    """Settings that could not be put in force, or did not stay so."""
    problems = {text for t in context.timed for text in t.environment.in_force.get("problems", [])}
    for trial in context.timed:
        begun, ended = trial.environment.in_force, trial.environment.in_force.get("at_end", {})
        for name in ended:
            if name in begun and begun[name] != ended[name]:
                problems.add(f"{name} was {begun[name]} at the start and {ended[name]} at the end")
    if problems:
        evidence = "; ".join(sorted(problems))
        yield Finding("settings_refused", "doubt", evidence, "grant the right or ask for another setting")


def cores_shared(context: Context) -> Iterator[Finding]:
    """More threads than cores, or sensors on the measured core."""
    for trial in context.timed[:1]:
        cores, threads = set(measured_cores(trial)), context.record.case.settings.threads
        if cores and threads > len(cores):
            yield Finding(
                "threads_share_cores",
                "doubt",
                f"{threads} threads ran on {len(cores)} cores",
                "set affinity to as many cores as threads, or to none",
            )
        sensors = {str(core) for core in (trial.environment.facts.get("sensors") or {}).get("cores", [])}
        if cores and cores <= sensors and context.record.case.settings.affinity != "none":
            yield Finding(
                "sensors_share_core",
                "doubt",
                f"the sensors were read on the measured core {', '.join(sorted(cores))}: no other one was allowed",
                "allow a second core, or read the observer cost before trusting the tail",
            )


def sensors_missing(context: Context) -> Iterator[Finding]:
    """Collectors that could not be read."""
    reasons: dict[str, str] = {}
    for trial in context.timed:
        sensors = trial.environment.facts.get("sensors") or {}
        reasons.update(sensors.get("unavailable", {}))
    for name, reason in sorted(reasons.items()):
        yield Finding("sensor_missing", "note", f"{name}: {reason}", "what it would show is missing, not zero")
