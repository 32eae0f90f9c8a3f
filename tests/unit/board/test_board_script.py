from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.agent import PROTOCOL
from harness.board.hold import Board
from harness.board.job import Job, Material
from harness.board.script import COLUMN_FILES, OBSERVER_PAIRS, SLACK_S, observer_arms, script_of
from harness.model.case import PlannedTrial, Settings, TensorSpec
from harness.model.codec import to_json
from harness.model.power import Power, PowerTotal
from harness.model.run import trial_id
from tests.support.agent_side import make_board, make_case

MATERIAL = Material("/board/model.onnx", "a" * 64, "/board/inputs.npz", "/board/images.npy", array("d", [1.0, 0.0]))


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return make_board(tmp_path / "board", root="/captured")


def steps(board: Board, mode: str = "performance", launch: int = 1, arms: Sequence[str] = (), **case: Any) -> Any:
    """The script of a trial, by request; its order is that of the keys."""
    made = replace(make_case(), **case)
    job = Job("run", made, PlannedTrial(made.id, mode, launch), 0, MATERIAL)  # type: ignore[arg-type]
    found = list(script_of(job, board, tuple(arms)))
    assert all(step["timeout_s"] > 0 for step in found)
    return {step["do"]: step for step in found}


@pytest.mark.parametrize(
    ("mode", "launch", "expected"),
    [
        ("performance", 1, ["hello", "prepare", "load", "measure", "bye"]),
        ("performance", 0, ["hello", "prepare", "load", "measure", "profile", "bye"]),
        ("observer", 0, ["hello", "prepare", "load", "observe", "bye"]),
        ("accuracy", 0, ["hello", "prepare", "load", "evaluate", "bye"]),
    ],
)
def test_the_requests_of_a_trial_in_their_order(board: Board, mode: str, launch: int, expected: list[str]) -> None:
    found = steps(board, mode, launch)
    assert list(found) == expected
    # Only the last question, of what is measured already, may remain without an answer.
    assert [name for name, step in found.items() if step.get("may_fail")] == [
        name for name in found if name == "profile"
    ]
    assert found["hello"]["with"] == {"protocol": PROTOCOL, "root": "/captured"}


@pytest.mark.parametrize("mode", ["performance", "observer", "accuracy"])
def test_nothing_is_measured_of_an_artifact_that_is_not_the_one(board: Board, mode: str) -> None:
    found = steps(board, mode, settings=Settings(threads=2), options={"more": 1})
    assert found["load"]["expect"] == {"artifact_sha256": "a" * 64}
    assert [name for name, step in found.items() if "expect" in step] == ["load"]
    assert found["load"]["with"] == {
        "backend": "null",
        "artifact": "/board/model.onnx",
        "options": {"threads": 2, "more": 1},
        "inputs": "/board/inputs.npz",  # an engine is built for their shapes
    }


def test_a_profile_is_of_the_same_model_with_the_same_inputs(board: Board) -> None:
    found = steps(board, launch=0)
    assert found["profile"]["with"] == {**found["load"]["with"], "inputs": "/board/inputs.npz"}


def test_files_are_named_without_a_folder(board: Board) -> None:
    """The steward starts the trial's process in a folder of its own, which no host needs to know."""
    named = [
        steps(board)["prepare"]["with"]["sensor_settings"]["path"],
        steps(board)["measure"]["with"]["path"],
        steps(board, "observer")["observe"]["with"]["path"],
        steps(board, "accuracy")["evaluate"]["with"]["path"],
    ]
    assert not [name for name in named if "/" in name]
    assert set(named) == set(COLUMN_FILES)


def test_accuracy_runs_without_sensors_over_as_many_images_as_have_labels(board: Board) -> None:
    found = steps(board, "accuracy", inputs=(TensorSpec("image", "float32", (4, 3, 8, 8)),))
    assert found["prepare"]["with"]["sensor_settings"] is None
    asked = found["evaluate"]["with"]
    assert (asked["images"], asked["batch"], asked["limit"]) == ("/board/images.npy", 4, 2)


def test_a_timed_run_is_asked_as_the_scenario_says(board: Board) -> None:
    case, found = make_case(), steps(board)
    assert found["measure"]["with"]["scenario"] == to_json(case.scenario)
    assert found["measure"]["with"]["inputs"] == "/board/inputs.npz"
    assert found["prepare"]["with"]["sensor_settings"]["names"] == list(board.device.collectors)


def test_the_power_sensors_are_named_in_the_order_of_preference(board: Board) -> None:
    power = Power(
        (
            PowerTotal(("ina:VDD_IN_power", "ina:VDD_CPU_power", "jtop:power"), "module input"),
            PowerTotal(("plug:plug_power",), "wall"),
        ),
        idle_s=3.0,
    )
    device = replace(board.device, power=power, sensor_period_s=0.05, sensor={"plug": {"period_s": 1.0}})
    found = steps(replace(board, device=device))["measure"]
    assert found["with"]["power"] == {
        "totals": [["ina", "jtop"], ["plug"]],
        "asked_s": {"ina": 0.05, "jtop": 0.05, "plug": 1.0},
        "idle_s": 3.0,
    }


def test_the_idle_time_is_waited_for_too(board: Board) -> None:
    device = replace(board.device, power=replace(board.device.power, idle_s=100.0))
    patient_s = steps(replace(board, device=device))["measure"]["timeout_s"]
    stop = make_case().scenario.stop
    assert patient_s > 2 * 100.0 + stop.budget_s + SLACK_S


def test_observer_arms_are_balanced_pairs_in_a_seeded_order(board: Board) -> None:
    arms = observer_arms(0)
    assert len(arms) == 2 * OBSERVER_PAIRS
    assert all(sorted(arms[first : first + 2]) == ["off", "on"] for first in range(0, len(arms), 2))
    assert arms == observer_arms(0) != observer_arms(1)
    asked = steps(board, "observer", arms=arms)["observe"]
    assert asked["with"]["arms"] == list(arms)
    assert asked["timeout_s"] > steps(board, "observer", arms=arms[:2])["observe"]["timeout_s"]


def test_a_job_is_named_after_its_place_in_the_run() -> None:
    planned = PlannedTrial("case", "performance", 0)
    assert Job("run", make_case(), planned, 5, MATERIAL).trial_id == trial_id("run", planned)
