"""How to run exactly this again, and what the lines cannot bring back."""

from __future__ import annotations

from harness.report.blocks import Commands, Paragraph, Section
from harness.report.cases import Shown
from harness.report.provenance import again


def section(shown: Shown) -> Section:
    """Lines for a shell, with their cautions."""
    found = again(shown.result, shown.cases)
    title = "Run exactly this again"
    if not found.lines:
        return Section("again", title, (Paragraph("The command was not recorded.", "none"),))
    cautions = (Paragraph(caution, "alert") for caution in found.cautions)
    return Section("again", title, (Commands(found.lines), *cautions))
