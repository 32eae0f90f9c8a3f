from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.agent import lease
from harness.agent.main import Agent
from harness.agent.window import UPDATE_PERIODS
from harness.board import pack
from tests.support import models
from tests.support.agent_side import SCENARIO, null_script, sha256, tree

STEP_S = 0.25


@pytest.fixture
def agent() -> Iterator[Agent]:
    """The agent in this process: what it is asked here changes nothing of the process."""
    made = Agent([sys.executable, "-m", "harness.agent"])
    yield made
    made.end()


def ask(agent: Agent, request: str, **arguments: Any) -> Any:
    """The result of a request that must succeed."""
    reply = agent.answer({"do": request, "with": arguments})
    assert reply["ok"], reply
    return reply["result"]


def load(agent: Agent, artifact: str | Path, backend: str = "null", **options: Any) -> Any:
    return ask(agent, "load", backend=backend, artifact=str(artifact), options={"threads": 1, **options})


def test_loading_tells_what_was_loaded(agent: Agent, tmp_path: Path) -> None:
    script = null_script(tmp_path / "model.json")
    assert load(agent, script)["artifact_sha256"] == sha256(script)
    assert load(agent, null_script(tmp_path / "other.json", [0.5]))["artifact_sha256"] != sha256(script)


def test_one_inference_answers_with_its_signature(agent: Agent, tmp_path: Path) -> None:
    load(agent, null_script(tmp_path / "model.json", [STEP_S], output=[0.5, -1.0]))
    begin = agent._session.clock()
    assert ask(agent, "infer", inputs=None) == {"signature": [0.5, -1.0], "finite": True}
    assert agent._session.clock() - begin == STEP_S  # and no second one


def test_an_inference_without_a_finite_answer_says_so(agent: Agent, tmp_path: Path) -> None:
    load(agent, null_script(tmp_path / "model.json", output=[1.0, 2.0], fail={"at": 0, "how": "nan"}))
    assert ask(agent, "infer", inputs=None) == {"signature": [None, None], "finite": False}


def test_an_inference_that_fails_is_an_answer(agent: Agent, tmp_path: Path) -> None:
    load(agent, null_script(tmp_path / "model.json", fail={"at": 0, "how": "raise"}))
    reply = agent.answer({"do": "infer", "with": {"inputs": None}})
    assert (reply["ok"], reply["error"]["text"]) == (False, "scripted failure at 0")


@pytest.mark.parametrize("optimized", [True, False])
def test_an_inference_takes_the_inputs_it_is_given(agent: Agent, tmp_path: Path, optimized: bool) -> None:
    pytest.importorskip("onnxruntime")
    found = load(agent, models.two_inputs(tmp_path / "sum.onnx"), "onnxruntime", optimized=optimized)
    assert found["facts"]["threads"] == 1
    np.savez(tmp_path / "inputs.npz", image=np.array([[0.5, 1, 2, 3]], np.float32), index=np.array([4]))
    # The image plus a row of ones.
    expected = {"signature": [1.5, 2.0, 3.0, 4.0], "finite": True}
    assert ask(agent, "infer", inputs=str(tmp_path / "inputs.npz")) == expected


def test_what_ends_is_closed_once_loaded_or_not(agent: Agent, tmp_path: Path) -> None:
    agent.end()
    assert "artifact_sha256" in load(agent, null_script(tmp_path / "model.json"))
    agent.end()


def test_without_a_power_sensor_the_rule_decides_how_long_is_measured(agent: Agent, tmp_path: Path) -> None:
    load(agent, null_script(tmp_path / "model.json"))
    power = {"totals": [["ina"]], "asked_s": {"ina": 0.05}, "idle_s": 3.0}
    found = ask(agent, "measure", scenario=SCENARIO, inputs=None, path=str(tmp_path / "samples"), power=power)
    assert found["asked"] == {"steady_min_duration_s": SCENARIO["stop"]["min_duration_s"], "idle_s": 0.0}
    assert "idle_before_start_s" not in found


def test_a_power_sensor_gets_the_time_that_it_needs(agent: Agent, tmp_path: Path) -> None:
    load(agent, null_script(tmp_path / "model.json"))
    # As the sensor process says it at its start: the sensor renews its value every 31.25 ms.
    agent._sensed = {"unavailable": {}, "update_period_s": {"ina": 2.0**-5}}
    power = {"totals": [["ina"]], "asked_s": {"ina": 2.0**-6}, "idle_s": 2.0**-9}
    found = ask(agent, "measure", scenario=SCENARIO, inputs=None, path=str(tmp_path / "samples"), power=power)
    needed_s = UPDATE_PERIODS * 2.0**-5
    assert found["asked"] == {"steady_min_duration_s": needed_s, "idle_s": 2.0**-9}
    assert needed_s <= found["steady_end_s"] - found["steady_start_s"] < needed_s + 1.0  # on the scripted clock
    assert {"idle_before_start_s", "idle_before_end_s", "idle_after_start_s", "idle_after_end_s"} <= set(found)


def test_a_board_is_examined_without_being_changed(agent: Agent, tmp_path: Path) -> None:
    policy = "sys/devices/system/cpu/cpufreq/policy0"
    agent._root = tree(tmp_path / "root", {f"{policy}/scaling_governor": "ondemand"})
    found = ask(agent, "examine", folder=str(tmp_path))
    assert found["state"]["governor"]["value"] == "ondemand"
    assert found["state"]["fan"]["value"] is None
    assert found["state"]["fan"]["why_unavailable"]
    assert found["disk_free_bytes"] > 0
    assert (tmp_path / "root" / policy / "scaling_governor").read_text() == "ondemand"


def test_who_has_the_board_is_told_to_whoever_asks(agent: Agent, tmp_path: Path) -> None:
    leases = str(tmp_path / "leases")
    assert ask(agent, "holder", lease_folder=leases) == {"holder": None}
    held, _ = lease.take(leases, "/", "run-1", "you@host", "/board")
    found = ask(agent, "holder", lease_folder=leases)["holder"]
    assert (found["who"], found["run"], found["since_utc"][-1]) == ("you@host", "run-1", "Z")
    lease.release(held.path, "/")
    assert ask(agent, "holder", lease_folder=leases) == {"holder": None}


def test_each_mode_is_a_process_of_the_same_archive(tmp_path: Path) -> None:
    archive = str(pack.write(tmp_path))
    for mode, arguments in (("guard", [str(tmp_path / "absent.lease.json"), "/"]), ("steward", [str(tmp_path)])):
        command = [sys.executable, archive, mode, *arguments]
        said = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        assert (said.returncode, said.stdout, said.stderr) == (0, b"", b""), mode
    said = subprocess.run([sys.executable, archive, "dance"], capture_output=True, text=True, check=False)
    assert (said.returncode, "KeyError: 'dance'" in said.stderr) == (1, True)
