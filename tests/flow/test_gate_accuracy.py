"""Accuracy in a gate: released models on the real test images. Skipped where those are not at hand."""

from __future__ import annotations

import json
from pathlib import Path

from harness.places import builtin
from tests.support.gate_side import gate, within


def test_two_released_models_on_the_same_images(tmp_path: Path, shared: Path) -> None:
    """A policy of accuracy alone measures nothing else. The lock says what each of them has right."""
    released = builtin()["suites"] / "cifar10"
    locked = json.loads((builtin()["suites"] / "cifar10.lock.json").read_text())["artifacts"]
    right = {one["variant"]: one["accuracy"]["correct"] for one in locked}
    sides = "--baseline", released / "fast-int8.onnx", "--candidate", released / "fast-pruned-int8.onnx"
    answer = gate(
        tmp_path, "cifar10", *sides, "--data", shared / "data", "--json", "-",
        rules='[[rules]]\nmetric = "accuracy_top1"\n',
    )  # fmt: skip
    told = json.loads(answer.out)
    (top1,) = [one for one in told["decisions"] if one["metric"] == "accuracy_top1"]
    assert top1["n"] == 10_000
    lost = (right["fast-int8"] - right["fast-pruned-int8"]) / 10_000
    assert abs(top1["change"] - lost) < 0.005  # the lock's were counted with another build of the runtime
    assert (answer.code, top1["outcome"]) in {(0, "pass"), (0, "improvement"), (1, "regression"), (3, "inconclusive")}
    assert told["facts"]["launches"] == {}


def test_data_of_no_suite_are_not_used_in_silence(tmp_path: Path, shared: Path) -> None:
    released = builtin()["suites"] / "cifar10" / "fast-int8.onnx"
    answer = gate(
        tmp_path, "--baseline", released, "--candidate", released, "--data", shared / "data",
        rules='[[rules]]\nmetric = "accuracy_top1"\n',
    )  # fmt: skip
    assert answer.code == 3
    within(answer.err, ["--data is not used: neither side is of a suite with images"])
    within(answer.out, ["top-1 is not compared: no images are at hand"])
