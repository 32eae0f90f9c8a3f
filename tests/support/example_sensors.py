"""The example run on a board that tells its power, heat, clocks and troubles; with idle before and after each launch.

The input rail is at IDLE_W at rest and at BUSY_W in warm-up and steady part; an energy counter of a plug adds up
SUPPLY_LOSS times as much. From its third launch on "wide" is throttled in the second half of its steady part, its
supply sags once, and the firmware's latch is set; the clock of a core is limited all the time, as a power mode does.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.analysis import places
from harness.model.codec import to_json
from harness.model.device import Device, Limits
from harness.model.metrics import REGISTRY
from harness.model.power import Power, PowerTotal
from harness.model.trial import Channel, Environment, Phases, Record, Trace, Trial
from harness.model.verdict import CaseResult, RunResult, Summary
from tests.support.example_run import example_run

IDLE_W, BUSY_W, IDLE_S, READING_S = 2.0, 5.0, 1.0, 0.02
SUPPLY_LOSS = 1.2
RAIL, PLUG, SUPPLY = "ina:VDD_IN_power", "plug:plug_energy", "ina:VDD_IN_voltage"
CAVEAT = "the sensor moves in steps of 42 mW"
DEVICE = Device(
    1,
    "pi4",
    "Raspberry Pi 4 Model B, 4 GB",
    "local",
    ("onnxruntime",),
    ("thermal", "cpu", "others", "throttle", "ina", "plug"),
    limits=Limits(supply=SUPPLY),
    power=Power(
        totals=(PowerTotal((RAIL,), "board input", caveats=(CAVEAT,)), PowerTotal((PLUG,), "wall")),
        parts=("ina:VDD_CPU_power",),
    ),
)
_REQUESTED = {
    "threads": 1,
    "affinity": "3",
    "nice": 0,
    "idle_s": IDLE_S,
    "state": {"governor": "performance", "fan": 100},
}
_IN_FORCE = {
    "threads": 1, "affinity": "3", "nice": 0, "problems": [], "providers": ["CPUExecutionProvider"],
    "state": {"governor": "ondemand", "fan": 100}, "at_end": {"affinity": "3", "nice": 0},
}  # fmt: skip
_PROBLEM = {
    "control": "governor",
    "asked": "performance",
    "in_force": "ondemand",
    "reason": "not permitted",
    "grant": "",
}


def example_sensors(
    names: tuple[str, ...] = ("fast", "fast-int8", "sketch", "wide"),
) -> tuple[RunResult, dict[str, Record]]:
    """The result, with figures of power, and the records."""
    result, records = example_run(names)
    sensed = {key: replace(one, trials=tuple(map(_sensed, one.trials))) for key, one in records.items()}
    environment = next(iter(sensed.values())).trials[0].environment
    cases = tuple(_with_power(case, sensed[case.case.id]) for case in result.cases)
    return replace(result, device=to_json(DEVICE), environment=to_json(environment), cases=cases), sensed


def _sensed(trial: Trial) -> Trial:
    begin, end = trial.warm_up.start_s[0], trial.samples.start_s[-1] + trial.samples.duration_s[-1]
    first = begin - 0.1 - IDLE_S
    phases = Phases(
        warm_up_s=0.3, warm_up_count=1, warm_up_steady=True, steady_start_s=trial.samples.start_s[0], steady_end_s=end,
        idle_before_start_s=first, idle_before_end_s=begin - 0.1, idle_after_start_s=end + 0.05,
        idle_after_end_s=end + 0.05 + IDLE_S,
    )  # fmt: skip
    time = np.arange(first - 0.1, end + IDLE_S + 0.2, READING_S)
    facts = {
        "board_model": "Raspberry Pi 4 Model B Rev 1.4", "cores": 4, "memory_bytes": 3977560064, "kernel": "6.6.31",
        "versions": {"onnxruntime": "1.22.0", "numpy": "1.26.4"}, "state_problems": [_PROBLEM],
        "settled": {"calm": trial.order != 5, "waited_s": 2.0 + trial.order, "reason": "the hottest zone is at 71 °C"},
        "sensors": {"update_period_s": {"ina": 0.013, "plug": None}, "unavailable": {}},
        "load_average_1min": 0.1 * trial.order,
    }  # fmt: skip
    return replace(
        trial, phases=phases, traces=_traces(trial, time), environment=Environment(_REQUESTED, _IN_FORCE, facts)
    )


def _traces(trial: Trial, time: NDArray[np.float64]) -> tuple[Trace, ...]:
    begin, end = trial.warm_up.start_s[0], trial.samples.start_s[-1] + trial.samples.duration_s[-1]
    busy = (time >= begin) & (time < end)
    hot = trial.case.variant == "wide" and trial.launch >= 2
    half = trial.samples.start_s[len(trial.samples) // 2]
    held = busy & (time >= half) & hot
    watts = np.where(busy, BUSY_W, IDLE_W) - 1.0 * held
    sag = np.zeros(len(time))
    if hot:
        sag[int(np.searchsorted(time, half))] = 1.0
    zeros = np.zeros(len(time))
    values: Mapping[Channel, NDArray[np.float64]] = {
        _gauge("ina", "VDD_IN_power", "W", "rail", "board rail"): watts,
        _gauge("ina", "VDD_CPU_power", "W", "rail", "board rail"): 0.6 * watts,
        _gauge("ina", "VDD_IN_voltage", "V", "rail", "board rail"): 5.1 - 0.5 * sag,
        _counter("plug", "plug_energy", "J", "wall", "external meter"): SUPPLY_LOSS * np.cumsum(watts) * READING_S,
        _gauge("thermal", "cpu-thermal_0", "degC", "zone", "thermal zone"): 50.0
        + trial.order
        + 8.0 * busy
        + 10.0 * held,
        _gauge("cpu", "cpu3_clock", "Hz", "core", "cpufreq"): np.where(held, 1.2e9, 1.5e9),
        _gauge("cpu", "cpu0_clock", "Hz", "core", "cpufreq"): np.full(len(time), 0.6e9),
        _counter("others", "other_busy", "s", "machine", "kernel counter"): 0.05 * (time - time[0]),
        _gauge("throttle", "throttled", "flag", "board", "firmware"): held.astype(float),
        _gauge("throttle", "under_voltage", "flag", "board", "firmware"): sag,
        _counter("throttle", "under_voltage_since_boot", "event", "board", "firmware"): np.maximum.accumulate(sag),
        _gauge("throttle", "frequency_capped", "flag", "board", "firmware"): zeros,
        _gauge("throttle", "frequency_capped_cpu0", "flag", "core", "cpufreq"): zeros + 1.0,
    }
    return tuple(Trace(channel, array("d", time), array("d", value)) for channel, value in values.items())


def _gauge(collector: str, name: str, unit: str, scope: str, provenance: str) -> Channel:
    return Channel(collector, name, unit, "gauge", scope, provenance)


def _counter(collector: str, name: str, unit: str, scope: str, provenance: str) -> Channel:
    return Channel(collector, name, unit, "counter", scope, provenance)


def _with_power(case: CaseResult, record: Record) -> CaseResult:
    """With the three metrics of power as analysis has them; no interval, which nobody asks of it."""
    metrics, missing = dict(case.metrics), dict(case.missing)
    for name, found in places.figures(record.trials, DEVICE).items():
        missing.pop(name, None)
        if isinstance(found, str):
            missing[name] = found
        else:
            point = float(np.median(found.values))
            metrics[name] = Summary(name, REGISTRY[name].unit, len(found.values), point, None, None, found.method)
    return replace(case, metrics=metrics, missing=missing)
