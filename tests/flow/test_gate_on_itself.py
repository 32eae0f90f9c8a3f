"""What `nox -s gate` runs over this project passes, and each part of it can fail."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.model.gate import Policy
from harness.places import checkout
from tests.support.host_side import Answer, invoke
from tests.support.scripted_suite import write_device

ROOT = checkout()
pytestmark = pytest.mark.skipif(ROOT is None, reason="of the checkout, whose baselines an installed copy has not")
HERE = ROOT or Path()
BLESSED = HERE / "results" / "baselines" / "cifar10-counts.json"
OWN = HERE / "tests" / "self_gate"
SMOKE, CIFAR10 = HERE / "suites" / "smoke.py", HERE / "suites" / "cifar10.py"


def gate(folder: Path, *arguments: str | Path) -> tuple[Answer, dict[str, Any]]:
    answer = invoke(folder, "gate", *arguments, "--device", write_device(folder), "--json", "-")
    return answer, json.loads(answer.out)


def scripted(folder: Path, candidate: Path) -> tuple[Answer, dict[str, Any]]:
    named = "--baseline", SMOKE, "--candidate", candidate, "--policy", OWN / "scripted.toml"
    return gate(folder, SMOKE, *named)


def test_smoke_passes_against_itself(tmp_path: Path) -> None:
    answer, told = scripted(tmp_path, SMOKE)
    assert (answer.code, told["design"], told["outcome"]) == (0, "paired", "pass")
    timed = {(one["cell"], one["metric"]): one for one in told["decisions"] if one["metric"].startswith("latency")}
    metrics = ("latency_p50_s", "latency_p90_s", "latency_mean_s")
    assert set(timed) == {(cell, metric) for cell in ("steady", "fast") for metric in metrics}
    # Each process takes up to 0.1 % longer or shorter, so no effect is far beyond 0.2 % (an inference more or less in a
    # block moves a mean a little), and none is constant.
    assert all(0 < abs(effect) <= 0.004 for one in timed.values() for effect in one["effects"])
    assert told["facts"]["launches"] == {"steady": Policy.looks[0], "fast": Policy.looks[0]}


def test_a_script_that_takes_5_per_cent_longer_does_not(tmp_path: Path) -> None:
    answer, told = scripted(tmp_path, OWN / "slower.py")
    assert (answer.code, told["outcome"]) == (1, "regression")
    (median,) = [one for one in told["decisions"] if one["metric"] == "latency_p50_s"]
    assert (median["outcome"], median["confirmed"]) == ("regression", True)
    assert median["change"] == pytest.approx(0.05, abs=0.002)


def counted(folder: Path, change: Callable[[dict[str, Any]], None] | None = None) -> tuple[Answer, dict[str, Any]]:
    """One released model against what was blessed of it, as it is tracked or altered."""
    path = BLESSED
    if change is not None:
        told = json.loads(BLESSED.read_text("utf-8"))
        change(next(one for one in told["cells"] if one["case"]["variant"] == "fast-int8"))
        path = folder / "altered.json"
        path.write_text(json.dumps(told))
    return gate(folder, CIFAR10, "--design", "counted", "--baseline", path, "--variant", "fast-int8")


def test_a_released_model_does_the_work_that_was_blessed(tmp_path: Path) -> None:
    answer, told = counted(tmp_path)
    assert (answer.code, told["design"], told["outcome"]) == (0, "counted", "pass"), answer.err
    found = {one["metric"]: one["outcome"] for one in told["decisions"]}
    assert {"macs", "parameters", "model_size_bytes"} <= set(found)
    # Under another release of the runtime its choice is not compared, and a note says so.
    assert "operator_placement" in found or "the place of operators is not compared" in " ".join(told["notes"])
    assert "neither is compared with a blessed file" in " ".join(told["notes"])


def less_work(cell: dict[str, Any]) -> None:
    cell["artifact"]["macs"] -= 1


def a_smaller_file(cell: dict[str, Any]) -> None:
    cell["artifact"]["size_bytes"] -= 1025


def another_runtime(cell: dict[str, Any]) -> None:
    cell["fingerprint"]["software"]["runtime"] = "onnxruntime, onnxruntime 0.1"


@pytest.mark.parametrize(
    ("change", "metric", "said"),
    [
        (less_work, "macs", "MACs: 77,269,503 -> 77,269,504 (+0.00 %); work changed, time not measured"),
        (a_smaller_file, "model_size_bytes", "bytes of the file: 2,008,077 -> 2,009,102"),
    ],
)
def test_more_work_than_was_blessed_is_a_regression(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], metric: str, said: str
) -> None:
    answer, told = counted(tmp_path, change)
    assert (answer.code, told["outcome"]) == (1, "regression")
    (found,) = [one for one in told["decisions"] if one["outcome"] == "regression"]
    assert found["metric"] == metric
    assert found["reason"].startswith(said)


def test_the_place_of_operators_is_compared_under_one_runtime_alone(tmp_path: Path) -> None:
    answer, told = counted(tmp_path, another_runtime)
    assert answer.code == 0, answer.err
    assert "operator_placement" not in {one["metric"] for one in told["decisions"]}
    said = "fast-int8: the place of operators is not compared: the runtime was onnxruntime, onnxruntime 0.1, and is"
    assert said in " ".join(told["notes"])
