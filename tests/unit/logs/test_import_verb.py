"""`harness import`: the JSON to the letter, the table, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import EXIT_NOTHING_VALID
from harness.logs.reading import READERS
from harness.places import builtin
from tests.support.host_side import invoke

FILES = {
    "tegrastats": "RAM 1/2MB (lfb 3x4MB) VIN 5000mW/1mW gpu@-256C\nVIN 6000mW/1mW gpu@30.5C\n",
    "vcgencmd": "X_A current(0)=2.0A\nX_V volt(1)=3.0V\n",
    "nvml-csv": "index, power.draw [W]\n0, 5.5 W\n0, [N/A]\n",
    "meter-csv": "time_s,power_w\n1,5.5\n2,6.5\n",
}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    paths = {}
    for kind, text in FILES.items():
        paths[kind] = tmp_path / f"{kind}.log"
        paths[kind].write_text(text)
    return paths


def test_the_json_is_the_promised_one(tmp_path: Path, files: dict[str, Path]) -> None:
    said = invoke(tmp_path, "import", "tegrastats", files["tegrastats"], "--json", "-")
    assert (said.code, said.err) == (0, "")
    mib = 2.0**20
    assert json.loads(said.out) == {
        "lines": 2,
        "unknown_tokens": [],
        "channels": {
            "ram_used": {"unit": "B", "kind": "gauge", "n": 1, "missing": 0, "first": mib, "last": mib},
            "ram_total": {"unit": "B", "kind": "gauge", "n": 1, "missing": 0, "first": 2 * mib, "last": 2 * mib},
            "ram_largest_block": {
                "unit": "B",
                "kind": "gauge",
                "n": 1,
                "missing": 0,
                "first": 4 * mib,
                "last": 4 * mib,
            },
            "ram_largest_blocks": {"unit": "count", "kind": "gauge", "n": 1, "missing": 0, "first": 3, "last": 3},
            "VIN_power": {"unit": "W", "kind": "gauge", "n": 2, "missing": 0, "first": 5.0, "last": 6.0},
            "gpu_temperature": {"unit": "degC", "kind": "gauge", "n": 1, "missing": 1, "first": 30.5, "last": 30.5},
        },
    }


@pytest.mark.parametrize("kind", sorted(READERS))
def test_every_kind_fits_the_schema_and_may_be_written_to_a_file(
    tmp_path: Path, files: dict[str, Path], kind: str
) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((builtin()["schema"] / "import-1.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    said = invoke(tmp_path, "import", kind, files[kind], "--json", tmp_path / "out.json")
    assert said.code == 0
    assert "│" in said.out  # the table too
    found = json.loads((tmp_path / "out.json").read_text())
    jsonschema.validate(found, schema)
    assert found["channels"]
    for wrong in ({"lines": -1}, {"more": 1}, {"channels": {"X_power": {"unit": "W"}}}):
        assert list(jsonschema.Draft202012Validator(schema).iter_errors({**found, **wrong}))


def test_a_person_gets_a_table_and_what_was_left_out(tmp_path: Path) -> None:
    path = tmp_path / "some.log"
    path.write_text("VIN 5000mW/1mW gpu@-256C new1 new2 [red]\n")
    said = invoke(tmp_path, "import", "tegrastats", path)
    assert said.code == 0
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in said.out.splitlines() if line.startswith("│")]
    assert rows == [
        ["VIN_power", "W", "gauge", "1", "0", "5", "5"],
        ["gpu_temperature", "degC", "gauge", "0", "1", "–", "–"],
    ]
    assert said.err == "3 unknown tokens were left out: new1, new2, [red]\n"


def test_a_log_of_another_kind_is_said_and_is_no_success(tmp_path: Path, files: dict[str, Path]) -> None:
    said = invoke(tmp_path, "import", "vcgencmd", files["tegrastats"], "--json", "-")
    assert said.code == EXIT_NOTHING_VALID
    assert json.loads(said.out)["channels"] == {}
    assert "tegrastats.log holds nothing of vcgencmd: is it a log of another kind?" in said.err.replace("\n", "")


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        (
            "nvml",
            "meter-csv.log",
            "no kind is called 'nvml'; did you mean nvml-csv? Known: loadgen, meter-csv, nvml-csv,",
        ),
        ("zzz", "meter-csv.log", "no kind is called 'zzz'; known: loadgen, meter-csv, nvml-csv, openvino, ort-perf,"),
        ("tegrastats", "absent.log", "absent.log: No such file or directory; name a log file"),
        ("tegrastats", "empty.log", "empty.log is empty: name the file that tegrastats was logged to"),
        ("meter-csv", "binary.log", "binary.log is a binary file"),
        ("meter-csv", "tegrastats.log", "tegrastats.log:1: the header names no power_w"),
    ],
)
def test_what_cannot_be_imported_is_a_usage_error(
    tmp_path: Path, files: dict[str, Path], kind: str, name: str, words: str
) -> None:
    (tmp_path / "empty.log").touch()
    (tmp_path / "binary.log").write_bytes(b"\x7fELF\0\0\0")
    said = invoke(tmp_path, "import", kind, files["tegrastats"].parent / name, "--json", "-")
    assert (said.code, said.out) == (2, "")
    assert words in said.err
    assert said.err.count("\n") == 1


def test_kind_and_file_are_needed(tmp_path: Path) -> None:
    said = invoke(tmp_path, "import")
    assert said.code == 2
    assert "KIND, FILE" in said.err
