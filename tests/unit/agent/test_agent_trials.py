from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.agent import trials
from harness.agent.entries import write_whole

RESULT = {"replies": [{"ok": True}], "died": None}


@pytest.fixture
def folder(tmp_path: Path) -> str:
    made = trials.folder_of(str(tmp_path), "run", "trial")
    trials.begin(made)
    return made


def test_trials_lie_by_run(tmp_path: Path, folder: str) -> None:
    assert Path(folder) == tmp_path / "trials/run/trial"


def test_what_is_finished_is_kept_as_it_is(folder: str) -> None:
    (Path(folder) / "samples").write_bytes(b"columns")
    trials.finish(folder, RESULT)
    assert trials.result_of(folder) == RESULT
    assert sorted(path.name for path in Path(folder).iterdir()) == [trials.RESULT, "samples"]


def test_a_trial_that_never_was_has_no_result(tmp_path: Path) -> None:
    assert trials.result_of(str(tmp_path / "trials/run/other")) is None


@pytest.mark.parametrize("rest", ["samples", trials.errors_of(1), trials.RESULT + ".partial"])
def test_the_rest_of_a_trial_is_no_result(folder: str, rest: str) -> None:
    (Path(folder) / rest).write_text(json.dumps(RESULT))
    assert trials.result_of(folder) is None
    trials.begin(folder)
    assert list(Path(folder).iterdir()) == []


def test_a_trial_is_dropped_or_its_run(tmp_path: Path, folder: str) -> None:
    other = trials.folder_of(str(tmp_path), "run", "other")
    trials.begin(other)
    trials.drop(folder)
    assert (Path(folder).exists(), Path(other).exists()) == (False, True)
    trials.drop(trials.folder_of(str(tmp_path), "run", ""))
    trials.drop(trials.folder_of(str(tmp_path), "run", ""))
    assert list((tmp_path / "trials").iterdir()) == []


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    for text in ("first", "second"):
        write_whole(str(tmp_path / "file"), text)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "second")]


def test_what_could_not_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(IsADirectoryError):
        write_whole(str(tmp_path / "taken"), "text")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
    with pytest.raises(FileNotFoundError):
        write_whole(str(tmp_path / "absent/file"), "text")
