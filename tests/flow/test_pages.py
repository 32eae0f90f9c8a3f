"""Pages from the command line: comparison, gate, history, and the index over all of them, also in a real browser."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest

from harness.outcome.gate_json import gate_json
from harness.report import index
from harness.store import store
from harness.verbs.output import refresh_index, write_page
from tests.flow.test_compare_verb import keep
from tests.support import chromium, gate_side
from tests.support.gate_results import decision, result
from tests.support.host_side import invoke, store_of
from tests.support.read_page import ReadPage
from tests.unit.analysis import test_history
from tests.unit.outcome.test_gate_outputs import schema

jsonschema = pytest.importorskip("jsonschema")
PAGES_EACH = 12


def page_of(path: Path) -> ReadPage:
    return ReadPage(path.read_text("utf-8"))


def keep_elsewhere(folder: Path, number: int, **levels: float) -> str:
    """A run of another machine."""
    made = test_history.stored(number, levels, machine={"cpu": "B", "cores": 8})
    run = store.begin(store_of(folder), made.run)
    for trial in made.trials:
        store.append(run, trial)
    return made.run.id


def test_the_page_of_two_runs_says_what_the_json_says(tmp_path: Path) -> None:
    base, candidate = keep(tmp_path, 0, small=1.0, large=4.0), keep(tmp_path, 1, small=1.1, large=4.0)
    path = tmp_path / "two.html"
    said = invoke(tmp_path, "compare", base, candidate, "--html", path, "--json", "-")
    assert said.code == 0, said.err
    page, told = page_of(path), json.loads(said.out)
    assert page.script("summary") == told
    jsonschema.validate(told, schema("comparison"), jsonschema.Draft202012Validator)
    values = {one["baseline"] for one in told["comparisons"] if one["ratio"] is not None}
    assert {row[0] for row in page.numbers("metrics")} == values
    assert ("command", "harness run scripted", "harness run scripted") in page.texts("provenance")
    assert not (tmp_path / index.NAME).exists()  # nobody asked for one here


def test_three_runs_are_two_comparisons_with_the_first(tmp_path: Path) -> None:
    runs = [keep(tmp_path, number, small=level) for number, level in enumerate((1.0, 1.1, 0.9))]
    said = invoke(tmp_path, "compare", *runs, "--html", tmp_path / "p.html", "--json", tmp_path / "c.json",
                  "--markdown", tmp_path / "c.md")  # fmt: skip
    assert said.code == 0, said.err
    told = json.loads((tmp_path / "c.json").read_text())
    assert told["schema"] == schema("comparisons")["properties"]["schema"]["const"]
    assert [one["candidate"]["name"] for one in told["comparisons"]] == runs[1:]
    for one in told["comparisons"]:
        jsonschema.validate(one, schema("comparison"), jsonschema.Draft202012Validator)
    assert page_of(tmp_path / "p.html").script("summary") == told
    assert (tmp_path / "c.md").read_text().count("### ") == 2
    assert said.out.count(f"{runs[0]} -> ") == 2


def test_what_is_refused_is_a_page_that_says_why_and_stays_refused(tmp_path: Path) -> None:
    base, other = keep(tmp_path, 0, small=1.0, large=2.0), keep_elsewhere(tmp_path, 1, small=1.0, large=2.0)
    foreign, later = keep(tmp_path, 2, tiny=1.0, huge=2.0), keep(tmp_path, 3, small=1.0, large=2.0)
    run = store_of(tmp_path) / later / "run.json"
    run.write_text(run.read_text().replace("harness.run/1", "harness.run/9"))
    path = tmp_path / "refused.html"
    for candidate, words in (
        (other, "number of cores: 2 in the baseline, 8 in the candidate"), (foreign, "no cell in common"),
        (later, "harness.run/9"), (base, "name two"),
    ):  # fmt: skip
        said = invoke(tmp_path, "compare", base, candidate, "--html", path)
        assert said.code == 2
        assert words in said.err
        assert words in page_of(path).text
        assert page_of(path).script("card")["counts"] == "not compared"
    before = path.read_bytes()
    assert invoke(tmp_path, "compare", base, "absent", "--html", path).code == 2
    assert path.read_bytes() == before  # a name that is no run's overwrites nothing


def test_another_board_that_is_allowed_is_a_page_without_a_verdict(tmp_path: Path) -> None:
    base, other = keep(tmp_path, 0, small=1.0), keep_elsewhere(tmp_path, 1, small=2.0)
    path = tmp_path / "boards.html"
    assert invoke(tmp_path, "compare", base, other, "--allow", "board", "--html", path).code == 0
    assert {row[2] for row in page_of(path).texts("metrics")[1:]} == {"○ no verdict"}


def test_a_gates_json_comes_back_on_the_page_of_a_comparison(tmp_path: Path) -> None:
    base, candidate = keep(tmp_path, 0, small=1.0), keep(tmp_path, 1, small=1.1)
    file, path = tmp_path / "gate.json", tmp_path / "two.html"
    file.write_text(json.dumps(gate_json(result(decision("regression", effects=(0.1, float("nan")))))))
    assert invoke(tmp_path, "compare", base, candidate, "--gate", file, "--html", path).code == 0
    assert page_of(path).texts("gate")[1][2] == "■ regression"
    for text, words in (("{}", "is no harness.gate/1"), ("nothing", "cannot be read"), ("[]", "is no harness.gate/1")):
        file.write_text(text)
        said = invoke(tmp_path, "compare", base, candidate, "--gate", file)
        assert (said.code, words in said.err) == (2, True), said.err
    told = {**gate_json(result(decision())), "decisions": 1}
    file.write_text(json.dumps(told))
    assert invoke(tmp_path, "compare", base, candidate, "--gate", file).code == 2
    assert invoke(tmp_path, "compare", base, candidate, candidate, "--gate", file).code == 2


def test_a_real_gate_is_a_page(tmp_path: Path) -> None:
    models = {name: gate_side.suite(tmp_path / name, {"small": gate_side.model(factor)}) for name, factor in
              (("old", 1.0), ("slow", 1.1))}  # fmt: skip
    path = tmp_path / "gate.html"
    said = gate_side.gate(
        tmp_path, "--baseline", models["old"], "--candidate", models["slow"], "--html", path, "--json", "-"
    )
    assert said.code == 1, said.err
    page, told = page_of(path), json.loads(said.out)
    assert page.script("summary") == told
    (median,) = [one for one in told["decisions"] if one["metric"] == "latency_p50_s"]
    assert median["change"] in page.numbers("decisions")[0]
    dots = page.script("data-effects")["data"][0]
    assert len(dots["x"]) == len(median["effects"])
    assert ("p50", "all", "2 %", "5 %", "–", "yes", "no") in page.texts("policy")
    assert page.script("card")["when_utc"]


def test_a_history_is_a_page_also_without_a_series(tmp_path: Path) -> None:
    for number, level in enumerate((1.0, 1.004, 0.997, 1.001, 0.996, 1.08, 1.085, 1.077, 1.082, 1.08)):
        keep(tmp_path, number, small=level)
    path = tmp_path / "history.html"
    said = invoke(tmp_path, "history", "--html", path, "--json", "-")
    assert said.code == 0
    assert page_of(path).script("summary") == json.loads(said.out)
    assert "between 0000000000" in page_of(path).text or "at one commit" in page_of(path).text
    assert invoke(tmp_path, "history", "--metric", "energy_per_inference_j", "--html", path).code == 3
    assert "none of 10 runs holds energy_per_inference_j" in page_of(path).text
    assert invoke(tmp_path, "history", "run-03", "--html", path).code == 0
    assert "1 run: a move takes 6" in page_of(path).text


def test_reports_and_pages_of_one_folder_are_in_its_index(tmp_path: Path) -> None:
    base, candidate, site = keep(tmp_path, 0, small=1.0), keep(tmp_path, 1, small=1.1), tmp_path / "site"
    assert invoke(tmp_path, "report", base, candidate, "--out", site).code == 0
    assert invoke(tmp_path, "compare", base, candidate, "--html", site / "two.html").code == 0
    assert invoke(tmp_path, "history", "--html", site / "past.html").code == 0
    (site / "other.html").write_text("<p>mine")
    assert invoke(tmp_path, "report", base, "--out", site).code == 0
    page = page_of(site / index.NAME)
    links = [link for link in page.links if not link.startswith("#")]
    assert links == ["./past.html", f"./{candidate}.html", "./two.html", f"./{base}.html", "./other.html"]
    assert all((site / link).is_file() for link in links)
    row = page.texts("pages")[2]
    assert row[1:5] == ("report", "scripted", "A bench", "2026-01-02 00:00:00")
    assert "1 case" in row[5]
    assert row[6] == "0000000000"
    assert not list(site.glob(".*"))


def test_a_format_that_is_no_page_makes_no_index_and_anothers_index_stays(tmp_path: Path) -> None:
    run, site = keep(tmp_path, 0, small=1.0), tmp_path / "site"
    assert invoke(tmp_path, "report", run, "--out", site, "--format", "csv").code == 0
    assert not (site / index.NAME).exists()
    (site / index.NAME).write_text("<h1>mine</h1>")
    said = invoke(tmp_path, "report", run, "--out", site)
    assert said.code == 0
    assert "is not the harness's" in said.err
    assert (site / index.NAME).read_text() == "<h1>mine</h1>"


def write_some(folder: Path, name: str, together: object) -> None:
    """Pages one after the other, each with its refresh of the index."""
    from harness.outcome.pages.comparison import refused_page

    together.wait()  # type: ignore[attr-defined]
    for number in range(PAGES_EACH):
        write_page(
            refused_page(("a", f"{name}-{number}"), "for a test", ("harness",)), folder / f"{name}-{number}.html"
        )


def test_two_processes_that_write_at_once_leave_a_whole_index(tmp_path: Path) -> None:
    refresh_index(tmp_path)
    context = multiprocessing.get_context("fork")
    together = context.Barrier(2)
    writers = [context.Process(target=write_some, args=(tmp_path, name, together)) for name in ("one", "two")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    text = (tmp_path / index.NAME).read_text("utf-8")
    assert text == index.index_page(tmp_path)
    links = [link for link in ReadPage(text).links if not link.startswith("#")]
    assert len(links) == 2 * PAGES_EACH


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_every_page_draws_in_a_browser_asks_nothing_and_fits(tmp_path: Path, width: int, scheme: str) -> None:
    program = chromium.program()
    if program is None:
        pytest.skip("no Chromium is installed")
    site = tmp_path / "site"
    levels = (1.0, 1.004, 0.997, 1.001, 0.996, 1.08, 1.085, 1.077, 1.082, 1.08)
    runs = [keep(tmp_path, number, small=level, large=2 * level) for number, level in enumerate(levels)]
    assert invoke(tmp_path, "report", runs[0], "--out", site).code == 0
    assert invoke(tmp_path, "compare", *runs[3:6], "--html", site / "compared.html").code == 0
    assert invoke(tmp_path, "history", "--html", site / "history.html").code == 0
    from harness.model.policy import DEFAULT
    from harness.outcome.pages.gate import gate_page

    gate = result(decision("regression", cell="<img src=x onerror=alert(1)>" + "x" * 200), decision("pass"))
    write_page(gate_page(gate, DEFAULT, ("harness", "gate")), site / "gate.html")
    with chromium.browser(program) as page:
        page.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        for name, figures in (("compared", 2), ("history", 2), ("gate", 1), ("index", 0)):
            page.open((site / f"{name}.html").as_uri())
            drawn = page.evaluate("window.reportDrawn || 0")
            assert drawn >= figures, name
            assert page.evaluate("document.querySelectorAll('[data-figure] .main-svg').length >= " + str(figures)), name
            assert not page.evaluate("document.documentElement.scrollWidth > window.innerWidth"), name
            assert page.evaluate("document.images.length") == 0
        assert page.complaints() == []
        assert len(page.requests()) == 4


@pytest.mark.browser
@pytest.mark.parametrize("count", [1, 6000])
def test_a_page_saves_what_it_knows_under_its_kind(tmp_path: Path, count: int) -> None:
    """Also where it is so much that the page holds it compressed."""
    program = chromium.program()
    if program is None:
        pytest.skip("no Chromium is installed")
    from harness.outcome.compared import comparison_json
    from harness.outcome.pages.comparison import comparison_page
    from tests.unit.outcome.test_compared import made, one

    found = made(*(one(cell=f"ä-{number}") for number in range(count)))
    write_page(comparison_page([found], ("harness", "compare")), tmp_path / "page.html")
    with chromium.browser(program) as page:
        page.open((tmp_path / "page.html").as_uri())
        page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path), eventsEnabled=True)
        before = len(page.events)
        page.evaluate("document.getElementById('download').click()")
        page.event(lambda event: event.get("params", {}).get("state") == "completed", before)
        assert page.complaints() == []
    told = json.loads((tmp_path / "comparison.json").read_text("utf-8"))
    assert told == json.loads(json.dumps(comparison_json(found)))
