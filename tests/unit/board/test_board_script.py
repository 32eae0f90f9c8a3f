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
from harness.board.script import (
    COLUMN_FILES,
    DUET_BLOCK_S,
    DUET_PAIRS,
    OBSERVER_PAIRS,
    PADDING_BYTES,
    SLACK_S,
    BlockOrder,
    block_order,
    duet_file,
    duet_of,
    observer_arms,
    script_of,
)
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


def duet(board: Board, order: BlockOrder, *threads: int) -> list[dict[str, Any]]:
    """The script of a duet of two variants, with so many threads each."""
    cases = [
        replace(make_case(), variant=f"v{arm}", settings=Settings(threads=one))
        for arm, one in enumerate(threads or (1, 1))
    ]
    planned = [PlannedTrial(case.id, "paired", 4) for case in cases]
    jobs = [Job("run", case, one, 0, MATERIAL) for case, one in zip(cases, planned, strict=True)]
    return list(duet_of((jobs[0], jobs[1]), board, order))


ORDER = BlockOrder((1, 0), (True, False, False), 77)


def test_a_duets_processes_are_started_warmed_and_asked_in_turn(board: Board) -> None:
    found = [(one["do"], one["arm"]) for one in duet(board, ORDER)]
    started = [(name, arm) for name in ("hello", "prepare", "load", "duet") for arm in (1, 0)]
    # True: the candidate, 1, after the baseline, 0.
    blocks = [("block", arm) for arm in (0, 1, 1, 0, 1, 0)]
    assert found == [*started, *blocks, ("close", 0), ("bye", 0), ("close", 1), ("bye", 1)]


def test_nothing_is_loaded_before_both_processes_are_there(board: Board) -> None:
    """The second one's start would fall into the first one's load_s otherwise."""
    names = [one["do"] for one in duet(board, ORDER)]
    assert max(place for place, name in enumerate(names) if name == "prepare") < names.index("load")


def test_each_side_of_a_duet_is_asked_for_its_own(board: Board) -> None:
    found = duet(board, ORDER, 1, 2)
    loads = {one["arm"]: one for one in found if one["do"] == "load"}
    assert {arm: one["with"]["options"]["threads"] for arm, one in loads.items()} == {0: 1, 1: 2}
    assert [one["expect"] for one in loads.values()] == [{"artifact_sha256": "a" * 64}] * 2
    assert [one["with"]["path"] for one in found if one["do"] == "close"] == [duet_file(0), duet_file(1)]
    assert duet_file(0) != duet_file(1)
    assert [one["with"]["sensor_settings"] for one in found if one["do"] == "prepare"] == [None, None]
    assert [one["padding"] for one in found if one["do"] == "hello"] == [77, 77]
    assert all(one["timeout_s"] > 0 for one in found)


def test_both_sides_of_a_duet_warm_up_equally_long(board: Board) -> None:
    asked = [one["with"] for one in duet(board, ORDER) if one["do"] == "duet"]
    warm_up = asked[0]["scenario"]["warm_up"]
    assert warm_up["max_duration_s"] == warm_up["min_duration_s"] == make_case().scenario.warm_up.min_duration_s
    assert [(one["blocks"], one["block_s"], one["inputs"]) for one in asked] == [(3, DUET_BLOCK_S, MATERIAL.inputs)] * 2


def test_the_same_seed_gives_the_same_order() -> None:
    assert block_order("run 3") == block_order("run 3") != block_order("run 4")
    assert len(block_order("run 3").candidate_second) == DUET_PAIRS
    assert block_order("run 3", 7).candidate_second == block_order("run 3").candidate_second[:7]


def test_the_coins_of_an_order_are_fair_and_know_nothing_of_each_other() -> None:
    """Over 2,000 seeds: within four standard deviations of a fair coin, in each place, in pairs, and of the start."""
    orders = [block_order(f"{number}", 10) for number in range(2000)]
    rows = [one.candidate_second for one in orders]
    expected, four = 1000, 4 * (2000 * 0.25) ** 0.5
    assert abs(sum(one.start == (0, 1) for one in orders) - expected) < four
    assert {one.start for one in orders} == {(0, 1), (1, 0)}
    for place in range(10):
        assert abs(sum(row[place] for row in rows) - expected) < four
        assert abs(sum(row[place] == row[place - 1] for row in rows) - expected) < four
        assert (
            abs(sum(row[place] == (one.start == (0, 1)) for row, one in zip(rows, orders, strict=True)) - 1000) < four
        )
    paddings = [one.padding for one in orders]
    assert 0 <= min(paddings) < 20 < PADDING_BYTES - 20 < max(paddings) < PADDING_BYTES
    assert abs(sum(paddings) / 2000 - PADDING_BYTES / 2) < 4 * PADDING_BYTES / (12 * 2000) ** 0.5


def test_a_job_is_named_after_its_place_in_the_run() -> None:
    planned = PlannedTrial("case", "performance", 0)
    assert Job("run", make_case(), planned, 5, MATERIAL).trial_id == trial_id("run", planned)
