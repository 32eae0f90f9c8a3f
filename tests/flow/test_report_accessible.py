"""The pages for everybody: axe-core finds nothing grave, all can be reached without a mouse, paper cuts nothing off."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.analysis.history import History
from harness.model.policy import DEFAULT
from harness.outcome.pages.comparison import comparison_page
from harness.outcome.pages.gate import gate_page
from harness.outcome.pages.history import history_page
from harness.report import html, reporter
from harness.report.index import index_page
from tests.support import axe, chromium
from tests.support.example_long import long_run
from tests.support.example_outputs import full_run
from tests.support.example_power import power_run
from tests.support.example_run import example_run, renamed
from tests.support.gate_results import of_each
from tests.unit.outcome.test_compared import made as compared
from tests.unit.outcome.test_history_page import MOVED

pytestmark = pytest.mark.browser


def _index() -> str:
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("report", "gate"):
            (Path(folder) / f"{kind}.html").write_bytes(PAGES[kind]())
        return index_page(Path(folder))


# At least one page of each kind, which its name begins with.
PAGES: dict[str, Callable[[], bytes]] = {
    "report": lambda: reporter("html").render(*example_run()),
    "report with answers": lambda: reporter("html").render(*full_run(example_run())),
    "report with power": lambda: reporter("html").render(*power_run()),
    "report of minutes": lambda: reporter("html").render(*long_run()),
    "comparison": lambda: comparison_page((compared(),), ("harness", "compare", "run-a", "run-b")).encode(),
    "gate": lambda: gate_page(of_each(), DEFAULT, ("harness", "gate", "--baseline", "old.onnx")).encode(),
    "history": lambda: history_page(History((MOVED,)), ("harness", "history")).encode(),
    "index": lambda: _index().encode(),
}
# A4 less the margins of the style sheet, at 96 dots per inch.
PAPER_PX = 718
FIGURE_WIDTHS = """Array.from(document.querySelectorAll('[data-figure] .main-svg'),
  (one) => one.getBoundingClientRect().width)"""
# Closed tables are part of the page.
NAMED = "Array.from(document.querySelectorAll('.contents a'), (one) => [one.hash, one.textContent])"
SECTIONS = """Array.from(document.querySelectorAll('main section'),
  (one) => ['#' + one.id, one.querySelector('h2').textContent])"""
# All but scripts, and plotly's own ruler, which no reader meets.
OUTSIDE = """Array.from(document.querySelectorAll('body > :not(script, #js-plotly-tester)'),
  (one) => one.tagName + '.' + one.className)"""
UNFOLD = "document.querySelectorAll('details').forEach((one) => { one.open = true; })"
OUTLINE = """Array.from(document.querySelectorAll('h1, h2, h3, h4, h5, h6'), (one) => Number(one.tagName[1]))"""
# Focusable, named, and none that scrolls without being so.
SCROLLING = """Array.from(document.querySelectorAll('main *, header *'))
  .filter((one) => ['auto', 'scroll'].includes(getComputedStyle(one).overflowX) && one.scrollWidth > one.clientWidth)
  .map((one) => [one.tabIndex, one.getAttribute('aria-label') || ''])"""
# Elements that a sheet of paper would cut off; what no reader sees is clipped on purpose.
CUT = """Array.from(document.querySelectorAll('body *'))
  .filter((one) => !one.closest('svg, .unseen, .skip, script') && one.getClientRects().length)
  .filter((one) => one.getBoundingClientRect().right > document.documentElement.clientWidth + 1
    || (one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).overflowX !== 'visible'))
  .map((one) => [one.tagName + '.' + one.className, one.getBoundingClientRect().right, one.clientWidth, one.scrollWidth,
    one.textContent.slice(0, 60)].join(' '))"""


@pytest.fixture(scope="module")
def page() -> Iterator[chromium.Browser]:
    path = chromium.program()
    if path is None:
        pytest.skip(f"none of {', '.join(chromium.PROGRAMS)} is installed")
    with chromium.browser(path) as opened:
        yield opened


@pytest.fixture(scope="module")
def script() -> str:
    found = axe.source()
    if found is None:
        pytest.skip(f"{axe.VARIABLE} names no axe-core: {os.environ.get(axe.VARIABLE, 'it is not set')}")
    return found


@pytest.fixture(scope="module", params=PAGES)  # of the module, so that all tests of one page follow one another
def kind(request) -> str:
    return request.param


def shown(
    page: chromium.Browser, file: Path, width: int = 1440, *, media: str = "screen", scheme: str = "light"
) -> None:
    """The page, drawn and unfolded, in a window of that width."""
    page.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    page.call("Emulation.setEmulatedMedia", media=media, features=features)
    page.open(file.as_uri())
    page.evaluate("window.reportDrawn")
    page.evaluate(UNFOLD)
    if media == "print":
        page.evaluate("window.dispatchEvent(new Event('beforeprint'))")


@pytest.fixture(scope="module")
def file(kind, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_bytes(PAGES[kind]())
    return path


def test_every_kind_of_page_is_looked_at() -> None:
    assert {name.partition(" ")[0] for name in PAGES} == set(html.STYLES)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_axe_finds_nothing_grave(page, script, file, width, scheme) -> None:
    shown(page, file, width, scheme=scheme)
    assert axe.violations(page, script) == []


def test_axe_would_find_something(page, script, tmp_path) -> None:
    file = tmp_path / "page.html"
    file.write_bytes(PAGES["report"]().replace(b"</main>", b'<button type="button"></button></main>'))
    shown(page, file)
    (found,) = axe.violations(page, script)
    assert "button-name" in found


def test_the_outline_is_whole_and_the_keyboard_gets_everywhere(page, file) -> None:
    shown(page, file)
    levels = page.evaluate(OUTLINE)
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert set(page.evaluate(OUTSIDE)) <= {"A.skip", "HEADER.", "NAV.contents", "MAIN.", "FOOTER."}
    sections = page.evaluate(SECTIONS)
    assert page.evaluate(NAMED) == (sections if len(sections) > 1 else [])
    assert len(sections) == len({anchor for anchor, _ in sections})
    assert [one for one in page.evaluate(SCROLLING) if one[0] != 0 or not one[1]] == []
    # The first thing that the keyboard reaches leads past what stands above the sections.
    page.call("Input.dispatchKeyEvent", type="keyDown", key="Tab", code="Tab", windowsVirtualKeyCode=9)
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.querySelector(document.activeElement.hash).tagName") == "MAIN"


def test_what_scrolls_on_a_phone_can_be_scrolled_by_keyboard_and_says_what_it_is(page, file, kind) -> None:
    shown(page, file, 390)
    found = page.evaluate(SCROLLING)
    assert [one for one in found if one[0] != 0 or not one[1]] == []
    assert found or kind != "report"  # else nothing was looked at
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_paper_cuts_nothing_off(page, file) -> None:
    shown(page, file, PAPER_PX, media="print")
    assert page.evaluate(CUT) == []
    assert max(page.evaluate(FIGURE_WIDTHS), default=0) <= PAPER_PX


def test_long_names_are_cut_off_on_no_paper(page, tmp_path) -> None:
    file = tmp_path / "page.html"
    file.write_bytes(reporter("html").render(*renamed(*example_run(), "fast", "w" * 200)))
    shown(page, file, PAPER_PX, media="print")
    assert page.evaluate(CUT) == []


def test_a_table_that_paper_would_cut_is_seen(page, tmp_path) -> None:
    wide = b'<div style="overflow-x: auto; width: 100px"><p style="width: 900px">wide</p></div></main>'
    file = tmp_path / "page.html"
    file.write_bytes(PAGES["report"]().replace(b"</main>", wide))
    shown(page, file, PAPER_PX, media="print")
    assert any("wide" in one for one in page.evaluate(CUT))
