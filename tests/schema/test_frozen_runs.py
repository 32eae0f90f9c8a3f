"""Runs that old versions wrote load for ever, with the numbers they had."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import harness
from harness.analysis.analyse import analyse
from harness.store import store

RUN_1 = Path(__file__).parent / "run-1"
DURATIONS_S = [0.010, 0.012, 0.011, 0.013]


def test_every_trial_of_schema_1_loads() -> None:
    stored = store.read(RUN_1)
    assert stored.damaged == ()
    assert stored.finished_utc == "2026-01-01T00:01:00Z"
    assert (stored.run.plan.suite, stored.run.device.name, stored.run.plan.seed) == ("frozen", "bench", 0)
    assert stored.run.command == ("harness", "run", "frozen.py", "--device", "bench.toml")
    assert [trial.order for trial in stored.trials] == list(range(6))
    kinds = sorted((trial.case.variant, trial.mode, trial.status) for trial in stored.trials)
    assert kinds == [
        ("dying", "performance", "failed"),
        ("dying", "performance", "failed"),
        ("steady", "accuracy", "ok"),
        ("steady", "observer", "ok"),
        ("steady", "performance", "ok"),
        ("steady", "performance", "ok"),
    ]


def test_ids_of_schema_1_are_still_made_the_same_way() -> None:
    """Else no old run could be compared with a new one, nor an interrupted one be gone on with."""
    run = store.read_run(RUN_1)
    assert run.plan.id == run.plan_id
    assert {trial.case_id for trial in run.plan.trials} == {case.id for case in run.plan.cases}
    assert set(run.plan.artifacts) == {case.id for case in run.plan.cases}


def test_the_numbers_of_schema_1() -> None:
    frames = harness.load(RUN_1)
    timed = frames.trials[(frames.trials["mode"] == "performance") & (frames.trials["status"] == "ok")]
    samples = frames.samples[frames.samples["trial"].isin(timed["trial"])]
    counts = samples.groupby(["launch", "phase"], observed=True).size().to_dict()
    assert counts == {(launch, phase): count for launch in (0, 1) for phase, count in (("warm-up", 24), ("steady", 12))}
    steady = samples[(samples["phase"] == "steady") & (samples["launch"] == 0)]["duration_s"]
    assert steady.tolist() == pytest.approx([DURATIONS_S[(25 + n) % 4] for n in range(12)], rel=1e-8)
    observed = frames.samples[~frames.samples["trial"].isin(timed["trial"])]
    assert observed["block"].max() == 47
    assert set(frames.traces["collector"]) == {"process"}
    assert np.isfinite(frames.traces["value"]).all()
    assert frames.predictions["top1"].tolist() == [0, 1, 1, 0]
    assert frames.predictions["label"].tolist() == [0, 1, 1, 1]


def test_what_is_said_of_schema_1() -> None:
    dying, steady = analyse(store.read(RUN_1)).cases
    assert (dying.case.variant, dying.verdict) == ("dying", "invalid")
    assert "ended by SIGKILL" in dying.findings[0].evidence
    assert steady.case.variant == "steady"
    assert [one.code for one in steady.findings] == ["few_launches", "load_not_checked"]
    assert steady.metrics["latency_p50_s"].point == pytest.approx(0.0115, rel=1e-8)
    assert steady.metrics["throughput_per_s"].point == pytest.approx(1 / 0.0115, rel=1e-8)
    assert (steady.metrics["accuracy_top1"].point, steady.metrics["accuracy_top1"].n) == (0.75, 4)


def test_it_stays_small() -> None:
    assert sum(path.stat().st_size for path in RUN_1.rglob("*") if path.is_file()) < 60_000
