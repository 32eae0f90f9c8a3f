"""The top of the page and its table: sentences, the best, changes to parent and teacher, and numbers read back."""

from array import array
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from harness.model.case import Scenario
from harness.model.metrics import REGISTRY, show, significant
from harness.model.quality import Paired
from harness.model.trial import Outputs, Record
from harness.model.verdict import RunResult, Summary
from harness.report import reporter
from harness.report.cases import shown
from harness.report.comparison import CONTAINS_ZERO, OVERLAP, READ_ELSEWHERE
from harness.report.names import isolated
from harness.report.rows import COLUMNS
from harness.report.sections import front, radar
from harness.report.sections.plane import best_cases
from harness.report.summary import summary_json
from harness.report.view import View, build_view
from tests.support.drawn import plane_of
from tests.support.example_run import THROTTLED, example_run, renamed, with_case, without_metric
from tests.support.table_page import table_page

PARTS = {"td": "point", "b": "point", "small": "interval", "sup": "mark"}
VOID = {"input", "meta", "link", "br", "img"}
RAIL = "median of 6 launches; 95 % order-statistic interval; board input, on-board rail ina:POM_5V_IN, trapezoid"
WALL = "median of 6 launches; 95 % order-statistic interval; wall, external meter js220:power, trapezoid"


class TablePage(HTMLParser):
    """The cells of the trade-off table by case and metric, as a script would read them; rows and groups in order."""

    def __init__(self, source: bytes) -> None:
        super().__init__()
        self.cells: dict[tuple[str, str], dict[str, str]] = {}
        self.groups: list[list[str]] = []
        self.bold: set[tuple[str, str]] = set()
        self.headings: list[str] = []
        self.selects: dict[str, list[str]] = {}
        self._case, self._cell, self._select = "", None, None
        self._column = 0
        self._open: list[tuple[str, str]] = []
        self.feed(source.decode())

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag not in VOID:
            self._open.append((tag, found.get("class") or ""))
        if tag == "tbody" and found.get("class") == "group":
            self.groups.append([])
        elif "data-case" in found:
            self._case = found["data-case"]
            self.groups[-1].append(self._case)
        elif tag == "tr":
            self._column = 0
        elif tag == "td" and self._case and self._column + 1 < len(self.headings):
            self._column += 1
            self._cell = {**found, "metric": self.headings[self._column], "point": "", "interval": "", "mark": ""}
            self.cells.setdefault((self._case, self._cell["metric"]), self._cell)
        elif tag == "b" and self._cell is not None:
            self.bold.add((self._case, self._cell["metric"]))
        elif "data-key" in found:
            self.headings.append(found["data-key"])
        elif "data-filter" in found:
            self._select = self.selects.setdefault(found["data-filter"], [])
        elif tag == "option" and self._select is not None:
            self._select.append(found["value"])

    def handle_endtag(self, tag):
        if tag == "td":
            self._cell = None
        self._select = None if tag == "select" else self._select
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        if self._cell is not None and self._open[-1][0] in PARTS:
            self._cell[PARTS[self._open[-1][0]]] += data


def page_of(result: RunResult, records: dict[str, Record]) -> TablePage:
    return TablePage(table_page(result, records))


def with_energy(
    run: tuple[RunResult, dict[str, Record]], joules: dict[str, float], methods: dict[str, str] | None = None
) -> tuple[RunResult, dict[str, Record]]:
    """The run with an energy per inference of the named variants, known to one per cent."""
    result, records = run
    name = "energy_per_inference_j"
    for one in result.cases:
        if one.case.variant in joules:
            point = joules[one.case.variant]
            method = (methods or {}).get(one.case.variant, RAIL)
            energy = Summary(name, REGISTRY[name].unit, 6, point, point * 0.99, point * 1.01, method)
            missing = {key: reason for key, reason in one.missing.items() if key != name}
            result = with_case(result, one.case.variant, metrics={**one.metrics, name: energy}, missing=missing)
    return result, records


def lineage() -> tuple[RunResult, dict[str, Record]]:
    """Sketch is the teacher, fast its student, fast-int8 the student's child; all valid."""
    result, records = example_run(("fast", "fast-int8", "sketch"))
    for name, role, parent in (("sketch", "teacher", None), ("fast", "student", "sketch"), ("fast-int8", "", "fast")):
        one = next(case for case in result.cases if case.case.variant == name)
        result = with_case(result, name, artifact=replace(one.artifact, role=role, parent=parent))
    return result, records


