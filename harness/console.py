"""What a person sees in the terminal: progress on stderr, results on stdout. Owns words and layout only."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from itertools import zip_longest
from typing import IO, Any, cast

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table

from harness.model.case import Plan
from harness.model.metrics import REGISTRY, show
from harness.model.verdict import CaseResult, RunResult, Summary
from harness.plan import told
from harness.report import names
from harness.stages import Progress

_COLUMNS = (
    "accuracy_top1",
    "latency_p50_s",
    "latency_p90_s",
    "latency_p99_s",
    "throughput_per_s",
    "memory_peak_bytes",
    "model_size_bytes",
)
# Shown only where some case has them: most machines have no power sensor, and a column of dashes says nothing.
_POWER_COLUMNS = ("power_mean_w", "energy_per_inference_j")
_LEGEND = (
    "small type: 95 % interval; (lock): recorded for this artifact, not measured here; a dash: missing, see the report"
)
# A line that GitHub Actions takes for a command (`::error::`, after blanks), and the older form, which counts anywhere.
_COMMAND = re.compile(r"^([^\S\n]*):(?=:)|(?<=\r)([^\S\r\n]*):(?=:)", re.MULTILINE)
_OLD_COMMAND = "##["
_STYLE = {"valid": "green", "doubtful": "yellow", "invalid": "red"}


def message(text: str) -> None:
    """A line on stderr."""
    Terminal(stderr=True).print(printable(text), soft_wrap=True)


def plain(text: str) -> None:
    """Text for stdout as it is, for pipes, but for commands."""
    sys.stdout.write(without_commands(text if text.endswith("\n") else text + "\n"))


class RunView(AbstractContextManager["RunView"]):
    """The progress of a run: one line for each board, from its first trial on."""

    def __init__(self) -> None:
        self.console = Terminal(stderr=True)
        self.bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.console,
        )

    def __enter__(self) -> RunView:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar.live.is_started:
            self.bar.stop()

    def say(self, text: str) -> None:
        """A line that stays, of no board's own."""
        self.console.print(printable(text), soft_wrap=True)

    def board(self, name: str) -> BoardView:
        """The line of a board; `name` stands before all that is said of it, empty where there is only one."""
        return BoardView(self, f"{printable(name)}: " if name else "")


class BoardView:
    """A watcher (harness.stages.Watcher): shows each Progress, and says what was told."""

    def __init__(self, view: RunView, prefix: str) -> None:
        self._view, self._prefix, self._told = view, prefix, False
        self._task: TaskID | None = None

    def __call__(self, progress: Progress) -> None:
        """Advance; a failed trial is said at once."""
        if self._task is None:
            self._task = self._view.bar.add_task("", total=progress.total)
            self._view.bar.start()
        if progress.resumed and not self._told:
            self._told = True
            there = f"{progress.resumed} of {progress.total} trials are there"
            self._view.console.print(f"{self._prefix}going on with an interrupted run: {there}")
        planned = progress.planned
        text = f"{self._prefix}{printable(progress.case.variant)} {planned.mode} {planned.launch + 1}"
        self._view.bar.update(self._task, description=text, completed=progress.number, total=progress.total)
        if progress.finished is not None and progress.finished.status == "failed":
            first = progress.finished.message.splitlines()[0]
            self._view.console.print(f"[red]failed[/red] {text}: {printable(first)}")

    def tell(self, text: str) -> None:
        """A line that stays."""
        self._view.console.print(f"{self._prefix}{printable(text)}", soft_wrap=True)


def print_plan(plan: Plan) -> None:
    """Cases and skips, as they would be run."""
    console = _wide_console()
    table = Table(title=printable(f"{plan.suite} on {plan.device}: {len(plan.trials)} trials, seed {plan.seed}"))
    for heading in ("case", "variant", "precision", "backend", "scenario", "launches", "also"):
        table.add_column(heading)
    for case in plan.cases:
        own = [trial for trial in plan.trials if trial.case_id == case.id]
        launches = sum(trial.mode == "performance" for trial in own)
        also = ", ".join(trial.mode for trial in own if trial.mode != "performance")
        number = str(launches) if plan.until is None else f"until +-{100 * plan.until.relative:g} %, at most {launches}"
        cells = (case.id[:8], case.variant, case.precision, case.backend, case.scenario.name, number, also)
        table.add_row(*(printable(cell) for cell in cells))
    console.print(table)
    for text in told(plan.skips):
        console.print(printable(text))


