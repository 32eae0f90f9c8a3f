"""A suite judged beyond top-1, on released or built artifacts. Needs onnxruntime alone once they are built."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from harness.artifacts.quality_file import read_qualities, write_qualities
from harness.errors import BuildError
from harness.model.case import Suite, Variant
from harness.model.recipe import Initialise, Narrow, QuantizeStatic, Recipe, Train
from harness.report.quality import paired_rows, quality_rows
from harness.variants.build import build
from harness.variants.describe import NO_BF16
from harness.variants.graphs import fidelity
from harness.variants.quality.suite import How, judge_suite
from harness.variants.workplace import Data, Site
from tests.support.pictures import pictures

TRAIN, TEST = pictures(120, seed=1), pictures(60, seed=2)
SMALL = Recipe((Initialise("resnet8", 3), Train("cifar10", TRAIN.sha256, epochs=3, batch=40, seed=3)))
QUANTIZE = QuantizeStatic("cifar10", TRAIN.sha256, images=32, seed=0)
INT8 = Recipe((QUANTIZE,), parent=SMALL)
SUITE = Suite(
    name="made-up",
    title="",
    variants=(
        Variant("small", "", "student", recipe=SMALL),
        Variant("int8", "", "int8", "int8", "small", INT8),
        Variant("blank", "", "reference", recipe=Recipe((Initialise("resnet8", 0),))),
        Variant("later", "", "student", recipe=Recipe((Initialise("resnet20", 0), SMALL.steps[1]))),
    ),
)
HOW = How(("brightness",), images=20)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    data = Data(lambda _: TRAIN, lambda _: TEST)
    there = Site(SUITE, data, tmp_path_factory.mktemp("cache"), None, lambda _: None)
    build(there, ["int8", "blank"])
    return there


def test_what_is_trained_and_built_is_judged_and_paired(site: Site, tmp_path: Path) -> None:
    found = judge_suite(site, [], HOW)
    assert [one.variant for one in found.qualities] == ["small", "int8"]  # no random weights, nothing unbuilt
    for one in found.qualities:
        assert one.images == 60
        assert (one.robustness_images, len(one.robustness["brightness"])) == (20, 5)
        assert (one.calibration.images, one.calibration.fitted_images) in {(30, 30), (30, None)}
    (pair,) = found.paired
    assert (pair.a, pair.b, pair.images) == ("small", "int8", 60)
    small = site.artifact(SMALL)
    assert small is not None
    assert found.qualities[0].top1 == pytest.approx(np.mean(fidelity.evaluate(small[1], TEST) == TEST.labels))

    write_qualities(tmp_path / "made-up.quality.json", found)
    again = read_qualities(tmp_path / "made-up.quality.json")
    assert again is not None
    assert {one.variant: one for one in again.qualities} == {one.variant: one for one in found.qualities}


def test_the_tables_say_it(site: Site) -> None:
    found = judge_suite(site, ["int8"], HOW)
    headings, (row,) = quality_rows(found.qualities)
    assert len(row) == len(headings)
    assert row[0] == "int8"
    assert row[1] == f"{found.qualities[0].top1:.2%}"
    headings, (row,) = paired_rows(found.paired)
    assert len(row) == len(headings)
    assert row[:2] == ("small", "int8")
    assert row[-1] in {"no difference shown", "better", "worse"}


def test_what_has_no_accuracy_is_left_out_and_said_so(site: Site) -> None:
    """Onnxruntime's CPU has no bf16 convolutions: running the file would end in an error."""
    wide = Variant("bf16", "", "bf16", "bf16", "small", Recipe((Narrow("bf16"),), parent=SMALL))
    twin = Variant("twin", "", "int8", "int8", "bf16", Recipe((QUANTIZE,), parent=wide.recipe))
    lines: list[str] = []
    there = replace(site, suite=replace(SUITE, variants=(*SUITE.variants, wide, twin)), report=lines.append)
    build(there, ["bf16"])
    lines.clear()
    assert [one.variant for one in judge_suite(there, ["bf16", "small", "blank"], HOW).qualities] == ["small"]
    assert lines == [
        f"bf16: not judged: {NO_BF16}",
        "small: judging",
        "blank: not judged: not trained: random weights",
    ]
    assert [one.variant for one in judge_suite(there, [], HOW).qualities] == ["small", "int8"]


def test_a_named_variant_that_is_not_built_is_an_error(site: Site) -> None:
    with pytest.raises(BuildError, match="later is not built; build it first: harness build --variant later"):
        judge_suite(site, ["later"], HOW)
