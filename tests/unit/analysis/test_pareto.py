"""Dominance between estimates with intervals: what is claimed, what is only possible, what is the front."""

from __future__ import annotations

import pytest

from harness.analysis.pareto import Standing, standings
from harness.model.verdict import Summary


def latency(point: float, half: float | None = 0.1) -> Summary:
    ends = (None, None) if half is None else (point - half, point + half)
    return Summary("latency_p50_s", "s", 6, point, *ends, "made by hand")


def accuracy(point: float, half: float | None = 0.02) -> Summary:
    ends = (None, None) if half is None else (point - half, point + half)
    return Summary("accuracy_top1", "1", 1000, point, *ends, "made by hand")


def states(*candidates) -> list[str]:
    return [one.state for one in standings(candidates)]


def test_nobody_and_one() -> None:
    assert standings([]) == ()
    assert standings([(latency(1), accuracy(0.9))]) == (Standing("front", best=True),)


def test_a_trade_off_with_separate_intervals_is_a_front_of_both() -> None:
    found = standings([(latency(1), accuracy(0.8)), (latency(2), accuracy(0.9))])
    assert found == (Standing("front", best=True),) * 2


def test_clearly_better_in_both_dominates_and_is_named() -> None:
    found = standings([(latency(2), accuracy(0.8)), (latency(1), accuracy(0.9))])
    assert found == (Standing("dominated", best=False, by=1), Standing("front", best=True))


@pytest.mark.parametrize(
    ("other", "state"),
    [
        (accuracy(0.80), "dominated"),  # as good by its point, clearly faster
        (accuracy(0.81), "dominated"),  # better within the interval, clearly faster
        (accuracy(0.79), "possibly dominated"),  # worse, but only within the interval
        (accuracy(0.70), "front"),  # clearly worse: a trade-off
    ],
)
def test_of_a_clearly_faster_one_the_accuracy_decides(other, state) -> None:
    assert states((latency(2), accuracy(0.8)), (latency(1), other))[0] == state


def test_better_in_both_within_the_intervals_is_only_possible() -> None:
    found = standings([(latency(1.05), accuracy(0.80)), (latency(1.0), accuracy(0.81))])
    assert found == (Standing("possibly dominated", best=False, by=1), Standing("front", best=True))


def test_a_trade_off_within_the_intervals_leaves_both_in_front() -> None:
    """Each is better in one figure, and in neither clearly: nothing speaks against either."""
    assert states((latency(1.05), accuracy(0.81)), (latency(1.0), accuracy(0.80))) == ["front", "front"]


def test_twins_do_not_dominate_each_other() -> None:
    assert standings([(latency(1), accuracy(0.8))] * 2) == (Standing("front", best=True),) * 2


def test_touching_intervals_overlap() -> None:
    apart, touching = (latency(1.0, 0.1), accuracy(0.8)), (latency(1.25, 0.125), accuracy(0.8))
    assert states(touching, (latency(0.875, 0.125), accuracy(0.8)))[0] == "dominated"
    assert (
        states((latency(1.25, 0.125), accuracy(0.8)), (latency(1.0, 0.125), accuracy(0.8)))[0] == "possibly dominated"
    )
    assert states(apart)[0] == "front"


def test_without_an_interval_nothing_is_clearly_better() -> None:
    assert states((latency(2, None), accuracy(0.8)), (latency(1, None), accuracy(0.8)))[0] == "possibly dominated"


def test_without_an_interval_a_worse_point_is_no_excuse() -> None:
    """An unknown spread of an accuracy that is 50 points lower does not make a fast model a possible dominator."""
    assert states((latency(2), accuracy(0.8)), (latency(1), accuracy(0.3, None)))[0] == "front"


def test_exact_counts_differ_clearly() -> None:
    size = [Summary("model_size_bytes", "B", 1, value, value, value, "exact") for value in (1000.0, 900.0)]
    assert states((size[0], accuracy(0.8)), (size[1], accuracy(0.8))) == ["dominated", "front"]


def test_lower_is_better_of_what_is_spent() -> None:
    energy = [Summary("energy_per_inference_j", "J", 6, value, value, value, "") for value in (0.002, 0.001)]
    assert states((latency(1), energy[0]), (latency(1), energy[1])) == ["dominated", "front"]


def test_a_thousand_are_ranked_at_once() -> None:
    found = standings([(latency(1 + number, 0.01), accuracy(0.9 - number * 1e-5, 1e-6)) for number in range(1000)])
    assert [one.state for one in found] == ["front"] + ["dominated"] * 999


def test_a_better_comparison_decides_where_intervals_overlap_and_is_asked_nowhere_else() -> None:
    asked = []

    def told(number: int, other: int, figure: int) -> bool:
        asked.append((number, other, figure))
        return figure == 1

    first, second = (latency(1), accuracy(0.81)), (latency(1), accuracy(0.80))
    assert [one.state for one in standings([first, second])] == ["front", "possibly dominated"]
    assert [one.state for one in standings([first, second], told)] == ["front", "dominated"]
    assert asked == [(0, 1, 1), (1, 0, 1)]  # equal latencies need no telling
    asked.clear()
    apart = [(latency(1), accuracy(0.9)), (latency(2), accuracy(0.8))]
    assert standings(apart, told) == standings(apart)
    slower = [(latency(1), accuracy(0.80)), (latency(2), accuracy(0.81))]
    assert [one.state for one in standings(slower, told)] == ["front", "front"]
    assert asked == [(1, 0, 1)]  # what is clearly slower dominates nobody, however accurate


def test_what_a_better_comparison_cannot_tell_apart_is_never_clear() -> None:
    candidates = [(latency(1), accuracy(0.81, None)), (latency(1), accuracy(0.80, None))]
    assert [one.state for one in standings(candidates, lambda *_: True)] == ["front", "dominated"]
    assert [one.state for one in standings(candidates, lambda *_: False)] == ["front", "possibly dominated"]
    assert standings(candidates, lambda *_: None) == standings(candidates)
