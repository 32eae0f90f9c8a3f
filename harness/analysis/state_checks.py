"""Checks of the board's state: what was asked for and not in force, a board that was not calm, reboots, clock steps.

The agent's own words (facts state_problems and settled of each launch) are weighed here, not found out again.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

from harness.analysis.context import Context
from harness.model.codec import Json
from harness.model.trial import Trial
from harness.model.verdict import Finding

# What a run loses by each, and whether its numbers are doubted for it: the first two make it another board.
LOST: Mapping[str, str] = {
    "power_mode": "cores and ceilings were another mode's: not comparable with runs in the mode asked for",
    "cores": "other cores were online: not comparable with runs on those asked for",
    "governor": "clocks followed the load: latency varies more, and a launch with another",
    "clocks": "clocks were not held: latency varies more, and a launch with another",
    "fan": "cooling was not held: temperature, and with it clocks, may differ from launch to launch",
}
DOUBTED = ("power_mode", "cores")
BY_HAND = "set it by hand before the run, or take it out of the state asked for"
# What a time keeper slews moves both clocks together (adjtimex(2) steers CLOCK_REALTIME and CLOCK_MONOTONIC alike):
# only a step, a pause or a sleep of the board takes them apart. 0.1 s: statistics.md, 4.9.
CLOCK_STEP_S = 0.1


def state_not_set(context: Context) -> Iterator[Finding]:
    """Parts of the state that were asked for and not in force."""
    seen: dict[str, list[Mapping[str, Json]]] = {}
    for trial in context.timed:
        for problem in _dicts(trial.environment.facts.get("state_problems")):
            seen.setdefault(str(problem.get("control")), []).append(problem)
    for control, problems in seen.items():
        first = problems[0]
        instead = "" if first.get("in_force") is None else f" ({first['in_force']} instead)"
        yield Finding(
            "state_not_set",
            "doubt" if control in DOUBTED else "note",
            f"{control} {first.get('asked')} was asked for and not in force in {len(problems)} of "
            f"{len(context.timed)} launches{instead}: {first.get('reason')}; "
            f"{LOST.get(control, 'the board was not as asked for')}",
            str(first.get("grant") or BY_HAND),
        )


def not_settled(context: Context) -> Iterator[Finding]:
    """A board that was not calm when its time to become so was over. Heat is a doubt; load has a check of its own."""
    restless = []
    for trial in context.timed:
        restless += [told for told in _dicts([trial.environment.facts.get("settled")]) if told.get("calm") is False]
    if restless:
        hot = [told for told in restless if told.get("unmet") != ["load"]]
        first = (hot or restless)[0]
        yield Finding(
            "not_settled",
            "doubt" if hot else "note",
            f"{len(restless)} of {len(context.timed)} launches began before the board was calm: {first.get('reason')}, "
            f"after {_seconds(first.get('waited_s'))} s",
            "cool the board, close other programs, or give it longer: deadline_s under [settle] of its file",
        )


def not_looked_at(context: Context) -> Iterator[Finding]:
    """A calm that the board's file asks for and that nobody waited for, or whose temperature nothing could read."""
    rule = context.device.settle
    if not rule.deadline_s:
        return
    waited = [_dicts([trial.environment.facts.get("settled")]) for trial in context.timed]
    never = sum(not told for told in waited)
    blind = sum(bool(told) and told[0].get("temperature_c") is None for told in waited)
    if never:
        yield Finding(
            "not_looked_at",
            "note",
            f"[settle] asks for a calm board, and {never} of {len(waited)} launches did not wait for it",
            "whether the board was calm then is not known: measure again with this version of the harness",
        )
    elif blind and rule.start_below_c is not None:
        yield Finding(
            "not_looked_at",
            "note",
            f"[settle] asks for a start below {rule.start_below_c:g} degC, and no thermal zone could be read before "
            f"{blind} of {len(waited)} launches",
            "take start_below_c out of the board's file, or find out why /sys/class/thermal is empty there",
        )


def board_rebooted(context: Context) -> Iterator[Finding]:
    """Launches of one case under different boots."""
    boots = len(_by_boot(context.timed))
    if boots > 1:
        yield Finding(
            "board_rebooted",
            "note",
            f"the launches ran under {boots} boots of the board",
            "find out why it restarted (supply, heat, a power mode); compare the launches before and after",
        )


def clock_step(context: Context) -> Iterator[Finding]:
    """A wall clock that was set between two launches of one boot, or a machine that slept."""
    jumps = [0.0]
    for trials in _by_boot(context.timed).values():
        told = [trial.environment.facts.get("epoch_minus_clock_s") for trial in trials]
        offsets = [float(one) for one in told if isinstance(one, int | float)]
        jumps += [later - offset for offset, later in itertools.pairwise(offsets)]
    jump = max(jumps, key=abs)
    if abs(jump) > CLOCK_STEP_S:
        yield Finding(
            "clock_step",
            "note",
            f"the wall clock jumped by {jump:+.3g} s between two launches, against the clock that times them",
            "the timings are sound; another tool's log, which is placed by wall time, finds its place only in launches "
            "on its side of the step; or the machine slept in between",
        )


CHECKS: Sequence[Callable[[Context], Iterator[Finding]]] = (
    state_not_set, not_settled, not_looked_at, board_rebooted, clock_step,
)  # fmt: skip


def _by_boot(trials: Sequence[Trial]) -> dict[str, list[Trial]]:
    """Launches by boot id; those that do not tell it are left out."""
    found: dict[str, list[Trial]] = {}
    for trial in trials:
        boot = trial.environment.facts.get("boot_id")
        if boot is not None:
            found.setdefault(str(boot), []).append(trial)
    return found


def _dicts(values: Json) -> list[Mapping[str, Json]]:
    """The tables of a list in the facts; none where it is absent."""
    return [one for one in values if isinstance(one, dict)] if isinstance(values, list) else []


def _seconds(waited: Json) -> str:
    return f"{waited:.0f}" if isinstance(waited, int | float) else "unknown"
