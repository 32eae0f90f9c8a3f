"""Bad input and bad luck: one message that says what, where and what to do; the right exit code; nothing is lost."""

from __future__ import annotations

import json
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.agent import lease
from tests.support import models
from tests.support.host_side import Answer, invoke, leases_of, runs_of, store_of, trial_folders
from tests.support.scripted_suite import FIRST_STEADY_STEP, script, write_device, write_suite

Make = Callable[[Path], Path]


def assert_refused(answer: Answer, code: int, *said: str) -> None:
    """The program ended with this code and one message that says all of this."""
    assert answer.code == code, answer.err
    messages = [line for line in answer.err.splitlines() if line.startswith("harness: ")]
    assert len(messages) == 1, answer.err
    assert "Traceback" not in answer.err
    for text in said:
        assert text in messages[0]


def codes(case: dict[str, Any]) -> list[str]:
    return [finding["code"] for finding in case["findings"]]


def truncated(path: Path) -> Path:
    models.tiny(path)
    path.write_bytes(path.read_bytes()[:-100])
    return path


def plain_text(path: Path) -> Path:
    path.write_text("not a model\n" * 20)
    return path


def unheard_of(path: Path) -> Path:
    return models.one_node(path, "Mystery", [models.value("x", [1])])


BAD_MODELS: dict[str, tuple[Make, tuple[str, ...]]] = {
    "missing": (lambda path: path, ("does not exist", "check the path")),
    "truncated": (truncated, ("truncated or damaged", "export or copy the model again")),
    "no model": (plain_text, ("is not an ONNX model", "give the .onnx file")),
    "external data elsewhere": (lambda path: models.external(path, "../secret.bin"), ("outside its folder", "Save")),
    "newer opset": (lambda path: models.tiny(path, opset=99), ("needs opset 99", "install a newer onnxruntime")),
    "unknown operator": (unheard_of, ("Mystery", "cannot be run by onnxruntime", "check its operators, its opset and")),
    "unknown shape": (
        lambda path: models.tiny(path, ("batch", 3, "height", "width")),
        ("unknown dimensions (?, 3, ?, ?)", "--shape image=1,3,224,224"),
    ),
    "unknown rank": (
        lambda path: models.one_node(path, "Relu", [models.value("image", None)]),
        ("declares no shape", "--shape image="),
    ),
}


@pytest.mark.parametrize("kind", BAD_MODELS)
def test_a_model_that_cannot_be_used(tmp_path: Path, kind: str) -> None:
    make, said = BAD_MODELS[kind]
    answer = invoke(tmp_path, "run", "--model", make(tmp_path / "mine.onnx"), "--device", write_device(tmp_path))
    assert_refused(answer, 2, "mine.onnx", *said)
    assert runs_of(tmp_path) == []


def test_a_plan_runs_no_model(tmp_path: Path) -> None:
    model = unheard_of(tmp_path / "mine.onnx")
    answer = invoke(tmp_path, "plan", "--model", model, "--device", write_device(tmp_path), "--json", "-")
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)["artifacts"].popitem()[1]["uncounted"] == ["Mystery"]
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("smoke", "--model", "mine.onnx"), ("takes no suite; leave out 'smoke' or --model",)),
        (("--model", "mine.onnx", "--data", "here"), ("--data belongs to a suite's image set",)),
        (("smoke", "--shape", "image=1,3"), ("--shape names an input of --model FILE.onnx",)),
        (("--model", "mine.json"), ("mine.json does not exist; check the path of the model",)),
        (("--model", "caf\udce9.onnx"), (r"'caf\udce9.onnx' is not UTF-8; rename the file or folder",)),
    ],
    ids=lambda value: " ".join(value[:3]).encode("ascii", "replace").decode(),
)
def test_arguments_that_cannot_go_together(tmp_path: Path, arguments: tuple[str, ...], said: tuple[str, ...]) -> None:
    assert_refused(invoke(tmp_path, "run", *arguments), 2, *said)
    assert list(tmp_path.iterdir()) == []


