"""Variants to artifacts: released, built, brought along or scripted; or the reason why there is none."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.artifacts import forms as made_forms
from harness.artifacts import locks
from harness.artifacts.onnx_file import inspect
from harness.errors import ModelError, UsageError
from harness.model.case import ArtifactFacts, Suite, TensorSpec, Variant
from harness.model.recipe import Initialise, Recipe
from harness.plan import Resolved
from harness.resolve import Source, adhoc_suite, parse_shapes, resolve
from tests.support import models
from tests.support.host_side import CASE

RECIPE = Recipe((Initialise("tiny", 0),))
OTHER = Recipe((Initialise("tiny", 1),))
VARIANT = Variant("small", "Small", "student", recipe=RECIPE)


def suite_of(*variants: Variant) -> Suite:
    return Suite("mine", "Mine", variants)


def entry(path: Path, recipe: Recipe, file: str) -> ArtifactFacts:
    content = path.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    return ArtifactFacts("small", file, sha256, len(content), "fp32", recipe_id=recipe.id)


def release(folder: Path, recipe: Recipe = RECIPE) -> ArtifactFacts:
    """A tiny model beside the suite, and its lock."""
    (folder / "mine").mkdir(exist_ok=True)
    facts = entry(models.tiny(folder / "mine" / "small.onnx"), recipe, "mine/small.onnx")
    locks.write_lock(folder / "mine.lock.json", [facts])
    return facts


def build(cache: Path, recipe: Recipe = RECIPE) -> ArtifactFacts:
    """A tiny model in the cache of built artifacts."""
    folder = locks.cache_folder(cache, recipe.id)
    folder.mkdir(parents=True)
    facts = entry(models.tiny(folder / locks.MODEL), recipe, locks.MODEL)
    locks.write_lock(folder / locks.ENTRY, [facts])
    return facts


def told(facts: ArtifactFacts, path: Path) -> ArtifactFacts:
    """As resolved: with what the suite says of VARIANT, and what the bytes of the file hold."""
    return replace(facts, title="Small", role="student", composition=inspect(path, {}).composition)


def cached(tmp_path: Path, recipe: Recipe = RECIPE) -> Path:
    """The file that `build` makes."""
    return locks.cache_folder(tmp_path / "cache", recipe.id) / locks.MODEL


def found(tmp_path: Path, variant: Variant = VARIANT):
    resolution = resolve(suite_of(variant), tmp_path / "mine", tmp_path / "cache")
    return resolution.artifacts[variant.name], resolution.sources.get(variant.name)


def scripted(tmp_path: Path, variant: Variant):
    """As `found`, in a suite of the null backend."""
    suite = replace(suite_of(variant), backends=("null",))
    resolution = resolve(suite, tmp_path / "mine", tmp_path / "cache")
    return resolution.artifacts[variant.name], resolution.sources[variant.name]


def test_a_released_artifact_goes_before_a_built_one(tmp_path: Path) -> None:
    released = release(tmp_path)
    build(tmp_path / "cache")
    artifact, source = found(tmp_path)
    assert artifact == Resolved(
        told(released, tmp_path / released.file), (TensorSpec("image", "float32", (1, 3, 8, 8)),)
    )
    assert source == Source(tmp_path / "mine", ("small.onnx",), released.sha256)


def test_a_built_artifact_is_taken_from_the_cache(tmp_path: Path) -> None:
    built = build(tmp_path / "cache")
    artifact, source = found(tmp_path)
    assert artifact.facts == told(built, cached(tmp_path))
    assert (source.files, source.sha256) == ((locks.MODEL,), built.sha256)


def test_a_built_artifact_of_this_recipe_goes_before_a_released_one_of_another(tmp_path: Path) -> None:
    release(tmp_path, OTHER)
    built = build(tmp_path / "cache")
    assert found(tmp_path)[0].facts == told(built, cached(tmp_path))


@pytest.mark.parametrize(
    ("released", "said"),
    [
        (False, "its artifact is not built; build it with: harness build mine --variant small"),
        (True, "its released artifact is of another recipe; build this one with: harness build mine --variant small"),
    ],
)
def test_what_is_not_there_says_how_to_build_it(tmp_path: Path, released: bool, said: str) -> None:
    if released:
        release(tmp_path, OTHER)
    assert found(tmp_path) == (said, None)


def test_a_released_artifact_that_was_altered_is_refused(tmp_path: Path) -> None:
    release(tmp_path)
    models.tiny(tmp_path / "mine" / "small.onnx", (1, 3, 8, 8))
    with pytest.raises(ModelError, match=r"small\.onnx was altered: SHA-256 .*restore it from git, or build it again"):
        found(tmp_path)


def test_a_built_artifact_that_was_altered_is_refused(tmp_path: Path) -> None:
    build(tmp_path / "cache")
    path = locks.cache_folder(tmp_path / "cache", RECIPE.id) / locks.MODEL
    models.tiny(path, (1, 3, 8, 8))
    with pytest.raises(ModelError, match=rf"{path} was altered: .* build it again: harness build --variant small"):
        found(tmp_path)


def with_forms(tmp_path: Path, variant: Variant, *forms):
    return resolve(suite_of(variant), tmp_path / "mine", tmp_path / "cache", forms)


def test_a_form_without_torch_is_made_and_its_source_is_found_by_the_case(tmp_path: Path) -> None:
    released = release(tmp_path)
    found = with_forms(tmp_path, VARIANT, "onnx-plain", "onnx-tensorrt")
    resolved = found.artifacts["small"]
    assert sorted(resolved.forms) == ["onnx-plain", "onnx-tensorrt"]
    made = resolved.forms["onnx-plain"]
    path = tmp_path / "cache" / "forms" / released.sha256 / "model.plain.onnx"
    size = path.stat().st_size
    assert made == replace(told(released, path), file=path.name, sha256=made.sha256, size_bytes=size)
    assert sum(part.size_bytes for part in made.composition) == size
    case = replace(CASE, variant="small", artifact_sha256=made.sha256)
    assert found.source(case).folder == path.parent
    assert found.source(case).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.source(replace(case, artifact_sha256=released.sha256)) == found.sources["small"]


def test_a_form_that_needs_torch_is_only_looked_up(tmp_path: Path) -> None:
    released = release(tmp_path)
    reason = with_forms(tmp_path, VARIANT, "pt2").artifacts["small"].forms["pt2"]
    assert reason == "it has no torch program; make one with: harness build mine --variant small --form pt2"
    made = made_forms.keep(tmp_path / "cache", released.sha256, "pt2", lambda path: path.write_bytes(b"program"))
    found = with_forms(tmp_path, VARIANT, "pt2")
    assert found.artifacts["small"].forms["pt2"].sha256 == made.sha256
    assert found.artifacts["small"].forms["pt2"].composition == ()
    assert found.source(replace(CASE, variant="small", artifact_sha256=made.sha256)).files == ("model.pt2",)


def test_forms_that_an_artifact_cannot_have_say_why(tmp_path: Path) -> None:
    models.qdq(tmp_path / "own.onnx")
    own = Variant("own", "own.onnx", "own", file="own.onnx")
    forms = with_forms(tmp_path, own, "pt2", "onnx-plain", "onnx-tensorrt").artifacts["own"].forms
    assert forms["pt2"] == "it is int8, and only fp32 files are made into torch programs; measure it with onnxruntime"
    assert forms["onnx-tensorrt"].startswith(
        "its quantizers are uint8, as CPUs want them, and TensorRT reads symmetric"
    )
    assert not isinstance(forms["onnx-plain"], str)


def test_a_model_of_the_users_is_made_into_a_program_by_its_own_command(tmp_path: Path) -> None:
    models.tiny(tmp_path / "own.onnx")
    own = Variant("own", "own.onnx", "own", file="own.onnx")
    reason = with_forms(tmp_path, own, "torchscript").artifacts["own"].forms["torchscript"]
    assert reason.endswith(f"make one with: harness build --model {tmp_path / 'own.onnx'} --form torchscript")


def test_weights_beside_a_model_have_no_form(tmp_path: Path) -> None:
    models.external(tmp_path / "own.onnx")
    own = Variant("own", "own.onnx", "own", file="own.onnx")
    reason = with_forms(tmp_path, own, "onnx-plain").artifacts["own"].forms["onnx-plain"]
    assert reason == "its weights lie beside it; save the model as one file"


def test_what_is_not_resolved_has_no_forms_and_neither_has_a_script(tmp_path: Path) -> None:
    assert with_forms(tmp_path, VARIANT, "onnx-plain").forms == {}
    (tmp_path / "s.json").write_text(json.dumps({"durations_s": [1]}))
    suite = replace(suite_of(Variant("s", "S", "demo", file="s.json")), backends=("null",))
    assert resolve(suite, tmp_path / "mine", tmp_path / "cache", ("onnx-plain",)).artifacts["s"].forms == {}


def test_a_model_of_the_users_is_inspected_and_not_run(tmp_path: Path) -> None:
    models.tiny(tmp_path / "own.onnx")
    artifact, source = found(
        tmp_path, Variant("own", "own.onnx", "own", file="own.onnx", inputs={"image": (2, 3, 8, 8)})
    )
    assert source == Source(tmp_path, ("own.onnx",), artifact.facts.sha256)
    assert artifact.inputs == (TensorSpec("image", "float32", (2, 3, 8, 8)),)
    known = artifact.facts
    assert known.sha256 == hashlib.sha256((tmp_path / "own.onnx").read_bytes()).hexdigest()
    assert (known.parameters, known.macs) == (models.TINY_PARAMETERS, models.TINY_MACS)
    assert (known.precision, known.recipe_id, known.accuracy) == ("fp32", None, None)
    assert (known.title, known.role, known.uncounted, known.signature) == ("own.onnx", "own", (), None)


def test_an_operator_that_no_rule_counts_takes_the_count_away(tmp_path: Path) -> None:
    models.one_node(tmp_path / "own.onnx", "Mystery", [models.value("x", [1])])
    known = found(tmp_path, Variant("own", "own.onnx", "own", file="own.onnx"))[0].facts
    assert (known.macs, known.uncounted) == (None, ("Mystery",))


def test_the_main_files_own_hash_is_that_of_its_bytes_alone(tmp_path: Path) -> None:
    path = models.external(tmp_path / "own.onnx")
    artifact, source = found(tmp_path, Variant("own", "own.onnx", "own", file="own.onnx"))
    assert source.files == ("own.onnx", "weights.bin")
    assert source.sha256 == hashlib.sha256(path.read_bytes()).hexdigest() != artifact.facts.sha256


def test_a_script_is_an_artifact_without_inputs(tmp_path: Path) -> None:
    content = json.dumps({"durations_s": [0.001, 1]})
    (tmp_path / "s.json").write_text(content)
    artifact, source = scripted(tmp_path, Variant("s", "S", "demo", "scripted", parent="p", file="s.json"))
    facts = artifact.facts
    assert source == Source(tmp_path, ("s.json",), facts.sha256)
    assert artifact.inputs == ()
    assert (facts.precision, facts.parent, facts.size_bytes) == ("scripted", "p", len(content))
    assert facts.accuracy_missing == "a scripted model predicts nothing"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is not a script of the null backend"),
        ("[]", "is not a script of the null backend"),
        ("{}", r"is not a script of the null backend \(KeyError\('durations_s'\)\)"),
        ('{"durations_s": [0.1, -1]}', "durations_s must be a list of positive numbers of seconds"),
        ('{"durations_s": 5}', "durations_s must be a list of positive numbers of seconds"),
        ('{"durations_s": {}}', "durations_s must be a list of positive numbers of seconds"),
    ],
)
def test_a_script_that_is_wrong_is_named(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "s.json").write_text(content)
    with pytest.raises(ModelError, match=r"s\.json.*" + said):
        scripted(tmp_path, Variant("s", "S", "demo", file="s.json"))


def test_a_script_is_one_for_the_null_backend_alone(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"durations_s": [1]}')
    with pytest.raises(ModelError, match=r"s\.json is not an ONNX model; give the \.onnx file"):
        found(tmp_path, Variant("s", "S", "demo", file="s.json"))


def test_a_script_that_is_absent_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"absent\.json is not a script .*FileNotFoundError"):
        scripted(tmp_path, Variant("s", "S", "demo", file="absent.json"))


def test_models_of_the_users_make_a_suite_whose_first_is_the_parent() -> None:
    suite = adhoc_suite(("a/first.onnx", "b/second.onnx"), {})
    assert suite.name == "models"
    assert [(one.name, one.parent, one.file) for one in suite.variants] == [
        ("first", None, "a/first.onnx"),
        ("second", "first", "b/second.onnx"),
    ]


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (("a/m.onnx", "b/n.onnx"), ["m", "n"]),
        (("a/m.onnx", "b/m.onnx"), ["a/m", "b/m"]),
        (("x/a/m.onnx", "y/a/m.onnx"), ["a/m#1", "a/m#2"]),
        (("a/m.onnx", "a/m.onnx", "b/n.onnx"), ["a/m#1", "a/m#2", "b/n#3"]),
    ],
)
def test_models_have_names_of_their_own(files: tuple[str, ...], names: list[str]) -> None:
    assert [variant.name for variant in adhoc_suite(files, {}).variants] == names


def test_a_shape_goes_to_the_models_that_have_that_input(tmp_path: Path) -> None:
    one, two = models.tiny(tmp_path / "one.onnx"), models.two_inputs(tmp_path / "two.onnx")
    shapes = {"index": (1,), "image": (2, 3), "imgae": (9,)}
    suite = adhoc_suite((str(one), str(two)), shapes)
    assert suite.variants[0].inputs == {"image": (2, 3), "imgae": (9,)}  # the unknown one is refused by each
    assert suite.variants[1].inputs == shapes


def test_shapes_are_parsed() -> None:
    assert parse_shapes(("image=1,3,224,224", "x=y=5")) == {"image": (1, 3, 224, 224), "x=y": (5,)}
    assert parse_shapes(()) == {}


@pytest.mark.parametrize(
    "text", ["image", "=1,2", "image=", "image=1,,2", "image=0,3", "image=-1", "image=1x3", "a=1, 2"]
)
def test_a_shape_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=f"--shape '{text}' is not NAME=1,3,224,224"):
        parse_shapes((text,))


def test_one_bad_variant_names_its_file(tmp_path: Path) -> None:
    good = Variant("good", "Good", "own", file="good.onnx")
    models.tiny(tmp_path / "good.onnx")
    with pytest.raises(ModelError, match=r"bad\.onnx does not exist"):
        resolve(suite_of(good, replace(good, name="bad", file="bad.onnx")), tmp_path / "mine", tmp_path / "cache")
