"""The page of a history: every number is the JSON's, each move has its sentence and its line; one run is no trend."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from harness.analysis.history import History, Move, Point, Series
from harness.outcome.pages.history import MOST_FIGURES, MOST_POINTS, history_page
from harness.outcome.past import history_json, sentences
from tests.support.gate_results import NASTY
from tests.support.read_page import ReadPage

COMMAND = ("harness", "history")


def point(number: int, value: float = 1e-3, **changes: object) -> Point:
    day = f"2026-01-{number % 28 + 1:02d}T00:00:00Z"
    made = Point(f"run-{number:02d}", day, f"{number:040x}", number == 2, value, value * 0.99, value * 1.02, 6)
    return replace(made, **changes)  # type: ignore[arg-type]


def series(count: int = 10, *moves: Move, **changes: object) -> Series:
    values = [1e-3 if number < 5 else 1.08e-3 for number in range(count)]
    points = tuple(point(number, value) for number, value in enumerate(values))
    machine = {"board": "a board"}
    one = Series("bench", "0" * 16, machine, "small", "null", "single-stream", "latency_p50_s", points, moves)
    return replace(one, **changes)  # type: ignore[arg-type]


MOVED = series(10, Move(5, 0.08, "worse", 1e-9))


def read(*held: Series, notes: tuple[str, ...] = (), nothing: str = "") -> ReadPage:
    return ReadPage(history_page(History(held, notes), COMMAND, nothing))


def test_every_number_is_the_jsons() -> None:
    page = read(MOVED, series(3, variant="large"))
    told = json.loads(json.dumps(history_json(History((MOVED, series(3, variant="large"))))))
    assert page.script("summary") == told
    for number, one in enumerate(told["series"], 1):
        wanted = [(each["value"], each["low"], each["high"], each["n"]) for each in one["points"]]
        assert page.numbers(f"series-{number}") == wanted
    assert page.texts("series-1")[3][2] == "0000000000+"


def test_a_move_has_its_sentence_its_line_and_its_row() -> None:
    page = read(MOVED)
    (sentence,) = sentences(MOVED)
    assert page.text.count(sentence) == 1
    layout = page.script("data-series-1")["layout"]
    (line,) = layout["shapes"]
    assert (line["x0"], line["x1"]) == (4.5, 4.5)
    assert layout["annotations"][0]["text"] == "■ +8.0 %"
    assert [row[-1] for row in page.texts("series-1")[1:] if row[-1]] == ["■ +8.0 % worse"]
    assert "1 series, 1 move" in page.text


def test_the_figure_draws_values_and_intervals_in_the_shown_unit() -> None:
    (drawn,) = read(MOVED).script("data-series-1")["data"]
    assert drawn["y"] == [pytest.approx(1.0)] * 5 + [pytest.approx(1.08)] * 5
    assert drawn["error_y"]["array"][0] == pytest.approx(0.02)
    assert drawn["error_y"]["arrayminus"][0] == pytest.approx(0.01)


def test_a_ratio_to_a_reference_has_no_unit() -> None:
    one = series(2, reference="teacher", points=(point(0, 0.5), point(1, 0.5)))
    figure = read(one).script("data-series-1")
    assert figure["data"][0]["y"] == [0.5, 0.5]
    assert figure["layout"]["yaxis"]["title"]["text"] == "p50 ÷ teacher"


@pytest.mark.parametrize(("runs", "words"), [(1, "1 run: a move takes 6, 3 on"), (5, "5 runs: a move takes 6, 3 on")])
def test_too_few_runs_are_a_page_that_says_so(runs: int, words: str) -> None:
    page = read(series(runs))
    assert words in page.text
    assert "No level moved." not in page.text
    assert f"Too few runs to tell ({runs} of 6)" in page.text
    assert f"1 series, too few runs to tell ({runs} of 6)" in page.text
    assert "a move takes" not in read(series(6)).text


def test_enough_runs_without_a_move_say_so() -> None:
    page = read(series(6), series(2, variant="large"))
    assert "No level moved." in page.text
    assert "2 series, no moves; 1 with too few runs to tell" in page.text


def test_of_a_count_two_runs_are_enough() -> None:
    counted = series(2, metric="parameters", points=(point(0, 5e6), point(1, 5e6)))
    assert "No level moved." in read(counted).text
    assert "a move takes" not in read(counted).text


def test_runs_of_one_day_have_their_time_below_it() -> None:
    times = ("2026-01-01T08:00:00.5Z", "2026-01-01T09:30:00Z", "2026-01-02T00:00:00Z")
    points = tuple(point(number, started_utc=when, commit="") for number, when in enumerate(times))
    axis = read(series(points=points)).script("data-series-1")["layout"]["xaxis"]
    assert axis["ticktext"] == ["2026-01-01<br>08:00:00", "2026-01-01<br>09:30:00", "2026-01-02"]


def test_no_series_is_a_page_that_says_so() -> None:
    page = read(nothing="none of 3 runs holds energy_per_inference_j", notes=("run-01: small is invalid",))
    assert "none of 3 runs holds energy_per_inference_j" in page.text
    assert ("run-01: small is invalid",) in page.texts("left-out")
    assert page.script("card")["title"] == "History of nothing"


def test_a_point_without_an_interval_is_drawn_without_one() -> None:
    one = series(2, points=(point(0, low=None, high=None), point(1)))
    page = read(one)
    assert page.script("data-series-1")["data"][0]["error_y"]["array"][0] == 0
    assert page.texts("series-1")[1][4:6] == ("–", "–")


def test_of_many_series_those_that_moved_are_drawn_first_and_the_rule_is_printed() -> None:
    still = [series(7, variant=f"v{number}") for number in range(MOST_FIGURES + 3)]
    page = read(*still, MOVED)
    drawn = [attrs["data-figure"] for tag, attrs in page.elements if "data-figure" in attrs]
    assert len(drawn) == MOST_FIGURES
    assert f"series-{len(still) + 1}" in drawn
    assert f"Drawn are {MOST_FIGURES} of {len(still) + 1} series" in page.text
    assert len(page.numbers(f"series-{len(still)}")) == 7


def test_of_many_runs_the_last_are_drawn_and_the_rule_is_printed() -> None:
    one = series(MOST_POINTS + 10, Move(5, 0.08, "worse", 0.0), Move(MOST_POINTS, 0.1, "worse", 0.0))
    page = read(one)
    figure = page.script("data-series-1")
    assert figure["data"][0]["x"] == list(range(10, MOST_POINTS + 10))
    assert [shape["x0"] for shape in figure["layout"]["shapes"]] == [MOST_POINTS - 0.5]
    assert f"Drawn are the last {MOST_POINTS} of {MOST_POINTS + 10} runs" in page.text
    assert len(page.numbers("series-1")) == MOST_POINTS + 10


@pytest.mark.parametrize("name", NASTY.values(), ids=NASTY)
def test_no_name_becomes_markup(name: str) -> None:
    one = replace(
        MOVED, variant=name, backend=name, scenario=name, device=name, machine={"board": name}, reference=name
    )
    one = replace(one, points=tuple(replace(each, run=name, commit=name) for each in one.points))
    page = read(one, notes=(name,))
    assert not any(tag == "img" or "onerror" in attrs for tag, attrs in page.elements)


def test_the_card_names_the_newest_run() -> None:
    card = read(series(3), series(2, variant="large")).script("card")
    assert (card["kind"], card["when_utc"], card["commit"]) == ("history", "2026-01-03T00:00:00Z", "0000000000+")
    assert history_page(History((MOVED,)), COMMAND) == history_page(History((MOVED,)), COMMAND)
