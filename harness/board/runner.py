"""One planned trial on one board: requests in order, reply to Trial. A failure becomes a failed trial with its message.

Owns no plan, no store and no statistics; asks the transport for a fresh agent each time.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.agent import measure, wire
from harness.board.columns import Column, outputs, samples, traces
from harness.board.link import Link
from harness.board.window import power_window
from harness.errors import AgentError
from harness.model.case import Case, PlannedTrial
from harness.model.codec import Json, to_json
from harness.model.device import Device
from harness.model.run import trial_id
from harness.model.trial import Environment, Phases, Trace, Trial, no_values
from harness.ports import Transport

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


@dataclass(frozen=True)
class Board:
    """A device within reach. `root` replaces / for every file that the agent reads, for captured trees."""

    device: Device
    transport: Transport
    root: str = "/"


@dataclass(frozen=True)
class Material:
    """Paths on the board: the artifact, the bound inputs, and the images of the accuracy mode.

    `sha256`: what the artifact's main file must hash to there.
    `labels`: the true classes of the first images, as many as are to be evaluated; they stay on the host.
    """

    artifact: str
    sha256: str
    inputs: str | None = None
    images: str | None = None
    labels: Column = field(default_factory=no_values)
    dataset_sha256: str | None = None


@dataclass(frozen=True)
class Job:
    """One planned trial with all it needs; `order` is its place in the run."""

    run: str
    case: Case
    planned: PlannedTrial
    order: int
    material: Material

    @property
    def trial_id(self) -> str:
        """As `trial_id`."""
        return trial_id(self.run, self.planned)


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


def utc_now() -> str:
    """The wall clock for people, never for durations."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def probe(board: Board) -> dict[str, Json]:
    """Facts, usable collectors and backends of a board; reasons for the others. AgentError if it cannot be asked."""
    with Link(board.transport.talk([]), board.root) as link:
        found = link.hello()
        device = board.device
        answer = link.ask(
            "probe",
            PREPARE_TIMEOUT_S,
            collectors=list(device.collectors),
            runtimes=list(device.backends),
            options=to_json(device.sensor),
            period_s=device.sensor_period_s,
        )
        return {"facts": found["facts"], **answer}


def run_trial(board: Board, job: Job) -> Trial:
    """Run one planned trial in a fresh agent. What goes wrong there becomes a failed trial with its message."""
    started_utc, began = utc_now(), time.monotonic()
    notes, failure = _Notes(), ""
    try:
        with Link(board.transport.talk([]), board.root) as link:
            _InProgress(link, board, job, notes).run()
    except AgentError as error:
        failure = "\n".join(part for part in (str(error), error.remote_traceback) if part)
    mode = job.planned.mode
    return Trial(
        id=job.trial_id,
        run=job.run,
        case=job.case,
        mode=mode,
        launch=job.planned.launch,
        order=job.order,
        started_utc=started_utc,
        status="failed" if failure else "ok",
        message=failure,
        stop_reason=notes.reply.get("stop_reason", ""),
        environment=Environment(**notes.environment),
        phases=Phases(**notes.phases),
        memory=notes.memory,
        outputs=outputs(notes.reply, notes.columns, job.material.labels),
        warm_up=samples(notes.columns, "warm_up"),
        samples=samples(notes.columns, "samples"),
        arms=notes.arms,
        traces=notes.traces,
        dataset_sha256=job.material.dataset_sha256 if mode == "accuracy" else None,
        wall_s=time.monotonic() - began,
    )