def crowd(count: int) -> tuple[RunResult, dict[str, Record]]:
    """So many variants, none of them like another, all valid; no records."""
    result, _ = example_run(("fast",))
    (pattern,) = result.cases
    cases = []
    for index in range(count):
        case = replace(pattern.case, variant=f"v{index:04d}")
        p50 = pattern.metrics["latency_p50_s"]
        scaled = {key: getattr(p50, key) * (1 + index) for key in ("point", "low", "high")}
        artifact = replace(pattern.artifact, variant=case.variant, parent=None if index == 0 else "v0000")
        metrics = {**pattern.metrics, "latency_p50_s": replace(p50, **scaled)}
        cases.append(replace(pattern, case=case, artifact=artifact, metrics=metrics))
    return replace(result, cases=tuple(cases)), {}


def row_of(view: View, label: str):
    return next(row for row in view.rows if row.label == label)


def cell_of(view: View, label: str, metric: str):
    return next(cell for cell in row_of(view, label).cells if cell.column.metric == metric)


def bold_of(view: View) -> set[tuple[str, str]]:
    return {(row.label, cell.column.metric) for row in view.rows for cell in row.cells if cell.best}


# --- numbers ---------------------------------------------------------------------------------------------------------


def test_every_number_of_the_table_is_read_back_from_the_page_as_the_summary_has_it():
    run = with_energy(example_run(), {"fast": 0.004, "wide": 0.02})
    page, summary = TablePage(reporter("html").render(*run)), summary_json(run[0])
    footnotes = dict(build_view(*run).footnotes)
    read = 0
    for case in summary["cases"]:
        for metric in COLUMNS:
            cell = page.cells[case["case"], metric]
            if metric in case["missing"]:
                assert "data-value" not in cell
                assert (cell["point"], footnotes[cell["mark"]]) == ("—", case["missing"][metric])
                continue
            known = case["metrics"][metric]
            assert [float(cell[f"data-{key}"]) for key in ("value", "low", "high")] == [
                known["point"], known["low"], known["high"],
            ]  # fmt: skip
            point, low, high = (show(metric, known[key]) for key in ("point", "low", "high"))
            assert cell["point"] == point
            assert cell["interval"] == ("" if point == low == high else f"[{low}, {high}]")
            read += 1
            assert cell["title"] == f"n = {known['n']}"
    verdicts = 4
    assert read == len(page.cells) - verdicts - 4 - 2 - 1 == 4 * 11 - 7  # power everywhere, energy of two, one accuracy


def test_the_further_metrics_hold_their_numbers_at_full_precision_too():
    result, records = example_run(("fast",))
    further = build_view(result, records).further
    load, first = further.rows[0][1:3]
    metrics = result.cases[0].metrics
    assert further.headings[1:3] == ("load, ms", "first, ms")
    assert (load.value, first.value) == (metrics["load_s"].point, metrics["first_inference_s"].point)
    assert load.text == f"{show('load_s', load.value)} [21.0, 26.0]"


def test_a_number_without_an_interval_has_no_bounds_in_the_page():
    result, records = example_run(("fast",))
    metrics = dict(result.cases[0].metrics)
    metrics["latency_p50_s"] = replace(metrics["latency_p50_s"], low=None, high=None)
    page = page_of(with_case(result, "fast", metrics=metrics), records)
    cell = page.cells[result.cases[0].case.id, "latency_p50_s"]
    assert float(cell["data-value"]) == metrics["latency_p50_s"].point
    assert (cell["data-low"], cell["data-high"], cell["interval"]) == ("", "", "")


def test_the_table_has_a_column_for_each_metric_in_its_order():
    page = page_of(*example_run(("fast",)))
    assert page.headings == ["case", *COLUMNS, "verdict"]
    assert COLUMNS == (
        "accuracy_top1", "latency_p50_s", "latency_p90_s", "latency_p99_s", "throughput_per_s", "power_mean_w",
        "energy_per_inference_j", "memory_peak_bytes", "model_size_bytes", "parameters", "macs",
    )  # fmt: skip


# --- changes ---------------------------------------------------------------------------------------------------------


