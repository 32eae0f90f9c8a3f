"""The self-contained page: template, style, scripts and data in one file that asks the network for nothing.

plotly.js comes from the installed plotly package, once, compressed; the page inflates it. A content security policy
allows exactly the scripts in the page, by hash, so that no text from a file can ever run.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache

from harness.model.codec import Json
from harness.model.trial import Record
from harness.model.verdict import RunResult
from harness.places import builtin
from harness.report.blocks import Section, figures
from harness.report.names import isolated, one_line
from harness.report.view import build_view

# By kind of page: files of the templates' folder, in their order.
STYLES: dict[str, tuple[str, ...]] = {"report": ("page.css", "tradeoff.css")}
SCRIPTS: dict[str, tuple[str, ...]] = {"report": ("figures.js", "download.js")}
_UNSAFE = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


class HtmlReporter:
    """One page per run result."""

    name = "html"
    suffix = ".html"

    def render(self, result: RunResult, records: Mapping[str, Record]) -> bytes:
        """The page in UTF-8; the same bytes for the same result, records and version of plotly."""
        view = build_view(result, records)
        sections = (view.first, *view.sections)
        return page("report", f"{view.head.suite} on {view.head.device}", sections, view.summary, view=view).encode()


def page(kind: str, title: str, sections: Sequence[Section], summary: Json, **values: object) -> str:
    """A page by the template KIND.html.j2, with its style and scripts, and with every figure of its sections embedded.

    summary: what the page's button saves. values: whatever else the template draws from.
    """
    # Both are slow to import and only this format needs them.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    folder = builtin()["templates"]
    style = "\n".join((folder / name).read_text(encoding="utf-8") for name in STYLES[kind])
    scripts = [(folder / name).read_text(encoding="utf-8") for name in SCRIPTS[kind]]
    drawn = {figure.id: figure.plot for figure in figures(sections)}
    packed, plotly_hash = plotly_source() if drawn else ("", "")
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        # What a page shows of a text; our own markup, scripts and data pass as they are.
        finalize=lambda value: value if not isinstance(value, str) or isinstance(value, Markup) else one_line(value),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["isolated"] = isolated
    environment.tests["made_of"] = lambda value, kind: type(value).__name__ == kind
    return environment.get_template(f"{kind}.html.j2").render(
        title=title,
        embedded={name: Markup(in_script(plot)) for name, plot in drawn.items()},  # noqa: S704 (escaped there)
        summary=Markup(in_script(summary)),  # noqa: S704 (escaped there)
        style=Markup(style),  # noqa: S704 (our own files)
        scripts=[Markup(script) for script in scripts],  # noqa: S704 (our own files)
        plotly=packed,
        policy=policy([*map(csp_hash, scripts), *([plotly_hash] if drawn else [])]),
        **values,
    )


def in_script(value: Json) -> str:
    """JSON that can stand in a script element: nothing in it can end the element or a line."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.translate(_UNSAFE)


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
