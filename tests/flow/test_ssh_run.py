"""Whole runs over a real SSH link: with every Python that a board may have at the far side, with a real runtime, and
with the same numbers as on this machine."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import harness
from tests.support.faults import ASKED, Rig, rig
from tests.support.host_side import Answer, invoke, runs_of
from tests.support.models import tiny
from tests.support.scripted_suite import write_device

# All that need no hardware.
COLLECTORS = ("process", "cpu", "others")
VERSIONS = ("3.6", "3.8", "3.11", "3.13")


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path / "rig") as one:
        yield one


def interpreter(version: str) -> str:
    """One of that version that starts."""
    found = [str(path) for path in sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))]
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        found.insert(0, sys.executable)
    for path in found:
        if subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0:
            return path
    pytest.skip(f"no Python {version} here; with pyenv: pyenv install {version}")


def facts_of(run: Path) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted(run.glob("trials/*/trial.json"))]


def assert_done(answer: Answer) -> None:
    assert answer.code == 0, answer.err
    assert "harness: " not in answer.err


@pytest.mark.parametrize("version", VERSIONS)
def test_a_run_with_every_python_that_a_board_may_have(tmp_path: Path, version: str) -> None:
    with rig(tmp_path / "rig", interpreter(version), launches=1) as board:
        board.write_device(collectors=COLLECTORS)
        assert_done(board.invoke())
        board.assert_left_clean()
        board.assert_whole()
        board.assert_asked()
        for trial in facts_of(board.run_folder()):
            assert trial["environment"]["facts"]["python"].startswith(f"{version}.")
            assert trial["environment"]["facts"].get("state_problems", []) == []
        traces = harness.load(board.run_folder()).traces
        assert set(traces["collector"]) == set(COLLECTORS)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_run_with_a_real_runtime(tmp_path: Path, version: str) -> None:
    python = interpreter(version)
    command = [python, "-c", "import onnxruntime"]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip(f"{python} has no onnxruntime; with pip: pip install onnxruntime")
    model = tiny(tmp_path / "mine.onnx", (1, 3, 8, 8))
    with rig(tmp_path / "rig", python) as board:
        answer = invoke(board.host, "run", "--model", model, *board.command[2:], "--quick", "--json", "-")
        assert_done(answer)
        (case,) = json.loads(answer.out)["cases"]
        assert case["verdict"] != "invalid", case["findings"]
        assert case["backend"] == "onnxruntime"
        assert case["metrics"]["latency_p50_s"]["n"] == 3
        # Its output is that of the reference, which this machine made.
        assert not [one for one in case["findings"] if one["code"].startswith("output_")]
        board.assert_left_clean()
        board.assert_asked()


def test_a_board_and_this_machine_give_the_same_numbers(board: Rig, tmp_path: Path) -> None:
    """The null backend's: everything of the way, and nothing of the machine."""
    there = board.invoke("--json", "-")
    here = invoke(tmp_path / "here", "run", board.suite, "--device", write_device(tmp_path), "--json", "-")
    assert_done(there)
    assert_done(here)

    def timed(answer: Answer) -> dict[str, object]:
        (case,) = json.loads(answer.out)["cases"]
        names = ("latency_p50_s", "latency_mean_s", "throughput_per_s")
        return {name: case["metrics"][name]["point"] for name in names if name in case["metrics"]}

    assert timed(there) == timed(here) != {}


def test_one_connection_carries_a_run_and_nothing_is_sent_twice(board: Rig) -> None:
    assert_done(board.invoke())
    assert board.server.said().count("Accepted publickey") == 1
    before = {path: path.stat().st_mtime_ns for path in board.files.rglob("*") if path.is_file()}
    assert sorted(path.name.partition("-")[0] for path in before) == ["0.json", "agent"]
    assert_done(board.invoke("--seed", "1"))
    assert board.server.said().count("Accepted publickey") == 2
    assert {path: path.stat().st_mtime_ns for path in board.files.rglob("*") if path.is_file()} == before
    assert len(runs_of(board.host)) == 2


def test_a_state_that_cannot_be_had_is_told_with_the_trial(board: Rig) -> None:
    """A governor that the board does not let anybody set: measured all the same, and said."""
    if not board.stands_in:
        pytest.skip("no right to mount: this machine's governor cannot be stood in for")
    governor = board.folder / "cpufreq" / "policy0" / "scaling_governor"
    governor.unlink()
    governor.mkdir()  # unreadable as a file, by root too
    assert_done(board.invoke())
    for trial in facts_of(board.run_folder()):
        assert trial["environment"]["requested"]["state"] == {"governor": ASKED}
        assert trial["environment"]["in_force"]["state"] == {}
        (problem,) = trial["environment"]["facts"]["state_problems"]
        assert (problem["control"], problem["asked"]) == ("governor", ASKED)
        assert problem["reason"]
