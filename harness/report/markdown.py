"""Text in GitHub's dialect of Markdown, and how much of it a comment holds. Owns escaping and room, no contents."""

from __future__ import annotations

from collections.abc import Sequence

from harness.report.blocks import Cell, Name, Number, Table
from harness.report.names import isolated, one_line

# What GitHub takes as one comment. Counted in bytes of UTF-8, which are never fewer than characters.
LIMIT = 65_536
# An at sign would call a person or a team to a pull request.
_SPECIAL = {ord(sign): f"\\{sign}" for sign in "\\`*_{}[]|#~"} | {
    ord("<"): "&lt;",
    ord(">"): "&gt;",
    ord("&"): "&amp;",
    ord("@"): "&#64;",
}


def markdown(text: str) -> str:
    """Prose: shown as it is, on one line."""
    return one_line(text).translate(_SPECIAL)


def markdown_name(name: str) -> str:
    """A name in the midst of other text; letters of another direction do not turn what stands beside them."""
    return isolated(name).translate(_SPECIAL)


def fitting(lines: Sequence[str], room: int) -> list[str]:
    """From the first on, as many as fit in so many bytes, each with its line end."""
    kept: list[str] = []
    for line in lines:
        room -= size(line) + 1
        if room < 0:
            break
        kept.append(line)
    return kept


def size(text: str) -> int:
    """Bytes of UTF-8."""
    return len(text.encode())


def table_head(headings: Sequence[str], *, numeric: bool = True) -> list[str]:
    """The two lines that begin a table; the columns behind the first stand to the right where they are numbers."""
    rule = "---:" if numeric else "---"
    return [f"| {' | '.join(map(markdown, headings))} |", f"|---|{f'{rule}|' * (len(headings) - 1)}"]


def table_lines(table: Table) -> list[str]:
    """A table of the page, its caption before it."""
    caption = [f"**{markdown(table.caption)}**", ""] if table.caption else []
    rows = [f"| {' | '.join(_cell(value) for value in row)} |" for row in table.rows]
    return [*caption, *table_head(table.headings, numeric=table.numeric), *rows]


def _cell(value: Cell) -> str:
    if isinstance(value, Name):
        return markdown_name(value.label)
    return markdown(value.text if isinstance(value, Number) else value)
