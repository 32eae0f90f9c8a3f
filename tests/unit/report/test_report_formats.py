"""The files themselves: the schema, deterministic bytes, size, and names that try to become markup."""

import base64
import csv
import gzip
import io
import json
import re
import unicodedata
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import plotly.graph_objects
import pytest
from plotly.offline import get_plotlyjs

from harness.errors import UnknownName
from harness.report import TABLE, reporter
from harness.report.blocks import figures
from harness.report.html import SCRIPTS, csp_hash, in_script
from harness.report.names import printable
from harness.report.rows import COLUMNS
from harness.report.sections import front
from harness.report.summary import summary_json
from harness.report.view import build_view
from tests.support.drawn import plane_of
from tests.support.example_run import NO_POWER, THROTTLED, example_run, renamed, with_case, without_metric

SCHEMA = Path(__file__).resolve().parents[3] / "results" / "schema" / "summary-1.schema.json"
LARGEST_PAGE = 3_000_000  # bytes
HOSTILE = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "שלום-עולם",
    "\u202egnp.exe",
    "a & b \u2028 \"c\" 'd'",
    "x" * 200,
    "\x1b[31mred\x07\n\x85\x00\u2029end",
    "{{ 7 * 7 }}",
)


class Page(HTMLParser):
    """Elements by name, and the text of scripts by id."""

    def __init__(self, source: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: dict[str, str] = {}
        self.text = ""
        self._script = ""
        self._inside = False
        self.feed(source.decode())

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            unnamed = f"script {sum(name.startswith('script ') for name in self.scripts)}"
            self._inside, self._script = True, dict(attrs).get("id") or unnamed

    def handle_endtag(self, tag):
        self._inside = self._inside and tag != "script"

    def handle_data(self, data):
        if self._inside:
            self.scripts[self._script] = self.scripts.get(self._script, "") + data
        else:
            self.text += data


def unshown(text: str) -> set[str]:
    """Characters other than line feeds that no reader sees, without the marks around names of another direction."""
    return {c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}} - set("\n\u2068\u2069")


@pytest.fixture(scope="module")
def run():
    return example_run()


@pytest.fixture(scope="module")
def page(run) -> Page:
    return Page(reporter("html").render(*run))


@pytest.mark.parametrize("name", sorted(TABLE))
def test_every_format_renders_the_same_bytes_twice(name, run):
    assert reporter(name).name == name
    assert reporter(name).suffix == {"perfetto": ".trace.json"}.get(name, f".{name}")
    assert reporter(name).render(*run) == reporter(name).render(*example_run())


def test_an_unknown_format_names_the_known_ones():
    with pytest.raises(UnknownName, match=r"'htm'.*html.*csv, html, json, md, perfetto, tex"):
        reporter("htm")


def test_the_summary_keeps_its_schema_and_the_results_numbers(run):
    result, records = run
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    summary = json.loads(reporter("json").render(result, records))
    jsonschema.validate(summary, schema)
    assert summary == summary_json(result)
    case, source = summary["cases"][1], result.cases[1]
    assert case["metrics"]["latency_p90_s"]["point"] == source.metrics["latency_p90_s"].point
    assert case["missing"]["energy_per_inference_j"] == NO_POWER
    assert summary["run"] == "20260314-092653-pi4"


def test_the_schema_refuses_a_missing_metric_without_its_reason(run):
    summary = summary_json(run[0])
    summary["cases"][0]["missing"]["energy_per_inference_j"] = ""
    with pytest.raises(jsonschema.ValidationError, match=r"non-empty|too short"):
        jsonschema.validate(summary, json.loads(SCHEMA.read_text()))


def test_csv_has_a_line_per_metric_with_full_precision_and_reasons(run):
    result, records = run
    lines = list(csv.DictReader(io.StringIO(reporter("csv").render(result, records).decode())))
    assert len(lines) == sum(len(case.metrics) + len(case.missing) for case in result.cases)
    p50 = next(line for line in lines if line["variant"] == "fast" and line["metric"] == "latency_p50_s")
    assert float(p50["point"]) == result.cases[0].metrics["latency_p50_s"].point
    energy = next(line for line in lines if line["metric"] == "energy_per_inference_j")
    assert (energy["point"], energy["missing"]) == ("", NO_POWER)


