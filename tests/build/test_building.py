from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")

from harness.artifacts.locks import ENTRY, cache_folder, read_lock, verify, write_entry
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
from harness.variants.build import build, recipe_of
from harness.variants.compression import quantize, sensitivity
from harness.variants.compression.quantize import float_convolutions
from harness.variants.describe import compared
from harness.variants.release import release
from harness.variants.workplace import WEIGHTS, Data, Site
from tests.build.test_sensitivity import IMAGES, STEP, coarse
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


def test_release_of_what_was_not_built(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"student is not in the cache .*harness build made-up --variant student"):
        release(site(tmp_path), ["student"], tmp_path)


def damage(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"\x72\x00")  # one more, empty field: another hash, the same model


def test_an_altered_cache_is_reported_and_built_again(tmp_path: Path) -> None:
    facts = build(site(tmp_path), ["blank"])["blank"]
    assert facts.recipe_id is not None
    damage(cache_folder(tmp_path, facts.recipe_id) / "model.onnx")
    lines: list[str] = []
    again = build(site(tmp_path, report=lines.append), ["blank"])["blank"]
    assert again.sha256 == facts.sha256
    assert len(lines) == 2
    assert "taken for missing: " in lines[0]
    assert "model.onnx was altered" in lines[0]
    assert lines[1] == f"blank: building {facts.recipe_id}"


@pytest.mark.parametrize("entry", ["<<<<<<< ours", '{"schema": "harness.lock/1", "artifacts": [{}]}'])
def test_an_entry_that_cannot_be_read_is_built_again(entry: str, tmp_path: Path) -> None:
    facts = build(site(tmp_path), ["blank"])["blank"]
    path = cache_folder(tmp_path, str(facts.recipe_id)) / ENTRY
    path.write_text(entry, "utf-8")
    assert build(site(tmp_path), ["blank"])["blank"].sha256 == facts.sha256
    assert read_lock(path)["blank"].sha256 == facts.sha256


def test_an_altered_release_names_the_command_that_mends_it(cache: Path, tmp_path: Path) -> None:
    shelf, fresh = tmp_path / "suites", tmp_path / "cache"
    released = release(site(cache), ["student", "int8"], shelf)
    damage(shelf / released["int8"].file)
    elsewhere = replace(site(fresh), released=shelf)
    with pytest.raises(ModelError, match=r"harness build made-up --variant int8 --anew --release$"):
        build(elsewhere, ["int8"])
    build(elsewhere, ["int8"], anew=True)
    assert release(elsewhere, ["int8"], shelf)["int8"].sha256 == released["int8"].sha256
    verify(released["int8"], shelf)


def test_a_fresh_cache_keeps_what_is_released(cache: Path, tmp_path: Path) -> None:
    shelf = tmp_path / "suites"
    released = release(site(cache), ["student", "int8"], shelf)
    text = (shelf / "made-up.lock.json").read_text("utf-8")
    lines: list[str] = []
    fresh = replace(site(tmp_path / "cache", report=lines.append), released=shelf)
    build(fresh, ["int8"])
    assert release(fresh, ["student", "int8"], shelf) == released
    assert lines[-2:] == ["student: stays as released", "int8: stays as released"]
    assert (shelf / "made-up.lock.json").read_text("utf-8") == text
    damage(shelf / "made-up" / "int8.onnx")
    with pytest.raises(ModelError, match=r"int8\.onnx was altered.*--anew --release"):
        release(fresh, ["int8"], shelf)


def other_weights(cache: Path, shelf: Path) -> None:
    """Put a student of the same recipe but other bytes into the release."""
    facts = release(site(cache), ["student"], shelf)["student"]
    damage(shelf / facts.file)
    found = inspect(shelf / facts.file, {})
    write_entry(shelf / "made-up.lock.json", replace(facts, sha256=found.sha256, size_bytes=found.size_bytes))


def test_a_child_of_another_parent_than_the_released_one_is_refused(cache: Path, tmp_path: Path) -> None:
    other_weights(cache, tmp_path)
    before = (tmp_path / "made-up.lock.json").read_bytes()
    with pytest.raises(BuildError, match=r"int8 was made from a student .*--variant student --variant int8 --release"):
        release(site(cache), ["int8"], tmp_path)
    assert (tmp_path / "made-up.lock.json").read_bytes() == before
    assert list(release(site(cache), ["student", "int8"], tmp_path)) == ["student", "int8"]


def test_a_parent_is_not_replaced_under_its_released_child(cache: Path, tmp_path: Path) -> None:
    release(site(cache), ["student", "int8"], tmp_path)
    other_weights(cache, tmp_path)
    fresh = tmp_path / "cache"
    shutil.copytree(cache_folder(cache, STUDENT.id), cache_folder(fresh, STUDENT.id))
    with pytest.raises(BuildError, match="int8 was made from a student"):
        release(site(fresh), ["student"], tmp_path)


def test_weights_of_another_recipe_are_refused(tmp_path: Path) -> None:
    """Both begin as the same network, so that its origin cannot tell them apart."""
    child = Variant("sparse", "", "sparse", parent="small", recipe=Recipe((Sparsify(0.5),), parent=SMALL))
    longer = Variant("longer", "", "student", recipe=Recipe((Initialise("resnet8", 3), ONCE, replace(ONCE, seed=5))))
    there = site(tmp_path, suite=replace(SUITE, variants=(SUITE.variants[4], child, longer)))
    build(there, ["small", "longer"])
    right, wrong = (cache_folder(tmp_path, one.id) / WEIGHTS for one in (SMALL, recipe_of(longer)))
    shutil.copyfile(wrong, right)
    with pytest.raises(BuildError, match=rf"holds the weights of recipe {recipe_of(longer).id}, not of {SMALL.id}"):
        build(there, ["sparse"])


