"""What is kept of a launch is its own and goes with it; fast order statistics are numpy's to the bit."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from harness.analysis import stats
from harness.analysis.power import power_at
from harness.analysis.remembered import of_trial
from harness.model.trial import Trial
from harness.store import store
from tests.support.host_side import trial
from tests.support.many_trials import Size, many_trials

LENGTHS = [1, 2, 3, 4, 5, 10, 19, 20, 199, 200, 999, 1000]
QUANTILES = [0.0, 0.05, 0.1, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0]


def test_it_is_computed_once_for_each_trial_and_key() -> None:
    asked: list[tuple[str, int]] = []

    @of_trial(lambda power: power)
    def length(one: Trial, power: int) -> int:
        asked.append((one.id, power))
        return len(one.samples) ** power

    first, second = trial([0.001] * 2, id="a"), trial([0.001] * 3, id="b")
    assert [length(first, 2), length(second, 2), length(first, 2), length(first, 3)] == [4, 9, 4, 8]
    assert asked == [("a", 2), ("b", 2), ("a", 3)]


def test_another_trial_never_gets_what_is_of_one_that_is_gone() -> None:
    @of_trial()
    def identity(one: Trial) -> str:
        return one.id

    for number in range(200):  # the next one mostly takes the place, and the number, of the last
        assert identity(trial(id=str(number))) == str(number)
    gc.collect()
    (held,) = [cell.cell_contents for cell in identity.__closure__ if isinstance(cell.cell_contents, dict)]
    assert held == {}


def test_power_is_told_once(tmp_path) -> None:
    stored = store.read(many_trials(tmp_path, Size(1, 1)))
    (one,), device = stored.trials, stored.run.device
    (total,) = device.power.totals
    assert not isinstance(power_at(one, total, device), str)
    assert power_at(one, total, device) is power_at(one, total, device)


@pytest.mark.parametrize("count", LENGTHS)
def test_medians_and_quantiles_are_numpys(count: int) -> None:
    generator = np.random.default_rng(count)
    for spread in (0.01, 1.0, 5.0):
        values = 1e-3 * np.exp(spread * generator.standard_normal(count))
        for held in (values, np.round(values, 4)):
            assert stats.median(held) == float(np.median(held))
            assert [stats.quantile(held, q) for q in QUANTILES] == [float(np.quantile(held, q)) for q in QUANTILES]


def test_what_is_no_number_stays_none() -> None:
    assert np.isnan(stats.median(np.array([1.0, np.nan, 2.0])))
    assert np.isnan(stats.quantile(np.array([1.0, np.nan, 2.0]), 0.1))
