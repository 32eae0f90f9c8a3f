"""The page of a comparison: every number is the JSON's, what differs is said, and what is no verdict is none."""

from __future__ import annotations

import base64
import gzip
import json
import math
from dataclasses import replace

import pytest
from referencing import Registry, Resource

from harness.analysis.comparability import Difference
from harness.model.metrics import REGISTRY
from harness.outcome.compared import Compared, Side, comparison_json, comparisons_json, ordered
from harness.outcome.pages import marks
from harness.outcome.pages.comparison import NOT_JUDGED, comparison_page, refused_page
from harness.outcome.pages.ratios import MOST_BESIDE, MOST_IN_TABLE
from harness.outcome.pages.raw import PACKED
from harness.outcome.text import percent
from harness.report.forest import MOST_ROWS
from tests.support.gate_results import NASTY, decision, result
from tests.support.read_page import ReadPage
from tests.unit.outcome.test_compared import EACH, made, one
from tests.unit.outcome.test_gate_outputs import schema

jsonschema = pytest.importorskip("jsonschema")

COMMAND = ("harness", "compare", "run-a", "run-b")
OTHER_BOARD = Difference("board", "number of cores: 2 in the baseline, 8 in the candidate")


def read(*found: Compared, **more: object) -> ReadPage:
    return ReadPage(comparison_page(found or (made(),), COMMAND, **more))  # type: ignore[arg-type]


def test_every_number_of_the_table_is_the_jsons() -> None:
    page = read()
    told = json.loads(json.dumps(comparison_json(made())))
    by_name = {(row["cell"], row["metric"]): row for row in told["comparisons"]}
    rows = page.numbers("metrics")
    assert len(rows) == 5  # two have no ratio
    for row, each in zip(rows, ordered(EACH), strict=True):
        json_row = by_name[each.cell, each.metric]
        shares = [json_row[key] - 1 for key in ("ratio", "low", "high") if json_row[key] is not None]
        assert row == (json_row["baseline"], json_row["candidate"], *shares, json_row["margin"], json_row["n"])
    assert page.script("summary") == told


def test_verdicts_are_the_readers_words_the_worst_first() -> None:
    page = read()
    assert [row[2] for row in page.texts("metrics")[1:]] == ["■ worse", "■ slower", "○ unclear", "◆ faster", "● same"]
    assert "2 worse, 1 unclear, 1 better, 1 same" in page.text
    assert "peak RSS worse: +30.0 % (+29.0 % to +31.0 %)" in page.text


def test_the_forest_draws_ratio_interval_and_margin() -> None:
    page = read(made(one("worse", 1.25, low=1.2, high=1.3, margin=0.05)))
    figure = page.script("data-ratios-latency")
    (points,) = figure["data"]
    assert points["x"] == [1.25]
    assert points["error_x"]["array"] == [pytest.approx(0.05)]
    assert points["error_x"]["arrayminus"] == [pytest.approx(0.05)]
    (band,) = [shape for shape in figure["layout"]["shapes"] if shape["type"] == "rect"]
    assert (band["x0"], band["x1"]) == (pytest.approx(1 / 1.05), pytest.approx(1.05))
    assert figure["layout"]["xaxis"]["type"] == "log"
    assert page.numbers("latency") == [(1.25, 1.2, 1.3)]


def test_what_has_no_interval_has_no_whiskers_and_what_has_no_ratio_is_told() -> None:
    page = read()
    start = page.script("data-ratios-start")["data"]
    assert sorted("error_x" in trace for trace in start) == [False, True]
    assert ("small: top-1, agreement", "not compared", "no images") in page.texts("missing")
    assert ("small", "no interval", "5 and 6 launches") in page.texts("missing")
    assert ("run-b", "lacks", "no samples") in page.texts("missing")
    assert ("kernel", "kernel: 6.1 in the baseline, 6.2 in the candidate") in page.texts("conditions")


@pytest.mark.parametrize("allowed", [("*",), ("board",)])
def test_other_boards_stand_side_by_side_without_a_verdict(allowed: tuple[str, ...]) -> None:
    found = made(differences=(OTHER_BOARD,), allowed=allowed)
    page = read(found)
    assert NOT_JUDGED in page.text
    assert {row[2] for row in page.texts("metrics")[1:]} == {"○ no verdict"}
    assert "5 metrics side by side, without a verdict" in page.text
    assert "slower:" not in page.text
    assert not [shape for shape in page.script("data-ratios-latency")["layout"]["shapes"] if shape["type"] == "rect"]
    changes = [row[2] for row in page.numbers("metrics")]  # the ratios stand, and in no order of good and bad
    assert changes == [pytest.approx(one.ratio - 1) for one in EACH if one.ratio is not None]


def test_a_board_that_one_side_does_not_tell_is_no_other_board() -> None:
    page = read(made(differences=(replace(OTHER_BOARD, sentence="board: not recorded in the baseline"),)))
    assert NOT_JUDGED not in page.text
    assert page.texts("metrics")[1][2] == "■ worse"


