from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")

from harness.artifacts.locks import cache_folder, read_lock, verify
from harness.artifacts.onnx_file import inspect
from harness.datasets.cifar10 import Split
from harness.errors import BuildError, DataError, ModelError, UnknownName, UsageError
from harness.model.case import Suite, Variant
from harness.model.recipe import Initialise, QuantizeStatic, Recipe, TrainRecipe
from harness.variants.build import Data, build_from, release
from harness.variants.quantize import float_convolutions
from tests.support.pictures import pictures

TRAIN, TEST = pictures(120, seed=1), pictures(40, seed=2)
DATA = Data(lambda: TRAIN, lambda: TEST)
STUDENT = Recipe((TrainRecipe("fast", "made up", TRAIN.sha256, epochs=2, batch=40, seed=3),))
INT8 = Recipe((QuantizeStatic("made up", TRAIN.sha256, images=32, seed=0),), parent=STUDENT)
SUITE = Suite(
    name="made-up",
    title="",
    variants=(
        Variant("blank", "", "teacher", recipe=Recipe((Initialise("fast", 0),))),
        Variant("int8", "", "int8", "int8", "student", INT8),
        Variant("student", "", "student", recipe=STUDENT),
        Variant("brought", "", "user", file="somebody.onnx"),
    ),
)


def no_data() -> Split:
    raise DataError("the data is not needed for this")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    build_from(SUITE, ["int8"], DATA, folder, lambda _: None)
    return folder


def test_parents_are_built_first_and_once(cache: Path) -> None:
    lines: list[str] = []
    built = build_from(SUITE, ["int8", "student"], DATA, cache, lines.append)
    assert list(built) == ["student", "int8"]
    assert lines == [
        f"student: found {STUDENT.id} in the cache",
        f"int8: found {INT8.id} in the cache",
    ]


def test_facts_of_trained_and_quantized(cache: Path) -> None:
    built = build_from(SUITE, ["int8"], Data(no_data, no_data), cache, lambda _: None)
    student, int8 = built["student"], built["int8"]
    assert (student.precision, int8.precision) == ("fp32", "int8")
    assert student.parameters == int8.parameters == 1_959_488
    assert student.macs == int8.macs == 77_269_504
    assert (student.parent, int8.parent) == (None, "student")
    assert (student.seed, int8.seed, int8.network) == (3, 0, "fast")
    assert student.accuracy is not None
    assert student.accuracy.images == 40
    assert int8.agreement_with_parent is not None
    assert int8.agreement_with_parent >= 0.9
    assert student.agreement_with_parent is None
    assert student.signature is not None
    assert len(student.signature.values) == 10
    assert student.build_s is not None
    assert student.build_s > 0
    assert "onnxruntime" in student.versions
    assert student.versions["cpu_vnni"] in ("yes", "no", "unknown")


def test_the_file_says_what_it_is(cache: Path) -> None:
    metadata = inspect(cache_folder(cache, INT8.id) / "model.onnx", {}).metadata
    assert (metadata["variant"], metadata["recipe"]) == ("int8", INT8.id)
    assert "airplane" in metadata["classes"]
    assert "normalization is inside" in metadata["input"]


def test_no_float_convolution_is_left(cache: Path) -> None:
    assert float_convolutions(cache_folder(cache, INT8.id) / "model.onnx") == []


def test_building_twice_gives_the_same_bytes(cache: Path, tmp_path: Path) -> None:
    again = build_from(SUITE, ["int8"], DATA, tmp_path, lambda _: None)
    for facts in again.values():
        assert facts.recipe_id is not None
        first = cache_folder(cache, facts.recipe_id) / "model.onnx"
        assert first.read_bytes() == (cache_folder(tmp_path, facts.recipe_id) / "model.onnx").read_bytes()


def test_random_weights_need_no_data_and_claim_no_accuracy(tmp_path: Path) -> None:
    facts = build_from(SUITE, ["blank"], Data(no_data, no_data), tmp_path, lambda _: None)["blank"]
    assert facts.accuracy is None
    assert facts.accuracy_missing == "not trained: random weights"


def test_release_copies_and_locks(cache: Path, tmp_path: Path) -> None:
    released = release(SUITE, ["blank", "student", "int8"], cache, tmp_path)
    assert list(released) == ["student", "int8"]  # random weights stay in the cache
    lock = read_lock(tmp_path / "made-up.lock.json")
    assert {name: facts.file for name, facts in lock.items()} == {
        "student": "made-up/student.onnx",
        "int8": "made-up/int8.onnx",
    }
    for facts in lock.values():
        verify(facts, tmp_path)


def test_release_of_what_was_not_built(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"student is not in the cache .*harness build --variant student"):
        release(SUITE, ["student"], tmp_path, tmp_path)


def test_altered_cache_is_noticed(tmp_path: Path) -> None:
    facts = build_from(SUITE, ["blank"], DATA, tmp_path, lambda _: None)["blank"]
    assert facts.recipe_id is not None
    with (cache_folder(tmp_path, facts.recipe_id) / "model.onnx").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ModelError, match=r"model\.onnx was altered"):
        build_from(SUITE, ["blank"], DATA, tmp_path, lambda _: None)


def test_other_data_than_the_recipes(tmp_path: Path) -> None:
    other = pictures(10, seed=9)
    with pytest.raises(DataError, match=rf"student is made from .*{TRAIN.sha256}.*{other.sha256}"):
        build_from(SUITE, ["student"], Data(lambda: other, lambda: TEST), tmp_path, lambda _: None)


def test_a_missing_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    teacher = Variant("large", "", "teacher", recipe=Recipe((Initialise("resnet50_cifar", 0),)))
    with pytest.raises(
        BuildError, match=r"large: making a network needs the extra: pip install 'edge-harness\[build\]'"
    ):
        build_from(replace(SUITE, variants=(teacher,)), ["large"], DATA, tmp_path, lambda _: None)


def test_wrong_names_and_contradictions(tmp_path: Path) -> None:
    def attempt(suite: Suite, name: str) -> None:
        build_from(suite, [name], DATA, tmp_path, lambda _: None)

    with pytest.raises(UnknownName, match="no variant of suite made-up is called 'studnt'; did you mean student"):
        attempt(SUITE, "studnt")
    with pytest.raises(UsageError, match="brought has no recipe"):
        attempt(SUITE, "brought")
    blank, int8, *_ = SUITE.variants
    with pytest.raises(UsageError, match="recipe of int8 starts from another recipe than its parent blank"):
        attempt(replace(SUITE, variants=(blank, replace(int8, parent="blank"))), "int8")
    with pytest.raises(UsageError, match="blank is its own ancestor"):
        attempt(replace(SUITE, variants=(replace(blank, parent="blank"),)), "blank")
