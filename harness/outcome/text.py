"""Any text made safe for where it is written: XML, a workflow command, a sentence. Owns escaping alone.

Names come from files, suites and other tools: they may hold markup, control characters, or letters that are written
from right to left.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from harness.model.codec import Json, canonical
from harness.report.names import REPLACEMENT, one_line, printable

# Of U+0000 to U+FFFF; `printable` has taken the control characters and the surrogates already.
_NO_XML = {0xFFFE: REPLACEMENT, 0xFFFF: REPLACEMENT}


def plain(text: str) -> str:
    """One line without anything that is not seen."""
    return one_line(text)


def xml(text: str) -> str:
    """Character data. Line ends stay, what XML 1.0 cannot hold becomes U+FFFD."""
    return escape("\n".join(printable(line.replace("\t", " ")) for line in text.splitlines()).translate(_NO_XML))


def attribute(text: str) -> str:
    """An attribute's value with its quotes."""
    return quoteattr(one_line(text).translate(_NO_XML))


def command_value(text: str) -> str:
    """The message of a workflow command (`::error::MESSAGE`). Source: GitHub's toolkit, command.ts."""
    return one_line(text).replace("%", "%25")


def command_property(text: str) -> str:
    """A property of a workflow command (`::error title=PROPERTY::`)."""
    return command_value(text).replace(":", "%3A").replace(",", "%2C")


def percent(share: float | None, digits: int = 1) -> str:
    """A share as per cent with its sign, which what rounds to nought has not; a dash where there is none."""
    if share is None:
        return "–"
    text = f"{share * 100:+.{digits}f}"
    return f"{text if float(text) else text[1:]} %"


def flat(facts: Mapping[str, Json]) -> list[tuple[str, str]]:
    """Facts as names with dots and texts, in order of their names."""
    found: list[tuple[str, str]] = []
    for key in sorted(facts):
        value: Any = facts[key]
        if isinstance(value, Mapping):
            found += [(f"{key}.{inner}", text) for inner, text in flat(value)]
        else:
            found.append((str(key), value if isinstance(value, str) else canonical(value)))
    return found
