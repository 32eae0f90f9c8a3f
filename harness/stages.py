"""The pipeline: options -> planned -> measured -> result. Each stage is a function of what the one before returned.

Owns the order and the resuming; every step's work lives in the layer it calls.
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import harness
from harness import places, registry
from harness.board import material, pack
from harness.board.runner import Board, Job, Material, probe, run_trial, trial_id, utc_now
from harness.board.transports import connect
from harness.datasets import cifar10
from harness.errors import AgentError, DataError, DeviceFileError, NothingMeasured
from harness.model.case import Case, Plan
from harness.model.codec import Json, to_json
from harness.model.device import Device
from harness.model.run import RUN_SCHEMA, Run
from harness.model.trial import Record, Trial
from harness.model.verdict import RunResult
from harness.options import Options
from harness.plan import Choice, Instrument, chosen, make_plan, without_backends
from harness.resolve import Resolution, adhoc_suite, parse_shapes, resolve
from harness.store import store

QUICK_IMAGES = 1000


@dataclass(frozen=True)
class Planned:
    """A plan with what is needed to carry it out. `split`: the accuracy images, where they are at hand."""

    plan: Plan
    device: Device
    resolution: Resolution
    split: cifar10.Split | None


@dataclass(frozen=True)
class Progress:
    """Told before and after each trial; `trial` is None before."""

    number: int
    total: int
    case: Case
    mode: str
    launch: int
    trial: Trial | None


def plan_run(options: Options) -> Planned:
    """Everything that can be decided without the board. UsageError and its kin for whatever is wrong with the input."""
    device = registry.load_device(options.device)
    if options.models:
        suite, folder = adhoc_suite(options.models, parse_shapes(options.shapes)), Path.cwd() / "models"
    else:
        suite, folder = registry.load_suite(options.suite)
    # Narrowed first: a broken file of a variant that was not asked for must stop nobody.
    names = [variant.name for variant in suite.variants]
    suite = dataclasses.replace(suite, variants=tuple(chosen("variant", suite.variants, names, options.variants)))
    resolution = resolve(suite, folder, options.cache)
    split = _accuracy_images(options) if suite.dataset == cifar10.NAME else None
    choice = Choice(options.variants, options.scenarios, options.quick, options.seed, accuracy=split is not None)
    instrument = Instrument(harness.__version__, pack.archive()[1])
    return Planned(make_plan(suite, device, resolution.artifacts, choice, instrument), device, resolution, split)


def reach(planned: Planned, options: Options) -> tuple[Planned, Board]:
    """The board, asked what it has; cases of backends that it lacks become skips."""
    board = board_of(planned.device, options.cache)
    reasons = ask(board, options.device)["backends_unavailable"]
    return dataclasses.replace(planned, plan=without_backends(planned.plan, reasons)), board


def ask(board: Board, name: str) -> dict[str, Json]:
    """What the board answers to a probe. DeviceFileError where `name` lists what the agent has never heard of."""
    try:
        return probe(board)
    except AgentError as error:
        if error.kind != "KeyError":
            raise
        raise DeviceFileError(f"device {name} lists what this harness does not have: {error}") from None


def board_of(device: Device, cache: Path) -> Board:
    """The device within reach, through its transport."""
    return Board(device, connect(device.transport, places.writable(cache / "board", "--cache"), sys.executable))


def measure(planned: Planned, board: Board, options: Options, show: Callable[[Progress], None]) -> Path:
    """Run what is planned and not yet stored; returns the run's folder. Each trial is stored before the next starts.

    NothingMeasured if the plan is empty. KeyboardInterrupt passes through: what was stored stays, and the same
    command goes on.
    """
    plan = planned.plan
    if not plan.cases:
        raise NothingMeasured(_why_nothing(plan))
    root = places.writable(options.results, "--results")
    run = store.resumable(root, plan.id) or new_run(planned, options)
    folder = store.begin(root, run)
    with store.held(folder):
        done = store.finished_trials(folder)
        materials = {case.id: _material(board, planned, case, options) for case in plan.cases}
        for number, trial in enumerate(plan.trials):
            if trial_id(run.id, trial) in done:
                continue
            case = plan.case(trial.case_id)
            show(Progress(number, len(plan.trials), case, trial.mode, trial.launch, None))
            finished = run_trial(board, Job(run.id, case, trial, number, materials[case.id]))
            store.append(folder, finished)
            show(Progress(number + 1, len(plan.trials), case, trial.mode, trial.launch, finished))
        trials = store.read(folder).trials
        store.finish(folder, utc_now(), len(trials), sum(trial.status == "failed" for trial in trials))
    return folder


def conclude(folder: Path) -> tuple[RunResult, dict[str, Record]]:
    """Read a run back from the store and analyse it: what is reported is always what was stored."""
    from harness.analysis.analyse import analyse, records

    stored = store.read(folder)
    return analyse(stored), records(stored)


def _accuracy_images(options: Options) -> cifar10.Split | None:
    """The test split, or None where it is absent and was not asked for. DataError where it is altered."""
    try:
        cifar10.find(options.data)
    except DataError:
        if options.download:
            cifar10.download(options.data)
        elif options.data_named:
            raise
        else:
            return None
    return cifar10.load_test(options.data)


def _material(board: Board, planned: Planned, case: Case, options: Options) -> Material:
    source = planned.resolution.sources[case.variant]
    split = planned.split
    return Material(
        artifact=material.send_artifact(board, source.folder, source.files, case.artifact_sha256),
        inputs=material.send_inputs(board, case),
        images=material.send_images(board, split) if split is not None else None,
        labels=_labels(split, options) if split is not None else array("d"),
        dataset_sha256=split.sha256 if split is not None else None,
    )


def _labels(split: cifar10.Split, options: Options) -> array[float]:
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
        device=planned.device,
        started_utc=f"{started:%Y-%m-%dT%H:%M:%SZ}",
        command=options.command,
        versions=_versions(),
        commit=commit[0] if commit else None,
        commit_dirty=commit[1] if commit else None,
    )


def _versions() -> dict[str, str]:
    """Of the host's side; the board's own are in every trial."""
    names = ("numpy", "onnx", "onnxruntime", "pandas", "pyarrow", "plotly")
    return {"python": sys.version.split()[0], **{name: metadata.version(name) for name in names}}


def _commit() -> tuple[str, bool] | None:
    """Commit and dirty flag of the checkout that this code runs from; None outside one."""
    root = places.builtin()["suites"].parent
    command = ["git", "-C", str(root)]
    try:
        head = subprocess.run([*command, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run([*command, "status", "--porcelain"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.stdout.strip(), bool(changed.stdout.strip())


def _why_nothing(plan: Plan) -> str:
    reasons = "; ".join(f"{skip.variant}: {skip.reason}" for skip in plan.skips)
    return f"nothing to measure in {plan.suite} on {plan.device}: {reasons or 'the suite has no variant'}"


def plan_json(plan: Plan) -> object:
    """A plan as JSON values, for `plan --json`."""
    return {"schema": "harness.plan/1", "id": plan.id, **to_json(plan)}
