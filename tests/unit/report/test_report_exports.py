"""The exports of bad input, and that all of them show the summary's numbers: Markdown within a comment, CSV, JSON."""

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from harness import arguments
from harness.model.metrics import REGISTRY, show
from harness.report import TABLE, reporter
from harness.report.blocks import Number, Table
from harness.report.markdown import LIMIT, fitting, markdown, markdown_name, size, table_lines
from harness.report.rows import COLUMNS
from harness.report.tables import FOLDED, view_markdown
from harness.report.view import build_view
from tests.support.example_run import NO_POWER, THROTTLED, example_run, renamed, with_case, without_metric

SCHEMA = json.loads((Path(__file__).resolve().parents[3] / "results/schema/summary-1.schema.json").read_text())
FORMATS = sorted(set(TABLE) - {"html"})


def many(count: int, name: str = "variant-{}"):
    """As many variants, all like `fast`."""
    result, _ = example_run(("fast",))
    fast = result.cases[0]
    cases = tuple(replace(fast, case=replace(fast.case, variant=name.format(index))) for index in range(count))
    return replace(result, cases=cases), {}


def bad_input() -> dict:
    result, records = example_run()
    nothing_valid = result
    for one in result.cases:
        nothing_valid = with_case(nothing_valid, one.case.variant, verdict="invalid", findings=(THROTTLED,))
    without = result
    for metric in REGISTRY:
        without = without_metric(without, metric, "lost <b>\n100 %")
    running = {key: value for key, value in result.run.items() if key != "finished_utc"} | {"trials_done": 5}
    return {
        "no case": (replace(result, cases=()), {}),
        "one variant": example_run(("fast",)),
        "nothing valid": (nothing_valid, records),
        "no metric": (without, records),
        "no record": (result, {}),
        "interrupted": (replace(result, run=running), records),
        "nothing recorded": (replace(result, run={}, device={}, environment={}, skips=()), records),
        "half a surrogate": (replace(result, device={"name": "pi4", "title": "a\udcffb"}, notes=("\ud800",)), records),
        "a thousand": many(1000),
    }


BAD = bad_input()


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("kind", FORMATS)
def test_bad_input_gives_a_whole_file(kind, name):
    source = reporter(kind).render(*BAD[name])
    text = source.decode()
    assert text.endswith("\n")
    if kind in {"json", "perfetto"}:
        json.loads(text)
    if kind == "json":
        jsonschema.validate(json.loads(text), SCHEMA)
    if kind == "md":
        assert len(source) <= LIMIT
    if kind == "csv":
        assert {len(row) for row in csv.reader(io.StringIO(text))} == {14}


def test_every_format_can_be_asked_for():
    parser = arguments.parser()
    for name in TABLE:
        assert parser.parse_args(["report", "--format", name]).format == name


def test_every_number_of_the_markdown_table_is_the_summarys_as_it_is_shown():
    run = example_run()
    summary = json.loads(reporter("json").render(*run))
    text = reporter("md").render(*run).decode().partition("<details>")[0]
    lines = {cells[0]: cells for line in text.splitlines() if (cells := split(line))}
    assert len(lines) == len(summary["cases"])
    for case in summary["cases"]:
        cells = lines[case["variant"]][1:]
        for name, cell in zip(COLUMNS, cells, strict=False):
            found = case["metrics"].get(name)
            if found is None:
                assert re.fullmatch(r"—<sup>[a-z]</sup>", cell)
                continue
            assert cell.replace("*", "").split(" ")[0] == show(name, found["point"])
            if "[" in cell:
                assert cell.endswith(f"\\[{show(name, found['low'])}, {show(name, found['high'])}\\]")
        assert cells[-1] == case["verdict"]


def split(line: str) -> list[str]:
    """Cells of a table's row; none of its head."""
    cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] if line.startswith("| ") else []
    return [] if cells[:1] == ["case"] else cells


def test_a_missing_metric_has_its_reason_below_the_table():
    text = reporter("md").render(*example_run()).decode()
    assert f"<sup>a</sup> {NO_POWER}  \n" in text


def test_what_does_not_fit_in_a_comment_is_counted():
    run = many(1000, "v{}-" + "x" * 100)
    text = reporter("md").render(*run).decode()
    assert 0.8 * LIMIT < len(text.encode()) <= LIMIT
    sentences = text.count("- **v")
    rows = sum(bool(split(line)) for line in text.partition("<details>")[0].splitlines())
    assert 0 < rows < 1000
    assert f"\n{1000 - sentences} more cases do not fit in a comment; the HTML report has all.\n" in text
    assert f"\n{1000 - rows} more rows do not fit in a comment; the HTML report has all.\n" in text


@pytest.mark.parametrize("limit", [2000, 5000, 20_000, 65_536])
def test_a_comment_keeps_to_any_limit_whatever_is_how_long(limit):
    result, records = renamed(*example_run(), "fast", "n" * 70_000)
    finding = replace(THROTTLED, evidence="é" * 70_000)
    result = with_case(result, "wide", findings=(finding,) * 3)
    result = replace(result, notes=("note " * 20_000,) * 4, device={"title": "ü" * 70_000})
    text = view_markdown(build_view(result, records, FOLDED), limit)
    assert size(text) <= limit
    assert "4 notes do not fit in a comment" in text


def test_a_run_of_usual_size_fits_whole():
    text = reporter("md").render(*example_run()).decode()
    assert "do not fit" not in text
    assert text.count("<details>") == text.count("</details>") == 2
    assert "<details><summary>Lineage</summary>" in text
    assert "| fast-int8 | — | fast |" in text


def test_a_name_calls_nobody_to_the_pull_request():
    text = reporter("md").render(*renamed(*example_run(), "fast", "@everyone")).decode()
    assert "@" not in text
    assert "&#64;everyone" in text


def test_prose_and_names_are_escaped():
    assert markdown("a *b* | <c> & #1 `d`\n@e") == "a \\*b\\* \\| &lt;c&gt; &amp; \\#1 \\`d\\` &#64;e"
    assert markdown_name("שלום") == "\u2068שלום\u2069"


def test_as_many_lines_as_fit_are_kept_in_bytes():
    assert fitting(["ab", "é", "c"], 6) == ["ab", "é"]  # 3 + 3 bytes with their line ends
    assert fitting(["ab", "é", "c"], 5) == ["ab"]
    assert fitting([], 0) == []


def test_a_table_of_the_page_is_one_in_markdown():
    table = Table(("a", "b"), (("x|y", Number("1.5 [1, 2]", 1.5)),), "About")
    assert table_lines(table) == ["**About**", "", "| a | b |", "|---|---:|", "| x\\|y | 1.5 \\[1, 2\\] |"]