def test_a_script_of_the_users_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(json.dumps(script()))
    answer = invoke(tmp_path, "plan", "--model", tmp_path / "mine.json", "--device", write_device(tmp_path))
    assert_refused(answer, 2, "mine.json is not an ONNX model; give the .onnx file that an exporter wrote")


def test_a_board_is_measured_by_one_process_at_a_time(tmp_path: Path) -> None:
    """Whatever the two would measure and wherever they would store it."""
    device = write_device(tmp_path)
    assert invoke(tmp_path, "doctor", "--device", device).code == 0  # makes the board's folder; it needs no lease
    board = str(tmp_path / "cache" / "board")
    held, _ = lease.take(str(leases_of(tmp_path)), "/", "another", "me@there", board)
    answer = invoke(tmp_path, "run", "smoke", "--device", device)
    assert_refused(
        answer, 2, "bench: me@there has been measuring on it since", "(run another); wait until it has ended"
    )
    assert invoke(tmp_path, "plan", "smoke", "--device", device).code == 0
    other = invoke(tmp_path, "run", "smoke", "--device", device, "--cache", tmp_path / "another cache")
    assert_refused(other, 2, "bench: me@there has been measuring on it since")
    doctor = invoke(tmp_path, "doctor", "--device", device)
    assert (doctor.code, "0 of 1 checks are good" in doctor.err) == (3, True)
    assert "me@there has been measuring on it since" in doctor.out
    assert lease.release(held.path, "/") == []
    assert runs_of(tmp_path) == []
    assert invoke(tmp_path, "run", "smoke", "--device", device, "--quick").code == 0


def test_a_model_that_returns_nan_is_invalid_and_says_so(tmp_path: Path) -> None:
    model = models.not_finite(tmp_path / "nan.onnx")
    answer = invoke(tmp_path, "run", "--model", model, "--device", write_device(tmp_path), "--quick", "--json", "-")
    assert_refused(answer, 3, "nothing valid was measured")
    (case,) = json.loads(answer.out)["cases"]
    assert case["verdict"] == "invalid"
    assert "output_not_finite" in [finding["code"] for finding in case["findings"]]
    assert len(harness.load(runs_of(tmp_path)[0]).trials) == 3  # stored all the same


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "smok"), ("no suite is called 'smok'", "did you mean smoke?", "Known: ")),
        (("run", "nowhere/suite.py"), ("there is no suite file nowhere/suite.py",)),
        (("run", "smoke", "--device", "localhots"), ("no device is called 'localhots'", "did you mean localhost?")),
        (("doctor", "--device", "localhots"), ("no device is called 'localhots'", "did you mean localhost?")),
        (("run", "smoke", "--device", "nowhere/board.toml"), ("nowhere/board.toml cannot be read",)),
        (("run", "smoke", "--variant", "stedy"), ("no variant is called 'stedy'", "did you mean steady?")),
        (("run", "smoke", "--scenario", "single"), ("no scenario is called 'single'", "single-stream")),
        (("run", "--model", "x.onnx", "--shape", "image:1,3"), ("--shape 'image:1,3' is not NAME=1,3,224,224",)),
        (("report",), ("holds no run", "`harness run` makes one")),
        (("report", "2026"), ("holds no run",)),
    ],
    ids=lambda value: " ".join(value[:4]),
)
def test_a_name_that_is_unknown(tmp_path: Path, arguments: tuple[str, ...], said: tuple[str, ...]) -> None:
    assert_refused(invoke(tmp_path, *arguments), 2, *said)


