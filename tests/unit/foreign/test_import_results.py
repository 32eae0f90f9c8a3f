"""`harness import` of results: the table, the JSON against its schema, several processes as one, and back again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import NewerSchema, UsageError
from harness.foreign.reading import READERS, read, read_kept
from harness.foreign.result import names, processes, result_from, result_json
from harness.places import builtin
from tests.support import foreign_files as files
from tests.support.host_side import invoke
from tests.unit.foreign.test_bad_files import ALL, WHOLE

jsonschema = pytest.importorskip("jsonschema")
SCHEMA = json.loads((builtin()["schema"] / "foreign-1.schema.json").read_text("utf-8"))


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize(("kind", "text"), ALL)
def test_every_file_fits_the_schema_and_comes_back(kind: str, text: str) -> None:
    found = READERS[kind](text, "the/file")
    told = json.loads(json.dumps(result_json(found), allow_nan=False))
    jsonschema.validate(told, SCHEMA, jsonschema.Draft202012Validator)
    assert result_from(told, "x") == found
    assert found.lacks


@pytest.mark.parametrize("kind", WHOLE)
def test_the_table_and_what_is_lacking(tmp_path: Path, kind: str) -> None:
    said = invoke(tmp_path, "import", kind, write(tmp_path, "result", WHOLE[kind]))
    assert said.code == 0
    assert "p50" in said.out
    assert "it lacks: no process level" in said.err


def test_the_json_goes_to_a_file_or_alone_to_stdout(tmp_path: Path) -> None:
    path = write(tmp_path, "log", files.trtexec())
    said = invoke(tmp_path, "import", "trtexec", path, "--json", "-")
    assert json.loads(said.out)["cells"][0]["name"] == "net.v2"
    said = invoke(tmp_path, "import", "trtexec", path, "--json", tmp_path / "kept.json")
    assert "p50" in said.out
    assert read_kept(tmp_path / "kept.json") == read("trtexec", [path])


def test_several_processes_are_one_result(tmp_path: Path) -> None:
    paths = [write(tmp_path, f"{i}.log", files.trtexec(1 + i / 100)) for i in range(6)]
    found = read("trtexec", paths)
    assert names(found) == ("net.v2",)
    assert [one.metrics["latency_p50_s"] for one in processes(found, "net.v2")] == pytest.approx(
        [1e-3 * (1 + i / 100) for i in range(6)]
    )
    assert not any("process" in lack for lack in found.lacks)
    assert len(found.sources) == 6
    said = invoke(tmp_path, "import", "trtexec", *paths[:3])
    assert "1.00 ms to 1.02 ms" in said.out
    assert "it lacks: 3 processes: an interval needs 6" in said.err


@pytest.mark.parametrize(("second", "words"), [
    (files.trtexec(device="Xavier"), "differs from"), (files.trtexec(version="100200"), "in runtime"),
    (files.trtexec().replace("net.v2", "other"), "holds other"),
])  # fmt: skip
def test_processes_of_two_things_are_not_one(tmp_path: Path, second: str, words: str) -> None:
    paths = [write(tmp_path, "a", files.trtexec()), write(tmp_path, "b", second)]
    with pytest.raises(UsageError, match=words):
        read("trtexec", paths)


def test_one_process_given_twice_counts_once(tmp_path: Path) -> None:
    first, second = write(tmp_path, "a.log", files.trtexec()), write(tmp_path, "b.log", files.trtexec() + "\n")
    other = write(tmp_path, "c.log", files.trtexec(1.1))
    (tmp_path / "link").symlink_to("a.log")
    for paths in ([first, other, second], [first, first], [other, first, tmp_path / "link"]):
        said = invoke(tmp_path, "import", "trtexec", *paths)
        assert (said.code, said.out) == (2, "")
        assert f"{first} and {paths[-1]} hold the same" in said.err
    assert invoke(tmp_path, "import", "trtexec", first, other).code == 0


@pytest.mark.parametrize("options", [("--json", "FOLDER"), ("--json", "")])
def test_a_folder_for_the_json_is_refused_before_anything_is_read(tmp_path: Path, options: tuple[str, ...]) -> None:
    for kind in ("trtexec", "meter-csv"):
        words = [word.replace("FOLDER", str(tmp_path)) for word in options]
        said = invoke(tmp_path, "import", kind, tmp_path / "absent", *words)
        assert said.code == 2
        assert "is a folder: name a file with --json" in said.err


def test_a_log_of_power_is_still_one_file(tmp_path: Path) -> None:
    path = write(tmp_path, "log", "time_s,power_w\n1,5.5\n")
    said = invoke(tmp_path, "import", "meter-csv", path, path)
    assert said.code == 2
    assert "is one file, and 2 are named" in said.err


@pytest.mark.parametrize(("data", "error", "words"), [
    ("{", UsageError, "is no JSON"), ("{}", UsageError, "KIND:"),
    ('{"schema": "harness.foreign/2"}', NewerSchema, "newer"),
    ('{"schema": "harness.foreign/1"}', UsageError, "is missing"),
])  # fmt: skip
def test_what_was_not_kept_by_import_is_refused(tmp_path: Path, data: str, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        read_kept(write(tmp_path, "kept.json", data))
