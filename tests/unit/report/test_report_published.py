"""The published tables beside a run: whose figures stand for what, ratios, the energy put right, claims on 8 bits."""

from dataclasses import replace

import pytest

from harness.model.trial import Record
from harness.model.verdict import RunResult, Summary
from harness.report.blocks import Number, Paragraph, Table
from harness.report.cases import Named, Shown, shown
from harness.report.claims import bounds, judge, pairs
from harness.report.paired import PairedTop1
from harness.report.published_tables import (
    BOARD_ROWS,
    CLAIMS,
    ENERGY,
    LATENCY,
    MODEL_ROWS,
    PROPOSED,
    RESNET50,
)
from harness.report.sections import published
from tests.support.example_run import NO_ACCURACY, NO_POWER, THROTTLED, example_run, renamed, with_case

SMALLER, LOST, MEMORY, FASTER, NEARLY_TWICE = CLAIMS


def paper_run() -> tuple[RunResult, dict[str, Record]]:
    """The example's run under the paper's names: resnet50 without accuracy, the student and its int8."""
    run = example_run(("wide", "fast", "fast-int8"))
    for old, new in (("wide", "resnet50"), ("fast", "paper-student"), ("fast-int8", "paper-student-int8")):
        run = renamed(*run, old, new)
    result, records = run
    large, _, small = result.cases
    metrics = {name: summary for name, summary in large.metrics.items() if name != "accuracy_top1"}
    missing = {**large.missing, "accuracy_top1": NO_ACCURACY}
    result = with_case(result, "resnet50", verdict="valid", findings=(), metrics=metrics, missing=missing)
    artifact = replace(small.artifact, parent="paper-student")
    return with_case(result, "paper-student-int8", artifact=artifact), records


def of(run: RunResult) -> Shown:
    return shown(run, {})


def tables(run: RunResult) -> list[Table]:
    return [block for block in published.section(of(run)).blocks if isinstance(block, Table)]


def said(run: RunResult) -> list[str]:
    return [block.text for block in published.section(of(run)).blocks if isinstance(block, Paragraph)]


def texts(row: tuple[object, ...]) -> list[str]:
    return [cell if isinstance(cell, str) else getattr(cell, "text", getattr(cell, "label", "")) for cell in row]


def named(run: RunResult, variant: str) -> Named:
    return next(one for one in of(run).cases if one.result.case.variant == variant)


def summary(metric: str, point: float, low: float | None, high: float | None, n: int = 6) -> Summary:
    return Summary(metric, "1", n, point, low, high, "median over launches")


def test_the_energy_that_the_paper_prints_as_power_follows_from_its_own_figures():
    large, small = MODEL_ROWS
    assert large.value(ENERGY) == pytest.approx(0.315)
    assert small.value(ENERGY) == pytest.approx(0.06132)
    assert (large.text(ENERGY), small.text(ENERGY)) == ("315 (derived)", "61.3 (derived)")
    assert 1 - small.value(ENERGY) / large.value(ENERGY) == pytest.approx(0.805, abs=5e-4)
    assert BOARD_ROWS[1].text(ENERGY) == "61.2 (derived)"  # 720 mW for 85 ms
    paragraph = said(paper_run()[0])[1]
    for figure in (
        "milliwatts",
        "315 mJ",
        "61.3 mJ",
        "80.5 % less and not 45 %",
        "44 % is the power",
        "7.3 times fewer",
    ):
        assert figure in paragraph


def test_the_models_table_is_the_papers_with_the_measured_lines_and_ratios_between():
    result, _ = paper_run()
    table = tables(result)[0]
    assert table.headings[2:7] == (
        "top-1, %", "latency, ms", "mean power, mW", "energy/inference, mJ", "parameters, M",
    )  # fmt: skip
    rows = [texts(row) for row in table.rows]
    assert rows[0] == ["ResNet-50", "published", "93.4", "210", "1500", "315 (derived)", "23.5", ""]
    assert rows[3] == ["proposed CNN", "published", "90.1", "73", "840", "61.3 (derived)", "3.2", ""]
    assert [row[:2] for row in rows] == [
        ["ResNet-50", "published"], ["resnet50", "measured here"], ["resnet50", "measured / published"],
        ["proposed CNN", "published"],
        ["paper-student", "measured here"], ["paper-student", "measured / published"],
        ["paper-student-int8", "measured here"], ["paper-student-int8", "measured / published"],
    ]  # fmt: skip
    p50 = result.cases[0].metrics["latency_p50_s"].point
    assert rows[2][3] == f"×{p50 / 0.210:.4f}"
    assert rows[5][2] == "+3.88 pp"  # 93.98 % of ours, 90.1 % of theirs
    assert rows[2][2] == rows[2][4] == rows[2][5] == "—"
    measured = table.rows[1][3]
    assert isinstance(measured, Number)
    assert measured.value == p50


