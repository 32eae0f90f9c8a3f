"""Two hand-made runs to ratios that can be worked out on paper; what cannot be compared says why and has no verdict."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.analysis.cells import Cell, cells_of, match
from harness.analysis.comparability import Difference
from harness.analysis.compare import MARGINS, compare, side_of
from harness.errors import UsageError
from harness.model.case import Accuracy
from harness.model.gate import Comparison
from harness.model.metrics import REGISTRY
from harness.model.trial import Environment, Outputs, Phases, Trial
from tests.support import host_side
from tests.support.host_side import CASE, column, facts, plan, trial

SPREAD = [-0.011, -0.006, -0.002, 0.003, 0.004, 0.012]


def launches(factor: float = 1.0, spread: list[float] = SPREAD, **changes: Any) -> list[Trial]:
    """Launches of 600 equal inferences of about 1 ms; peak memory in proportion."""
    found = []
    for number, log in enumerate(spread):
        level = factor * math.exp(log)
        phases = Phases(load_s=0.1 * level, first_inference_s=0.01 * level)
        memory = {"end_peak_rss_bytes": 1e8 * level}
        found.append(trial([1e-3 * level] * 600, launch=number, phases=phases, memory=memory, **changes))
    return found


def cells(trials: list[Trial], run: str = "base", artifact: Any = None, case: Any = CASE) -> tuple[Cell, ...]:
    planned = plan((case,), len(trials), artifact)
    held = host_side.stored([replace(one, case=case) for one in trials], planned)
    return cells_of(replace(held, run=replace(held.run, id=run)))


def compared(base: tuple[Cell, ...], candidate: tuple[Cell, ...], *differences: Difference) -> dict[str, Comparison]:
    return {one.metric: one for one in compare(match(base, candidate), differences)}


def test_every_metric_but_the_diagnostic_is_compared_or_has_a_reason() -> None:
    found = compared(cells(launches()), cells(launches(1.1), "candidate"))
    assert set(found) == set(REGISTRY) - {"effective_sample_size"}
    assert all(one.missing for one in found.values() if one.ratio is None)
    assert all(one.side == "unclear" for one in found.values() if one.missing)


def test_the_ratio_of_two_runs_is_that_of_their_launches() -> None:
    """Trimmed means of the same logs: exactly 1.1, and Yuen's interval (t of 6 degrees) around it."""
    found = compared(cells(launches()), cells(launches(1.1), "candidate"))["latency_p50_s"]
    assert (found.side, found.n, found.margin) == ("worse", 6, 0.02)
    assert found.ratio == pytest.approx(1.1)
    winsorised = np.clip(SPREAD, -0.006, 0.004)
    half = 2.446912 * math.sqrt(2 * 5 * winsorised.var(ddof=1) / (4 * 3))
    assert (found.low, found.high) == pytest.approx((1.1 * math.exp(-half), 1.1 * math.exp(half)), rel=1e-6)
    assert "not paired" in found.method
    assert (found.baseline, found.candidate) == pytest.approx((1.0005005e-3, 1.1005506e-3), rel=1e-5)


@pytest.mark.parametrize(
    ("factor", "latency", "rate"), [(1.1, "worse", "worse"), (0.9, "better", "better"), (1.001, "same", "same")]
)
def test_the_side_is_turned_by_what_is_better(factor: float, latency: str, rate: str) -> None:
    base = launches(spread=[one / 10 for one in SPREAD])
    candidate = launches(factor, spread=[one / 10 for one in SPREAD])
    found = compared(cells(base), cells(candidate, "candidate"))
    assert (found["latency_mean_s"].side, found["throughput_per_s"].side) == (latency, rate)
    assert found["throughput_per_s"].ratio == pytest.approx(1 / factor)


def test_swapping_the_runs_turns_the_ratio_over() -> None:
    one, other = cells(launches()), cells(launches(1.07, [0.001, 0.009, -0.004, 0.02, -0.013, 0.005]), "candidate")
    there, back = compared(one, other)["latency_p90_s"], compared(other, one)["latency_p90_s"]
    assert there.ratio == pytest.approx(1 / back.ratio)
    assert (there.low, there.high) == pytest.approx((1 / back.high, 1 / back.low))


def paired(trials: list[Trial]) -> list[Trial]:
    return [replace(one, environment=Environment({}, {}, {"pair": f"pair {one.launch}"})) for one in trials]


def test_paired_launches_are_compared_in_pairs() -> None:
    """A machine that slows down by 30 % on the way moves both sides alike: unpaired it hides what pairs show."""
    slowing = [0.05 * number for number in range(6)]
    steps = [0.029, 0.031, 0.030, 0.0305, 0.0295, 0.030]
    base, candidate = launches(spread=slowing), launches(spread=[a + b for a, b in zip(slowing, steps, strict=True)])
    unpaired = compared(cells(base), cells(candidate, "candidate"))["latency_p50_s"]
    assert unpaired.side == "unclear"
    found = compared(cells(paired(base)), cells(paired(candidate)[::-1], "candidate"))["latency_p50_s"]
    assert found.side == "worse"
    assert found.method == "6 pairs of launches; Student's t of their log ratios"
    half = 2.570582 * np.std(steps, ddof=1) / math.sqrt(6)
    assert math.log(found.ratio) == pytest.approx(0.03)
    assert (math.log(found.low), math.log(found.high)) == pytest.approx((0.03 - half, 0.03 + half), rel=1e-3)


