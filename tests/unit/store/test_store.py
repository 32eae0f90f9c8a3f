"""Runs and trials on disk: whole or not at all, found by name, resumed by plan."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.errors import EXIT_USAGE, StoreError, UsageError
from harness.model.case import PlannedTrial
from harness.model.run import trial_id
from harness.model.trial import Environment, Outputs, Phases, Samples, Trial
from harness.store import store
from tests.support.host_side import CASE, column, plan, run, samples, trace, trial

RUN = run(commit="c" * 40, commit_dirty=True, versions={"numpy": "2"})
FULL = trial(
    [0.001, 0.0025, 0.002],
    run=RUN.id,
    launch=1,
    order=3,
    environment=Environment({"threads": 1}, {"affinity": "1"}, {"sensors": {"unavailable": {}}}),
    phases=Phases(0.5, 0.25, 0.125, 0.1, 24, True, 100.0, 100.0055),
    memory={"end_peak_rss_bytes": 1.5e8},
    outputs=Outputs((0.1, -1e-30), True),
    warm_up=samples([0.004, 0.003], 99.0),
    traces=(trace("cpu", "cpu0_clock", [(99.5, 1e9), (100.5, 2e9)]), trace("others", "other_busy", [(100.0, 0.01)])),
    wall_s=1.25,
)
OBSERVER = trial(
    run=RUN.id, mode="observer", order=4, arms=("on", "off"), samples=samples([0.001, 0.002], block=[0, 1])
)
ACCURACY = trial(
    [],
    run=RUN.id,
    mode="accuracy",
    order=5,
    outputs=Outputs((), True, column([1, 0]), column([1, 1]), column([0.25, 0.5, 1.0, -1.0])),
    dataset_sha256="d" * 64,
)
FAILED = trial([], run=RUN.id, launch=2, order=6, status="failed", message="killed\nTraceback", phases=Phases())


DEVICE_TIMED = trial(
    run=RUN.id,
    launch=3,
    order=7,
    warm_up=Samples(column([1.0]), column([0.5]), column([0]), column([0.25])),
    samples=Samples(column([2.0, 3.0]), column([0.5, 0.25]), column([0, 0]), column([0.125, 0.0625])),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return store.begin(tmp_path / "store", RUN)


@contextmanager
def file_size_limit(limit_bytes: int) -> Iterator[None]:
    """No file may grow beyond this in the process: what a full disk does, without one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    "given", [FULL, OBSERVER, ACCURACY, FAILED, DEVICE_TIMED], ids=["full", "observer", "accuracy", "failed", "device"]
)
def test_a_trial_comes_back_equal_to_itself(folder: Path, given: Trial) -> None:
    written = store.append(folder, given)
    assert written == folder / "trials" / f"{given.order:06d}-{given.id}"
    assert store.read_trial(written) == given


def test_readings_and_outputs_that_are_not_finite_come_back_so(folder: Path) -> None:
    given = replace(
        FULL,
        outputs=Outputs((1.0, float("nan")), False),
        traces=(trace("cpu", "cpu0_clock", [(99.5, float("nan")), (100.5, 2e9)]),),
    )
    back = store.read_trial(store.append(folder, given))
    assert not back.outputs.finite
    np.testing.assert_array_equal(back.outputs.signature, [1.0, np.nan])
    np.testing.assert_array_equal(back.traces[0].value, [np.nan, 2e9])


def test_a_run_comes_back_with_its_trials_in_their_order(folder: Path) -> None:
    for one in (ACCURACY, FULL, FAILED, OBSERVER):
        store.append(folder, one)
    back = store.read(folder)
    assert back.run == RUN
    assert back.trials == (FULL, OBSERVER, ACCURACY, FAILED)
    assert (back.damaged, back.finished_utc) == ((), None)
    store.finish(folder, "2026-01-01T00:02:00Z", 4, 1)
    assert store.read(folder).finished_utc == "2026-01-01T00:02:00Z"


def test_a_partial_folder_is_not_a_trial(folder: Path) -> None:
    store.append(folder, FULL)
    (folder / "trials" / ".partial-7-000009-x").mkdir()
    (folder / "trials" / ".partial-7-000009-x" / "trial.json").write_text("{}")
    assert store.finished_trials(folder) == {FULL.id}
    back = store.read(folder)
    assert (back.trials, back.damaged) == ((FULL,), ())