def test_what_was_allowed_is_said_only_where_it_differs() -> None:
    assert "Allowed to differ: kernel;" in read(made(allowed=("kernel", "fan"))).text
    assert "Allowed to differ" not in read(made(allowed=("fan",))).text


def test_several_candidates_have_a_letter_each() -> None:
    second = made(one("better", 0.5), one("unclear", None, metric="load_s", missing="none"))
    found = (made(one("worse", 1.1)), replace(second, candidate=Side("run-c", "harness", {"commit": "c" * 40})))
    page = read(*found)
    assert page.script("summary") == json.loads(json.dumps(comparisons_json(found)))
    assert page.script("summary")["schema"] == "harness.comparisons/1"
    rows = page.texts("side-by-side")
    assert rows[0][2:] == ("baseline", "B", "B: change", "B: verdict", "C", "C: change", "C: verdict")
    assert rows[1] == ("small", "p50", "1.00 ms", "1.10 ms", "+10.0 %", "■ slower", "0.500 ms", "-50.0 %", "◆ faster")
    assert rows[2][6:] == ("–", "–", "not compared")
    assert page.numbers("metrics-b")[0][2] == pytest.approx(0.1)
    assert page.numbers("metrics-c")[0][2] == pytest.approx(-0.5)
    assert "B: 1 worse; C: 1 better" in page.script("card")["counts"]
    assert page.script("card")["commit"] == "none → none → cccccccccc"


def test_the_json_of_several_fits_its_schema() -> None:
    known = Registry().with_resource("urn:harness:comparison:1", Resource.from_contents(schema("comparison")))
    jsonschema.Draft202012Validator.check_schema(schema("comparisons"))
    checked = jsonschema.Draft202012Validator(schema("comparisons"), registry=known)
    told = json.loads(json.dumps(comparisons_json([made(), made()])))
    assert list(checked.iter_errors(told)) == []
    told["comparisons"][1]["schema"] = "harness.comparison/9"
    assert list(checked.iter_errors(told))


def test_many_candidates_stand_in_several_tables() -> None:
    found = [replace(made(one()), candidate=Side(f"run-{number}", "harness")) for number in range(MOST_BESIDE + 2)]
    headings = [row for row in read(*found).texts("side-by-side") if row[0] == "cell"]
    assert [len(row) for row in headings] == [3 + 3 * MOST_BESIDE, 3 + 3 * 2]


def test_nothing_compared_is_a_page_that_says_so() -> None:
    page = read(made(one("unclear", None, missing="the candidate: invalid, by throttled")))
    assert "No metric could be compared" in page.text
    assert ("small: p50", "not compared", "the candidate: invalid, by throttled") in page.texts("missing")
    assert not any(tag == "div" and attrs.get("class") == "figure" for tag, attrs in page.elements)


def test_a_refusal_is_a_page_that_says_why() -> None:
    page = ReadPage(refused_page(("run-a", "run-b"), "these runs do not compare: board", COMMAND))
    assert "Not compared: these runs do not compare: board" in page.text
    assert page.script("card")["counts"] == "not compared"


def test_the_gates_decision_stands_on_the_page_and_another_gates_names_are_pointed_out() -> None:
    gate = result(decision("regression"), baseline="run run-a", candidate="run run-b")
    page = read(decision=gate)
    assert "regression: small: p50 is 5.0 % worse." in page.text
    assert page.texts("gate")[1][:3] == ("small", "p50", "■ regression")
    assert "sides of its own" not in page.text
    assert "new.onnx in place of run-b" in read(decision=result(decision())).text
    assert "gate" not in read().rows


@pytest.mark.parametrize("name", NASTY.values(), ids=NASTY)
def test_no_name_becomes_markup(name: str) -> None:
    found = made(one("worse", 1.1, cell=name), one(cell="other"), name=name, differences=(Difference("x", name),))
    page = read(found)
    assert not any(tag == "img" or "onerror" in attrs for tag, attrs in page.elements)
    assert read(found, decision=result(decision(cell=name), baseline=name)).script("card")["schema"]


def test_of_thousands_the_worst_are_drawn_and_the_rule_is_printed() -> None:
    many = [one("worse", 1 + number / 1000, cell=f"v{number}", low=1.0, high=2.0) for number in range(1, 1001)]
    page = read(made(*many))
    (points,) = page.script("data-ratios-latency")["data"]
    assert len(points["x"]) == 36
    assert min(points["x"]) == pytest.approx(1 + (1001 - 36) / 1000)
    assert "Drawn are 36 of 1000: the worst of p50; the table has all." in page.text
    assert len(page.numbers("metrics")) == 1000
    assert "970 more cells stand in the table." in page.text


def test_what_is_asked_for_first_is_drawn_before_what_is_worse() -> None:
    tails = [one("worse", 9.0, metric="latency_p999_s", cell=f"v{number}") for number in range(MOST_ROWS)]
    first = [one("same", 1.5, metric=name) for name in ("throughput_per_s", "latency_p99_s", "latency_p50_s")]
    page = read(made(*tails, *first))
    rows = [row[0].strip("\u2068\u2069") for row in page.texts("latency")[1:]]
    assert rows[:3] == ["p50 · small", "p99 · small", "throughput · small"]
    assert len(rows) == MOST_ROWS
    assert "p50, p99, throughput of all cells, then the worst of the others" in page.text


