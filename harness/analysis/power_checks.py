"""Checks of energy: coverage, windows, idle, sensors that disagree, stand still or fall silent, caveats of a total.

None of them is "invalid": that takes the whole case out of fronts and gates, and a hole in a power trace leaves every
latency as true as it was. Where an energy cannot stand, the number itself is withheld (missing, with its reason; see
power.py), and the finding is a doubt, as something went wrong while measuring.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.analysis import places, power, totals, traces
from harness.analysis.context import Context
from harness.analysis.energy import Energy
from harness.analysis.power import Idle, TrialPower
from harness.model.codec import Json
from harness.model.trial import Trace, Trial
from harness.model.verdict import Finding

# Edges cost about P * period / T: 1 % at this many periods (hardware.md, section 7), of which a few may be missing, as
# periods are estimates.
WINDOW_PERIODS, WINDOW_TOLERATED = 100, 95
# So many cost 3 %, which the launch's interval holds: where the budget allows no more, that is said and not doubted.
BUDGET_PERIODS, BUDGET_SHARE = 30, 0.95
IDLE_SHARE, IDLE_GROSS_SHARE = 0.10, 0.05
DISAGREEMENT = 0.05
STALE_PERIODS = 10
# A load never holds a power to this share of itself for ten readings; steps finer than it make a hold suspicious.
FINE_STEP = 0.001
MOVED_SHARE = 0.05
# RAPL's processors; on some machines "package-0-die-1".
PACKAGE = re.compile(r"rapl:package-.+_energy")


@dataclass(frozen=True)
class Launches:
    """Timed launches with what was found of their power, or why there is none; made once for all checks."""

    context: Context
    found: tuple[tuple[Trial, TrialPower | str], ...]

    @property
    def known(self) -> list[tuple[Trial, TrialPower]]:
        """Those with an energy, withheld or not."""
        return [(trial, one) for trial, one in self.found if isinstance(one, TrialPower)]


def power_findings(context: Context) -> Iterator[Finding]:
    """All checks of this module, in the order of CHECKS."""
    found = tuple(zip(context.timed, places.powers(context.timed, context.device), strict=True))
    launches = Launches(context, found)
    for check in CHECKS:
        yield from check(launches)


def coverage_low(launches: Launches) -> Iterator[Finding]:
    """Integrals with holes."""
    holes = [reason for _, one in launches.known if (reason := power.gap_reason(one.gross))]
    if holes:
        yield Finding(
            "coverage_low",
            "doubt",
            f"in {_of(holes, launches)} {holes[0]}; the energy of such a launch is withheld",
            "close other programs, or ask the sensor less often ([sensor.NAME] period_s in the device's file)",
        )


def window_short(launches: Launches) -> Iterator[Finding]:
    """Steady parts of too few update periods of the sensor. Where so few that the energy is withheld, a note: what
    remains in the record is true; and so where the budget ended a part of enough periods."""
    short = [
        (one.gross.window_s / period_s, trial, one)
        for trial, one in launches.known
        if (period_s := one.gross.update_period_s) is not None and one.gross.window_s < WINDOW_TOLERATED * period_s
    ]
    if short:
        periods, _, worst = min(short, key=lambda entry: entry[0])
        period_s = worst.gross.window_s / periods
        harmless = all(one.withheld or _at_budget(trial, one, many) for many, trial, one in short)
        yield Finding(
            "window_short",
            "note" if harmless else "doubt",
            f"in {_of(short, launches)} the steady part is as short as {periods:.3g} update periods of the power sensor"
            f" ({worst.gross.window_s:.3g} s of {period_s:.3g} s each; {WINDOW_PERIODS} keep the edges under 1 %)",
            f"measure for {WINDOW_PERIODS * period_s:.3g} s or longer (--budget SECONDS), or use a faster sensor",
        )


def idle_mismatch(launches: Launches) -> Iterator[Finding]:
    """Idle power that differed before and after: a note, as only the net energy rests on it, and its interval tells."""
    known = [(one, one.idle) for _, one in launches.known if isinstance(one.idle, Idle) and not one.withheld]
    apart = [
        (2 * idle.error_w / max(idle.mean_w, 1e-12), idle)
        for one, idle in known
        if 2 * idle.error_w > min(IDLE_SHARE * idle.mean_w, IDLE_GROSS_SHARE * one.gross.mean_w)
    ]
    if apart:
        share, idle = max(apart, key=lambda entry: entry[0])
        yield Finding(
            "idle_mismatch",
            "note",
            f"in {_of(apart, launches)} idle power changed by up to {share:.0%}, from {idle.before_w:.3g} W before to "
            f"{idle.after_w:.3g} W after; the net energy's interval holds half of it",
            "let the board settle, or raise idle_s under [power]; gross energy is not affected",
        )


def sensors_disagree(launches: Launches) -> Iterator[Finding]:
    """Two ways to one figure over the same window: totals of one scope, or a counter and a power of the same thing."""
    worst: dict[tuple[str, str], tuple[float, Energy, Energy]] = {}
    for trial, _ in launches.found:
        for first, second, one, other in _pairs(trial, launches.context):
            share = abs(one.joules - other.joules) / max(one.joules, other.joules, 1e-12)
            if share > max(DISAGREEMENT, worst.get((first, second), (0.0,))[0]):
                worst[first, second] = (share, one, other)
    for (first, second), (share, one, other) in sorted(worst.items()):
        told = one.low_j <= other.high_j and other.low_j <= one.high_j
        yield Finding(
            "sensors_disagree",
            "note" if told else "doubt",
            f"{first} tells {one.joules:.4g} J and {second} {other.joules:.4g} J of one window ({share:.0%} apart"
            f"{', within their own intervals' if told else ''})",
            "hold both against an external meter; until then compare only energies of the same source",
        )


def sensor_stale(launches: Launches) -> Iterator[Finding]:
    """A total that stood still while it cannot have."""
    for trial, one in launches.known:
        for name in one.channels:
            reason = _stale(trial, next(trace for trace in trial.traces if totals.name_of(trace) == name), one)
            if reason:
                yield Finding(
                    "sensor_stale",
                    "doubt",
                    f"{name} {reason} in launch {trial.launch}",
                    "the source repeats an old value: restart its service or driver, and measure again",
                )
                return


def sensor_lost(launches: Launches) -> Iterator[Finding]:
    """Collectors that fell silent on the way."""
    powered = {
        channel.partition(":")[0] for total in launches.context.device.power.totals for channel in total.channels
    }
    for trial, one in launches.found:
        own = powered if isinstance(one, str) else {channel.partition(":")[0] for channel in one.channels}
        for event in totals.sensor_facts(trial).get("lost") or []:
            name = event["collector"]
            yield Finding(
                "sensor_lost",
                "doubt" if name in own else "note",
                f"{name} fell silent in launch {trial.launch}, {_seen(event)}: {event['reason']}",
                "look after the sensor or its service; what it would have told since is missing, not zero",
            )


def package_left_out(launches: Launches) -> Iterator[Finding]:
    """Sockets that were read and are not in the total: a device's file knows of two."""
    for trial, one in launches.known:
        if one.withheld or not any(PACKAGE.fullmatch(name) for name in one.channels):
            continue
        read = {totals.name_of(trace) for trace in trial.traces if len(trace.value)}
        left = sorted(name for name in read - set(one.channels) if PACKAGE.fullmatch(name))
        if left:
            yield Finding(
                "package_left_out",
                "doubt",
                f"{', '.join(left)} was read and is not in the total of {' + '.join(one.channels)}",
                f"add a total of all packages in devices/{launches.context.device.name}.toml under [power], or pin the "
                "model to the packages that are counted",
            )
            return


