"""A stored run to a run result: records, summaries, findings, verdicts. The one place where they come together."""

from __future__ import annotations

from collections.abc import Mapping

from harness.analysis import places
from harness.analysis.context import Context, timed_of
from harness.analysis.observer import observer_cost
from harness.analysis.summaries import summarise
from harness.analysis.validity import findings
from harness.model.codec import Json, to_json
from harness.model.device import Device
from harness.model.run import Run
from harness.model.trial import Record, Trial
from harness.model.verdict import CaseResult, RunResult, verdict_of
from harness.store.store import StoredRun


def records(stored: StoredRun) -> dict[str, Record]:
    """Trials grouped by case, in the plan's order; damage is told to every case, as its owner is unknown."""
    grouped: dict[str, list[Trial]] = {case.id: [] for case in stored.run.plan.cases}
    for trial in stored.trials:
        grouped[trial.case.id].append(trial)
    cases = {case.id: case for case in stored.run.plan.cases}
    return {key: Record(cases[key], tuple(trials), stored.damaged) for key, trials in grouped.items()}


def analyse(stored: StoredRun) -> RunResult:
    """Everything that is said of a run."""
    run, grouped = stored.run, records(stored)
    device = places.settled(run.device, [timed_of(grouped[case.id]) for case in run.plan.cases])
    results = tuple(_case_result(stored, device, grouped[case.id]) for case in run.plan.cases)
    return RunResult(
        run=_run_facts(stored),
        device=to_json(run.device),
        environment=_environment(stored.trials),
        cases=results,
        skips=tuple(to_json(skip) for skip in run.plan.skips),
        notes=(*_notes(stored), *_energy_notes(run, device, grouped)),
    )


def _case_result(stored: StoredRun, device: Device, record: Record) -> CaseResult:
    artifact = stored.run.plan.artifacts[record.case.id]
    metrics, missing = summarise(record, artifact, device)
    context = Context(record, artifact, device, metrics.get("accuracy_top1"))
    found = findings(context)
    stopped = stored.stopped.get(record.case.id)
    return CaseResult(record.case, artifact, verdict_of(found), found, metrics, missing, stopped)


def _run_facts(stored: StoredRun) -> dict[str, Json]:
    run = stored.run
    return {
        "id": run.id,
        "suite": run.plan.suite,
        "plan_id": run.plan_id,
        "seed": run.plan.seed,
        "started_utc": run.started_utc,
        "finished_utc": stored.finished_utc,
        "command": list(run.command),
        "commit": run.commit,
        "commit_dirty": run.commit_dirty,
        "harness_version": run.plan.harness_version,
        "agent_sha256": run.plan.agent_sha256,
        "versions": dict(run.versions),
        "trials_planned": len(run.plan.trials),
        "trials_done": len(stored.trials),
        "trials_failed": sum(trial.status == "failed" for trial in stored.trials),
    }


def _environment(trials: tuple[Trial, ...]) -> dict[str, Json]:
    """Of the first finished timed launch, else of a duet's side; where another differs, a finding says so."""
    for mode in ("performance", "paired"):
        for trial in trials:
            if trial.mode == mode and trial.status == "ok":
                return to_json(trial.environment)  # type: ignore[no-any-return]  # a dataclass gives a dict
    return {"requested": {}, "in_force": {}, "facts": {}}


def _notes(stored: StoredRun) -> tuple[str, ...]:
    notes = []
    for trial in stored.trials:
        cost = observer_cost(trial) if trial.mode == "observer" and trial.status == "ok" else None
        if cost is not None:
            tail = "" if cost.p99 is None else f", the pooled p99 by {cost.p99:+.2%} (no interval)"
            notes.append(
                f"Observer cost, measured in this run on {cost.variant} ({cost.pairs} interleaved pairs of blocks): "
                f"reading the sensors changes the median by {cost.median:+.2%} "
                f"[{cost.median_low:+.2%}, {cost.median_high:+.2%}]{tail}."
            )
    cases = {case.id: f"{case.variant} ({case.backend}, {case.scenario.name})" for case in stored.run.plan.cases}
    notes += [f"{cases[key]}: {one.reason}." for key, one in stored.stopped.items() if key in cases]
    if stored.finished_utc is None:
        most = "" if stored.run.plan.until is None else "at most "
        notes.append(
            f"This run was interrupted after {len(stored.trials)} of {most}{len(stored.run.plan.trials)} trials; "
            "the same command goes on with it."
        )
    notes += [f"Left out: {line}" for line in stored.damaged]
    return tuple(notes)


def _energy_notes(run: Run, device: Device, grouped: Mapping[str, Record]) -> list[str]:
    """Where energy was read, where that is not the same for all."""
    cases = run.plan.cases
    names = [f"{case.variant} ({case.backend}, {case.scenario.name})" for case in cases]
    launches = [timed_of(grouped[case.id]) for case in cases]
    return places.place_notes(run.device, device, list(zip(names, launches, strict=True)))
