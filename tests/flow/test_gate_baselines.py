"""Kinds of baselines through the command line: a run, a revision, a blessed file; designs that read or count."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import gate_side
from tests.support.gate_side import gate, model, suite, within
from tests.support.host_side import invoke, runs_of
from tests.support.scripted_suite import write_device

SESSIONS = 11


def test_a_stored_runs_artifacts_are_measured_again(tmp_path: Path) -> None:
    """The suite was changed since: the old script is found by its hash in what was sent to the board."""
    path = suite(tmp_path, {"small": model()})
    gate_side.run(tmp_path, path, "--quick")
    suite(tmp_path, {"small": model(1.10)})
    answer = gate(tmp_path, path, "--baseline", "last", "--json", "-")
    assert answer.code == 1, answer.err
    told = json.loads(answer.out)
    assert told["design"] == "paired"
    assert told["baseline"].startswith("run 2")
    assert told["candidate"] == f"{path} as it is"


def test_a_git_revision_is_unpacked_and_measured(tmp_path: Path) -> None:
    path = suite(tmp_path / "checkout", {"small": model()})
    gate_side.commit(path.parent)
    suite(path.parent, {"small": model(1.10)})
    answer = gate(tmp_path, path, "--baseline", "git:HEAD", "--json", "-")
    assert answer.code == 1, answer.err
    assert json.loads(answer.out)["baseline"].startswith("git:HEAD (")
    gate_side.commit(path.parent, "as it is now")
    assert gate(tmp_path, path, "--baseline", "git:HEAD").code == 0


def sessions(folder: Path, factors: list[float]) -> Path:
    """Runs of a scripted suite, 3 launches each; what differs between them is the processes' jitter. Without what was
    sent to the board, and without the scripts: only what was measured is left."""
    path = suite(folder, {"small": model()})
    for factor in factors:
        suite(folder, {"small": model(factor)})
        gate_side.run(folder, path)
    return path


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eleven sessions of the same model, then two of one that is 10 % slower; the oldest eleven are blessed."""
    folder = tmp_path_factory.mktemp("history")
    path = sessions(folder, [1.0] * SESSIONS)
    blessed = invoke(folder, "baseline", "bless", runs_of(folder)[0].name, "--name", "floor")
    assert blessed.code == 0, blessed.err
    suite(folder, {"small": model(1.10)})
    for _ in range(2):
        gate_side.run(folder, path)
    shutil.rmtree(folder / "cache" / "board" / "artifacts")
    return folder


