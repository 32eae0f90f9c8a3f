"""Counting instructions with tools played by a script: the arithmetic, and every reason for there being no count."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.gating import instructions
from harness.gating.instructions import CALLGRIND, PERF, Tool
from harness.resolve import Source
from tests.support import models
from tests.support.host_side import CASE

# Takes the place of valgrind or perf: runs nothing, but answers as if an inference took 1,000 instructions and what
# stands around it 7,000. The last words are: python -s -c PROGRAM MODEL INPUTS NUMBER GO.
_PLAYED = """\
import os, sys, time
number, go = sys.argv[-2], sys.argv[-1]
print(os.getpid(), flush=True)
while not os.path.exists(go):
    time.sleep(0.001)
print({text!r}.format(7000 + 1000 * int(number or 0)), file=sys.stderr)
sys.exit({status})
"""


def played(tmp_path: Path, text: str, like: Tool = CALLGRIND, status: int = 0, enough: float = 9e3) -> Tool:
    """A tool that prints `text` with its count. A new name each, as what works is remembered."""
    script = tmp_path / "tool.py"
    script.write_text(_PLAYED.format(text=text, status=status))
    switch = ("true",) if like.switch else ()
    return replace(
        like, name=str(script), command=(sys.executable, str(script)), needs=(), switch=switch, enough=enough
    )


@pytest.mark.parametrize(
    ("text", "like"),
    [("==1== Collected : {}", CALLGRIND), ("{},,instructions:u,5,100.00,,", PERF)],
)
def test_what_start_up_takes_cancels(tmp_path: Path, text: str, like: Tool) -> None:
    tool = played(tmp_path, text, like)
    assert instructions.tool([tool]) == tool
    assert instructions.per_inference(Source(tmp_path, ("m.onnx",), ""), tmp_path / "in.npz", tool) == 1000.0


def test_small_models_are_run_more_often(tmp_path: Path) -> None:
    """9 N inferences must take `enough`: of 8,000 seen in one, N is 13."""
    tool = played(tmp_path, "Collected : {}", enough=9 * 100_000)
    assert instructions.per_inference(Source(tmp_path, ("m.onnx",), ""), tmp_path / "in.npz", tool) == 1000.0


def test_why_there_is_no_tool(tmp_path: Path) -> None:
    absent = replace(CALLGRIND, name="nothing", needs=("no-such-program",))
    silent = played(tmp_path, "<not supported>,,instructions:u,0,100.00,,", PERF)
    said = instructions.tool([absent, silent])
    assert isinstance(said, str)
    assert "nothing is not installed here (no-such-program)" in said
    assert "counts nothing here: <not supported>" in said


def test_a_tool_that_fails_says_so(tmp_path: Path) -> None:
    tool = played(tmp_path, "no rights {}", status=3)
    said = instructions.tool([tool])
    assert isinstance(said, str)
    assert "ended with status 3: no rights 7000" in said


@pytest.mark.parametrize(
    ("case", "local", "words"),
    [
        (replace(CASE, precision="scripted"), True, "a scripted model computes nothing"),
        (replace(CASE, backend="onnxruntime"), False, "on this machine alone"),
        (replace(CASE, backend="tensorrt"), True, "of onnxruntime alone, not of tensorrt"),
    ],
)
def test_what_cannot_be_counted(case, local: bool, words: str) -> None:
    assert words in str(instructions.why_not(case, local=local))


def test_a_real_model_is_fed_and_its_failure_told(tmp_path: Path) -> None:
    """The program itself, under a tool that only runs what it is given."""
    bare = Tool("sh", ("sh", "-c", '"$@" && echo "Collected : 5" >&2', "sh"), (), (), 45.0, CALLGRIND.read)
    model, inputs = models.tiny(tmp_path / "tiny.onnx", [1, 3, 8, 8]), tmp_path / "in.npz"
    np.savez(inputs, image=np.zeros((1, 3, 8, 8), np.float32))
    said = instructions.per_inference(Source(tmp_path, (model.name,), ""), inputs, bare)
    assert said == "sh counted 5 and 5: ten times the inferences took no more"
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    said = instructions.per_inference(Source(tmp_path, ("bad.onnx",), ""), inputs, bare)
    assert isinstance(said, str)
    assert said.startswith("ended with status 1: onnxruntime")
