from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")

from harness.artifacts.locks import cache_folder, read_lock, verify
from harness.artifacts.onnx_file import inspect
from harness.datasets.split import Split
from harness.errors import BuildError, DataError, ModelError, UnknownName, UsageError
from harness.model.case import Suite, Variant
from harness.model.recipe import (
    Distillation,
    Initialise,
    Narrow,
    Prune,
    QuantizeAware,
    QuantizeStatic,
    Recipe,
    Sparsify,
    Train,
)
from harness.variants import build as building
from harness.variants.build import build
from harness.variants.compression.quantize import float_convolutions
from harness.variants.release import check, release
from harness.variants.workplace import Data, Site
from tests.support.pictures import pictures

TRAIN, TEST = pictures(120, seed=1), pictures(40, seed=2)
LEARN = Train("cifar10", TRAIN.sha256, epochs=2, batch=40, seed=3)
CALIBRATE = QuantizeStatic("cifar10", TRAIN.sha256, images=32, seed=0)
STUDENT = Recipe((Initialise("fast", 3), LEARN))
INT8 = Recipe((CALIBRATE,), parent=STUDENT)
ONCE = replace(LEARN, epochs=1)
TAUGHT = Recipe((replace(ONCE, distillation=Distillation((STUDENT,))),), parent=STUDENT)
SMALL = Recipe((Initialise("resnet8", 3), ONCE))
PRUNED = Recipe(
    (Prune("l1", "macs", 0.6, "cifar10", TRAIN.sha256, seed=0, rounds=2, round_to=8, tuning=ONCE),), parent=SMALL
)
SUITE = Suite(
    name="made-up",
    title="",
    variants=(
        Variant("blank", "", "reference", recipe=Recipe((Initialise("resnet8", 0),))),
        Variant("int8", "", "int8", "int8", "student", INT8),
        Variant("student", "", "student", recipe=STUDENT),
        Variant("taught", "", "distilled", parent="student", recipe=TAUGHT),
        Variant("small", "", "student", recipe=SMALL),
        Variant("pruned", "", "pruned", parent="small", recipe=PRUNED),
        Variant("pruned-int8", "", "int8", "int8", "pruned", Recipe((CALIBRATE,), parent=PRUNED)),
        Variant("aware", "", "int8", "int8", "small", Recipe((QuantizeAware(ONCE, CALIBRATE),), parent=SMALL)),
        Variant("half", "", "fp16", "fp16", "small", Recipe((Narrow("fp16"),), parent=SMALL)),
        Variant("sparse", "", "sparse", parent="small", recipe=Recipe((Sparsify(0.5),), parent=SMALL)),
        Variant("brought", "", "user", file="somebody.onnx"),
    ),
)


def ignore(_line: str) -> None:
    """Progress that nobody reads."""


def made_up(train: Split = TRAIN) -> Data:
    return Data(lambda _: train, lambda _: TEST)


def no_data(_name: str) -> Split:
    raise DataError("the data is not needed for this")


def site(cache: Path, data: Data | None = None, report: Callable[[str], None] = ignore, suite: Suite = SUITE) -> Site:
    return Site(suite, data or made_up(), cache, None, report)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    build(site(folder), ["int8"])
    return folder


def test_parents_are_built_first_and_once(cache: Path) -> None:
    lines: list[str] = []
    built = build(site(cache, report=lines.append), ["int8", "student"])
    assert list(built) == ["student", "int8"]
    assert lines == [
        f"student: found {STUDENT.id} in the cache",
        f"int8: found {INT8.id} in the cache",
    ]


def test_facts_of_trained_and_quantized(cache: Path) -> None:
    built = build(site(cache, Data(no_data, no_data)), ["int8"])
    student, int8 = built["student"], built["int8"]
    assert (student.precision, int8.precision) == ("fp32", "int8")
    assert student.parameters == int8.parameters == 1_959_488
    assert student.macs == int8.macs == 77_269_504
    assert (student.parent, int8.parent) == (None, "student")
    assert (student.seed, int8.seed, int8.network) == (3, 0, "fast")
    assert student.accuracy is not None
    assert student.accuracy.images == 40
    low, high = student.accuracy_interval
    assert low < student.accuracy.top1 < high
    assert int8.agreement_with_parent is not None
    assert int8.agreement_with_parent >= 0.9
    assert student.agreement_with_parent is None
    assert student.dataset_sha256 == TRAIN.sha256
    assert student.signature is not None
    assert len(student.signature.values) == 10
    assert student.build_s is not None
    assert student.build_s > 0
    assert "onnxruntime" in student.versions
    assert student.versions["cpu_vnni"] in ("yes", "no", "unknown")


