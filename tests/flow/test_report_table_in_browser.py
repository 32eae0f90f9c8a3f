"""The trade-off table in a real browser: sorted, filtered, trimmed by its reader; whole without scripts; never cut."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from harness.model.trial import Record
from harness.model.verdict import RunResult
from tests.support import chromium
from tests.support.example_run import example_run, renamed
from tests.support.table_page import table_page

pytestmark = pytest.mark.browser
ROWS = "Array.from(document.querySelectorAll('#cases tbody[data-case]')).filter((one) => !one.hidden)"
NAMES = f"{ROWS}.map((one) => one.dataset.variant)"
COUNT = "document.querySelector('#controls .count').textContent"
SORTED = "Array.from(document.querySelectorAll('#cases th[aria-sort]'), (one) => [one.dataset.key, one.ariaSort])"
# What sticks out of the window, or would be cut off on paper.
WIDER = "document.documentElement.scrollWidth - window.innerWidth"
SIDEWAYS = (
    "Array.from(document.querySelectorAll('#table *')).filter((one) => one.getClientRects().length"
    " && !one.closest('details') && !one.closest('.unseen')"
    " && one.getBoundingClientRect().right > window.innerWidth + 1).length"
)


@pytest.fixture(scope="module")
def browser():
    path = chromium.program()
    if path is None:
        pytest.skip(f"none of {', '.join(chromium.PROGRAMS)} is installed")
    with chromium.browser(path) as opened:
        yield opened


@pytest.fixture
def page(browser):
    browser.events.clear()
    yield browser
    assert browser.complaints() == []


@pytest.fixture(scope="module")
def example(tmp_path_factory) -> str:
    return written(tmp_path_factory.mktemp("example"), *example_run())


@pytest.fixture(scope="module")
def runtimes(tmp_path_factory) -> str:
    """The example by two runtimes."""
    result, records = example_run()
    again = tuple(replace(one, case=replace(one.case, backend="tensorrt")) for one in result.cases)
    return written(tmp_path_factory.mktemp("runtimes"), replace(result, cases=result.cases + again), records)


def written(folder: Path, result: RunResult, records: Mapping[str, Record]) -> str:
    file = folder / "report.html"
    file.write_bytes(table_page(result, records))
    return file.as_uri()


def show(page: chromium.Browser, address: str, width: int = 1440, media: str = "screen") -> None:
    page.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    page.call("Emulation.setEmulatedMedia", media=media)
    page.open(address)


def click(page: chromium.Browser, key: str) -> None:
    page.evaluate(f"document.querySelector('#cases th[data-key=\"{key}\"] button').click()")


def choose(page: chromium.Browser, selector: str, value: str) -> None:
    """As a reader would: the control gets a value, and says so."""
    page.evaluate(
        f"(() => {{ const one = document.querySelector('#controls {selector}'); one.value = {value!r};"
        " one.dispatchEvent(new Event('input', { bubbles: true })); })()"
    )


def press(page: chromium.Browser, key: str) -> None:
    text = "\r" if key == "Enter" else ""
    for kind in ("keyDown", "keyUp"):
        page.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=13, text=text)


def test_a_heading_sorts_the_best_first_then_the_worst_then_as_it_was(page, example):
    show(page, example)
    assert page.evaluate(NAMES) == ["fast", "fast-int8", "sketch", "wide"]
    click(page, "latency_p50_s")
    assert page.evaluate(NAMES) == ["fast-int8", "sketch", "fast", "wide"]
    assert page.evaluate(SORTED) == [["latency_p50_s", "ascending"]]
    assert page.evaluate(COUNT) == "4 of 4 rows, sorted by p50, ascending"
    click(page, "latency_p50_s")
    assert page.evaluate(NAMES) == ["wide", "fast", "sketch", "fast-int8"]
    assert page.evaluate(SORTED) == [["latency_p50_s", "descending"]]
    click(page, "latency_p50_s")
    assert page.evaluate(NAMES) == ["fast", "fast-int8", "sketch", "wide"]
    assert page.evaluate(SORTED) == []


def test_what_is_missing_stands_last_either_way(page, example):
    show(page, example)
    click(page, "accuracy_top1")
    assert page.evaluate(NAMES) == ["wide", "fast", "fast-int8", "sketch"]
    click(page, "accuracy_top1")
    assert page.evaluate(NAMES) == ["fast-int8", "fast", "wide", "sketch"]


def test_words_are_sorted_by_name_and_verdicts_by_gravity(page, example):
    show(page, example)
    click(page, "case")
    click(page, "case")
    assert page.evaluate(NAMES) == ["wide", "sketch", "fast-int8", "fast"]
    click(page, "verdict")
    assert page.evaluate(NAMES)[-1] == "wide"
    assert page.evaluate(SORTED) == [["verdict", "ascending"]]


def test_a_heading_is_pressed_by_the_keyboard_and_keeps_the_focus(page, example):
    show(page, example)
    page.evaluate("document.querySelector('#cases th[data-key=\"macs\"] button').focus()")
    press(page, "Enter")
    assert page.evaluate(SORTED) == [["macs", "ascending"]]
    assert page.evaluate("document.activeElement.closest('th').dataset.key") == "macs"


def test_rows_are_sorted_within_their_group(page, runtimes):
    show(page, runtimes)
    click(page, "latency_p50_s")
    backends = page.evaluate(f"{ROWS}.map((one) => one.dataset.backend)")
    assert backends == ["onnxruntime"] * 4 + ["tensorrt"] * 4
    variants = page.evaluate(NAMES)
    assert [name.split(" ")[0] for name in variants] == ["fast-int8", "sketch", "fast", "wide"] * 2


def test_rows_are_found_by_name_and_by_what_they_are(page, runtimes):
    show(page, runtimes)
    choose(page, "[data-find]", "FAST")
    assert page.evaluate(COUNT) == "4 of 8 rows"
    choose(page, "[data-filter=precision]", "int8")
    choose(page, "[data-filter=backend]", "tensorrt")
    assert page.evaluate(NAMES) == ["fast-int8 · tensorrt"]
    titles = "Array.from(document.querySelectorAll('#cases .group')).filter((one) => !one.hidden).length"
    assert page.evaluate(titles) == 1
    choose(page, "[data-filter=verdict]", "invalid")
    assert page.evaluate(COUNT) == "0 of 8 rows"
    page.evaluate("document.querySelector('[data-reset]').click()")
    assert page.evaluate(COUNT) == "8 of 8 rows"
    assert page.evaluate(titles) == 2


def test_a_link_to_a_row_that_is_filtered_away_brings_it_back(page, example):
    show(page, example)
    choose(page, "[data-find]", "sketch")
    assert page.evaluate(NAMES) == ["sketch"]
    page.evaluate(
        "new Promise((done) => { window.addEventListener('hashchange', () => setTimeout(done));"
        " document.querySelector('.verdicts a').click(); })"
    )
    assert page.evaluate(COUNT) == "4 of 4 rows"


def test_columns_are_the_readers_choice(page, example):
    show(page, example)
    page.evaluate("document.querySelector('[data-column=macs]').click()")
    shown = (
        "Array.from(document.querySelectorAll('#cases td:not([hidden])'),"
        " (one) => document.getElementById('cases').tHead.rows[0].cells[one.cellIndex].dataset.key)"
    )
    assert "macs" not in page.evaluate(shown)
    assert page.evaluate(shown).count("parameters") == 4
    assert page.evaluate("document.querySelector('#cases .reasons td').colSpan") == 12
    page.evaluate("document.querySelector('[data-column=macs]').click()")
    assert page.evaluate(shown).count("macs") == 4


def test_changes_are_the_readers_choice(page, example):
    show(page, example)
    seen = "Array.from(document.querySelectorAll('#cases .change')).filter((one) => one.getClientRects().length).length"
    every = page.evaluate(seen)
    of_teacher = page.evaluate("document.querySelectorAll('#cases [data-against=teacher]').length")
    assert every > of_teacher > 0
    choose(page, "[data-changes]", "parent")
    assert page.evaluate(seen) == every - of_teacher
    choose(page, "[data-changes]", "none")
    assert page.evaluate(seen) == 0


def test_without_scripts_the_whole_table_is_read_and_no_control_is_shown(page, example):
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    show(page, example)
    page.call("Emulation.setScriptExecutionDisabled", value=False)
    document = page.call("DOM.getDocument", depth=0)["root"]["nodeId"]

    def count(selector: str) -> int:
        return len(page.call("DOM.querySelectorAll", nodeId=document, selector=selector)["nodeIds"])

    assert count("#cases tbody[data-case]") == 4
    assert count("#cases [hidden]") == 0
    assert count("#controls[hidden]") == 1
    assert count("#cases button") == 0


@pytest.mark.parametrize("width", [1440, 1280, 1251, 1250, 1100, 720, 390])
def test_no_width_cuts_the_table(page, example, runtimes, width):
    for address in (example, runtimes):
        show(page, address, width)
        assert page.evaluate(WIDER) <= 0
        assert page.evaluate(SIDEWAYS) == 0


@pytest.mark.parametrize("width", [718, 1047])
def test_paper_cuts_no_column_upright_or_across(page, runtimes, width):
    show(page, runtimes, width, media="print")
    assert page.evaluate(SIDEWAYS) == 0
    assert page.evaluate("document.querySelector('#controls').getClientRects().length") == 0


def test_a_filtered_table_says_so_on_paper(page, example):
    show(page, example, 718, media="print")
    choose(page, "[data-find]", "fast")
    assert page.evaluate("document.querySelector('#controls .count').getClientRects().length") == 1


def test_long_and_hostile_names_are_sorted_and_found_as_text(page, tmp_path):
    run = example_run()
    names = {"fast": "x" * 200, "fast-int8": "<img src=x onerror=alert(1)>", "wide": "\u202eשלום"}
    for old, new in names.items():
        run = renamed(*run, old, new)
    show(page, written(tmp_path, *run))
    assert page.evaluate(WIDER) <= 0
    choose(page, "[data-find]", "<img")
    assert page.evaluate(NAMES) == ["<img src=x onerror=alert(1)>"]
    assert page.evaluate("document.images.length") == 0


def test_a_thousand_variants_are_sorted_and_found(page, tmp_path):
    result, _ = example_run(("fast",))
    (pattern,) = result.cases
    p50 = pattern.metrics["latency_p50_s"]
    cases = tuple(
        replace(
            pattern,
            case=replace(pattern.case, variant=f"v{index}"),
            metrics={
                **pattern.metrics,
                "latency_p50_s": replace(p50, point=1e-3 * (1000 - index), low=None, high=None),
            },
        )
        for index in range(1000)
    )
    show(page, written(tmp_path, replace(result, cases=cases), {}))
    click(page, "latency_p50_s")
    assert page.evaluate(f"{NAMES}.slice(0, 3)") == ["v999", "v998", "v997"]
    choose(page, "[data-find]", "v99")
    assert page.evaluate(COUNT) == "11 of 1000 rows, sorted by p50, ascending"
