r"""The LaTeX export: read by a tokenizer that knows what may stand where, as no TeX is at hand in the tests."""

import re
from dataclasses import replace

import pytest

from harness.model.metrics import REGISTRY, show
from harness.report import reporter
from harness.report.latex import LONGEST_NAME, MOST_ROWS, Tabular, escaped, escaped_name, packages, table
from tests.support.example_run import NO_ACCURACY, NO_POWER, example_run, renamed, with_case, without_metric
from tests.support.latex_reader import read

HOSTILE = (
    "\\input{/etc/passwd}", "}\\end{table}\\evil{", "a & b # 50 % $x_1^2$ ~ <tag> |\"'`", "-- `` ''", "[x] * [y]",
    "שלום-עולם", "naïve café Ångström", "\u202egnp.exe\x00", "x" * 200, "日本語 🙂", "%", "\\",
)  # fmt: skip


def tex(run) -> str:
    return reporter("tex").render(*run).decode("ascii")


@pytest.fixture(scope="module")
def run():
    return example_run()


def test_latex_can_read_it_and_it_says_what_it_needs(run):
    source = tex(run)
    read(source)
    assert source.splitlines()[2] == r"% Needs \usepackage{booktabs,graphicx}"
    assert "siunitx" not in source
    assert source.count(r"\toprule") == source.count(r"\bottomrule") == source.count(r"\begin{tabular}") >= 3


def test_every_number_of_the_trade_off_table_is_the_summarys_as_it_is_shown(run):
    result, _ = run
    source = tex(run)
    lines = source.splitlines()
    for one in result.cases:
        label = escaped_name(one.case.variant)
        starts = [
            index
            for index, line in enumerate(lines)
            if line.startswith((f"{label} &", f"\\textit{{{label}}} &")) and "\\\\" in line
        ][:2]
        values = " & ".join(lines[index] for index in starts)
        intervals = " ".join(lines[index + 1] for index in starts)
        for name in (
            "accuracy_top1",
            "latency_p50_s",
            "latency_p99_s",
            "memory_peak_bytes",
            "model_size_bytes",
            "macs",
        ):
            if name in one.metrics:
                found = one.metrics[name]
                assert show(name, found.point) in re.findall(r"[\d.]+", values), name
                if found.low != found.point:
                    assert f"[{show(name, found.low)}, {show(name, found.high)}]" in intervals
    assert f"{REGISTRY['latency_p50_s'].label}, ms" in source


def test_the_best_is_bold_what_is_not_valid_is_in_italics_and_what_is_missing_has_its_reason(run):
    source = tex(run)
    assert r"\textbf{0.317}" in source
    assert "Bold: the best of the valid cases, told apart from each other one of them; a tie has no bold" in source
    assert "its interval apart from all others" not in source  # a count has none
    assert r"\textit{wide} & 95.44" in source
    assert r"\textit{wide}: invalid: throttled: the clock fell" in source
    assert rf"\textsuperscript{{a}} {NO_POWER}" in source
    assert rf"\textsuperscript{{b}} {NO_ACCURACY}" in source
    assert r"---\textsuperscript{b}" in source


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_name_is_printed_and_never_run(run, name):
    source = tex(renamed(*run, "fast", name))
    read(source)
    assert "\\input" not in source.replace(r"\textbackslash{}input", "")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("50 % of a_b & c#1", r"50 \% of a\_b \& c\#1"),
        ("\\x{y}", r"\textbackslash{}x\{y\}"),
        ("a--b", "a-{}-b"),
        ("a–b — −1 × 2", r"a--b --- $-$1 $\times$ 2"),
        ("é Å ç", r"\'{e} \r{A} \c{c}"),
        ("ש", "[U+05E9]"),
        ("a\nb", "a b"),
        ("\u2068x\u2069", "x"),
    ],
)
def test_text_is_escaped(text, written):
    assert escaped(text) == written
    read(written)


def test_a_long_name_keeps_both_ends():
    written = escaped_name("a" * 100 + "-pruned-int8")
    assert written.startswith("aaa")
    assert written.endswith("runed-int8")
    assert len(written.replace(r"\ldots{}", "…")) == LONGEST_NAME


def test_a_row_that_begins_with_a_bracket_is_kept_from_the_row_before_it():
    lines = table(Tabular("c", ("a", "b"), (("[1]", "2"), ("*", "3"))))
    assert "{}[1] & 2 \\\\" in lines
    assert "{}* & 3 \\\\" in lines


def test_many_rows_go_on_over_pages_and_each_has_its_own(run):
    result, records = run
    fast = result.cases[0]
    cases = tuple(replace(fast, case=replace(fast.case, variant=f"v{index}")) for index in range(1000))
    source = tex((replace(result, cases=cases), {}))
    read(source)
    assert source.splitlines()[2] == r"% Needs \usepackage{booktabs,graphicx,longtable}"
    assert len(re.findall(r"^v\d+ & \S+ & .*\\\\$", source.split(r"\end{longtable}")[0], re.MULTILINE)) == 1000
    assert f"{1000 - MOST_ROWS} more rows are in the page." in source
    assert records


def test_no_case_no_metric_and_an_interrupted_run_are_still_read(run):
    result, records = run
    empty = tex((replace(result, cases=()), {}))
    read(empty)
    assert "No case was measured." in empty
    for metric in ("accuracy_top1", "latency_p50_s"):
        result = without_metric(result, metric, "100 % of it failed & was lost")
    read(tex((result, records)))
    assert r"100 \% of it failed \& was lost" in tex((result, records))
    facts = {key: value for key, value in result.run.items() if key != "finished_utc"} | {"trials_done": 5}
    interrupted = tex((replace(result, run=facts), records))
    assert "% 2026-03-14 09:26:53 UTC; interrupted, 5 of 24 trials" in interrupted.splitlines()


def test_without_a_valid_case_nothing_is_bold(run):
    result, records = run
    for one in result.cases:
        result = with_case(result, one.case.variant, verdict="doubtful")
    assert r"\textbf" not in tex((result, records))


def test_packages_are_named_only_where_they_are_needed():
    short = Tabular("c", ("a", "b"), (("1", "2"),))
    long = Tabular("c", ("a", "b"), (("1", "2"),) * (MOST_ROWS + 1))
    assert packages([]) == ["booktabs"]
    assert packages([short]) == ["booktabs", "graphicx"]
    assert packages([long]) == ["booktabs", "longtable"]
    assert r"\resizebox" in "".join(table(short))
    assert r"\resizebox" not in "".join(table(long))


@pytest.mark.parametrize(
    "source",
    [
        r"\evil", "{", "a}", "$x", "a^b", "a_b", "#", "a & b", r"\begin{table}",
        r"\begin{tabular}{ll}a & b & c \\\end{tabular}",
        r"\begin{tabular}{ll}a & b \\ [c] & d \\\end{tabular}",
    ],
)  # fmt: skip
def test_the_reader_itself_stumbles_where_latex_would(source):
    with pytest.raises(AssertionError):
        read(source)
