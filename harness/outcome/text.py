"""Any text made safe for where it is written: XML, Markdown, a workflow command, a sentence. Owns escaping alone.

Names come from files, suites and other tools: they may hold markup, control characters, or letters that are written
from right to left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from harness.model.codec import Json, canonical
from harness.report.names import REPLACEMENT, isolated, one_line, printable

# What GitHub takes as one comment. Counted in bytes of UTF-8, which are never fewer than characters.
LIMIT = 65_536
# An at sign would call a person or a team to a pull request.
_MARKDOWN = {ord(sign): f"\\{sign}" for sign in "\\`*_{}[]|#~"} | {
    ord("<"): "&lt;",
    ord(">"): "&gt;",
    ord("&"): "&amp;",
    ord("@"): "&#64;",
}
# Of U+0000 to U+FFFF; `printable` has taken the control characters and the surrogates already.
_NO_XML = {0xFFFE: REPLACEMENT, 0xFFFF: REPLACEMENT}


def plain(text: str) -> str:
    """One line without anything that is not seen."""
    return one_line(text)


def markdown(text: str) -> str:
    """Prose in GitHub's dialect: shown as it is, on one line."""
    return one_line(text).translate(_MARKDOWN)


def markdown_name(name: str) -> str:
    """A name in the midst of other text; letters of another direction do not turn what stands beside them."""
    return isolated(name).translate(_MARKDOWN)


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
    """A share as per cent with its sign; a dash where there is none."""
    return "–" if share is None else f"{share * 100:+.{digits}f} %"


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


def fitting(lines: Sequence[str], room: int) -> list[str]:
    """From the first on, as many as fit in so many bytes."""
    kept: list[str] = []
    for line in lines:
        room -= len(line.encode()) + 1
        if room < 0:
            break
        kept.append(line)
    return kept
