"""The index of a folder of pages: which there are, read back from their cards, the newest first. Writes no file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from harness.report.cards import Card, card_json, kind_of, read_card
from harness.report.html import page

NAME = "index.html"
TITLE = "Reports"


@dataclass(frozen=True)
class Entry:
    """A page of the folder. card None: it has none that can be believed, and `remark` says why."""

    file: str
    card: Card | None
    remark: str = ""

    @property
    def link(self) -> str:
        """Relative to the folder; a name that looks like another address stays a file's."""
        return f"./{quote(os.fsencode(self.file))}"

    @property
    def when(self) -> str:
        """To the second, without the zone, which the heading says."""
        return self.card.when_utc[:19].replace("T", " ") if self.card else ""


def entries(folder: Path) -> tuple[Entry, ...]:
    """All pages but the index itself: by their time, the newest first; then by name, those without a card last."""
    found = []
    for path in sorted(folder.iterdir()):
        if path.suffix == ".html" and path.name != NAME and not path.name.startswith(".") and path.is_file():
            told = read_card(path)
            found.append(Entry(path.name, None, told) if isinstance(told, str) else Entry(path.name, told))
    found.sort(key=lambda one: one.card.when_utc if one.card else "", reverse=True)
    return tuple(sorted(found, key=lambda one: one.card is None))


def index_page(folder: Path) -> str:
    """The page; the same text as long as the folder holds the same pages."""
    known = entries(folder)
    told = f"{len(known)} page{'' if len(known) == 1 else 's'}"
    listed = [
        {
            "file": os.fsencode(one.file).decode("utf-8", "replace"),
            "remark": one.remark,
            "card": card_json(one.card) if one.card else None,
        }
        for one in known
    ]
    return page(Card("index", TITLE, counts=told), (), {"pages": listed}, entries=known, count=told)


def is_own(path: Path) -> bool:
    """Whether an index is the harness's: another's is not to be overwritten."""
    return kind_of(path) == "index"