def test_markdown_shows_the_table_and_escapes_names(run):
    text = reporter("md").render(*renamed(*run, "fast", "a|b<i>")).decode()
    assert "a\\|b&lt;i&gt;" in text
    assert "| **93.98** \\[93.51, 94.45\\] |" in text
    table = text.partition("<details>")[0]
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in rows} == {len(COLUMNS) + 3}


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("kind", ["md", "csv"])
def test_what_cannot_be_seen_in_a_name_is_replaced_in_tables(run, kind, name):
    text = reporter(kind).render(*renamed(*run, "fast", name)).decode()
    assert not unshown(text)
    assert text.count("\ufffd") >= sum(c == "\ufffd" for c in printable(name))
    assert len(text.splitlines()) == len(reporter(kind).render(*run).decode().splitlines())


def test_csv_has_the_printable_name_and_reasons_on_one_line(run):
    result, records = renamed(*run, "fast", "a\x1b[1m\nb")
    result = with_case(result, "a\x1b[1m\nb", missing={"power_mean_w": "first\nsecond\x07"})
    lines = list(csv.DictReader(io.StringIO(reporter("csv").render(result, records).decode())))
    assert lines[0]["variant"] == "a\ufffd[1m\ufffdb"
    assert {line["missing"] for line in lines if line["variant"] == lines[0]["variant"]} == {"", "first second\ufffd"}


def test_markdown_has_notes_damage_titles_and_advice(run):
    result, records = run
    fast = result.cases[0]
    result = with_case(result, "fast", artifact=replace(fast.artifact, title="random *weights*", role="teacher"))
    result = replace(result, notes=("Observer cost: +0.10%.", "This run was interrupted"))
    damaged = {key: replace(record, damaged=("trial-3: truncated",)) for key, record in records.items()}
    text = reporter("md").render(result, damaged).decode()
    assert "## Notes\n\n- Observer cost: +0.10%.\n- This run was interrupted\n- damaged: trial-3: truncated\n" in text
    assert text.count("<br><sub>random \\*weights\\*</sub>\n") == 1
    assert text.count("<sub>random") == 1
    evidence, advice = THROTTLED.evidence, THROTTLED.advice
    assert f"- invalid, throttled (wide): {evidence}. Advice: {advice}\n" in text
    assert "at the median; the limit is 0.2\n" in text  # no advice, no word of it
    assert "## Notes" not in reporter("md").render(*run).decode()


def test_the_title_and_role_of_a_variant_reach_the_page(run, page):
    result, records = run
    artifact = replace(result.cases[0].artifact, title="Large <b>, random weights", role="teacher")
    text = Page(reporter("html").render(with_case(result, "fast", artifact=artifact), records)).text
    assert text.count("Large <b>, random weights") == 1  # in the table
    assert "teacher · fp32 · 6 launches" in text
    assert "teacher · fp32" not in page.text


def test_what_was_measured_is_never_called_a_sample(run, page):
    assert "sample" not in page.text.lower()
    assert "sample" not in Page(reporter("html").render(run[0], {})).text.lower()
    assert "sample" not in reporter("md").render(*run).decode()


def test_the_page_is_small_and_holds_plotly_once_as_the_policy_names_it(run, page):
    source = reporter("html").render(*run)
    assert len(source) < LARGEST_PAGE
    plotly = gzip.decompress(base64.b64decode(page.scripts["plotly"])).decode()
    assert plotly == get_plotlyjs()
    policy = next(a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; script-src ")
    assert csp_hash(plotly) in policy
    ours = [source for name, source in page.scripts.items() if name.startswith("script ")]
    assert len(ours) == len(SCRIPTS["report"])
    assert all(csp_hash(source) in policy for source in ours)
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]
    assert "unsafe-eval" not in policy


def test_nothing_in_the_page_points_outside_it(page):
    for tag, attributes in page.elements:
        for key in ("src", "href", "action", "poster", "srcset", "data"):
            value = attributes.get(key) or ""
            assert value.startswith(("#", "data:,")) or not value, (tag, value)


def test_the_page_embeds_the_summary_and_its_figures(run, page):
    assert json.loads(page.scripts["summary"]) == summary_json(run[0])
    drawn = [a["data-figure"] for _, a in page.elements if "data-figure" in a]
    view = build_view(*run)
    assert drawn == [figure.id for figure in figures([view.first, *view.sections])]
    assert json.loads(page.scripts["data-trade-off"]) == front.drawn(plane_of(*run))


