r"""LaTeX read roughly as TeX would: what it would stumble over is an AssertionError, as no TeX is at hand in the tests.

Knows the few commands that the report writes; whatever else begins with a backslash is a mistake.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_TOKEN = re.compile(r"\\[a-zA-Z]+\*?|\\.|%.*?(?:\n|$)|[{}$&#^_~]|[^\\{}$&#^_~%]+", re.DOTALL)
_WORDS = (
    "begin end caption centering footnotesize scriptsize setlength tabcolsep toprule midrule bottomrule addlinespace "
    "textbf textit textsuperscript textbackslash textasciicircum textasciitilde textless textgreater textbar times pm "
    "circ mu cdot ldots leq geq rightarrow ss par raggedright resizebox linewidth width ifdim else fi begingroup "
    "endgroup endfirsthead endhead c r v"
)
_KNOWN = frozenset("\\" + name for name in (*_WORDS.split(), *"{}$&#%_'`^\"~\\"))
_TABLES = ("tabular", "longtable")
_ROW_END = "\\\\"


def read(source: str) -> None:
    """AssertionError for an unknown command, a bare special character, a brace, formula or environment that does not
    end, a row of another length than its table, or one whose beginning would belong to the end of the row before."""
    tokens = [token for token in _TOKEN.findall(source) if not token.startswith("%")]
    _commands(tokens)
    _braces_and_formulas(tokens)
    _environments(tokens)
    _rows(tokens)


def _commands(tokens: Sequence[str]) -> None:
    for token in tokens:
        assert not token.startswith("\\") or token in _KNOWN, token
        assert token not in {"#", "_"}, token


def _braces_and_formulas(tokens: Sequence[str]) -> None:
    depth, formula = 0, False
    for token in tokens:
        depth += {"{": 1, "}": -1}.get(token, 0)
        formula = formula != (token == "$")  # noqa: S105 (of TeX)
        assert depth >= 0
        assert formula or token != "^"  # noqa: S105 (of TeX)
    assert (depth, formula) == (0, False)


def _environments(tokens: Sequence[str]) -> None:
    waiting: list[str] = []
    for index, token in enumerate(tokens):
        if token == r"\begin":  # noqa: S105 (of TeX)
            waiting.append(tokens[index + 2])
        elif token == r"\end":  # noqa: S105 (of TeX)
            assert waiting.pop() == tokens[index + 2]
        elif token == "&":  # noqa: S105 (of TeX)
            assert waiting[-1:] in (["tabular"], ["longtable"])
    assert waiting == []


def _rows(tokens: Sequence[str]) -> None:
    columns = cells = 0
    for index, token in enumerate(tokens):
        if token == r"\begin" and tokens[index + 2] in _TABLES:  # noqa: S105 (of TeX)
            columns, cells = len(tokens[index + 5]), 0
        elif token == "&":  # noqa: S105 (of TeX)
            cells += 1
        elif token == _ROW_END:
            assert cells in (0, columns - 1)  # none: the caption of a long table
            assert not tokens[index + 1].lstrip().startswith(("[", "*"))
            cells = 0
