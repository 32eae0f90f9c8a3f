"""The packed agent with TensorRT in its processes: a fake module on the path, a fake libcudart for the loader.

Nothing of NVIDIA's runs: what this shows is that the engine is built in a process of its own, kept, found and run.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from harness.agent import PROTOCOL
from harness.board import pack
from tests.support import models

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "tests" / "support" / "fake_cudart.c"
MODULE = """
from tests.support.fake_tensorrt import World, make
globals().update(vars(make(World("{generation}"))))
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler here: apt install gcc")
    made = tmp_path_factory.mktemp("cuda") / "libcudart.so.13"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(made), str(SOURCE)], check=True)
    return made


class Conversation:
    """The packed agent, asked one thing at a time."""

    def __init__(self, folder: Path, library: Path, generation: str) -> None:
        modules = folder / "modules"
        modules.mkdir(exist_ok=True)
        (modules / "tensorrt.py").write_text(MODULE.format(generation=generation))
        environment = {
            **os.environ,
            "PYTHONPATH": f"{modules}:{ROOT}",
            "LD_LIBRARY_PATH": str(library.parent),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        command = [sys.executable, str(pack.write(folder / "board"))]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True, cwd=folder
        )
        self.ask("hello", protocol=PROTOCOL)

    def reply(self, do: str, **arguments: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": do, "with": arguments, "deadline_s": 120, "n": 1}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def ask(self, do: str, **arguments: Any) -> Any:
        answer = self.reply(do, **arguments)
        assert answer["ok"], answer
        return answer["result"]


@pytest.fixture(params=["8.2", "10.3", "11.4"])
def agent(request: pytest.FixtureRequest, tmp_path: Path, library: Path) -> Iterator[Conversation]:
    made = Conversation(tmp_path, library, request.param)
    yield made
    made.process.kill()
    made.process.communicate()


def test_an_engine_is_built_beside_kept_and_run(agent: Conversation, tmp_path: Path) -> None:
    artifact = models.tiny(tmp_path / "tiny.onnx")
    probed = agent.ask("probe", collectors=[], runtimes=["tensorrt"], options={}, period_s=0.05)
    assert probed["backends"]["tensorrt"]["gpu"] == "Fake Orin"
    image = np.full((1, 3, 8, 8), 0.5, np.float32)
    np.savez(tmp_path / "inputs.npz", image=image)
    loaded = agent.ask("load", backend="tensorrt", artifact=str(artifact), options={"threads": 1})
    assert loaded["facts"]["engine"]["build_s"] > 0
    (entry,) = (tmp_path / "engines").iterdir()
    found = agent.ask("infer", inputs=str(tmp_path / "inputs.npz"))
    session = onnxruntime.InferenceSession(str(artifact), providers=["CPUExecutionProvider"])
    assert found["signature"] == pytest.approx(session.run(None, {"image": image})[0].ravel().tolist())
    again = agent.ask("load", backend="tensorrt", artifact=str(artifact), options={"threads": 1})
    assert again["facts"]["engine"] == loaded["facts"]["engine"]  # with the time of the one building
    assert [entry] == list((tmp_path / "engines").iterdir())
    profiled = agent.ask(
        "profile",
        backend="tensorrt",
        artifact=str(artifact),
        options={"threads": 1},
        inputs=str(tmp_path / "inputs.npz"),
    )
    assert {one["op"] for one in profiled["operators"]} == {"CaskConvolution", "Reformat"}


def test_what_the_parser_says_reaches_the_host(agent: Conversation, tmp_path: Path) -> None:
    artifact = models.tiny(tmp_path / "tiny.onnx")
    model = onnx.load_model(artifact)
    model.graph.node[0].op_type = "Mystery"
    onnx.save_model(model, artifact)
    answer = agent.reply("load", backend="tensorrt", artifact=str(artifact), options={"threads": 1})
    assert not answer["ok"]
    assert "cannot read tiny.onnx" in answer["error"]["text"]
    assert "no importer registered" in answer["error"]["text"]
    assert not (tmp_path / "engines").exists()


def test_a_build_that_is_killed_is_an_error_with_what_helps(tmp_path: Path, library: Path) -> None:
    agent = Conversation(tmp_path, library, "10.3")
    try:
        module = tmp_path / "modules" / "tensorrt.py"
        agent.ask("probe", collectors=[], runtimes=["tensorrt"], options={}, period_s=0.05)
        # This process has imported its own; the one that builds finds another.
        module.write_text("import os\nos.kill(os.getpid(), 9)\n")
        artifact = models.tiny(tmp_path / "tiny.onnx")
        answer = agent.reply("load", backend="tensorrt", artifact=str(artifact), options={"threads": 1})
        assert "died of signal 9, perhaps for want of memory" in answer["error"]["text"]
    finally:
        agent.process.kill()
        agent.process.communicate()
