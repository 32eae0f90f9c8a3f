"""What `build --check` finds of a release, true or false, with and without the images it was judged by."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from harness.artifacts.locks import ENTRY, MODEL, cache_folder, read_lock, write_entry, write_lock
from harness.artifacts.onnx_file import inspect
from harness.artifacts.quality_file import write_qualities
from harness.cli import main
from harness.datasets.split import Split
from harness.errors import DataError, UnknownName
from harness.model.case import Accuracy, ArtifactFacts, Suite, Variant
from harness.model.recipe import Initialise, Narrow, QuantizeStatic, Recipe, Train
from harness.variants.build import build
from harness.variants.proof import Check, check, check_files
from harness.variants.quality.suite import How, judge_suite
from harness.variants.release import release
from harness.variants.workplace import Data, Site
from tests.support.models import tiny
from tests.support.pictures import pictures

TRAIN, TEST = pictures(120, seed=1), pictures(40, seed=2)
SMALL = Recipe((Initialise("resnet8", 3), Train("cifar10", TRAIN.sha256, epochs=2, batch=40, seed=3)))
INT8 = Recipe((QuantizeStatic("cifar10", TRAIN.sha256, images=32, seed=0),), parent=SMALL)
SUITE = Suite(
    name="made-up",
    title="",
    variants=(
        Variant("small", "", "student", recipe=SMALL),
        Variant("int8", "", "int8", "int8", "small", INT8),
        Variant("bf16", "", "bf16", "bf16", "small", Recipe((Narrow("bf16"),), parent=SMALL)),
        Variant("blank", "", "reference", recipe=Recipe((Initialise("resnet8", 0),))),
        Variant("brought", "", "user", file="somebody.onnx"),
    ),
)
GOOD = {
    ("bf16", "built again"),
    ("int8", "accuracy"),
    ("int8", "agreement with parent"),
    ("int8", "built again"),
    ("int8", "interval"),
    ("small", "accuracy"),
    ("small", "interval"),
    *((name, what) for name in ("small", "int8", "bf16") for what in ("hash", "recipe", "counts")),
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    build(site(folder), ["int8", "bf16", "blank"])
    return folder


@pytest.fixture
def shelf(cache: Path, tmp_path: Path) -> Path:
    """A folder of suites with everything released that can be."""
    release(site(cache), ["small", "int8", "bf16", "blank"], tmp_path / "suites")
    return tmp_path / "suites"


def absent(_name: str) -> Split:
    raise DataError("there is no cifar10 in /nowhere")


def site(cache: Path, suite: Suite = SUITE, data: Data | None = None) -> Site:
    return Site(suite, data or Data(lambda _: TRAIN, lambda _: TEST), cache, None, lambda _: None)


def lie(shelf: Path, name: str, **changes: Any) -> None:
    path = shelf / "made-up.lock.json"
    write_entry(path, replace(read_lock(path)[name], **changes))


def locked(shelf: Path, name: str) -> ArtifactFacts:
    return read_lock(shelf / "made-up.lock.json")[name]


def states(rows: list[Check]) -> Mapping[tuple[str, str], str]:
    assert len({(row.variant, row.what) for row in rows}) == len(rows)
    return {(row.variant, row.what): row.state for row in rows}


def wrong(rows: list[Check]) -> dict[tuple[str, str], str]:
    return {key: state for key, state in states(rows).items() if state != "good"}


def found(rows: list[Check], name: str, what: str) -> str:
    (row,) = [row for row in rows if (row.variant, row.what) == (name, what)]
    return row.found


def test_what_is_released_is_proved_files_first(shelf: Path, tmp_path: Path) -> None:
    rows = check(site(tmp_path / "fresh"), [], shelf)
    assert wrong(rows) == {}
    assert set(states(rows)) == GOOD
    assert [row.what for row in rows][:9] == ["hash", "recipe", "counts"] * 3
    assert found(rows, "int8", "built again") == "the same bytes"


@pytest.mark.parametrize(
    ("changes", "what", "shown"),
    [
        ({"size_bytes": 1}, "counts", "locked 1"),
        ({"parameters": 1, "macs": 2}, "counts", "parameters 77"),
        ({"precision": "fp32"}, "counts", "precision int8, locked fp32"),
        ({"recipe_id": "0" * 16}, "recipe", "locked 0000000000000000"),
        ({"accuracy": Accuracy(1, 40, "cifar10"), "accuracy_interval": (0.004, 0.129)}, "accuracy", "locked 2.50%"),
        ({"accuracy": Accuracy(0, 0, "cifar10")}, "accuracy", "locked 0 of 0 images"),
        ({"accuracy": None}, "accuracy", "locked none"),
        ({"accuracy_interval": (0.2, 0.3)}, "interval", "locked 20.00% to 30.00%"),
        ({"accuracy_interval": ()}, "interval", "locked none"),
        ({"agreement_with_parent": 0.1234}, "agreement with parent", "locked 12.34%"),
        ({"agreement_with_parent": None}, "agreement with parent", "locked none"),
        ({"agreement_with_teacher": 0.9}, "agreement with teacher", "there is no trained teacher"),
    ],
)
def test_a_lie_about_a_figure_is_found(
    changes: dict[str, Any], what: str, shown: str, shelf: Path, cache: Path
) -> None:
    lie(shelf, "int8", **changes)
    rows = check(site(cache), ["int8"], shelf)
    assert states(rows)["int8", what] == "BAD"
    assert shown in found(rows, "int8", what)


def test_an_accuracy_of_what_does_not_run_here_is_a_lie(shelf: Path, cache: Path) -> None:
    lie(shelf, "bf16", accuracy=Accuracy(40, 40, "cifar10"))
    assert wrong(check(site(cache), ["bf16"], shelf)) == {("bf16", "accuracy"): "BAD"}


def append(shelf: Path, name: str) -> None:
    """Other bytes of the same model, as the lock has it too."""
    path = shelf / f"made-up/{name}.onnx"
    with path.open("ab") as file:
        file.write(b"\x72\x00")
    facts = inspect(path, {})
    lie(shelf, name, sha256=facts.sha256, size_bytes=facts.size_bytes)


@pytest.mark.parametrize(
    ("package", "state"), [("torch", "BAD"), ("torch-pruning", "BAD"), ("onnx", "not proved"), ("numpy", "not proved")]
)
def test_only_what_writes_the_bytes_excuses_others(package: str, state: str, shelf: Path, cache: Path) -> None:
    append(shelf, "int8")
    lie(shelf, "int8", versions={**locked(shelf, "int8").versions, package: "0.1"})
    rows = check(site(cache), ["int8"], shelf)
    assert wrong(rows) == {("int8", "built again"): state}
    assert (f"{package} 0.1 -> " in found(rows, "int8", "built again")) == (state == "not proved")


def test_another_model_under_the_name_is_found(shelf: Path, cache: Path) -> None:
    path = tiny(shelf / "made-up/int8.onnx")
    facts = inspect(path, {})
    lie(shelf, "int8", sha256=facts.sha256, size_bytes=facts.size_bytes, parameters=facts.parameters, macs=facts.macs)
    found_wrong = wrong(check(site(cache), ["int8", "small"], shelf))
    assert found_wrong["int8", "recipe in the file"] == "BAD"
    assert {name for name, _ in found_wrong} == {"int8"}


def test_every_trained_variant_has_to_be_released(shelf: Path, cache: Path) -> None:
    lock = shelf / "made-up.lock.json"
    write_lock(lock, [locked(shelf, "small")])
    assert wrong(check(site(cache), [], shelf)) == {("bf16", "released"): "BAD", ("int8", "released"): "BAD"}
    lock.unlink()
    rows = check(site(cache), [], shelf)
    assert wrong(rows) == {(name, "released"): "BAD" for name in ("bf16", "int8", "small")}
    assert "harness build made-up --variant small --release" in found(rows, "small", "released")


def test_what_is_never_released_is_nothing_to_prove(shelf: Path, cache: Path) -> None:
    random = replace(SUITE, name="random", variants=SUITE.variants[3:])
    assert check(site(cache, random), [], shelf) == []
    assert wrong(check(site(cache), ["blank"], shelf)) == {("blank", "released"): "not proved"}
    with pytest.raises(UnknownName, match="is called 'smal'; did you mean small"):
        check_files(site(cache), ["smal"], shelf)


def test_bad_entries_hide_no_others(shelf: Path, cache: Path) -> None:
    lie(shelf, "small", variant="dropped")
    lie(shelf, "small", variant="brought")
    lie(shelf, "small", variant="outside", file="../small.onnx")
    (shelf / "made-up/bf16.onnx").unlink()
    (shelf / "made-up/int8.onnx").write_bytes(b"no model")
    rows = check(site(cache), [], shelf)
    assert wrong(rows) == {
        ("bf16", "hash"): "BAD",
        ("bf16", "built again"): "not proved",
        ("brought", "recipe"): "BAD",
        ("dropped", "recipe"): "BAD",
        ("int8", "hash"): "BAD",
        ("int8", "counts"): "BAD",
        ("int8", "accuracy"): "BAD",
        ("int8", "built again"): "not proved",
        ("outside", "hash"): "BAD",
    }
    assert "the suite has no such variant" in found(rows, "dropped", "recipe")
    assert "bf16.onnx" in found(rows, "bf16", "hash")
    assert "leads out of" in found(rows, "outside", "hash")
    assert states(rows)["small", "accuracy"] == "good"


def test_without_images_the_files_are_still_checked(shelf: Path, cache: Path) -> None:
    blind = site(cache, data=Data(absent, absent))
    rows = check(blind, [], shelf)
    assert wrong(rows) == {
        ("int8", "accuracy"): "not proved",
        ("int8", "built again"): "not proved",
        ("small", "accuracy"): "not proved",
    }
    assert found(rows, "small", "accuracy").startswith("no data, give --data DIR (there is no cifar10 in /nowhere)")
    assert states(rows)["int8", "hash"] == "good"
    with pytest.raises(DataError, match="no cifar10 in /nowhere"):
        check(blind, [], shelf, data_named=True)


def test_the_parent_is_the_released_one_whatever_the_cache_holds(shelf: Path, cache: Path, tmp_path: Path) -> None:
    """A cache with other weights under the parent's recipe, which would give the child other bytes."""
    stranger = cache_folder(cache, SUITE.variants[3].recipe.id)  # type: ignore[union-attr]
    mine = cache_folder(tmp_path / "cache", SMALL.id)
    mine.mkdir(parents=True)
    shutil.copyfile(stranger / MODEL, mine / MODEL)
    facts = next(iter(read_lock(stranger / ENTRY).values()))
    write_lock(mine / ENTRY, [replace(facts, recipe_id=SMALL.id)])
    assert site(tmp_path / "cache").built(SMALL) is not None
    assert wrong(check(site(tmp_path / "cache"), [], shelf)) == {}


