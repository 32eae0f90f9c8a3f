"""What a page is made of: sections of paragraphs, tables and figures, as plain frozen values that any format can write.

Owns the shapes alone: no section's contents, no HTML, nothing of how plotly draws. Every figure carries its table, so
that whoever cannot see it, or runs no scripts, reads the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from harness.report.names import Style

# plotly's JSON: {"data": [trace, ...], "layout": {...}}; harness.report.plots has the parts that all plots share.
Plot = dict[str, Any]


@dataclass(frozen=True)
class Paragraph:
    """note: small print, such as how to read a figure. none: stands where something is absent, and says why.
    alert: what must not be missed."""

    text: str
    kind: Literal["plain", "note", "none", "alert"] = "plain"


@dataclass(frozen=True)
class Name:
    """A case in a table: its label behind its symbol."""

    label: str
    style: Style


@dataclass(frozen=True)
class Number:
    """A number in a table: as it is shown, and as it is, so that a page can be read back; value None: there is none."""

    text: str
    value: float | None


Cell = str | Name | Number


@dataclass(frozen=True)
class Table:
    """Text by rows, each as long as `headings`; the first column names its row.

    numeric: the other columns are numbers, and stand to the right, as each Number does whatever stands beside it.
    folded: the words to unfold it by; empty: open.
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    numeric: bool = True
    folded: str = ""


@dataclass(frozen=True)
class Figure:
    """id: unique on the page. label: one sentence that says what is drawn, for those who do not see it.

    legend: the cases drawn, with what is to be said of each ("invalid"), empty where the plot names its parts itself.
    notes: how to read it, and the rule by which points were left out, if any were. table: what it draws, as text.
    """

    id: str
    label: str
    plot: Plot
    table: Table
    notes: tuple[str, ...] = ()
    legend: tuple[tuple[Name, str], ...] = ()


@dataclass(frozen=True)
class Commands:
    """Lines for a shell."""

    lines: tuple[str, ...]


Block = Paragraph | Table | Figure | Commands


@dataclass(frozen=True)
class Section:
    """A heading with what stands under it. id: the page's anchor."""

    id: str
    title: str
    blocks: tuple[Block, ...]


def figures(sections: Iterable[Section]) -> Iterator[Figure]:
    """All of them, in the page's order."""
    for section in sections:
        yield from (block for block in section.blocks if isinstance(block, Figure))


def not_drawn(left_out: Iterable[tuple[str, str]]) -> tuple[Paragraph, ...]:
    """The sentence that names each case that a figure leaves out, with its reason; nothing where none is."""
    told = "; ".join(f"{label} ({reason})" for label, reason in left_out)
    return (Paragraph(f"Not drawn: {told}.", "note"),) if told else ()