def test_a_distilled_variant_is_compared_with_its_teacher(cache: Path) -> None:
    facts = build(site(cache), ["taught"])["taught"]
    assert facts.agreement_with_teacher is not None
    assert facts.agreement_with_teacher == facts.agreement_with_parent  # here the parent teaches


@pytest.fixture(scope="module")
def compressed(cache: Path) -> Path:
    build(site(cache), ["pruned-int8", "aware", "half", "sparse"])
    return cache


def test_every_kind_of_step_is_carried_out(compressed: Path) -> None:
    facts = build(site(compressed), ["pruned-int8", "aware", "half", "sparse"])
    assert {name: one.precision for name, one in facts.items()} == {
        "small": "fp32",
        "pruned": "fp32",
        "pruned-int8": "int8",
        "aware": "int8",
        "half": "fp16",
        "sparse": "fp32",
    }
    macs = {name: one.macs or 0 for name, one in facts.items()}
    assert macs["pruned"] <= 0.6 * macs["small"]
    assert macs["pruned-int8"] == macs["pruned"]
    assert macs["sparse"] == macs["half"] == macs["aware"] == macs["small"]
    assert all(one.accuracy is not None for one in facts.values())


def test_a_child_is_made_from_a_released_parent_without_its_training(cache: Path, tmp_path: Path) -> None:
    release(site(cache), ["student"], tmp_path)
    lines: list[str] = []
    elsewhere = replace(site(tmp_path / "other", report=lines.append), released=tmp_path)
    again = build(elsewhere, ["int8"])["int8"]
    assert lines[0] == f"student: found {STUDENT.id} in the released artifacts"
    assert again.sha256 == build(site(cache), ["int8"])["int8"].sha256


def test_the_file_says_what_it_is(cache: Path) -> None:
    metadata = inspect(cache_folder(cache, INT8.id) / "model.onnx", {}).metadata
    assert (metadata["variant"], metadata["recipe"]) == ("int8", INT8.id)
    assert "airplane" in metadata["classes"]
    assert "normalization is inside" in metadata["input"]


def test_no_float_convolution_is_left(cache: Path) -> None:
    assert float_convolutions(cache_folder(cache, INT8.id) / "model.onnx") == []


def test_building_twice_gives_the_same_bytes(compressed: Path, tmp_path: Path) -> None:
    again = build(site(tmp_path), ["pruned-int8"])
    for facts in again.values():
        assert facts.recipe_id is not None
        first = cache_folder(compressed, facts.recipe_id) / "model.onnx"
        assert first.read_bytes() == (cache_folder(tmp_path, facts.recipe_id) / "model.onnx").read_bytes()


def test_random_weights_need_no_data_and_claim_no_accuracy(tmp_path: Path) -> None:
    facts = build(site(tmp_path, Data(no_data, no_data)), ["blank"])["blank"]
    assert facts.accuracy is None
    assert facts.accuracy_missing == "not trained: random weights"


def test_release_copies_and_locks(cache: Path, tmp_path: Path) -> None:
    build(site(cache), ["blank"])
    released = release(site(cache), ["blank", "student", "int8"], tmp_path)
    assert list(released) == ["student", "int8"]  # random weights stay in the cache
    lock = read_lock(tmp_path / "made-up.lock.json")
    assert {name: facts.file for name, facts in lock.items()} == {
        "student": "made-up/student.onnx",
        "int8": "made-up/int8.onnx",
    }
    for facts in lock.values():
        verify(facts, tmp_path)


def test_what_is_released_is_proved_again(cache: Path, tmp_path: Path) -> None:
    release(site(cache), ["student", "int8"], tmp_path)
    (tmp_path / "fresh").mkdir()
    fresh = replace(site(tmp_path / "fresh"), released=tmp_path)
    rows = check(fresh, [], tmp_path)
    assert all(row.good for row in rows)
    assert [(row.variant, row.what) for row in rows] == [
        ("int8", "hash"),
        ("int8", "recipe"),
        ("int8", "accuracy"),
        ("int8", "built again"),
        ("student", "hash"),
        ("student", "recipe"),
        ("student", "accuracy"),
    ]
    assert [row.found for row in rows if row.what == "built again"] == ["the same bytes"]