def test_a_parent_that_is_not_released_leaves_it_unproved(shelf: Path, cache: Path) -> None:
    write_lock(shelf / "made-up.lock.json", [locked(shelf, "int8")])
    rows = check(site(cache), ["int8"], shelf)
    assert wrong(rows) == {("int8", "agreement with parent"): "not proved", ("int8", "built again"): "not proved"}
    assert SMALL.id in found(rows, "int8", "built again")


SUITE_FILE = """
from tests.build.test_checking import SUITE as WHOLE
from dataclasses import replace
SUITE = replace(WHOLE, name="{name}", dataset="cifar10", variants=WHOLE.variants[{first}:])
"""


def command(folder: Path, name: str, first: int, *arguments: str) -> int:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(SUITE_FILE.format(name=name, first=first), "utf-8")
    return main([*arguments[:1], str(folder / f"{name}.py"), *arguments[1:], "--cache", str(folder / "cache")])


def test_the_command_says_that_nothing_is_released(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(tmp_path, "random", 3, "build", "--check") == 0
    assert "random releases nothing: none of its variants is trained" in capsys.readouterr().out


def test_the_command_ends_with_3_where_a_proof_is_missing(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(shelf, "made-up", 0, "build", "--check") == 3
    shown = capsys.readouterr().out
    assert shown.count("not proved") == 3
    assert "BAD" not in shown
    assert command(shelf, "made-up", 0, "build", "--check", "--data", str(shelf / "nowhere")) == 2
    shown = capsys.readouterr()
    assert shown.out.count("good") == 9  # hash, recipe and counts of three, before the data was missed
    assert "nowhere" in shown.err


def test_judging_one_variant_under_other_conditions_is_refused_at_once(
    shelf: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = shelf / "made-up.quality.json"
    write_qualities(path, judge_suite(site(cache), [], How(("fog",), images=20, seed=0)))
    before = path.read_bytes()
    ask = ("judge", "--variant", "int8", "--release", "--corruption", "fog")
    assert command(shelf, "made-up", 0, *ask, "--images", "20", "--seed", "1") == 2  # there are no images to read
    assert "holds small, judged with --seed 0 --images 20 and the corruptions fog" in capsys.readouterr().err
    assert command(shelf, "made-up", 0, *ask, "--images", "20") == 2
    assert "judged with" not in capsys.readouterr().err  # this one got as far as the data
    assert path.read_bytes() == before
