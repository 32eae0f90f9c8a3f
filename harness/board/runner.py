"""One planned trial on one board: a script of requests, and what came back as a Trial. What failed there becomes a
failed trial with its message.

Owns no plan, no store and no statistics; `hold` plays the script, in a fresh process each time.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from harness.board.columns import Column, outputs, samples, traces
from harness.board.hold import Board, Hold, Played
from harness.board.job import Job, Material
from harness.board.link import Link
from harness.board.script import (
    COLUMN_FILES,
    PREDICTIONS,
    PREPARE_TIMEOUT_S,
    SAMPLES,
    TRACES,
    BlockOrder,
    duet_file,
    duet_of,
    observer_arms,
    script_of,
)
from harness.errors import UsageError
from harness.model.codec import Json, to_json
from harness.model.trial import Environment, Phases, Trace, Trial

# Programs as root that answer slowly, one after the other.
EXAMINE_TIMEOUT_S = 180.0


@dataclass
class _Notes:
    """What is known of a trial, reply by reply."""

    environment: dict[str, dict[str, Json]] = field(
        default_factory=lambda: {"requested": {}, "in_force": {}, "facts": {}}
    )
    phases: dict[str, Json] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    reply: Mapping[str, Json] = field(default_factory=dict)
    columns: Mapping[str, Column] = field(default_factory=dict)
    traces: tuple[Trace, ...] = ()
    failure: str = ""


def utc_now() -> str:
    """The wall clock for people, never for durations."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def probe(board: Board, backends: Collection[str] | None = None) -> dict[str, Json]:
    """Facts, usable collectors and backends of a board; reasons for the others. AgentError if it cannot be asked.

    backends: those to be asked for, as some take seconds to import; None: all of the device's.
    """
    with Link(board.transport.talk([]), board.root) as link:
        found = link.hello()
        device = board.device
        answer = link.ask(
            "probe",
            PREPARE_TIMEOUT_S,
            collectors=list(device.collectors),
            runtimes=list(device.backends if backends is None else backends),
            options=to_json(device.sensor),
            period_s=device.sensor_period_s,
        )
        return {"facts": found["facts"], **answer}


@dataclass(frozen=True)
class Holder:
    """Whose run has a board, and since when, by the board's clock."""

    who: str
    since_utc: str
    run: str


def holder(board: Board) -> Holder | None:
    """Who has the board now; None where nobody has. Costs it next to nothing. AgentError, ReachError.

    It may be the last steward of the run that is about to go on: taking the board waits for that one.
    """
    with Link(board.transport.talk([]), board.root) as link:
        link.hello()
        found = link.ask("holder", PREPARE_TIMEOUT_S, lease_folder=board.transport.lease_folder)["holder"]
    return None if found is None else Holder(found["who"], found["since_utc"], found["run"])


def examine(board: Board) -> dict[str, Json]:
    """As `probe`, and what else decides whether a board is fit to measure: rights, state, disk_free_bytes, and
    clock_offset_s, by how much its wall clock is ahead of this machine's, to within the time of one request."""
    with Link(board.transport.talk([]), board.root) as link:
        link.hello()
        before = time.time()
        found = link.ask("examine", EXAMINE_TIMEOUT_S, folder=board.transport.folder)
        clock_offset_s = found.pop("epoch_s") - (before + time.time()) / 2
    return {**probe(board), **found, "clock_offset_s": clock_offset_s}


def run_trial(hold: Hold, job: Job) -> Trial:
    """Run one planned trial in a fresh process, or collect it if it was finished before."""
    arms = observer_arms(job.case.input_seed + job.planned.launch) if job.planned.mode == "observer" else ()
    played = hold.play(job.trial_id, tuple(script_of(job, hold.board, arms)), COLUMN_FILES)
    return _trial(played, job, arms)


def run_pair(hold: Hold, baseline: Job, candidate: Job, order: BlockOrder) -> tuple[Trial, Trial]:
    """Run a duet: two fresh processes that take turns, or collect it if it was finished before. One trial each; `arms`
    says per block whether it came "first" or "second" in its pair. Where one failed, so has the other.

    The board keeps both under the baseline's id, by which `hold.drop` removes them. UsageError where both jobs are one.
    """
    if baseline.trial_id == candidate.trial_id:
        raise UsageError(f"a duet of {baseline.case.variant} with itself: give one of the two another variant's name")
    jobs, files = (baseline, candidate), tuple(duet_file(arm) for arm in (0, 1))
    played = hold.play(baseline.trial_id, tuple(duet_of(jobs, hold.board, order)), files)
    places = [tuple("second" if last == bool(arm) else "first" for last in order.candidate_second) for arm in (0, 1)]
    first, second = (
        _in_order(_trial(_side(played, arm), jobs[arm], places[arm]), order, leads=order.start[0] == arm)
        for arm in (0, 1)
    )
    return first, second


def _in_order(trial: Trial, order: BlockOrder, *, leads: bool) -> Trial:
    """With what the coins said of it that its blocks do not."""
    requested = {"started": "first" if leads else "second", "padding_bytes": order.padding}
    environment = replace(trial.environment, requested={**trial.environment.requested, **requested})
    return replace(trial, environment=environment)


def _side(played: Played, arm: int) -> Played:
    """What one process of a duet left; where the other failed, this one was ended with it."""
    own = tuple(reply for reply in played.replies if reply["arm"] == arm)
    columns = {SAMPLES: played.columns[duet_file(arm)]} if duet_file(arm) in played.columns else {}
    died = played.died
    partners = [reply["error"]["text"] for reply in played.replies if not reply["ok"] and reply["arm"] != arm]
    if died is not None and died.get("arm", 0) != arm:
        partners = [died["text"]]
    if partners:
        said = died["said"] if died is not None else ""
        died = {"kind": "Partner", "text": f"was ended with its partner of the duet: {partners[0]}", "said": said}
    return replace(played, replies=own, columns=columns, died=died)


