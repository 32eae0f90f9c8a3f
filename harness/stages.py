"""The pipeline: planned -> measured -> result. Each stage is a function of what the one before returned.

Owns the order and the resuming; every step's work lives in the layer it calls. harness.planning makes what is planned.
"""

from __future__ import annotations

import contextlib
import dataclasses
import subprocess
import sys
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Protocol

from harness import places, registry, rounds
from harness.artifacts.quality_file import recorded_pairs, recorded_qualities
from harness.attachments import with_attached
from harness.board import material
from harness.board.hold import Board, Hold, Patience
from harness.board.job import Job, Material
from harness.board.offered import offered
from harness.board.reference import reference_signature
from harness.board.runner import probe, run_trial, utc_now
from harness.board.transports import connect
from harness.datasets.split import Split
from harness.errors import DeviceFileError, HarnessError, NothingMeasured, UsageError
from harness.model.case import Case, Plan, PlannedTrial, Signature
from harness.model.codec import Json, content_id
from harness.model.device import check_device, stranger
from harness.model.run import RUN_SCHEMA, Run, trial_id
from harness.model.site import LEASE_FOLDER
from harness.model.trial import Record, Trial
from harness.model.verdict import RunResult
from harness.occupied import check_free
from harness.options import Options
from harness.plan import without_backends
from harness.planning import Planned
from harness.registry import Target
from harness.resolve import Source
from harness.store import store

QUICK_IMAGES = 1000
# What must be equal for two trials to belong to one run.
SAME_MACHINE = ("cpu", "machine", "cores", "cores_allowed", "memory_bytes", "kernel", "python")


@dataclass(frozen=True)
class Progress:
    """Told before and after each trial; `finished` is None before. `resumed`: trials that were there at the start."""

    number: int
    total: int
    case: Case
    planned: PlannedTrial
    finished: Trial | None
    resumed: int


class Watcher(Protocol):
    """Whoever looks on while a board is measured."""

    def __call__(self, progress: Progress) -> None:
        """A trial begins, or has ended."""

    def tell(self, text: str) -> None:
        """Something happened that a person wants to know: a link broke, a board was restarted."""


def reach(planned: Planned, options: Options) -> tuple[Planned, Board]:
    """The board, asked what it has; cases of backends that it lacks become skips, and the rest of the plan is tied to
    what it said, so that a run is resumed only on the same machine with the same runtimes."""
    board = board_of(planned.target, options.cache, options.leases)
    try:
        return _reached(planned, board, options), board
    except BaseException:
        board.transport.close()
        raise


def _reached(planned: Planned, board: Board, options: Options) -> Planned:
    check_free(planned.plan, board, options.results)
    backends = sorted({case.backend for case in planned.plan.cases})
    answer = ask(board, planned.target.name, lambda board: probe(board, backends))
    said = stranger(board.device, answer["facts"])
    if said is not None:
        raise UsageError(_stranger(planned.target, said))
    plan = without_backends(planned.plan, answer["backends_unavailable"])
    hardware = {name: answer["facts"].get(name) for name in SAME_MACHINE}
    plan = dataclasses.replace(plan, board_id=content_id({"hardware": hardware, "runtimes": answer["backends"]}))
    return dataclasses.replace(planned, plan=plan, told=answer)


def _stranger(target: Target, said: str) -> str:
    title = target.device.title
    if target.site is None:
        return (
            f"this machine says it is {said!r}, which is no {title}: give the board's address (--host user@address), "
            "or measure this machine with --device localhost"
        )
    where = target.site.address
    return f"{where} says it is {said!r}, which is no {title}: check the address, or name another --device"