def test_where_parent_and_teacher_differ_a_cell_has_the_change_to_each():
    result, records = lineage()
    view = build_view(result, records)
    fast, quantized, teacher = (case.metrics["latency_p50_s"].point for case in result.cases)
    cell = cell_of(view, "fast-int8", "latency_p50_s")
    assert [(one.reference.mark, one.text) for one in cell.changes] == [
        ("P", f"×{significant(quantized / fast, 3)}"),
        ("T", f"×{significant(quantized / teacher, 3)}"),
    ]
    assert row_of(view, "fast-int8").references == ("P: against its parent fast", "T: against the teacher sketch")
    assert [one.reference.mark for one in cell_of(view, "fast", "latency_p50_s").changes] == ["PT"]
    assert row_of(view, "fast").references == ("PT: against its parent, the teacher sketch",)
    assert row_of(view, "sketch").references == ()


def test_nothing_is_compared_with_what_the_reference_lacks():
    view = build_view(*lineage())  # the teacher has no accuracy
    assert [one.reference.mark for one in cell_of(view, "fast-int8", "accuracy_top1").changes] == ["P"]
    assert cell_of(view, "fast", "accuracy_top1").changes == ()
    said = row_of(view, "fast").sentence
    assert said.endswith(" against the teacher sketch, top-1 93.98 % (recorded earlier); valid")


def test_an_invalid_case_is_compared_with_nothing_and_nothing_with_it():
    verdict = "invalid"
    result, records = lineage()
    view = build_view(with_case(result, "fast", verdict=verdict), records)
    assert cell_of(view, "fast", "latency_p50_s").changes == ()
    assert [one.reference.mark for one in cell_of(view, "fast-int8", "latency_p50_s").changes] == ["T"]
    assert row_of(view, "fast-int8").references[0] == f"not compared: its parent fast is {verdict}"
    assert " against " not in row_of(view, "fast").sentence
    without = build_view(with_case(result, "sketch", verdict=verdict), records)
    assert row_of(without, "fast").sentence.endswith(f"; not compared, as the teacher sketch is {verdict}; valid")
    assert " against " not in row_of(without, "fast").sentence


DISAGREE = replace(THROTTLED, code="launches_disagree", severity="doubt")
DOUBTFUL = {"verdict": "doubtful", "findings": (DISAGREE,)}


def test_a_change_from_or_to_a_doubtful_case_is_shown_and_marked_and_says_which_one_is():
    result, records = lineage()
    fast, quantized, teacher = (case.metrics["latency_p50_s"].point for case in result.cases)
    view = build_view(with_case(result, "fast", **DOUBTFUL), records)
    (own,) = cell_of(view, "fast", "latency_p50_s").changes
    assert (own.text, own.doubt, own.doubtful) == (
        f"~ ×{significant(fast / teacher, 3)}", "", "fast is doubtful: launches_disagree",
    )  # fmt: skip
    parent, other = cell_of(view, "fast-int8", "latency_p50_s").changes
    assert (parent.text, parent.unclear) == (f"~ ×{significant(quantized / fast, 3)}", True)
    assert (other.text, other.unclear) == (f"×{significant(quantized / teacher, 3)}", False)
    assert row_of(view, "fast-int8").references == (
        "P: against its parent fast", "T: against the teacher sketch", "~ fast is doubtful: launches_disagree",
    )  # fmt: skip


# Neither the file nor, of itself, what it answers is touched by when and how fast it ran.
@pytest.mark.parametrize(
    ("codes", "accuracy"),
    [
        (("launches_disagree",), False),
        (("drift", "clock_changed", "no_steady_state", "sensor_stale"), False),
        (("drift", "precision_differs"), True),
        (("provider_fallback",), True),
        (("a_code_of_tomorrow",), True),
        ((), True),
    ],
)
def test_a_doubt_marks_only_what_it_touches(codes, accuracy):
    result, records = example_run(("fast", "fast-int8"))
    note = replace(DISAGREE, code="output_not_checked", severity="note")
    findings = (note, *(replace(DISAGREE, code=code) for code in codes))
    view = build_view(with_case(result, "fast-int8", verdict="doubtful", findings=findings), records)
    marked = {
        cell.column.metric: cell.changes[0].text.startswith("~ ")
        for cell in row_of(view, "fast-int8").cells
        if cell.changes
    }
    assert [marked[metric] for metric in ("model_size_bytes", "parameters", "macs")] == [False] * 3
    assert [marked[metric] for metric in ("latency_p50_s", "throughput_per_s", "memory_peak_bytes")] == [True] * 3
    assert marked["accuracy_top1"] == accuracy
    said = row_of(view, "fast-int8").sentence
    assert said.startswith("about 1.07" if accuracy else "1.07 percentage points lower accuracy")
    assert "about 3.4× lower p50 latency" in said


