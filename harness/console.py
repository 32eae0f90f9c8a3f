"""What a person sees in the terminal: progress on stderr, results on stdout. Owns words and layout only."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table

from harness.analysis.analyse import case_names
from harness.model.case import Plan
from harness.model.metrics import REGISTRY, show
from harness.model.verdict import CaseResult, RunResult, Summary
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
_STYLE = {"valid": "green", "doubtful": "yellow", "invalid": "red"}


def message(text: str) -> None:
    """A line on stderr."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(escape(text))


def plain(text: str) -> None:
    """Text for stdout as it is, for pipes."""
    sys.stdout.write(text if text.endswith("\n") else text + "\n")


class RunView(AbstractContextManager["RunView"]):
    """The progress of a run; call it with each Progress."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
        )
        self._task = self._bar.add_task("starting", total=None)

    def __enter__(self) -> RunView:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, progress: Progress) -> None:
        """Advance; a failed trial is said at once."""
        text = f"{escape(progress.case.variant)} {progress.mode} {progress.launch + 1}"
        self._bar.update(self._task, description=text, completed=progress.number, total=progress.total)
        if progress.trial is not None and progress.trial.status == "failed":
            first = progress.trial.message.splitlines()[0]
            self._console.print(f"[red]failed[/red] {text}: {escape(first)}")


def print_plan(plan: Plan) -> None:
    """Cases and skips, as they would be run."""
    console = Console(highlight=False)
    table = Table(title=escape(f"{plan.suite} on {plan.device}: {len(plan.trials)} trials, seed {plan.seed}"))
    for heading in ("case", "variant", "precision", "backend", "scenario", "launches", "also"):
        table.add_column(heading)
    for case in plan.cases:
        own = [trial for trial in plan.trials if trial.case_id == case.id]
        launches = sum(trial.mode == "performance" for trial in own)
        also = ", ".join(trial.mode for trial in own if trial.mode != "performance")
        cells = (case.id[:8], case.variant, case.precision, case.backend, case.scenario.name, str(launches), also)
        table.add_row(*(escape(cell) for cell in cells))
    console.print(table)
    for skip in plan.skips:
        console.print(f"[yellow]skipped[/yellow] {escape(skip.variant)} ({skip.backend}): {escape(skip.reason)}")


def print_result(result: RunResult) -> None:
    """The trade-off table, what is doubted and why, and the notes."""
    console = _wide_console()
    table = Table(title=escape(f"{result.run['suite']} on {result.device['title']} ({result.run['id']})"))
    table.add_column("variant", overflow="fold", min_width=8)
    for name in _COLUMNS:
        metric = REGISTRY[name]
        table.add_column(f"{metric.label}\n{metric.shown_unit}".strip(), justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    names = case_names(tuple(one.case for one in result.cases))
    for one in result.cases:
        style = _STYLE[one.verdict]
        cells = [_cell(one, name) for name in _COLUMNS]
        table.add_row(escape(names[one.case.id]), *cells, f"[{style}]{one.verdict}[/{style}]")
    console.print(table)
    console.print("[dim]small type: 95 % interval over launches; a dash: not measured, reasons in the report[/dim]")
    for one in result.cases:
        for finding in one.findings:
            if finding.severity != "note":
                style = "red" if finding.severity == "invalid" else "yellow"
                text = escape(f"{names[one.case.id]}: {finding.evidence}. {finding.advice}")
                console.print(f"[{style}]{finding.code}[/{style}] {text}")
    for skip in result.skips:
        console.print(f"[yellow]skipped[/yellow] {escape(str(skip['variant']))}: {escape(str(skip['reason']))}")
    for note in result.notes:
        console.print(escape(note))


def _wide_console() -> Console:
    """The terminal, or 124 columns where that is narrower: a table that folds numbers cannot be read."""
    return Console(highlight=False, width=max(124, Console().width))


def print_rows(title: str, headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A plain table."""
    table = Table(title=escape(title))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    _wide_console().print(table)


def _cell(one: CaseResult, name: str) -> str:
    summary = one.metrics.get(name)
    return "–" if summary is None else _with_interval(summary)


def _with_interval(summary: Summary) -> str:
    text = show(summary.metric, summary.point)
    if summary.low is None or summary.high is None or summary.low == summary.high:
        return text
    return f"{text}\n[dim]{show(summary.metric, summary.low)}–{show(summary.metric, summary.high)}[/dim]"
