"""A run on a board with rails: levels that never change within a phase, so that every energy is known on paper.

Board input, and the rails of GPU and CPU inside it. Idle 2 s before warm-up and 2 s after the steady part of 10 s; the
model works at `LEVELS`. 1000 inferences a launch: 1 W over the steady part is 10 mJ an inference.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from harness.analysis.summaries import summarise
from harness.model.codec import to_json
from harness.model.device import Device
from harness.model.power import Power, PowerTotal
from harness.model.trial import Channel, Phases, Record, Samples, Trace, Trial
from harness.model.verdict import RunResult
from tests.support.example_run import example_run

STEADY_S, INFERENCES = 10.0, 1000
INPUT, GPU, CPU = "ina:VDD_IN_power", "ina:VDD_GPU_power", "ina:VDD_CPU_power"
# W at rest, and at work by variant.
IDLE = {INPUT: 2.0, GPU: 0.4, CPU: 0.8}
LEVELS: dict[str, dict[str, float]] = {
    "fast": {INPUT: 5.0, GPU: 1.0, CPU: 3.0},
    "fast-int8": {INPUT: 3.5, GPU: 0.5, CPU: 2.0},
    "sketch": {INPUT: 4.0, GPU: 0.4, CPU: 2.6},
    "wide": {INPUT: 7.5, GPU: 1.5, CPU: 4.5},
}
BOARD = Device(
    1, "orin", "A board with rails", "ssh", ("onnxruntime",), ("ina",), identity=("*",),
    power=Power((PowerTotal((INPUT,), "module input"),), (GPU, CPU)),
)  # fmt: skip
_PERIOD_S = 0.02


def power_run(
    names: tuple[str, ...] = tuple(LEVELS),
    *,
    board: Device = BOARD,
    levels: Mapping[str, Mapping[str, float]] = LEVELS,
    provenance: str = "board rail",
    changed: Callable[[Trial], Trial] = lambda trial: trial,
) -> tuple[RunResult, dict[str, Record]]:
    """example_run with these rails read; its power metrics are analysed from them. changed: what becomes of a trial."""
    result, records = example_run(names)
    cases, found = [], {}
    for one in result.cases:
        level = levels[one.case.variant]
        trials = tuple(changed(_powered(trial, level, provenance)) for trial in records[one.case.id].trials)
        record = Record(one.case, trials)
        found[one.case.id] = record
        metrics, missing = summarise(record, one.artifact, board)
        power = {name: metrics[name] for name in metrics if "energy" in name or name == "power_mean_w"}
        reasons = {name: why for name, why in missing.items() if "energy" in name or name == "power_mean_w"}
        kept = {name: why for name, why in one.missing.items() if name not in power}
        cases.append(replace(one, metrics={**one.metrics, **power}, missing={**kept, **reasons}))
    return replace(result, device=to_json(board), cases=tuple(cases)), found


def _powered(trial: Trial, level: Mapping[str, float], provenance: str) -> Trial:
    """Its inferences spread over the steady part, with the rails around it."""
    begin = trial.samples.start_s[0]
    end = begin + STEADY_S
    phases = Phases(
        steady_start_s=begin, steady_end_s=end, idle_before_start_s=begin - 3, idle_before_end_s=begin - 1,
        idle_after_start_s=end, idle_after_end_s=end + 2,
    )  # fmt: skip
    time = np.arange(begin - 3.5, end + 2.5, _PERIOD_S) + 0.007
    # Working from the warm-up on, so that no edge lies on a step.
    working = (time >= begin - 1) & (time <= end + 0.1 * _PERIOD_S)
    wiggle = 1 + 1e-4 * np.sin(np.arange(len(time)))
    traces = [_rail(name, time, np.where(working, level[name], IDLE[name]) * wiggle, provenance) for name in level]
    starts = begin + STEADY_S / INFERENCES * np.arange(INFERENCES)
    durations = np.resize(np.asarray(trial.samples.duration_s), INFERENCES)
    samples = Samples(array("d", starts), array("d", durations), array("d", np.zeros(INFERENCES)))
    return replace(trial, phases=phases, samples=samples, traces=(*trial.traces, *traces))


def _rail(name: str, time: np.ndarray, watts: np.ndarray, provenance: str) -> Trace:
    collector, _, channel = name.partition(":")
    return Trace(Channel(collector, channel, "W", "gauge", "rail", provenance), array("d", time), array("d", watts))