def test_the_page_says_who_the_teacher_is():
    source = table_page(*example_run()).decode()
    assert source.count("the case whose role is teacher; without one that whose role is reference") == 1


def test_names_in_a_cell_that_are_isolated_already_stay_so():
    result, records = lineage()
    result, records = renamed(result, records, "sketch", "x" * 200)
    result, records = renamed(result, records, "fast", "ֆast")
    source = table_page(result, records).decode()
    assert "\ufffd" not in source
    assert f"the teacher {isolated('x' * 39 + '…')}" in source
    assert "\u2068P: against its parent \u2068ֆast\u2069\u2069" in source


def test_of_two_doubtful_cases_the_same_reason_is_said_once():
    result, records = lineage()
    result = with_case(with_case(result, "fast", **DOUBTFUL), "sketch", **DOUBTFUL)
    together = "~ fast and sketch are doubtful: launches_disagree"
    assert row_of(build_view(result, records), "fast").references[-1] == together
    result = with_case(result, "sketch", findings=(replace(DISAGREE, code="drift"),))
    view = build_view(result, records)
    assert row_of(view, "fast").references[-1] == "~ fast is doubtful: launches_disagree; sketch is doubtful: drift"
    three = build_view(with_case(result, "fast-int8", **DOUBTFUL), records)
    assert row_of(three, "fast-int8").references[2:] == (
        "~ fast-int8 and fast are doubtful: launches_disagree; sketch is doubtful: drift",
    )


def test_the_page_greys_a_change_that_proves_nothing_and_hints_at_what_its_mark_does_not_say():
    result, records = example_run(("fast", "fast-int8"))
    assert table_page(result, records).count(b'class="change unclear"') == 1  # memory: intervals overlap
    doubtful = table_page(with_case(result, "fast-int8", **DOUBTFUL), records).decode()
    assert (doubtful.count('class="change unclear"'), doubtful.count('class="change')) == (5, 9)  # not accuracy, counts
    assert "~ fast-int8 is doubtful: launches_disagree</span>" in doubtful


# --- sentences -------------------------------------------------------------------------------------------------------


def test_a_sentence_holds_accuracy_latency_and_energy_against_the_teacher():
    result, records = with_energy(example_run(("fast", "fast-int8")), {"fast": 0.0044, "fast-int8": 0.0002})
    result = with_case(result, "fast", artifact=replace(result.cases[0].artifact, role="teacher"))
    fast, quantized = (case.metrics["latency_p50_s"].point for case in result.cases)
    assert build_view(result, records).rows[1].sentence == (
        "1.07 percentage points lower accuracy (92.91 %, recorded earlier), "
        f"{fast / quantized:.1f}× lower p50 latency ({show('latency_p50_s', quantized)} ms), "
        "22× less energy per inference (0.200 mJ) against the teacher fast; valid"
    )
    first = build_view(result, records).rows[0].sentence
    assert first.endswith(
        "(recorded earlier), p50 " + show("latency_p50_s", fast) + " ms, 4.40 mJ per inference; valid"
    )


@pytest.mark.parametrize(
    ("joules", "said"),
    [
        (0.00401, "no clear difference in energy per inference (4.01 mJ) against fast;"),
        (0.0048, "20.0 % more energy per inference (4.80 mJ) against fast;"),
        (0.012, "3.0× more energy per inference (12.0 mJ) against fast;"),
    ],
)
def test_an_energy_is_claimed_less_or_more_only_beyond_its_interval(joules, said):
    run = with_energy(example_run(("fast", "fast-int8")), {"fast": 0.004, "fast-int8": joules})
    assert said in build_view(*run).rows[1].sentence


@pytest.mark.parametrize("whose", ["fast", "fast-int8"])
def test_of_a_doubtful_case_a_difference_in_what_was_timed_is_claimed_as_about(whose):
    result, records = with_energy(example_run(("fast", "fast-int8")), {"fast": 0.004, "fast-int8": 0.00401})
    fast, quantized = (case.metrics["latency_p50_s"].point for case in result.cases)
    said = build_view(with_case(result, whose, **DOUBTFUL), records).rows[1].sentence
    assert said == (
        "1.07 percentage points lower accuracy (92.91 %, recorded earlier), "
        f"about {fast / quantized:.1f}× lower p50 latency ({show('latency_p50_s', quantized)} ms), "
        "no clear difference in energy per inference (4.01 mJ) against fast"
        + (" (doubtful); valid" if whose == "fast" else "; doubtful (launches_disagree)")
    )


