"""What is stored is what the published schemas say, key for key."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from harness.model.case import Accuracy, ArtifactFacts, Case, Plan, PlannedTrial, Precision, Settings, Signature, Skip
from harness.model.codec import to_json
from harness.model.device import Device, Limits, Runtime, Settle, State
from harness.model.run import Run, Stopped
from harness.model.trial import Channel, Environment, Outputs, Phases
from harness.places import builtin
from harness.store import store
from tests.support import models
from tests.support.host_side import invoke, run, runs_of, trial, trial_folders
from tests.support.scripted_suite import script, write_device, write_suite

jsonschema = pytest.importorskip("jsonschema")
FROZEN = Path(__file__).parent / "run-1"


def schema(name: str) -> dict[str, Any]:
    return json.loads((builtin()["schema"] / f"{name}-1.schema.json").read_text())


def complaints(name: str, path: Path) -> list[str]:
    validator = jsonschema.Draft202012Validator(schema(name))
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(json.loads(path.read_text()))]


def test_the_schemas_are_schemas() -> None:
    for name in ("trial", "run", "summary"):
        jsonschema.Draft202012Validator.check_schema(schema(name))


def test_the_schemas_name_exactly_the_fields() -> None:
    """A new field without its line here would be refused by the readers of others."""
    whole, trial_schema = schema("run"), schema("trial")
    definitions = {**whole["$defs"], "run": whole, "phases": trial_schema["properties"]["phases"]}
    definitions["environment"] = trial_schema["properties"]["environment"]
    definitions["channel"] = trial_schema["properties"]["channels"]["items"]
    definitions["skip"] = definitions["plan"]["properties"]["skips"]["items"]
    definitions["planned"] = definitions["plan"]["properties"]["trials"]["items"]
    device = definitions["device"]["properties"]
    definitions |= {name: device[name] for name in ("limits", "state", "settle")}
    definitions["runtime"] = device["runtimes"]["additionalProperties"]
    definitions["stopped"] = schema("summary")["$defs"]["case"]["properties"]["stopped"]
    for name, kind in {
        "run": Run,
        "plan": Plan,
        "case": Case,
        "settings": Settings,
        "device": Device,
        "limits": Limits,
        "state": State,
        "settle": Settle,
        "runtime": Runtime,
        "precision": Precision,
        "stopped": Stopped,
        "artifact": ArtifactFacts,
        "accuracy": Accuracy,
        "signature": Signature,
        "skip": Skip,
        "planned": PlannedTrial,
        "phases": Phases,
        "environment": Environment,
        "channel": Channel,
    }.items():
        assert list(definitions[name]["properties"]) == [field.name for field in dataclasses.fields(kind)], name


def test_a_real_run_fits(tmp_path: Path) -> None:
    """Scripted and real models, one that dies, one that returns NaN; and the observer's trial."""
    scripts = {"good": script(), "bad": script(fail={"at": 3, "how": "kill"}), "nan": script(output=[1.0])}
    scripts["nan"]["fail"] = {"at": 3, "how": "nan"}
    device = write_device(tmp_path)
    assert invoke(tmp_path, "run", write_suite(tmp_path, scripts, launches=1), "--device", device).code == 0
    model = models.tiny(tmp_path / "tiny.onnx")
    assert invoke(tmp_path, "run", "--model", model, "--device", device, "--quick").code == 0
    for folder in runs_of(tmp_path):
        assert complaints("run", folder / "run.json") == []
        written = trial_folders(folder)
        assert len(written) >= 3
        for path in written:
            assert complaints("trial", path / "trial.json") == []


def test_a_run_until_it_is_precise_fits(tmp_path: Path) -> None:
    suite, device = write_suite(tmp_path, {"one": script()}), write_device(tmp_path)
    summary = tmp_path / "summary.json"
    assert invoke(tmp_path, "run", suite, "--device", device, "--until", "1%", "--json", summary).code == 0
    (folder,) = runs_of(tmp_path)
    assert complaints("run", folder / "run.json") == []
    assert complaints("summary", summary) == []
    assert json.loads(summary.read_text())["cases"][0]["stopped"]["reached"]


def test_a_trial_of_a_duet_fits(tmp_path: Path) -> None:
    folder = store.begin(tmp_path, run())
    path = store.append(folder, trial(mode="paired", arms=("first", "second")))
    assert complaints("trial", path / "trial.json") == []
    planned = json.loads(json.dumps(to_json(run())))
    planned["plan"]["trials"][0]["mode"] = "paired"
    jsonschema.validate(planned, schema("run"))


def test_an_accuracy_trial_and_the_frozen_run_fit(tmp_path: Path) -> None:
    folder = store.begin(tmp_path, run())
    outputs = Outputs((1.0, float("nan")), finite=False)
    path = store.append(folder, trial(mode="accuracy", outputs=outputs, dataset_sha256="d" * 64))
    assert complaints("trial", path / "trial.json") == []
    assert complaints("run", FROZEN / "run.json") == []
    for path in trial_folders(FROZEN):
        assert complaints("trial", path / "trial.json") == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("phases", "load"), 1.0),
        (("status",), "maybe"),
        (("case", "scenario", "label"), None),
        (("schema",), "harness.trial/2"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, path: tuple[str, ...], value: object) -> None:
    written = store.append(store.begin(tmp_path, run()), trial()) / "trial.json"
    facts = json.loads(written.read_text())
    inner = facts
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    written.write_text(json.dumps(facts))
    assert complaints("trial", written)


def test_a_run_by_hand_fits() -> None:
    jsonschema.validate(json.loads(json.dumps(to_json(run()))), schema("run"))
