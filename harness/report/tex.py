r"""The report's tables for a paper: a file to be read in by \input, of booktabs tables, without siunitx.

Every number is as the page shows it. Owns which table stands where; how LaTeX wants it is in harness.report.latex.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.model.trial import Record
from harness.model.verdict import RunResult
from harness.report.blocks import Cell as BlockCell
from harness.report.blocks import Figure, Name, Number, Paragraph, Section, Table
from harness.report.latex import MOST_ROWS, Tabular, comment, escaped, escaped_name, packages, table
from harness.report.rows import Cell, Column, Group, Row
from harness.report.view import View, build_view

# The trade-off table is wider than a page: what a model does, and what it takes.
DOES = ("accuracy", "agreement", "latency", "throughput")
SECTIONS = ("published", "lineage")


class TexReporter:
    """The trade-off, published and lineage tables."""

    name = "tex"
    suffix = ".tex"

    def render(self, result: RunResult, records: Mapping[str, Record]) -> bytes:
        """ASCII, to be read in where the document loads the packages that its first lines name."""
        view = build_view(result, records, SECTIONS)
        return view_tex(view, str(result.run.get("id", ""))).encode()


def view_tex(view: View, run: str) -> str:
    """All tables with their notes; a sentence where no case was measured."""
    found: list[Tabular | str] = [*_trade_off(view), *_of_sections(view.sections)]
    loaded = packages([one for one in found if isinstance(one, Tabular)])
    head = [
        comment(f"Edge Harness, run {run}: {view.head.suite} on {view.head.device}"),
        comment(f"{view.head.when}; {view.head.state}"),
        comment(f"Needs \\usepackage{{{','.join(loaded)}}}"),
        "",
    ]
    lines = [line for one in found for line in ([one, ""] if isinstance(one, str) else table(one))]
    unmeasured = [] if view.rows else ["No case was measured.", ""]
    return "\n".join([*head, *unmeasured, *lines])


def _trade_off(view: View) -> Iterator[Tabular]:
    halves = (
        ("accuracy and speed", lambda column: column.metric.startswith(DOES)),
        ("cost", lambda column: not column.metric.startswith(DOES)),
    )
    for group in view.groups:
        for title, takes in halves:
            chosen = [index for index, column in enumerate(view.columns) if takes(column)]
            if chosen and group.rows:
                yield _half(view, group, title, chosen)


def _half(view: View, group: Group, title: str, chosen: Sequence[int]) -> Tabular:
    """Two lines for each case: the values, and below them the intervals of those that have one."""
    rows: list[tuple[str, ...]] = []
    gaps: set[int] = set()
    for row in group.rows:
        gaps.add(len(rows))
        cells = [row.cells[index] for index in chosen]
        rows.append((_label(row), *map(_value, cells)))
        if any(cell.interval for cell in cells):
            rows.append(
                ("", *(rf"{{\scriptsize {escaped(cell.interval)}}}" if cell.interval else "" for cell in cells))
            )
    marks = {row.cells[index].mark for row in group.rows for index in chosen}
    notes = [rf"\textsuperscript{{{mark}}} {escaped(note)}" for mark, note in view.footnotes if mark in marks]
    caption = f"{view.head.suite} on {view.head.device}: {title} ({group.title}). Below a value its 95 % interval."
    return Tabular(
        escaped(caption) + _bold(group, chosen),
        ("", *(_heading(view.columns[index]) for index in chosen)),
        tuple(rows),
        gaps=frozenset(gaps - {0}),
        notes=(*notes, *_verdicts(group)),
    )


def _bold(group: Group, chosen: Sequence[int]) -> str:
    best = any(row.cells[index].best for row in group.rows for index in chosen)
    if not best:
        return ""
    return (
        " Bold: the best of the valid cases, told apart from each other one of them; a tie has no bold, and doubtful "
        "cases do not count as rivals."
    )


def _verdicts(group: Group) -> Iterator[str]:
    """Why a case stands in italics."""
    for row in group.rows:
        if row.verdict != "valid":
            reasons = "; ".join(row.reasons)
            yield f"{_label(row)}: {row.verdict}{': ' if reasons else ''}{escaped(reasons)}"


def _label(row: Row) -> str:
    name = escaped_name(row.label)
    return name if row.verdict == "valid" else rf"\textit{{{name}}}"


def _heading(column: Column) -> str:
    return escaped(f"{column.label}, {column.unit}" if column.unit else column.label)


def _value(cell: Cell) -> str:
    text = escaped(cell.text)
    if cell.mark:
        return rf"{text}\textsuperscript{{{cell.mark}}}"
    return rf"\textbf{{{text}}}" if cell.best else text


def _of_sections(sections: Sequence[Section]) -> Iterator[Tabular | str]:
    """Tables, and paragraphs as such."""
    for block in (block for section in sections for block in section.blocks):
        if isinstance(block, Table):
            yield _of(block)
        elif isinstance(block, Figure):
            yield _of(block.table)  # its notes are on how to read what is drawn
        elif isinstance(block, Paragraph):
            yield escaped(block.text)


def _of(block: Table) -> Tabular:
    """A table of the page; of a long one the beginning, as it cannot be both scaled and broken over pages."""
    left = len(block.rows) - MOST_ROWS
    more = [f"{left} more rows are in the page."] if left > 0 else []
    return Tabular(
        escaped(block.caption or block.folded),
        tuple(map(escaped, block.headings)),
        tuple(tuple(map(_text, row)) for row in block.rows[:MOST_ROWS]),
        numeric=block.numeric,
        notes=tuple(more),
    )


def _text(value: BlockCell) -> str:
    if isinstance(value, Name):
        return escaped_name(value.label)
    return escaped(value.text if isinstance(value, Number) else value)
