"""How a case is called and coloured wherever it appears: one label and one style per case, here and in the terminal.

Needs the standard library alone. Colours are Okabe and Ito's, told apart with any colour vision; black and yellow are
left out because each vanishes on one of the two backgrounds. A marker symbol per variant and a dash per case say the
same without colour; where variants outnumber the colours, the dash tells those of one colour apart instead.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.model.case import Case
from harness.model.verdict import CaseResult

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "pentagon", "star", "hexagon")
DASHES = ("solid", "dash", "dot", "dashdot")
DASH_GLYPHS = ("——", "– –", "· · ·", "– · –")
FIGURE_NAME_LENGTH = 28
SENTENCE_NAME_LENGTH = 40
REPLACEMENT = "\ufffd"
# Control, invisible format, lone surrogate, line and paragraph end: what shows as nothing or moves its neighbours.
_UNSHOWN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINERS = "\u200c\u200d"  # invisible too, but some scripts and emoji cannot be written without them
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
    """One per case: colour and symbol by variant in order of appearance. Dash by the case among its variant's; of more
    variants than colours by the round of colours, so that no two of the first 24 share colour and dash."""
    order = {name: index for index, name in enumerate(dict.fromkeys(result.case.variant for result in cases))}
    seen: dict[str, int] = {}
    found = []
    for result in cases:
        variant, index = result.case.variant, order[result.case.variant]
        among = seen.get(variant, 0)
        seen[variant] = among + 1
        symbol = SYMBOLS[index % len(SYMBOLS)]
        dash = DASHES[(index // len(COLOURS) if len(order) > len(COLOURS) else among) % len(DASHES)]
        found.append(Style(COLOURS[index % len(COLOURS)], symbol, dash, _GLYPHS[symbol]))
    return tuple(found)


def labels(cases: Sequence[Case]) -> tuple[str, ...]:
    """One per case, unique and printable: the variant's name where that is enough, else with what differs among its
    cases."""
    of_variant: dict[str, list[Case]] = {}
    for case in cases:
        of_variant.setdefault(case.variant, []).append(case)
    telling = {
        variant: [part for part in _PARTS if len({part(case) for case in alike}) > 1]
        for variant, alike in of_variant.items()
    }
    found = [printable(" · ".join([case.variant, *(part(case) for part in telling[case.variant])])) for case in cases]
    often = Counter(found)
    # Where they differ in something not listed, the id tells them apart.
    return tuple(
        f"{label} · {case.id[:6]}" if often[label] > 1 else label for label, case in zip(found, cases, strict=True)
    )


def printable(name: str) -> str:
    """Every character that shows as nothing, or that moves the text around it, as U+FFFD."""
    return "".join(REPLACEMENT if _is_unshown(character) else character for character in name)


def one_line(prose: str) -> str:
    """A whole sentence likewise; line ends and tabs become spaces, and the marks that `isolated` adds stay."""
    kept = f"{_FIRST_ISOLATE}{_END_ISOLATE}"
    spaced = " ".join(prose.splitlines()).replace("\t", " ")
    return "".join(c if c in kept else printable(c) for c in spaced)


def _is_unshown(character: str) -> bool:
    return unicodedata.category(character) in _UNSHOWN and character not in _JOINERS


def isolated(name: str) -> str:
    """A name for the middle of a sentence: letters of another direction are kept from turning their neighbours."""
    shown = printable(name)
    return shown if shown.isascii() else f"{_FIRST_ISOLATE}{shown}{_END_ISOLATE}"


def apart(prose: str) -> str:
    """A line beside others, isolated as a whole; the names in it that are isolated already stay so."""
    return prose if prose.isascii() else f"{_FIRST_ISOLATE}{one_line(prose)}{_END_ISOLATE}"


def in_sentence(name: str) -> str:
    """A name that a sentence mentions beside its own: isolated, and shortened where it would fill the line."""
    shown = printable(name)
    return isolated(shown if len(shown) <= SENTENCE_NAME_LENGTH else shown[: SENTENCE_NAME_LENGTH - 1] + "…")


def in_figure(name: str) -> str:
    """A name for plotly, which reads some HTML and draws on one line: escaped, shortened, without bidi controls."""
    plain = "".join(character for character in name if character.isprintable())
    if len(plain) > FIGURE_NAME_LENGTH:
        plain = plain[: FIGURE_NAME_LENGTH - 1] + "…"
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def threads(case: Case) -> str:
    """How many, in words."""
    return f"{case.settings.threads} thread{'' if case.settings.threads == 1 else 's'}"


_PARTS: tuple[Callable[[Case], str], ...] = (
    lambda case: case.device,
    lambda case: case.backend,
    lambda case: case.scenario.name,
    lambda case: case.precision,
    threads,
)
