"""The page in a real browser: everything is drawn, nothing complains, nothing is asked of the network."""

import json

import pytest

from harness.report import reporter
from harness.report.blocks import figures
from harness.report.summary import summary_json
from harness.report.view import build_view
from tests.support import chromium
from tests.support.example_run import example_run, renamed

pytestmark = pytest.mark.browser
# One line per case and one set of marks, a symbol and a disc per case with both figures, and so on.
DRAWN = """window.reportDrawn.then((count) => ({
  figures: count,
  surfaces: document.querySelectorAll('[data-figure] .main-svg').length,
  points: document.querySelectorAll('#figure-trade-off .scatterlayer .point').length,
  crosses: document.querySelectorAll('#figure-trade-off .errorbar path').length,
  curves: document.querySelectorAll('#figure-tail .scatterlayer .js-line').length,
  strips: document.querySelectorAll('#figure-over-time .subplot').length,
  wider: document.documentElement.scrollWidth > window.innerWidth,
  text: getComputedStyle(document.querySelector('#figure-tail .xtick text')).fill,
}))"""


@pytest.fixture(scope="module")
def path() -> str:
    found = chromium.program()
    if found is None:
        pytest.skip(f"none of {', '.join(chromium.PROGRAMS)} is installed")
    return found


def opened(page: chromium.Browser, source: bytes, folder, *, width: int = 1440, scheme: str = "light"):
    file = folder / "report.html"
    file.write_bytes(source)
    page.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    page.open(file.as_uri())
    return page.evaluate(DRAWN), file.as_uri()


@pytest.mark.parametrize(
    ("width", "scheme", "text"), [(1440, "light", "rgb(20, 24, 28)"), (390, "dark", "rgb(232, 236, 240)")]
)
def test_every_figure_is_drawn_and_nothing_is_asked_or_complained_of(path, tmp_path, width, scheme, text):
    with chromium.browser(path) as page:
        seen, address = opened(page, reporter("html").render(*example_run()), tmp_path, width=width, scheme=scheme)
        assert page.complaints() == []
        assert page.requests() == [address]
    view = build_view(*example_run())
    assert seen["figures"] == len(list(figures([view.first, *view.sections]))) >= 5
    assert seen["surfaces"] >= seen["figures"]
    assert (seen["points"], seen["crosses"], seen["curves"], seen["strips"]) == (6, 6, 4, 5)
    assert not seen["wider"]
    assert seen["text"] == text


def test_names_with_markup_run_nothing_and_complain_of_nothing(path, tmp_path):
    run = example_run()
    names = {"fast": "x" * 200, "fast-int8": "<img src=x onerror=alert(1)>", "wide": "\u202eשלום"}
    for old, new in names.items():
        run = renamed(*run, old, new)
    with chromium.browser(path) as page:
        seen, address = opened(page, reporter("html").render(*run), tmp_path, width=390)
        assert page.complaints() == []
        assert page.requests() == [address]
        assert page.evaluate("document.images.length") == 0
    assert not seen["wider"]


def test_the_summary_can_be_saved_from_the_page(path, tmp_path):
    result, records = example_run()
    with chromium.browser(path) as page:
        opened(page, reporter("html").render(result, records), tmp_path)
        page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path), eventsEnabled=True)
        before = len(page.events)
        page.evaluate("document.getElementById('download').click()")
        page.event(lambda event: event.get("params", {}).get("state") == "completed", before)
        assert page.complaints() == []
    assert json.loads((tmp_path / "summary.json").read_text()) == summary_json(result)


def test_the_check_itself_hears_a_page_that_breaks_its_own_policy(path, tmp_path):
    source = reporter("html").render(*example_run(("fast",)))
    broken = source.replace(b"</body>", b"<script>var unhashed = 1</script></body>")
    with chromium.browser(path) as page:
        opened(page, broken, tmp_path)
        assert any("Content Security Policy" in complaint for complaint in page.complaints())
