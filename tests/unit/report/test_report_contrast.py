"""Contrast of every text colour of the style sheet on every ground it stands on, in light, in dark and on paper.

Ratios and limits are WCAG 2.2's: relative luminance (its glossary), 4.5 for text (1.4.3), 3 for marks (1.4.11).
"""

from __future__ import annotations

import re

import pytest

from harness.places import builtin
from harness.report.names import COLOURS

LEAST_TEXT, LEAST_MARK = 4.5, 3.0
SOURCE = (builtin()["templates"] / "page.css").read_text("utf-8")
ROOTS = dict(zip(("light", "dark", "print"), re.findall(r":root \{(.*?)\}", SOURCE, re.DOTALL), strict=True))
BADGES = ("valid", "doubt", "invalid", "note")
PAIRS = [(text, ground) for text in ("ink", "muted", "link", *BADGES) for ground in ("paper", "raised")]
PAIRS += [(badge, f"{badge}-ground") for badge in BADGES]


def colours(scheme: str) -> dict[str, str]:
    """By variable; what paper does not name is as in light."""
    found: dict[str, str] = {}
    for root in ("light", scheme):
        found |= dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+);", ROOTS[root]))
    return found


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = digits if len(digits) == 6 else "".join(2 * digit for digit in digits)
    shares = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return sum(weight * share for weight, share in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    low, high = sorted(luminance(colour) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def test_the_ratio_is_the_standards() -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#fff") == pytest.approx(4.48, abs=0.005)  # the lightest grey that just fails


@pytest.mark.parametrize("scheme", ROOTS)
@pytest.mark.parametrize(("text", "ground"), PAIRS)
def test_text_can_be_read_on_its_ground(scheme: str, text: str, ground: str) -> None:
    found = colours(scheme)
    assert contrast(found[text], found[ground]) >= LEAST_TEXT


def test_the_colours_of_a_case_are_never_alone() -> None:
    """Two of Okabe and Ito's are too faint on white by themselves: symbol, dash and name tell the case as well."""
    faint = [colour for colour in COLOURS if contrast(colour, colours("light")["paper"]) < LEAST_MARK]
    assert len(faint) <= 3
    assert all(contrast(colour, colours("dark")["paper"]) >= LEAST_MARK for colour in COLOURS)
