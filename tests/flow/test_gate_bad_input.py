"""Bad input of a gate: a clear message and exit 2 or 3, never a verdict. All through the command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.model.gate import Policy
from tests.support import gate_side
from tests.support.gate_side import gate, model, suite, within
from tests.support.host_side import Answer, invoke, runs_of
from tests.support.scripted_suite import script, write_device

Edit = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one scripted model, blessed as `floor` with ten sessions that were made up of it, and a younger run."""
    folder = tmp_path_factory.mktemp("bad")
    path = suite(folder, {"small": model()})
    gate_side.run(folder, path)
    assert invoke(folder, "baseline", "bless", "last", "--name", "floor").code == 0
    gate_side.run(folder, path)
    file = folder / "baselines/floor.json"
    told = json.loads(file.read_text())
    (cell,) = told["cells"]
    cell["sessions"] = [f"session-{number}" for number in range(10)]
    for kept in cell["metrics"]:
        value = kept["launches"][0]
        kept["sessions"] = [value * (1 + 0.001 * number) for number in range(10)]
    file.write_text(json.dumps(told))
    shutil.rmtree(folder / "cache/board/artifacts")
    shutil.rmtree(folder / "scripts")
    return folder


def against(bench: Path, tmp_path: Path, change: Edit, rules: str = gate_side.P50_ALONE) -> Answer:
    """The newest run against the blessed file with a change in it."""
    told = json.loads((bench / "baselines/floor.json").read_text())
    change(told)
    path = tmp_path / "edited.json"
    path.write_text(json.dumps(told))
    return gate(bench, "--baseline", path, rules=rules)


def median(told: dict[str, Any]) -> dict[str, Any]:
    return next(kept for kept in told["cells"][0]["metrics"] if kept["metric"] == "latency_p50_s")


def copied(bench: Path, folder: Path, change: Edit) -> Path:
    """A store of the bench's younger run, with a change in its facts; the run's folder."""
    source = runs_of(bench)[1]
    target = folder / "store" / source.name
    shutil.copytree(source, target)
    path = target / "run.json"
    told = json.loads(path.read_text())
    change(told)
    path.write_text(json.dumps(told))
    return target


def test_the_bench_is_sound(bench: Path, tmp_path: Path) -> None:
    """What the other tests break one by one passes as it is."""
    answer = against(bench, tmp_path, lambda _told: None)
    assert answer.code == 0, answer.out + answer.err


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (lambda told: told.update(schema="harness.baseline/2"), 2, ["harness.baseline/2", "reads up to", "upgrade"]),
        (lambda told: told.update(schema="harness.lock/1"), 2, ["is no blessed baseline"]),
        (lambda told: told.update(colour="red"), 2, ["unknown key 'colour'"]),
        (lambda told: told.pop("cells"), 2, ["the key 'cells' is missing"]),
        (lambda told: told.update(cells=[]), 2, ["no case in common", "the baseline has none"]),
        (lambda told: median(told).update(metric="latency_p51_s"), 2, ["no metric is called 'latency_p51_s'"]),
        (lambda told: median(told)["sessions"].pop(), 2, ["latency_p50_s has 9 values for 10 sessions"]),
        (lambda told: median(told).update(unit="ms"), 3, ["the baseline is in ms, to be compared in s"]),
        (lambda told: median(told).update(sessions=[0.002] * 10), 3, ["are exactly 0.002: no noise floor"]),
        (lambda told: median(told)["sessions"].__setitem__(4, 0.0), 3, ["0 is no measured value"]),
        (lambda told: median(told)["sessions"].__setitem__(4, -0.002), 3, ["-0.002 is no measured value"]),
        (lambda told: median(told)["sessions"].__setitem__(4, float("nan")), 2, ["edited.json", "NaN is no number"]),
        (lambda told: median(told)["sessions"].__setitem__(4, 1e308), 2, ["edited.json", "1e+308 is no number"]),
        (lambda told: median(told)["sessions"].__setitem__(4, 1e-308), 3, ["1e-308 is no measured value"]),
        (lambda told: median(told)["sessions"].__setitem__(4, 1e9), 3, ["kept sessions are from", "no noise floor"]),
        (lambda told: told["cells"][0]["artifact"].update(size_bytes=10**400), 2, ["edited.json", "1000", "2**63"]),
        (lambda told: median(told).update(sessions=[None] * 10), 3, ["the baseline keeps no session of it"]),
        (lambda told: told["cells"][0]["case"].update(backend="onnxruntime"), 2, ["no case in common"]),
    ],
)  # fmt: skip
def test_a_blessed_file_that_is_wrong(bench: Path, tmp_path: Path, change: Edit, code: int, words: list[str]) -> None:
    answer = against(bench, tmp_path, change)
    assert answer.code == code, answer.out + answer.err
    within(answer.err if code == 2 else answer.out, words)


