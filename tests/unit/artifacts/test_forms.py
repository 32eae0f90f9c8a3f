"""Files made from an artifact: kept whole, found by its hash, and made again where they are not what they were."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.artifacts import forms

SHA256 = "a" * 64


def write(path: Path) -> None:
    path.write_text(f"program under the name {path.name}")


@pytest.fixture
def made(tmp_path: Path) -> forms.Made:
    return forms.keep(tmp_path, SHA256, "pt2", write)


def test_what_is_kept_is_found(tmp_path: Path, made: forms.Made) -> None:
    assert made.path == tmp_path / "forms" / SHA256 / "model.pt2"
    assert made.path.read_text() == "program under the name model.pt2"
    assert made.size_bytes == len("program under the name model.pt2")
    assert forms.find(tmp_path, SHA256, "pt2") == made


def test_nothing_else_is_left(made: forms.Made) -> None:
    assert sorted(path.name for path in made.path.parent.iterdir()) == ["model.pt2", "model.pt2.json"]


@pytest.mark.parametrize(("sha256", "form"), [("b" * 64, "pt2"), (SHA256, "torchscript")])
def test_another_artifact_or_form_is_not_found(tmp_path: Path, made: forms.Made, sha256: str, form) -> None:
    assert made.path.exists()
    assert forms.find(tmp_path, sha256, form) is None


@pytest.mark.parametrize("damage", ["altered", "no note", "no file", "older", "no JSON"])
def test_what_is_not_what_it_was_is_not_there(tmp_path: Path, made: forms.Made, damage: str) -> None:
    note = made.path.with_name("model.pt2.json")
    if damage == "altered":
        made.path.write_text("another")
    elif damage == "older":
        note.write_text(json.dumps({"revision": forms.REVISION - 1, "sha256": made.sha256}))
    elif damage == "no JSON":
        note.write_text("{")
    else:
        (note if damage == "no note" else made.path).unlink()
    assert forms.find(tmp_path, SHA256, "pt2") is None
    assert forms.keep(tmp_path, SHA256, "pt2", write) == made
    assert forms.find(tmp_path, SHA256, "pt2") == made


def test_a_failure_leaves_the_old_file(tmp_path: Path, made: forms.Made) -> None:
    def fail(path: Path) -> None:
        path.write_text("half")
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        forms.keep(tmp_path, SHA256, "pt2", fail)
    assert forms.find(tmp_path, SHA256, "pt2") == made