def energy_caveat(launches: Launches) -> Iterator[Finding]:
    """What a reader must know of the total in use."""
    caveats = dict.fromkeys(text for _, one in launches.known if not one.withheld for text in one.total.caveats)
    for text in caveats:
        yield Finding("energy_caveat", "note", text, "read the energy with this in mind")


def power_replayed(launches: Launches) -> Iterator[Finding]:
    """Power that was played from a recording, or computed by a model."""
    for provenance, code in (("replayed", "power_replayed"), ("modelled", "power_modelled")):
        found = [one for _, one in launches.known if provenance in one.provenance.split(" and ")]
        if found:
            yield Finding(
                code,
                "note",
                f"power at {' + '.join(found[0].channels)} was {provenance}: its energy never counts as measured",
                "read a sensor or a meter for a measured energy",
            )


CHECKS: Sequence[Callable[[Launches], Iterator[Finding]]] = (
    coverage_low,
    window_short,
    idle_mismatch,
    sensors_disagree,
    sensor_stale,
    sensor_lost,
    package_left_out,
    energy_caveat,
    power_replayed,
)


def _at_budget(trial: Trial, one: TrialPower, periods: float) -> bool:
    """Whether the budget left no longer window, and this one is long enough to be told with its interval."""
    return periods >= BUDGET_PERIODS and one.gross.window_s >= BUDGET_SHARE * trial.case.scenario.stop.budget_s