def test_the_page_holds_every_number_of_the_table(run, page):
    for row in build_view(*run).rows:
        for cell in row.cells:
            assert cell.text in page.text
            assert cell.interval in page.text


def test_plotly_knows_every_attribute_of_the_figures(run):
    view = build_view(*run)
    drawn = list(figures([view.first, *view.sections]))
    assert {"trade-off", "tail", "over-time"} <= {figure.id for figure in drawn}
    for figure in drawn:
        plotly.graph_objects.Figure(figure.plot)  # raises on an unknown attribute


def test_the_scatter_draws_the_points_and_intervals_of_the_result(run):
    result, records = run
    traces = {trace["name"]: trace for trace in front.drawn(plane_of(result, records))["data"]}
    p50 = result.cases[0].metrics["latency_p50_s"]
    assert traces["fast"]["x"] == [p50.point * 1e3]
    assert traces["fast"]["error_x"]["array"] == [pytest.approx((p50.high - p50.point) * 1e3)]
    assert traces["fast"]["error_x"]["arrayminus"] == [pytest.approx((p50.point - p50.low) * 1e3)]
    assert traces["front"]["y"] == [pytest.approx(92.91), pytest.approx(93.98)]
    assert traces["wide"]["marker"]["symbol"].endswith("-open-dot")  # invalid; its accuracy was not measured here


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_a_name_from_a_file_stays_text(run, page, name):
    hostile = Page(reporter("html").render(*renamed(*run, "fast", name)))
    assert [tag for tag, _ in hostile.elements] == [tag for tag, _ in page.elements]
    assert not [attributes for _, attributes in hostile.elements if "onerror" in attributes]
    assert printable(name) in hostile.text
    assert not unshown(hostile.text)
    assert json.loads(hostile.scripts["summary"])["cases"][0]["variant"] == name
    assert not set("<>&\u2028\u2029") & set(hostile.scripts["summary"] + hostile.scripts["data-tail"])


def test_every_text_of_a_file_is_escaped(run):
    result, records = run
    bad = "<b onclick=x>&</b>"
    finding = replace(result.cases[3].findings[0], code=bad, evidence=bad, advice=bad)
    result = with_case(result, "wide", findings=(finding,), missing={"energy_per_inference_j": bad})
    skip = dict.fromkeys(("variant", "backend", "scenario", "reason"), bad)
    result = replace(result, device={bad: bad}, environment={k: {bad: bad} for k in ("requested", "facts")})
    result = replace(result, skips=(skip,), notes=(bad,), run={**result.run, "command": [bad], "versions": {bad: bad}})
    page = Page(reporter("html").render(result, records))
    assert not [attributes for tag, attributes in page.elements if "onclick" in attributes]
    assert page.text.count(bad) >= 15


def test_json_in_a_script_cannot_end_it():
    assert in_script({"a": "</script>&\u2028"}) == '{"a":"\\u003c/script\\u003e\\u0026\\u2028"}'


def test_half_a_surrogate_from_a_board_breaks_no_page(run):
    result, records = run
    page = Page(reporter("html").render(replace(result, device={"name": "pi4", "title": "a\udcffb"}), records))
    assert json.loads(page.scripts["summary"])["device"]["title"] == "a\udcffb"
    assert "a\ufffdb" in page.text


def test_one_variant_is_a_page():
    page = Page(reporter("html").render(*example_run(("fast",))))
    assert "1 case: 1 valid" in page.text
    assert "front" not in {trace["name"] for trace in json.loads(page.scripts["data-trade-off"])["data"]}


def test_without_any_accuracy_words_stand_in_place_of_the_chart(run):
    result, records = run
    page = Page(reporter("html").render(without_metric(result, "accuracy_top1", "no data"), records))
    assert "data-trade-off" not in page.scripts
    assert "No case has both an accuracy and a latency" in page.text


def test_a_run_with_nothing_in_it_is_a_page_without_figures(run):
    result, _ = run
    page = Page(reporter("html").render(replace(result, cases=()), {}))
    assert "No case was measured, so nothing was checked." in page.text
    assert "every check passed" not in page.text
    assert "plotly" not in page.scripts


def test_an_interrupted_run_says_so_first(run):
    result, records = run
    facts = {key: value for key, value in result.run.items() if key != "finished_utc"} | {"trials_done": 5}
    page = Page(reporter("html").render(replace(result, run=facts), records))
    assert "interrupted, 5 of 24 trials" in page.text