def test_a_lie_in_the_lock_is_found(cache: Path, tmp_path: Path) -> None:
    released = release(site(cache), ["student"], tmp_path)["student"]
    lock = tmp_path / "made-up.lock.json"
    claimed = f'"correct": {released.accuracy.correct}' if released.accuracy else ""
    text = lock.read_text("utf-8")
    assert claimed in text
    lock.write_text(text.replace(claimed, '"correct": 39').replace(STUDENT.id, "0" * 16), "utf-8")
    with (tmp_path / released.file).open("ab") as file:
        file.write(b"\x72\x00")  # one more, empty field: another hash, the same model
    rows = check(site(cache), ["student", "taught"], tmp_path)
    assert {(row.variant, row.what): row.good for row in rows} == {
        ("student", "hash"): False,
        ("student", "recipe"): False,
        ("student", "accuracy"): False,
        ("taught", "released"): False,
    }


def test_release_of_what_was_not_built(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"student is not in the cache .*harness build --variant student"):
        release(site(tmp_path), ["student"], tmp_path)


def test_altered_cache_is_noticed(tmp_path: Path) -> None:
    facts = build(site(tmp_path), ["blank"])["blank"]
    assert facts.recipe_id is not None
    with (cache_folder(tmp_path, facts.recipe_id) / "model.onnx").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ModelError, match=r"model\.onnx was altered"):
        build(site(tmp_path), ["blank"])


def test_other_data_than_the_recipes(tmp_path: Path) -> None:
    other = pictures(10, seed=9)
    with pytest.raises(DataError, match=rf"the recipe is for .*{TRAIN.sha256}.*{other.sha256}"):
        build(site(tmp_path, made_up(other)), ["student"])


def test_too_little_room_is_said_before_anything_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "ROOM_BYTES", 1 << 60)
    with pytest.raises(BuildError, match=r"MB left, and a build may need .*--cache"):
        build(site(tmp_path), ["blank"])


def test_a_missing_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    large = Variant("large", "", "reference", recipe=Recipe((Initialise("resnet50-cifar", 0),)))
    with pytest.raises(
        BuildError, match=r"large: making a network needs the extra: pip install 'edge-harness\[build\]'"
    ):
        build(site(tmp_path, suite=replace(SUITE, variants=(large,))), ["large"])


def test_wrong_names_and_contradictions(tmp_path: Path) -> None:
    def attempt(suite: Suite, name: str) -> None:
        build(site(tmp_path, suite=suite), [name])

    with pytest.raises(UnknownName, match="no variant of suite made-up is called 'studnt'; did you mean student"):
        attempt(SUITE, "studnt")
    with pytest.raises(UsageError, match="brought has no recipe"):
        attempt(SUITE, "brought")
    blank, int8, _, taught, small, *_ = SUITE.variants
    with pytest.raises(UsageError, match="recipe of int8 starts from another recipe than its parent blank"):
        attempt(replace(SUITE, variants=(blank, replace(int8, parent="blank"))), "int8")
    with pytest.raises(UsageError, match="blank is its own ancestor"):
        attempt(replace(SUITE, variants=(replace(blank, parent="blank"),)), "blank")
    orphan = replace(
        taught, parent=None, recipe=replace(TAUGHT, parent=None, steps=(Initialise("fast", 0), *TAUGHT.steps))
    )
    with pytest.raises(UsageError, match=r"taught learns from recipe .*; add the teacher as a variant"):
        attempt(replace(SUITE, variants=(blank, orphan)), "taught")
    small_int8 = Variant("small-int8", "", "int8", "int8", "small", Recipe((CALIBRATE,), parent=SMALL))
    backwards = Variant("odd", "", "odd", parent="small-int8", recipe=Recipe((ONCE,), parent=small_int8.recipe))
    with pytest.raises(BuildError, match=r"the weights of recipe .* are not at .*weights\.pt"):
        attempt(replace(SUITE, variants=(small, small_int8, backwards)), "odd")
