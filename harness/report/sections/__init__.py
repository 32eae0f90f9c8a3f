"""The page's sections. The table is here, in the page's order; each is one module, imported on first use.

A section is `section(shown) -> Section`, pure: it says in words why it has nothing to draw, and never raises for what a
run lacks. Adding one is a module and a line.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import cast

from harness.report.blocks import Section
from harness.report.cases import Shown

TABLE: tuple[str, ...] = (
    "energy_front",
    "radar",
    "published",
    "lineage",
    "distribution",
    "timeline",
    "sustained",
    "rails",
    "operators",
    "composition",
    "confusion",
    "classes",
)
# Beside the verdicts, above the fold.
FIRST = "front"
# At the end of the page, below the findings: of what the numbers are, and where they come from.
LAST: tuple[str, ...] = ("state", "skips", "conditions", "provenance", "again")


def section(name: str, shown: Shown) -> Section:
    """That section of a run."""
    build = cast("Callable[[Shown], Section]", importlib.import_module(f"{__name__}.{name}").section)
    return build(shown)


def sections(shown: Shown, names: Sequence[str] = TABLE) -> tuple[Section, ...]:
    """Those below the table: all of them, or the named ones."""
    return tuple(section(name, shown) for name in names)


def last(shown: Shown) -> tuple[Section, ...]:
    """Those at the end."""
    return tuple(section(name, shown) for name in LAST)
