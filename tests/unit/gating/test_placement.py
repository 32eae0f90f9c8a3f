"""Where operators ran: what multiplies by provider and precision, the rest only where it ran elsewhere."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.analysis.gate.counted import PLACEMENT, judge_counts
from harness.gating import counted, placement
from harness.model.baseline import BlessedCell, Fingerprint
from harness.model.gate import Policy, Rule
from harness.model.trial import Environment, Trial
from tests.support.host_side import CASE, facts, trial

CPU, GPU = "CPUExecutionProvider", "CUDAExecutionProvider"
POLICY = Policy((Rule("latency_p50_s", 0.02, 0.05),))


def kernel(op: str, provider: str = CPU, precision: str = "float", count: float = 1.0) -> dict[str, Any]:
    return {"op": op, "provider": provider, "precision": precision, "count": count, "duration_s": 1e-5}


def launch(*kernels: dict[str, Any], precision: str = "fp32", **options: Any):
    case = replace(CASE, precision=precision, options=options)
    return trial(case=case, environment=Environment(facts={"operators": list(kernels)}))


def test_kernels_that_multiply_are_told_by_precision_and_others_only_elsewhere() -> None:
    one = launch(kernel("Conv", count=3.0), kernel("QLinearConv", precision="uint8", count=2.0), kernel("Reshape"))
    assert placement.of_trials([one]) == {f"{CPU} fp32": 3, f"{CPU} int8": 2}
    split = launch(kernel("Conv", GPU, count=9.0), kernel("Reshape", CPU, count=2.0), providers=[GPU, CPU])
    assert placement.of_trials([split]) == {f"{CPU}: other kernels": 2, f"{GPU} fp32": 9}


def test_no_account_is_no_placement() -> None:
    assert placement.of_trials([trial(), launch()]) is None


def judged(before: Any, after: Any) -> Any:
    sides = [counted.of_launches(one.case, facts(), [one], "not counted") for one in (before, after)]
    return next(one for one in judge_counts("a", *sides) if one.metric == PLACEMENT)


def test_an_operator_that_fell_back_to_another_provider_is_a_regression() -> None:
    before = launch(kernel("Conv", GPU, count=9.0), providers=[GPU, CPU])
    after = launch(kernel("Conv", GPU, count=8.0), kernel("Conv", CPU), providers=[GPU, CPU])
    found = judged(before, after)
    assert found.outcome == "regression"
    assert f"{CPU} fp32 0 -> 1, {GPU} fp32 9 -> 8" in found.reason
    assert judged(after, before).outcome == "improvement"
    assert judged(before, before).outcome == "pass"


def test_an_int8_convolution_that_runs_in_floats_is_a_regression() -> None:
    before = launch(kernel("QLinearConv", precision="uint8", count=4.0), precision="int8")
    after = launch(kernel("QLinearConv", precision="uint8", count=3.0), kernel("Conv"), precision="int8")
    assert judged(before, after).outcome == "regression"


def test_more_work_beside_a_time_is_open_unless_a_rule_names_it() -> None:
    before, after = facts(macs=100, parameters=10), facts(macs=102, parameters=10)
    found = {one.metric: one for one in counted.beside_time("a", before, after, POLICY)}
    assert (found["macs"].outcome, found["parameters"].outcome) == ("inconclusive", "pass")
    assert found["macs"].reason.endswith(counted.OPEN)
    strict = replace(POLICY, rules=(*POLICY.rules, Rule("macs", 0.01, 0.02)))
    assert [one.outcome for one in counted.beside_time("a", before, after, strict) if one.metric == "macs"] == [
        "regression"
    ]
    wide = replace(POLICY, rules=(*POLICY.rules, Rule("macs", 0.03, 0.05)))
    assert [one.outcome for one in counted.beside_time("a", before, after, wide) if one.metric == "macs"] == ["pass"]


def test_what_one_side_could_not_count_is_left_out_and_said() -> None:
    one = launch(kernel("Conv"))
    with_memory = replace(one, memory={"end_peak_rss_bytes": 2.0**26})
    sides = [
        counted.of_launches(side.case, facts(macs=5), [side], "valgrind is not installed")
        for side in (one, with_memory)
    ]
    decisions, notes = counted.judged("a", *sides, POLICY)
    assert {found.metric for found in decisions} == {"macs", "model_size_bytes", PLACEMENT}
    assert notes == [
        "a: memory_peak_bytes is not compared: no launch recorded it",
        "a: instructions is not compared: valgrind is not installed",
    ]


def kept(*kernels: dict[str, Any], runtime: str = "null, onnxruntime 1.31.1", **changes: Any) -> BlessedCell:
    """A blessed cell of one int8 launch."""
    one = launch(*kernels, precision="int8")
    software = Fingerprint(software={"runtime": runtime})
    return replace(BlessedCell(one.case, facts(macs=5), software, ("a",), (), placement.of_trials([one])), **changes)


def now(*kernels: dict[str, Any]) -> Trial:
    told = launch(*kernels, precision="int8")
    environment = Environment(facts={**told.environment.facts, "versions": {"onnxruntime": "1.31.1"}})
    return replace(told, environment=environment)


INT8, FLOAT = kernel("QLinearConv", precision="uint8", count=4.0), kernel("Conv")


def held(cell: BlessedCell, trial: Trial) -> tuple[dict[str, str], list[str]]:
    decisions, notes = counted.judged("a", *counted.against_kept(cell, facts(macs=5), trial), POLICY)
    return {one.metric: one.outcome for one in decisions}, notes


def test_a_layer_that_left_int8_since_it_was_blessed_is_a_regression() -> None:
    same = {"macs": "pass", "model_size_bytes": "pass"}
    assert held(kept(INT8), now(INT8)) == ({**same, PLACEMENT: "pass"}, [])
    assert held(kept(INT8), now(INT8, FLOAT)) == ({**same, PLACEMENT: "regression"}, [])
    assert held(kept(INT8, FLOAT), now(INT8)) == ({**same, PLACEMENT: "improvement"}, [])


@pytest.mark.parametrize(
    ("cell", "trial", "said"),
    [
        (
            kept(INT8, runtime="null, ort 1.9"),
            now(FLOAT),
            "the runtime was null, ort 1.9, and is null, onnx",
        ),
        (kept(INT8, placement=None), now(FLOAT), "not kept"),
        (kept(INT8), now(), "the runtime gave no account of what it ran"),
    ],
)
def test_where_operators_ran_is_not_compared_with_what_is_not_known(cell: BlessedCell, trial: Trial, said: str) -> None:
    found, notes = held(cell, trial)
    assert found == {"macs": "pass", "model_size_bytes": "pass"}
    (note,) = notes
    assert note.startswith(f"a: the place of operators is not compared: {said}")
