"""Values to JSON and back: exact keys, exact types, ids that change with every field and with nothing else."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pytest

from harness.errors import UsageError
from harness.model.case import (
    Accuracy,
    ArtifactFacts,
    Case,
    Plan,
    PlannedTrial,
    Scenario,
    Settings,
    Signature,
    Skip,
    StopRule,
    TensorSpec,
    WarmUp,
)
from harness.model.codec import canonical, content_id, from_json, to_json
from harness.model.run import Run
from harness.model.trial import Channel, Environment, Phases
from tests.support import host_side

FULL_FACTS = ArtifactFacts(
    "small", "small.onnx", "a" * 64, 1000, "int8", recipe_id="r", parent="large", network="n", parameters=3, macs=4,
    uncounted=("LSTM",), seed=5, dataset_sha256="d", accuracy=Accuracy(9, 10, "cifar10"), accuracy_interval=(0.6, 0.98),
    agreement_with_parent=0.5, agreement_with_teacher=0.25,
    signature=Signature((0.5, -1e-30), "the lock"), versions={"onnx": "1.16"}, build_s=1.5, title="Small", role="int8",
)  # fmt: skip
PLAN = Plan(
    "s", "d", 7, (host_side.CASE,), (Skip("v", "b", "single-stream", "why"),),
    (PlannedTrial("c", "accuracy", 0),), {"c": FULL_FACTS}, "0.1", "f" * 64, "d" * 16, "e" * 16,
)  # fmt: skip


@dataclass(frozen=True)
class Example:
    name: str
    count: int = 0
    share: float = 0.5
    sure: bool = False
    kind: Literal["a", "b"] = "a"
    maybe: float | None = None
    sizes: tuple[int, ...] = ()
    by_name: Mapping[str, float] = field(default_factory=dict)
    inner: Settings | None = None


@pytest.mark.parametrize(
    "value",
    [
        host_side.CASE,
        FULL_FACTS,
        PLAN,
        host_side.DEVICE,
        host_side.run(),
        Phases(0.1, 0.2, 0.3, 0.4, 24, True, 1.0, 2.0),
        Environment({"a": 1}, {"b": [1, 2]}, {"c": {"d": None}}),
        Channel("cpu", "cpu0_clock", "Hz", "gauge", "core", "cpufreq"),
        Example("x", 1, 0.25, True, "b", None, (1, 2), {"y": 1.0}, Settings(2, "0", 5)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_survives_the_way_through_text(value: Any) -> None:
    assert from_json(type(value), json.loads(json.dumps(to_json(value), allow_nan=False)), "test") == value


def test_the_keys_are_exactly_the_fields() -> None:
    assert list(to_json(Settings(2, "0", 5))) == ["threads", "affinity", "nice"]
    assert to_json(Settings(2, "0", 5)) == {"threads": 2, "affinity": "0", "nice": 5}


def test_what_has_no_json_form_is_refused() -> None:
    with pytest.raises(TypeError, match="bytes has no JSON form"):
        to_json({"a": b"x"})
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical({"a": float("nan")})


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"nam": "x"}, r"file\.toml: unknown key 'nam'; did you mean name or by_name\?"),
        ({"name": "x", "zzzzz": 1}, r"file\.toml: unknown key 'zzzzz'; known: by_name, count"),
        ({}, r"file\.toml: the key 'name' is missing"),
        ({"name": 5}, r"file\.toml: name: expected str, found 5"),
        ({"name": "x", "count": 1.5}, r"file\.toml: count: expected int, found 1\.5"),
        ({"name": "x", "count": True}, r"file\.toml: count: expected int, found True"),
        ({"name": "x", "share": True}, r"file\.toml: share: expected float, found True"),
        ({"name": "x", "sure": 1}, r"file\.toml: sure: expected bool, found 1"),
        ({"name": "x", "kind": "c"}, r"file\.toml: kind: 'c' is not one of a, b"),
        ({"name": "x", "maybe": "y"}, r"file\.toml: maybe: expected float, found 'y'"),
        ({"name": "x", "sizes": 5}, r"file\.toml: sizes: expected a list, found 5"),
        ({"name": "x", "sizes": [1, "2"]}, r"file\.toml: sizes\[1\]: expected int, found '2'"),
        ({"name": "x", "by_name": [1]}, r"file\.toml: by_name: expected a table, found list"),
        ({"name": "x", "by_name": {"y": "z"}}, r"file\.toml: by_name\.y: expected float, found 'z'"),
        ({"name": "x", "inner": {"thread": 1}}, r"file\.toml: inner: unknown key 'thread'; did you mean threads\?"),
        ([], r"file\.toml: expected a table, found list"),
    ],
)
def test_a_wrong_key_or_type_is_named(data: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        from_json(Example, data, "file.toml")


def test_a_whole_number_is_a_float_but_not_the_reverse() -> None:
    found = from_json(Example, {"name": "x", "share": 1}, "test")
    assert found.share == 1.0
    assert type(found.share) is float


def test_the_canonical_text_and_its_id_never_change() -> None:
    """Stored ids were made of these bytes: a change here makes every old run a stranger."""
    assert canonical({"b": (1, 2.5), "a": None}) == '{"a":null,"b":[1,2.5]}'
    assert content_id({"b": (1, 2.5), "a": None}) == "e57f5d37865437a8"


# Another value of each kind of leaf; an affinity is checked, so it needs one that is allowed.
OTHER = {
    bool: lambda value: not value,
    int: lambda value: value + 1,
    float: lambda value: value + 1,
    str: lambda value: "none" if value == "last" else value + "x",
    dict: lambda value: {**value, "another": 1},
}


def changed(value: Any) -> Iterator[Any]:
    """Every value that differs from this one in one leaf."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for one in dataclasses.fields(value):
            for other in changed(getattr(value, one.name)):
                yield replace(value, **{one.name: other})
    elif isinstance(value, tuple):
        yield (*value, *value)
        for index, item in enumerate(value):
            for other in changed(item):
                yield (*value[:index], other, *value[index + 1 :])
    else:
        yield OTHER[type(value)](value)


def test_a_case_id_changes_with_every_field_at_any_depth() -> None:
    others = list(changed(host_side.CASE))
    leaves = 7 + 2 + 3 + 3 + 3 + (1 + 3) + 1 + 1  # own, scenario, warm-up, stop, settings, inputs, seed, options
    assert len(others) >= leaves
    assert len({content_id(other) for other in [host_side.CASE, *others]}) == len(others) + 1


def test_a_case_id_changes_with_nothing_else() -> None:
    again = Case(
        suite="scripted",
        variant="small",
        artifact_sha256="a" * 64,
        precision="fp32",
        backend="null",
        device="bench",
        scenario=Scenario("single-stream", "", WarmUp(0.1, 2.0, 0.02), StopRule(64, 1.0, 60.0)),
        settings=Settings(1, "last", 0),
        inputs=(TensorSpec("image", "float32", (1, 3, 8, 8)),),
        input_seed=0,
    )
    assert again.id == host_side.CASE.id
    ordered = replace(again, options={"a": 1, "b": 2})
    assert ordered.id == replace(again, options={"b": 2, "a": 1}).id


def test_the_id_is_the_same_after_reading_it_back() -> None:
    run = from_json(Run, json.loads(json.dumps(to_json(host_side.run()))), "test")
    assert run.plan.id == run.plan_id == host_side.plan().id
    assert run.plan.case(host_side.CASE.id) == host_side.CASE
