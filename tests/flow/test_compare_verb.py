"""`compare` and `history` from the command line, over real scripted runs and other tools' files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.store import store
from tests.support import foreign_files as files
from tests.support.host_side import invoke, runs_of, store_of
from tests.support.scripted_suite import script, write_device, write_suite
from tests.unit.analysis import test_history
from tests.unit.outcome.test_gate_outputs import schema

jsonschema = pytest.importorskip("jsonschema")


def keep(folder: Path, number: int, **levels: float) -> str:
    """A run of day `number` in the store, of which every number is known."""
    made = test_history.stored(number, levels)
    run = store.begin(store_of(folder), made.run)
    for trial in made.trials:
        store.append(run, trial)
    store.finish(run, made.run.started_utc, len(made.trials), 0)
    return made.run.id


def test_two_runs_to_ratios(tmp_path: Path) -> None:
    base, candidate = keep(tmp_path, 0, small=1.0, large=4.0), keep(tmp_path, 1, small=1.1, large=4.0)
    said = invoke(tmp_path, "compare", base, candidate, "--json", "-")
    assert said.code == 0
    told = json.loads(said.out)
    jsonschema.validate(told, schema("comparison"), jsonschema.Draft202012Validator)
    found = {(one["cell"], one["metric"]): one for one in told["comparisons"]}
    small = found["small", "latency_p50_s"]
    assert (small["side"], small["n"]) == ("worse", 6)
    assert small["ratio"] == pytest.approx(1.1)
    assert found["large", "latency_p50_s"]["side"] in ("same", "unclear")
    assert found["small", "accuracy_top1"]["missing"]
    assert (told["baseline"]["name"], told["candidate"]["facts"]["commit"]) == (base, f"{1:040x}")
    assert any("not interleaved" in one["sentence"] for one in told["differences"])


def test_the_table_and_the_markdown(tmp_path: Path) -> None:
    base = keep(tmp_path, 0, small=1.0)
    keep(tmp_path, 1, small=1.1)
    said = invoke(
        tmp_path, "compare", base, "last", "--markdown", tmp_path / "compared.md", "--json", tmp_path / "c.json"
    )
    assert said.code == 0
    assert "slower" in said.out
    assert "not compared: small: top-1" in said.err
    assert (tmp_path / "compared.md").read_text("utf-8").startswith("### ")
    assert json.loads((tmp_path / "c.json").read_text("utf-8"))["schema"] == "harness.comparison/1"


def test_a_margin_is_of_what_is_measured(tmp_path: Path) -> None:
    base, candidate = keep(tmp_path, 0, small=1.0), keep(tmp_path, 1, small=1.1)
    said = invoke(tmp_path, "compare", base, candidate, "--margin", "25%", "--json", "-")
    margins = {one["metric"]: (one["margin"], one["side"]) for one in json.loads(said.out)["comparisons"]}
    assert margins["latency_p50_s"] == (0.25, "same")
    assert margins["model_size_bytes"] == (0.0, "same")
    assert margins["accuracy_top1"][0] == 0.005
    assert invoke(tmp_path, "compare", base, candidate, "--margin", "2").code == 2


def test_another_board_is_refused_with_what_differs_and_may_be_allowed(tmp_path: Path) -> None:
    base, other = keep(tmp_path, 0, small=1.0), test_history.stored(1, {"small": 1.1}, machine={"cpu": "B", "cores": 8})
    run = store.begin(store_of(tmp_path), other.run)
    for trial in other.trials:
        store.append(run, trial)
    said = invoke(tmp_path, "compare", base, other.run.id)
    assert (said.code, said.out) == (2, "")
    assert "refused: board: number of cores: 2 in the baseline, 8 in the candidate" in said.err
    assert "differs: " in said.err
    assert "--allow NAME, or --allow-different for all" in said.err
    assert invoke(tmp_path, "compare", base, other.run.id, "--allow", "board").code == 0
    told = json.loads(invoke(tmp_path, "compare", base, other.run.id, "--allow-different", "--json", "-").out)
    assert told["allowed"] == ["*"]
    said = invoke(tmp_path, "compare", base, other.run.id, "--allow", "bored")
    assert said.code == 2
    assert "did you mean board" in said.err


def test_two_variants_of_one_run(tmp_path: Path) -> None:
    run = keep(tmp_path, 0, small=1.0, large=4.0)
    said = invoke(tmp_path, "compare", run, run, "--match", "large=small", "--json", "-")
    assert said.code == 0
    told = {one["metric"]: one for one in json.loads(said.out)["comparisons"]}
    assert told["latency_p50_s"]["ratio"] == pytest.approx(4.0)
    assert {one["cell"] for one in json.loads(said.out)["comparisons"]} == {"large"}
    assert told["latency_p50_s"]["method"].startswith("6 pairs")


BAD = {
    "both are the run": ("RUN", "RUN"),
    "is not NEW=OLD": ("RUN", "RUN", "--match", "large"),
    "did you mean large": ("RUN", "RUN", "--match", "lager=small"),
    "with itself": ("RUN", "RUN", "--match", "small=small"),
    "no run in": ("RUN", "absent"),
    "name what wrote it, as KIND:": ("RUN", "FOLDER/notes.txt"),
    "cannot read": ("RUN", "trtexec:FOLDER/absent.log"),
    "nothing of trtexec": ("RUN", "trtexec:FOLDER/notes.txt"),
    "--markdown": ("RUN", "RUN", "--match", "large=small", "--markdown", "FOLDER/notes.txt/compared.md"),
}


@pytest.mark.parametrize("message", BAD)
def test_what_cannot_be_compared_is_a_usage_error(tmp_path: Path, message: str) -> None:
    run = keep(tmp_path, 0, small=1.0, large=4.0)
    (tmp_path / "notes.txt").write_text("dear diary")
    words = [word.replace("RUN", run).replace("FOLDER", str(tmp_path)) for word in BAD[message]]
    said = invoke(tmp_path, "compare", *words)
    assert (said.code, said.out) == (2, "")
    assert message in said.err


def test_runs_without_a_case_in_common_and_empty_ones(tmp_path: Path) -> None:
    base = keep(tmp_path, 0, small=1.0, large=4.0)
    said = invoke(tmp_path, "compare", base, keep(tmp_path, 1, tiny=1.0, huge=9.0))
    assert said.code == 2
    assert "no cell in common" in said.err
    empty = test_history.stored(2, {"small": 1.0, "large": 4.0})
    store.begin(store_of(tmp_path), empty.run)
    said = invoke(tmp_path, "compare", base, empty.run.id)
    assert said.code in (2, 3)
    assert "faster" not in said.out + said.err


def test_one_launch_only_is_no_verdict(tmp_path: Path) -> None:
    base = keep(tmp_path, 0, small=1.0)
    single = test_history.stored(1, {"small": 9.0})
    run = store.begin(store_of(tmp_path), single.run)
    store.append(run, single.trials[0])
    said = invoke(tmp_path, "compare", base, single.run.id, "--json", "-")
    told = {one["metric"]: one for one in json.loads(said.out)["comparisons"]}
    assert (told["latency_p50_s"]["side"], told["latency_p50_s"]["low"]) == ("unclear", None)
    assert told["latency_p50_s"]["ratio"] == pytest.approx(9.0, rel=0.02)
    assert "6 and 1 launches" in told["latency_p50_s"]["missing"]


def test_a_run_of_a_later_harness_is_refused(tmp_path: Path) -> None:
    base, later = keep(tmp_path, 0, small=1.0), keep(tmp_path, 1, small=1.0)
    path = store_of(tmp_path) / later / "run.json"
    path.write_text(path.read_text().replace("harness.run/1", "harness.run/9"))
    said = invoke(tmp_path, "compare", base, later)
    assert said.code == 2
    assert "harness.run/9" in said.err


def test_other_tools_results_are_sides(tmp_path: Path) -> None:
    paths = []
    for number in range(12):
        level = 1.0 if number < 6 else 1.3
        paths.append(tmp_path / f"{number}.log")
        paths[-1].write_text(files.trtexec(level * (1 + number % 6 / 100)))
    said = invoke(tmp_path, "compare", f"trtexec:{paths[0]}", f"trtexec:{paths[6]}", "--json", "-")
    told = json.loads(said.out)
    jsonschema.validate(told, schema("comparison"), jsonschema.Draft202012Validator)
    assert {one["side"] for one in told["comparisons"]} == {"unclear"}
    assert any("no process level" in lack for lack in told["baseline"]["lacks"])
    for name, part in (("old", paths[:6]), ("new", paths[6:])):
        assert invoke(tmp_path, "import", "trtexec", *part, "--json", tmp_path / f"{name}.json").code == 0
    said = invoke(tmp_path, "compare", tmp_path / "old.json", tmp_path / "new.json", "--json", "-")
    (p50,) = (one for one in json.loads(said.out)["comparisons"] if one["metric"] == "latency_p50_s")
    assert (p50["side"], p50["n"]) == ("worse", 6)
    assert p50["ratio"] == pytest.approx(1.3, rel=0.01)


def test_a_run_against_another_tool_is_refused_until_it_is_allowed(tmp_path: Path) -> None:
    run = keep(tmp_path, 0, small=1.0)
    (tmp_path / "log").write_text(files.trtexec(2.0, device="x86_64 a CPU"))
    side = f"trtexec:{tmp_path / 'log'}"
    said = invoke(tmp_path, "compare", run, side)
    assert said.code == 2
    assert "refused: tool: tool: harness in the baseline, trtexec in the candidate" in said.err
    said = invoke(tmp_path, "compare", run, side, "--allow-different")
    assert said.code == 0
    assert "unclear" in said.out
    assert "slower" not in said.out
    assert invoke(tmp_path, "compare", run, side, "--allow-different", "--match", "a=b").code == 2


def test_a_history_over_the_store(tmp_path: Path) -> None:
    levels = [1.0, 1.004, 0.997, 1.001, 0.996, 1.08, 1.085, 1.077, 1.082, 1.08]
    for number, level in enumerate(levels):
        keep(tmp_path, number, small=level)
    said = invoke(tmp_path, "history", "--json", "-")
    assert said.code == 0
    told = json.loads(said.out)
    jsonschema.validate(told, schema("history"), jsonschema.Draft202012Validator)
    (series,) = told["series"]
    (move,) = series["moves"]
    assert (move["index"], move["side"], len(series["points"])) == (5, "worse", 10)
    said = invoke(tmp_path, "history", "--suite", "scripted", "--metric", "latency_p50_s", "--metric", "latency_mean_s")
    assert said.code == 0
    assert (
        said.out.count(
            "since run-05, between 0000000000 and 0000000000".replace("between 0000000000 and 0000000000", "")
        )
        == 2
    )
    assert (
        len(json.loads(invoke(tmp_path, "history", "run-01", "run-02", "--json", "-").out)["series"][0]["points"]) == 2
    )


@pytest.mark.parametrize(("words", "code", "message"), [
    (["--suite", "absent"], 2, "there are runs of: scripted"), (["--metric", "latency_p5_s"], 2, "or latency_p50_s"),
    (["--metric", "energy_per_inference_j"], 3, "none of 1 runs holds energy_per_inference_j"),
    (["--variant", "absent"], 3, "of absent"), (["nope"], 2, "match 'nope'"),
    (["--reference", "absent"], 3, "no run holds absent"),
])  # fmt: skip
def test_a_history_of_nothing_says_so(tmp_path: Path, words: list[str], code: int, message: str) -> None:
    keep(tmp_path, 0, small=1.0)
    said = invoke(tmp_path, "history", *words)
    assert said.code == code
    assert message in said.err


def test_a_run_that_cannot_be_read_is_left_out_of_a_history(tmp_path: Path) -> None:
    keep(tmp_path, 0, small=1.0)
    later = keep(tmp_path, 1, small=1.0)
    path = store_of(tmp_path) / later / "run.json"
    path.write_text(path.read_text().replace("harness.run/1", "harness.run/9"))
    said = invoke(tmp_path, "history", "--json", "-")
    assert said.code == 0
    assert "left out: " in said.err
    assert len(json.loads(said.out)["series"][0]["points"]) == 1
    assert invoke(tmp_path, "history", later).code == 2


def test_real_scripted_runs_go_through_both(tmp_path: Path) -> None:
    suite, device = write_suite(tmp_path, {"good": script()}, launches=6), write_device(tmp_path)
    for _ in range(2):
        assert invoke(tmp_path, "run", suite, "--device", device).code == 0
    first, second = (path.name for path in runs_of(tmp_path))
    said = invoke(tmp_path, "compare", first, second, "--json", "-")
    assert said.code == 0
    told = {one["metric"]: one for one in json.loads(said.out)["comparisons"]}
    assert (told["model_size_bytes"]["side"], told["latency_p50_s"]["side"]) == ("same", "unclear")
    assert "supports no verdict" in told["latency_p50_s"]["missing"]
    said = invoke(tmp_path, "history")
    assert (said.code, "too few runs to tell (2 of 6)" in said.out) == (0, True)
