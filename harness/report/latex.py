"""Any text made safe for LaTeX, and tables of cells that are safe already. Owns escaping and layout, no contents.

What comes out needs booktabs and graphicx, or for long tables longtable. Any engine takes it: characters
beyond ASCII become commands, or their code point where there is none.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from harness.report.names import one_line

# Rows that fit on a page; longer tables are broken over several.
MOST_ROWS = 40
# What is wider than the text is scaled down to it; nothing is scaled up.
FITTED = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
LONGEST_NAME, _NAME_END = 32, 10
_ASCII = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"{''}",
}  # fmt: skip
# Two of these in a row would become another sign: a dash, a quotation mark.
_JOINING = "-'`"
_BEYOND = {
    "\u2013": "--", "\u2014": "---", "\u2212": "$-$", "\u00d7": r"$\times$", "\u00b1": r"$\pm$",
    "\u00b0": r"$^{\circ}$", "\u00b5": r"$\mu$", "\u03bc": r"$\mu$", "\u00b7": r"$\cdot$", "\u2026": r"\ldots{}",
    "\u2018": "`", "\u2019": "'", "\u201c": "``", "\u201d": "''", "\u2264": r"$\leq$", "\u2265": r"$\geq$",
    "\u2192": r"$\rightarrow$", "\u00a0": "~", "\u00df": r"\ss{}", "\u2068": "", "\u2069": "",
}  # fmt: skip
_ACCENTS = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0308": '"', "\u030a": "r", "\u030c": "v",
    "\u0327": "c",
}  # fmt: skip


@dataclass(frozen=True)
class Tabular:
    """caption, headings and cells: LaTeX already. numeric: all columns but the first stand to the right. gaps: before
    which rows a little room is left. notes: lines below the table."""

    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: bool = True
    gaps: frozenset[int] = frozenset()
    notes: tuple[str, ...] = ()


def escaped(text: str) -> str:
    """Prose on one line, as it is."""
    plain = one_line(text)
    return "".join(
        ("{}" if character in _JOINING and character == before else "") + _character(character)
        for before, character in zip(f" {plain}", plain, strict=False)
    )


def escaped_name(name: str) -> str:
    """A name likewise; the middle of a long one gives way to dots, as names often differ at their ends."""
    if len(name) > LONGEST_NAME:
        name = f"{name[: LONGEST_NAME - _NAME_END - 1]}…{name[-_NAME_END:]}"
    return escaped(name)


def comment(text: str) -> str:
    """A line that LaTeX skips."""
    return "% " + "".join(character if " " <= character <= "~" else "?" for character in one_line(text))


def table(tabular: Tabular) -> list[str]:
    """The lines of one table: a float, or, where a page does not hold it, one that goes on over several."""
    columns = "l" + ("r" if tabular.numeric else "l") * (len(tabular.headings) - 1)
    head = [r"\toprule", f"{' & '.join(tabular.headings)} \\\\", r"\midrule"]
    body = [
        line
        for index, row in enumerate(tabular.rows)
        for line in ([r"\addlinespace"] if index in tabular.gaps else []) + [_row(row)]
    ]
    notes = [rf"\par\raggedright\scriptsize {note}" for note in tabular.notes]
    if len(tabular.rows) > MOST_ROWS:
        caption = rf"\caption{{{tabular.caption}}}\\"
        start = [r"\begingroup\scriptsize\setlength{\tabcolsep}{3pt}", rf"\begin{{longtable}}{{{columns}}}", caption]
        again = [*head, r"\endfirsthead", *head, r"\endhead"]
        return [*start, *again, *body, r"\bottomrule", r"\end{longtable}", *notes, r"\par\endgroup", ""]
    inner = [FITTED, rf"\begin{{tabular}}{{{columns}}}", *head, *body, r"\bottomrule", r"\end{tabular}}"]
    start = [r"\begin{table}[htbp]", r"\centering\footnotesize\setlength{\tabcolsep}{4pt}"]
    return [*start, rf"\caption{{{tabular.caption}}}", *inner, *notes, r"\end{table}", ""]


def _row(cells: Sequence[str]) -> str:
    """A row that begins with [ or * would belong to the end of the row before it."""
    kept = "{}" if cells[0].startswith(("[", "*")) else ""
    return f"{kept}{' & '.join(cells)} \\\\"


def packages(tables: Sequence[Tabular]) -> list[str]:
    """What the document must load for these tables."""
    long = [len(one.rows) > MOST_ROWS for one in tables]
    return ["booktabs", *(["graphicx"] if not all(long) else []), *(["longtable"] if any(long) else [])]


def _character(character: str) -> str:
    if character in _ASCII:
        return _ASCII[character]
    if " " <= character <= "~":
        return character
    if character in _BEYOND:
        return _BEYOND[character]
    parts = unicodedata.normalize("NFD", character)
    if len(parts) == 2 and parts[0].isascii() and parts[0].isalpha() and parts[1] in _ACCENTS:
        return f"\\{_ACCENTS[parts[1]]}{{{parts[0]}}}"
    return f"[U+{ord(character):04X}]"