def with_references(planned: Planned, board: Board, options: Options) -> Planned:
    """The reference output of every artifact that came without one: the user's own models. ModelError where one fails.

    They are computed on this machine, whatever the board is: a second opinion from another one is worth more.
    """
    here = board if planned.target.site is None else board_of(registry.this_machine(), options.cache, options.leases)
    artifacts = dict(planned.plan.artifacts)
    known: dict[str, Signature | None] = {}
    for case in planned.plan.cases:
        if case.inputs and artifacts[case.id].signature is None:
            # Of the artifact itself, whatever form of it the case runs. Names and scenarios change nothing in it.
            source = planned.resolution.sources[case.variant]
            of_it = content_id([source.sha256, case.backend, case.options, case.inputs, case.input_seed])
            if of_it not in known:
                known[of_it] = reference_signature(here, case, _sent(here, source, case))
            artifacts[case.id] = dataclasses.replace(artifacts[case.id], signature=known[of_it])
    return dataclasses.replace(planned, plan=dataclasses.replace(planned.plan, artifacts=artifacts))


def ask(board: Board, name: str, question: Callable[[Board], dict[str, Json]] = probe) -> dict[str, Json]:
    """What the board answers. DeviceFileError where `name` sets options that a collector refuses."""
    try:
        return question(board)
    except DeviceFileError as error:
        raise DeviceFileError(f"device {name}: {error}") from None


def board_of(target: Target, cache: Path, leases: Path = Path(LEASE_FOLDER)) -> Board:
    """The device within reach, through its transport. Nothing is opened yet. DeviceFileError for names that the agent
    does not have. leases: as of Options."""
    check_device(target.device, offered(), target.file)
    folder = places.writable(board_folder(cache), "--cache")
    return Board(target.device, connect(target.site, folder, sys.executable, leases))


def board_folder(cache: Path) -> Path:
    """What was sent to this machine as a board."""
    return cache / "board"


def measure(planned: Planned, board: Board, options: Options, watcher: Watcher) -> Path:
    """Run what is planned and not yet stored; returns the run's folder. Each trial is stored before the next starts.

    NothingMeasured if the plan is empty, BoardBusy where another run has the board. KeyboardInterrupt and LinkLost pass
    through: what was stored stays, and the same command goes on, with what the board finished meanwhile.
    """
    plan = planned.plan
    if not plan.cases:
        raise NothingMeasured(_why_nothing(plan))
    root = places.writable(options.results, "--results")
    planned = with_references(planned, board, options)
    resumed = store.resumable(root, plan.id)
    run = resumed or new_run(planned, options)
    folder = root / run.id
    with contextlib.ExitStack() as held:
        if resumed:  # first of all: who takes the board for a run takes it from whoever had it for the same run
            held.enter_context(store.held(folder))
        hold = held.enter_context(Hold(board, run.id, Patience(tell=watcher.tell)))
        if not resumed:
            store.begin(root, run)
            held.enter_context(store.held(folder))
        _run_trials(hold, planned, options, (run, folder, watcher))
        hold.drop(None)
    return folder


def _run_trials(hold: Hold, planned: Planned, options: Options, to: tuple[Run, Path, Watcher]) -> None:
    run, folder, watcher = to
    plan, done = planned.plan, store.finished_trials(folder)
    sent = hold.sending(lambda board: materials(board, planned, options))
    hold.calm(whole=True)
    going_on = rounds.going_on(plan, folder)
    for number, trial in enumerate(plan.trials):
        if trial_id(run.id, trial) in done or (going_on is not None and not going_on.wanted(trial)):
            continue
        case = plan.case(trial.case_id)
        watcher(Progress(number, len(plan.trials), case, trial, None, len(done)))
        hold.calm()
        finished = run_trial(hold, Job(run.id, case, trial, number, sent[case.id]))
        store.append(folder, finished)
        if going_on is not None:
            going_on.add(finished)
        hold.drop(finished.id)
        watcher(Progress(number + 1, len(plan.trials), case, trial, finished, len(done)))
    trials = store.read(folder).trials
    failed = sum(trial.status == "failed" for trial in trials)
    store.finish(folder, utc_now(), len(trials), failed, going_on.outcome() if going_on is not None else None)


def conclude(folder: Path) -> tuple[RunResult, dict[str, Record]]:
    """Read a run back from the store and analyse it: what is reported is always what was stored."""
    from harness.analysis.analyse import analyse, records

    stored, said = with_attached(store.read(folder))
    result = with_recorded(analyse(stored), places.builtin()["suites"])
    return dataclasses.replace(result, notes=result.notes + said), records(stored)