def test_two_variants_of_one_run_are_paired_by_their_round() -> None:
    both = cells(launches()), cells(launches(1.1), case=replace(CASE, variant="large"))
    found = {one.metric: one for one in compare(match(*both, renamed={"large": "small"}))}["latency_p50_s"]
    assert found.cell == "large"
    assert found.method.startswith("6 pairs")
    assert found.low == pytest.approx(1.1)  # the same spread on both sides: all pairs agree


def test_too_few_launches_have_a_ratio_and_no_verdict() -> None:
    for spread in (SPREAD[:1], SPREAD[:5]):
        found = compared(cells(launches()), cells(launches(3.0, spread), "candidate"))["latency_p50_s"]
        assert (found.side, found.low, found.n) == ("unclear", None, len(spread))
        assert found.ratio == pytest.approx(3.0, rel=0.02)
        assert found.missing == f"6 and {len(spread)} launches; an interval needs 6 of each"


def test_a_percentile_that_is_only_pooled_has_no_verdict() -> None:
    found = compared(cells(launches()), cells(launches(3.0), "candidate"))["latency_p999_s"]
    assert found.side == "unclear"
    assert "3600 inferences; p99.9 needs" in found.missing
    short = [replace(one, samples=host_side.samples([0.002] * 120)) for one in launches(2.0)]
    found = compared(cells(launches()), cells(short, "candidate"))["latency_p99_s"]
    assert (found.side, found.low) == ("unclear", None)
    assert found.missing == "candidate: too few inferences in a launch for its own value"


@pytest.mark.parametrize("bad", [0.0, -1e-3, math.nan])
def test_a_time_that_cannot_be_is_no_verdict(bad: float) -> None:
    trials = launches()
    trials[2] = replace(trials[2], samples=replace(trials[2].samples, duration_s=column([bad] * 600)))
    found = compared(cells(trials), cells(launches(2.0), "candidate"))["latency_p50_s"]
    assert (found.side, found.low) == ("unclear", None)
    assert "above 0" in found.missing or "invalid" in found.missing


def test_a_constant_series_is_no_verdict() -> None:
    found = compared(cells(launches(spread=[0.0] * 6)), cells(launches(1.5), "candidate"))
    assert found["latency_p50_s"].side == "unclear"
    assert found["latency_p50_s"].missing.startswith("baseline: all 6 launches gave 0.001: a clock this coarse")
    assert found["memory_peak_bytes"].side == "worse"  # memory may well be the same in every launch


def test_an_invalid_or_empty_case_is_no_verdict() -> None:
    failed = [trial([], launch=n, status="failed", message="killed") for n in range(6)]
    found = compared(cells(launches()), cells(failed, "candidate"))
    assert {one.side for one in found.values()} == {"unclear"}
    assert found["model_size_bytes"].missing.startswith("candidate: invalid, by trial_failed (6 of 6 trials failed")


def test_counts_are_exact() -> None:
    base = cells(launches(), artifact=facts(parameters=1000, macs=500))
    candidate = cells(launches(), "candidate", artifact=facts(parameters=1001, macs=500, size_bytes=999))
    found = compared(base, candidate)
    assert [found[name].side for name in ("parameters", "macs", "model_size_bytes")] == ["worse", "same", "better"]
    assert (found["parameters"].low, found["parameters"].high) == (1.001, 1.001)


def predicted(right: list[bool], dataset: str = "d") -> Trial:
    outputs = Outputs(top1=column([1 if one else 0 for one in right]), label=column([1] * len(right)))
    return trial([], mode="accuracy", outputs=outputs, dataset_sha256=dataset, launch=0, id="accuracy")


def test_accuracy_is_compared_image_by_image() -> None:
    """1,000 images; 900 both right, 60 the baseline alone, 20 the candidate alone: 4 points less, p = 8e-6."""
    base = predicted([True] * 960 + [False] * 40)
    candidate = predicted([True] * 900 + [False] * 60 + [True] * 20 + [False] * 20)
    found = compared(cells([*launches(), base]), cells([*launches(), candidate], "candidate"))["accuracy_top1"]
    assert (found.side, found.n) == ("worse", 1000)
    assert found.ratio == pytest.approx(0.92 / 0.96)
    assert "60 right in the baseline alone, 20 in the candidate alone; McNemar's exact p = 8.6e-06" in found.method
    # Bonett and Price: (21 - 61) / 1002 +- 1.96 sqrt((82 - 40^2 / 1002) / 1002^2 ...), over 0.96.
    middle = -40 / 1002
    half = 1.959964 * math.sqrt((82 / 1002 - middle**2) / 1002)
    assert (found.low, found.high) == pytest.approx((1 + (middle - half) / 0.96, 1 + (middle + half) / 0.96))


