"""What every backend of the table and its sessions owe their Protocols."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.agent import backends, outputs
from harness.agent.backends import trt
from harness.agent.tables import resolve
from harness.model import backend as planning
from tests.support import models
from tests.support.agent_side import null_script
from tests.support.fake_board import TensorRtBoard
from tests.support.fake_tensorrt import GENERATIONS

OPTIONS = {"threads": 1}
MADE = {name: resolve(backends.TABLE, "backend", name)() for name in sorted(backends.TABLE)}
REASONS = {name: made.why_unavailable() for name, made in MADE.items()}
USABLE = [name for name, reason in REASONS.items() if reason is None]


@pytest.mark.parametrize("name", sorted(backends.TABLE))
def test_what_is_not_usable_says_why_and_what_helps(name: str) -> None:
    assert MADE[name].name == name
    reason = REASONS[name]
    assert reason is None or len(reason) > 20


def test_planning_knows_no_backend_that_there_is_not() -> None:
    assert set(planning.TABLE) <= set(backends.TABLE)


@pytest.fixture(params=[*USABLE, *(f"tensorrt, as {one}" for one in GENERATIONS)])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Those that this machine has; TensorRT on a fake of each generation."""
    name, _, generation = request.param.partition(", as ")
    return TensorRtBoard(tmp_path, generation).backend(trt.TensorRt) if generation else MADE[name]


@pytest.fixture
def artifact(backend: Any, tmp_path: Path) -> str:
    if backend.name == "null":
        return null_script(tmp_path / "model.json", [0.5], output=[1.0, 2.0])
    source = models.tiny(tmp_path / "tiny.onnx")
    form = planning.needs(backend.name).forms[0]
    if form != "pt2":
        return str(source)
    from harness.variants.graphs import program  # torch

    program.export(source, tmp_path / "tiny.pt2")
    return str(tmp_path / "tiny.pt2")


@pytest.fixture
def session(backend: Any, artifact: str) -> Iterator[Any]:
    loaded = backend.load(artifact, OPTIONS)
    yield loaded
    loaded.close()


def bind(session: Any) -> None:
    """Feed every input a picture of ones."""
    session.bind({name: np.ones((1, 3, 8, 8), np.float32) for name in session.input_names()})


def test_versions_are_texts_by_name(backend: Any) -> None:
    versions = backend.versions()
    assert all(isinstance(one, str) and one for pair in versions.items() for one in pair)


def test_facts_are_json(session: Any) -> None:
    facts = session.facts()
    assert facts["providers"]
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


def test_a_session_steps_and_answers(session: Any) -> None:
    bind(session)
    session.step()
    signature, finite = outputs.signature(session.outputs())
    assert len(signature) == 2
    assert finite


def test_the_same_inputs_give_the_same_outputs_every_time(session: Any) -> None:
    bind(session)
    signatures = []
    for _ in range(3):
        session.step()
        signatures.append(outputs.signature(session.outputs()))
    assert signatures[0] == signatures[1] == signatures[2]


def test_without_optimizations_it_computes_the_same(backend: Any, session: Any, artifact: str) -> None:
    plain = backend.load(artifact, {**OPTIONS, "optimized": False})
    found = []
    for one in (session, plain):
        bind(one)
        one.step()
        found.append(outputs.signature(one.outputs())[0])
    plain.close()
    assert found[0] == pytest.approx(found[1], rel=1e-5)


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_in_force_are_those_asked_for(backend: Any, artifact: str, threads: int) -> None:
    session = backend.load(artifact, {"threads": threads})
    assert session.facts().get("threads", threads) == threads  # a script has none
    session.close()


def test_its_clock_only_goes_forward(session: Any) -> None:
    bind(session)
    times = []
    for _ in range(5):
        times.append(session.clock())
        session.step()
        times.append(session.clock())
    assert times == sorted(times)
    assert all(before < after for before, after in zip(times[::2], times[1::2], strict=True))


def test_it_can_be_closed(backend: Any, artifact: str) -> None:
    session = backend.load(artifact, OPTIONS)
    bind(session)
    session.step()
    assert session.close() is None
    assert backend.load(artifact, OPTIONS).input_names() is not None  # another one can be opened after it


def test_a_file_that_is_not_there_is_an_error(backend: Any, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="absent"):
        backend.load(str(tmp_path / "absent"), OPTIONS)


def test_a_device_that_keeps_time_took_no_longer_than_the_step(session: Any) -> None:
    if not hasattr(session, "device_s"):
        return  # a processor is its own clock
    bind(session)
    session.step()
    assert 0 < session.device_s() < 60


def test_what_builds_says_whether_it_did(backend: Any, artifact: str) -> None:
    if not hasattr(backend, "prepare"):
        return
    assert backend.prepare(artifact, OPTIONS) is True
    assert backend.prepare(artifact, OPTIONS) is False