@pytest.mark.parametrize("writing", [store.begin, lambda root, _: store.append(root, FULL)], ids=["begin", "append"])
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, writing) -> None:
    """Below a file no folder can be made, by root neither."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot write .*file.*--results.*same command again") as caught:
        writing(tmp_path / "file" / "store", RUN)
    assert caught.value.exit_code == EXIT_USAGE


def test_a_full_disk_leaves_what_was_stored_and_nothing_half(folder: Path) -> None:
    store.append(folder, FULL)
    noise = np.random.default_rng(0).uniform(0.001, 0.002, 5000)
    large = trial(run=RUN.id, launch=5, order=7, samples=samples([0.0]), warm_up=samples(noise.tolist()[:2000]))
    with (
        file_size_limit(8000),
        pytest.raises(StoreError, match=rf"cannot write .*000007-{large.id}: .*make room .* same command"),
    ):
        store.append(folder, large)
    assert [path.name for path in (folder / "trials").iterdir()] == [f"000003-{FULL.id}"]
    assert store.read(folder).trials == (FULL,)
    store.append(folder, large)  # and with room it is written
    assert store.read(folder).trials == (FULL, large)


def test_a_full_disk_at_the_start_is_named(tmp_path: Path) -> None:
    with file_size_limit(100), pytest.raises(StoreError, match=rf"cannot write .*{RUN.id}") as caught:
        store.begin(tmp_path / "store", RUN)
    assert caught.value.exit_code == EXIT_USAGE
    assert not list((tmp_path / "store").glob("*/run.json"))


def test_the_same_trial_cannot_be_stored_twice(folder: Path) -> None:
    store.append(folder, FULL)
    with pytest.raises(StoreError, match=f"cannot write .*{FULL.id}"):
        store.append(folder, replace(FULL, message="another"))
    assert store.read(folder).trials == (FULL,)


def test_one_process_at_a_time_writes_to_a_run(folder: Path) -> None:
    """The lock is of an open file, so a second opening of it stands for a second process."""
    with store.held(folder):
        with pytest.raises(StoreError, match=rf"{folder} is being written by another harness process; wait"):
            store.held(folder).__enter__()
        assert store.read(folder).trials == ()  # reading needs no lock
    with store.held(folder):
        pass


def begun(root: Path, name: str, **changes) -> Path:
    return store.begin(root, replace(RUN, id=f"{name}-{RUN.plan_id[:8]}", **changes))


def test_an_interrupted_run_of_the_same_plan_is_resumed_the_newest_first(tmp_path: Path) -> None:
    assert store.resumable(tmp_path, RUN.plan_id) is None
    begun(tmp_path, "20260101T000000Z")
    newest = begun(tmp_path, "20260102T000000Z")
    store.begin(tmp_path, replace(RUN, id="20260103T000000Z-ffffffff", plan_id="f" * 16))
    assert store.resumable(tmp_path, RUN.plan_id).id == newest.name
    assert store.resumable(tmp_path, "f" * 16).id == "20260103T000000Z-ffffffff"
    (newest / "run.json").write_text("{")  # of no use any more
    assert store.resumable(tmp_path, RUN.plan_id).id.startswith("20260101")


def test_a_finished_run_is_not_resumed_unless_a_trial_of_it_was_removed(folder: Path) -> None:
    ids = [trial_id(RUN.id, planned) for planned in RUN.plan.trials]
    written = [store.append(folder, replace(FULL, id=own, launch=n, order=n)) for n, own in enumerate(ids)]
    store.append(folder, replace(FULL, id="copied", order=9))  # more folders than planned hide nothing
    store.finish(folder, "2026-01-01T00:02:00Z", 2, 0)
    assert store.resumable(folder.parent, RUN.plan_id) is None
    for path in written[0].iterdir():
        path.unlink()
    written[0].rmdir()
    assert store.resumable(folder.parent, RUN.plan_id) == RUN
    assert store.finished_trials(folder) == {ids[1], "copied"}


def test_a_run_is_found_by_its_id_its_start_its_path_and_as_the_last(tmp_path: Path) -> None:
    first, second = (begun(tmp_path, f"2026010{day}T000000Z") for day in (1, 2))
    assert store.find_run(tmp_path, first.name) == first
    assert store.find_run(tmp_path, "20260101") == first
    assert store.find_run(tmp_path, str(first)) == first
    assert store.find_run(tmp_path, "last") == second
    assert store.find_runs(tmp_path) == [first, second]
    assert store.find_runs(first) == [first]


def test_the_last_run_is_the_one_whose_trials_are_newest(tmp_path: Path) -> None:
    first, second = (begun(tmp_path, f"2026010{day}T000000Z") for day in (1, 2))
    os.utime(first / "trials", ns=(5, 5))
    os.utime(second / "trials", ns=(4, 4))
    assert store.find_run(tmp_path, "last") == first
    (first / "trials").rmdir()  # without one it is the oldest of all
    assert store.find_run(tmp_path, "last") == second


def test_a_run_that_is_none_or_several_is_a_usage_error_with_the_latest(tmp_path: Path) -> None:
    first, second = (begun(tmp_path, f"2026010{day}T000000Z") for day in (1, 2))
    with pytest.raises(UsageError, match=rf"2 runs in .* match '2026'; the latest: {first.name}, {second.name}"):
        store.find_run(tmp_path, "2026")
    with pytest.raises(UsageError, match=rf"no run in .* match 'x'; the latest: .*{second.name}"):
        store.find_run(tmp_path, "x")


@pytest.mark.parametrize("name", ["", "absent"])
def test_a_store_without_a_run_says_how_to_make_one(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError, match=r"holds no run; `harness run` makes one, --results names another folder"):
        store.find_runs(tmp_path / name)


def test_ids_of_finished_trials_are_those_that_the_runner_gives(folder: Path) -> None:
    from harness.model.run import trial_id

    planned = PlannedTrial(CASE.id, "performance", 0)
    store.append(folder, replace(FULL, id=trial_id(RUN.id, planned)))
    assert store.finished_trials(folder) == {trial_id(RUN.id, planned)}
    assert trial_id(RUN.id, planned) != trial_id("another", planned)


def test_nothing_in_a_store_depends_on_where_it_lies(folder: Path) -> None:
    store.append(folder, FULL)
    moved = folder.parent.parent / "elsewhere"
    folder.rename(moved)
    assert store.read(moved).trials == (FULL,)
    text = "".join(path.read_text() for path in moved.rglob("*.json"))
    assert os.fspath(folder.parent) not in text


def test_a_plan_in_a_run_is_whole(folder: Path) -> None:
    assert store.read_run(folder).plan == plan()
