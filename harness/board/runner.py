"""One planned trial on one board: requests in order, reply to Trial. A failure becomes a failed trial with its message.

Owns no plan, no store and no statistics; asks the transport for a fresh agent each time.
"""

from __future__ import annotations

import random
import tempfile
import time
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from harness.agent import measure, wire
from harness.board.link import Link
from harness.errors import AgentError
from harness.model.case import Case, PlannedTrial
from harness.model.codec import Json, content_id, to_json
from harness.model.device import Device
from harness.model.trial import Channel, Environment, Outputs, Phases, Samples, Trace, Trial, no_values
from harness.ports import Transport

# How long an answer may take beyond the time that was asked for: engines build slowly on small boards.
PREPARE_TIMEOUT_S = 30.0
LOAD_TIMEOUT_S = 600.0
SLACK_S = 120.0
ACCURACY_TIMEOUT_S = 3600.0
ACCURACY_BATCH = 32
# 24 pairs of 0.1 s: resolves about 0.3 % of the median on a noisy two-core machine, for 5 s once a run.
OBSERVER_PAIRS = 24
OBSERVER_BLOCK_S = 0.1


Column: TypeAlias = "array[float]"  # as harness.agent.wire reads them


@dataclass(frozen=True)
class Board:
    """A device within reach. `root` replaces / for every file that the agent reads, for captured trees."""

    device: Device
    transport: Transport
    root: str = "/"


@dataclass(frozen=True)
class Material:
    """Paths on the board: the artifact, the bound inputs, and the images of the accuracy mode.

    `labels`: the true classes of the first images, as many as are to be evaluated; they stay on the host.
    """

    artifact: str
    inputs: str | None = None
    images: str | None = None
    labels: Column = field(default_factory=no_values)
    dataset_sha256: str | None = None


@dataclass
class _Notes:
    """What is known of a trial so far; kept outside the conversation so that a failure loses none of it."""

    environment: dict[str, dict[str, Json]] = field(
        default_factory=lambda: {"requested": {}, "in_force": {}, "facts": {}}
    )
    phases: dict[str, Json] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    reply: dict[str, Json] = field(default_factory=dict)
    columns: Mapping[str, Column] = field(default_factory=dict)
    traces: tuple[Trace, ...] = ()
    arms: tuple[str, ...] = ()


def trial_id(run: str, planned: PlannedTrial) -> str:
    """The same planned trial of the same run always has this id, which is how a resumed run knows what is done."""
    return content_id({"run": run, "case": planned.case_id, "mode": planned.mode, "launch": planned.launch})


def probe(board: Board) -> dict[str, Json]:
    """Facts, usable collectors and backends of a board; reasons for the others. AgentError if it cannot be asked."""
    with Link(board.transport.talk([]), board.root) as link:
        found = link.hello()
        device = board.device
        answer = link.ask(
            "probe", PREPARE_TIMEOUT_S, collectors=list(device.collectors), runtimes=list(device.backends)
        )
        return {"facts": found["facts"], **answer}


def run_trial(board: Board, run: str, case: Case, work: tuple[int, PlannedTrial, Material]) -> Trial:
    """Run one planned trial; `work` is its place in the order, what is planned, and the material on the board."""
    order, planned, material = work
    started_utc, began = utc_now(), time.monotonic()
    notes, status, message = _Notes(), "ok", ""
    try:
        with Link(board.transport.talk([]), board.root) as link:
            _converse(link, board, case, (planned, material, notes))
    except AgentError as error:
        status, message = "failed", "\n".join(part for part in (str(error), error.remote_traceback) if part)
    reply = notes.reply
    return Trial(
        id=trial_id(run, planned),
        run=run,
        case=case,
        mode=planned.mode,
        launch=planned.launch,
        order=order,
        started_utc=started_utc,
        status="ok" if status == "ok" else "failed",
        message=message,
        stop_reason=reply.get("stop_reason", ""),
        environment=Environment(**notes.environment),
        phases=Phases(**notes.phases),
        memory=notes.memory,
        outputs=_outputs(reply, notes.columns, material.labels),
        warm_up=_samples(notes.columns, "warm_up"),
        samples=_samples(notes.columns, "samples"),
        arms=notes.arms,
        traces=notes.traces,
        dataset_sha256=material.dataset_sha256 if planned.mode == "accuracy" else None,
        wall_s=time.monotonic() - began,
    )


