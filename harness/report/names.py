"""How a case is called and coloured wherever it appears: one label and one style per case for the whole report.

Colours are Okabe and Ito's, told apart with any colour vision; black and yellow are left out because each vanishes
on one of the two backgrounds. A marker symbol per variant and a dash per case say the same without colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.model.case import Case
from harness.model.verdict import CaseResult

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "pentagon", "star", "hexagon")
DASHES = ("solid", "dash", "dot", "dashdot")
DASH_GLYPHS = ("——", "– –", "· · ·", "– · –")
FIGURE_NAME_LENGTH = 28
_FIRST_ISOLATE, _END_ISOLATE = "\u2068", "\u2069"


@dataclass(frozen=True)
class Style:
    """colour: #rrggbb; symbol and dash: plotly's names; glyph: the symbol as a character, for text."""

    colour: str
    symbol: str
    dash: str
    glyph: str


_GLYPHS = dict(zip(SYMBOLS, "●■◆▲▼⬟★⬢", strict=True))


def styles(cases: Sequence[CaseResult]) -> tuple[Style, ...]:
    """One per case: colour and symbol by variant in order of appearance, dash by the case among its variant's."""
    variants = list(dict.fromkeys(result.case.variant for result in cases))
    seen: dict[str, int] = {}
    found = []
    for result in cases:
        variant, index = result.case.variant, variants.index(result.case.variant)
        among = seen.get(variant, 0)
        seen[variant] = among + 1
        symbol = SYMBOLS[index % len(SYMBOLS)]
        found.append(Style(COLOURS[index % len(COLOURS)], symbol, DASHES[among % len(DASHES)], _GLYPHS[symbol]))
    return tuple(found)


def labels(cases: Sequence[CaseResult]) -> tuple[str, ...]:
    """The variant's name where that is enough to tell the cases apart, else with what differs among them."""
    variants = [result.case.variant for result in cases]
    parts = [name for name in _PARTS if len({_PARTS[name](result.case) for result in cases}) > 1]
    found = []
    for result in cases:
        alone = variants.count(result.case.variant) == 1
        found.append(" · ".join([result.case.variant, *(() if alone else (_PARTS[p](result.case) for p in parts))]))
    if len(set(found)) < len(found):  # they differ in something not listed; the id tells them apart
        found = [f"{label} · {result.case.id[:6]}" for label, result in zip(found, cases, strict=True)]
    return tuple(found)


def isolated(name: str) -> str:
    """A name for the middle of a sentence: letters of another direction are kept from turning their neighbours."""
    return name if name.isascii() else f"{_FIRST_ISOLATE}{name}{_END_ISOLATE}"


def in_figure(name: str) -> str:
    """A name for plotly, which reads some HTML and draws on one line: escaped, shortened, without bidi controls."""
    plain = "".join(character for character in name if character.isprintable())
    if len(plain) > FIGURE_NAME_LENGTH:
        plain = plain[: FIGURE_NAME_LENGTH - 1] + "…"
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _threads(case: Case) -> str:
    return f"{case.settings.threads} threads"


_PARTS = {
    "backend": lambda case: case.backend,
    "scenario": lambda case: case.scenario.name,
    "precision": lambda case: case.precision,
    "threads": _threads,
}