def test_measured_power_and_energy_stand_in_milliwatts_and_millijoules():
    result, _ = paper_run()
    student = result.cases[1]
    metrics = {
        **student.metrics,
        "power_mean_w": summary("power_mean_w", 2.1, 2.0, 2.2),
        "energy_per_inference_j": summary("energy_per_inference_j", 0.0126, 0.0125, 0.0127),
    }
    rows = [texts(row) for row in tables(with_case(result, "paper-student", metrics=metrics))[0].rows]
    assert rows[4][4:6] == ["2100 [2000, 2200]", "12.6 [12.5, 12.7]"]
    assert rows[5][4:6] == ["×2.50", "×0.205"]


def test_the_step_is_told_in_the_papers_words_by_its_figures_and_as_measured():
    rows = [texts(row) for row in tables(paper_run()[0])[1].rows]
    assert rows[0][1:] == ["3.3 points lower", "up to 65 % less", "—", "up to 45 % less", "—", ""]
    assert rows[1][1:5] == ["−3.30 pp", "×0.348 (65.2 % less)", "×0.560 (44.0 % less)", "×0.195 (80.5 % less)"]
    assert rows[2][0] == "paper-student"
    assert rows[2][2].startswith("×0.")
    assert rows[2][1] == "—"  # ResNet-50 has no accuracy here


def test_each_board_has_its_published_line_and_every_stand_in_its_ratio_to_both():
    rows = [texts(row) for row in tables(paper_run()[0])[2].rows]
    assert [row[1] for row in rows] == [
        "published", "published",
        *["measured here", "measured / Jetson Nano", "measured / Raspberry Pi 4"] * 2,
    ]  # fmt: skip
    assert rows[1][2:] == ["89.6", "85", "720", "61.2 (derived)", "288", "3.2", ""]
    machine = next(text for text in said(paper_run()[0]) if "compare machines as well as models" in text)
    assert "Raspberry Pi 4 Model B" in machine


def test_on_a_board_of_the_paper_the_ratio_is_to_that_board_alone():
    result, _ = paper_run()
    result = replace(result, device={"name": "raspberry-pi-4", "title": "the Pi"})
    assert [texts(row)[1] for row in tables(result)[2].rows[2:]] == [
        "measured here", "measured / Raspberry Pi 4",
    ] * 2  # fmt: skip
    assert not any("compare machines" in text for text in said(result))


def test_what_was_not_measured_is_said_with_its_reason():
    told = said(paper_run()[0])
    power = next(text for text in told if NO_POWER in text)
    assert power.startswith("Not measured here: mean power, energy/inference of resnet50, paper-student, ")
    assert f"Not measured here: top-1 of resnet50: {NO_ACCURACY}." in told


def test_ratios_of_a_doubtful_case_are_shown_and_marked():
    result, _ = paper_run()
    sure = [texts(row) for row in tables(result)[0].rows]
    finding = replace(THROTTLED, code="drift", severity="doubt")
    result = with_case(result, "paper-student", verdict="doubtful", findings=(finding,))
    unsure = [texts(row) for row in tables(result)[0].rows]
    assert unsure[4][-1] == "doubtful: drift"
    assert unsure[5][2] == "+3.88 pp"  # a drift is of time alone
    assert (unsure[5][3], unsure[5][6]) == (f"~ {sure[5][3]}", sure[5][6])  # latency, and a count
    assert sure[5][3].startswith("×0.")
    step = next(row for row in map(texts, tables(result)[1].rows) if row[0] == "paper-student")
    assert step[2].startswith("~ ×0.")
    assert not step[1].startswith("~ ")
    assert step[-1] == "paper-student is doubtful"


