"""What is damaged is listed with its reason; everything else still loads."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import EXIT_USAGE, NewerSchema, StoreError
from harness.store import store
from tests.support.host_side import CASE, run, trace, trial

RUN = run()
GOOD = [
    trial([0.001] * 20, run=RUN.id, launch=n, order=n, traces=(trace("cpu", "cpu0_busy", [(1, 2), (3, 4)]),))
    for n in range(3)
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = store.begin(tmp_path, RUN)
    for one in GOOD:
        store.append(made, one)
    return made


def second(folder: Path) -> Path:
    return folder / "trials" / f"000001-{GOOD[1].id}"


def edit(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    facts = json.loads(path.read_text())
    change(facts)
    path.write_text(json.dumps(facts))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(bytes(content))


DAMAGE = {
    "truncated facts": (lambda trial: truncate(trial / "trial.json"), r"trial\.json cannot be read as JSON"),
    "empty facts": (lambda trial: (trial / "trial.json").write_bytes(b""), r"trial\.json cannot be read as JSON"),
    "no text": (lambda trial: (trial / "trial.json").write_bytes(b"\xff\xfe"), r"trial\.json cannot be read as JSON"),
    "no facts": (lambda trial: (trial / "trial.json").unlink(), r"trial\.json is missing; the folder is not whole"),
    "a list": (lambda trial: (trial / "trial.json").write_text("[]"), r"trial\.json: schema None is not one of this"),
    "truncated column": (
        lambda trial: truncate(trial / "samples.parquet"),
        r"samples\.parquet: its content is not what was written; the trial is left out",
    ),
    "flipped bit": (lambda trial: flip(trial / "traces.parquet"), r"traces\.parquet: its content is not what was"),
    "no column": (
        lambda trial: (trial / "samples.parquet").unlink(),
        r"samples\.parquet: No such file or directory; the trial is incomplete and left out",
    ),
    "a missing key": (
        lambda trial: edit(trial / "trial.json", lambda facts: facts.pop("phases")),
        r"trial\.json: the key 'phases' is missing; the file is not a whole trial",
    ),
    "no list of files": (
        lambda trial: edit(trial / "trial.json", lambda facts: facts.pop("files")),
        r"trial\.json: the key 'files' is missing",
    ),
    "an unknown key": (
        lambda trial: edit(trial / "trial.json", lambda facts: facts["phases"].update(laod_s=1.0)),
        r"trial\.json: unknown key 'laod_s'; did you mean load_s\?",
    ),
    "a wrong type": (
        lambda trial: edit(trial / "trial.json", lambda facts: facts["case"].update(input_seed="x")),
        r"trial\.json: input_seed: expected int, found 'x'",
    ),
    "no list": (
        lambda trial: edit(trial / "trial.json", lambda facts: facts.update(signature=5)),
        r"trial\.json: not the facts of a trial",
    ),
    "a newer trial": (
        lambda trial: edit(trial / "trial.json", lambda facts: facts.update(schema="harness.trial/2")),
        r"trial\.json: written with schema harness\.trial/2, this harness reads up to 1",
    ),
    "a strange schema": (
        lambda trial: edit(trial / "trial.json", lambda facts: facts.update(schema="harness.trial/²")),
        r"trial\.json: schema 'harness.trial/²' is not one of this harness",
    ),
    "a stray file": (lambda trial: (trial.parent / "notes.txt").write_text("x"), r"notes\.txt.* cannot be read"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_trial_is_listed_and_the_others_load(folder: Path, kind: str) -> None:
    damage, said = DAMAGE[kind]
    damage(second(folder))
    back = store.read(folder)
    (line,) = back.damaged
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(line)
    expected = GOOD if kind == "a stray file" else [GOOD[0], GOOD[2]]
    assert list(back.trials) == expected


def test_a_trial_of_a_case_that_the_run_does_not_have_is_left_out(folder: Path) -> None:
    store.append(folder, replace(GOOD[0], id="stranger", case=replace(CASE, variant="unplanned"), order=9))
    back = store.read(folder)
    assert list(back.trials) == GOOD
    assert back.damaged == (f"{folder}: trial stranger is not one that this run planned; it is left out",)


def test_a_trial_of_another_run_is_left_out(folder: Path) -> None:
    store.append(folder, replace(GOOD[0], id="moved", run="20250101T000000Z-x", order=9))
    back = store.read(folder)
    assert list(back.trials) == GOOD
    assert back.damaged == (f"{folder}: trial moved is not one that this run planned; it is left out",)


def test_a_copied_trial_counts_once(folder: Path) -> None:
    copy = folder / "trials" / "000001-copy"
    shutil.copytree(second(folder), copy)
    back = store.read(folder)
    assert list(back.trials) == GOOD
    assert back.damaged == (f"{copy} holds the trial of {second(folder).name}; it is left out",)


def test_columns_are_taken_from_the_trials_own_folder_alone(folder: Path) -> None:
    (folder.parent / "samples.parquet").write_bytes((second(folder) / "samples.parquet").read_bytes())

    def outside(facts: dict[str, Any]) -> None:
        facts["files"]["../../../samples.parquet"] = facts["files"].pop("samples.parquet")

    (second(folder) / "samples.parquet").unlink()
    edit(second(folder) / "trial.json", outside)
    (line,) = store.read(folder).damaged
    assert str(second(folder) / "samples.parquet") in line


def test_an_unreadable_end_mark_means_interrupted(folder: Path) -> None:
    for text in ("{", "[]", "{}"):
        (folder / "finished.json").write_text(text)
        back = store.read(folder)
        assert (back.finished_utc, len(back.trials)) == (None, 3)


def test_a_run_without_its_trials_folder_has_no_trials(tmp_path: Path) -> None:
    made = store.begin(tmp_path, RUN)
    (made / "trials").rmdir()
    assert store.read(made).trials == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda facts: facts.pop("plan"), r"run\.json: the key 'plan' is missing"),
        (lambda facts: facts.update(pln=1), r"run\.json: unknown key 'pln'; did you mean plan"),
        (lambda facts: facts["device"].update(title=1), r"run\.json: device: title: expected str, found 1"),
        (lambda facts: facts.update(schema="other/1"), r"run\.json: schema 'other/1' is not one of this harness"),
    ],
)
def test_a_damaged_run_is_a_store_error_that_names_the_key(folder: Path, change, said: str) -> None:
    edit(folder / "run.json", change)
    with pytest.raises(StoreError, match=said):
        store.read(folder)


def test_a_newer_run_names_its_schema_and_ours(folder: Path) -> None:
    edit(folder / "run.json", lambda facts: facts.update(schema="harness.run/12", shape="unheard of"))
    with pytest.raises(
        NewerSchema, match=r"run\.json: written with schema harness\.run/12, .* up to 1; upgrade"
    ) as caught:
        store.read(folder)
    assert caught.value.exit_code == EXIT_USAGE