@pytest.mark.parametrize("arguments", [(), ("rnu",), ("run", "--sed", "x"), ("run", "--seed", "x")])
def test_a_command_that_is_none(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    answer = invoke(tmp_path, *arguments)
    assert answer.code == 2
    assert "usage: harness" in answer.err


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"settings": "thread = 2"}, ("bench.toml", "settings", "unknown key 'thread'", "did you mean threads?")),
        ({"settings": "threads = 'two'"}, ("bench.toml", "settings: threads: expected int, found 'two'")),
        ({"more": "[limit]\n"}, ("bench.toml", "unknown key 'limit'", "did you mean limits?")),
        ({"more": "nonsense\n"}, ("bench.toml", "not valid TOML")),
    ],
)
def test_a_device_file_that_is_wrong(tmp_path: Path, changes: dict[str, str], said: tuple[str, ...]) -> None:
    assert_refused(invoke(tmp_path, "run", "smoke", "--device", write_device(tmp_path, **changes)), 2, *said)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("SUITE = 5", ("defines no SUITE", "suites/smoke.py")),
        ("def broken(:", ("does not load: SyntaxError",)),
        ("raise SystemExit(1)", ("does not load: SystemExit",)),
        ("import no_such_module_anywhere", ("does not load: ModuleNotFoundError", "no_such_module_anywhere")),
    ],
)
def test_a_suite_file_that_is_wrong(tmp_path: Path, content: str, said: tuple[str, ...]) -> None:
    path = tmp_path / "mine.py"
    path.write_text(content)
    assert_refused(invoke(tmp_path, "run", path), 2, "mine.py", *said)


def test_a_defect_is_shown_whole_and_is_not_taken_for_a_regression(tmp_path: Path) -> None:
    """A suite whose variants are no tuple, which only a type checker would have told."""
    suite = tmp_path / "mine.py"
    suite.write_text("from harness.model.case import Suite\nSUITE = Suite('mine', 'Mine', variants=5)\n")
    answer = invoke(tmp_path, "run", suite)
    assert answer.code == 3
    assert "Traceback" in answer.err
    assert "TypeError: 'int' object is not iterable" in answer.err
    assert answer.err.endswith("harness: this is a defect; please report it. Finished trials are kept\n")


@pytest.mark.parametrize("durations", [5, [], ["x"], [0.0], "text"])
def test_a_script_that_is_wrong(tmp_path: Path, durations: object) -> None:
    suite = write_suite(tmp_path, {"a": {"durations_s": durations}})
    assert_refused(invoke(tmp_path, "run", suite), 2, "0.json", "durations_s must be a list of positive numbers")


def test_two_variants_of_one_name_are_refused(tmp_path: Path) -> None:
    suite = write_suite(tmp_path, {"a": script(), "b": script()})
    suite.write_text(suite.read_text().replace("name='b'", "name='a'"))
    assert_refused(invoke(tmp_path, "run", suite, "--device", write_device(tmp_path)), 2, "'a'", "scripted", "twice")


def test_a_runtime_that_the_board_lacks_is_a_skip_with_its_reason(tmp_path: Path) -> None:
    """One backend that the device does not list beside one that it has."""
    suite = write_suite(tmp_path, {"a": script()}, backends=("tensorrt", "null"), launches=1)
    device = write_device(tmp_path, backends=["null"])
    answer = invoke(tmp_path, "run", suite, "--device", device, "--json", "-")
    assert answer.code == 0, answer.err
    assert "skipped a (tensorrt): bench has no backend tensorrt (it has: null)" in answer.err
    assert [case["backend"] for case in json.loads(answer.out)["cases"]] == ["null"]
    other = write_device(tmp_path, backends=["onnxruntime"])
    answer = invoke(tmp_path, "run", write_suite(tmp_path, {"a": script()}), "--device", other)
    assert_refused(answer, 3, "nothing to measure in scripted on bench", "bench has no backend null")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"backends": ["null", "onnxruntme"]}, ("onnxruntme", "onnxruntime")),
        ({"collectors": ["proces"]}, ("proces", "process")),
    ],
)
def test_a_device_that_names_what_the_agent_does_not_know(tmp_path: Path, changes, said: tuple[str, ...]) -> None:
    device = write_device(tmp_path, **changes)
    for verb in (("run", "smoke"), ("doctor",)):
        assert_refused(invoke(tmp_path, *verb, "--device", device), 2, "bench.toml", *said)


def test_a_results_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """Below a file no folder can be made, by root neither."""
    store_of(tmp_path).write_text("in the way")
    answer = invoke(tmp_path, "run", "smoke", "--device", write_device(tmp_path))
    assert_refused(answer, 2, f"cannot write to {store_of(tmp_path)}", "--results")


def test_a_cache_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    answer = invoke(tmp_path, "run", "smoke", "--device", write_device(tmp_path))
    assert_refused(answer, 2, f"cannot write to {tmp_path / 'cache' / 'board'}", "--cache")


