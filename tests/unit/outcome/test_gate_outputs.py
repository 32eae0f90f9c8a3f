"""JSON against its schema, the terminal's table, and files that are whole or not there."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from harness import outcome
from harness.errors import StoreError
from harness.model.gate import GateResult
from harness.outcome.files import write_all
from harness.outcome.gate_json import gate_json
from harness.places import builtin
from tests.support.gate_results import NASTY, decision, of_each, result

jsonschema = pytest.importorskip("jsonschema")
NAMES = ("gate", "comparison", "history", "foreign")


def schema(name: str) -> dict[str, Any]:
    return json.loads((builtin()["schema"] / f"{name}-1.schema.json").read_text("utf-8"))


def checked(gate: GateResult, *, passes: bool = False) -> dict[str, Any]:
    told = json.loads(json.dumps(gate_json(gate, passes=passes), allow_nan=False))
    jsonschema.validate(told, schema("gate"), jsonschema.Draft202012Validator)
    return told


@pytest.mark.parametrize("name", NAMES)
def test_the_schemas_are_schemas(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(name))
    assert schema(name)["title"] == f"harness.{name}/1"


def test_the_json_says_everything_in_order() -> None:
    told = checked(of_each(), passes=True)
    assert (told["schema"], told["outcome"], told["inconclusive_passes"]) == ("harness.gate/1", "invalid", True)
    assert [one["outcome"] for one in told["decisions"]] == [
        "invalid", "regression", "inconclusive", "pass", "improvement",
    ]  # fmt: skip
    second = told["decisions"][1]
    assert (second["metric"], second["unit"], second["change"], second["n"]) == ("latency_p90_s", "s", 0.05, 6)
    assert (second["confirmed"], second["tail_only"], len(second["effects"])) == (True, True, 6)
    assert told["facts"]["machine"] == {"cpu": "a CPU"}


def test_what_is_no_number_is_null() -> None:
    gate = result(
        decision("invalid", baseline=math.nan, effects=(math.inf, 0.1)), facts={"x": [math.nan, {"y": math.inf}]}
    )
    told = checked(gate)
    assert told["decisions"][0]["baseline"] is None
    assert told["decisions"][0]["effects"] == [None, 0.1]
    assert told["facts"] == {"x": [None, {"y": None}]}


@pytest.mark.parametrize("name", NASTY.values(), ids=NASTY)
def test_a_name_comes_back_as_it_was(name: str) -> None:
    assert checked(result(decision(cell=name)))["decisions"][0]["cell"] == name


def test_a_metric_that_is_counted_alone_fits_too() -> None:
    assert checked(result(decision(metric="operator_placement")))["decisions"][0]["unit"] == "1"


@pytest.mark.parametrize(("path", "value"), [
    (("outcome",), "fine"), (("decisions", 0, "n"), -1), (("decisions", 0, "reason"), ""), (("more",), 1),
])  # fmt: skip
def test_what_does_not_fit_is_refused(path: tuple[Any, ...], value: object) -> None:
    told = checked(of_each())
    inner: Any = told
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(told, schema("gate"))


def test_the_table_goes_to_stdout_and_the_rest_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    outcome.print_gate(of_each())
    said = capsys.readouterr()
    lines = said.out.splitlines()
    order = ["invalid", "regression", "inconclusive", "pass", "improvement"]
    assert [word for line in lines if line.startswith("│") for word in order if f"│ {word}" in line] == order
    assert "small: p50 says regression" in said.out
    assert lines[-1].startswith("invalid small: peak RSS: the baseline has none (1 invalid, 1 regression")
    assert "differs: kernel: 6.1 in the baseline, 6.2 in the candidate" in said.err
    assert "energy is not judged: no sensor" in said.err


def test_a_policy_that_lets_it_pass_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    gate = result(decision("inconclusive"), outcome="inconclusive", reason="open")
    outcome.print_gate(gate, passes=True)
    assert "the policy lets an inconclusive gate pass" in capsys.readouterr().err
    outcome.print_gate(gate)
    assert "the policy lets" not in capsys.readouterr().err


@pytest.mark.parametrize("name", NASTY.values(), ids=NASTY)
def test_no_name_steers_the_terminal(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    outcome.print_gate(
        result(decision("regression", cell=name, reason=name), baseline=name, reason=name, notes=(name,))
    )
    said = capsys.readouterr()
    for text in (said.out, said.err):
        assert not any(sign in text for sign in "\x00\x1b\r\x85\u202e\u2028")
        text.encode("utf-8")


def test_a_gate_that_judged_nothing_prints_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    outcome.print_gate(result(outcome="invalid", reason="nothing was measured", facts={}))
    assert capsys.readouterr().out == "invalid nothing was measured (nothing was judged)\n"


def test_every_text_that_is_asked_for_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [tmp_path / name for name in ("gate.xml", "gate.md")]
    write_all(outcome.texts(of_each(), names[0], names[1]))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gate.md", "gate.xml"]
    assert names[0].read_text("utf-8").startswith("<?xml")
    assert names[1].read_text("utf-8").startswith("<!-- harness gate -->")
    assert capsys.readouterr().out == ""
    write_all(outcome.texts(of_each(), None, Path("-")))
    assert capsys.readouterr().out.startswith("<!-- harness gate -->")
    assert outcome.texts(of_each(), None, None) == []


@pytest.mark.parametrize(("place", "option"), [(0, "--junit"), (1, "--markdown")])
def test_a_file_that_cannot_be_written_names_its_option(tmp_path: Path, place: int, option: str) -> None:
    given: list[Any] = [None, None]
    given[place] = tmp_path / "absent" / "file"
    with pytest.raises(StoreError, match=f"cannot write .*absent.*{option}"):
        write_all(outcome.texts(of_each(), *given))
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "gate.xml").mkdir()
    with pytest.raises(StoreError):
        write_all(outcome.texts(of_each(), tmp_path / "gate.xml", None))
    assert [path.name for path in tmp_path.iterdir()] == ["gate.xml"]