def test_an_entry_of_another_recipe_is_missing(tmp_path: Path) -> None:
    blank = recipe_of(SUITE.variants[0])
    build(site(tmp_path), ["blank"])
    folder = cache_folder(tmp_path, blank.id)
    other = cache_folder(tmp_path, SMALL.id)
    shutil.copytree(folder, other)
    lines: list[str] = []
    assert site(tmp_path, report=lines.append).artifact(SMALL) is None
    assert f"is of recipe {blank.id}, though its folder is that of {SMALL.id}" in lines[0]


def checkpoints(cache: Path, suffix: str = "*.pt") -> set[str]:
    return {path.name for path in (cache / "checkpoints").glob(suffix)}


def epochs(lines: list[str]) -> int:
    return sum(": epoch " in line for line in lines)


def test_finished_builds_leave_no_checkpoints_but_their_logs(compressed: Path) -> None:
    assert checkpoints(compressed) == set()
    assert f"{SMALL.id}.log.jsonl" in checkpoints(compressed, "*.jsonl")


def test_anew_trains_anew_and_leaves_other_recipes_alone(tmp_path: Path) -> None:
    lines: list[str] = []
    there = site(tmp_path, report=lines.append)
    first = build(there, ["pruned"])["pruned"].sha256
    assert epochs(lines) == 3  # one of `small`, one after each of two rounds
    (step,) = PRUNED.steps
    stage = PRUNED.up_to(1).id
    for stray in (f"{stage}.pt", f"{stage}-1.pt", f"{stage}-x.pt", f"{'0' * 16}.pt", f"{SMALL.id}.pt"):
        (tmp_path / "checkpoints" / stray).write_bytes(b"not a checkpoint")
    lines.clear()
    assert build(there, ["pruned"], anew=True)["pruned"].sha256 == first
    assert epochs(lines) == step.rounds == 2
    assert checkpoints(tmp_path) == {f"{stage}-x.pt", f"{'0' * 16}.pt", f"{SMALL.id}.pt"}


def test_a_checkpoint_that_an_unbuilt_variant_shares_stays(tmp_path: Path) -> None:
    longer = Variant("longer", "", "student", recipe=Recipe((*SMALL.steps, replace(ONCE, seed=5))))
    lines: list[str] = []
    there = site(tmp_path, report=lines.append, suite=replace(SUITE, variants=(SUITE.variants[4], longer)))
    build(there, ["small"])
    assert checkpoints(tmp_path) == {f"{SMALL.id}.pt"}
    build(there, ["longer"])
    assert epochs(lines) == 2  # the shared one was not trained again
    assert checkpoints(tmp_path) == set()


def test_one_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    """A pruning that cannot be: multiples of more channels than there are."""
    (prune,) = PRUNED.steps
    assert isinstance(prune, Prune)
    impossible = Recipe((replace(prune, round_to=4096),), parent=SMALL)
    variants = (
        SUITE.variants[4],
        Variant("pruned", "", "pruned", parent="small", recipe=impossible),
        Variant("pruned-int8", "", "int8", "int8", "pruned", Recipe((CALIBRATE,), parent=impossible)),
        Variant("half", "", "fp16", "fp16", "small", Recipe((Narrow("fp16"),), parent=SMALL)),
    )
    there = site(tmp_path, suite=replace(SUITE, variants=variants))
    with pytest.raises(
        BuildError, match=r"^2 variants could not .* pruned: .*4096.* pruned-int8: not tried, as recipe"
    ):
        build(there, [])
    assert there.built(recipe_of(variants[3])) is not None
    with pytest.raises(BuildError, match=r"finds no channels to remove in multiples of 4096"):
        build(there, ["pruned", "half"])


def test_weights_that_no_missing_variant_needs_are_not_trained_again(compressed: Path, tmp_path: Path) -> None:
    shelf = tmp_path / "suites"
    release(site(compressed), ["small", "pruned"], shelf)
    lines: list[str] = []
    build(replace(site(tmp_path / "cache", report=lines.append), released=shelf), ["pruned"])
    assert [line.partition(": ")[2] for line in lines] == [
        f"found {SMALL.id} in the released artifacts",
        f"found {PRUNED.id} in the released artifacts",
    ]


def test_a_child_of_what_runs_nowhere_is_not_compared() -> None:
    wide = Recipe((Narrow("bf16"),), parent=STUDENT)
    assert compared([STUDENT]) == [STUDENT]
    assert compared([wide]) == compared([STUDENT, wide]) == compared([recipe_of(SUITE.variants[0])]) == []


def test_a_collapse_names_its_variant_and_all_that_helps(tmp_path: Path) -> None:
    source, target = coarse(tmp_path / "float.onnx"), tmp_path / "int8.onnx"
    quantize.quantize(source, target, IMAGES[:100], STEP, {"variant": "student-int8"})
    with pytest.raises(BuildError, match=r"^student-int8 agrees .*in `wide`.*percentile, entropy.*QuantizeAware"):
        sensitivity.refuse_collapse(source, target, IMAGES, STEP)


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