def utc_now() -> str:
    """The wall clock for people, never for durations."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _converse(link: Link, board: Board, case: Case, work: tuple[PlannedTrial, Material, _Notes]) -> None:
    planned, material, notes = work
    notes.environment["facts"] = link.hello()["facts"]
    _prepare(link, board, case, (planned, notes))
    options = {"threads": case.settings.threads, **case.options}
    loaded = link.ask("load", LOAD_TIMEOUT_S, backend=case.backend, artifact=material.artifact, options=options)
    notes.phases.update(import_s=loaded["import_s"], load_s=loaded["load_s"])
    notes.memory.update({f"before_load_{key}": value for key, value in loaded["memory_before"].items()})
    notes.environment["facts"]["versions"] = loaded["versions"]
    notes.environment["in_force"].update(loaded["facts"])
    if planned.mode == "accuracy":
        _evaluate(link, board, (material, notes))
    else:
        _measure(link, board, case, (planned, material, notes))
    link.ask("bye", PREPARE_TIMEOUT_S)


def _prepare(link: Link, board: Board, case: Case, work: tuple[PlannedTrial, _Notes]) -> None:
    planned, notes = work
    sensors = None
    if planned.mode != "accuracy":
        sensors = {
            "names": list(board.device.collectors),
            "period_s": board.device.sensor_period_s,
            "path": board.transport.scratch(f"{case.id}-traces"),
        }
    settings = case.settings
    notes.environment["requested"] = dict(to_json(settings))
    prepared = link.ask(
        "prepare", PREPARE_TIMEOUT_S, affinity=settings.affinity, nice=settings.nice, sensor_settings=sensors
    )
    notes.environment["in_force"].update(prepared["in_force"], problems=prepared["problems"])
    notes.environment["facts"]["sensors"] = prepared.get("sensors", {})


def _measure(link: Link, board: Board, case: Case, work: tuple[PlannedTrial, Material, _Notes]) -> None:
    planned, material, notes = work
    scenario, rule = case.scenario, case.scenario.stop
    path = board.transport.scratch(f"{case.id}-samples")
    arguments = {"scenario": to_json(scenario), "inputs": material.inputs, "path": path}
    longest = scenario.warm_up.max_duration_s + rule.budget_s + SLACK_S
    if planned.mode == "observer":
        notes.arms = _observer_arms(case.input_seed + planned.launch)
        # A slow model needs longer than the block's duration for the block's least count.
        longest += len(notes.arms) * OBSERVER_BLOCK_S * measure.BLOCK_BUDGET
        reply = link.ask("observe", longest, arms=list(notes.arms), block_s=OBSERVER_BLOCK_S, **arguments)
    else:
        reply = link.ask("measure", longest, **arguments)
    notes.reply = reply
    notes.columns = _fetch(board, path)
    for name in Phases.__dataclass_fields__:
        if name in reply:
            notes.phases[name] = reply[name]
    for moment in ("memory_first", "memory_end"):
        prefix = "after_first_" if moment == "memory_first" else "end_"
        notes.memory.update({prefix + key: value for key, value in reply.get(moment, {}).items()})
    notes.environment["facts"]["state_end"] = reply["state_end"]
    notes.environment["in_force"]["at_end"] = reply["in_force_end"]
    if reply["sensors"] is not None:
        notes.traces = _traces(
            reply["sensors"]["channels"], _fetch(board, board.transport.scratch(f"{case.id}-traces"))
        )
        notes.environment["facts"]["sensors"].update(reads=reply["sensors"]["reads"], busy_s=reply["sensors"]["busy_s"])


def _evaluate(link: Link, board: Board, work: tuple[Material, _Notes]) -> None:
    material, notes = work
    path = board.transport.scratch("predictions")
    notes.reply = link.ask(
        "evaluate",
        ACCURACY_TIMEOUT_S,
        images=material.images,
        batch=ACCURACY_BATCH,
        limit=len(material.labels),
        path=path,
    )
    notes.columns = _fetch(board, path)


def _observer_arms(seed: int) -> tuple[str, ...]:
    """Pairs of "on" and "off", each pair in a seeded random order, so that drift cancels."""
    chance = random.Random(seed)
    pairs = [chance.sample(["on", "off"], 2) for _ in range(OBSERVER_PAIRS)]
    return tuple(arm for pair in pairs for arm in pair)


def _fetch(board: Board, path: str) -> Mapping[str, Column]:
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder) / "columns"
        board.transport.get(path, local)
        try:
            columns: Mapping[str, Column] = wire.read_columns(str(local))
            return columns
        except ValueError as error:
            raise AgentError("Columns", f"the agent's columns did not arrive whole: {error}") from None


def _samples(columns: Mapping[str, Column], prefix: str) -> Samples:
    if f"{prefix}.start_s" not in columns:
        return Samples()
    return Samples(*(columns[f"{prefix}.{name}"] for name in ("start_s", "duration_s", "block")))


def _traces(channels: list[dict[str, Json]], columns: Mapping[str, Column]) -> tuple[Trace, ...]:
    return tuple(
        Trace(
            Channel(**channel),
            columns[f"time:{channel['collector']}"],
            columns[f"{channel['collector']}:{channel['name']}"],
        )
        for channel in channels
    )


def _outputs(reply: Mapping[str, Json], columns: Mapping[str, Column], labels: Column) -> Outputs:
    signature = tuple(float("nan") if value is None else value for value in reply.get("signature", ()))
    top1 = columns.get("top1", no_values())
    logits = columns.get("logits", no_values())
    return Outputs(signature, reply.get("finite", True), top1, labels[: len(top1)], logits)
