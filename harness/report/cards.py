"""The card that each page carries: what an index says of a page without reading the rest of it. Draws nothing."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from harness.errors import UsageError
from harness.model.codec import Json, from_json, to_json
from harness.model.verdict import RunResult
from harness.report.names import one_line
from harness.report.view import Head

# 1: first version.
SCHEMA = "harness.card/1"
Kind = Literal["report", "comparison", "gate", "history", "index"]
# A card stands in front of everything that may be long, and holds so many characters of each text: names may have no
# end. With the policy before it that is less than HEAD_BYTES, at four bytes a character and twelve for an escaped one.
LONGEST = 200
HEAD_BYTES = 32_768
_TAIL_BYTES = 256
_COMMIT_DIGITS = 10
_CARD = re.compile(r'<script type="application/json" id="card">(.*?)</script>', re.DOTALL)


@dataclass(frozen=True)
class Card:
    """when_utc: ISO time of the newest measurement on the page; it and the others are empty where they are not known.

    counts: the verdicts, as the page counts them.
    """

    kind: Kind
    title: str
    suite: str = ""
    device: str = ""
    when_utc: str = ""
    counts: str = ""
    commit: str = ""
    schema: str = SCHEMA


def card_of_run(result: RunResult, head: Head) -> Card:
    """Of a report's page; head: what stands on top of it."""
    run = result.run
    commit = commit_text(run.get("commit"), dirty=bool(run.get("commit_dirty")))
    when = str(run.get("started_utc") or "")
    return Card("report", f"{head.suite} on {head.device}", head.suite, head.device, when, head.counts, commit)


def commit_text(commit: Json, *, dirty: bool) -> str:
    """Its first digits, with a + where there were changes beside it; empty where it is not known."""
    return f"{str(commit)[:_COMMIT_DIGITS]}{'+' if dirty else ''}" if commit else ""


def card_json(card: Card) -> Json:
    """As it stands in the page."""
    return {key: shortened(text) for key, text in to_json(card).items()}


def shortened(text: str) -> str:
    """One line of at most LONGEST characters."""
    shown = one_line(text)
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"


def read_card(path: Path) -> Card | str:
    """The card of a page, or a sentence why it has none that can be believed. Reads no more than its two ends."""
    try:
        with path.open("rb") as source:
            told = _told(source)
            source.seek(max(0, source.seek(0, os.SEEK_END) - _TAIL_BYTES))
            whole = b"</html>" in source.read()
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    if told is None:
        return "not a page of this harness, or one from before it made an index"
    if told.get("schema", SCHEMA) != SCHEMA:
        return "of another version of the harness"
    try:
        card = from_json(Card, told, "card")
    except UsageError:
        return "damaged: write it again"
    return card if whole else "cut short: write it again"


def kind_of(path: Path) -> str:
    """What its card calls it, of whatever version; empty where it has none, or is no file that can be read."""
    try:
        with path.open("rb") as source:
            told = _told(source) or {}
    except OSError:
        return ""
    return str(told.get("kind", ""))


def _told(source: BinaryIO) -> Mapping[str, Json] | None:
    """The card as it stands in a page; empty where it is damaged, None where there is none."""
    found = _CARD.search(source.read(HEAD_BYTES).decode("utf-8", "replace"))
    if found is None:
        return None
    try:
        told = json.loads(found.group(1))
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, Mapping) else {}
