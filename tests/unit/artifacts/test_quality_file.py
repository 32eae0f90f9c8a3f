from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.artifacts.quality_file import (
    Qualities,
    check_comparable,
    merged,
    quality_path,
    read_qualities,
    write_qualities,
)
from harness.errors import NewerSchema, UsageError
from harness.model.case import ArtifactFacts
from harness.model.quality import Calibration, CalibrationFigures, ClassFigures, Paired, Quality

FAST = Quality(
    variant="fast",
    sha256="a" * 64,
    dataset="cifar10",
    dataset_sha256="c" * 64,
    images=5,
    confusion=((2, 1), (0, 2)),
    per_class=(ClassFigures(3, 1.0, 0.5, 2 / 3), ClassFigures(2, None, 1.0, 1e-30)),
    mean_class_accuracy=5 / 6,
    calibration=Calibration(10, CalibrationFigures(0.1, 0.2, 0.3, 0.4), missing="none held, [1, 2]"),
    robustness={"fog": (0.5, 0.4, 0.3, 0.2, 1e-05)},
)
SMALL = replace(FAST, variant="fast-int8", sha256="b" * 64)
PAIR = Paired("fast", "fast-int8", "a" * 64, "b" * 64, "cifar10", "c" * 64, 5, 1, 0, 1.0, -0.2, -0.7, 0.4)
CONTENT = Qualities(3, (FAST, SMALL), (PAIR,))


def facts(variant: str, digit: str) -> ArtifactFacts:
    return ArtifactFacts(variant, f"cifar10/{variant}.onnx", digit * 64, 1, "fp32")


def test_the_file_returns_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "suite.quality.json"
    write_qualities(path, CONTENT)
    assert read_qualities(path) == CONTENT
    assert list(tmp_path.iterdir()) == [path]  # nothing partial stays


def test_an_absent_file_is_none(tmp_path: Path) -> None:
    assert read_qualities(tmp_path / "none.quality.json") is None


def test_it_lies_beside_its_suite() -> None:
    assert quality_path(Path("suites/cifar10.py")) == Path("suites/cifar10.quality.json")


def test_same_content_gives_same_bytes_and_rows_stay_rows(tmp_path: Path) -> None:
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    write_qualities(one, CONTENT)
    write_qualities(other, replace(CONTENT, qualities=(SMALL, FAST)))
    text = one.read_text("utf-8")
    assert text == other.read_text("utf-8")
    assert text.startswith('{\n  "schema": "harness.quality/1",\n  "seed": 3,\n')
    assert text.endswith("}\n")
    assert '"confusion": [\n        [2, 1],\n        [0, 2]\n      ]' in text
    assert '"fog": [0.5, 0.4, 0.3, 0.2, 1e-05]' in text
    assert '"none held, [1, 2]"' in text


def test_an_entry_is_of_one_artifact_alone() -> None:
    """A variant that was built anew has other bytes: what is known of the old ones is not known of it."""
    assert CONTENT.of(facts("fast", "a")) == FAST
    assert CONTENT.of(facts("fast", "d")) is None
    assert CONTENT.of(facts("slow", "a")) is None
    assert CONTENT.between(facts("fast", "a"), facts("fast-int8", "b")) == PAIR
    assert CONTENT.between(facts("fast-int8", "b"), facts("fast", "a")) is None
    assert CONTENT.between(facts("fast", "a"), facts("fast-int8", "d")) is None


SUITE = Path("suite.quality.json")


def test_what_was_not_judged_now_stays() -> None:
    anew = replace(SMALL, sha256="d" * 64)
    pair = replace(PAIR, b_sha256="d" * 64)
    assert merged(CONTENT, Qualities(3, (anew,), (pair,)), SUITE) == Qualities(3, (FAST, anew), (pair,))
    assert merged(CONTENT, Qualities(3, (SMALL,), ()), SUITE) == Qualities(3, (FAST, SMALL), ())
    assert merged(CONTENT, Qualities(3, (FAST,)), SUITE).paired == (PAIR,)
    assert merged(CONTENT, Qualities(3, (replace(FAST, sha256="e" * 64),)), SUITE).paired == ()  # of the old bytes
    assert merged(Qualities(0), CONTENT, SUITE) == CONTENT


