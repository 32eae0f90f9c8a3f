"""axe-core, which judges a page's accessibility: found where HARNESS_AXE says, run in an open page.

It comes from npm when a test session is set up (`nox -s accessible`), and is part of neither the harness nor its page.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests.support.chromium import Browser

VARIABLE = "HARNESS_AXE"
GRAVE = ("serious", "critical")


def source() -> str | None:
    """axe-core's script; None where the variable names no file."""
    file = Path(os.environ.get(VARIABLE, ""))
    return file.read_text("utf-8") if file.is_file() else None


def violations(page: Browser, script: str) -> list[str]:
    """Grave violations of the page as it stands: rule, what it asks, and the elements. The page's policy stays in
    force: DevTools runs scripts beside it."""
    page.evaluate(f"{script}; undefined")
    found = json.loads(page.evaluate("axe.run(document, {resultTypes: ['violations']}).then(JSON.stringify)"))
    return [
        f"{one['impact']}: {one['id']}: {one['help']}: {'; '.join(_where(node) for node in one['nodes'][:5])}"
        for one in found["violations"]
        if one["impact"] in GRAVE
    ]


def _where(node: dict[str, object]) -> str:
    return f"{node['target']} {node['html']} {node.get('failureSummary', '')}"[:400]
