from __future__ import annotations

import pytest

from harness.model.proportion import wilson_interval


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3; the last two by the formula's limits.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_as_published(hits: int, count: int, low: float, high: float) -> None:
    assert wilson_interval(hits, count) == pytest.approx((low, high), abs=5e-5)


def test_wilson_stays_within_the_possible() -> None:
    assert wilson_interval(20, 20)[1] == 1.0
    assert wilson_interval(0, 1) == pytest.approx((0.0, 0.7935), abs=1e-4)