def print_result(result: RunResult) -> None:
    """The trade-off table, what is doubted and why, and the notes."""
    console = _wide_console()
    table = Table(title=printable(f"{result.run['suite']} on {result.device['title']} ({result.run['id']})"))
    table.add_column("variant", overflow="fold", min_width=8)
    columns = _COLUMNS + tuple(name for name in _POWER_COLUMNS if any(name in one.metrics for one in result.cases))
    for name in columns:
        metric = REGISTRY[name]
        table.add_column(f"{metric.label}\n{metric.shown_unit}".strip(), justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    cases = [one.case for one in result.cases]
    shown = dict(zip((case.id for case in cases), names.labels(cases), strict=True))
    for one in result.cases:
        style = _STYLE[one.verdict]
        cells = [_cell(one, name) for name in columns]
        table.add_row(printable(shown[one.case.id]), *cells, f"[{style}]{one.verdict}[/{style}]")
    console.print(table)
    console.print(f"[dim]{_LEGEND}[/dim]")
    for one in result.cases:
        for finding in one.findings:
            if finding.severity != "note":
                style = "red" if finding.severity == "invalid" else "yellow"
                text = printable(f"{shown[one.case.id]}: {finding.evidence}. {finding.advice}")
                console.print(f"[{style}]{finding.code}[/{style}] {text}")
    for skip in result.skips:
        console.print(f"[yellow]skipped[/yellow] {printable(str(skip['variant']))}: {printable(str(skip['reason']))}")
    for note in result.notes:
        console.print(printable(note))


def without_commands(text: str) -> str:
    """No line of it is a command to GitHub Actions, whatever names it holds: a blank parts the signs of one. Always,
    as nobody here knows who reads; `command` alone writes commands."""
    return _COMMAND.sub(r"\g<1>\g<2>: ", text).replace(_OLD_COMMAND, "# #[")


def printable(text: str) -> str:
    """Text from a file's name or a message, as plain text: no markup, and nothing that steers a terminal."""
    return escape(names.printable(text))


class Terminal(Console):
    """A console that takes text as it is, gives CI no commands, and leaves a reader who went away (`| head`) to the
    caller."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(highlight=False, emoji=False, **settings)

    @property
    def file(self) -> IO[str]:
        """The stream of the moment, behind which stands whoever reads commands out of lines."""
        return cast("IO[str]", _Stream(super().file))

    @file.setter
    def file(self, new_file: IO[str]) -> None:
        self._file = new_file

    def on_broken_pipe(self) -> None:
        """Rich would exit with 1, which here means a regression."""
        raise BrokenPipeError


class _Stream:
    """A stream that is written to without commands, after all that folds lines anew."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """As of a stream."""
        return self._stream.write(without_commands(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _wide_console() -> Terminal:
    """The terminal, or 124 columns where that is narrower: a table that folds numbers cannot be read."""
    return Terminal(width=max(124, Console().width))


def print_rows(title: str, headings: Sequence[str], rows: Sequence[Sequence[Any]], styles: Sequence[str] = ()) -> None:
    """A plain table. styles: of each row."""
    table = Table(title=printable(title))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row, style in zip_longest(rows, styles, fillvalue=""):
        table.add_row(*(printable(str(cell)) for cell in row), style=style)
    _wide_console().print(table)


def styled(style: str, word: str, text: str) -> None:
    """A line on stdout: a word that stands out, and what there is to say."""
    _wide_console().print(f"[{style}]{printable(word)}[/{style}] {printable(text)}")


def command(line: str) -> None:
    """A line on stderr as it is, for the machine that reads it."""
    sys.stderr.write(line + "\n")


def _cell(one: CaseResult, name: str) -> str:
    summary = one.metrics.get(name)
    if summary is None:
        return "–"
    # A figure of the lock must never pass for one that was measured.
    return _with_interval(summary) + ("\n[dim](lock)[/dim]" if "not measured here" in summary.method else "")


def _with_interval(summary: Summary) -> str:
    text = show(summary.metric, summary.point)
    if summary.low is None or summary.high is None or summary.low == summary.high:
        return text
    return f"{text}\n[dim]{show(summary.metric, summary.low)}–{show(summary.metric, summary.high)}[/dim]"