def test_a_loss_of_accuracy_is_judged_by_the_pair_where_there_is_one():
    result, _ = paper_run()
    for variant, point in (("paper-student", 0.91), ("paper-student-int8", 0.885)):
        case = next(one for one in result.cases if one.case.variant == variant)
        top1 = summary("accuracy_top1", point, point - 0.005, point + 0.005)
        result = with_case(result, variant, metrics={**case.metrics, "accuracy_top1": top1})
    child, parent = named(result, "paper-student-int8"), named(result, "paper-student")
    assert judge(LOST, child, parent).startswith("cannot be told: 2.50 pp [1.50, 3.50]")
    pair = PairedTop1(-0.025, -0.028, -0.022, 10_000, "measured here")
    assert judge(LOST, child, parent, pair) == "reached: 2.50 pp [2.20, 2.80]"


def test_an_invalid_case_stays_and_enters_no_ratio():
    result, _ = paper_run()
    result = with_case(result, "paper-student", verdict="invalid", findings=(THROTTLED,))
    rows = [texts(row) for row in tables(result)[0].rows]
    (line,) = [row for row in rows if row[0] == "paper-student"]
    assert line[1] == "measured here"
    assert line[-1] == "invalid: no ratio"
    step = next(row for row in map(texts, tables(result)[1].rows) if row[0] == "paper-student")
    assert step[1:] == ["—"] * 5 + ["paper-student is invalid"]


@pytest.mark.parametrize(
    ("network", "precision", "model"),
    [
        ("resnet50-cifar", "fp32", RESNET50),
        ("resnet50-cifar", "int8", None),  # the paper leaves it out
        ("paper-student", "int8", PROPOSED),
        ("plain", "fp32", None),  # whatever it is called
        ("", "fp32", RESNET50),  # by its name
    ],
)
def test_a_network_and_a_precision_decide_which_row_a_case_stands_for(network, precision, model):
    result, _ = paper_run()
    one = result.cases[0]
    artifact = replace(one.artifact, network=network or None)
    result = with_case(result, "resnet50", artifact=artifact, case=replace(one.case, precision=precision))
    for other in (RESNET50, PROPOSED):
        labels = [found.label for found in published.stand_ins(of(result), other)]
        assert ("resnet50" in labels) == (other is model)


def test_another_data_set_or_other_networks_are_one_sentence():
    result, _ = example_run(("fast", "sketch"))
    assert said(result)[0].endswith("this run measured neither of the two.")
    assert tables(result) == []
    cases = tuple(replace(one, artifact=replace(one.artifact, accuracy=None)) for one in paper_run()[0].cases)
    other = replace(result, cases=cases, run={"suite": "tiny-imagenet"})
    assert said(other)[0] == (
        "The published tables are of CIFAR-10 and suite tiny-imagenet is not, so nothing here stands beside them."
    )
    assert said(replace(result, cases=(), run={}))[0].startswith("The published tables are of CIFAR-10")


def test_of_very_many_stand_ins_the_first_are_shown_and_the_rest_counted():
    result, _ = example_run(("fast",))
    fast = result.cases[0]
    artifact = replace(fast.artifact, network=PROPOSED.network)
    cases = tuple(
        replace(fast, case=replace(fast.case, variant=f"v{index}"), artifact=replace(artifact, variant=f"v{index}"))
        for index in range(40)
    )
    result = replace(result, cases=cases)
    assert len(tables(result)[0].rows) == 2 + 2 * published.MOST_CASES
    assert "Of 40 cases that stand for proposed CNN the first 12 are shown." in said(result)
    assert "Not measured in this run: ResNet-50." in said(result)


def test_bounds_go_from_the_ends_of_both_intervals():
    one = summary("latency_p50_s", 1.0, 0.8, 1.25)
    base = summary("latency_p50_s", 2.0, 1.6, 2.5)
    fast = bounds(FASTER, one, base)
    assert (fast.point, fast.low, fast.high) == pytest.approx((2.0, 1.28, 3.125))
    ratio = bounds(SMALLER, one, base)
    assert (ratio.point, ratio.low, ratio.high) == pytest.approx((0.5, 0.32, 0.78125))
    loss = bounds(LOST, one, base)
    assert (loss.point, loss.low, loss.high) == pytest.approx((1.0, 0.35, 1.7))
    assert bounds(FASTER, replace(one, low=None), base).low is None


