"""A comparison and a history as tables, Markdown and JSON: the worst first, every reason told, every name harmless."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from harness.analysis.comparability import Difference
from harness.analysis.history import History, Move, Point, Series
from harness.model.gate import Comparison
from harness.outcome.compared import Compared, Side, comparison_json, comparison_markdown, print_comparison
from harness.outcome.past import history_json, print_history, sentences, sparkline
from harness.report.markdown import LIMIT
from tests.support.gate_results import NASTY
from tests.unit.outcome.test_gate_outputs import schema

jsonschema = pytest.importorskip("jsonschema")


def one(side: str = "same", ratio: float | None = 1.0, **changes: Any) -> Comparison:
    given: dict[str, Any] = {
        "cell": "small", "metric": "latency_p50_s", "side": side, "margin": 0.02, "baseline": 1e-3,
        "candidate": None if ratio is None else 1e-3 * ratio, "ratio": ratio,
        "low": None if ratio is None else ratio - 0.01, "high": None if ratio is None else ratio + 0.01, "n": 6,
        "method": "by hand", **changes,
    }  # fmt: skip
    return Comparison(**given)


EACH = (
    one("same"), one("better", 0.9, metric="latency_p90_s"), one("worse", 1.1, metric="throughput_per_s", cell="large"),
    one("worse", 1.3, metric="memory_peak_bytes"),
    one("unclear", 1.05, metric="load_s", low=None, high=None, missing="5 and 6 launches"),
    one("unclear", None, metric="accuracy_top1", missing="no images"),
    one("unclear", None, metric="agreement_top1", missing="no images"),
)  # fmt: skip


def made(*comparisons: Comparison, name: str = "run-a", **changes: Any) -> Compared:
    differs = Difference("kernel", "kernel: 6.1 in the baseline, 6.2 in the candidate")
    candidate = Side("run-b", "trtexec", {"tool": "trtexec"}, ("no samples",))
    return replace(Compared(Side(name, "harness"), candidate, (differs,), comparisons or EACH), **changes)


def test_the_json_fits_its_schema() -> None:
    told = json.loads(json.dumps(comparison_json(made()), allow_nan=False))
    jsonschema.validate(told, schema("comparison"), jsonschema.Draft202012Validator)
    assert [row["metric"] for row in told["comparisons"]] == [each.metric for each in EACH]
    assert told["comparisons"][2]["unit"] == "1/s"
    assert told["candidate"]["lacks"] == ["no samples"]


def test_the_table_has_the_worst_first_in_readers_words(capsys: pytest.CaptureFixture[str]) -> None:
    print_comparison(made())
    said = capsys.readouterr()
    words = [line.split("│")[1].strip() for line in said.out.splitlines() if line.startswith("│")]
    assert words == ["worse", "slower", "unclear", "faster", "same"]
    assert said.out.splitlines()[-1] == "2 worse, 1 unclear, 1 better, 1 same"
    assert "+30.0 %" in said.out
    assert "differs: kernel: 6.1" in said.err
    assert "run-b: lacks: no samples" in said.err
    assert "not compared: small: top-1, agreement: no images" in said.err
    assert "unclear: small: 5 and 6 launches" in said.err


def test_markdown_says_the_same() -> None:
    text = comparison_markdown(made())
    lines = text.splitlines()
    assert lines[0] == "### 2 worse, 1 unclear, 1 better, 1 same"
    rows = [line for line in lines if line.startswith("| ") and "cell" not in line]
    assert [row.split("|")[1].strip() for row in rows] == ["❌ worse", "❌ slower", "❔ unclear", "✅ faster", "= same"]
    assert "+29.0 % to +31.0 %" in rows[0]
    assert "- not compared: small: top-1, agreement: no images" in text
    assert lines[-1] == "</details>"


def test_cells_that_share_a_reason_share_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"cell-{number}" for number in range(40)]
    absent = [one(cell=name, ratio=None, metric=metric, missing="no images") for name in names
              for metric in ("accuracy_top1", "agreement_top1")]  # fmt: skip
    few = [one("unclear", 1.1, cell=name, missing="too few") for name in names[:2]]
    print_comparison(made(*few, *absent))
    said = capsys.readouterr().err.splitlines()
    assert "not compared: cell-0, cell-1, cell-2, cell-3, cell-4 and 35 more: top-1, agreement: no images" in said
    assert "unclear: cell-0, cell-1: too few" in said
    assert len(said) == 4


@pytest.mark.parametrize("count", [10, 3000])
def test_markdown_is_never_longer_than_a_comment(count: int) -> None:
    rows = [one("worse", 1.1, cell=f"{number}-{'é' * 40}", missing=f"reason {number}") for number in range(count)]
    text = comparison_markdown(made(*rows, name="n" * 100_000))
    assert len(text.encode()) <= LIMIT
    assert ("more rows do not fit" in text) == (count > 10)
    shown = sum(line.startswith("| ❌") for line in text.splitlines())
    assert shown + int((re.findall(r"^(\d+) more rows", text, re.MULTILINE) or ["0"])[0]) == count


def test_nothing_compared_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    print_comparison(made(EACH[-1]))
    assert capsys.readouterr().out == "nothing was compared\n"


@pytest.mark.parametrize("name", NASTY.values(), ids=NASTY)
def test_no_name_does_harm(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    compared = made(one(cell=name, missing=name), one(cell=name, ratio=None, missing=name), name=name)
    text = comparison_markdown(compared)
    (row,) = (line for line in text.splitlines() if line.startswith("| ="))
    assert len(re.split(r"(?<!\\)\|", row)) == 11
    assert "<img" not in text
    assert "@" not in text
    print_comparison(compared)
    said = capsys.readouterr()
    assert not any(sign in text + said.out + said.err for sign in "\x00\x1b\r\x85\u202e\u2028")
    json.dumps(comparison_json(compared)).encode()


def point(number: int, value: float, **changes: Any) -> Point:
    given = {"run": f"run-{number}", "started_utc": "2026-01-01T00:00:00Z", "commit": f"{number}" * 40, "dirty": False,
             "value": value, "low": value * 0.99, "high": value * 1.01, "n": 6, **changes}  # fmt: skip
    return Point(**given)


SERIES = Series(
    "bench", "a" * 16, {"board": "x86_64 a CPU"}, "small", "null", "single-stream", "latency_p50_s",
    tuple(point(number, 1e-3 if number < 4 else 1.1e-3) for number in range(8)),
    (Move(4, 0.1, "worse", 1e-5),),
)  # fmt: skip


def test_a_history_fits_its_schema() -> None:
    told = json.loads(json.dumps(history_json(History((SERIES,), ("left out",))), allow_nan=False))
    jsonschema.validate(told, schema("history"), jsonschema.Draft202012Validator)
    assert told["series"][0]["unit"] == "s"
    assert history_json(History((replace(SERIES, reference="large"),)))["series"][0]["unit"] == "1"


def test_the_line_of_blocks_has_a_bar_where_it_moved() -> None:
    assert sparkline(SERIES) == "▁▁▁▁|████"
    assert sparkline(replace(SERIES, points=SERIES.points[:3], moves=())) == "▁▁▁"


def test_a_move_names_its_commits_its_runs_and_its_size() -> None:
    (sentence,) = sentences(SERIES)
    assert sentence == (
        "small: p50 is +10.0 % (worse) since run-4, between 3333333333 and 4444444444; the last before it is run-3, "
        "p = 1e-05"
    )
    same = replace(SERIES, points=tuple(replace(each, commit="c" * 40, dirty=True) for each in SERIES.points))
    assert "at one commit (cccccccccc+)" in sentences(same)[0]
    unknown = replace(SERIES, points=tuple(replace(each, commit="") for each in SERIES.points))
    assert "at one commit (no commit)" in sentences(unknown)[0]


def test_the_terminal_shows_rows_line_and_moves(capsys: pytest.CaptureFixture[str]) -> None:
    print_history(History((SERIES,), ("run-9: small is invalid and left out",)))
    said = capsys.readouterr()
    assert "run-9: small is invalid and left out" in said.err
    assert "1.10 ms" in said.out
    assert "1.09 ms to 1.11 ms" in said.out
    assert "▁▁▁▁|████  8 runs, 1 move" in said.out
    assert "+10.0 % worse" in said.out
    assert "moved small: p50 is +10.0 %" in said.out.replace("\n", " ")


def test_few_runs_say_what_they_lack_and_many_are_cut(capsys: pytest.CaptureFixture[str]) -> None:
    print_history(History((replace(SERIES, points=SERIES.points[:2], moves=()),)))
    assert "too few runs to tell (2 of 6)" in capsys.readouterr().out
    many = tuple(point(number % 10, 1e-3, run=f"run-{number:03d}") for number in range(100))
    print_history(History((replace(SERIES, points=many, moves=()),)))
    shown = capsys.readouterr().out
    assert "... 70 earlier" in shown
    assert "run-069" not in shown
    assert "run-070" in shown


@pytest.mark.parametrize("name", NASTY.values(), ids=NASTY)
def test_no_name_in_a_history_does_harm(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_history(History((replace(SERIES, variant=name, reference=name, machine={"board": name}),), (name,)))
    said = capsys.readouterr()
    assert not any(sign in said.out + said.err for sign in "\x00\x1b\r\x85\u202e\u2028")
