"""Tidy frames: one row per thing, the keys in every frame, the stored values unchanged."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import harness
from harness.errors import NewerSchema, StoreError
from harness.model.case import Scenario
from harness.model.trial import Outputs, Phases, Samples
from harness.store import store
from tests.support.host_side import CASE, column, plan, run, samples, trace, trial

KEYS = ["run", "trial", "variant", "backend", "scenario", "mode", "launch"]
OTHER = replace(CASE, variant="other", scenario=Scenario(label="single-stream-b4"))
RUN = run(plan((CASE, OTHER)))
TRIALS = (
    trial(
        [0.001, 0.002],
        run=RUN.id,
        id="a",
        order=0,
        warm_up=samples([0.005], 50.0),
        memory={"end_peak_rss_bytes": 7.0},
        phases=Phases(load_s=0.25, warm_up_steady=True),
        traces=(trace("cpu", "cpu0_busy", [(1, 10), (2, 20)]), trace("others", "other_busy", [(1, float("nan"))])),
    ),
    trial([0.003], run=RUN.id, id="b", case=OTHER, launch=1, order=1, traces=(trace("cpu", "cpu0_busy", [(3, 30)]),)),
    trial(
        [],
        run=RUN.id,
        id="c",
        mode="accuracy",
        order=2,
        outputs=Outputs((), True, column([4, 5]), column([4, 6]), column([0.0, 1.0])),
        dataset_sha256="d",
    ),
    trial([], run=RUN.id, id="d", order=3, launch=2, status="failed", message="killed"),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = store.begin(tmp_path / "store", RUN)
    for one in TRIALS:
        store.append(made, one)
    return made


def test_one_row_per_trial_with_its_facts(folder: Path) -> None:
    found = harness.load(folder).trials
    assert list(found.columns[:7]) == KEYS
    assert list(found["trial"]) == ["a", "b", "c", "d"]
    assert list(found["mode"]) == ["performance", "performance", "accuracy", "performance"]
    assert list(found["status"]) == ["ok", "ok", "ok", "failed"]
    assert list(found["scenario"]) == ["single-stream", "single-stream-b4", "single-stream", "single-stream"]
    assert found.loc[0, ["load_s", "end_peak_rss_bytes"]].tolist() == [0.25, 7.0]
    assert np.isnan(found.loc[1, "end_peak_rss_bytes"])  # missing, not zero
    assert found.loc[3, "message"] == "killed"
    assert set(found["run"]) == {RUN.id}


def test_one_row_per_inference(folder: Path) -> None:
    found = harness.load(folder).samples
    assert list(found.columns) == [*KEYS, "phase", "start_s", "duration_s", "block", "device_s"]
    assert list(found["trial"]) == ["a", "a", "a", "b"]
    assert list(found["phase"]) == ["warm-up", "steady", "steady", "steady"]
    assert list(found["duration_s"]) == [0.005, 0.001, 0.002, 0.003]
    assert list(found["start_s"]) == [50.0, 100.0, 100.001, 100.0]
    assert list(found["variant"]) == ["small", "small", "small", "other"]
    assert list(found["launch"]) == [0, 0, 0, 1]
    medians = found[found["phase"] == "steady"].groupby("variant", observed=True)["duration_s"].median()
    assert medians.to_dict() == {"small": 0.0015, "other": 0.003}
    assert np.isnan(found["device_s"]).all()  # missing, not zero


def test_the_devices_own_time_is_beside_the_hosts(tmp_path: Path) -> None:
    made = store.begin(tmp_path, RUN)
    own = Samples(column([1.0, 2.0]), column([0.5, 0.25]), column([0, 0]), column([0.125, 0.0625]))
    store.append(made, replace(TRIALS[0], samples=own, warm_up=Samples()))
    store.append(made, TRIALS[1])
    found = harness.load(made).samples
    np.testing.assert_array_equal(found["device_s"], [0.125, 0.0625, np.nan])


def test_one_row_per_reading(folder: Path) -> None:
    found = harness.load(folder).traces
    assert list(found.columns) == [*KEYS, "collector", "channel", "unit", "time_s", "value"]
    assert list(found["channel"]) == ["cpu0_busy", "cpu0_busy", "other_busy", "cpu0_busy"]
    assert list(found["time_s"]) == [1.0, 2.0, 1.0, 3.0]
    np.testing.assert_array_equal(found["value"], [10.0, 20.0, np.nan, 30.0])


def test_one_row_per_image(folder: Path) -> None:
    found = harness.load(folder).predictions
    assert list(found.columns) == [*KEYS, "image", "top1", "label"]
    assert list(found["image"]) == [0, 1]
    assert (found["top1"] == found["label"]).tolist() == [True, False]


def test_a_frame_without_rows_has_its_columns(tmp_path: Path) -> None:
    made = store.begin(tmp_path, RUN)
    store.append(made, TRIALS[3])
    found = harness.load(made)
    assert len(found.trials) == 1
    assert list(found.samples.columns) == [*KEYS, "phase", "start_s", "duration_s", "block", "device_s"]
    assert list(found.predictions.columns) == [*KEYS, "image", "top1", "label"]
    assert len(found.samples) == len(found.traces) == len(found.predictions) == 0


def test_a_store_a_run_and_a_trial_can_be_loaded(folder: Path) -> None:
    other = replace(RUN, id="20260102T000000Z-x")
    store.append(store.begin(folder.parent, other), replace(TRIALS[0], run=other.id))
    assert len(harness.load(folder.parent).trials) == 5
    assert len(harness.load(str(folder)).trials) == 4
    one = harness.load(folder / "trials" / "000001-b")
    assert list(one.trials["trial"]) == ["b"]
    assert list(one.samples["duration_s"]) == [0.003]


def test_what_was_left_out_is_listed(folder: Path) -> None:
    (folder / "trials" / "000001-b" / "samples.parquet").unlink()
    found = harness.load(folder)
    assert list(found.trials["trial"]) == ["a", "c", "d"]
    assert ["000001-b/samples.parquet" in line for line in found.damaged] == [True]


def test_one_unreadable_run_does_not_hide_the_others(folder: Path) -> None:
    newer = store.begin(folder.parent, replace(RUN, id="20260102T000000Z-x"))
    facts = json.loads((newer / "run.json").read_text())
    (newer / "run.json").write_text(json.dumps({**facts, "schema": "harness.run/2"}))
    found = harness.load(folder.parent)
    assert len(found.trials) == 4
    assert ["harness.run/2" in line for line in found.damaged] == [True]
    with pytest.raises(NewerSchema, match=r"harness\.run/2"):
        harness.load(newer)


def test_nothing_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="holds no run"):
        harness.load(tmp_path)
