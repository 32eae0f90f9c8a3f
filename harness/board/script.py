"""A trial as a script of requests, which the steward on the board plays to a fresh process. Pure; talks to nobody."""

from __future__ import annotations

import random
from collections.abc import Iterator

from harness.agent import PROTOCOL, measure
from harness.board.hold import Board
from harness.board.job import Job
from harness.model.case import Case
from harness.model.codec import Json, to_json
from harness.model.device import Device

# How long an answer may take beyond the time that was asked for: engines build slowly on small boards.
PREPARE_TIMEOUT_S = 30.0
LOAD_TIMEOUT_S = 600.0
SLACK_S = 120.0
# The slowest inference that is waited for: a segmentation network on a single small core.
SLOWEST_INFERENCE_S = 30.0
ACCURACY_TIMEOUT_S = 3600.0
# 24 pairs of 0.1 s: resolves about 0.3 % of the median on a noisy two-core machine, for 5 s once a run.
OBSERVER_PAIRS = 24
OBSERVER_BLOCK_S = 0.1
# Files that a trial writes, in its own folder on the board.
SAMPLES, TRACES, PREDICTIONS = COLUMN_FILES = ("samples", "traces", "predictions")


def script_of(job: Job, board: Board, arms: tuple[str, ...] = ()) -> Iterator[dict[str, Json]]:
    """The requests of a trial in their order, as harness.agent.steward plays them. Files are named without a folder.

    arms: the conditions of an observer trial's blocks, as of `observer_arms`.
    """
    case, material, device = job.case, job.material, board.device
    yield _step("hello", PREPARE_TIMEOUT_S, protocol=PROTOCOL, root=board.root)
    yield _step(
        "prepare",
        PREPARE_TIMEOUT_S,
        affinity=case.settings.affinity,
        nice=case.settings.nice,
        sensor_settings=None if job.planned.mode == "accuracy" else _sensors(device),
    )
    model = {"backend": case.backend, "artifact": material.artifact, "options": _backend_options(case)}
    yield {
        **_step("load", LOAD_TIMEOUT_S, inputs=material.inputs, **model),
        "expect": {"artifact_sha256": material.sha256},
    }
    yield _main_step(job, device, arms)
    if job.planned.mode == "performance" and job.planned.launch == 0:
        # What the runtime says it executed; asked last, and where it fails nothing measured is lost.
        yield {**_step("profile", LOAD_TIMEOUT_S, inputs=material.inputs, **model), "may_fail": True}
    yield _step("bye", PREPARE_TIMEOUT_S)


def _step(request: str, timeout_s: float, **arguments: Json) -> dict[str, Json]:
    return {"do": request, "timeout_s": timeout_s, "with": arguments}


def _backend_options(case: Case) -> dict[str, Json]:
    return {"threads": case.settings.threads, **case.options}


def _sensors(device: Device) -> dict[str, Json]:
    return {
        "names": list(device.collectors),
        "period_s": device.sensor_period_s,
        "path": TRACES,
        "options": to_json(device.sensor),
    }


def _main_step(job: Job, device: Device, arms: tuple[str, ...]) -> dict[str, Json]:
    case, material = job.case, job.material
    if job.planned.mode == "accuracy":
        # The batch of the timed run: a model may accept no other.
        shape = case.inputs[0].shape if case.inputs else ()
        where = {"images": material.images, "batch": shape[0] if shape else 1, "limit": len(material.labels)}
        return _step("evaluate", ACCURACY_TIMEOUT_S, path=PREDICTIONS, **where)
    what = {"scenario": to_json(case.scenario), "inputs": material.inputs, "path": SAMPLES}
    if job.planned.mode == "observer":
        # A slow model needs longer than the block's duration for the block's least count.
        longest_s = _longest_s(case) + len(arms) * OBSERVER_BLOCK_S * measure.BLOCK_BUDGET
        return _step("observe", longest_s, arms=list(arms), block_s=OBSERVER_BLOCK_S, **what)
    idle_s = 2 * device.power.idle_s
    return _step("measure", _longest_s(case) + idle_s, power=_power(device), **what)


def _power(device: Device) -> dict[str, Json]:
    """What the length of the measured part depends on; see harness.agent.window."""
    totals = [sorted({channel.partition(":")[0] for channel in total.channels}) for total in device.power.totals]
    asked_s = {
        name: float(device.sensor.get(name, {}).get("period_s", device.sensor_period_s))
        for names in totals
        for name in names
    }
    return {"totals": totals, "asked_s": asked_s, "idle_s": device.power.idle_s}


def _longest_s(case: Case) -> float:
    # The warm-up of a slow model may outlast its time limit: it gets its blocks whatever they take.
    blocks_s = measure.LEAST_BLOCKS * measure.SLOW_BLOCK_COUNT * SLOWEST_INFERENCE_S
    return case.scenario.warm_up.max_duration_s + case.scenario.stop.budget_s + SLACK_S + blocks_s


def observer_arms(seed: int) -> tuple[str, ...]:
    """Pairs of "on" and "off", each pair in a seeded random order, so that drift cancels."""
    chance = random.Random(seed)
    pairs = [chance.sample(["on", "off"], 2) for _ in range(OBSERVER_PAIRS)]
    return tuple(arm for pair in pairs for arm in pair)