def test_a_blessed_file_that_is_no_json(bench: Path, tmp_path: Path) -> None:
    (tmp_path / "torn.json").write_text("{")
    answer = gate(bench, "--baseline", tmp_path / "torn.json")
    assert answer.code == 2
    within(answer.err, ["torn.json is not valid JSON", "restore it from git, or bless a run again"])
    answer = gate(bench, "--baseline", tmp_path / "absent.json")
    assert answer.code == 2
    within(answer.err, ["absent.json cannot be read"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[rules]]\nmetric = "latency_p5_s"\n', ["no metric is called 'latency_p5_s'", "latency_p50_s"]),
        ("alpha = 2\n", ["alpha 2.0 must lie between 1e-06 and 0.5"]),
        (
            f'{gate_side.P50_ALONE}cells = ["tiny*"]\n',
            ["the rule for latency_p50_s names 'tiny*', and no cell here is called so; the nearest is small"],
        ),
        (f'{gate_side.P50_ALONE}cells = ["small", "smal"]\n', ["names 'smal', and no cell", "the nearest is small"]),
        (f'{gate_side.P50_ALONE}better = "higher"\n', ["would let every worse model pass: lower is better"]),
        (f"{gate_side.P50_ALONE}limit = 50\n", ["limit 50 would let a change of 5000 % pass"]),
    ],
)
def test_a_policy_that_is_wrong(tmp_path: Path, text: str, words: list[str]) -> None:
    path = suite(tmp_path, {"small": model()})
    answer = gate(tmp_path, "--baseline", path, path, rules=text)
    assert answer.code == 2
    within(answer.err, words)
    assert runs_of(tmp_path) == []  # said before anything was measured


@pytest.mark.parametrize("design", ["stored", "counted"])
def test_a_pattern_that_names_no_cell_in_the_other_designs(bench: Path, design: str) -> None:
    rules = f'{gate_side.P50_ALONE}cells = ["small", "smal"]\n'
    answer = gate(bench, "--baseline", "floor", "--design", design, "--candidate", runs_of(bench)[1].name, rules=rules)
    assert answer.code == 2, answer.out
    within(answer.err, ["the rule for latency_p50_s names 'smal'", "the nearest is small"])


def test_stored_figures_that_no_rule_is_about_are_no_pass(bench: Path, tmp_path: Path) -> None:
    rules = '[[rules]]\nmetric = "energy_per_inference_j"\nrequired = false\n'
    answer = against(bench, tmp_path, lambda _told: None, rules)
    assert answer.code == 3
    within(answer.out, ["no rule of the policy came to a decision: energy_per_inference_j is not judged in small"])
    within(answer.err, ["small: no rule of the policy is about its time"])


def test_a_policy_file_that_is_not_there(bench: Path, tmp_path: Path) -> None:
    answer = gate(bench, "--baseline", "floor", "--policy", tmp_path / "no.toml", rules=None)
    assert answer.code == 2
    within(answer.err, ["no.toml cannot be read"])


def test_a_metric_that_is_required_and_was_not_measured(bench: Path, tmp_path: Path) -> None:
    rules = '[[rules]]\nmetric = "energy_per_inference_j"\n'
    answer = against(bench, tmp_path, lambda _told: None, rules)
    assert answer.code == 3
    within(answer.out, ["energy: the baseline has no value"])
    path = suite(tmp_path, {"small": model()})
    answer = gate(tmp_path, "--baseline", path, path, rules=f"looks = [3]\n{rules}")
    assert answer.code == 3
    within(answer.out, ["energy", "no power sensor was read on this device"])


def test_a_run_of_a_newer_harness(bench: Path, tmp_path: Path) -> None:
    copied(bench, tmp_path, lambda told: told.update(schema="harness.run/2"))
    answer = gate(tmp_path, "--baseline", "last")
    assert answer.code == 2
    within(answer.err, ["harness.run/2"])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("nothing", ["'nothing' is none of", "holds no run"]),
        ("old.onnx", ["old.onnx is a model's file, and scripted is of scripted models"]),
        ("old.py", ["there is no suite file old.py"]),
        ("git:HEAD", ["lies in no git repository"]),
    ],
)
def test_a_baseline_that_is_not_there(tmp_path: Path, given: str, words: list[str]) -> None:
    path = suite(tmp_path, {"small": model()})
    answer = gate(tmp_path, path, "--baseline", given)
    assert answer.code == 2
    within(answer.err, words)


def test_a_model_file_that_is_not_there(tmp_path: Path) -> None:
    answer = gate(tmp_path, "--baseline", tmp_path / "old.onnx")
    assert answer.code == 2
    within(answer.err, ["old.onnx does not exist; check the path of the model"])


def test_a_revision_that_is_not_there(tmp_path: Path) -> None:
    path = suite(tmp_path / "checkout", {"small": model()})
    gate_side.commit(path.parent)
    answer = gate(tmp_path, path, "--baseline", "git:v9")
    assert answer.code == 2
    within(answer.err, ["git knows no revision 'v9'"])
    answer = gate(tmp_path, path, "--baseline", "git:--output=x")
    assert answer.code == 2
    within(answer.err, ["git knows no revision"])
    young = suite(path.parent / "young", {"small": model()})
    answer = gate(tmp_path, young, "--baseline", "git:HEAD")
    assert answer.code == 2
    within(answer.err, ["young/scripted.py is not in HEAD"])


