"""The real command line on this machine, from a suite to a report, with scripted models and tiny real ones."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, ValueInfoProto, helper

import harness
from harness.board import pack
from harness.model.metrics import REGISTRY
from harness.places import builtin
from tests.support import models
from tests.support.host_side import ROOT, invoke, runs_of, spawn, trial_folders
from tests.support.scripted_suite import STEADY_COUNT, script, write_device, write_suite

SLOW = (0.010, 0.012, 0.011, 0.013)
FAST = (0.005, 0.006, 0.0055, 0.0065)


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory):
    """One run of two scripted models, six launches each: its folder and what the program said."""
    folder = tmp_path_factory.mktemp("scripted")
    suite = write_suite(folder, {"slow": script(), "fast": script(durations_s=FAST, first_s=0.02)}, launches=6)
    answer = invoke(folder, "run", suite, "--device", write_device(folder), "--json", "-")
    return folder, answer


def check_summary(text: str) -> dict:
    """The summary, once it has been held against its published schema."""
    summary = json.loads(text)
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(summary, json.loads((builtin()["schema"] / "summary-1.schema.json").read_text()))
    return summary


def codes(case: dict) -> list[str]:
    return [finding["code"] for finding in case["findings"]]


def test_the_summary_has_exactly_the_scripted_numbers(scripted) -> None:
    _, answer = scripted
    assert answer.code == 0, answer.err
    summary = check_summary(answer.out)
    assert (summary["suite"], summary["device"]["title"]) == ("scripted", "A bench")
    cases = {case["variant"]: case for case in summary["cases"]}
    assert {name: (case["verdict"], codes(case)) for name, case in cases.items()} == {
        "slow": ("valid", ["load_not_checked"]),  # the device reads no sensor of the neighbours
        "fast": ("valid", ["load_not_checked"]),
    }
    for name, durations, first in (("slow", SLOW, 0.015), ("fast", FAST, 0.02)):
        metrics = cases[name]["metrics"]
        ordered = sorted(durations)
        median, mean = (ordered[1] + ordered[2]) / 2, sum(durations) / 4
        for metric, value in {
            "latency_p50_s": median,
            "latency_mean_s": mean,
            "latency_p90_s": ordered[3],  # of 72 pooled samples, 18 of each duration
            "throughput_per_s": 1 / mean,
            "first_inference_s": first,
        }.items():
            assert metrics[metric]["point"] == pytest.approx(value, rel=1e-8), metric
        assert metrics["latency_p50_s"]["low"] == pytest.approx(median, rel=1e-8)
        assert metrics["latency_p50_s"]["n"] == 6
        assert cases[name]["missing"]["latency_p99_s"] == f"{6 * STEADY_COUNT} inferences; p99 needs 662"
        assert cases[name]["missing"]["accuracy_top1"] == "a scripted model predicts nothing"
        assert set(metrics) | set(cases[name]["missing"]) == set(REGISTRY)


def test_every_trial_is_stored_with_its_samples(scripted) -> None:
    folder, _ = scripted
    (run,) = runs_of(folder)
    assert len(trial_folders(run)) == 2 * 6 + 1
    assert json.loads((run / "finished.json").read_text())["trials_done"] == 13
    frames = harness.load(run)
    timed = frames.trials[frames.trials["mode"] == "performance"]
    assert timed.groupby("variant")["launch"].apply(sorted).to_dict() == {"slow": [*range(6)], "fast": [*range(6)]}
    assert set(timed["stop_reason"]) == {"minimum count and duration reached"}
    steady = frames.samples[(frames.samples["phase"] == "steady") & frames.samples["trial"].isin(timed["trial"])]
    assert steady.groupby("trial", observed=True).size().tolist() == [STEADY_COUNT] * 12
    slow = steady[(steady["variant"] == "slow") & (steady["launch"] == 0)]["duration_s"].tolist()
    assert slow == pytest.approx([SLOW[(25 + index) % 4] for index in range(STEADY_COUNT)], rel=1e-8)
    assert set(frames.traces["collector"]) == {"process"}
    assert frames.damaged == ()


def test_the_run_explains_itself(scripted) -> None:
    folder, _ = scripted
    (run,) = runs_of(folder)
    facts = json.loads((run / "run.json").read_text())
    assert facts["command"][:2] == ["harness", "run"]
    assert facts["plan"]["agent_sha256"] == pack.archive()[1]
    assert facts["versions"]["numpy"]
    assert [case["variant"] for case in facts["plan"]["cases"]] == ["slow", "fast"]


@pytest.mark.parametrize("form", ["html", "md", "csv", "json"])
def test_the_report_in_every_form(scripted, form: str) -> None:
    folder, answer = scripted
    (run,) = runs_of(folder)
    written = invoke(folder, "report", run.name[:15], "--format", form, "--out", folder / "site")
    assert written.code == 0, written.err
    path = Path(written.out.strip())
    assert path == folder / "site" / f"{run.name}.{form}"
    content = path.read_text("utf-8")
    assert "slow" in content
    assert "fast" in content
    if form == "json":
        assert json.loads(content) == json.loads(answer.out)


def test_the_table_goes_to_stdout_and_the_rest_to_stderr(tmp_path: Path) -> None:
    suite = write_suite(tmp_path, {"slow": script()}, launches=1)
    answer = invoke(tmp_path, "run", suite, "--device", write_device(tmp_path))
    assert answer.code == 0, answer.err
    assert re.search(r"slow .* 11\.5 .* doubtful", answer.out)
    assert "few_launches slow: 1 launches; an interval needs 6" in answer.out
    assert "stored in" in answer.err
    assert "stored in" not in answer.out


def test_a_report_can_be_asked_for_with_the_run(tmp_path: Path) -> None:
    suite = write_suite(tmp_path, {"slow": script()}, launches=1)
    answer = invoke(tmp_path, "run", suite, "--device", write_device(tmp_path), "--report", tmp_path / "new" / "site")
    assert answer.code == 0, answer.err
    page = tmp_path / "new" / "site" / f"{runs_of(tmp_path)[0].name}.html"
    assert answer.out.splitlines()[-1] == str(page)
    assert "11.5" in page.read_text("utf-8")


def test_a_budget_ends_every_launch(tmp_path: Path) -> None:
    """0.03 s are three inferences of 10 to 13 ms; the suite asks for 12."""
    suite = write_suite(tmp_path, {"slow": script()}, launches=1)
    device = write_device(tmp_path)
    answer = invoke(tmp_path, "run", suite, "--device", device, "--budget", "0.03", "--json", "-")
    (case,) = check_summary(answer.out)["cases"]
    finding = case["findings"][0]
    assert finding["code"] == "too_short"
    assert finding["evidence"] == "1 launches stopped early (budget spent) with 3 inferences"


@pytest.mark.parametrize("more", [("plan", "smoke"), ("plan", "smoke", "--json", "-"), ("devices",), ("run", "smoke")])
def test_a_reader_who_leaves_is_no_error(tmp_path: Path, more: tuple[str, ...]) -> None:
    """As `harness ... | true`."""
    process = spawn(tmp_path, *more, *(["--quick"] if more[0] == "run" else []))
    process.stdout.close()
    _, said = process.communicate()
    assert process.returncode == 0, said
    assert "BrokenPipe" not in said


def test_a_terminal_without_the_tables_signs_still_gets_its_numbers(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    suite = write_suite(tmp_path, {"slow": script()}, launches=1)
    process = spawn(tmp_path, "run", suite, "--device", write_device(tmp_path))
    out, said = process.communicate()
    assert process.returncode == 0, said
    assert re.search(r"slow .* 11\.5 ", out)


def test_json_to_a_file_keeps_the_table(tmp_path: Path) -> None:
    suite = write_suite(tmp_path, {"slow": script()}, launches=1)
    answer = invoke(tmp_path, "run", suite, "--device", write_device(tmp_path), "--json", tmp_path / "summary.json")
    assert re.search(r"slow .* 11\.5 ", answer.out)
    assert check_summary((tmp_path / "summary.json").read_text())["cases"][0]["variant"] == "slow"


def test_two_runs_of_a_finished_plan_are_two_runs(tmp_path: Path) -> None:
    suite = write_suite(tmp_path, {"slow": script()}, launches=1)
    for _ in range(2):
        assert invoke(tmp_path, "run", suite, "--device", write_device(tmp_path)).code == 0
    first, second = runs_of(tmp_path)
    ids = [{path.name for path in trial_folders(run)} for run in (first, second)]
    assert [len(one) for one in ids] == [2, 2]
    assert not ids[0] & ids[1]


def test_plan_prints_and_runs_nothing(tmp_path: Path) -> None:
    suite = write_suite(tmp_path, {"slow": script(), "fast": script(durations_s=FAST)}, launches=3)
    device = write_device(tmp_path)
    answer = invoke(tmp_path, "plan", suite, "--device", device)
    assert answer.code == 0
    assert "scripted on bench: 7 trials, seed 0" in answer.out
    planned = json.loads(invoke(tmp_path, "plan", suite, "--device", device, "--json", "-").out)
    assert planned["schema"] == "harness.plan/1"
    assert [trial["mode"] for trial in planned["trials"]] == ["performance"] * 6 + ["observer"]
    assert runs_of(tmp_path) == []
    # The plan that is printed is the plan that is run; only the board is not known yet.
    assert invoke(tmp_path, "run", suite, "--device", device).code == 0
    run = json.loads((runs_of(tmp_path)[0] / "run.json").read_text())
    assert planned["board_id"] == ""
    assert re.fullmatch("[0-9a-f]{16}", run["plan"]["board_id"])
    assert {**run["plan"], "board_id": ""} == {key: planned[key] for key in run["plan"]}
    assert runs_of(tmp_path)[0].name.endswith(run["plan_id"][:8])


def test_the_built_in_smoke_suite_runs(tmp_path: Path) -> None:
    answer = invoke(tmp_path, "run", "smoke", "--device", write_device(tmp_path), "--quick", "--json", "-")
    assert answer.code == 0, answer.err
    points = {one["variant"]: one["metrics"]["latency_p50_s"]["point"] for one in check_summary(answer.out)["cases"]}
    assert points["steady"] == pytest.approx(0.00102, rel=0.0011)
    assert points["fast"] == pytest.approx(0.00051, rel=0.0011)
    assert len(trial_folders(runs_of(tmp_path)[0])) == 6


def test_devices_lists_the_registered_boards(tmp_path: Path) -> None:
    answer = invoke(tmp_path, "devices")
    assert answer.code == 0
    assert "localhost" in answer.out
    assert "this machine" in answer.out


def test_doctor_examines_this_machine(tmp_path: Path) -> None:
    answer = invoke(tmp_path, "doctor", "--device", write_device(tmp_path, title="<Bench> [red]"))
    assert answer.code == 0, answer.err
    assert "<Bench> [red]: fit to measure?" in answer.out
    assert "backend null" in answer.out
    assert "sensor process" in answer.out
    bare = invoke(tmp_path, "doctor", "--device", write_device(tmp_path, backends=["null"]))
    assert bare.code == 3  # nothing that could run a model


SHORT = "--quick"


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    return write_device(tmp_path)


def test_two_models_of_the_users_are_compared(tmp_path: Path, bench: Path) -> None:
    first = models.tiny(tmp_path / "first.onnx")  # a free batch dimension
    second = models.qdq(tmp_path / "second.onnx")
    answer = invoke(tmp_path, "run", "--model", first, "--model", second, "--device", bench, SHORT, "--json", "-")
    assert answer.code == 0, answer.err
    cases = {case["variant"]: case for case in check_summary(answer.out)["cases"]}
    assert set(cases) == {"first", "second"}
    assert (cases["first"]["precision"], cases["second"]["precision"]) == ("fp32", "int8")
    assert cases["first"]["metrics"]["parameters"]["point"] == models.TINY_PARAMETERS
    assert cases["first"]["metrics"]["macs"]["point"] == models.TINY_MACS
    for case in cases.values():
        assert case["verdict"] != "invalid", case["findings"]
        assert case["metrics"]["latency_p50_s"]["point"] > 0
        assert case["missing"]["accuracy_top1"] == "no labelled data is known for this model"


def test_models_with_several_inputs_halves_and_external_data(tmp_path: Path, bench: Path) -> None:
    files = [
        models.two_inputs(tmp_path / "two.onnx"),
        models.tiny_half(tmp_path / "half.onnx"),
        models.external(tmp_path / "external.onnx"),
    ]
    chosen = [part for file in files for part in ("--model", file)]
    answer = invoke(tmp_path, "run", *chosen, "--device", bench, SHORT, "--json", "-")
    assert answer.code == 0, answer.err
    cases = {case["variant"]: case for case in check_summary(answer.out)["cases"]}
    assert {name: case["verdict"] != "invalid" for name, case in cases.items()} == dict.fromkeys(cases, True)
    assert (set(cases), cases["half"]["precision"]) == ({"two", "half", "external"}, "fp16")
    run = json.loads((runs_of(tmp_path)[0] / "run.json").read_text())
    fed = {case["variant"]: [one["name"] for one in case["inputs"]] for case in run["plan"]["cases"]}
    assert fed["two"] == ["image", "index"]


def foreign(path: Path, node: NodeProto, given: ValueInfoProto, answer: ValueInfoProto) -> Path:
    """A model of one operator of classical machine learning."""
    graph = helper.make_graph([node], "foreign", [given], [answer])
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 2)]
    path.write_bytes(helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString())
    return path


def scalar(path: Path) -> Path:
    """Of rank 0, in and out."""
    node = helper.make_node("Add", ["x", "one"], ["y"])
    return models.save(path, [node], [models.value("x", [])], [models.value("y", [])], {"one": np.float32([1])[0]})


def words(path: Path) -> Path:
    node = helper.make_node(
        "LabelEncoder", ["x"], ["y"], domain="ai.onnx.ml", keys_int64s=[0, 1], values_strings=["no", "yes"]
    )
    given, answer = models.value("x", [1, 3], TensorProto.INT64), models.value("y", [1, 3], TensorProto.STRING)
    return foreign(path, node, given, answer)


def sequence(path: Path) -> Path:
    node = helper.make_node("SequenceConstruct", ["x", "x"], ["y"])
    return foreign(
        path, node, models.value("x", [1, 3]), helper.make_tensor_sequence_value_info("y", models.FLOAT, [1, 3])
    )


def zip_map(path: Path) -> Path:
    """What a converter from scikit-learn puts at the end of a classifier: a list of {class: share}."""
    node = helper.make_node("ZipMap", ["x"], ["y"], domain="ai.onnx.ml", classlabels_strings=["a", "b", "c"])
    share = helper.make_tensor_type_proto(models.FLOAT, [])
    kind = helper.make_sequence_type_proto(helper.make_map_type_proto(TensorProto.STRING, share))
    return foreign(path, node, models.value("x", [1, 3]), helper.make_value_info("y", kind))


@pytest.mark.parametrize(
    ("make", "shape", "checked"),
    [(scalar, [], True), (words, [1, 3], False), (sequence, [1, 3], False), (zip_map, [1, 3], False)],
)
def test_a_model_of_an_odd_shape_or_answer_is_measured(
    tmp_path: Path, bench: Path, make, shape: list[int], checked: bool
) -> None:
    """Where the answer is no tensor of numbers, it is said that nothing shows what was computed."""
    model = make(tmp_path / "odd.onnx")
    answer = invoke(tmp_path, "run", "--model", model, "--device", bench, SHORT, "--json", "-")
    assert answer.code == 0, answer.err
    (case,) = check_summary(answer.out)["cases"]
    assert case["metrics"]["latency_p50_s"]["point"] > 0
    assert ("output_not_checked" in codes(case)) is not checked
    run = json.loads((runs_of(tmp_path)[0] / "run.json").read_text())
    assert run["plan"]["cases"][0]["inputs"][0]["shape"] == shape
    (facts,) = run["plan"]["artifacts"].values()
    assert (facts["signature"] is not None) is checked
    if checked:
        assert facts["signature"]["source"] == "the unoptimized graph"
    assert invoke(tmp_path, "report", "--out", tmp_path / "site").code == 0


def test_a_shape_is_given_to_the_model_that_has_that_input(tmp_path: Path, bench: Path) -> None:
    free = models.tiny(tmp_path / "free.onnx", ("batch", 3, "height", "width"))
    other = models.two_inputs(tmp_path / "other.onnx")
    given = ["--model", free, "--shape", "image=2,3,16,16"]
    planned = invoke(tmp_path, "plan", *given, "--device", bench, "--json", "-")
    assert json.loads(planned.out)["cases"][0]["inputs"][0]["shape"] == [2, 3, 16, 16]
    named = models.tiny(tmp_path / "free2.onnx", ("batch", 3, "height", "width"))
    text = models.onnx.load_model(named)
    text.graph.input[0].name = text.graph.node[0].input[0] = "picture"
    models.onnx.save_model(text, named)
    both = [*given, "--model", named, "--shape", "picture=1,3,8,8", "--device", bench, "--json", "-"]
    shapes = [case["inputs"][0]["shape"] for case in json.loads(invoke(tmp_path, "plan", *both).out)["cases"]]
    assert shapes == [[2, 3, 16, 16], [1, 3, 8, 8]]
    wrong = invoke(tmp_path, "plan", "--model", other, "--shape", "imag=1,4", "--device", bench)
    assert wrong.code == 2
    assert "no input called 'imag'; did you mean image?" in wrong.err


def test_models_of_the_same_name_are_told_apart(tmp_path: Path, bench: Path) -> None:
    files = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        files.append(models.tiny(tmp_path / name / "model.onnx"))
    answer = invoke(tmp_path, "plan", "--model", files[0], "--model", files[1], "--device", bench, "--json", "-")
    assert [case["variant"] for case in json.loads(answer.out)["cases"]] == ["a/model", "b/model"]
    same = invoke(tmp_path, "plan", "--model", files[0], "--model", files[0], "--device", bench, "--json", "-")
    assert [case["variant"] for case in json.loads(same.out)["cases"]] == ["a/model#1", "a/model#2"]


def test_a_relative_path_means_the_present_folder(tmp_path: Path, bench: Path) -> None:
    """Asked from the checkout, as a user would."""
    absent = invoke(tmp_path, "plan", "--model", "no/such.onnx", "--device", bench)
    assert absent.code == 2
    assert str(Path.cwd() / "no" / "such.onnx") in absent.err
    assert ROOT.is_dir()