def test_energies_read_at_different_places_are_not_compared():
    joules = {"fast": 0.004, "fast-int8": 0.001}
    apart = build_view(*with_energy(example_run(("fast", "fast-int8")), joules, {"fast": WALL}))
    assert f"{READ_ELSEWHERE} energy per inference (1.00 mJ) against fast" in apart.rows[1].sentence
    assert [one.doubt for one in cell_of(apart, "fast-int8", "energy_per_inference_j").changes] == [READ_ELSEWHERE]
    assert ("fast-int8", "energy_per_inference_j") not in bold_of(apart)
    alike = build_view(*with_energy(example_run(("fast", "fast-int8")), joules, dict.fromkeys(joules, WALL)))
    assert ("fast-int8", "energy_per_inference_j") in bold_of(alike)


def test_without_any_teacher_valid_cases_are_told_by_themselves():
    result, records = example_run(("fast-int8",))
    artifact = replace(result.cases[0].artifact, parent="elsewhere")
    (row,) = build_view(with_case(result, "fast-int8", artifact=artifact), records).rows
    assert (row.references, " against " in row.sentence) == ((), False)
    assert row.sentence.startswith("top-1 92.91 % (recorded earlier), p50 ")


def test_a_long_name_is_whole_where_it_stands_for_itself_and_short_where_others_mention_it():
    view = build_view(*renamed(*example_run(("fast", "wide", "sketch")), "fast", "x" * 200))
    assert view.rows[0].label == "x" * 200
    assert f" against {isolated('x' * 39 + '…')}, no accuracy (" in view.rows[2].sentence


def test_the_headline_counts_verdicts_and_names_the_best_only_where_intervals_separate():
    run = with_energy(example_run(), {"fast": 0.004, "fast-int8": 0.00401})
    p50 = show("latency_p50_s", run[0].cases[1].metrics["latency_p50_s"].point)
    assert build_view(*run).headline == (
        "4 cases: 3 valid, 1 invalid; 1 skipped. Most accurate: fast (top-1 93.98 %, recorded earlier). "
        f"Fastest: fast-int8 (p50 {p50} ms). No clear best in energy per inference."
    )


def test_the_headline_says_what_was_measured_nowhere_and_why():
    result, records = example_run(("fast", "fast-int8"))
    assert "No energy per inference (no power sensor is readable" in build_view(result, records).headline
    for index, reason in enumerate(("one", "other")):
        missing = {**result.cases[index].missing, "energy_per_inference_j": reason}
        result = with_case(result, result.cases[index].case.variant, missing=missing)
    assert build_view(result, records).headline.endswith("No energy per inference (why: under the table).")


@pytest.mark.parametrize("cases", [0, 1])
def test_of_one_case_or_none_nothing_is_the_best(cases):
    result, records = example_run(("fast",))
    view = build_view(replace(result, cases=result.cases[:cases]), records)
    assert not bold_of(view)
    assert "astest" not in view.headline
    assert view.headline.startswith("1 case: 1 valid" if cases else "0 cases: none measured")


# --- the best --------------------------------------------------------------------------------------------------------


def test_bold_is_better_than_all_other_valid_ones_beyond_the_interval():
    bold = bold_of(build_view(*example_run()))
    assert {("fast", "accuracy_top1"), ("fast-int8", "latency_p50_s"), ("fast-int8", "throughput_per_s")} <= bold
    # Exact counts by themselves; fast and fast-int8 have the same number of parameters, sketch fewer.
    assert {("fast-int8", "model_size_bytes"), ("sketch", "parameters"), ("sketch", "macs")} <= bold
    # Memory overlaps among all three valid ones, and wide is invalid whatever it has.
    assert not {row for row, metric in bold if metric == "memory_peak_bytes" or row == "wide"}


def test_of_equal_counts_none_is_the_best():
    assert not {m for _, m in bold_of(build_view(*example_run(("fast", "fast-int8"))))} & {"parameters", "macs"}


@pytest.mark.parametrize("verdict", ["doubtful", "invalid"])
def test_what_is_in_doubt_is_never_bold_and_no_rival(verdict):
    result, records = example_run(("fast", "fast-int8", "sketch"))
    finding = replace(THROTTLED, severity="doubt" if verdict == "doubtful" else "invalid")
    bold = bold_of(build_view(with_case(result, "fast-int8", verdict=verdict, findings=(finding,)), records))
    assert ("sketch", "latency_p50_s") in bold
    assert not {metric for label, metric in bold if label == "fast-int8"}