def test_other_images_beside_what_stays_are_refused() -> None:
    told = r"suite\.quality\.json holds fast, judged with --seed 3 .*name fast too"
    with pytest.raises(UsageError, match=told + "$"):
        merged(CONTENT, Qualities(4, (SMALL,)), SUITE)
    with pytest.raises(UsageError, match=told):
        merged(CONTENT, Qualities(3, (replace(SMALL, robustness_images=5),)), SUITE)
    with pytest.raises(UsageError, match=r"the corruptions fog; now asked: .*the corruptions frost"):
        merged(CONTENT, Qualities(3, (replace(SMALL, robustness={"frost": (0.5,) * 5}),)), SUITE)
    assert merged(CONTENT, Qualities(4, (FAST, SMALL)), SUITE) == Qualities(4, (FAST, SMALL))


def test_images_asked_for_are_as_many_as_there_are() -> None:
    kept = Qualities(3, (replace(FAST, robustness_images=5),))
    check_comparable(kept, 3, 2000, ["fog"], SUITE)
    check_comparable(Qualities(3, (replace(FAST, robustness={}),)), 3, 2000, [], SUITE)
    with pytest.raises(UsageError, match=r"--images 5 .*--images 4 "):
        check_comparable(kept, 3, 4, ["fog"], SUITE)


def _broken(path: Path, **changes: object) -> Path:
    write_qualities(path, CONTENT)
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")
    return path


def test_newer_schema_is_named(tmp_path: Path) -> None:
    path = _broken(tmp_path / "suite.quality.json", schema="harness.quality/2")
    with pytest.raises(NewerSchema, match=r"suite\.quality\.json has schema harness\.quality/2.*harness\.quality/1"):
        read_qualities(path)


@pytest.mark.parametrize("schema", ["harness.lock/1", None, "harness.quality/x"])
def test_other_files_are_refused(tmp_path: Path, schema: str | None) -> None:
    with pytest.raises(UsageError, match=r"suite\.quality\.json is not a quality file"):
        read_qualities(_broken(tmp_path / "suite.quality.json", schema=schema))


@pytest.mark.parametrize("text", ["<<<<<<< ours", ""])
def test_text_that_is_not_json(tmp_path: Path, text: str) -> None:
    path = tmp_path / "suite.quality.json"
    path.write_text(text, "utf-8")
    with pytest.raises(UsageError, match=r"suite\.quality\.json is not valid JSON .*judge the suite again"):
        read_qualities(path)


def test_a_list_in_place_of_a_table(tmp_path: Path) -> None:
    path = tmp_path / "suite.quality.json"
    path.write_text("[]", "utf-8")
    with pytest.raises(UsageError, match=r"suite\.quality\.json is not a quality file: its schema is None"):
        read_qualities(path)


def test_wrong_keys_and_types_are_named(tmp_path: Path) -> None:
    path = tmp_path / "suite.quality.json"
    with pytest.raises(UsageError, match=r"suite\.quality\.json: unknown key 'quality'; did you mean qualities\?"):
        read_qualities(_broken(path, quality=[]))
    with pytest.raises(UsageError, match=r"qualities\[0\]: the key 'variant' is missing"):
        read_qualities(_broken(path, qualities=[{}]))
    with pytest.raises(UsageError, match=r"suite\.quality\.json: seed: expected int, found 'x'"):
        read_qualities(_broken(path, seed="x"))


def test_what_is_listed_twice_is_named(tmp_path: Path) -> None:
    path = tmp_path / "suite.quality.json"
    with pytest.raises(UsageError, match=r"suite\.quality\.json lists the variant fast twice"):
        write_qualities(path, replace(CONTENT, qualities=(FAST, FAST)))
    assert not path.exists()
    pair = json.loads(_broken(path).read_text("utf-8"))["paired"][0]
    with pytest.raises(UsageError, match=r"lists the pair fast and fast-int8 twice"):
        read_qualities(_broken(path, paired=[pair, pair]))