@pytest.mark.parametrize(
    ("claim", "child", "parent", "start"),
    [
        (SMALLER, (25.0, 25.0, 25.0), (100.0, 100.0, 100.0), "reached: ×0.250"),
        (SMALLER, (26.0, 26.0, 26.0), (100.0, 100.0, 100.0), "not reached: ×0.260"),
        (LOST, (0.90, 0.895, 0.905), (0.91, 0.905, 0.915), "reached: 1.00 pp [0.00, 2.00]"),
        (LOST, (0.85, 0.845, 0.855), (0.91, 0.905, 0.915), "not reached: 6.00 pp"),
        (LOST, (0.885, 0.88, 0.89), (0.91, 0.905, 0.915), "cannot be told: 2.50 pp"),
        (FASTER, (1.0, 0.99, 1.01), (1.7, 1.69, 1.71), "reached: ×1.70"),
        (FASTER, (1.0, 0.99, 1.01), (1.5, 1.49, 1.51), "not reached: ×1.50"),
        (NEARLY_TWICE, (1.0, 0.9, 1.1), (1.9, 1.8, 2.0), "cannot be told: ×1.90"),
        (FASTER, (1.0, None, None), (9.0, None, None), "cannot be told: ×9.00, too few launches to compare"),
        (SMALLER, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "cannot be told: a figure of zero gives no ratio"),
    ],
)
def test_a_claim_is_judged_only_where_the_whole_interval_lies_on_one_side(claim, child, parent, start):
    result, _ = paper_run()
    for variant, values in (("paper-student", parent), ("paper-student-int8", child)):
        n = 3 if values[1] is None else 1 if values[0] == values[1] else 6
        case = next(one for one in result.cases if one.case.variant == variant)
        metrics = {**case.metrics, claim.metric: summary(claim.metric, *values, n=n)}
        result = with_case(result, variant, metrics=metrics)
    told = judge(claim, named(result, "paper-student-int8"), named(result, "paper-student"))
    assert told.startswith(start)


def test_a_claim_cannot_be_told_of_a_doubtful_case_nor_without_a_figure():
    result, _ = paper_run()
    doubtful = with_case(result, "paper-student", verdict="doubtful")
    child, parent = named(doubtful, "paper-student-int8"), named(doubtful, "paper-student")
    assert judge(FASTER, child, parent) == "cannot be told: paper-student is doubtful"
    assert judge(SMALLER, child, parent).startswith(("reached: ", "not reached: "))  # a file is as large as it is
    assert judge(LOST, child, parent) == "cannot be told: paper-student is doubtful"  # for no known reason
    drift = replace(THROTTLED, code="drift", severity="doubt")
    timed = with_case(result, "paper-student", verdict="doubtful", findings=(drift,))
    told = [judge(one, named(timed, "paper-student-int8"), named(timed, "paper-student")) for one in (LOST, MEMORY)]
    sure = judge(LOST, named(result, "paper-student-int8"), named(result, "paper-student"))
    assert told == [sure, "cannot be told: paper-student is doubtful"]
    small = result.cases[2]
    metrics = {name: one for name, one in small.metrics.items() if name != "memory_peak_bytes"}
    result = with_case(result, "paper-student-int8", metrics=metrics, missing={"memory_peak_bytes": "no VmHWM"})
    told = judge(MEMORY, named(result, "paper-student-int8"), named(result, "paper-student"))
    assert told == "cannot be told: no VmHWM"


def test_the_claims_table_has_every_pair_and_says_where_eight_bits_have_less_to_save():
    result, _ = paper_run()
    table = tables(result)[-1]
    assert [texts(row)[0] for row in table.rows] == ["paper-student-int8"]
    assert len(table.headings) == 1 + len(CLAIMS)
    assert not any("Bytes for each parameter" in text for text in said(result))
    parent = result.cases[1]
    halved = replace(parent.artifact, size_bytes=2 * parent.artifact.parameters)
    narrow = with_case(result, "paper-student", artifact=halved)
    assert any("Bytes for each parameter in the parent’s file: paper-student (2.0)" in text for text in said(narrow))
    assert any("which this board is not" in text for text in said(result))
    (readings,) = [text for text in said(result) if "60 % less time" in text]
    assert "speed ×1.6" in readings
    assert "speed ×2.5" in readings


def test_without_a_pair_the_claims_are_one_sentence():
    result, _ = example_run(("fast", "sketch"))
    assert pairs(of(result)) == ()
    assert said(result)[-1].endswith("no int8 variant was measured together with the variant it was made from.")


def test_a_latency_of_the_paper_is_read_in_seconds():
    assert [row.value(LATENCY) for row in MODEL_ROWS] == [0.210, 0.073]
