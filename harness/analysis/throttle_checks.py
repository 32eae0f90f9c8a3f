"""Checks of what slowed a processor down: throttling, too low a supply, capped frequency, moving accelerator clocks.

Channels are known by their unit and the beginning of their name, as harness.agent.collectors lays down: "flag" (1 now)
and "event" (a counter), throttled..., under_voltage..., frequency_capped...; ..._since_boot is latched until a reboot.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from harness.analysis.context import Context
from harness.analysis.machine_checks import clock_fell
from harness.analysis.totals import name_of
from harness.analysis.traces import known, steady_part, steady_window, uses_gpu
from harness.model.trial import Trace, Trial
from harness.model.verdict import Finding

UNITS = ("flag", "event")
LATCHED = "_since_boot"
# NVML's sw_power_cap: a GPU under full load runs at its power limit as a rule, and does so in every launch alike.
POWER_CAP = "_power_cap"
# Clocks by which an accelerator computes; memory, video and bus clocks follow the work and say nothing of it.
_GPU_CLOCK = re.compile(r"(gpu|gr3d|v3d)(?!.*mem).*_clock", re.IGNORECASE)
# The firmware's own count of an Arm core: cpufreq does not see what the firmware does (raspberrypi/linux#2512).
_CPU_CLOCK = re.compile(r"arm_clock")


def throttled(context: Context) -> Iterator[Finding]:
    """Clocks that the hardware or firmware held back during the steady part."""
    held = _fired(context, "throttled")
    if held:
        yield Finding(
            "throttled",
            "invalid",
            f"{_listed(held)} of {len(context.timed)}: the processor was held back while it was timed",
            "cool the board, give it a stronger supply, or set a lower power mode, and measure again",
        )


def power_capped(context: Context) -> Iterator[Finding]:
    """A GPU whose clock its power limit held down. Nothing is wrong with it, but another limit is another figure."""
    seen = {name: count for name, count in _fired(context, "frequency_capped").items() if name.endswith(POWER_CAP)}
    if seen:
        yield Finding(
            "power_capped",
            "note",  # what a GPU under load does all day: a doubt at every case would be read at none
            f"{_listed(seen)} of {len(context.timed)}: the GPU ran at its power limit",
            "true for this power limit only; record it, or lower the clocks (nvidia-smi -lgc) for a repeatable run",
        )


def under_voltage(context: Context) -> Iterator[Finding]:
    """A supply that fell too low during the steady part."""
    seen = _fired(context, "under_voltage")
    if seen:
        yield Finding(
            "under_voltage",
            "invalid",
            f"{_listed(seen)} of {len(context.timed)}: the supply fell too low, and the firmware slows the board then",
            "use the board's own supply and a short, thick cable",
        )


def frequency_capped(context: Context) -> Iterator[Finding]:
    """Clocks below what the processor can do. Capped by the firmware: invalid, as heat or supply made it do so; by a
    limit that came or went on the way: a doubt; by one that stood all the time, as a power mode sets it: a note."""
    seen = {name: count for name, count in _fired(context, "frequency_capped").items() if not name.endswith(POWER_CAP)}
    traces = {name: [(t, one) for t in context.timed if (one := _trace(t, name))] for name in seen}
    firmware = {n: seen[n] for n in seen if any(one.channel.provenance == "firmware" for _, one in traces[n])}
    moved = {
        n: seen[n] for n in seen if any(len(np.unique(steady_part(trial, one)[1])) > 1 for trial, one in traces[n])
    }
    if firmware:
        yield Finding(
            "frequency_capped",
            "invalid",
            f"{_listed(firmware)} of {len(context.timed)}: the firmware capped the clock",
            "cool the board and check its supply, then measure again",
        )
    elif moved:
        yield Finding(
            "frequency_capped",
            "doubt",
            f"{_listed(moved)} of {len(context.timed)}: the limit of the clock changed during a launch",
            "stop what sets it (a thermal or power daemon), or lock the clocks",
        )
    elif seen:
        yield Finding(
            "frequency_capped",
            "note",
            f"{_listed(seen)} of {len(context.timed)}: the clock was limited below the processor's maximum throughout",
            "a power mode or a governor's limit; it belongs to the figures, so compare only with the same one",
        )


def latched_before(context: Context) -> Iterator[Finding]:
    """Latched bits that were set before the steady part: whether they would have been set again cannot be told."""
    names = sorted({
        trace.channel.name.removesuffix(LATCHED)
        for trial in context.timed
        for trace in trial.traces
        if trace.channel.name.endswith(LATCHED) and trace.channel.unit in UNITS and _before(trial, trace) > 0
    })  # fmt: skip
    if names:
        yield Finding(
            "latched_before",
            "doubt",
            f"{', '.join(names)} had happened since boot, before the steady part: a clean claim is refused",
            "remove the cause, restart the board, which clears the latch, and measure again",
        )


def accelerator_clock_changed(context: Context) -> Iterator[Finding]:
    """The clock of a GPU in use, or the firmware's own of the CPU, that fell during the steady part."""
    for trial in context.timed:
        for trace in trial.traces:
            name = trace.channel.name
            computes = _CPU_CLOCK.fullmatch(name) or (_GPU_CLOCK.fullmatch(name) and uses_gpu(trial))
            if computes and trace.channel.unit == "Hz":
                advice = "lock the clocks (jetson_clocks, nvidia-smi -lgc), or cool the board"
                found = clock_fell(name_of(trace), steady_part(trial, trace)[1], trial, advice)
                if found is not None:
                    yield found
                    return


CHECKS: Sequence[Callable[[Context], Iterator[Finding]]] = (
    throttled,
    power_capped,
    under_voltage,
    frequency_capped,
    latched_before,
    accelerator_clock_changed,
)


def _fired(context: Context, family: str) -> dict[str, int]:
    """Channels of a family that fired in the steady part, "collector:channel", with the number of launches."""
    seen: dict[str, int] = {}
    for trial in context.timed:
        for trace in trial.traces:
            if trace.channel.unit in UNITS and trace.channel.name.startswith(family) and _happened(trial, trace):
                seen[name_of(trace)] = seen.get(name_of(trace), 0) + 1
    return dict(sorted(seen.items()))


def _happened(trial: Trial, trace: Trace) -> bool:
    """An event counted, a latch set or a flag up in the steady part."""
    values = steady_part(trial, trace)[1]
    if not len(values):
        return False
    if trace.channel.unit == "event" or trace.channel.name.endswith(LATCHED):
        return bool(values.max() > _before(trial, trace))
    return bool(values.max() > 0)


def _before(trial: Trial, trace: Trace) -> float:
    """The last value before the steady part, else the first one in it; 0 where there is none."""
    window = steady_window(trial)
    time, value = known(trace)
    earlier = value[time <= window[0]] if window is not None else value[:0]
    return float(earlier[-1]) if len(earlier) else float(value[0]) if len(value) else 0.0


def _moved(trial: Trial, trace: Trace) -> bool:
    return len(np.unique(steady_part(trial, trace)[1])) > 1


def _trace(trial: Trial, name: str) -> Trace | None:
    return next((trace for trace in trial.traces if name_of(trace) == name), None)


def _listed(seen: dict[str, int]) -> str:
    return ", ".join(f"{name} in {launches} launches" for name, launches in seen.items())
