"""A trial as a script of requests, which the steward on the board plays to a fresh process. Pure; talks to nobody."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from harness.agent import PROTOCOL, measure
from harness.board.hold import Board
from harness.board.job import Job
from harness.model.case import Case, Scenario
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
# A duet's launch: 18 pairs of blocks of at least 20 ms and 8 inferences (statistics.md, 4.1: 20 found best in five of
# six conditions; shorter blocks are noisier, as the first inference after a switch is slow). Two pairs fewer, so that a
# regression and its confirmation fit into 15 s (docs/gate.md).
DUET_PAIRS = 18
DUET_BLOCK_S = 0.02
# statistics.md, 4.1: of a random length below a page.
PADDING_BYTES = 4096
BLOCK_TIMEOUT_S = 60.0 + 60 * SLOWEST_INFERENCE_S
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


def duet_of(jobs: tuple[Job, Job], board: Board, order: BlockOrder) -> Iterator[dict[str, Json]]:
    """Two trials that take turns, block by block; `arm` says to which of the two processes a step goes.

    Only one computes at any time: the other has been started by then, and waits. Neither has sensors: each would watch
    the other's blocks too.
    """
    for arm in order.start:
        hello = _step("hello", PREPARE_TIMEOUT_S, protocol=PROTOCOL, root=board.root)
        yield hello | {"arm": arm, "padding": order.padding}
    for arm in order.start:
        settings = jobs[arm].case.settings
        asked = {"affinity": settings.affinity, "nice": settings.nice, "sensor_settings": None}
        yield _step("prepare", PREPARE_TIMEOUT_S, **asked) | {"arm": arm}
    for arm in order.start:
        case, material = jobs[arm].case, jobs[arm].material
        model = {"backend": case.backend, "artifact": material.artifact, "options": _backend_options(case)}
        expected = {"artifact_sha256": material.sha256}
        yield _step("load", LOAD_TIMEOUT_S, **model) | {"arm": arm, "expect": expected}
    for arm in order.start:
        case = jobs[arm].case
        what = {"scenario": to_json(_equally_warm(case.scenario)), "inputs": jobs[arm].material.inputs}
        size = {"blocks": len(order.candidate_second), "block_s": DUET_BLOCK_S}
        yield _step("duet", _longest_s(case), **what, **size) | {"arm": arm}
    for second in order.candidate_second:
        for arm in (0, 1) if second else (1, 0):
            yield _step("block", BLOCK_TIMEOUT_S) | {"arm": arm}
    for arm in (0, 1):
        yield _step("close", PREPARE_TIMEOUT_S, path=duet_file(arm)) | {"arm": arm}
        yield _step("bye", PREPARE_TIMEOUT_S) | {"arm": arm}


def _equally_warm(scenario: Scenario) -> Scenario:
    """Both sides warm up for the least duration, steady or not, as a search for steadiness would end elsewhere for each
    (statistics.md, 6: comparing arms with different warm-up); what is left of it falls on both, in turn."""
    warm_up = replace(scenario.warm_up, max_duration_s=scenario.warm_up.min_duration_s)
    return replace(scenario, warm_up=warm_up)


def duet_file(arm: int) -> str:
    """Where a side of a duet writes its columns."""
    return f"{SAMPLES}-{arm}"


@dataclass(frozen=True)
class BlockOrder:
    """Which of the two (0: baseline, 1: candidate) is started first, and per pair of blocks whether the candidate ran
    after the baseline: a fair coin each time, so that going second cancels out. padding: bytes of environment that
    both processes get, other ones in each launch, so that no layout of memory favours one side in all of them."""

    start: tuple[int, int]
    candidate_second: tuple[bool, ...]
    padding: int = 0


def block_order(seed: str, pairs: int = DUET_PAIRS) -> BlockOrder:
    """The order for a launch; the same seed gives the same."""
    chance = random.Random(seed)
    first = chance.randrange(2)
    coins = tuple(chance.random() < 0.5 for _ in range(pairs))
    return BlockOrder((first, 1 - first), coins, chance.randrange(PADDING_BYTES))


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
