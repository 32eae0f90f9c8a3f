"""What the pages of outcomes share: the mark of each word, numbers that can be read back, tables of facts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from harness.model.metrics import REGISTRY
from harness.outcome.ranking import label, value
from harness.outcome.text import percent
from harness.report import plots
from harness.report.blocks import Name, Number, Table
from harness.report.cases import NOT_RECORDED
from harness.report.names import COLOURS, Style

# Colour, symbol and the word itself say the same; the first two are Okabe and Ito's blue and vermilion.
_BAD = Style(COLOURS[1], "square", "solid", "■")
_GOOD = Style(COLOURS[2], "diamond", "solid", "◆")
_EVEN = Style(COLOURS[0], "circle", "solid", "●")
OPEN = Style(plots.NEUTRAL, "circle-open", "solid", "○")
_BROKEN = Style(COLOURS[3], "x", "solid", "✕")
MARKS: Mapping[str, Style] = {
    "worse": _BAD, "better": _GOOD, "same": _EVEN, "unclear": OPEN,
    "regression": _BAD, "improvement": _GOOD, "pass": _EVEN, "inconclusive": OPEN, "invalid": _BROKEN,
}  # fmt: skip


def figure(metric: str, number: float | None) -> Number:
    """A metric's value with its unit; as a value in SI."""
    return Number(value(metric, number), _finite(number))


def share(number: float | None, digits: int = 1) -> Number:
    """A relative change."""
    return Number(percent(number, digits), _finite(number))


def count(number: int) -> Number:
    """A count."""
    return Number(str(number), number)


def arrow(metric: str) -> str:
    """Its label, and which way is better."""
    if metric not in REGISTRY:
        return label(metric)
    return f"{label(metric)} {'↓' if REGISTRY[metric].better == 'lower' else '↑'}"


def legend(sides: Iterable[str], words: Mapping[str, str] | None = None) -> tuple[tuple[Name, str], ...]:
    """The marks of these, each once, in the order of MARKS; words: what a reader calls them, where that is another."""
    present = set(sides)
    return tuple((Name((words or {}).get(side, side), MARKS[side]), "") for side in MARKS if side in present)


def facts_table(names: Sequence[str], columns: Sequence[Mapping[str, str]], caption: str) -> Table:
    """Facts of several things side by side, by their keys in the order in which they first come."""
    keys = dict.fromkeys(key for column in columns for key in column)
    rows = tuple((key, *(column.get(key, NOT_RECORDED) for column in columns)) for key in keys)
    return Table(("", *names), rows, caption, numeric=False)


def _finite(number: float | None) -> float | None:
    return None if number is None or not math.isfinite(number) else number
