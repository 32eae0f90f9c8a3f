"""Cells of the suite that were not measured, and what would change that."""

from __future__ import annotations

from harness.report.blocks import Paragraph, Section, Table
from harness.report.cases import Shown
from harness.report.conditions import text
from harness.report.names import printable

MOST_ROWS = 200


def section(shown: Shown) -> Section:
    """Each with its reason."""
    skips = shown.result.skips
    if not skips:
        return Section("skips", "Skipped", (Paragraph("Nothing: every planned cell was measured.", "none"),))
    keys = ("variant", "backend", "scenario")
    rows = tuple(
        (*(printable(text(skip.get(key))) for key in keys), text(skip.get("reason"))) for skip in skips[:MOST_ROWS]
    )
    table = Table((*keys, "reason"), rows, numeric=False)
    more = len(skips) - MOST_ROWS
    rest = (Paragraph(f"{more} more are not listed; the stored run has them.", "note"),) if more > 0 else ()
    return Section("skips", "Skipped", (table, *rest))