def test_a_report_folder_or_summary_that_cannot_be_written_loses_no_trial(tmp_path: Path) -> None:
    suite = write_suite(tmp_path, {"a": script()}, launches=1)
    (tmp_path / "file").write_text("in the way")
    target = tmp_path / "file" / "summary.json"
    answer = invoke(tmp_path, "run", suite, "--device", write_device(tmp_path), "--json", target)
    assert_refused(answer, 2, f"cannot write to {target.parent}", "--json")
    answer = invoke(tmp_path, "run", suite, "--device", write_device(tmp_path), "--report", tmp_path / "file")
    assert_refused(answer, 2, f"cannot write to {tmp_path / 'file'}", "--report")
    assert not (tmp_path / "store").exists(), "said before anything was measured"
    assert invoke(tmp_path, "run", suite, "--device", write_device(tmp_path)).code == 0
    assert_refused(invoke(tmp_path, "report", "--out", tmp_path / "file"), 2, str(tmp_path / "file"), "--out")
    assert invoke(tmp_path, "report", "--format", "json", "--out", tmp_path / "site").code == 0


@contextmanager
def nearly_full_disk(left_bytes: int) -> Iterator[None]:
    """No file may grow beyond this, in this process and in its children."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (left_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_fills_up_keeps_what_was_stored_and_the_same_command_goes_on(tmp_path: Path) -> None:
    """The second model's trials have 256 outputs, and no room for them: its facts take over 8 kB, the run's less."""
    scripts = {"small": script(), "wide": script(output=[1 / (n + 3) for n in range(256)])}
    suite, device = write_suite(tmp_path, scripts, launches=2), write_device(tmp_path)
    command = ["run", suite, "--device", device, "--seed", "1", "--json", "-"]  # which starts with the small one
    assert invoke(tmp_path, "doctor", "--device", tmp_path / "bench.toml").code == 0  # the agent is on the board now
    with nearly_full_disk(8000):
        answer = invoke(tmp_path, *command)
        assert_refused(answer, 2, "the board's disk is full", "make room", "same command")
    (run,) = runs_of(tmp_path)
    before = {path.name: (path / "trial.json").stat().st_mtime_ns for path in trial_folders(run)}
    assert set(harness.load(run).trials["variant"]) == {"small"}
    answer = invoke(tmp_path, *command)
    assert answer.code == 0, answer.err
    assert runs_of(tmp_path) == [run]
    after = {path.name: (path / "trial.json").stat().st_mtime_ns for path in trial_folders(run)}
    assert len(after) == 5
    assert before.items() <= after.items()


@pytest.mark.parametrize(
    ("fail", "said"),
    [
        ({"at": "load", "how": "kill"}, "ended by SIGKILL; SIGKILL usually means that memory ran out"),
        ({"at": FIRST_STEADY_STEP, "how": "kill"}, "ended by SIGKILL"),
        ({"at": FIRST_STEADY_STEP, "how": "exit", "status": 9}, "ended by itself with status 9"),
        ({"at": 3, "how": "raise"}, "RuntimeError: scripted failure at 3"),
    ],
    ids=["killed while loading", "killed while measured", "left", "raised"],
)
def test_a_process_under_test_that_dies_fails_its_own_trials_alone(tmp_path: Path, fail, said: str) -> None:
    suite = write_suite(tmp_path, {"good": script(), "bad": script(fail=fail)}, launches=2)
    answer = invoke(tmp_path, "run", suite, "--device", write_device(tmp_path), "--json", "-")
    assert answer.code == 0, answer.err  # one case is valid
    cases = {case["variant"]: case for case in json.loads(answer.out)["cases"]}
    assert codes(cases["good"]) == ["few_launches", "load_not_checked"]
    assert cases["bad"]["verdict"] == "invalid"
    (finding,) = cases["bad"]["findings"]
    assert finding["code"] == "trial_failed"
    assert said in finding["evidence"]
    assert cases["bad"]["missing"]["latency_p50_s"] == "no launch of this case finished"
    trials = harness.load(runs_of(tmp_path)[0]).trials
    assert trials.groupby("variant")["status"].apply(set).to_dict() == {"good": {"ok"}, "bad": {"failed"}}


def test_memory_that_runs_out_is_said(tmp_path: Path) -> None:
    """An exabyte: more than any machine would promise."""
    suite = write_suite(tmp_path, {"huge": script(memory_bytes=2**60)}, launches=1)
    answer = invoke(tmp_path, "run", suite, "--device", write_device(tmp_path), "--json", "-")
    assert_refused(answer, 3, "nothing valid was measured")
    (case,) = json.loads(answer.out)["cases"]
    assert "MemoryError" in case["findings"][0]["evidence"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("finished")
    suite = write_suite(folder, {"a": script()}, launches=2)
    command = ["run", str(suite), "--device", str(write_device(folder))]
    assert invoke(folder, *command).code == 0
    return folder, command


def copied(source: Path, target: Path) -> Path:
    for path in source.rglob("*"):
        if path.is_file() and "cache" not in path.parts:
            new = target / path.relative_to(source)
            new.parent.mkdir(parents=True, exist_ok=True)
            new.write_bytes(path.read_bytes())
    return runs_of(target)[0]


def test_a_corrupt_trial_is_named_and_the_rest_is_reported(finished, tmp_path: Path) -> None:
    run = copied(finished[0], tmp_path)
    broken = trial_folders(run)[0] / "trial.json"
    broken.write_bytes(broken.read_bytes()[:100])
    answer = invoke(tmp_path, "report", "--format", "json", "--out", tmp_path / "site")
    assert answer.code == 0, answer.err
    (case,) = json.loads(Path(answer.out.strip()).read_text())["cases"]
    assert codes(case) == ["few_launches", "load_not_checked", "trials_damaged"]
    finding = case["findings"][2]
    assert str(broken) in finding["evidence"]
    assert "remove the named folder and give the same command again" in finding["advice"]
    assert case["metrics"]["latency_p50_s"]["n"] == 1


def test_a_stray_or_copied_folder_among_the_trials_is_named_and_counts_for_nothing(finished, tmp_path: Path) -> None:
    run = copied(finished[0], tmp_path)
    first = trial_folders(run)[0]
    (run / "trials" / "notes").mkdir()
    copy = first.with_name(f"{first.name} (copy)")
    shutil.copytree(first, copy)
    answer = invoke(tmp_path, "report", "--format", "json", "--out", tmp_path / "site")
    assert answer.code == 0, answer.err
    (case,) = json.loads(Path(answer.out.strip()).read_text())["cases"]
    assert case["metrics"]["latency_p50_s"]["n"] == 2
    damaged = harness.load(run).damaged
    assert damaged == (
        f"{copy} holds the trial of {first.name}; it is left out",
        f"{run / 'trials' / 'notes' / 'trial.json'} is missing; the folder is not whole",
    )
    assert case["findings"][2]["evidence"] == f"2 trial folders were left out: {damaged[0]}"


def test_the_last_run_is_the_one_that_was_gone_on_with(finished, tmp_path: Path) -> None:
    older = copied(finished[0], tmp_path)
    assert invoke(tmp_path, *finished[1], "--seed", "1").code == 0
    newer = runs_of(tmp_path)[1]
    shutil.rmtree(trial_folders(older)[0])

    def reported() -> str:
        answer = invoke(tmp_path, "report", "last", "--format", "json", "--out", tmp_path / "site")
        return Path(answer.out.strip()).stem

    assert reported() == older.name  # a trial was taken away: touched last
    os.utime(older / "trials", (0, 0))
    assert reported() == newer.name
    answer = invoke(tmp_path, *finished[1])
    assert "going on with an interrupted run: 2 of 3 trials are there" in answer.err
    assert reported() == older.name
    assert runs_of(tmp_path) == [older, newer]


def test_removing_the_corrupt_trial_and_the_same_command_makes_the_run_whole(finished, tmp_path: Path) -> None:
    run = copied(finished[0], tmp_path)
    first, *others = trial_folders(run)
    for path in first.iterdir():
        path.unlink()
    first.rmdir()
    before = {path.name: (path / "trial.json").stat().st_mtime_ns for path in others}
    answer = invoke(tmp_path, *finished[1], "--json", "-")
    assert answer.code == 0, answer.err
    assert runs_of(tmp_path) == [run]
    after = {path.name: (path / "trial.json").stat().st_mtime_ns for path in trial_folders(run)}
    assert before.items() <= after.items()
    assert set(after) - set(before) == {first.name}
    (case,) = json.loads(answer.out)["cases"]
    assert (codes(case), case["metrics"]["latency_p50_s"]["n"]) == (["few_launches", "load_not_checked"], 2)


def test_results_of_a_newer_schema_are_refused_with_both_numbers(finished, tmp_path: Path) -> None:
    run = copied(finished[0], tmp_path)
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**facts, "schema": "harness.run/2", "new": 1}))
    assert_refused(invoke(tmp_path, "report"), 2, "run.json", "schema harness.run/2", "reads up to 1", "upgrade")


NAMES = ["<img src=x onerror=alert(1)>", "$(touch pwned)", "`touch pwned`; touch pwned #", "[bold]x", "a'\"&b"]


def test_names_with_markup_or_shell_characters_stay_names(tmp_path: Path) -> None:
    """Models from files of such names, on a device of such a title, through every output."""
    files = [models.tiny(tmp_path / f"{name}.onnx") for name in NAMES]
    chosen = [part for file in files for part in ("--model", file)]
    device = write_device(tmp_path, title="<script>alert(2)</script> [red]$(touch pwned)")
    scripted = write_suite(tmp_path, {name: script() for name in NAMES}, launches=1, name="names")
    planned = invoke(tmp_path, "plan", *chosen, "--device", device, "--json", "-")
    assert [case["variant"] for case in json.loads(planned.out)["cases"]] == NAMES
    answer = invoke(tmp_path, "run", scripted, "--device", device)
    assert answer.code == 0, answer.err
    flat = "".join(answer.out.split())
    assert "<script>alert(2)</script>[red]$(touchpwned)" in flat
    page = Path(invoke(tmp_path, "report", "--out", tmp_path / "site").out.strip()).read_text()
    assert "<img src=x" not in page
    assert "<script>alert(2)" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    for form in ("md", "csv", "json"):
        assert invoke(tmp_path, "report", "--format", form, "--out", tmp_path / "site").code == 0
    assert set(harness.load(runs_of(tmp_path)[0]).trials["variant"]) == set(NAMES)
    assert [*tmp_path.rglob("pwned*"), *Path.cwd().glob("pwned*")] == []


def test_a_control_character_in_a_name_steers_no_terminal(tmp_path: Path) -> None:
    model, device = models.tiny(tmp_path / "a\x1b[31m\nb.onnx"), write_device(tmp_path)
    for arguments in (("plan",), ("run", "--quick")):
        answer = invoke(tmp_path, *arguments, "--model", model, "--device", device)
        assert answer.code == 0, answer.err
        assert "a\ufffd[31m\ufffdb" in answer.out
        assert "\x1b" not in answer.out + answer.err
    (run,) = runs_of(tmp_path)
    assert set(harness.load(run).trials["variant"]) == {"a\x1b[31m\nb"}
    for form in ("html", "md", "csv", "json"):
        assert invoke(tmp_path, "report", "--format", form, "--out", tmp_path / "site").code == 0
    answer = invoke(tmp_path, "plan", "--model", tmp_path / "c\x1b[31m\nd.onnx", "--device", device)
    assert_refused(answer, 2, "c\ufffd[31m d.onnx does not exist")
    assert len(answer.err.splitlines()) == 1


def test_a_model_file_of_such_a_name_is_sent_and_measured(tmp_path: Path) -> None:
    model = models.tiny(tmp_path / f"{NAMES[2]}.onnx")
    answer = invoke(tmp_path, "run", "--model", model, "--device", write_device(tmp_path), "--quick", "--json", "-")
    assert answer.code == 0, answer.err
    (case,) = json.loads(answer.out)["cases"]
    assert (case["variant"], case["verdict"] != "invalid") == (NAMES[2], True)
    assert not list(tmp_path.rglob("pwned*"))
