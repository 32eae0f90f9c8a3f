from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.agent.main import Agent
from tests.support import models
from tests.support.agent_side import null_script, sha256

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
