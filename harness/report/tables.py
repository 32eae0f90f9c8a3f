"""The trade-off table for other programs and for pull requests: tidy CSV and Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.model.metrics import REGISTRY
from harness.model.trial import Record
from harness.model.verdict import CaseResult, RunResult
from harness.report.blocks import Figure, Paragraph, Section, Table
from harness.report.markdown import LIMIT, fitting, markdown, markdown_name, size, table_head, table_lines
from harness.report.names import one_line, printable
from harness.report.rows import Cell, Column, Group, Row
from harness.report.view import FindingRow, SkipRow, View, build_view

CSV_COLUMNS = (
    "case", "variant", "backend", "precision", "scenario", "verdict",
    "metric", "unit", "point", "low", "high", "n", "method", "missing",
)  # fmt: skip
# The page's sections that a comment has too, folded away: the paper's tables, and what was made from what.
FOLDED = ("published", "lineage")
# Characters of one name: a file may give it any length.
_LONGEST_NAME = 200
# To say of each part what of it was left out.
_ROOM_TO_SAY_SO = 200


@dataclass(frozen=True)
class Part:
    """Lines of a comment that may be cut short after any of them. what: their kind, in the plural; all: where
    every one of them stands; share: the most they
    may take of the room that is left, so that what follows has some too."""

    what: str
    lines: tuple[str, ...]
    share: float
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    all: str = "the HTML report"


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
    """The verdicts, the table with intervals and what to know of it, for a README or a pull request."""

    name = "md"
    suffix = ".md"

    def render(self, result: RunResult, records: Mapping[str, Record]) -> bytes:
        """GitHub's dialect, at most what one comment holds."""
        return view_markdown(build_view(result, records, FOLDED)).encode()


def view_markdown(view: View, limit: int = LIMIT) -> str:
    """Title, one sentence per case, tables, footnotes, findings, notes, skips, folded sections; what would be empty is
    left out. At most `limit` bytes: what does not fit is counted."""
    head = view.head
    lines = [
        f"# {_name(head.suite)} on {_name(head.device)}",
        "",
        f"{markdown(head.when)}; {head.state}; {head.counts}.",
        "",
    ]
    parts = list(_parts(view))
    room = limit - size("\n".join(lines)) - _ROOM_TO_SAY_SO * len(parts)
    for part in parts:
        added = _fitted(part, int(room * part.share))
        room -= size("\n".join(added)) + 1
        lines += added
    return "\n".join(lines).rstrip("\n") + "\n"


def _parts(view: View) -> Iterator[Part]:
    yield Part("cases", tuple(map(_sentence, view.rows)), 0.35)
    for group in view.groups:
        yield _table(view.columns, group, alone=len(view.groups) == 1)
    notes = tuple(f"<sup>{mark}</sup> {markdown(note)}  " for mark, note in view.footnotes)
    yield Part("footnotes", notes, 0.5, before=("",))
    yield _titled("Findings", map(_finding, view.findings))
    yield _titled("Notes", (markdown(note) for note in (*view.notes, *(f"damaged: {one}" for one in view.damaged))))
    yield _titled("Skipped", map(_skip, view.skips))
    yield from map(_folded, view.sections)


def _fitted(part: Part, room: int) -> list[str]:
    """As many lines as fit, and how many do not; nothing of a part that is empty."""
    if not part.lines:
        return []
    kept = fitting(part.lines, room - size("\n".join((*part.before, *part.after, ""))))
    left = len(part.lines) - len(kept)
    more = "more " if kept else ""
    told = ["", f"{left} {more}{part.what} do not fit in a comment; {part.all} has all."] if left else []
    return [*part.before, *kept, *part.after, *told] if kept else told


def _titled(title: str, items: Iterable[str]) -> Part:
    # A page names the first findings of a kind alone.
    where = "the JSON" if title == "Findings" else "the HTML report"
    return Part(title.lower(), tuple(f"- {item}" for item in items), 0.6, before=("", f"## {title}", ""), all=where)


def _folded(section: Section) -> Part:
    before = ("", f"<details><summary>{markdown(section.title)}</summary>", "")
    lines = tuple(line for block in section.blocks for line in _block(block))
    return Part(f"lines of “{section.title}”", lines, 0.9, before, after=("", "</details>"))


def _block(block: object) -> Sequence[str]:
    if isinstance(block, Paragraph):
        return (markdown(block.text), "")
    if isinstance(block, Figure):
        return (*table_lines(block.table), "")  # its notes are on how to read what is drawn
    return (*table_lines(block), "") if isinstance(block, Table) else ()


def _sentence(row: Row) -> str:
    return f"- **{_name(row.label)}**: {markdown(row.sentence)}{_small(row.title)}"


def _table(columns: Sequence[Column], group: Group, *, alone: bool) -> Part:
    headings = ("case", *map(_heading, columns))
    first, rule = table_head(headings)
    titled = ("",) if alone else ("", f"**{markdown(group.title)}**", "")
    before = (*titled, f"{first} verdict |", f"{rule}---|")
    return Part("rows", tuple(map(_line, group.rows)), 0.7, before)


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
    return f"| {_name(row.label)} | {' | '.join(map(_cell, row.cells))} | {row.verdict} |"


def _finding(row: FindingRow) -> str:
    cases = ", ".join(label for label, _ in row.cases)
    found = row.finding
    said = f"{found.evidence.rstrip('.')}. Advice: {found.advice}" if found.advice else found.evidence
    return f"{row.finding.severity}, {markdown(row.finding.code)} ({markdown(cases)}): {markdown(said)}"


def _skip(row: SkipRow) -> str:
    return f"{' · '.join(map(_name, (row.variant, row.backend, row.scenario)))}: {markdown(row.reason)}"


def _cell(cell: Cell) -> str:
    if cell.mark:
        return f"{cell.text}<sup>{cell.mark}</sup>"
    text = f"**{cell.text}**" if cell.best else cell.text
    return f"{text} {markdown(cell.interval)}".rstrip()


def _small(text: str) -> str:
    return f"<br><sub>{markdown(text)}</sub>" if text else ""


def _name(name: str) -> str:
    return markdown_name(name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…")
