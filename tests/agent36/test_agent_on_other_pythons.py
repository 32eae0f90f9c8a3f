"""The packed agent under interpreters that boards really have, the oldest first. Skips those that are not here."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.agent import wire
from harness.board.link import Link
from harness.board.transports import LocalTransport
from tests.support import steward_side
from tests.support.agent_side import MILLI_S, SCENARIO, ended, interpreter, null_script, sha256

PATIENCE_S = 60.0
COLLECTORS = ["process", "cpu", "thermal", "others"]
BLOCK_S = 0.125


@pytest.fixture(params=["3.6", "3.8", "3.11", "3.13"], scope="module")
def python(request: pytest.FixtureRequest) -> str:
    found = interpreter(request.param)
    if found is None:
        pytest.skip(f"no Python {request.param} here; with pyenv: pyenv install {request.param}")
    return found


def script(folder: Path) -> str:
    """Settles over 40 inferences, then every tenth takes four times as long."""
    settling = [MILLI_S * (16 - number // 4) for number in range(40)]
    steady = ([MILLI_S] * 9 + [4 * MILLI_S]) * 60
    return null_script(folder / "model.json", settling + steady, first_s=0.5, output=[0.5, -2.0, 1e-300])


def trial(python: str, folder: Path, mode: str) -> dict[str, Any]:
    """Every request of a trial, answered by the packed agent under `python`; what each returned, by request."""
    transport = LocalTransport(folder / "board", python)
    arguments = {"scenario": SCENARIO, "inputs": None, "path": str(folder / "samples")}
    sensors = {"names": COLLECTORS, "period_s": 0.01, "path": str(folder / "traces")}
    with Link(transport.talk([])) as link:
        found = {"hello": link.hello()}
        found["probe"] = link.ask(
            "probe",
            PATIENCE_S,
            collectors=COLLECTORS,
            runtimes=["null", "onnxruntime"],
            options={},
            period_s=0.01,
        )
        found["prepare"] = link.ask("prepare", PATIENCE_S, affinity="last", nice=0, sensor_settings=sensors)
        found["load"] = link.ask("load", PATIENCE_S, backend="null", artifact=script(folder), options={"threads": 1})
        if mode == "observe":
            arguments.update(arms=["on", "off", "off", "on"], block_s=BLOCK_S)
        else:
            arguments.update(power={"totals": [], "asked_s": {}, "idle_s": 0.0})
        found["reply"] = link.ask(mode, PATIENCE_S, **arguments)
        assert link.ask("bye", PATIENCE_S) == {}
    found["columns"] = wire.read_columns(arguments["path"])
    found["traces"] = wire.read_columns(sensors["path"])
    return found


def relative(found: dict[str, Any]) -> dict[str, Any]:
    """What must not depend on the interpreter: all that the script decides; times count from the steady state on."""
    reply, begin = found["reply"], found["reply"]["steady_start_s"]
    names = ("first_inference_s", "warm_up_count", "warm_up_s", "warm_up_steady", "stop_reason", "signature", "finite")
    columns = {
        name: [value - begin for value in values] if name.endswith("start_s") else list(values)
        for name, values in found["columns"].items()
    }
    return {"steady_s": reply["steady_end_s"] - begin, **{name: reply.get(name) for name in names}, **columns}


@pytest.mark.parametrize("mode", ["measure", "observe"])
def test_results_are_exactly_those_of_the_host_interpreter(python: str, mode: str, tmp_path: Path) -> None:
    there, here = trial(python, tmp_path / "there", mode), trial(sys.executable, tmp_path / "here", mode)
    assert relative(there) == relative(here)
    assert len(there["columns"]["samples.duration_s"]) >= 64
    assert there["load"]["artifact_sha256"] == sha256(tmp_path / "there/model.json")


def test_one_inference_answers_under_every_interpreter(python: str, tmp_path: Path) -> None:
    artifact = script(tmp_path)
    with Link(LocalTransport(tmp_path / "board", python).talk([])) as link:
        link.hello()
        link.ask("load", PATIENCE_S, backend="null", artifact=artifact, options={"threads": 1, "optimized": False})
        found = link.ask("infer", PATIENCE_S, inputs=None)
    assert found == {"signature": [0.5, -2.0, 1e-300], "finite": True}


@pytest.mark.parametrize("mode", ["measure", "observe"])
def test_sensors_keep_time_beside_the_loop(python: str, mode: str, tmp_path: Path) -> None:
    found = trial(python, tmp_path, mode)
    assert sorted([*found["probe"]["collectors"], *found["probe"]["unavailable"]]) == sorted(COLLECTORS)
    assert found["prepare"]["problems"] == []
    sensors = found["reply"]["sensors"]
    for channel in sensors["channels"]:
        times, values = (found["traces"][name] for name in named(channel))
        assert sensors["reads"] >= len(times) == len(values) >= 2
        assert list(times) == sorted(times)


def named(channel: dict[str, str]) -> tuple[str, str]:
    """Columns of a channel: times and values."""
    return f"time:{channel['collector']}", f"{channel['collector']}:{channel['name']}"


def test_a_runtime_that_is_missing_is_a_reason(python: str, tmp_path: Path) -> None:
    found = trial(python, tmp_path, "measure")["probe"]
    assert found["backends"]["null"] == {}
    known = {**found["backends"], **found["backends_unavailable"]}
    assert sorted(known) == ["null", "onnxruntime"]
    if "onnxruntime" in found["backends_unavailable"]:
        assert "pip install onnxruntime" in found["backends_unavailable"]["onnxruntime"]


def test_a_steward_serves_a_run_from_its_lease_to_its_end(python: str, tmp_path: Path) -> None:
    """Lease, state, settling, a trial; then the host is lost in the middle of the next, and collects it later."""
    with steward_side.bench(tmp_path, python) as bench:
        steward = bench.steward(governor="performance")
        rule = {"deadline_s": 0.0, "window_s": 60.0, "slope_c": 1.0, "start_below_c": None, "load_cores": 100.0}
        assert steward.ask("settle", rule=rule, whole=True)["calm"]
        artifact = script(tmp_path)
        played = steward.play("one", steward_side.script(artifact, sha256(artifact)))
        assert (played["died"], [reply["ok"] for reply in played["replies"]]) == (None, [True] * 5)
        assert played["state"]["in_force"] == {"governor": "performance"}
        assert len(wire.read_columns(f"{played['folder']}/samples")["samples.duration_s"]) >= 64
        gate, whole = steward_side.gated(bench)
        steward.send("play", trial="two", script=whole)
        gate.reached()
        guard, trial = bench.guard(), bench.trial_pid()
        steward.hang_up()
        gate.open()
        assert ended(steward.pid, PATIENCE_S)
        assert (ended(guard), bench.governor, bench.entries()) == (True, "ondemand", [])
        assert bench.steward().play("two", whole)["replies"][0]["result"]["pid"] == trial


def test_a_guard_does_what_a_killed_steward_cannot(python: str, tmp_path: Path) -> None:
    with steward_side.bench(tmp_path, python) as bench:
        steward = bench.steward(governor="performance")
        gate, whole = steward_side.gated(bench)
        steward.send("play", trial="one", script=whole)
        gate.reached()
        guard, trial = bench.guard(), bench.trial_pid()
        assert steward.conversation.close(at_once=True) == -signal.SIGKILL
        assert (ended(guard, PATIENCE_S), ended(trial, 0.0)) == (True, True)
        assert (bench.governor, bench.entries()) == ("ondemand", [])