def edited(history: Path, folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """The blessed file, altered."""
    told = json.loads((history / "baselines/floor.json").read_text())
    change(told)
    path = folder / "edited.json"
    path.write_text(json.dumps(told))
    return path


def newest_slow(history: Path) -> str:
    return runs_of(history)[-1].name


def first_slow(history: Path) -> str:
    return runs_of(history)[-2].name


def newest_same(history: Path) -> str:
    return runs_of(history)[SESSIONS - 1].name


def test_what_is_blessed_is_small_exact_and_the_same_every_time(history: Path) -> None:
    path = history / "baselines/floor.json"
    content = path.read_bytes()
    told = json.loads(content)
    assert told["schema"] == "harness.baseline/1"
    assert len(content) < 20_000
    (cell,) = told["cells"]
    assert len(cell["sessions"]) == SESSIONS
    kept = {one["metric"]: one for one in cell["metrics"]}
    assert len(kept["latency_p50_s"]["launches"]) == 3
    assert len(kept["latency_p50_s"]["sessions"]) == SESSIONS
    assert kept["latency_p50_s"]["unit"] == "s"
    assert cell["fingerprint"]["machine"]["number of cores"]
    again = invoke(history, "baseline", "bless", told["run"], "--name", "floor")
    assert again.code == 0, again.err
    assert path.read_bytes() == content


def test_what_is_blessed_is_listed(history: Path, tmp_path: Path) -> None:
    answer = invoke(history, "baseline", "list")
    assert answer.code == 0
    within(answer.out, ["floor", "scripted", "bench", str(SESSIONS)])
    broken = tmp_path / "baselines" / "torn.json"
    broken.parent.mkdir()
    broken.write_text("{")
    answer = invoke(tmp_path, "baseline")
    assert answer.code == 3
    within(answer.out, ["torn"])


def test_a_session_like_those_kept_passes(history: Path) -> None:
    answer = gate(history, "--baseline", "floor", "--candidate", newest_same(history), "--json", "-")
    told = json.loads(answer.out)
    assert (answer.code, told["design"], told["outcome"]) == (0, "stored", "pass")
    (median,) = [one for one in told["decisions"] if one["metric"] == "latency_p50_s"]
    assert median["n"] == SESSIONS - 1  # the candidate is one of the kept sessions, and no evidence against itself
    within(" ".join(told["notes"]), ["design stored: the baseline cannot be measured now", "is gone"])


def test_a_slower_session_is_a_regression_that_a_second_one_confirms(history: Path) -> None:
    answer = gate(history, "--baseline", "floor", "--candidate", first_slow(history), "--json", "-")
    assert answer.code == 1, answer.err
    told = json.loads(answer.out)
    (median,) = [one for one in told["decisions"] if one["metric"] == "latency_p50_s"]
    assert median["confirmed"] is True
    assert median["change"] == pytest.approx(0.10, abs=0.01)


def test_an_older_session_confirms_nothing(history: Path) -> None:
    """The newest run is as slow as the one before it, which was there when nobody had raised an alarm."""
    answer = gate(history, "--baseline", "floor", "--json", "-")
    told = json.loads(answer.out)
    assert (answer.code, told["candidate"]) == (3, f"run {newest_slow(history)}")
    (median,) = [one for one in told["decisions"] if one["metric"] == "latency_p50_s"]
    assert (median["outcome"], median["confirmed"]) == ("inconclusive", False)
    said = "run it again: a second session is needed to confirm, measured after this one"
    within(median["reason"], [said, f"--candidate {newest_slow(history)}"])


def test_a_session_that_was_begun_before_the_candidate_ended_confirms_nothing(history: Path, tmp_path: Path) -> None:
    """As of an interrupted run that was gone on with after a younger one."""
    for name in (first_slow(history), newest_slow(history)):
        shutil.copytree(history / "store" / name, tmp_path / "store" / name)
    given = "--baseline", history / "baselines/floor.json", "--candidate", first_slow(history)
    assert gate(tmp_path, *given).code == 1
    for path in (tmp_path / "store" / first_slow(history)).glob("trials/*/trial.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "started_utc": "2999-01-01T00:00:00Z"}))
    answer = gate(tmp_path, *given)
    assert answer.code == 3
    within(answer.out, ["inconclusive", "a second session is needed to confirm"])


def test_a_session_of_the_noise_floor_confirms_nothing(history: Path, tmp_path: Path) -> None:
    """Of the same model, where the file was made to say that all sessions were 10 % faster."""
    known = [run.name for run in runs_of(history)]

    def faster(told: dict[str, Any]) -> None:
        for kept in told["cells"][0]["metrics"]:
            kept["sessions"] = [value * 0.9 for value in kept["sessions"]]

    def unknown(told: dict[str, Any]) -> None:
        faster(told)
        told["cells"][0]["sessions"][9:] = ["another", "machine's"]

    path = edited(history, tmp_path, faster)
    answer = gate(history, "--baseline", path, "--candidate", known[3])
    assert answer.code == 3
    within(answer.out, ["inconclusive", "a second session is needed to confirm"])
    path = edited(history, tmp_path, unknown)
    answer = gate(history, "--baseline", path, "--candidate", known[3])
    assert answer.code == 1


def test_a_run_is_a_baseline_with_all_sessions_of_the_store(history: Path) -> None:
    answer = gate(history, "--baseline", runs_of(history)[0].name, "--candidate", first_slow(history), "--json", "-")
    assert (answer.code, json.loads(answer.out)["design"]) == (1, "stored")


def test_nine_sessions_are_no_noise_floor(history: Path, tmp_path: Path) -> None:
    def nine(told: dict[str, Any]) -> None:
        (cell,) = told["cells"]
        cell["sessions"] = cell["sessions"][:9]
        for kept in cell["metrics"]:
            kept["sessions"] = kept["sessions"][:9]

    answer = gate(history, "--baseline", edited(history, tmp_path, nine))
    assert answer.code == 3
    within(answer.out, ["9 sessions of this machine are kept; the noise floor needs 10"])


def test_another_machine_is_refused_and_may_be_looked_at_but_not_judged(history: Path, tmp_path: Path) -> None:
    def moved(told: dict[str, Any]) -> None:
        told["cells"][0]["fingerprint"]["machine"]["number of cores"] = "64"

    path = edited(history, tmp_path, moved)
    answer = gate(history, "--baseline", path)
    assert answer.code == 2
    within(answer.err, ["is of another machine", "number of cores: 64 in the baseline", "--allow-different"])
    for candidate in (newest_slow(history), newest_same(history)):  # neither a regression nor a pass
        answer = gate(history, "--baseline", path, "--candidate", candidate, "--allow-different")
        assert answer.code == 3
        within(answer.out, ["inconclusive", "but the baseline is of another machine"])


def test_other_software_is_another_machine(history: Path, tmp_path: Path) -> None:
    def updated(told: dict[str, Any]) -> None:
        told["cells"][0]["fingerprint"]["software"]["kernel"] = "2.6.32"

    answer = gate(history, "--baseline", edited(history, tmp_path, updated))
    assert answer.code == 2
    within(answer.err, ["kernel: 2.6.32 in the baseline"])


@pytest.mark.parametrize("of", ["machine", "software"])
def test_a_baseline_that_tells_nothing_of_its_machine_is_not_of_this_one(
    history: Path, tmp_path: Path, of: str
) -> None:
    path = edited(history, tmp_path, lambda told: told["cells"][0]["fingerprint"].update({of: {}}))
    answer = gate(history, "--baseline", path)
    assert answer.code == 2
    within(answer.err, ["or does not tell it", f"small: {of}: not known in the baseline", "--allow-different"])
    for candidate in (newest_slow(history), newest_same(history)):  # neither a regression nor a pass
        answer = gate(history, "--baseline", path, "--candidate", candidate, "--allow-different")
        assert answer.code == 3
        within(answer.out, ["inconclusive", "or does not tell it"])
        assert "run it again" not in " ".join(answer.out.split())  # which would confirm nothing


def test_a_label_that_only_one_side_tells_is_not_known_to_be_the_same(history: Path, tmp_path: Path) -> None:
    def less(told: dict[str, Any]) -> None:
        del told["cells"][0]["fingerprint"]["software"]["kernel"]

    answer = gate(history, "--baseline", edited(history, tmp_path, less))
    assert answer.code == 2
    within(answer.err, ["small: kernel: not known in the baseline, "])


def test_a_run_is_not_counted_against_itself(history: Path) -> None:
    name = runs_of(history)[0].name
    for baseline in ("floor", name):
        answer = gate(history, "--baseline", baseline, "--candidate", name, "--design", "counted")
        assert answer.code == 2
        within(answer.err, [f"the candidate is the baseline itself (run {name})"])


def test_the_last_run_is_none_that_a_gate_made(tmp_path: Path) -> None:
    """One of a paired gate holds duets, one of a counted gate launches too short to time."""
    path = suite(tmp_path / "now", {"small": model()})
    old = suite(tmp_path / "old", {"small": model()})
    gate(tmp_path, path, "--baseline", old)
    answer = invoke(tmp_path, "baseline", "bless", "last")
    assert answer.code == 2
    within(answer.err, ["the only run in", "is of gates", "`harness run`"])
    gate_side.run(tmp_path, path)
    gate_side.run(tmp_path, path)
    known = [run.name for run in runs_of(tmp_path)]
    gate(tmp_path, path, "--baseline", old)
    gate(tmp_path, path, "--baseline", old, "--design", "counted")
    assert len(runs_of(tmp_path)) == 5
    answer = invoke(tmp_path, "baseline", "bless", "last", "--name", "newest")
    assert (answer.code, json.loads((tmp_path / "baselines/newest.json").read_text())["run"]) == (0, known[2])
    within(answer.err, [f"blessed: run {known[2]}"])
    for candidate in ((), ("--candidate", "last")):
        answer = gate(tmp_path, "--baseline", known[1], *candidate, "--design", "stored", "--json", "-")
        assert json.loads(answer.out)["candidate"] == f"run {known[2]}", answer.err


def test_counts_of_stored_runs_are_compared_without_any_time(history: Path) -> None:
    answer = gate(history, "--baseline", "floor", "--design", "counted", "--json", "-", "--candidate", "last")
    told = json.loads(answer.out)
    assert (answer.code, told["design"], told["outcome"]) == (0, "counted", "pass")
    found = {one["metric"]: one["outcome"] for one in told["decisions"]}
    assert found == {"model_size_bytes": "pass", "memory_peak_bytes": "pass"}


def test_a_scripted_model_that_takes_more_memory_is_counted(tmp_path: Path) -> None:
    suite(tmp_path / "old", {"small": model()})
    suite(tmp_path / "new", {"small": model(memory_bytes=16 * 2**20)})
    both = "--baseline", tmp_path / "old/scripted.py", "--candidate", tmp_path / "new/scripted.py"
    answer = gate(tmp_path, *both, "--design", "counted", "--json", "-")
    assert answer.code == 1, answer.err
    found = {one["metric"]: one for one in json.loads(answer.out)["decisions"]}
    assert found["memory_peak_bytes"]["outcome"] == "regression"
    grown = found["memory_peak_bytes"]["candidate"] - found["memory_peak_bytes"]["baseline"]
    assert grown == pytest.approx(16 * 2**20, rel=0.1)
    within(
        " ".join(json.loads(answer.out)["notes"]), ["instructions is not compared: a scripted model computes nothing"]
    )


def test_one_device_named_twice_is_refused(tmp_path: Path) -> None:
    path = suite(tmp_path, {"small": model()})
    answer = invoke(tmp_path, "gate", "--baseline", path, "--device", write_device(tmp_path), "--device", "localhost")
    assert answer.code == 2
    within(answer.err, ["are one machine"])
