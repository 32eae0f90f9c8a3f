"""Which cell is held against which, what they are called, and what is said of the others."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from harness.errors import UsageError
from harness.gating.cells import Match, called, conditions, matched
from harness.model.case import Scenario, Settings, StopRule, TensorSpec
from tests.support.host_side import CASE

SMALL, LARGE = ("small", "null", "single-stream"), ("large", "null", "single-stream")


def test_cells_of_both_sides_match_by_name_in_the_candidates_order() -> None:
    matches, notes = matched((SMALL, LARGE), (LARGE, SMALL))
    assert matches == (Match("large", LARGE, LARGE), Match("small", SMALL, SMALL))
    assert notes == ()


def test_one_variant_on_each_side_belongs_together() -> None:
    old, new = ("old", "null", "single-stream"), ("new", "null", "single-stream")
    assert matched((old,), (new,))[0] == (Match("new", old, new),)


def test_backends_and_scenarios_are_named_where_there_are_several() -> None:
    other = ("small", "onnxruntime", "single-stream")
    matches, _ = matched((SMALL, other), (SMALL, other))
    assert [one.name for one in matches] == ["small (null)", "small (onnxruntime)"]
    burst = ("small", "null", "burst")
    assert [one.name for one in matched((SMALL, burst), (SMALL, burst))[0]] == [
        "small (single-stream)",
        "small (burst)",
    ]


def test_what_one_side_lacks_is_said() -> None:
    gone, young = ("gone", "null", "single-stream"), ("young", "null", "single-stream")
    matches, notes = matched((SMALL, gone), (young, SMALL))
    assert [one.name for one in matches] == ["small"]
    assert notes == (
        "gone null single-stream is in the baseline alone, and is not judged",
        "young null single-stream is in the candidate alone, and is not judged",
    )


def test_variants_narrow_it_by_either_name() -> None:
    assert [one.name for one in matched((SMALL, LARGE), (SMALL, LARGE), ["large"])[0]] == ["large"]
    old, new = ("old", "null", "single-stream"), ("new", "null", "single-stream")
    assert matched((old,), (new,), ["old"])[0] == (Match("new", old, new),)
    with pytest.raises(UsageError, match=r"no case in common with --variant tiny"):
        matched((SMALL,), (SMALL,), ["tiny"])


def test_nothing_in_common_lists_both() -> None:
    with pytest.raises(UsageError, match=r"the baseline has none; the candidate has small null single-stream"):
        matched((), (SMALL,))


def test_what_differs_between_two_cases_is_a_sentence_each() -> None:
    other = replace(
        CASE,
        artifact_sha256="b" * 64,
        settings=Settings(threads=2),
        scenario=Scenario(stop=StopRule(min_count=5)),
        inputs=(TensorSpec("image", "float32", (1, 3, 16, 16)),),
    )
    found = conditions("small", CASE, other)
    assert set(found) == {"settings", "scenario", "inputs"}  # the artifact is what is compared
    assert found["settings"].startswith('small: settings: {"affinity":"last","nice":0,"threads":1} in the baseline')


def side(*variants: str, skipped: tuple[str, ...] = ()) -> Any:
    cases, skips = ([SimpleNamespace(variant=name) for name in names] for names in (variants, skipped))
    planned = SimpleNamespace(plan=SimpleNamespace(cases=cases, skips=skips))
    return SimpleNamespace(planned=planned, stored=None, baseline=None)


def test_a_policy_may_be_about_what_one_side_lacks_or_the_board_cannot_run() -> None:
    sides = side("small", "gone"), side("small", "young", skipped=("big",))
    assert called(["small"], sides) == ("small", "big", "gone", "young")


def test_of_one_variant_each_the_baselines_name_is_about_nothing() -> None:
    assert called(["new"], (side("old"), side("new"))) == ("new",)
