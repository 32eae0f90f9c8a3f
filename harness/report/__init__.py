"""Run results as files. The table of formats is here; each format is one module, imported on first use.

Everything a report says comes from a RunResult and its Records: nothing here measures, stores or judges.
"""

from __future__ import annotations

import importlib
from typing import cast

from harness.errors import UnknownName
from harness.ports import Reporter

TABLE: dict[str, str] = {
    "html": "harness.report.html:HtmlReporter",
    "json": "harness.report.summary:JsonReporter",
    "md": "harness.report.tables:MarkdownReporter",
    "csv": "harness.report.tables:CsvReporter",
    "tex": "harness.report.tex:TexReporter",
    "perfetto": "harness.report.perfetto:PerfettoReporter",
}


def reporter(name: str) -> Reporter:
    """The reporter of that name. UnknownName, with the nearest known ones, for any other."""
    if name not in TABLE:
        raise UnknownName("report format", name, TABLE)
    module, _, attribute = TABLE[name].partition(":")
    return cast("Reporter", getattr(importlib.import_module(module), attribute)())
