from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.artifacts import onnx_session
from harness.board import pack
from harness.board.hold import Board, Hold
from harness.board.job import Job, Material
from harness.board.material import send_artifact, send_inputs
from harness.board.reference import reference_signature
from harness.board.runner import run_trial
from harness.board.transports import LocalConversation, LocalTransport
from harness.errors import ModelError
from harness.model.case import Case, PlannedTrial, Settings, Signature, TensorSpec
from tests.support import models
from tests.support.agent_side import living_members, make_board, make_case, null_script, sha256

IMAGE = TensorSpec("image", "float32", (1, 3, 8, 8))


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return make_board(tmp_path / "board")


def case_of(*inputs: TensorSpec, backend: str = "onnxruntime") -> Case:
    return replace(make_case(backend), variant="mine", inputs=inputs)


def sent(board: Board, case: Case, model: Path) -> Material:
    """The model and its inputs, on the board."""
    there = send_artifact(board, model.parent, [model.name], sha256(model))
    return Material(there, sha256(model), send_inputs(board, case))


def signed(board: Board, case: Case, model: Path) -> Signature | None:
    return reference_signature(board, case, sent(board, case, model))


def test_it_is_what_the_graph_as_written_computes(board: Board, tmp_path: Path) -> None:
    model, case = models.tiny(tmp_path / "tiny.onnx"), case_of(IMAGE)
    found = signed(board, case, model)
    inputs = onnx_session.seeded_inputs(case.inputs, case.input_seed)
    (logits,) = onnx_session.reference_outputs(model, inputs)
    assert found == Signature(tuple(float(value) for value in logits.ravel()), "the unoptimized graph")
    assert len(found.values) == 2
    (conversation,) = board.transport.started
    assert living_members(conversation.pid, 0.0) == []


class Overheard(LocalTransport):
    """Keeps what is said to the agent."""

    def talk(self, arguments: Sequence[str]) -> LocalConversation:
        self.said: list[dict[str, Any]] = []
        return OverheardConversation([self._python, str(pack.write(self._folder)), *arguments], self.said)


class OverheardConversation(LocalConversation):
    def __init__(self, command: Sequence[str], said: list[dict[str, Any]]) -> None:
        super().__init__(command)
        self._said = said

    def send(self, line: str) -> None:
        self._said.append(json.loads(line))
        super().send(line)


def test_it_is_computed_without_optimizations_and_with_the_cases_threads(board: Board, tmp_path: Path) -> None:
    transport = Overheard(tmp_path / "board", sys.executable)
    case = replace(case_of(backend="null"), settings=Settings(threads=2), options={"more": 1})
    assert signed(replace(board, transport=transport), case, Path(null_script(tmp_path / "model.json"))) is not None
    assert [one["do"] for one in transport.said] == ["hello", "load", "infer"]
    assert transport.said[1]["with"]["options"] == {"threads": 2, "optimized": False, "more": 1}


def test_another_input_gives_another_one(board: Board, tmp_path: Path) -> None:
    model = models.tiny(tmp_path / "tiny.onnx")
    found = [signed(board, replace(case_of(IMAGE), input_seed=seed), model) for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]


def test_the_timed_run_of_the_same_file_reproduces_it(board: Board, tmp_path: Path) -> None:
    model, case = models.tiny(tmp_path / "tiny.onnx"), case_of(IMAGE)
    material = sent(board, case, model)
    with Hold(board, "run") as hold:
        trial = run_trial(hold, Job("run", case, PlannedTrial(case.id, "performance", 0), 0, material))
    assert (trial.status, trial.message) == ("ok", "")
    assert trial.outputs.signature == pytest.approx(reference_signature(board, case, material).values, rel=1e-4)


def test_an_output_that_is_not_finite_is_no_reference(board: Board, tmp_path: Path) -> None:
    assert signed(board, case_of(TensorSpec("x", "float32", (1, 3))), models.not_finite(tmp_path / "nan.onnx")) is None


def test_an_empty_output_is_no_reference(board: Board, tmp_path: Path) -> None:
    script = null_script(tmp_path / "model.json", output=[])
    assert signed(board, case_of(backend="null"), Path(script)) is None


def test_a_model_that_the_runtime_refuses_is_named(board: Board, tmp_path: Path) -> None:
    model = models.one_node(tmp_path / "odd.onnx", "NoSuchOperator", [models.value("x", [1])])
    with pytest.raises(ModelError) as caught:
        signed(board, case_of(TensorSpec("x", "float32", (1,))), model)
    message = str(caught.value)
    assert message.startswith(f"mine ({board.transport._folder}/artifacts/")
    assert "odd.onnx) cannot be run by onnxruntime: load: " in message
    assert "NoSuchOperator" in message
    assert message.endswith("; check its operators, its opset and --shape")


def test_a_model_that_fails_with_this_shape_is_named(board: Board, tmp_path: Path) -> None:
    model = models.tiny(tmp_path / "tiny.onnx")
    with pytest.raises(ModelError, match=r"(?s)^mine .* cannot be run by onnxruntime: infer: .*image.*--shape$"):
        signed(board, case_of(replace(IMAGE, shape=(1, 4, 8, 8))), model)


@pytest.mark.parametrize(
    ("fail", "words"),
    [({"at": 0, "how": "kill"}, "ended by SIGKILL"), ({"at": "load", "how": "exit", "status": 5}, "with status 5")],
)
def test_a_model_that_takes_its_process_along_takes_no_other(
    board: Board, tmp_path: Path, fail: dict[str, object], words: str
) -> None:
    script = null_script(tmp_path / "model.json", fail=fail)
    with pytest.raises(ModelError, match=rf"^mine .*model\.json\) cannot be run by null: .*{words}"):
        signed(board, case_of(backend="null"), Path(script))
