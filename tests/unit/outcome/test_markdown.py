"""A pull request comment: verdict first, one table, the worst first, never longer than GitHub takes, harmless."""

from __future__ import annotations

import re

import pytest

from harness.outcome.markdown import MARKER, gate_markdown
from harness.report.markdown import LIMIT
from tests.support.gate_results import NASTY, decision, of_each, result


def rows(text: str) -> list[list[str]]:
    """Cells of the table's rows, split where a bar is not escaped."""
    lines = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| |")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_the_verdict_stands_first_and_the_details_are_folded() -> None:
    lines = gate_markdown(of_each()).splitlines()
    assert lines[:4] == [MARKER, "### ❌ harness gate: invalid", "", "small: peak RSS: the baseline has none."]
    assert "baseline old.onnx; candidate new.onnx" in lines[5]
    assert "1 invalid, 1 regression, 1 inconclusive, 1 pass, 1 improvement; 8.2 s." in lines[5]
    folded = lines.index("<details><summary>reasons, conditions and facts</summary>")
    assert lines[-1] == "</details>"
    assert all(not line.startswith("|") for line in lines[folded:])
    assert "- differs: kernel: 6.1 in the baseline, 6.2 in the candidate" in lines[folded:]
    assert "- note: energy is not judged: no sensor" in lines[folded:]
    assert "- machine.cpu: a CPU" in lines[folded:]


def test_the_table_has_the_worst_first_with_numbers() -> None:
    table = rows(gate_markdown(of_each()))
    assert [row[0].split()[1] for row in table] == ["invalid", "regression", "inconclusive", "pass", "improvement"]
    assert table[1] == [
        "❌ regression (tail only)",
        "small",
        "p90",
        "1.00 ms",
        "1.05 ms",
        "+5.0 %",
        "+4.6 %",
        "+5.3 %",
        "6",
    ]
    assert table[0][4:8] == ["–"] * 4


def test_of_two_regressions_the_one_that_is_surely_greater_stands_first() -> None:
    gate = result(
        decision("regression", cell="a", low=0.021), decision("regression", cell="b", low=0.04),
        decision("regression", cell="c", low=None, change=None),
    )  # fmt: skip
    assert [row[1] for row in rows(gate_markdown(gate))] == ["b", "a", "c"]


def test_a_policy_that_lets_it_pass_is_said_loudly() -> None:
    gate = result(decision("inconclusive"), outcome="inconclusive", reason="open")
    assert "**The policy lets this pass" not in gate_markdown(gate)
    assert "**The policy lets this pass: nothing was shown to be no slower.**" in gate_markdown(gate, passes=True)


@pytest.mark.parametrize("name", NASTY.values(), ids=NASTY)
def test_any_name_stays_in_its_cell(name: str) -> None:
    text = gate_markdown(result(decision("regression", cell=name, reason=name), baseline=name, notes=(name,)))
    (row,) = rows(text)
    assert len(row) == 9
    assert not re.search(r"<(?!details|summary|/details|/summary|!-- harness gate -->)", text)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2028\ud800-\udfff]", text)
    assert "@" not in text
    assert not re.search(r"(?<!\\)[`*]", row[1])
    assert len(row[1]) >= min(200, len(name))


def test_text_from_right_to_left_is_isolated() -> None:
    (row,) = rows(gate_markdown(result(decision("regression", cell=NASTY["right-to-left"]))))
    assert (row[1][0], row[1][-1]) == ("\u2068", "\u2069")
    assert "\u202e" not in row[1]


@pytest.mark.parametrize("length", [5, 200])
def test_a_comment_is_never_too_long_and_says_what_is_left_out(length: int) -> None:
    decisions = [decision("pass", cell=f"{number:04d}{'é' * length}") for number in range(1500)]
    decisions.append(decision("regression", cell="the worst"))
    text = gate_markdown(result(*decisions))
    assert len(text.encode()) <= LIMIT
    assert len(text.encode()) > LIMIT * 0.9
    table = rows(text)
    assert table[0][1] == "the worst"
    (told,) = re.findall(r"^(\d+) more rows do not fit", text, re.MULTILINE)
    assert int(told) + len(table) == 1501


def test_reasons_that_do_not_fit_are_counted_and_the_fold_is_closed() -> None:
    decisions = [decision("pass", cell=f"{number:03d}", reason="r" * 600) for number in range(150)]
    text = gate_markdown(result(*decisions))
    assert len(text.encode()) <= LIMIT
    assert len(rows(text)) == 150
    (told,) = re.findall(r"^- (\d+) more lines do not fit", text, re.MULTILINE)
    kept = text.count("- **pass**")
    assert int(told) + kept == 150 + 1 + 1 + 4
    assert text.endswith("</details>\n")


def test_names_without_end_leave_room_for_the_verdict() -> None:
    text = gate_markdown(result(decision("regression"), baseline="b" * 100_000, reason="r" * 100_000))
    assert len(text.encode()) <= LIMIT
    assert "### ❌ harness gate: regression" in text
    assert "too long for a comment" in text
    assert len(rows(text)) == 1


def test_a_gate_that_judged_nothing_has_no_table() -> None:
    text = gate_markdown(result(outcome="invalid", reason="nothing was measured", facts={}, notes=(), conditions=()))
    assert "|" not in text
    assert "nothing was judged" in text