def test_without_an_interval_nothing_is_the_best():
    result, records = example_run(("fast", "sketch"))
    p50 = replace(result.cases[0].metrics["latency_p50_s"], low=None, high=None)
    without = with_case(result, "fast", metrics={**result.cases[0].metrics, "latency_p50_s": p50})
    assert ("sketch", "latency_p50_s") in bold_of(build_view(result, records))
    assert ("sketch", "latency_p50_s") not in bold_of(build_view(without, records))


def test_the_best_of_the_view_is_bold_on_the_page():
    result, records = example_run()
    of_case = {row.case: row.label for row in build_view(result, records).rows}
    bold = {(of_case[case], metric) for case, metric in page_of(result, records).bold}
    assert bold == bold_of(build_view(result, records))


# --- groups and filters ----------------------------------------------------------------------------------------------


def two_runtimes() -> tuple[RunResult, dict[str, Record]]:
    """Fast and sketch by onnxruntime and, interleaved, by another runtime that is ten times slower."""
    result, records = example_run(("fast", "sketch"))
    cases = []
    for one in result.cases:
        p50 = one.metrics["latency_p50_s"]
        slow = {key: getattr(p50, key) * 10 for key in ("point", "low", "high")}
        metrics = {**one.metrics, "latency_p50_s": replace(p50, **slow)}
        cases += [one, replace(one, case=replace(one.case, backend="tensorrt"), metrics=metrics)]
    return replace(result, cases=tuple(cases)), records


def test_cases_measured_alike_stand_together_and_have_their_own_best():
    result, records = two_runtimes()
    view = build_view(result, records)
    assert [group.title for group in view.groups] == [
        "pi4 · onnxruntime · single-stream · 1 thread",
        "pi4 · tensorrt · single-stream · 1 thread",
    ]
    assert [row.case for row in view.rows] == [one.case.id for one in result.cases]
    assert page_of(result, records).groups == [[view.rows[index].case for index in own] for own in ((0, 2), (1, 3))]
    best = {label for label, metric in bold_of(view) if metric == "latency_p50_s"}
    assert best == {"sketch · onnxruntime", "sketch · tensorrt"}
    assert row_of(view, "sketch · tensorrt").references == ("T: against fast",)
    assert "astest" not in view.headline  # of what is not measured alike, nothing is the fastest


def test_groups_that_differ_in_settings_alone_have_titles_of_their_own():
    result, records = example_run(("fast", "sketch"))
    longer = replace(result.cases[0].case, scenario=Scenario(stop=replace(Scenario().stop, min_count=999)))
    result = with_case(result, "fast", case=longer)
    titles = [group.title for group in build_view(result, records).groups]
    assert titles == [
        "pi4 · onnxruntime · single-stream · 1 thread (1 of 2: other settings)",
        "pi4 · onnxruntime · single-stream · 1 thread (2 of 2: other settings)",
    ]


def test_a_reader_may_pick_by_what_rows_differ_in():
    assert page_of(*example_run(("fast",))).selects == {}
    assert page_of(*two_runtimes()).selects == {"backend": ["", "onnxruntime", "tensorrt"]}
    assert page_of(*example_run()).selects == {"precision": ["", "fp32", "int8"], "verdict": ["", "valid", "invalid"]}


# --- accuracies image by image ---------------------------------------------------------------------------------------


def answered(only_fast: int, only_int8: int, images: int = 1000, **int8: object) -> tuple[RunResult, dict[str, Record]]:
    """Fast and fast-int8 over so many images, most of them right; so many are right in one alone. int8: its trial's."""
    result, records = example_run(("fast", "fast-int8"))
    found = dict(records)
    for index, one in enumerate(result.cases):
        right = np.ones(images)
        right[:60] = 0  # both wrong
        ranges = (slice(60, 60 + only_int8), slice(60 + only_int8, 60 + only_int8 + only_fast))
        right[ranges[index]] = 0
        labels = np.arange(images) % 10
        top1 = np.where(right > 0, labels, (labels + 1) % 10).astype(float)
        outputs = Outputs(top1=array("d", top1.tobytes()), label=array("d", labels.astype(float).tobytes()))
        record = found[one.case.id]
        first = record.trials[0]
        evaluated = replace(first, id=f"{first.id}-a", mode="accuracy", outputs=outputs, dataset_sha256="d" * 64)
        found[one.case.id] = replace(
            record, trials=(*record.trials, replace(evaluated, **int8) if index else evaluated)
        )
        result = with_case(
            result, one.case.variant, metrics={**one.metrics, "accuracy_top1": measured(right.mean(), images)}
        )
    return result, found