def test_a_baseline_whose_artifact_is_gone_cannot_be_measured(bench: Path) -> None:
    answer = gate(bench, "--baseline", runs_of(bench)[0].name, "--design", "paired")
    assert answer.code == 2
    within(answer.err, ["the baseline", "cannot be measured now", "its artifact 0.json", "is gone"])


def test_a_file_that_was_never_measured_is_no_stored_baseline(tmp_path: Path) -> None:
    path = suite(tmp_path, {"small": model()})
    gate_side.run(tmp_path, path)
    answer = gate(tmp_path, path, "--baseline", path, "--design", "stored")
    assert answer.code == 2
    within(answer.err, ["was never measured: design stored needs a run or a blessed baseline"])
    answer = gate(tmp_path, path, "--baseline", "last", "--design", "stored", "--candidate", path)
    assert answer.code == 2
    within(answer.err, ["was not measured: design stored compares runs"])


def test_a_run_is_not_held_against_itself(bench: Path) -> None:
    answer = gate(bench, "--baseline", "last")
    assert answer.code == 2
    within(answer.err, ["the candidate is the baseline itself"])


def test_one_launch_is_no_session_and_no_baseline(bench: Path, tmp_path: Path) -> None:
    path = suite(tmp_path, {"small": model()}, launches=1)
    gate_side.run(tmp_path, path)
    answer = gate(tmp_path, "--baseline", bench / "baselines/floor.json", "--design", "stored")
    assert answer.code == 3
    within(answer.out, ["invalid", "the candidate: 1 launch; a session is 3 at least"])
    answer = invoke(tmp_path, "baseline", "bless", "last")
    assert answer.code == 3
    within(answer.err, ["can be blessed", "1 launch"])
    assert not (tmp_path / "baselines").exists()


def test_an_empty_run_is_none_either(bench: Path, tmp_path: Path) -> None:
    run = copied(bench, tmp_path, lambda _told: None)
    shutil.rmtree(run / "trials")
    answer = gate(tmp_path, "--baseline", bench / "baselines/floor.json", "--design", "stored")
    assert answer.code == 3
    within(answer.out, ["the candidate: nothing_measured: no launch of this case finished"])
    answer = gate(tmp_path, "--baseline", "last", "--candidate", runs_of(bench)[0], "--design", "stored")
    assert answer.code == 3
    within(answer.err, ["can be blessed: small: nothing_measured"])


def test_a_run_that_failed_is_none_either(bench: Path, tmp_path: Path) -> None:
    path = suite(tmp_path, {"small": model(fail={"at": 3, "how": "raise"})})
    invoke(tmp_path, "run", path, "--device", write_device(tmp_path))
    answer = gate(tmp_path, "--baseline", bench / "baselines/floor.json", "--design", "stored")
    assert answer.code == 3
    within(answer.out, ["invalid", "the candidate: trial_failed"])


def test_sides_without_a_case_in_common(tmp_path: Path) -> None:
    old = suite(tmp_path / "old", {"small": model(), "large": model()})
    new = suite(tmp_path / "new", {"other": model(), "another": model()})
    answer = gate(tmp_path, "--baseline", old, "--candidate", new)
    assert answer.code == 2
    within(answer.err, ["no case in common", "small null single-stream", "other null single-stream"])


def test_a_clock_that_repeats_itself_is_no_evidence(tmp_path: Path) -> None:
    path = suite(tmp_path, {"small": {**script(), "first_s": 0.015}})
    answer = gate(tmp_path, "--baseline", path, path)
    assert answer.code == 3
    within(answer.out, ["invalid", f"all {Policy.looks[0]} launches gave the same ratio to the last digit"])


def test_times_that_are_none(tmp_path: Path) -> None:
    path = suite(tmp_path, {"small": model(durations_s=[0.0, 0.001])})
    answer = gate(tmp_path, "--baseline", path, path)
    assert answer.code == 2
    within(answer.err, ["durations_s must be a list of positive numbers"])


def test_an_unknown_variant_and_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    path = suite(tmp_path, {"small": model()})
    answer = gate(tmp_path, "--baseline", path, path, "--variant", "smal")
    assert answer.code == 2
    within(answer.err, ["has no variant 'smal'", "small"])
    (tmp_path / "file").write_text("")
    answer = gate(tmp_path, "--baseline", path, path, "--junit", tmp_path / "file" / "junit.xml")
    assert answer.code == 2
    within(answer.err, ["--junit"])


def test_names_that_are_no_files(bench: Path) -> None:
    answer = invoke(bench, "baseline", "bless", "last", "--name", "../floor")
    assert answer.code == 2
    within(answer.err, ["'../floor' is no name for a baseline"])
