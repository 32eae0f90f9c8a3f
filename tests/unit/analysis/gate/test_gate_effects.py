"""From launches to effects: what cancels, what is kept, what is refused. Bars 6 and 10 of statistics.md, section 5."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from harness.analysis.gate import effects
from harness.analysis.gate.effects import Absent, Effect, Figure, Launch, Side
from harness.model.gate import Rule
from tests.support import fake_launches

RULES = tuple(
    Rule(metric, 0.02, 0.05)
    for metric in ("latency_p50_s", "latency_p90_s", "latency_p95_s", "latency_mean_s", "throughput_per_s", "load_s")
)
MEDIAN = RULES[:1]


def flat(per_block: list[float], size: int = 3) -> Side:
    """Blocks of nearly equal durations: the middle one exactly as given."""
    times = [value + step * 1e-9 for value in per_block for step in range(-(size // 2), size // 2 + 1)]
    return Side(np.array(times), np.repeat(np.arange(float(len(per_block))), size))


def log_of(found: effects.LaunchEffects, metric: str = "latency_p50_s") -> float:
    one = found[metric]
    assert isinstance(one, Effect), one
    return one.log


def reason_of(found: effects.LaunchEffects, metric: str = "latency_p50_s") -> str:
    one = found[metric]
    assert isinstance(one, Absent)
    assert one.broken
    return one.reason


def test_the_median_is_paired_block_by_block() -> None:
    """The machine doubles its time half-way; medians of the whole launch would say +50 %, pairs say +10 %."""
    one = Launch(flat([1.0, 1.0, 2.0, 2.0, 2.0]), flat([1.1, 1.1, 2.2, 2.2, 2.2]))
    assert log_of(effects.launch_effects(one, MEDIAN)) == pytest.approx(math.log(1.1))
    apart = Launch(flat([1.0, 1.0, 1.0, 2.0, 2.0]), flat([1.1, 1.1, 2.2, 2.2, 2.2]))
    assert log_of(effects.launch_effects(apart, MEDIAN)) == pytest.approx(math.log(1.1))


def test_sides_that_ran_one_after_the_other_are_compared_whole() -> None:
    one = Launch(flat([1.0, 1.0, 2.0]), flat([3.0]), alternated=False)
    assert log_of(effects.launch_effects(one, MEDIAN)) == pytest.approx(math.log(3.0))


@pytest.mark.parametrize("seed", range(20))
def test_swapping_the_sides_negates_every_effect_to_the_last_bit(seed: int) -> None:
    """Bar 10."""
    one = fake_launches.launch(np.random.default_rng(seed), fake_launches.uniformly(1.05))
    one = fake_launches.with_figures(one, "load_s", "s", 0.0301, 0.0317)
    there = effects.launch_effects(one, RULES, drop=2)
    back = effects.launch_effects(Launch(one.candidate, one.baseline), RULES, drop=2)
    assert set(there) == {rule.metric for rule in RULES} | {effects.FLOOR}
    for metric in there:
        assert log_of(back, metric) == -log_of(there, metric) != 0
    assert there == effects.launch_effects(one, RULES, drop=2)


def test_higher_is_better_turns_the_sign() -> None:
    one = fake_launches.launch(np.random.default_rng(1), fake_launches.uniformly(1.10))
    found = effects.launch_effects(one, RULES)
    assert log_of(found, "throughput_per_s") == pytest.approx(log_of(found, "latency_mean_s"))
    assert log_of(found, "throughput_per_s") > 0.08


def ramp(share: float) -> float:
    return 1 + 0.15 * share


def step(share: float) -> float:
    return 1.15 if share > 0.37 else 1.0


@pytest.mark.parametrize("drift", [ramp, step])
@pytest.mark.parametrize("slower", [1.0, 1.05])
def test_a_drift_of_15_percent_in_both_sides_moves_the_effect_by_no_more_than_0_2_points(drift, slower: float) -> None:
    """Bar 6, on the mean of the six launches of a gate; 20 gates with and without the drift, from the same seeds."""
    for seed in range(20):
        effect = {}
        for name, over in (("still", lambda _: 1.0), ("drift", drift)):
            generator = np.random.default_rng(seed)
            six = [fake_launches.launch(generator, fake_launches.uniformly(slower), over) for _ in range(6)]
            effect[name] = np.mean([log_of(effects.launch_effects(one, MEDIAN, drop=1)) for one in six])
        assert abs(effect["drift"] - effect["still"]) < 0.002


def test_one_side_after_the_other_would_take_that_drift_for_a_regression() -> None:
    """The check above can fail: unpaired, the ramp is +7 %."""
    times = 1e-3 * (1 + 0.15 * np.arange(800) / 800)
    block = np.repeat(np.arange(20.0), 20)
    one = Launch(Side(times[:400], block), Side(times[400:], block))
    assert log_of(effects.launch_effects(one, MEDIAN)) > 0.06


def test_the_first_inferences_after_a_switch_are_found_and_left_out() -> None:
    generator = np.random.default_rng(5)
    launches = [fake_launches.launch(generator) for _ in range(3)]
    assert effects.settling(launches) == 1
    slow = [replace_block_heads(one, (2.0, 1.3, 1.1)) for one in launches]
    assert effects.settling(slow) == 3
    assert effects.settling([]) == 0
    kept, whole = (effects.launch_effects(slow[0], RULES, drop=drop)["latency_p95_s"] for drop in (3, 0))
    assert isinstance(kept, Effect)
    assert isinstance(whole, Effect)
    assert kept.baseline < 1.2e-3 < whole.baseline


def replace_block_heads(one: Launch, factors: tuple[float, ...]) -> Launch:
    sides = []
    for side in (one.baseline, one.candidate):
        times = side.duration_s.reshape(20, -1).copy()
        times[:, : len(factors)] *= factors
        sides.append(replace(side, duration_s=times.ravel()))
    return replace(one, baseline=sides[0], candidate=sides[1])


def test_a_pause_of_ten_seconds_in_one_inference_is_survived() -> None:
    """Bar 11."""
    one = fake_launches.launch(np.random.default_rng(9), sigma=0.0)
    times = one.candidate.duration_s.copy()
    times[123] = 10.1
    paused = replace(one, candidate=replace(one.candidate, duration_s=times))
    before, after = (log_of(effects.launch_effects(it, MEDIAN, drop=1)) for it in (one, paused))
    assert abs(after - before) < 0.002


def test_a_percentile_needs_its_samples() -> None:
    p99 = [Rule("latency_p99_s", 0.25, 0.75)]
    few = effects.launch_effects(fake_launches.launch(np.random.default_rng(2)), p99)["latency_p99_s"]
    assert few == Absent("400 inferences a launch; p99 needs 500", scarce=True)
    many = effects.launch_effects(fake_launches.launch(np.random.default_rng(2), size=25), p99)["latency_p99_s"]
    assert isinstance(many, Effect)


@pytest.mark.parametrize(
    ("durations", "words"),
    [
        ([], "candidate: no inference was timed"),
        ([1e-3] * 14 + [0.0], "candidate: 1 of 15 times are zero or negative"),
        ([1e-3] * 14 + [-1e-3], "1 of 15 times are zero or negative"),
        ([1e-3] * 14 + [math.nan], "1 of 15 times are no number"),
        ([1e-3] * 14 + [math.inf], "1 of 15 times are no number"),
        ([1e-3] * 15, "all 15 inferences took exactly 0.001 s: a clock that does not measure"),
    ],
)
def test_times_that_cannot_be_right_have_no_effect(durations: list[float], words: str) -> None:
    bad = Side(np.array(durations), np.repeat(np.arange(5.0), 3)[: len(durations)])
    found = effects.launch_effects(Launch(flat([1e-3] * 5), bad), RULES[:4])
    for rule in RULES[:4]:
        assert words in reason_of(found, rule.metric)


def test_blocks_that_make_no_pairs_have_no_effect() -> None:
    crashed = Launch(flat([1.0] * 6), flat([1.0] * 4))
    assert (
        reason_of(effects.launch_effects(crashed, MEDIAN)) == "6 blocks of the baseline, 4 of the candidate: no pairs"
    )
    few = Launch(flat([1.0] * 3), flat([1.0] * 3))
    assert reason_of(effects.launch_effects(few, MEDIAN)) == "3 pairs of blocks; at least 4 are needed"
    headless = Launch(flat([1.0] * 5), flat([1.0] * 5))
    assert "0 pairs" in reason_of(effects.launch_effects(headless, MEDIAN, drop=3))
    torn = Launch(flat([1.0] * 5), Side(np.ones(15) * np.arange(1, 16), np.zeros(14)))
    assert reason_of(effects.launch_effects(torn, MEDIAN)) == "candidate: 15 times with 14 numbers of blocks"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, None, Absent("no counter here")),
        (Figure(1.0, "s"), None, Absent("is missing of the candidate alone: was not measured", True)),
        (None, Figure(1.0, "s"), Absent("is missing of the baseline alone: no counter here", True)),
        (Figure(1.0, "s"), Figure(1.0, "ms"), Absent("is in s and ms, to be compared in s", True)),
        (Figure(0.0, "s"), Figure(1.0, "s"), Absent("is 0 of the baseline: a ratio needs a number above zero", True)),
        (
            Figure(1.0, "s"),
            Figure(-2.0, "s"),
            Absent("is -2 of the candidate: a ratio needs a number above zero", True),
        ),
        (
            Figure(1.0, "s"),
            Figure(math.nan, "s"),
            Absent("is nan of the candidate: a ratio needs a number above zero", True),
        ),
        (Figure(2.0, "s"), Figure(3.0, "s"), Effect(math.log(3) - math.log(2), 2.0, 3.0)),
    ],
)
def test_figures_of_a_launch(before: Figure | None, after: Figure | None, expected: Effect | Absent) -> None:
    absent = {"load_s": "no counter here"}
    sides = [
        Side(np.zeros(0), np.zeros(0), {} if one is None else {"load_s": one}, absent if one is before else {})
        for one in (before, after)
    ]
    assert effects.launch_effects(Launch(*sides), [Rule("load_s", 0.1, 0.25)])["load_s"] == expected