def measured(point: float, images: int) -> Summary:
    half = 1.96 * (point * (1 - point) / images) ** 0.5
    method = f"measured here on {images} test images, single view; Wilson 95 %"
    return Summary("accuracy_top1", "1", images, point, point - half, point + half, method)


def accuracy_change(view: View):
    (found,) = cell_of(view, "fast-int8", "accuracy_top1").changes
    return found


def test_accuracies_over_the_same_images_are_told_apart_by_the_pairs():
    view = build_view(*answered(11, 1))  # by themselves 93.9 and 92.9 %, each ± 1.5: they overlap
    # Bonett and Price: p = 12 / 1002 and 2 / 1002, their difference ± 1.96 sqrt((14 / 1002 - (10 / 1002)²) / 1002).
    middle, half = 10 / 1002, 1.959964 * ((14 / 1002 - (10 / 1002) ** 2) / 1002) ** 0.5
    low, high = (f"{100 * abs(end):.2f}" for end in (-middle - half, -middle + half))
    found = accuracy_change(view)
    assert (found.text, found.doubt) == ("−1.00 pp", "")
    assert found.hint == f"95 % interval [−{low}, −{high}] pp, paired on the same 1000 images, measured here"
    assert view.rows[1].sentence.startswith("1.00 percentage points lower accuracy (92.90 %, ")
    assert ("fast", "accuracy_top1") in bold_of(view)
    assert found.hint in table_page(*answered(11, 1)).decode()


@pytest.mark.parametrize(("run", "told"), [(answered(11, 1), True), (answered(5, 3), False)])
def test_figure_and_radar_tell_accuracies_apart_as_the_table_does(run, told):
    result, records = run
    p50 = result.cases[0].metrics["latency_p50_s"]  # as fast as each other: accuracy alone decides
    result = with_case(result, "fast-int8", metrics={**result.cases[1].metrics, "latency_p50_s": p50})
    fast, small = plane_of(result, records).points
    assert (fast.said, small.said) == (
        "on the front",
        "dominated by fast" if told else "possibly dominated by fast",
    )
    named = shown(result, records)
    assert best_cases(named.cases, front.AXES, named.paired) == (named.cases[:1] if told else named.cases)
    (against,) = radar.radar(named).rows
    assert against.sides["accuracy_top1"].unclear is not told
    assert bool(accuracy_change(build_view(result, records)).doubt) is not told


def test_a_paired_interval_with_zero_in_it_is_no_clear_difference():
    view = build_view(*answered(5, 3))
    found = accuracy_change(view)
    assert (found.text, found.doubt) == ("~ −0.20 pp", CONTAINS_ZERO)
    assert view.rows[1].sentence.startswith("no clear difference in accuracy (93.50 %, ")
    assert ("fast", "accuracy_top1") not in bold_of(view)


@pytest.mark.parametrize(
    "int8", [{"dataset_sha256": "e" * 64}, {"outputs": Outputs()}, {"status": "failed"}, {"mode": "performance"}]
)
def test_accuracies_over_other_images_are_told_apart_by_their_intervals(int8):
    found = accuracy_change(build_view(*answered(11, 1, **int8)))
    assert (found.text, found.doubt, found.hint) == ("~ −1.00 pp", OVERLAP, "")


def recorded(step: float, half: float, **changes: object) -> tuple[RunResult, dict[str, Record]]:
    """Fast and fast-int8 as the example records them, with the accuracy of the second, and a pair from the file."""
    result, records = example_run(("fast", "fast-int8"))
    fast, small = result.cases
    point = fast.metrics["accuracy_top1"].point + step
    top1 = replace(small.metrics["accuracy_top1"], point=point, low=point - 0.005, high=point + 0.005)
    pair = Paired(
        "fast", "fast-int8", fast.artifact.sha256, small.artifact.sha256, "cifar10-test", "d" * 64, 10_000, 100, 50,
        0.01, step, step - half, step + half,
    )  # fmt: skip
    metrics = {**small.metrics, "accuracy_top1": top1}
    return with_case(result, "fast-int8", metrics=metrics, paired=(replace(pair, **changes),)), records


