"""Trials of duets lie in a store beside others: no figure of a report is made of them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from harness.analysis.analyse import analyse, records
from harness.analysis.cells import cells_of
from harness.model.trial import Trial
from harness.model.verdict import RunResult
from harness.report.html import HtmlReporter
from harness.report.summary import JsonReporter, summary_json
from harness.report.tables import CsvReporter, MarkdownReporter
from tests.support.host_side import environment, plan, samples, stored, trial

ALONE = [
    trial([0.001 + 1e-6 * launch] * 70, launch=launch, environment=environment(), memory={"end_peak_rss_bytes": 1e6})
    for launch in range(6)
]


def duet(launch: int, **changes: object) -> Trial:
    """A side of a duet in which all takes ten times as long, and more memory."""
    return trial(
        mode="paired",
        launch=launch,
        order=100 + launch,
        arms=("first", "second"),
        samples=samples([0.01] * 40, block=[0] * 20 + [1] * 20),
        memory={"end_peak_rss_bytes": 9e9},
        environment=environment(started="first"),
        **changes,
    )


def told(trials: Sequence[Trial]) -> RunResult:
    return analyse(stored(trials, plan(launches=6)))


def test_no_figure_and_no_finding_changes_with_duets_beside() -> None:
    beside = [*ALONE, *(duet(launch) for launch in range(6))]
    assert summary_json(told(beside)) == summary_json(told(ALONE))
    assert [len(cell.timed) for cell in cells_of(stored(beside, plan(launches=6)))] == [6]


def test_a_duet_that_failed_is_told_of_and_changes_no_figure() -> None:
    found = told([*ALONE, duet(0, status="failed", message="the process under test was ended")])
    assert found.cases[0].metrics == told(ALONE).cases[0].metrics
    assert "trial_failed" in [one.code for one in found.cases[0].findings]


def test_a_case_of_duets_alone_has_no_figures_and_says_why() -> None:
    (case,) = told([duet(launch) for launch in range(6)]).cases
    assert (case.verdict, "latency_p50_s" in case.metrics) == ("invalid", False)
    (one,) = [one for one in case.findings if one.code == "nothing_measured"]
    assert one.evidence == "this case was measured in duets alone, which tell how it compares and not how long it takes"
    assert "`harness run` measures it by itself" in one.advice


def test_the_environment_of_duets_alone_is_that_of_a_side() -> None:
    assert told([duet(0)]).environment["in_force"]["started"] == "first"
    assert "started" not in told([duet(0), *ALONE]).environment["in_force"]


@pytest.mark.parametrize("reporter", [HtmlReporter, MarkdownReporter, CsvReporter, JsonReporter])
@pytest.mark.parametrize("alone", [True, False])
def test_every_report_of_a_run_with_duets_can_be_written(reporter: type, alone: bool) -> None:
    run = stored([*([] if alone else ALONE), duet(0), duet(1)], plan(launches=6))
    assert reporter().render(analyse(run), records(run))
