"""`harness run --until`: launches to the stop rule's end through the real path, and after an interruption."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from harness.analysis.stopping import LOOKS
from harness.store import store
from tests.support.host_side import invoke, runs_of, trial_folders
from tests.support.scripted_suite import script, write_device, write_suite

# Each process takes up to 20 % more or less: no 30 of them agree within 1 %.
RESTLESS = {"jitter": 0.2}


def command(folder: Path, *more: str | Path, **second: Any) -> tuple[str | Path, ...]:
    suite = write_suite(folder, {"calm": script(), "other": script(**second)})
    return ("run", suite, "--device", write_device(folder), *more)


def started(run: Path) -> dict[str, list[int]]:
    """Launches in the store, by variant."""
    found: dict[str, list[int]] = {}
    for path in trial_folders(run):
        facts = json.loads((path / "trial.json").read_text())
        if facts["mode"] == "performance":
            found.setdefault(facts["case"]["variant"], []).append(facts["launch"])
    return found


def ending(run: Path) -> dict[str, dict[str, Any]]:
    """What finished.json says, by variant."""
    cases = {case.id: case.variant for case in store.read_run(run).plan.cases}
    told = json.loads((run / "finished.json").read_text())["stopped"]
    return {cases[key]: one for key, one in told.items()}


def test_each_case_is_launched_until_it_is_precise(tmp_path: Path) -> None:
    summary = tmp_path / "summary.json"
    answer = invoke(tmp_path, *command(tmp_path, "--until", "1%", "--json", summary, **RESTLESS))
    assert answer.code == 0, answer.err
    (run,) = runs_of(tmp_path)
    launched = started(run)
    assert (launched["calm"], launched["other"]) == (list(range(6)), list(range(LOOKS[-1])))
    found = ending(run)
    assert (found["calm"]["rounds"], found["calm"]["reached"]) == (6, True)
    assert (found["other"]["rounds"], found["other"]["reached"]) == (30, False)
    assert "at 30 launches, is past: the interval is +-" in found["other"]["reason"]
    shown = " ".join(answer.out.split())
    assert "calm (null, single-stream): after 6 launches the interval is +-0 %, within the 1 % asked." in shown
    assert "not the 1 % asked" in shown
    told = {case["variant"]: case for case in json.loads(summary.read_text())["cases"]}
    assert {name: case["stopped"] for name, case in told.items()} == found
    assert [told[name]["metrics"]["latency_p50_s"]["n"] for name in ("calm", "other")] == [6, 30]


def test_a_run_that_ended_precise_is_finished_and_one_that_lacks_something_is_gone_on_with(tmp_path: Path) -> None:
    given = command(tmp_path, "--until", "1%")
    assert invoke(tmp_path, *given).code == 0
    (run,) = runs_of(tmp_path)
    whole = [path.name for path in trial_folders(run)]
    # Interrupted in round 4, as a killed program leaves it.
    (run / "finished.json").unlink()
    for path in trial_folders(run)[7:]:
        shutil.rmtree(path)
    assert invoke(tmp_path, *given).code == 0
    assert runs_of(tmp_path) == [run]
    assert [path.name for path in trial_folders(run)] == whole
    assert {one["rounds"] for one in ending(run).values()} == {6}
    # A trial that the user removed, as it was damaged, is measured again, and no other.
    before = {path.name: (path / "trial.json").stat().st_mtime_ns for path in trial_folders(run)}
    shutil.rmtree(trial_folders(run)[3])
    assert invoke(tmp_path, *given).code == 0
    after = {path.name: (path / "trial.json").stat().st_mtime_ns for path in trial_folders(run)}
    assert [name for name in after if after[name] != before.get(name)] == [whole[3]]
    # Now nothing is missing: the same command begins another run.
    assert invoke(tmp_path, *given).code == 0
    assert len(runs_of(tmp_path)) == 2


def test_another_target_is_another_run(tmp_path: Path) -> None:
    for share in ("1%", "0.02"):
        assert invoke(tmp_path, *command(tmp_path, "--until", share)).code == 0
    assert len({run.name[-8:] for run in runs_of(tmp_path)}) == 2


def test_a_budget_that_is_spent_at_once_leaves_no_interval_and_says_so(tmp_path: Path) -> None:
    answer = invoke(tmp_path, *command(tmp_path, "--until", "1%", "--budget-total", "0.001"))
    assert "0.001 s are spent after" in " ".join(answer.out.split())
    (run,) = runs_of(tmp_path)
    assert {one["relative"] for one in ending(run).values()} == {None}
    assert max(one["rounds"] for one in ending(run).values()) <= 1


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--until", "1%", "--quick"), "--quick is 3 launches without an interval, and --until asks for one"),
        (("--until", "5"), "'5' is no share between 0 and 1, such as 1% or 0.01"),
        (("--until", "0%"), "'0%' is no share"),
        (("--until", "nan"), "'nan' is no share"),
        (("--budget-total", "5"), "--budget-total limits the launches of --until: add --until 1%"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, more: tuple[str, ...], said: str) -> None:
    answer = invoke(tmp_path, *command(tmp_path, *more))
    assert (answer.code, runs_of(tmp_path)) == (2, [])
    assert said in answer.err


def test_a_plan_says_how_many_launches_there_may_be(tmp_path: Path) -> None:
    _, suite, *device = command(tmp_path)
    answer = invoke(tmp_path, "plan", suite, *device, "--until", "2%")
    assert "until +-2 %, at most 30" in " ".join(answer.out.split())