def _trial(played: Played, job: Job, arms: tuple[str, ...]) -> Trial:
    notes = _noted(played, job)
    return Trial(
        id=job.trial_id,
        run=job.run,
        case=job.case,
        mode=job.planned.mode,
        launch=job.planned.launch,
        order=job.order,
        started_utc=played.started_utc,
        status="failed" if notes.failure else "ok",
        message=notes.failure,
        stop_reason=notes.reply.get("stop_reason", ""),
        environment=Environment(**notes.environment),
        phases=Phases(**notes.phases),
        memory=notes.memory,
        outputs=outputs(notes.reply, notes.columns, job.material.labels),
        warm_up=samples(notes.columns, "warm_up"),
        samples=samples(notes.columns, "samples"),
        arms=arms if notes.reply else (),
        traces=notes.traces,
        dataset_sha256=job.material.dataset_sha256 if job.planned.mode == "accuracy" else None,
        wall_s=played.wall_s,
    )


def _noted(played: Played, job: Job) -> _Notes:
    """Replies in their order as what a Trial holds; a trial that failed keeps what came before."""
    notes = _Notes()
    notes.environment["requested"] = dict(to_json(job.case.settings))
    _note_conditions(notes, played)
    for reply in played.replies:
        if reply["ok"]:
            if reply["do"] in _NOTERS:
                _NOTERS[reply["do"]](notes, reply["result"], played)
        elif reply["do"] == "profile":
            notes.environment["facts"]["operators_missing"] = reply["error"]["text"]
        else:
            notes.failure = _failure(reply, job.material)
    if played.died is not None:
        said = played.died["said"]
        notes.failure = f"the process under test {played.died['text']}" + (f"\n{said}" if said else "")
    return notes


def _failure(reply: Mapping[str, Json], material: Material) -> str:
    error = reply["error"]
    if error["type"] == "Unexpected":
        return f"the board's copy of {material.artifact} was altered: {error['text']}; remove it there"
    return "\n".join(part for part in (f"{reply['do']}: {error['type']}: {error['text']}", error["traceback"]) if part)


def _note_conditions(notes: _Notes, played: Played) -> None:
    if played.state is not None:
        notes.environment["requested"]["state"] = played.state["asked"]
        notes.environment["in_force"]["state"] = played.state["in_force"]
        notes.environment["facts"]["state_problems"] = played.state["problems"]
    if played.settled is not None:
        notes.environment["facts"]["settled"] = played.settled


def _note_hello(notes: _Notes, result: Mapping[str, Json], _played: Played) -> None:
    notes.environment["facts"].update(result["facts"])


def _note_prepared(notes: _Notes, result: Mapping[str, Json], _played: Played) -> None:
    notes.environment["in_force"].update(result["in_force"], problems=result["problems"])
    notes.environment["facts"]["sensors"] = result.get("sensors", {})


def _note_loaded(notes: _Notes, result: Mapping[str, Json], _played: Played) -> None:
    notes.phases.update(import_s=result["import_s"], load_s=result["load_s"])
    notes.memory.update({f"before_load_{key}": value for key, value in result["memory_before"].items()})
    notes.environment["facts"]["versions"] = result["versions"]
    notes.environment["in_force"].update(result["facts"])


def _note_timed(notes: _Notes, result: Mapping[str, Json], played: Played) -> None:
    notes.reply, notes.columns = result, played.columns.get(SAMPLES, {})
    notes.environment["requested"].update(result.get("asked", {}))
    notes.phases.update({name: result[name] for name in Phases.__dataclass_fields__ if name in result})
    for moment, prefix in (("memory_first", "after_first_"), ("memory_end", "end_")):
        notes.memory.update({prefix + key: value for key, value in result.get(moment, {}).items()})
    notes.environment["facts"]["state_end"] = result["state_end"]
    notes.environment["in_force"]["at_end"] = result["in_force_end"]
    sensors = result["sensors"]
    if sensors is not None:
        notes.traces = traces(sensors["channels"], played.columns[TRACES])
        sensed = notes.environment["facts"]["sensors"]
        sensed.update({name: sensors[name] for name in ("reads", "busy_s", "peak_rss_bytes", "lost", "details")})
        sensed.setdefault("update_period_s", {}).update(sensors["line_period_s"])


def _note_opened(notes: _Notes, result: Mapping[str, Json], _played: Played) -> None:
    notes.phases.update({name: result[name] for name in Phases.__dataclass_fields__ if name in result})
    notes.memory.update({f"after_first_{key}": value for key, value in result["memory_first"].items()})


def _note_evaluated(notes: _Notes, result: Mapping[str, Json], played: Played) -> None:
    notes.reply, notes.columns = result, played.columns.get(PREDICTIONS, {})


def _note_profiled(notes: _Notes, result: Mapping[str, Json], _played: Played) -> None:
    if result["operators"] is not None:
        notes.environment["facts"]["operators"] = result["operators"]


_NOTERS = {
    "hello": _note_hello,
    "prepare": _note_prepared,
    "load": _note_loaded,
    "measure": _note_timed,
    "observe": _note_timed,
    "duet": _note_opened,
    "close": _note_timed,
    "evaluate": _note_evaluated,
    "profile": _note_profiled,
}
