"""A run interrupted at any moment keeps what it measured, leaves nothing running, and goes on with the rest."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import harness
from harness.store import store
from tests.support import models
from tests.support.host_side import command_line, invoke, runs_of, spawn, store_of, trial_folders
from tests.support.scripted_suite import script, write_device, write_suite

LAUNCHES = 8  # most of a second: the signal arrives among them
PATIENCE_S = 60.0  # only ever waited for when something is broken


def finished_names(folder: Path) -> dict[str, int]:
    """Trial folders of the one run there, with the time at which their facts were written."""
    (run,) = runs_of(folder)
    return {path.name: (path / "trial.json").stat().st_mtime_ns for path in trial_folders(run)}


def wait_for_a_trial(process: subprocess.Popen[str], folder: Path) -> None:
    """Until the first whole trial lies in the store; listening to the program meanwhile."""
    deadline = time.monotonic() + PATIENCE_S
    while not any(store_of(folder).glob("*/trials/[!.]*/trial.json")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "no trial was stored"
        select.select([process.stderr], [], [], 0.005)


def agents_of(folder: Path) -> set[int]:
    """Processes whose command line names the agent archive in this folder's cache."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if str(folder / "cache" / "board").encode() in path.read_bytes():
                found.add(int(path.parent.name))
    return found


def wait_for_no_agent(folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while agents_of(folder):
        assert time.monotonic() < deadline, f"left running: {agents_of(folder)}"
        select.select([], [], [], 0.005)


@contextlib.contextmanager
def started(folder: Path, *arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """The program, ended with everything it started whatever happens to the test."""
    process = spawn(folder, *arguments)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
        for pid in agents_of(folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_an_interrupted_run_goes_on_without_repeating(tmp_path: Path, number: signal.Signals) -> None:
    suite, device = write_suite(tmp_path, {"a": script()}, launches=LAUNCHES), write_device(tmp_path)
    with started(tmp_path, "run", suite, "--device", device) as process:
        wait_for_a_trial(process, tmp_path)
        process.send_signal(number)
        _, said = process.communicate(timeout=PATIENCE_S)
        wait_for_no_agent(tmp_path)
    before = finished_names(tmp_path)
    assert 1 <= len(before) < LAUNCHES + 1
    if number == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == 3, said
        assert "harness: interrupted; finished trials are kept, the same command goes on" in said
        assert "Traceback" not in said
    readable = harness.load(store_of(tmp_path))
    assert (len(readable.trials), readable.damaged) == (len(before), ())
    note = invoke(tmp_path, "report", "--format", "md", "--out", tmp_path / "site")
    assert f"interrupted, {len(before)} of {LAUNCHES + 1} trials" in Path(note.out.strip()).read_text()

    answer = invoke(tmp_path, "run", suite, "--device", device, "--json", "-")
    assert answer.code == 0, answer.err
    assert f"going on with an interrupted run: {len(before)} of {LAUNCHES + 1} trials are there" in answer.err
    after = finished_names(tmp_path)  # of the same one run
    assert len(after) == LAUNCHES + 1
    assert before.items() <= after.items()
    trials = harness.load(store_of(tmp_path)).trials
    assert trials["trial"].is_unique
    assert sorted(trials["order"]) == list(range(LAUNCHES + 1))
    (case,) = json.loads(answer.out)["cases"]
    assert (case["verdict"], case["metrics"]["latency_p50_s"]["n"]) == ("valid", LAUNCHES)


def test_an_interrupt_ends_a_process_under_test_that_hangs(tmp_path: Path) -> None:
    scripts = {"good": script(), "stuck": script(fail={"at": 3, "how": "hang"})}
    suite, device = write_suite(tmp_path, scripts, launches=1), write_device(tmp_path)
    # With this seed the good one comes first.
    with started(tmp_path, "run", suite, "--device", device, "--seed", "1") as process:
        wait_for_a_trial(process, tmp_path)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 3, said
        wait_for_no_agent(tmp_path)
    assert list(harness.load(store_of(tmp_path)).trials["variant"]) == ["good"]


def test_a_second_process_does_not_write_into_a_run_that_is_going_on(tmp_path: Path) -> None:
    scripts = {"good": script(), "stuck": script(fail={"at": 3, "how": "hang"})}
    command = ["run", write_suite(tmp_path, scripts, launches=1), "--device", write_device(tmp_path), "--seed", "1"]
    with started(tmp_path, *command) as process:
        wait_for_a_trial(process, tmp_path)
        answer = invoke(tmp_path, *command)
    assert answer.code == 2
    assert "is being written by another harness process; wait until it has ended" in answer.err
    assert len(finished_names(tmp_path)) == 1


def test_a_run_is_gone_on_with_only_on_the_same_runtimes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The board's interpreter finds another onnxruntime: what was measured before does not belong to it."""
    model = models.tiny(tmp_path / "mine.onnx", (1, 3, 8, 8))
    command = ["run", "--model", model, "--device", write_device(tmp_path), "--quick"]
    assert "going on" not in invoke(tmp_path, *command).err
    (first,) = runs_of(tmp_path)
    shutil.rmtree(trial_folders(first)[-1])
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "onnxruntime.py").write_text(
        "import importlib, sys\n"
        f"sys.path.remove({str(tmp_path / 'other')!r})\n"
        "del sys.modules['onnxruntime']\n"
        "importlib.import_module('onnxruntime').__version__ = '0.1'\n"
    )
    with monkeypatch.context() as environment:
        environment.setenv("PYTHONPATH", str(tmp_path / "other"))
        answer = invoke(tmp_path, *command)
    assert answer.code == 0, answer.err
    assert "going on" not in answer.err
    assert [len(trial_folders(run)) for run in runs_of(tmp_path)] == [2, 3]
    assert "going on with an interrupted run: 2 of 3 trials are there" in invoke(tmp_path, *command).err
    assert [len(trial_folders(run)) for run in runs_of(tmp_path)] == [3, 3]
    plans = [store.read_run(run).plan for run in runs_of(tmp_path)]
    assert plans[0].board_id != plans[1].board_id
    assert replace(plans[0], board_id="") == replace(plans[1], board_id="")


def test_another_seed_another_choice_and_another_script_are_other_runs(tmp_path: Path) -> None:
    """Nothing measured under other conditions is taken for a part of this run."""
    scripts = {"a": script(), "b": script(durations_s=[0.005])}
    suite, device = write_suite(tmp_path, scripts, launches=2), write_device(tmp_path)

    def planned(*more: str) -> str:
        return json.loads(invoke(tmp_path, "plan", suite, "--device", device, "--json", "-", *more).out)["id"]

    same = planned()
    assert planned() == same
    others = [planned("--seed", "1"), planned("--quick"), planned("--variant", "a")]
    write_suite(tmp_path, {**scripts, "b": script(durations_s=[0.006])}, launches=2)
    others.append(planned())
    write_suite(tmp_path, scripts, launches=3)
    others.append(planned())
    write_suite(tmp_path, scripts, launches=2)
    write_device(tmp_path, settings="threads = 2")
    others.append(planned())
    assert len({same, *others}) == 7
    write_device(tmp_path)
    assert planned() == same


def test_the_command_that_is_stored_is_the_one_that_was_given(tmp_path: Path) -> None:
    suite, device = write_suite(tmp_path, {"a": script()}, launches=1), write_device(tmp_path)
    arguments = ("run", suite, "--device", device)
    assert invoke(tmp_path, *arguments).code == 0
    stored = json.loads((runs_of(tmp_path)[0] / "run.json").read_text())["command"]
    assert stored == ["harness", *command_line(tmp_path, *arguments)]