def test_the_estimator_of_a_change_stands_under_its_table() -> None:
    paired = "8 pairs of launches; Student's t of their log ratios"
    alone = "8 and 8 launches, not paired; trimmed means of logs, Yuen's t"
    assert "mean log ratio of the pairs" in read(made(one("worse", 1.1, method=paired))).text
    told = read(made(one("worse", 1.1, method=alone))).text
    assert "ratio of their trimmed means, taken in logarithms" in told
    assert "mean log ratio of the pairs" not in told
    counted = read(made(one("worse", 1.1, metric="parameters", method="exact"))).text
    assert "Change: the ratio of the two values beside it." in counted
    assert "0.5 % of a top-1 of 90 % are 0.45 points" in counted


def test_above_the_fold_stand_suite_device_times_and_commits() -> None:
    facts = {"suite": "tiny", "device": "bench", "started_utc": "2026-11-21T14:22:54.7Z", "commit": "a" * 40}
    base = Side("run-a", "harness", {**facts, "commit_dirty": True})
    text = read(replace(made(), baseline=base, candidate=Side("run-b", "harness", facts))).text
    told = "tiny on bench, 2026-11-21 14:22:54 UTC, commit aaaaaaaaaa"
    assert text.count(told) == 2
    assert text.count(f"{told} with uncommitted changes") == 1
    assert text.index(told) < text.index("Latency and throughput")


def test_a_table_too_long_for_a_browser_is_cut_and_says_so() -> None:
    many = [one("worse", 1 + number / 1000, cell=f"v{number}") for number in range(1, MOST_IN_TABLE + 11)]
    page = read(made(*many))
    rows = page.numbers("metrics")
    assert len(rows) == MOST_IN_TABLE
    assert min(row[2] for row in rows) == pytest.approx(11 / 1000)  # the ten smallest changes went
    assert f"These are {MOST_IN_TABLE} of {MOST_IN_TABLE + 10}, the worst" in page.text
    assert len(page.script("summary")["comparisons"]) == MOST_IN_TABLE + 10


def test_an_interval_without_end_does_not_press_the_rest_together() -> None:
    page = read(made(one("unclear", 1.02, low=1e-9, high=1e6), one("worse", 1.1, cell="large")))
    low, high = page.script("data-ratios-latency")["layout"]["xaxis"]["range"]
    assert high - low < 3 * 2 * math.log10(1.1) * 1.2
    assert "Cut at the axis’ ends, which the table has: 1." in page.text
    assert (1.02, 1e-9, 1e6) in page.numbers("latency")


def test_the_same_values_are_the_same_bytes() -> None:
    assert comparison_page([made()], COMMAND) == comparison_page([made()], COMMAND)


@pytest.mark.parametrize(("share", "told"), [
    (0.0004, "0.0 %"), (-0.0004, "0.0 %"), (0.0, "0.0 %"), (-0.0006, "-0.1 %"), (0.25, "+25.0 %"), (None, "–"),
])  # fmt: skip
def test_what_rounds_to_nought_has_no_sign(share: float | None, told: str) -> None:
    assert percent(share) == told
    assert marks.share(share).text == told


def test_of_a_thousand_variants_the_page_stays_small_and_its_file_whole() -> None:
    metrics = list(REGISTRY)[:22]
    many = [one("worse", 1.0 + (number * 7919 % 1000) / 1007, cell=f"variant-{number:04d}", metric=metric)
            for number in range(1000) for metric in metrics]  # fmt: skip
    text = comparison_page([made(*many)], COMMAND)
    assert len(text) < 6_000_000
    page = ReadPage(text)
    packed = gzip.decompress(base64.b64decode(page.script("summary")[PACKED]))
    assert json.loads(packed) == json.loads(json.dumps(comparison_json(made(*many))))
    assert len(page.numbers("metrics")) == MOST_IN_TABLE
    assert text == comparison_page([made(*many)], COMMAND)


def test_many_rows_of_several_candidates_are_cut_to_the_worst_and_say_so() -> None:
    many = [one("worse", 1.5 + number / 1000, cell=f"v{number}") for number in range(MOST_IN_TABLE + 5)]
    second = replace(made(*reversed(many)), candidate=Side("run-c", "harness"))
    page = read(made(*many), second)
    assert len(page.texts("side-by-side")) == MOST_IN_TABLE + 1
    assert f"These are {MOST_IN_TABLE} of {MOST_IN_TABLE + 5}, those with the worst" in page.text
    assert "v4" not in {row[0] for row in page.texts("side-by-side")}
    assert len(page.numbers("metrics-b")) == MOST_IN_TABLE // 2


def test_where_nothing_is_clear_the_sentence_says_so() -> None:
    page = read(made(one("unclear", 1.01), one("same", metric="load_s")))
    assert "no clear change: 1 unclear, 1 same." in page.text
