"""What is recorded of a file beyond top-1 reaches the cases that ran exactly that file, and no other."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.artifacts.locks import read_lock
from harness.artifacts.quality_file import Qualities, recorded_pairs, recorded_qualities, write_qualities
from harness.model.quality import Paired
from harness.places import builtin
from harness.plan import Resolved
from harness.registry import load_suite
from harness.report.summary import summary_json
from harness.resolve import adhoc_suite, resolve
from harness.stages import with_recorded
from tests.support.example_outputs import counts_of, quality_of
from tests.support.example_run import example_case, example_run

FAST = quality_of("fast", example_case("fast").artifact_sha256, counts_of("fast"))


@pytest.fixture
def suites(tmp_path: Path) -> Path:
    other = quality_of("wide", "b" * 64, counts_of("wide"))
    write_qualities(tmp_path / "one.quality.json", Qualities(0, (FAST,)))
    write_qualities(tmp_path / "two.quality.json", Qualities(0, (other,)))
    return tmp_path


def test_all_files_of_the_folder_are_read(suites):
    assert recorded_qualities(suites) == {
        FAST.sha256: FAST,
        "b" * 64: quality_of("wide", "b" * 64, counts_of("wide")),
    }
    assert recorded_qualities(suites / "none") == {}


def test_only_the_very_file_gets_what_is_recorded(suites):
    result, _ = example_run()
    found = {one.case.variant: one.quality for one in with_recorded(result, suites).cases}
    assert found == {"fast": FAST, "fast-int8": None, "sketch": None, "wide": None}


def test_pairs_come_with_the_second_file_of_each(tmp_path):
    small = example_case("fast-int8").artifact_sha256
    pair = Paired(
        "fast", "fast-int8", FAST.sha256, small, "cifar10-test", "d" * 64, 100, 3, 1, 0.6, -0.02, -0.06, 0.02,
    )  # fmt: skip
    write_qualities(tmp_path / "one.quality.json", Qualities(0, (FAST,), (pair,)))
    assert recorded_pairs(tmp_path) == {pair.b_sha256: (pair,)}
    result, _ = example_run()
    found = {one.case.variant: one.paired for one in with_recorded(result, tmp_path).cases}
    assert found == {"fast": (), "fast-int8": (pair,), "sketch": (), "wide": ()}


def test_what_a_backend_made_of_a_file_is_another_model(suites):
    result, _ = example_run(("fast",))
    narrowed = replace(result.cases[0], case=replace(result.cases[0].case, precision="int8"))
    assert with_recorded(replace(result, cases=(narrowed,)), suites).cases[0].quality is None


def test_a_damaged_record_is_a_note_and_nothing_else(suites):
    (suites / "one.quality.json").write_text("{", "utf-8")
    result, _ = example_run()
    found = with_recorded(result, suites)
    assert found.cases == result.cases
    assert "beyond top-1 is left out" in found.notes[-1]
    assert "one.quality.json is not valid JSON" in found.notes[-1]


def test_it_is_not_in_the_summary_for_other_programs(suites):
    result, _ = example_run()
    assert summary_json(with_recorded(result, suites)) == summary_json(result)


def test_the_released_artifacts_of_the_default_suite_are_recorded():
    suite, folder = load_suite("cifar10")
    locked = read_lock(folder.with_suffix(".lock.json"))
    assert {facts.sha256 for facts in locked.values()} <= set(recorded_qualities(builtin()["suites"]))
    assert suite.name == "cifar10"


def test_a_plan_knows_what_the_bytes_of_a_file_hold(tmp_path):
    suite, folder = load_suite("cifar10")
    released = resolve(suite, folder, tmp_path).artifacts["fast-pruned-int8"]
    own = folder / "fast-pruned-int8.onnx"
    brought = resolve(adhoc_suite((str(own),), {}), tmp_path / "none", tmp_path).artifacts["fast-pruned-int8"]
    for resolved in (released, brought):
        assert isinstance(resolved, Resolved)
        facts = resolved.facts
        assert sum(part.size_bytes for part in facts.composition) == facts.size_bytes == own.stat().st_size
