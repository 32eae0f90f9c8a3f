"""Checks of what a launch's series shows: drift, two modes, bursts of slow inferences, time that stood still or went
back, no steady state. A launch that is flagged stays in the figures: nothing is dropped for what its latencies are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from harness.analysis import launch_checks, series, stats, steady
from harness.analysis.context import Context
from harness.analysis.stats import Values
from harness.analysis.summaries import durations
from harness.model.trial import Samples, Trial
from harness.model.verdict import Finding, Severity

# Bursts that hold so much of the inferences reach into p95; those with less are told, and no more.
BURST_SHARE = 0.05
# A virtual machine that was paused, a suspended board: nothing else stands still for as long between two inferences.
GAP_S = 0.1
# And within one inference, by as many medians more: a slow model takes 0.1 s every time.
GAP_MEDIANS = 100.0


def drift(context: Context) -> Iterator[Finding]:
    """A ramp or a step within launches."""
    found = [(trial, seen) for trial in context.timed if (seen := series.drift(durations(trial))) is not None]
    if found:
        trial, worst = max(found, key=lambda one: abs(one[1].change))
        yield Finding(
            "drift",
            _by_share(len(found), context),
            f"the latency moved within {len(found)} of {len(context.timed)} launches, most by {worst.change:+.1%} "
            f"(a {worst.kind}, launch {trial.launch})",
            "heat, clocks or a neighbour: let the board settle, cool it or lock its clocks, and measure again",
        )


def two_modes(context: Context) -> Iterator[Finding]:
    """Launches that went to and fro between two latencies."""
    found = [(trial, seen) for trial in context.timed if (seen := series.two_modes(durations(trial))) is not None]
    if found:
        trial, worst = max(found, key=lambda one: one[1].high_s / one[1].low_s)
        yield Finding(
            "two_modes",
            _by_share(len(found), context),
            f"{len(found)} of {len(context.timed)} launches have two modes; in launch {trial.launch} "
            f"{worst.low_s * 1e3:.4g} ms and {worst.high_s * 1e3:.4g} ms, {worst.share_high:.0%} at the slower",
            "a median between two modes jumps from one to the other: look at the distribution, and at clocks and cores",
        )


def outlier_bursts(context: Context) -> Iterator[Finding]:
    """Slow inferences that come in a row, as a neighbour or a daemon makes them."""
    found = [(trial, seen) for trial in context.timed if (seen := series.bursts(durations(trial)))]
    if found:
        trial, worst = max(found, key=lambda one: sum(burst.count for burst in one[1]))
        share = max(sum(burst.count for burst in seen) / len(one.samples) for one, seen in found)
        most = 2 * len(found) > len(context.timed)
        several = "" if len(worst) == 1 else "s"
        excess_s = sum(burst.excess_s for burst in worst)
        yield Finding(
            "outlier_bursts",
            "doubt" if most and share > BURST_SHARE else "note",
            f"slow inferences came in bursts in {len(found)} of {len(context.timed)} launches; in launch "
            f"{trial.launch}: {len(worst)} burst{several} of up to {max(burst.count for burst in worst)} in a row, "
            f"{excess_s * 1e3:.3g} ms more than the median, up to {share:.1%} of a launch",
            "find what runs beside it (`harness doctor`); tail and mean hold it, the median hardly does",
        )


def clock_backwards(context: Context) -> Iterator[Finding]:
    """A clock that is no clock: nothing that it timed can stand."""
    backwards = [trial for trial in context.timed if _went_back(trial.samples)]
    if backwards:
        yield Finding(
            "clock_backwards",
            "invalid",
            f"the clock that times inferences went back in {len(backwards)} of {len(context.timed)} launches",
            "this clock cannot be used: check the machine's clock source (dmesg, clocksource) and measure again",
        )


def stood_still(context: Context) -> Iterator[Finding]:
    """Time in the midst of a launch in which nothing happened, on a clock that went on."""
    sound = [trial for trial in context.timed if not _went_back(trial.samples)]
    stood = [(trial, longest) for trial in sound if (longest := _longest_stop_s(trial.samples)) > GAP_S]
    if stood:
        trial, longest = max(stood, key=lambda one: one[1])
        yield Finding(
            "stood_still",
            "doubt",
            f"nothing happened for {longest:.3g} s in the midst of launch {trial.launch} "
            f"({len(stood)} of {len(context.timed)} launches): the machine was paused or stopped",
            "a paused virtual machine or a suspended board: run again while nothing stops it",
        )


def no_steady_state(context: Context) -> Iterator[Finding]:
    """No index in the first half of the launches from which their common profile is level."""
    if any(one.severity == "doubt" for one in launch_checks.not_steady(context)):
        return  # the agent saw it already
    profile = steady.welch_profile([_whole(trial) for trial in context.timed])
    if profile is not None and profile.found is None:
        half = len(profile.level) // 2
        early = float(np.median(profile.level[:half]))
        yield Finding(
            "no_steady_state",
            "doubt",
            f"no steady state: over {profile.launches} launches no point in the first {half} inferences has the level "
            f"of the second half within {steady.WITHIN:.0%} (the first half is at {early:.3f} of it)",
            "give the warm-up longer, cool the board or lock its clocks; until then read the launches one by one",
        )


CHECKS: Sequence[Callable[[Context], Iterator[Finding]]] = (
    drift,
    two_modes,
    outlier_bursts,
    clock_backwards,
    stood_still,
    no_steady_state,
)


def _by_share(count: int, context: Context) -> Severity:
    """One odd launch of six is told; when most are odd, so is the figure."""
    return "doubt" if 2 * count > len(context.timed) else "note"


def _whole(trial: Trial) -> Values:
    """Durations from the first inference of the warm-up on."""
    return np.concatenate([np.asarray(trial.warm_up.duration_s, np.float64), durations(trial)])


def _went_back(samples: Samples) -> bool:
    duration, start = np.asarray(samples.duration_s, np.float64), np.asarray(samples.start_s, np.float64)
    return bool(np.any(duration < 0) or np.any(np.diff(start) < 0))


def _longest_stop_s(samples: Samples) -> float:
    """The longest time between the end of one inference and the start of the next, or in one far beyond the others."""
    if not len(samples):
        return 0.0
    duration, start = np.asarray(samples.duration_s, np.float64), np.asarray(samples.start_s, np.float64)
    between = float(np.max(start[1:] - start[:-1] - duration[:-1], initial=0.0))
    slowest, median = float(duration.max()), stats.median(duration)
    return max(between, slowest - median if slowest > GAP_MEDIANS * median else 0.0)
