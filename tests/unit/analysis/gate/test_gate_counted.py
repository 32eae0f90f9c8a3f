"""Design (c): counts, exact or within an allowance, and where operators run."""

from __future__ import annotations

import math

import pytest

from harness.analysis.gate.counted import Counts, judge_counts
from harness.model.gate import Decision, Outcome

CPU = "CPUExecutionProvider"


def one(metric: str, before: tuple[float, ...], after: tuple[float, ...]) -> Decision:
    (found,) = judge_counts("a", Counts({metric: before}), Counts({metric: after}))
    return found


@pytest.mark.parametrize(
    ("metric", "before", "after", "outcome"),
    [
        ("macs", (1000,), (1000,), "pass"),
        ("macs", (1000,), (1001,), "regression"),
        ("macs", (1000,), (999,), "improvement"),
        ("macs", (0,), (1,), "regression"),
        ("parameters", (10,), (11,), "regression"),
        ("model_size_bytes", (50_000,), (51_024,), "pass"),
        ("model_size_bytes", (50_000,), (51_025,), "regression"),
        ("memory_peak_bytes", (20e6,), (21e6,), "pass"),  # under a mebibyte
        ("memory_peak_bytes", (200e6,), (203e6,), "pass"),  # under 2 %
        ("memory_peak_bytes", (200e6,), (205e6,), "regression"),
        ("instructions", (1e9,), (1.004e9,), "pass"),
        ("instructions", (1e9,), (1.006e9,), "regression"),
        ("instructions", (1e9,), (0.99e9,), "improvement"),
        # Counts that scatter by more than 0.5 % themselves allow more.
        ("instructions", (1.00e9, 1.01e9, 0.99e9), (1.006e9, 1.016e9, 0.996e9), "pass"),
        ("instructions", (1.00e9, 1.0001e9, 0.9999e9), (1.006e9, 1.0061e9, 1.0059e9), "regression"),
    ],
)
def test_counts(metric: str, before: tuple[float, ...], after: tuple[float, ...], outcome: Outcome) -> None:
    assert one(metric, before, after).outcome == outcome


def test_the_reason_says_that_no_time_was_measured() -> None:
    assert one("macs", (1000,), (1001,)).reason == "MACs: 1,000 -> 1,001 (+0.10 %); work changed, time not measured"
    assert one("macs", (1000,), (1000,)).reason == "MACs: 1,000 -> 1,000; the same work"


@pytest.mark.parametrize(
    ("before", "after", "outcome", "words"),
    [
        ({f"{CPU} int8": 9}, {f"{CPU} int8": 9}, "pass", "each runs where it ran"),
        (
            {f"{CPU} int8": 9},
            {f"{CPU} int8": 8, f"{CPU} fp32": 1},
            "regression",
            f"{CPU} fp32 0 -> 1, {CPU} int8 9 -> 8",
        ),
        ({f"{CPU} int8": 8, f"{CPU} fp32": 1}, {f"{CPU} int8": 9}, "improvement", "work changed, time not measured"),
        ({f"{CPU} int8": 9}, {f"{CPU} int8": 7}, "pass", f"{CPU} int8 9 -> 7"),
    ],
)
def test_placement(before: dict[str, int], after: dict[str, int], outcome: Outcome, words: str) -> None:
    preferred = f"{CPU} int8"
    (found,) = judge_counts("a", Counts({}, before, preferred), Counts({}, after, preferred))
    assert (found.metric, found.outcome) == ("operator_placement", outcome)
    assert words in found.reason


def test_what_is_never_a_verdict() -> None:
    for before, after, words in (
        ((1000.0,), (), "MACs: not known of the candidate alone: an LSTM"),
        ((), (1000.0,), "MACs: not known of the baseline alone: not counted"),
        ((1000.0,), (math.nan,), "are not counts"),
        ((1000.0,), (-1.0,), "are not counts"),
    ):
        sides = Counts({"macs": before}), Counts({"macs": after}, absent={"macs": "an LSTM"})
        (found,) = judge_counts("a", *sides)
        assert found.outcome == "invalid"
        assert words in found.reason
    (nothing,) = judge_counts("a", Counts({}), Counts({}, absent={"macs": "an LSTM"}))
    assert (nothing.outcome, nothing.reason) == ("invalid", "nothing could be counted: macs: an LSTM")
    (half,) = judge_counts("a", Counts({}, {CPU: 1}), Counts({}))
    assert half.outcome == "invalid"
