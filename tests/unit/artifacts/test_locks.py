from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.artifacts.locks import ENTRY, MODEL, cache_entry, cache_folder, read_lock, verify, write_entry, write_lock
from harness.errors import ModelError, NewerSchema, UsageError
from harness.model.case import Accuracy, ArtifactFacts, Signature

FACTS = ArtifactFacts(
    variant="fast",
    file="cifar10/fast.onnx",
    sha256=hashlib.sha256(b"model").hexdigest(),
    size_bytes=5,
    precision="fp32",
    recipe_id="0123456789abcdef",
    network="fast",
    parameters=1,
    macs=2,
    seed=0,
    accuracy=Accuracy(93, 100, "cifar10"),
    signature=Signature((0.1, -1e-30), "lock"),
    versions={"onnx": "1.0"},
    build_s=1.5,
)


def test_a_lock_returns_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "suite.lock.json"
    write_entry(path, FACTS)
    assert read_lock(path) == {"fast": FACTS}


def test_absent_lock_is_empty(tmp_path: Path) -> None:
    assert read_lock(tmp_path / "none.json") == {}


def test_entries_are_ordered_replaced_and_end_with_a_newline(tmp_path: Path) -> None:
    path = tmp_path / "suite.lock.json"
    write_entry(path, replace(FACTS, variant="slow"))
    write_entry(path, FACTS)
    write_entry(path, replace(FACTS, size_bytes=6))
    text = path.read_text("utf-8")
    assert text.startswith('{\n  "schema": "harness.lock/1",\n')
    assert text.endswith("}\n")
    assert list(read_lock(path)) == ["fast", "slow"]
    assert read_lock(path)["fast"].size_bytes == 6
    assert list(tmp_path.iterdir()) == [path]  # nothing partial stays


def test_same_entries_give_same_bytes(tmp_path: Path) -> None:
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    write_lock(one, [FACTS, replace(FACTS, variant="slow")])
    write_lock(other, [replace(FACTS, variant="slow"), FACTS])
    assert one.read_bytes() == other.read_bytes()


def _broken(path: Path, **changes: object) -> Path:
    write_entry(path, FACTS)
    data = json.loads(path.read_text("utf-8")) | changes
    path.write_text(json.dumps(data), "utf-8")
    return path


def test_newer_schema_is_named(tmp_path: Path) -> None:
    path = _broken(tmp_path / "suite.lock.json", schema="harness.lock/2")
    with pytest.raises(NewerSchema, match=r"suite\.lock\.json has schema harness\.lock/2.*harness\.lock/1"):
        read_lock(path)


@pytest.mark.parametrize("schema", ["harness.trial/1", None, "harness.lock/x"])
def test_other_files_are_refused(tmp_path: Path, schema: str | None) -> None:
    with pytest.raises(UsageError, match=r"suite\.lock\.json is not a lock file"):
        read_lock(_broken(tmp_path / "suite.lock.json", schema=schema))


def test_unknown_and_missing_keys_are_named(tmp_path: Path) -> None:
    path = tmp_path / "suite.lock.json"
    with pytest.raises(UsageError, match=r"suite\.lock\.json: unknown key 'artifact'; did you mean artifacts\?"):
        read_lock(_broken(path, artifact=[]))
    path.unlink()
    with pytest.raises(UsageError, match=r"artifacts\[0\]: the key 'variant' is missing"):
        read_lock(_broken(path, artifacts=[{}]))


def test_variant_listed_twice(tmp_path: Path) -> None:
    path = tmp_path / "suite.lock.json"
    write_lock(path, [FACTS, FACTS])
    with pytest.raises(UsageError, match=r"suite\.lock\.json lists a variant twice"):
        read_lock(path)


def test_text_that_is_not_json(tmp_path: Path) -> None:
    path = tmp_path / "suite.lock.json"
    path.write_text("<<<<<<< ours", "utf-8")
    with pytest.raises(UsageError, match=r"suite\.lock\.json is not valid JSON"):
        read_lock(path)


def test_cache_entry_needs_both_files(tmp_path: Path) -> None:
    folder = cache_folder(tmp_path, "0123456789abcdef")
    assert cache_entry(tmp_path, "0123456789abcdef") is None
    write_lock(folder / ENTRY, [replace(FACTS, file=MODEL)])
    assert cache_entry(tmp_path, "0123456789abcdef") is None
    (folder / MODEL).write_bytes(b"model")
    assert cache_entry(tmp_path, "0123456789abcdef") == (replace(FACTS, file=MODEL), folder / MODEL)


def test_cache_entry_of_another_recipe(tmp_path: Path) -> None:
    folder = cache_folder(tmp_path, "f" * 16)
    write_lock(folder / ENTRY, [replace(FACTS, file=MODEL)])
    (folder / MODEL).write_bytes(b"model")
    with pytest.raises(
        ModelError, match=r"entry\.json is of recipe 0123456789abcdef, though its folder is that of f{16}"
    ):
        cache_entry(tmp_path, "f" * 16)


@pytest.mark.parametrize("file", ["../fast.onnx", "cifar10/../../fast.onnx", "/fast.onnx", "..\\fast.onnx", "C:f.onnx"])
def test_a_file_outside_is_refused(file: str, tmp_path: Path) -> None:
    (tmp_path / "fast.onnx").write_bytes(b"model")
    (tmp_path / "suites" / "cifar10").mkdir(parents=True)
    with pytest.raises(ModelError, match=r"the file of fast is given as .* which leads out of .*restore the lock"):
        verify(replace(FACTS, file=file), tmp_path / "suites")


def test_each_place_has_its_remedy(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"; build it again: harness build --variant fast$"):
        verify(replace(FACTS, file=MODEL), tmp_path)
    with pytest.raises(ModelError, match=r"build it again: harness build cifar10 --variant fast --anew --release$"):
        verify(FACTS, tmp_path)


def test_verify(tmp_path: Path) -> None:
    path = tmp_path / "cifar10" / "fast.onnx"
    with pytest.raises(ModelError, match=r"artifact of fast cannot be read at .*fast\.onnx .*harness build"):
        verify(FACTS, tmp_path)
    path.parent.mkdir()
    path.write_bytes(b"model")
    assert verify(FACTS, tmp_path) == path
    path.write_bytes(b"other")
    with pytest.raises(ModelError, match=r"fast\.onnx was altered: SHA-256 .*recorded .* for fast; .*build it again"):
        verify(FACTS, tmp_path)