def test_accuracy_on_other_images_is_not_paired() -> None:
    base, candidate = predicted([True] * 900 + [False] * 100), predicted([True] * 700 + [False] * 300, "other")
    found = compared(cells([*launches(), base]), cells([*launches(), candidate], "candidate"))["accuracy_top1"]
    assert found.side == "worse"
    assert found.method.startswith("not the same images")
    assert found.low < 7 / 9 < found.high


@pytest.mark.parametrize(("same", "side"), [(True, "same"), (False, "unclear")])
def test_one_file_with_the_same_answers_is_as_accurate(same: bool, side: str) -> None:
    """Of 200 images, 8 of them wrong: the interval of unequal files is wider than the margin of 0.5 %."""
    answers = predicted([True] * 192 + [False] * 8)
    known, other = facts(sha256="a" * 64), facts(sha256=("a" if same else "b") * 64)
    found = compared(
        cells([*launches(), answers], artifact=known), cells([*launches(), answers], "candidate", artifact=other)
    )["accuracy_top1"]
    assert (found.side, found.ratio, found.n) == (side, 1.0, 200)
    assert (found.low == found.high == 1.0) is same


def test_one_file_that_answered_otherwise_is_compared_by_its_answers() -> None:
    known = facts(sha256="a" * 64)
    base, candidate = predicted([True] * 960 + [False] * 40), predicted([False] * 40 + [True] * 960)
    found = compared(
        cells([*launches(), base], artifact=known), cells([*launches(), candidate], "candidate", artifact=known)
    )["accuracy_top1"]
    assert found.side == "unclear"
    assert "40 right in the baseline alone" in found.method


def test_the_same_file_with_the_same_record_is_as_accurate() -> None:
    known = facts(accuracy=Accuracy(9269, 10_000, "cifar10"))
    found = compared(cells(launches(), artifact=known), cells(launches(), "candidate", artifact=known))["accuracy_top1"]
    assert (found.side, found.low, found.high) == ("same", 1.0, 1.0)


def test_a_small_change_of_memory_never_counts() -> None:
    """1 MiB of 100 MB is 1.05 %, under the margin; of 10 MB it is 10 %, and becomes the margin."""
    base, candidate = launches(), launches(1.05)
    small = [replace(one, memory={"end_peak_rss_bytes": one.memory["end_peak_rss_bytes"] / 10}) for one in base]
    grown = [replace(one, memory={"end_peak_rss_bytes": one.memory["end_peak_rss_bytes"] / 10}) for one in candidate]
    assert compared(cells(base), cells(candidate, "candidate"))["memory_peak_bytes"].side == "worse"
    found = compared(cells(small), cells(grown, "candidate"))["memory_peak_bytes"]
    assert found.margin == pytest.approx(2**20 / 1e7, rel=1e-3)
    assert found.side == "same"


def test_a_meaningless_difference_bars_its_metrics_alone() -> None:
    place = Difference("power_place", "energy was read elsewhere", True, ("load_s",), "small")
    found = compared(cells(launches()), cells(launches(2.0), "candidate"), place)
    assert found["load_s"].missing == "energy was read elsewhere"
    assert found["latency_p50_s"].side == "worse"
    allowed = compared(cells(launches()), cells(launches(2.0), "candidate"), replace(place, meaningless=False))
    assert allowed["load_s"].side == "worse"
    elsewhere = compared(cells(launches()), cells(launches(2.0), "candidate"), replace(place, cell="another"))
    assert elsewhere["load_s"].side == "worse"


@pytest.mark.parametrize(
    ("low", "high", "side"),
    [
        (1.03, 1.05, "worse"), (0.9, 0.95, "better"), (0.99, 1.01, "same"), (0.99, 1.05, "unclear"),
        (1.01, 1.05, "unclear"), (0.95, 0.99, "unclear"), (1.0, 1.0, "same"), (0.981, 1.019, "same"),
    ],
)  # fmt: skip
def test_sides(low: float, high: float, side: str) -> None:
    assert side_of("latency_p50_s", low, high, 0.02) == side
    turned = {"worse": "better", "better": "worse"}.get(side, side)
    assert side_of("throughput_per_s", low, high, 0.02) == turned


def test_cells_are_found_again_by_variant_backend_and_scenario() -> None:
    other = replace(CASE, variant="other")
    base = (*cells(launches()), *cells(launches(), case=other))
    (found,) = match(base, cells(launches(), "candidate"))
    assert (found.name, found.baseline.key[0]) == ("small", "small")
    with pytest.raises(
        UsageError, match=r"no cell in common: the baseline has small null .*; the candidate has strange"
    ):
        match(base, cells(launches(), "candidate", case=replace(CASE, variant="strange")))
    with pytest.raises(UsageError, match="the candidate has none"):
        match(base, ())


def test_one_variant_against_one_variant_needs_no_name() -> None:
    (found,) = match(cells(launches()), cells(launches(), "candidate", case=replace(CASE, variant="new")))
    assert (found.name, found.baseline.key[0]) == ("new", "small")


def test_every_metric_has_a_margin() -> None:
    assert set(REGISTRY) <= set(MARGINS)
    assert all(0 <= margin < 1 for margin in MARGINS.values())