def test_recorded_accuracies_are_told_apart_by_the_pair_recorded_of_exactly_these_files():
    found = accuracy_change(build_view(*recorded(-0.005, 0.002)))
    assert (found.text, found.doubt) == ("−0.50 pp", "")
    assert found.hint == "95 % interval [−0.70, −0.30] pp, paired on the same 10000 images, recorded earlier"
    assert accuracy_change(build_view(*recorded(-0.005, 0.006))).doubt == CONTAINS_ZERO


@pytest.mark.parametrize("changes", [{"a_sha256": "0" * 64}, {"images": 1000}, {"difference": -0.0049}])
def test_a_pair_of_another_file_or_of_other_numbers_says_nothing(changes):
    found = accuracy_change(build_view(*recorded(-0.005, 0.002, **changes)))
    assert (found.text, found.doubt, found.hint) == ("~ −0.50 pp", OVERLAP, "")


def test_a_pair_holds_in_both_directions():
    result, records = recorded(-0.005, 0.002)
    run = shown(result, records)
    there, back = run.paired(run.cases[1], run.cases[0]), run.paired(run.cases[0], run.cases[1])
    assert (there.low, there.high) == pytest.approx((-0.007, -0.003))
    assert (back.difference, back.low, back.high) == pytest.approx((0.005, 0.003, 0.007))


def test_a_recorded_pair_is_not_of_what_a_backend_made_of_the_file():
    result, records = recorded(-0.005, 0.002)
    narrowed = replace(result.cases[0].case, precision="fp16")
    run = shown(with_case(result, "fast", case=narrowed), records)
    assert run.paired(run.cases[1], run.cases[0]) is None


# --- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "folded"), [(12, ""), (13, "1 more of 13 cases"), (40, "28 more of 40 cases")])
def test_beyond_twelve_sentences_are_folded_and_counted(count, folded):
    source = table_page(*crowd(count)).decode()
    assert source.count('<li class="valid">') == count
    assert ("more of" in source) == bool(folded)
    assert folded in source


def test_a_thousand_variants_have_their_rows_and_are_each_compared_once():
    result, records = crowd(1000)
    view = build_view(replace(result), records)
    assert (len(view.rows), len(view.groups), len(view.groups[0].rows)) == (1000, 1, 1000)
    assert {row.references for row in view.rows[1:]} == {("PT: against its parent, v0000",)}
    assert [label for label, metric in bold_of(view) if metric == "latency_p50_s"] == ["v0000"]


def test_what_a_thousand_rows_have_in_common_stands_once():
    """About half of what the table took when each cell repeated its heading and how it was estimated."""
    few, many = (len(table_page(*crowd(count)).partition(b'<section id="table">')[2].partition(b"</section>")[0])
                 for count in (20, 120))  # fmt: skip
    assert (many - few) / 100 < 2400  # bytes for each row; 4480 before
    table = table_page(*crowd(20)).partition(b'<section id="table">')[2].partition(b"</section>")[0]
    assert table.count(b"median over launches; interval between the least") == 7  # once for each metric


def test_where_a_column_has_several_ways_of_estimating_a_cell_says_which():
    result, records = with_energy(
        example_run(("fast", "fast-int8")), {"fast": 0.004, "fast-int8": 0.001}, {"fast": WALL}
    )
    page = page_of(result, records)
    first, second = (page.cells[one.case.id, "energy_per_inference_j"]["title"] for one in result.cases)
    assert (first, second) == ("n = 6, way 1", "n = 6, way 2")
    source = table_page(result, records).decode()
    assert f'Way 1: <bdi class="name">{WALL}</bdi>; Way 2: <bdi class="name">{RAIL}</bdi>.' in source


def test_a_metric_that_is_missing_everywhere_has_no_best_and_a_reason_in_each_cell():
    result, records = example_run()
    view = build_view(without_metric(result, "latency_p50_s", "not asked for"), records)
    assert {cell_of(view, row.label, "latency_p50_s").reason for row in view.rows} == {"not asked for"}
    assert "latency_p50_s" not in {metric for _, metric in bold_of(view)}
    assert row_of(view, "fast").sentence == "top-1 93.98 % (recorded earlier), no p50 latency (not asked for); valid"
    assert "No p50 latency (not asked for)." in view.headline
