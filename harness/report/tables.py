"""The trade-off table for other programs and for pull requests: tidy CSV and Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

from harness.model.metrics import REGISTRY
from harness.model.trial import Record
from harness.model.verdict import CaseResult, RunResult
from harness.report.names import one_line, printable
from harness.report.rows import Cell, Column, Row
from harness.report.view import FindingRow, View, build_view

CSV_COLUMNS = (
    "case", "variant", "backend", "precision", "scenario", "verdict",
    "metric", "unit", "point", "low", "high", "n", "method", "missing",
)  # fmt: skip
_MARKDOWN_SPECIAL = {ord(character): f"\\{character}" for character in "\\`*_{}[]|#~"} | {
    ord("<"): "&lt;",
    ord(">"): "&gt;",
    ord("&"): "&amp;",
}


class CsvReporter:
    """One row per case and metric, in SI units; a missing metric has its reason and no number."""

    name = "csv"
    suffix = ".csv"

    def render(self, result: RunResult, records: Mapping[str, Record]) -> bytes:
        """UTF-8 with line feeds; numbers at full precision."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(CSV_COLUMNS)
        for case in result.cases:
            writer.writerows(_tidy(case))
        return out.getvalue().encode()


class MarkdownReporter:
    """The verdicts and the table with intervals, for a README or a pull request."""

    name = "md"
    suffix = ".md"

    def render(self, result: RunResult, records: Mapping[str, Record]) -> bytes:
        """GitHub's dialect."""
        return markdown(build_view(result, records)).encode()


def markdown(view: View) -> str:
    """Title, one sentence per case, table, footnotes, findings, notes, skips; what would be empty is left out."""
    head = view.head
    lines = [f"# {_plain(head.suite)} on {_plain(head.device)}", "", f"{head.when}; {head.state}; {head.counts}.", ""]
    lines += [f"- **{_plain(row.label)}**: {_plain(row.sentence)}{_small(row.title)}" for row in view.rows]
    lines += ["", "| case | " + " | ".join(_heading(column) for column in view.columns) + " | verdict |"]
    lines += ["|---|" + "---:|" * len(view.columns) + "---|"]
    lines += [_line(row) for row in view.rows]
    if view.footnotes:
        lines += ["", *(f"<sup>{mark}</sup> {_plain(note)}  " for mark, note in view.footnotes)]
    lines += _section("Findings", [_finding(row) for row in view.findings])
    lines += _section("Notes", [_plain(note) for note in view.notes] + [f"damaged: {_plain(d)}" for d in view.damaged])
    skipped = [f"{_plain(f'{s.variant} · {s.backend} · {s.scenario}')}: {_plain(s.reason)}" for s in view.skips]
    lines += _section("Skipped", skipped)
    return "\n".join(lines) + "\n"


def _section(title: str, items: list[str]) -> list[str]:
    return ["", f"## {title}", "", *(f"- {item}" for item in items)] if items else []


def _tidy(result: CaseResult) -> list[list[object]]:
    case = result.case
    names = (case.variant, case.backend, case.precision, case.scenario.name)
    key = [case.id, *(printable(name) for name in names), result.verdict]
    measured: list[list[object]] = [
        [*key, name, s.unit, repr(s.point), _number(s.low), _number(s.high), s.n, one_line(s.method), ""]
        for name, s in sorted(result.metrics.items())
    ]
    missing: list[list[object]] = [
        [*key, name, REGISTRY[name].unit if name in REGISTRY else "", "", "", "", "", "", one_line(reason)]
        for name, reason in sorted(result.missing.items())
    ]
    return measured + missing


def _number(value: float | None) -> str:
    return "" if value is None else repr(value)


def _heading(column: Column) -> str:
    return f"{column.label}, {column.unit}" if column.unit else column.label


def _line(row: Row) -> str:
    cells = " | ".join(_cell(cell) for cell in row.cells)
    return f"| {_plain(row.label)} | {cells} | {row.verdict} |"


def _finding(row: FindingRow) -> str:
    cases = ", ".join(label for label, _ in row.cases)
    found = row.finding
    said = f"{found.evidence.rstrip('.')}. Advice: {found.advice}" if found.advice else found.evidence
    return f"{row.finding.severity}, {_plain(row.finding.code)} ({_plain(cases)}): {_plain(said)}"


def _cell(cell: Cell) -> str:
    if cell.mark:
        return f"{cell.text}<sup>{cell.mark}</sup>"
    return f"{cell.text} {_plain(cell.interval)}".rstrip()


def _small(text: str) -> str:
    return f"<br><sub>{_plain(text)}</sub>" if text else ""


def _plain(text: str) -> str:
    return one_line(text).translate(_MARKDOWN_SPECIAL)
