"""The page's sections. The table is here, in the page's order; each is one module, imported on first use.

A section is `section(shown) -> Section`, pure: it says in words why it has nothing to draw, and never raises for what a
run lacks. Adding one is a module and a line.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import cast

from harness.report.blocks import Section
from harness.report.cases import Shown

TABLE: tuple[str, ...] = ("distribution", "timeline")
# Beside the verdicts, above the fold.
FIRST = "front"


def section(name: str, shown: Shown) -> Section:
    """That section of a run."""
    build = cast("Callable[[Shown], Section]", importlib.import_module(f"{__name__}.{name}").section)
    return build(shown)


def sections(shown: Shown) -> tuple[Section, ...]:
    """All of them below the table."""
    return tuple(section(name, shown) for name in TABLE)
