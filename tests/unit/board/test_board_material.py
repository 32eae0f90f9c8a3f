from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.artifacts import onnx_session
from harness.board.hold import Board, Hold
from harness.board.job import Job, Material
from harness.board.material import send_artifact, send_images, send_inputs
from harness.board.runner import run_trial
from harness.datasets.split import Split
from harness.model.case import PlannedTrial, TensorSpec
from tests.support import models
from tests.support.agent_side import make_board, make_case, null_script, sha256

CASE = replace(make_case(), inputs=(TensorSpec("image", "float32", (1, 3, 8, 8)), TensorSpec("index", "int64", (2,))))


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return make_board(tmp_path / "board")


def test_a_model_lies_beside_its_external_data_under_its_hash(board: Board, tmp_path: Path) -> None:
    model = models.external(tmp_path / "model.onnx")
    there = Path(send_artifact(board, tmp_path, ["model.onnx", "weights.bin"], sha256(model)))
    assert there == tmp_path / "board/artifacts" / sha256(model)[:16] / "model.onnx"
    assert there.read_bytes() == model.read_bytes()
    assert (there.parent / "weights.bin").read_bytes() == (tmp_path / "weights.bin").read_bytes()


@pytest.mark.parametrize("altered", ["model.onnx", "weights.bin"])
def test_what_was_altered_on_the_board_is_copied_anew(board: Board, tmp_path: Path, altered: str) -> None:
    model = models.external(tmp_path / "model.onnx")
    files = ["model.onnx", "weights.bin"]
    there = Path(send_artifact(board, tmp_path, files, sha256(model)))
    before = {name: (there.parent / name).stat().st_ino for name in files}
    content = (there.parent / altered).read_bytes()
    (there.parent / altered).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert send_artifact(board, tmp_path, files, sha256(model)) == str(there)
    assert (there.parent / altered).read_bytes() == content
    copied = {name for name in files if (there.parent / name).stat().st_ino != before[name]}
    assert copied == {altered}


def test_a_trial_whose_artifact_was_altered_in_between_fails_until_it_is_sent_again(
    board: Board, tmp_path: Path
) -> None:
    script, case = Path(null_script(tmp_path / "model.json", output=[1.0])), make_case()
    expected = sha256(script)
    there = send_artifact(board, tmp_path, [script.name], expected)
    job = Job("run", case, PlannedTrial(case.id, "performance", 0), 0, Material(there, expected))
    null_script(Path(there), output=[2.0])
    with Hold(board, "run") as hold:
        failed = run_trial(hold, job)
        assert failed.status == "failed"
        assert there in failed.message
        send_artifact(board, tmp_path, [script.name], expected)
        hold.drop(None)
        assert run_trial(hold, job).outputs.signature == (1.0,)


def test_inputs_are_the_seeded_ones_and_travel_once(board: Board) -> None:
    there = Path(send_inputs(board, CASE))
    expected = onnx_session.seeded_inputs(CASE.inputs, CASE.input_seed)
    with np.load(there) as found:
        assert sorted(found.files) == ["image", "index"]
        assert all((found[name] == expected[name]).all() for name in expected)
    sent = there.stat().st_ino
    assert send_inputs(board, CASE) == str(there)
    assert there.stat().st_ino == sent


def test_other_inputs_have_another_name(board: Board) -> None:
    others = [replace(CASE, input_seed=1), replace(CASE, inputs=CASE.inputs[:1])]
    assert len({send_inputs(board, case) for case in (CASE, *others)}) == 3
    assert send_inputs(board, replace(CASE, variant="another")) == send_inputs(board, CASE)


def test_a_case_without_inputs_sends_none(board: Board) -> None:
    assert send_inputs(board, make_case()) is None


def test_images_are_sent_as_they_are(board: Board) -> None:
    images = np.arange(2 * 3 * 4 * 4, dtype=np.uint8).reshape(2, 3, 4, 4)
    there = send_images(board, Split(images=images, labels=np.array([0, 1]), sha256="c" * 64, dataset="cifar10"))
    assert Path(there).name == f"{'c' * 16}.npy"
    assert (np.load(there) == images).all()
