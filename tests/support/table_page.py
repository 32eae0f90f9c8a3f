"""A report's page with everything but its figures, which take seconds to compute, to unpack and to draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harness.model.trial import Record
from harness.model.verdict import RunResult
from harness.report import html
from harness.report.cards import card_of_run
from harness.report.view import View, build_view


def table_page(result: RunResult, records: Mapping[str, Record]) -> bytes:
    """In UTF-8."""
    view = without_figures(build_view(result, records))
    return html.page(card_of_run(result, view.head), (), view.summary, view=view).encode()


def without_figures(view: View) -> View:
    """The same view with no sections, and an empty one beside the sentences."""
    return replace(view, first=replace(view.first, blocks=()), sections=())
