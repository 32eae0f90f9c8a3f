"""The self-contained page: template, style, scripts and data in one file that asks the network for nothing.

plotly.js comes from the installed plotly package, once, compressed; the page inflates it. A content security policy
allows exactly the scripts in the page, by hash, so that no text from a file can ever run.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from harness.model.codec import Json
from harness.model.trial import Record
from harness.model.verdict import RunResult
from harness.places import builtin
from harness.report.blocks import Section, figures
from harness.report.cards import Card, card_json, card_of_run
from harness.report.names import apart, isolated, one_line
from harness.report.view import build_view

if TYPE_CHECKING:
    from jinja2 import Environment

# By kind of page: files of the templates' folder, in their order.
STYLES: dict[str, tuple[str, ...]] = {
    "report": ("page.css", "tradeoff.css"),
    "comparison": ("page.css", "pages.css"),
    "gate": ("page.css", "pages.css"),
    "history": ("page.css", "pages.css"),
    "index": ("page.css", "pages.css"),
}
SCRIPTS: dict[str, tuple[str, ...]] = {
    "report": ("table.js", "figures.js", "download.js"),
    "comparison": ("figures.js", "download.js"),
    "gate": ("figures.js", "download.js"),
    "history": ("figures.js", "download.js"),
    "index": (),
}
# A heading in the templates' own markup. No text of a record looks like it: that is escaped.
_SECTION = re.compile(r'<section\b[^>]*\bid="([^"]+)"[^>]*>\s*<h2\b[^>]*>(.*?)</h2>', re.DOTALL)
_UNSAFE = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


class HtmlReporter:
    """One page per run result."""

    name = "html"
    suffix = ".html"

    def render(self, result: RunResult, records: Mapping[str, Record]) -> bytes:
        """The page in UTF-8; the same bytes for the same result, records and version of plotly."""
        view = build_view(result, records)
        sections = (view.first, *view.sections, *view.last)
        return page(card_of_run(result, view.head), sections, view.summary, view=view).encode()


def page(card: Card, sections: Sequence[Section], summary: Json, **values: object) -> str:
    """A page by the template of its card's kind, with its style and scripts, and with every figure of its sections
    embedded.

    summary: what the page's button saves. values: whatever else the template draws from.
    """
    from markupsafe import Markup

    folder = builtin()["templates"]
    style = "\n".join((folder / name).read_text(encoding="utf-8") for name in STYLES[card.kind])
    scripts = [(folder / name).read_text(encoding="utf-8") for name in SCRIPTS[card.kind]]
    drawn = {figure.id: figure.plot for figure in figures(sections)}
    packed, plotly_hash = plotly_source() if drawn else ("", "")
    template = _environment(folder).get_template(f"{card.kind}.html.j2")
    return template.render(
        title=card.title,
        card=Markup(in_script(card_json(card))),  # noqa: S704 (escaped there)
        sections=sections,
        embedded={name: Markup(in_script(plot)) for name, plot in drawn.items()},  # noqa: S704 (escaped there)
        summary=Markup(in_script(summary)),  # noqa: S704 (escaped there)
        style=Markup(style),  # noqa: S704 (our own files)
        scripts=[Markup(script) for script in scripts],  # noqa: S704 (our own files)
        plotly=packed,
        policy=policy([*map(csp_hash, scripts), *([plotly_hash] if drawn else [])]),
        **values,
    )


def _environment(folder: Path) -> Environment:
    # Both are slow to import and only this format needs them.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        # What a page shows of a text; our own markup, scripts and data pass as they are.
        finalize=lambda value: value if not isinstance(value, str) or isinstance(value, Markup) else _shown(value),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["isolated"] = isolated
    environment.filters["apart"] = apart
    environment.filters["contents"] = lambda body: [(anchor, Markup(heading)) for anchor, heading in contents(body)]  # noqa: S704 (escaped by the template)
    environment.tests["made_of"] = lambda value, kind: type(value).__name__ == kind
    return environment


def _shown(text: str) -> str:
    """As `one_line`, without looking at every letter of a text whose letters all print: most of a large page."""
    return text if text.isascii() and text.isprintable() else one_line(text)


def contents(body: str) -> list[tuple[str, str]]:
    """Anchor and heading, as markup, of each section in the rendered part of a page, in its order."""
    return [(found[1], found[2]) for found in _SECTION.finditer(body)]


def in_script(value: Json) -> str:
    """JSON that can stand in a script element: nothing in it can end the element or a line."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    # Half a surrogate, as a board's text may hold, is no UTF-8; escaped it is JSON.
    return text.translate(_UNSAFE).encode("utf-8", "backslashreplace").decode()


def policy(hashes: list[str]) -> str:
    """Nothing may be loaded; only the hashed scripts run. plotly writes style rules and draws its exports as blobs."""
    scripts = " ".join(f"'{one}'" for one in hashes)
    return (
        f"default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def csp_hash(source: str) -> str:
    """As a content security policy names a script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


@cache
def plotly_source() -> tuple[str, str]:
    """plotly.js, gzip-compressed in base64, and the policy's hash of its plain source."""
    from plotly.offline import get_plotlyjs  # slow to import

    source = get_plotlyjs()
    packed = gzip.compress(source.encode(), compresslevel=9, mtime=0)
    return base64.b64encode(packed).decode(), csp_hash(source)
