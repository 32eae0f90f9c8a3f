"""The forest plot as numbers: where rows stand, where the axis ends, what its ticks say."""

from __future__ import annotations

import math

import pytest

from harness.report.forest import LEAST, REACH, Row, forest, hover
from harness.report.names import COLOURS, Style

MARK = Style(COLOURS[0], "circle", "solid", "●")


def row(point: float, *, group: str = "p50", label: str = "a", **more: object) -> Row:
    return Row(group, label, MARK, point, **more)  # type: ignore[arg-type]


def axis(*rows: Row) -> dict[str, object]:
    return forest(rows, "ratio").plot["layout"]["xaxis"]


def test_groups_have_a_heading_and_rows_stand_below_each_other() -> None:
    plot = forest([row(1.1), row(0.9, label="b"), row(1.2, group="p90")], "ratio").plot
    assert plot["layout"]["yaxis"]["ticktext"] == ["<b>p50</b>", "a", "b", "<b>p90</b>", "a"]
    (points,) = plot["data"]
    assert (points["x"], points["y"]) == ([1.1, 0.9, 1.2], [1, 2, 4])


def test_a_group_of_one_without_a_label_is_its_own_heading() -> None:
    plot = forest([row(1.1, label=""), row(1.2, label="", group="p90")], "ratio").plot
    assert plot["layout"]["yaxis"]["ticktext"] == ["<b>p50</b>", "<b>p90</b>"]
    assert plot["data"][0]["y"] == [0, 1]


@pytest.mark.parametrize(("points", "texts"), [
    ((0.97, 1.03), ["−2 %", "same", "+2 %"]), ((0.999, 1.001), ["−0.1 %", "same", "+0.1 %"]),
    ((0.6, 1.9), ["×0.7", "same", "×1.2", "×1.5"]), ((0.3, 3.0), ["×0.5", "same", "×2"]),
    ((1e-3, 1e3), ["×0.001", "×0.1", "×1000"]),
])  # fmt: skip
def test_ticks_say_per_cent_near_one_and_factors_far_from_it(points: tuple[float, ...], texts: list[str]) -> None:
    found = axis(*(row(point) for point in points))
    ticks = found["ticktext"]
    assert isinstance(ticks, list)
    assert set(texts) <= set(ticks)
    assert len(ticks) <= 10


def test_the_axis_reaches_over_intervals_but_not_without_end() -> None:
    low, high = axis(row(1.1, low=1.05, high=1.2))["range"]  # type: ignore[misc]
    assert 10**high > 1.2
    assert 10**low < 1
    made = forest([row(1.1, low=1e-9, high=1e9)], "ratio")
    low, high = made.plot["layout"]["xaxis"]["range"]
    assert high < REACH * math.log10(1.1) * 1.2
    assert made.cut == 1


def test_rounding_is_not_blown_up_to_the_width_of_the_figure() -> None:
    low, high = axis(row(1.0, low=1 - 1e-15, high=1 + 1e-15))["range"]  # type: ignore[misc]
    assert low < -LEAST / math.log(10) < LEAST / math.log(10) < high


def test_a_wide_band_does_not_press_the_points_together() -> None:
    low, high = axis(row(1.01, band=(0.98, 1.02)), row(1.01, label="b", band=(0.1, 10.0)))["range"]  # type: ignore[misc]
    assert high - low < 2 * REACH * math.log10(1.02) * 1.2


@pytest.mark.parametrize("point", [1.0, 1e-300, 1e300])
def test_any_ratio_is_drawn_within_the_axis(point: float) -> None:
    plot = forest([row(point, low=point, high=point)], "ratio").plot
    low, high = plot["layout"]["xaxis"]["range"]
    assert low <= math.log10(plot["data"][0]["x"][0]) <= high
    assert low < 0 < high


def test_what_stands_in_a_hover_is_no_markup() -> None:
    assert hover(("<b>a", "b & c")) == "&lt;b&gt;a<br>b &amp; c"
