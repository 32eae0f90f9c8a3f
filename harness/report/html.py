"""The self-contained page: template, style, scripts and data in one file that asks the network for nothing.

plotly.js comes from the installed plotly package, once, compressed; the page inflates it. A content security policy
allows exactly the scripts in the page, by hash, so that no text from a file can ever run.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping
from functools import cache

from harness.model.codec import Json
from harness.model.trial import Record
from harness.model.verdict import RunResult
from harness.places import builtin
from harness.report import distribution, figures, timeline
from harness.report.names import DASH_GLYPHS, isolated, one_line
from harness.report.view import View, build_view

_UNSAFE = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


class HtmlReporter:
    """One page per run result."""

    name = "html"
    suffix = ".html"

    def render(self, result: RunResult, records: Mapping[str, Record]) -> bytes:
        """The page in UTF-8; the same bytes for the same result, records and version of plotly."""
        return page(build_view(result, records)).encode()


def page(view: View) -> str:
    """The page of a view."""
    # Both are slow to import and only this format needs them.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    folder = builtin()["templates"]
    style, script = ((folder / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    packed, plotly_hash = plotly_source()
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
    drawn = {
        "trade-off": figures.trade_off(view.plane),
        "tail": figures.tail(view.distribution),
        "over-time": figures.over_time(view.timeline),
    }
    return environment.get_template("report.html.j2").render(
        view=view,
        drawn=drawn,
        embedded={name: Markup(in_script(figure)) for name, figure in drawn.items() if figure},  # noqa: S704 (escaped there)
        summary=Markup(in_script(view.summary)),  # noqa: S704 (escaped there)
        style=Markup(style),  # noqa: S704 (our own file)
        script=Markup(script),  # noqa: S704 (our own file)
        plotly=packed if any(drawn.values()) else "",
        policy=policy([csp_hash(script), plotly_hash]),
        distribution=distribution,
        timeline=timeline,
        dashes=DASH_GLYPHS,
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