def with_recorded(result: RunResult, suites: Path) -> RunResult:
    """The same, with what the folder of suites records beyond top-1 of exactly the files that the cases ran.

    A backend that makes another precision of a file makes another model of it, so nothing is known of that. A file of
    records that cannot be read costs a note and no number: the run itself is whole.
    """
    try:
        known, pairs = recorded_qualities(suites), recorded_pairs(suites)
    except HarnessError as error:
        note = f"What was recorded of the artifacts beyond top-1 is left out: {error}"
        return dataclasses.replace(result, notes=(*result.notes, note))
    cases = tuple(
        dataclasses.replace(one, quality=known.get(one.artifact.sha256), paired=pairs.get(one.artifact.sha256, ()))
        if one.case.precision == one.artifact.precision
        else one
        for one in result.cases
    )
    return dataclasses.replace(result, cases=cases)


def _sent(board: Board, source: Source, case: Case) -> Material:
    """A case's file and its inputs, on the board."""
    return Material(
        artifact=material.send_artifact(board, source.folder, source.files, source.sha256),
        sha256=source.sha256,
        inputs=material.send_inputs(board, case),
    )


def materials(board: Board, planned: Planned, options: Options) -> dict[str, Material]:
    """What every case needs on the board; the images of the accuracy mode travel once for all of them."""
    sent = {case.id: _sent(board, planned.resolution.source(case), case) for case in planned.plan.cases}
    split = planned.split
    if split is None:
        return sent
    images, labels = material.send_images(board, split), _labels(split, options)
    return {
        key: dataclasses.replace(one, images=images, labels=labels, dataset_sha256=split.sha256)
        for key, one in sent.items()
    }


def _labels(split: Split, options: Options) -> array[float]:
    return array("d", split.labels[: QUICK_IMAGES if options.quick else None].astype(float).tobytes())


def new_run(planned: Planned, options: Options) -> Run:
    """A fresh run of the plan, named after the time and the plan. Milliseconds, as a scripted run takes under 1 s."""
    started, commit = datetime.now(UTC), _commit()
    compact = f"{started:%Y%m%dT%H%M%S}.{started.microsecond // 1000:03d}Z"
    return Run(
        schema=RUN_SCHEMA,
        id=f"{compact}-{planned.plan.id[:8]}",
        plan_id=planned.plan.id,
        plan=planned.plan,
        device=planned.target.device,
        started_utc=f"{started:%Y-%m-%dT%H:%M:%SZ}",
        command=options.command,
        versions=_versions(),
        commit=commit[0] if commit else None,
        commit_dirty=commit[1] if commit else None,
    )


def _versions() -> dict[str, str]:
    """Of the host's side; the board's own are in every trial."""
    found = {"python": sys.version.split()[0]}
    for name in ("numpy", "onnx", "onnxruntime", "pandas", "pyarrow", "plotly"):
        with contextlib.suppress(metadata.PackageNotFoundError):  # onnxruntime-gpu goes by another name
            found[name] = metadata.version(name)
    return found


def _commit() -> tuple[str, bool] | None:
    """Commit and dirty flag of the checkout that this code runs from; None outside one."""
    root = places.checkout()
    if root is None:  # an installed copy may lie inside somebody else's repository
        return None
    command = ["git", "-C", str(root)]
    try:
        top = subprocess.run([*command, "rev-parse", "--show-toplevel"], capture_output=True, text=True, check=True)
        if Path(top.stdout.strip()) != root:
            return None
        head = subprocess.run([*command, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run([*command, "status", "--porcelain"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.stdout.strip(), bool(changed.stdout.strip())


def _why_nothing(plan: Plan) -> str:
    reasons = "; ".join(f"{skip.variant}: {skip.reason}" for skip in plan.skips)
    return f"nothing to measure in {plan.suite} on {plan.device}: {reasons or 'the suite has no variant'}"
