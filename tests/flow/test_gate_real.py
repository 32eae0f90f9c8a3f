"""Small real models through the command line of the gate, for the plumbing: what they take is up to the machine."""

from __future__ import annotations

import json
from pathlib import Path

from harness.model.codec import Json
from tests.support import gate_side, models
from tests.support.gate_side import gate, model, suite


def test_two_real_files_are_measured_against_each_other(tmp_path: Path) -> None:
    """For the plumbing: what a model this small takes is decided by the machine, so the outcome is not asserted."""
    for name in ("old", "new"):
        models.tiny(tmp_path / f"{name}.onnx")
    answer = gate(
        tmp_path, "--baseline", tmp_path / "old.onnx", "--candidate", tmp_path / "new.onnx", "--json", "-",
        "--junit", tmp_path / "junit.xml", "--markdown", tmp_path / "gate.md",
        rules=f"looks = [3]\n{gate_side.P50_ALONE}",
    )  # fmt: skip
    assert answer.code in (0, 1, 3), answer.err
    told: Json = json.loads(answer.out)
    assert told["design"] == "paired"
    counts = {one["metric"]: one["outcome"] for one in told["decisions"] if one["metric"] in ("macs", "parameters")}
    assert counts == {"macs": "pass", "parameters": "pass"}
    assert told["facts"]["launches"]["new"] >= 3
    assert told["facts"]["versions"]["onnxruntime"]
    assert (tmp_path / "junit.xml").read_text().startswith("<?xml")
    assert "new" in (tmp_path / "gate.md").read_text()


def test_a_files_counts_stand_beside_its_times_and_fail_nothing(tmp_path: Path) -> None:
    """More work in the same time is no regression, unless a rule says so."""
    models.tiny(tmp_path / "old.onnx", [1, 3, 8, 8])
    models.tiny(tmp_path / "new.onnx", [1, 3, 16, 16])
    both = "--baseline", tmp_path / "old.onnx", "--candidate", tmp_path / "new.onnx", "--json", "-"
    wide = 'looks = [3]\nconfirm = 0\n[[rules]]\nmetric = "latency_p50_s"\ntolerance = 8\nlimit = 9\n'
    answer = gate(tmp_path, *both, rules=wide)
    assert answer.code == 0, answer.err
    told = json.loads(answer.out)
    (macs,) = [one for one in told["decisions"] if one["metric"] == "macs"]
    assert macs["outcome"] == "inconclusive"
    assert macs["candidate"] == 4 * 16 * 16 * 27 + 8
    assert any("inputs" in text for text in told["conditions"])
    strict = f'{wide}[[rules]]\nmetric = "macs"\ntolerance = 0.1\nlimit = 0.2\n'
    answer = gate(tmp_path, *both, rules=strict)
    assert answer.code == 1, answer.err


def test_a_model_file_takes_the_named_suites_scenario(tmp_path: Path) -> None:
    path = suite(tmp_path / "suite", {"small": model()})
    path.write_text(path.read_text().replace("backends=('null',)", "backends=('onnxruntime',)"))
    models.tiny(tmp_path / "old.onnx")
    answer = gate(
        tmp_path, path, "--baseline", tmp_path / "old.onnx", "--candidate", tmp_path / "old.onnx", "--json", "-",
        rules=f"looks = [3]\n{gate_side.P50_ALONE}",
    )  # fmt: skip
    assert answer.code in (0, 1, 3), answer.err
    run = json.loads(answer.out)["facts"]["run"]
    plan = json.loads((tmp_path / "store" / run / "run.json").read_text())["plan"]
    assert plan["suite"] == "scripted"
    assert plan["cases"][0]["scenario"]["stop"]["min_count"] == 12
