"""What a gate, a comparison and a run write, and where they cannot: refused before anything is measured, or said after
the verdict. All through the command line."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from tests.support import foreign_files as files
from tests.support.gate_side import gate, model, suite, within
from tests.support.host_side import invoke, runs_of
from tests.support.scripted_suite import write_device


@pytest.fixture
def closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What may be written to, as far as can be seen, and cannot be."""
    monkeypatch.chdir(tmp_path)  # a socket's name must be short
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("closed")
    return tmp_path / "closed"


@pytest.mark.parametrize("option", ["--junit", "--markdown", "--html", "--json"])
def test_a_folder_and_a_file_for_two_are_refused_before_anything_is_measured(tmp_path: Path, option: str) -> None:
    path = suite(tmp_path, {"small": model()})
    other = "--html" if option == "--junit" else "--junit"
    for given, words in (
        ((option, tmp_path), ["is a folder", option]),
        ((option, tmp_path / "same", other, tmp_path / "same"), ["both name", option, other, "a file of its own"]),
        ((option, "-", "--json" if option == "--markdown" else "--markdown", "-", "--html", "-"), ["name"]),
    ):
        answer = gate(tmp_path, "--baseline", path, path, *given)
        assert (answer.code, answer.out) == (2, "")
        within(answer.err, words)
    assert runs_of(tmp_path) == []


@pytest.mark.parametrize(("factor", "code", "outcome"), [(1.5, 1, "regression"), (1.0, 2, "pass")])
def test_a_file_that_cannot_be_written_costs_neither_the_verdict_nor_the_others(
    tmp_path: Path, closed: Path, factor: float, code: int, outcome: str
) -> None:
    old, new = suite(tmp_path / "old", {"small": model()}), suite(tmp_path / "new", {"small": model(factor)})
    files = ("--junit", closed, "--json", tmp_path / "gate.json", "--html", tmp_path / "gate.html")
    answer = gate(tmp_path, "--baseline", old, "--candidate", new, *files)
    assert answer.code == code, answer.out + answer.err
    within(answer.out, [outcome, "p50"])
    within(answer.err, [f"harness: cannot write {closed}", "--junit"])
    assert json.loads((tmp_path / "gate.json").read_text())["outcome"] == outcome
    assert (tmp_path / "gate.html").is_file()


def test_a_run_is_said_although_its_json_cannot_be_written(tmp_path: Path, closed: Path) -> None:
    path = suite(tmp_path / "suite", {"small": model()})
    answer = invoke(tmp_path, "run", path, "--device", write_device(tmp_path), "--json", closed)
    assert answer.code == 2
    within(answer.out, ["small", "p50"])
    within(answer.err, ["stored in", f"cannot write {closed}", "--json"])


@pytest.mark.parametrize("given", [("--json", "FOLDER"), ("--report", "-")])
def test_a_run_refuses_a_folder_before_it_begins(tmp_path: Path, given: tuple[str, str]) -> None:
    path = suite(tmp_path / "suite", {"small": model()})
    words = [word.replace("FOLDER", str(tmp_path)) for word in given]
    answer = invoke(tmp_path, "run", path, "--device", write_device(tmp_path), *words)
    assert (answer.code, answer.out) == (2, "")
    within(answer.err, [given[0], "folder"])
    assert runs_of(tmp_path) == []


def compare(folder: Path, *options: str | Path, old: str = "net.v2", new: str = "net.v2") -> tuple[int, str, str]:
    for name, called in (("old.log", old), ("new.log", new)):
        (folder / name).write_text(files.trtexec().replace("net.v2", called))
    answer = invoke(folder, "compare", f"trtexec:{folder / 'old.log'}", f"trtexec:{folder / 'new.log'}", *options)
    return answer.code, answer.out, answer.err


def test_a_comparison_is_said_although_its_files_cannot_be_written(tmp_path: Path, closed: Path) -> None:
    code, out, err = compare(tmp_path, "--markdown", closed, "--json", tmp_path / "compared.json")
    assert code == 2
    within(out, ["p50", "unclear"])
    within(err, [f"cannot write {closed}", "--markdown"])
    assert json.loads((tmp_path / "compared.json").read_text())["schema"] == "harness.comparison/1"


def test_a_hyphen_takes_stdout_for_itself(tmp_path: Path) -> None:
    code, out, _ = compare(tmp_path, "--markdown", "-")
    assert code == 0
    assert out.startswith("### ")
    assert "│" not in out
    assert not (tmp_path / "-").exists()
    code, out, err = compare(tmp_path, "--json", "-", "--markdown", "-")
    assert (code, out) == (2, "")
    within(err, ["--markdown and --json both name -"])


def test_benchmarks_of_other_names_are_said(tmp_path: Path) -> None:
    code, _, err = compare(tmp_path, new="other")
    assert code == 0
    within(err, ["differs: benchmark: net.v2 in the baseline, other in the candidate, the only one of each"])
    assert "differs: benchmark" not in compare(tmp_path)[2]
    for name, called in (("old", "ab"), ("new", "cd")):
        samples = {letter: [1e-3, 2e-3] for letter in called}
        (tmp_path / name).write_text(files.pytest_benchmark(samples))
    sides = [f"pytest-benchmark:{tmp_path / name}" for name in ("old", "new")]
    answer = invoke(tmp_path, "compare", *sides)
    assert (answer.code, answer.out) == (2, "")
    within(answer.err, ["no benchmark in common", "t.py::a, t.py::b", "t.py::c, t.py::d"])
