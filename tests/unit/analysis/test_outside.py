"""Comparisons with another tool's result: a ratio always, a verdict only where processes support one."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from harness.analysis import comparability, outside
from harness.analysis.outside import Figure, Outside
from harness.errors import UnknownName, UsageError
from harness.foreign import openvino, pytest_benchmark, trtexec
from harness.foreign.result import ForeignCell, ForeignResult
from harness.model.gate import Comparison
from tests.support import foreign_files as files
from tests.unit.analysis import test_history

SPREAD = [-0.011, -0.006, -0.002, 0.003, 0.004, 0.012]


def result(*cells: ForeignCell, kind: str = "trtexec", **changes: Any) -> Outside:
    given = {"conditions": {"board": "Orin"}, "lacks": ("no process level",), **changes}
    return outside.of_result(ForeignResult(kind, ("f",), kind, cells, **given))


def processes(
    level: float, count: int = 6, metric: str = "latency_p50_s", name: str = "net"
) -> tuple[ForeignCell, ...]:
    return tuple(ForeignCell(name, {metric: level * math.exp(SPREAD[i % 6])}) for i in range(count))


def compared(base: Outside, candidate: Outside, **more: Any) -> dict[str, Comparison]:
    return {one.metric: one for one in outside.compare(base, candidate, **more)}


def test_one_process_has_a_ratio_and_no_verdict() -> None:
    base = outside.of_result(trtexec.read(files.trtexec(1.0), "a"))
    candidate = outside.of_result(trtexec.read(files.trtexec(3.0), "b"))
    found = compared(base, candidate)
    assert found["latency_p50_s"].ratio == pytest.approx(3.0)
    assert all((one.side, one.low, one.high) == ("unclear", None, None) for one in found.values())
    assert found["latency_p50_s"].missing == (
        "baseline: 1 process of trtexec; the interval cannot be known from fewer than 6"
    )


def test_thousands_of_samples_of_one_process_are_one_process() -> None:
    """However far apart they lie and however many they are."""
    sides = [
        outside.of_result(
            pytest_benchmark.read(files.pytest_benchmark({"a": [level * (1 + i / 1e5) for i in range(2000)]}), "f")
        )
        for level in (1e-3, 5e-3)
    ]
    found = compared(*sides)
    assert len(found) >= 6
    assert {one.side for one in found.values()} == {"unclear"}


@pytest.mark.parametrize(("factor", "side"), [(1.1, "worse"), (0.9, "better"), (1.0, "same")])
def test_six_processes_of_each_have_an_interval(factor: float, side: str) -> None:
    found = compared(result(*processes(1e-3)), result(*processes(1e-3 * factor)))["latency_p50_s"]
    assert (found.side, found.n) == (side, 6)
    assert found.ratio == pytest.approx(factor)
    assert found.low is not None
    assert found.high is not None
    assert found.low < factor < found.high
    assert "not paired" in found.method
    same = compared(result(*processes(1e-3)), result(*processes(1e-3)), margins={"latency_p50_s": 0.05})
    assert same["latency_p50_s"].side == "same"


@pytest.mark.parametrize(("base", "candidate"), [(5, 6), (6, 5), (1, 9)])
def test_five_are_too_few_on_either_side(base: int, candidate: int) -> None:
    found = compared(result(*processes(1e-3, base)), result(*processes(2e-3, candidate)))["latency_p50_s"]
    assert (found.side, found.low) == ("unclear", None)
    assert found.ratio == pytest.approx(2.0, rel=0.02)


def test_processes_that_all_agree_support_no_verdict() -> None:
    flat = [ForeignCell("net", {"latency_p50_s": level}) for level in (1e-3, 2e-3)]
    found = compared(result(*[flat[0]] * 6), result(*[flat[1]] * 6))["latency_p50_s"]
    assert (found.side, found.low) == ("unclear", None)
    assert "rounded, or a clock this coarse" in found.missing


def test_rounding_that_swallows_what_is_between_processes_supports_no_verdict() -> None:
    def rounded(level: float) -> list[ForeignCell]:
        return [replace(one, resolution_s=1e-5) for one in processes(level)]

    found = compared(result(*rounded(1e-4)), result(*rounded(2e-4)))["latency_p50_s"]
    assert found.side == "unclear"
    assert "rounded to 1e-05 s" in found.missing
    assert compared(result(*rounded(1.0)), result(*rounded(2.0)))["latency_p50_s"].side == "worse"


def test_a_metric_that_one_side_lacks_says_which() -> None:
    found = compared(result(*processes(1e-3)), result(*processes(1e-3, metric="latency_p90_s")))
    assert (found["latency_p50_s"].missing, found["latency_p50_s"].baseline) == (
        "the candidate does not have it", pytest.approx(1e-3, rel=0.01),
    )  # fmt: skip
    assert found["latency_p90_s"].missing == "the baseline does not have it"
    assert {one.ratio for one in found.values()} == {None}


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_a_value_that_cannot_be_is_no_ratio(bad: float) -> None:
    sides = [Outside("x", "trtexec", {"net": {"latency_p50_s": Figure(value, (value,) * 6)}}) for value in (1e-3, bad)]
    found = compared(*sides)["latency_p50_s"]
    assert (found.side, found.ratio) == ("unclear", None)
    assert "above 0" in found.missing


def test_single_benchmarks_belong_together_and_others_by_name() -> None:
    (one,) = outside.compare(result(*processes(1.0, name="a")), result(*processes(1.0, name="b")))
    assert one.cell == "b"
    two = result(*processes(1.0, name="a"), *processes(1.0, name="b"))
    assert [one.cell for one in outside.compare(two, result(*processes(1.0, name="b"), *processes(1.0, name="c")))] == [
        "b"
    ]
    with pytest.raises(UsageError, match="no benchmark in common: the baseline has a, b; the candidate has c"):
        outside.compare(two, result(*processes(1.0, name="c")))


def test_other_names_are_said() -> None:
    """One on each side is held against the other; of several only those of both."""
    a, b, c = (processes(1.0, name=name) for name in "abc")
    (found,) = outside.differences(result(*a), result(*b))
    assert (found.name, found.meaningless) == ("benchmark", False)
    assert found.sentence == "benchmark: a in the baseline, b in the candidate, the only one of each"
    assert outside.differences(result(*a), result(*a)) == ()
    assert outside.differences(result(*a, *b), result(*b, *a)) == ()
    assert [one.sentence for one in outside.differences(result(*a, *b), result(*b, *c))] == [
        "benchmarks of the baseline alone, which are not compared: a",
        "benchmarks of the candidate alone, which are not compared: c",
    ]
    many = result(*(one for name in "defghij" for one in processes(1.0, name=name)))
    with pytest.raises(UsageError, match="has a, b; the candidate has d, e, f, g, h and 2 more"):
        outside.compare(result(*a, *b), many)


@pytest.mark.parametrize(("base", "candidate", "name"), [
    ({"board": "Orin"}, {"board": "Xavier"}, "board"),
    ({"runtime": "TensorRT 8.6.1"}, {"runtime": "TensorRT 10.2.0"}, "runtime"),
    ({"scenario": "Offline"}, {"scenario": "Server"}, "scenario"),
    ({"batch": "1"}, {"batch": "8"}, "scenario"),
    ({"parallel requests": "1"}, {"parallel requests": "4"}, "scenario"),
])  # fmt: skip
def test_other_conditions_refuse_unless_they_are_allowed(
    base: dict[str, str], candidate: dict[str, str], name: str
) -> None:
    sides = [result(*processes(1.0), conditions=conditions) for conditions in (base, candidate)]
    found = outside.differences(*sides)
    assert [(one.name, one.meaningless) for one in found] == [(name, True)]
    assert next(iter(candidate.values())) in comparability.refusal(found)
    assert comparability.refusal(outside.differences(*sides, [name])) == ""


def test_what_one_side_does_not_tell_is_told_and_refuses_nothing() -> None:
    sides = [result(*processes(1.0), conditions=conditions) for conditions in ({"board": "Orin"}, {"kernel": "6.1"})]
    found = outside.differences(*sides)
    assert {one.sentence for one in found} == {
        "board: Orin in the baseline, not recorded in the candidate",
        "kernel: not recorded in the baseline, 6.1 in the candidate",
    }
    assert comparability.refusal(found) == ""


def test_another_tool_measures_something_else() -> None:
    base, candidate = (
        outside.of_result(trtexec.read(files.trtexec(), "a")),
        outside.of_result(openvino.read(files.openvino_csv(), "b")),
    )
    refused = comparability.refusal(outside.differences(base, candidate))
    assert "tool: trtexec in the baseline, openvino in the candidate" in refused
    assert refused.index("tool:") < refused.index("Measure both")


def test_an_allowed_name_that_is_none_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean tool"):
        outside.differences(result(*processes(1.0)), result(*processes(1.0)), ["toll"])


def test_a_run_of_the_harness_is_a_side_with_its_launches() -> None:
    stored = test_history.stored(0, {"small": 1.0})
    side = outside.of_run(stored)
    assert (side.tool, list(side.cells)) == ("harness", ["small"])
    figure = side.cells["small"]["latency_p50_s"]
    assert len(figure.values) == 6
    assert figure.point == pytest.approx(1e-3, rel=1e-3)
    assert side.conditions["board"] == "x86_64 a CPU"
    differs = outside.differences(side, result(*processes(2e-3)))
    assert [one.name for one in differs if one.meaningless] == ["tool", "board"]
    found = compared(side, result(*processes(2e-3)))["latency_p50_s"]
    assert found.side == "worse"
    assert found.ratio == pytest.approx(2.0, rel=0.01)
    assert compared(side, result(*processes(2e-3, 1)))["latency_p50_s"].side == "unclear"


def test_an_invalid_case_of_a_run_is_no_side() -> None:
    stored = test_history.stored(0, {"small": 1.0, "large": 4.0})
    trials = tuple(
        replace(one, status="failed", message="died") if one.case.variant == "large" else one for one in stored.trials
    )
    side = outside.of_run(replace(stored, trials=trials))
    assert list(side.cells) == ["small"]
    assert "large" in side.notes[0]
