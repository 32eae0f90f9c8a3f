"""The gate's study on small synthetic launches: what it counts, and that it writes the same page each time."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.model.gate import Policy
from tests.study import collect, gate_study, recorded, resample, rivals, study_page
from tests.study.recorded import Data, Recorded
from tests.support import fake_launches

SESSION = {
    "kind": "session", "started_utc": "2026-11-21T12:00:00Z", "seed": 1, "burst": 6, "machine": "invented, 2 cores",
    "kernel": "6", "python": "3.11", "onnxruntime": "1", "harness": "0", "opened_s": 0.4,
}  # fmt: skip
SLOWDOWNS = {
    "A/A": fake_launches.nothing,
    "+5 %": fake_launches.uniformly(1.055),
    "tail": fake_launches.partly(0.05, 2.0),
}
POLICY = Policy(gate_study.TWO)


def launches(kind: str, condition: str = "quiet", count: int = 26, sigma: float = 0.0035) -> list[Recorded]:
    generator = np.random.default_rng([len(kind), len(condition)])
    return [
        Recorded(
            condition, f"fast {kind}", (i // 6, 0, i % 6), 1.0 + i / 100,
            fake_launches.launch(generator, SLOWDOWNS[kind], blocks=10, size=60, sigma=sigma),
        )
        for i in range(count)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def data() -> Data:
    return Data((SESSION,), tuple(itertools.chain.from_iterable(launches(kind) for kind in SLOWDOWNS)))


@pytest.fixture(scope="module")
def found(data: Data) -> study_page.Found:
    return gate_study.study(data, gates=20, seed=7, draws=6)


def test_launches_come_back_as_they_were_written(tmp_path: Path) -> None:
    some = launches("A/A", count=3)
    recorded.append(tmp_path, SESSION)
    for one in reversed(some):
        recorded.append(tmp_path, recorded.line_of(one))
    back = recorded.read(tmp_path)
    assert back.sessions == (SESSION,)
    series = back.of("quiet", "fast A/A")
    assert [one.at for one in series] == [one.at for one in some]  # in the order of measuring
    for one, other in zip(some, series, strict=True):
        np.testing.assert_allclose(other.launch.candidate.duration_s, one.launch.candidate.duration_s, atol=5e-10)
        np.testing.assert_array_equal(other.launch.baseline.block, one.launch.baseline.block)
        assert other.launch.candidate_second == one.launch.candidate_second
    assert back.of("loaded", "fast A/A") == ()


def test_a_torn_line_costs_itself_alone(tmp_path: Path) -> None:
    some = launches("A/A", count=2)
    recorded.append(tmp_path, recorded.line_of(some[0]))
    path = tmp_path / recorded.FILE
    path.write_text(path.read_text() + path.read_text()[:200])
    recorded.append(tmp_path, recorded.line_of(some[1]))
    assert [one.at for one in recorded.read(tmp_path).launches] == [(0, 0, 0), (0, 0, 1)]


def test_bursts_are_the_same_for_the_same_seed_and_take_the_conditions_in_turn() -> None:
    size = sum(collect.ROUND.values())
    first = list(itertools.islice(collect.bursts(1), 4 * size))
    assert first == list(itertools.islice(collect.bursts(1), 4 * size))
    assert first != list(itertools.islice(collect.bursts(2), 4 * size))
    assert [one.condition for one in first[::size]] == ["quiet", "loaded", "quiet", "loaded"]
    for number in range(4):
        pairs = [one.pair for one in first if one.round == number]
        assert {pair: pairs.count(pair) for pair in pairs} == collect.ROUND


def test_one_condition_alone_has_the_rounds_that_it_would_have_had() -> None:
    size = sum(collect.ROUND.values())
    both = [one for one in itertools.islice(collect.bursts(1), 4 * size) if one.condition == "loaded"]
    assert list(itertools.islice(collect.bursts(1, ("loaded",)), 2 * size)) == both


def test_swapping_twice_is_nothing_and_once_negates(data: Data) -> None:
    series = resample.series_of(data.of("quiet", "fast +5 %"), gate_study.TWO)
    told = series.effects[0]
    once = resample.swapped(told)
    assert once["latency_p50_s"].log == -told["latency_p50_s"].log
    assert once["latency_p50_s"].baseline == told["latency_p50_s"].candidate
    assert resample.swapped(once) == told


def test_a_gate_takes_the_launches_of_its_stretch_in_order(data: Data) -> None:
    series = resample.series_of(data.of("quiet", "fast +5 %"), gate_study.TWO)
    ran = resample.run(POLICY, {"m": resample.Stretch(series, 20)}, family=20)
    assert (ran.outcome, ran.launches) == ("regression", 6 + POLICY.confirm)
    assert ran.seconds == pytest.approx(sum(series.seconds[(20 + i) % 26] for i in range(6 + POLICY.confirm)))
    aa = resample.series_of(data.of("quiet", "fast A/A"), gate_study.TWO)
    assert (passed := resample.run(POLICY, {"m": resample.Stretch(aa, 0)}, family=20)).outcome == "pass"
    assert passed.launches == 6


def test_a_swapped_slowdown_is_an_improvement(data: Data) -> None:
    series = resample.series_of(data.of("quiet", "fast +5 %"), gate_study.TWO)
    ran = resample.run(POLICY, {"m": resample.Stretch(series, 0, (True,))}, family=20)
    assert not ran.regressed
    assert ran.outcome in ("pass", "improvement")


def test_the_study_finds_what_is_there(found: study_page.Found) -> None:
    rows = {one.what: one for one in found.alarms}
    assert {one.condition for one in found.alarms} == {"quiet"}  # of the other nothing was recorded
    assert [one.alarms for one in found.alarms] == [0.0] * len(found.alarms)
    assert "all 20 exactly at the tolerance" in rows
    (five,) = found.powers
    assert five.median == pytest.approx(0.055, abs=0.004)
    assert five.floor == pytest.approx(0.055, abs=0.004)
    assert (five.regressions, five.used, five.disjoint) == (1.0, 6 + POLICY.confirm, 2)
    assert five.median_s == pytest.approx((6 + POLICY.confirm) * 1.12 + 0.4, abs=0.5)
    (tail,) = found.tails
    assert (tail.regressions, tail.tail_only) == (1.0, 1.0)
    assert abs(tail.median) < 0.01
    assert tail.mean == pytest.approx(0.05, abs=0.015)


def test_slow_launches_are_not_found_in_time(data: Data) -> None:
    slower = tuple(replace(one, seconds=2.0) for one in data.launches)
    how = np.random.default_rng(7), 10
    (five,) = gate_study._powers(replace(data, launches=slower), ("quiet", "+5 %"), POLICY, how)
    assert (five.regressions, five.within) == (1.0, 0.0)


def test_noise_makes_alarms_of_rivals_and_none_of_the_gate() -> None:
    noisy = Data((SESSION,), tuple(launches("A/A", sigma=0.03)))
    rows = gate_study.rival_rows(noisy, seed=7, draws=40)
    shares = {(one.arrangement, one.rule): one.shares["quiet", "A/A"] for one in rows}
    assert shares["one process each", "Mann-Whitney on raw samples, p < 0.05"] > 0.3
    assert shares["one process each", "pytest-benchmark median:5%"] > 0.03
    rows = gate_study._alarms(noisy, "quiet", np.random.default_rng(7), 20)
    assert [one.alarms for one in rows] == [0.0] * len(rows)


@pytest.mark.parametrize(
    ("factor", "slower"),
    [
        (1.0, set()),
        (1.04, {"Mann-Whitney on raw samples, p < 0.05"}),
        (1.08, set(rivals.RULES) - {"asv compare, p < 0.002 and factor 1.1"}),
        (1.2, set(rivals.RULES)),
    ],
)
def test_the_rules_of_other_tools(factor: float, slower: set[str]) -> None:
    times = 1e-3 * (1 + 0.01 * np.random.default_rng(1).random((3, 600)))
    found = {name for name, rule in rivals.RULES.items() if rule(list(times), list(times * factor))}
    assert found == slower


def test_the_page_is_the_same_each_time_and_says_what_is_missing(found: study_page.Found, data: Data) -> None:
    page = study_page.page(found)
    assert page == study_page.page(gate_study.study(data, gates=20, seed=7, draws=6))
    assert "| +5 % found (worst model) | at least 99 % | 100.0 % | too few launches |" in page
    assert "invented, 2 cores" in page
    assert "78 launches were recorded" in " ".join(page.split())
    assert "nan" not in page


def test_a_page_without_data_claims_nothing() -> None:
    page = study_page.page(gate_study.study(Data((), ()), gates=10, seed=1))
    assert "No collection was read." in page
    assert "100.0 %" not in page


def test_upper_bounds_of_clopper_and_pearson() -> None:
    assert study_page.upper(0.0, 300) == pytest.approx(1 - 0.05 ** (1 / 300))
    assert study_page.upper(1.0, 10) == 1.0
    assert math.isclose(study_page.upper(0.01, 1000), 0.0169, abs_tol=2e-4)