def _seen(event: Mapping[str, Json]) -> str:
    if event.get("last_s") is None:
        return "without a single reading"
    return f"seen {event['seen_s'] - event['last_s']:.2g} s after its last reading"


def _of(some: Sequence[object], launches: Launches) -> str:
    return f"{len(some)} of {len(launches.found)} launches"


def _pairs(trial: Trial, context: Context) -> Iterator[tuple[str, str, Energy, Energy]]:
    """Names and energies of each two ways to one figure; a pair that is both comes once."""
    seen = set()
    told = [
        (total, found)
        for total in context.device.power.totals
        if isinstance(found := power.total_energy(trial, total), Energy)
    ]
    for (total, one), (again, other) in itertools.combinations(told, 2):
        # One socket of two is no second way to both.
        if total.scope == again.scope and not set(total.channels) & set(again.channels):
            first, second = " + ".join(total.channels), " + ".join(again.channels)
            seen.add(frozenset((first, second)))
            yield first, second, one, other
    window = traces.steady_window(trial)
    counters = [trace for trace in trial.traces if trace.channel.unit == "J"]
    for counter, gauge in itertools.product(counters, (trace for trace in trial.traces if trace.channel.unit == "W")):
        first, second = totals.name_of(counter), totals.name_of(gauge)
        same_thing = first.removesuffix("_energy") == second.removesuffix("_power")
        if window is None or not same_thing or frozenset((first, second)) in seen:
            continue
        counted = totals.trace_energy(trial, counter, *window, None)
        integrated = totals.trace_energy(trial, gauge, *window, None)
        if isinstance(counted, Energy) and isinstance(integrated, Energy):
            yield first, second, counted, integrated


def _stale(trial: Trial, trace: Trace, one: TrialPower) -> str:
    """Why this channel must have repeated an old value; empty where it need not have.

    A counter always moves, unless its steps are as large as what it had to count. A power may well be held by a coarse
    sensor under a steady load, so that there must be fine steps, or another channel that moved meanwhile by more than
    the total could hide.
    """
    # Asked more seldom than it renews its value, a sensor can be told to stand still only by that many readings.
    period_s = max(one.gross.update_period_s or 0.0, one.gross.period_s)
    time, value = traces.steady_part(trial, trace)
    if len(time) < 2:
        return ""
    changed = value[1:] != value[:-1]
    begin = time[np.concatenate(([True], changed))]
    end = time[np.concatenate((changed, [True]))]
    longest = int(np.argmax(end - begin))
    held_s = float(end[longest] - begin[longest])
    if held_s <= STALE_PERIODS * period_s:
        return ""
    held = f"told one value for {held_s:.3g} s, {held_s / period_s:.0f} periods of its readings"
    step_w = one.total.step_w or one.gross.step_w
    if trace.channel.unit == "J":
        rises = np.diff(value)
        coarse = bool(np.any(rises > 0)) and one.gross.mean_w * held_s < 2 * float(rises[rises > 0].min())
        return "" if coarse else f"{held}, and a counter of energy never rests so long"
    if step_w is not None and step_w < FINE_STEP * one.gross.mean_w:
        return f"{held}, in steps of {step_w:.2g} W"
    for other in trial.traces:
        if other.channel.unit != "W" or totals.name_of(other) in one.channels:
            continue
        _, meanwhile = traces.within(other, float(begin[longest]) + period_s, float(end[longest]))
        if len(meanwhile) > 1 and float(np.ptp(meanwhile)) > MOVED_SHARE * one.gross.mean_w + 2 * (step_w or 0.0):
            return f"{held}, while {totals.name_of(other)} moved by {float(np.ptp(meanwhile)):.3g} W"
    return ""