@dataclass(frozen=True)
class _InProgress:
    """A trial under way: the requests in their order, each reply written into the notes at once."""

    link: Link
    board: Board
    job: Job
    notes: _Notes

    def run(self) -> None:
        """The whole conversation of one trial."""
        case, notes = self.job.case, self.notes
        notes.environment["facts"] = self.link.hello()["facts"]
        self._prepare()
        options = {"threads": case.settings.threads, **case.options}
        artifact = self.job.material.artifact
        loaded = self.link.ask("load", LOAD_TIMEOUT_S, backend=case.backend, artifact=artifact, options=options)
        if loaded["artifact_sha256"] != self.job.material.sha256:
            found, expected = loaded["artifact_sha256"], self.job.material.sha256
            message = f"the board loaded {artifact} with SHA-256 {found}, expected {expected}; remove it there"
            raise AgentError("Artifact", message)
        notes.phases.update(import_s=loaded["import_s"], load_s=loaded["load_s"])
        notes.memory.update({f"before_load_{key}": value for key, value in loaded["memory_before"].items()})
        notes.environment["facts"]["versions"] = loaded["versions"]
        notes.environment["in_force"].update(loaded["facts"])
        {"performance": self._measure, "observer": self._observe, "accuracy": self._evaluate}[self.job.planned.mode]()
        self.link.ask("bye", PREPARE_TIMEOUT_S)

    def _prepare(self) -> None:
        settings, device, notes = self.job.case.settings, self.board.device, self.notes
        sensors = None
        if self.job.planned.mode != "accuracy":
            path = self._scratch("traces")
            sensors = {
                "names": list(device.collectors),
                "period_s": device.sensor_period_s,
                "path": path,
                "options": to_json(device.sensor),
            }
        notes.environment["requested"] = dict(to_json(settings))
        prepared = self.link.ask(
            "prepare", PREPARE_TIMEOUT_S, affinity=settings.affinity, nice=settings.nice, sensor_settings=sensors
        )
        notes.environment["in_force"].update(prepared["in_force"], problems=prepared["problems"])
        notes.environment["facts"]["sensors"] = prepared.get("sensors", {})

    def _measure(self) -> None:
        case, device = self.job.case, self.board.device
        sensed = self.notes.environment["facts"]["sensors"]
        scenario, idle_s = power_window(case.scenario, device, sensed)
        self.notes.environment["requested"].update(steady_min_duration_s=scenario.stop.min_duration_s, idle_s=idle_s)
        what = {**self._what(), "scenario": to_json(scenario)}
        self._take(self.link.ask("measure", self._longest_s() + 2 * idle_s, idle_s=idle_s, **what))
        if self.job.planned.launch == 0:
            self._profile()

    def _profile(self) -> None:
        """What the runtime says it executed; asked last, and where it fails nothing measured is lost."""
        case, material = self.job.case, self.job.material
        facts = self.notes.environment["facts"]
        options = {"threads": case.settings.threads, **case.options}
        try:
            answer = self.link.ask(
                "profile",
                LOAD_TIMEOUT_S,
                backend=case.backend,
                artifact=material.artifact,
                options=options,
                inputs=material.inputs,
            )
        except AgentError as error:
            facts["operators_missing"] = str(error)
        else:
            if answer["operators"] is not None:
                facts["operators"] = answer["operators"]

    def _observe(self) -> None:
        arms = self.notes.arms = _observer_arms(self.job.case.input_seed + self.job.planned.launch)
        # A slow model needs longer than the block's duration for the block's least count.
        longest_s = self._longest_s() + len(arms) * OBSERVER_BLOCK_S * measure.BLOCK_BUDGET
        self._take(self.link.ask("observe", longest_s, arms=list(arms), block_s=OBSERVER_BLOCK_S, **self._what()))

    def _evaluate(self) -> None:
        material, path = self.job.material, self._scratch("predictions")
        # The batch of the timed run: a model may accept no other.
        shape = self.job.case.inputs[0].shape
        batch = shape[0] if shape else 1
        arguments = {"images": material.images, "batch": batch, "limit": len(material.labels), "path": path}
        self.notes.reply = self.link.ask("evaluate", ACCURACY_TIMEOUT_S, **arguments)
        self.notes.columns = self._fetch(path)

    def _what(self) -> dict[str, Json]:
        scenario = to_json(self.job.case.scenario)
        return {"scenario": scenario, "inputs": self.job.material.inputs, "path": self._scratch("samples")}

    def _longest_s(self) -> float:
        scenario = self.job.case.scenario
        # The warm-up of a slow model may outlast its time limit: it gets its blocks whatever they take.
        blocks_s = measure.LEAST_BLOCKS * measure.SLOW_BLOCK_COUNT * SLOWEST_INFERENCE_S
        return scenario.warm_up.max_duration_s + scenario.stop.budget_s + SLACK_S + blocks_s

    def _take(self, reply: dict[str, Json]) -> None:
        """Note what a timed request returned, and fetch its columns and traces."""
        notes = self.notes
        notes.reply = reply
        notes.columns = self._fetch(self._scratch("samples"))
        notes.phases.update({name: reply[name] for name in Phases.__dataclass_fields__ if name in reply})
        for moment, prefix in (("memory_first", "after_first_"), ("memory_end", "end_")):
            notes.memory.update({prefix + key: value for key, value in reply.get(moment, {}).items()})
        notes.environment["facts"]["state_end"] = reply["state_end"]
        notes.environment["in_force"]["at_end"] = reply["in_force_end"]
        sensors = reply["sensors"]
        if sensors is not None:
            notes.traces = traces(sensors["channels"], self._fetch(self._scratch("traces")))
            kept = ("reads", "busy_s", "peak_rss_bytes", "lost", "details")
            sensed = notes.environment["facts"]["sensors"]
            sensed.update({name: sensors[name] for name in kept})
            sensed.setdefault("update_period_s", {}).update(sensors["line_period_s"])

    def _scratch(self, name: str) -> str:
        """A file on the board that no other trial of any run uses."""
        return self.board.transport.scratch(f"{self.job.trial_id}-{name}")

    def _fetch(self, path: str) -> Mapping[str, Column]:
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder) / "columns"
            self.board.transport.get(path, local)
            try:
                columns: Mapping[str, Column] = wire.read_columns(str(local))
            except ValueError as error:
                raise AgentError("Columns", f"the agent's columns did not arrive whole: {error}") from None
            return columns


def _observer_arms(seed: int) -> tuple[str, ...]:
    """Pairs of "on" and "off", each pair in a seeded random order, so that drift cancels."""
    chance = random.Random(seed)
    pairs = [chance.sample(["on", "off"], 2) for _ in range(OBSERVER_PAIRS)]
    return tuple(arm for pair in pairs for arm in pair)
