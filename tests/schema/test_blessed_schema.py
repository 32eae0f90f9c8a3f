"""Blessed baselines: the schema says what is written, and a file of schema 1 loads for ever with the numbers it had."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import NothingMeasured, UsageError
from harness.gating import blessed, counted
from harness.model.baseline import Baseline, BlessedCell, Fingerprint, Kept
from harness.model.case import Accuracy, ArtifactFacts, Case, Part, Settings, Signature
from harness.places import builtin, checkout
from tests.support.host_side import environment, facts, plan, stored, trial

jsonschema = pytest.importorskip("jsonschema")
FROZEN = Path(__file__).parent / "baseline-1.json"
SCHEMA: dict[str, Any] = json.loads((builtin()["schema"] / "baseline-1.schema.json").read_text("utf-8"))


def complaints(told: Any) -> list[str]:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(told)]


def test_the_schema_is_one_and_names_exactly_the_fields() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    kinds = {
        "cell": BlessedCell, "fingerprint": Fingerprint, "kept": Kept, "case": Case, "settings": Settings,
        "artifact": ArtifactFacts, "accuracy": Accuracy, "signature": Signature,
    }  # fmt: skip
    for name, kind in kinds.items():
        assert list(SCHEMA["$defs"][name]["properties"]) == [field.name for field in dataclasses.fields(kind)], name
    assert list(SCHEMA["properties"]) == [field.name for field in dataclasses.fields(Baseline)]


def test_what_both_schemas_tell_of_a_case_is_the_same() -> None:
    run = json.loads((builtin()["schema"] / "run-1.schema.json").read_text("utf-8"))
    for name in ("case", "scenario", "settings", "artifact", "accuracy", "signature"):
        assert SCHEMA["$defs"][name] == run["$defs"][name], name


def test_the_frozen_file_fits_and_keeps_its_numbers() -> None:
    assert complaints(json.loads(FROZEN.read_text("utf-8"))) == []
    found = blessed.read(FROZEN)
    assert (found.name, found.suite, found.device, found.commit_dirty) == ("frozen-bench", "frozen", "bench", False)
    (cell,) = found.cells
    assert cell.case.id == "2a171e4648d933cd"
    assert cell.artifact.macs == 77269504
    kept = {one.metric: one for one in cell.metrics}
    assert kept["latency_p50_s"].launches == (0.00112034, 0.00111507, 0.00112911)
    assert kept["latency_p99_s"].sessions == (0.0015, None)
    counts = counted.of_blessed(cell)
    assert counts.values["memory_peak_bytes"] == (67108900.0, 67096600.0, 67113000.0)
    assert counts.placement == {"CPUExecutionProvider fp32": 1, "CPUExecutionProvider int8": 9}
    assert counts.preferred == "CPUExecutionProvider int8"


def test_it_is_written_again_as_it_was(tmp_path: Path) -> None:
    written = blessed.write(blessed.read(FROZEN), tmp_path / "store")
    assert json.loads(written.read_text("utf-8")) == json.loads(FROZEN.read_text("utf-8"))


def test_what_a_file_holds_is_not_kept_and_not_written(tmp_path: Path) -> None:
    trials = [trial([0.001 + 1e-6 * n] * 70, launch=n, environment=environment()) for n in range(3)]
    parts = facts(composition=(Part("graph", 1000),))
    made = blessed.bless(stored(trials, plan(launches=3, artifact=parts)), tmp_path, "now")
    assert "composition" not in blessed.write(made, tmp_path / "store").read_text("utf-8")
    assert made == blessed.read(tmp_path / "baselines/now.json")


def test_what_is_blessed_now_fits(tmp_path: Path) -> None:
    trials = [trial([0.001 + 1e-6 * n] * 70, launch=n, environment=environment()) for n in range(3)]
    made = blessed.bless(stored(trials, plan(launches=3)), tmp_path, "now")
    assert complaints(json.loads(blessed.write(made, tmp_path / "store").read_text("utf-8"))) == []


def test_counts_alone_need_one_launch_and_keep_nothing_of_the_machine(tmp_path: Path) -> None:
    once = stored([trial([0.001, 0.002] * 35, environment=environment())], plan(launches=1))
    with pytest.raises(NothingMeasured, match="1 launch; a session is 3 at least"):
        blessed.bless(once, tmp_path, "now")
    made = blessed.bless(once, tmp_path, "now", counts=True)
    assert [(cell.metrics, cell.sessions) for cell in made.cells] == [((), (made.run,))]
    assert complaints(json.loads(blessed.write(made, tmp_path / "store").read_text("utf-8"))) == []


@pytest.mark.skipif(checkout() is None, reason="an installed copy has no baselines")
def test_the_tracked_files_fit_and_load() -> None:
    root = checkout()
    assert root is not None
    found = list(blessed.listed(root / "results" / "store"))
    assert found, "the project's own gate (nox -s gate) has lost its baseline"
    for path, told in found:
        assert isinstance(told, Baseline), told
        assert told.name == path.stem
        assert complaints(json.loads(path.read_text("utf-8"))) == []


@pytest.mark.parametrize(
    ("key", "value"), [("schema", "harness.baseline/2"), ("cells", []), ("name", "a b"), ("commit", "main")]
)
def test_what_does_not_fit_is_refused(key: str, value: object) -> None:
    assert complaints({**json.loads(FROZEN.read_text("utf-8")), key: value})


def test_a_session_without_its_value_is_refused_by_the_reader(tmp_path: Path) -> None:
    told = json.loads(FROZEN.read_text("utf-8"))
    told["cells"][0]["metrics"][0]["sessions"].pop()
    path = tmp_path / "torn.json"
    path.write_text(json.dumps(told))
    with pytest.raises(UsageError, match="latency_p50_s has 1 values for 2 sessions"):
        blessed.read(path)
