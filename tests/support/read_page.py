"""A page of the harness read back: what stands in its tables, as shown and as numbers; its scripts; its text."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

Row = tuple[tuple[str, float | None], ...]


class ReadPage(HTMLParser):
    """rows: by the section's id, each cell as (text, data-value), the headings first. scripts: JSON by id."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.rows: dict[str, list[Row]] = {}
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._raw: dict[str, str] = {}
        self._section = ""
        self._script: str | None = None
        self._cells: list[tuple[str, float | None]] | None = None
        self._inside = False
        self.feed(source)

    @property
    def links(self) -> list[str]:
        """Addresses, in order."""
        return [str(attrs["href"]) for tag, attrs in self.elements if tag == "a"]

    def script(self, name: str) -> Any:
        """The JSON of a script."""
        return json.loads(self._raw[name])

    def numbers(self, section: str) -> list[tuple[float, ...]]:
        """Of every row, its numbers."""
        return [tuple(value for _, value in row if value is not None) for row in self.rows[section][1:]]

    def texts(self, section: str) -> list[tuple[str, ...]]:
        """Of every row, its cells."""
        return [tuple(text for text, _ in row) for row in self.rows.get(section, [])]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.elements.append((tag, known))
        if tag == "section":
            self._section = known.get("id") or ""
        elif tag in ("script", "style"):
            self._script = known.get("id") or ""
        elif tag == "tr":
            self._cells = []
        elif tag in ("td", "th") and self._cells is not None:
            self._cells.append(("", None))
            self._inside = True
        if self._cells and "data-value" in known:
            self._cells[-1] = (self._cells[-1][0], float(str(known["data-value"])))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._script = None
        elif tag in ("td", "th"):
            self._inside = False
        elif tag == "tr" and self._cells is not None:
            self.rows.setdefault(self._section, []).append(tuple((text.strip(), value) for text, value in self._cells))
            self._cells = None

    def handle_data(self, data: str) -> None:
        if self._script is not None:
            self._raw[self._script] = self._raw.get(self._script, "") + data
            return
        self.text += data
        if self._inside and self._cells:
            self._cells[-1] = (self._cells[-1][0] + data, self._cells[-1][1])
