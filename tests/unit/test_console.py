"""What a person reads in the terminal: recorded figures are marked, and names stay names."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from harness import console
from harness.analysis.analyse import analyse
from harness.model.case import Accuracy
from harness.model.trial import Outputs, Trial
from harness.model.verdict import Summary
from harness.stages import Progress
from tests.support.host_side import CASE, column, facts, plan, stored, trial

KNOWN = facts(accuracy=Accuracy(9398, 10000, "cifar10"))
MEASURED = trial([], mode="accuracy", outputs=Outputs((), True, column([4, 5]), column([4, 6])), order=9)


def rows(trials: list[Trial], capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    """The lines of the one case in the table of `run`, cell by cell."""
    console.print_result(analyse(stored(trials, plan(artifact=KNOWN))))
    lines = capsys.readouterr().out.splitlines()
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")]


def test_an_accuracy_of_the_lock_is_marked_and_a_measured_one_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    recorded = [row[1] for row in rows([trial()], capsys)]
    assert recorded == ["93.98", "93.50–94.43", "(lock)"]
    measured = [row[1] for row in rows([trial(), MEASURED], capsys)]
    assert measured == ["50.00", "9.453–90.55"]


def test_what_is_missing_is_a_dash_and_what_is_exact_has_no_interval(capsys: pytest.CaptureFixture[str]) -> None:
    first = rows([trial([0.001, 0.002, 0.003] * 8)], capsys)[0]
    assert first[0] == "small"
    assert first[2:5] == ["2.00", "–", "–"]  # 24 samples have a median and no tail
    assert (first[7], first[8]) == ("0.00100", "doubtful")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb", "a\ufffd[31mb"),
        ("a\nb\tc", "a\ufffdb\ufffdc"),
        ("[bold]x", "\\[bold]x"),
        (":smile: é", ":smile: é"),
    ],
)
def test_a_name_is_printed_as_text(text: str, shown: str) -> None:
    assert console.printable(text) == shown


def test_a_title_with_markup_or_an_emojis_name_stays_so(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_rows("[red]:smile:", ("a heading as wide as the title",), [("[bold]x",), (5,)])
    said = capsys.readouterr().out
    assert "[red]:smile:" in said
    assert "[bold]x" in said


def test_a_resumed_run_says_once_how_many_trials_were_there(capsys: pytest.CaptureFixture[str]) -> None:
    planned = plan(launches=3)
    with console.RunView() as view:
        board = view.board("")
        for number, one in enumerate(planned.trials[2:], start=2):
            board(Progress(number, 3, CASE, one, None, 2))
            board(Progress(number + 1, 3, CASE, one, trial(status="failed", message="it died\nTraceback"), 2))
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("going on with an interrupted run: 2 of 3 trials are there") == 1
    assert "failed small performance 3: it died" in said.err
    assert "Traceback" not in said.err


COMMANDS = ["::error::x", "  ::set-output name=a::b", "a\n::add-mask::x", "a ##[error]x", "\u3000::x"]


def commands(text: str) -> list[str]:
    """Lines that GitHub Actions would take for commands."""
    return [line for line in re.split("[\\r\\n]", text) if line.strip().startswith("::") or "##[" in line]


@pytest.mark.parametrize("text", COMMANDS)
def test_nothing_printed_is_a_command_to_ci(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    console.message(text)
    console.plain(text)
    console.styled("red", text, text)
    console.print_rows(text, ("name",), [(text,)])
    with console.RunView() as view:
        view.say(text)
        board = view.board(text)
        board.tell(text)
        view.board("").tell(text)
        view.board("")(failed(text))
    said = capsys.readouterr()
    assert commands(said.out + said.err) == []
    assert said.err.count("x" if "x" in text else "b") >= 4


def failed(text: str) -> Progress:
    """A failed trial of a variant that is called so."""
    return Progress(1, 1, replace(CASE, variant=text), plan().trials[0], trial(status="failed", message=text), 1)


def test_a_line_that_was_folded_is_no_command_either(capsys: pytest.CaptureFixture[str]) -> None:
    result = analyse(stored([trial()]))
    console.print_result(replace(result, notes=("n" * 124 + " ::error::x",)))
    said = capsys.readouterr().out
    assert "error::x" in said
    assert commands(said) == []


def test_our_own_commands_stay(capsys: pytest.CaptureFixture[str]) -> None:
    console.command("::error title=a::b")
    assert capsys.readouterr().err == "::error title=a::b\n"


def test_power_has_its_columns_only_where_it_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    result = analyse(stored([trial()], plan(artifact=KNOWN)))
    console.print_result(result)
    assert "energy" not in capsys.readouterr().out
    power = Summary("power_mean_w", "W", 6, 5.25, 5.0, 5.5, "made by hand")
    energy = Summary("energy_per_inference_j", "J", 6, 0.0105, 0.01, 0.011, "made by hand")
    (case,) = result.cases
    metrics = {**case.metrics, power.metric: power, energy.metric: energy}
    console.print_result(replace(result, cases=(replace(case, metrics=metrics),)))
    said = capsys.readouterr().out
    assert "5.25" in said
    assert "10.5" in said
    assert "mJ" in said
