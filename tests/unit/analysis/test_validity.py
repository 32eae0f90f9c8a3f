"""Each check fires on one hand-made record and is silent on another; its evidence names what it must name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from harness.analysis import launch_checks, machine_checks, output_checks
from harness.analysis.context import Context
from harness.analysis.validity import CHECKS, findings
from harness.model.case import Accuracy, ArtifactFacts, Settings, Signature
from harness.model.device import Limits
from harness.model.trial import Environment, Outputs, Phases, Record, Trace, Trial
from harness.model.verdict import Finding, Summary, verdict_of
from tests.support.host_side import CASE, DEVICE, STEADY_START_S, environment, facts, only, trace, trial

T = STEADY_START_S
STEADY_S = 2.0
WINDOW = Phases(warm_up_steady=True, steady_start_s=T, steady_end_s=T + STEADY_S)


def launch(number: int = 0, traces: Sequence[Trace] = (), **changes: Any) -> Trial:
    given = {"phases": WINDOW, "environment": environment(), "launch": number, "traces": tuple(traces), **changes}
    return trial([0.001] * 20, **given)


def context(*trials: Trial, artifact: ArtifactFacts | None = None, accuracy: Summary | None = None, **limits: float):
    device = replace(DEVICE, limits=Limits(**limits))
    return Context(Record(CASE, trials), artifact or facts(), device, accuracy)


def clean(**changes: Any) -> Context:
    """Six launches on a quiet machine whose output is the reference's."""
    quiet = [counter("other_busy", 0.05)]
    outputs = Outputs((0.0, 1.0, 2.0))
    return context(*[launch(n, quiet, outputs=outputs, **changes) for n in range(6)], artifact=REFERENCE)


def counter(name: str, rate: float, collector: str = "others") -> Trace:
    """A counter that rises at this rate in the steady part, and a hundred times as fast outside it."""
    return trace(collector, name, [(T - 1, -100 * rate), (T, 0), (T + 1, rate), (T + 2, 2 * rate), (T + 3, 102 * rate)])


def test_a_clean_record_has_no_finding_and_is_valid() -> None:
    found = findings(clean())
    assert found == ()
    assert verdict_of(found) == "valid"


def test_every_check_is_tested_here() -> None:
    names = {name for name in globals() if name.startswith("test_")}
    for check in CHECKS:
        assert {f"test_{check.__name__}_fires", f"test_{check.__name__}_is_silent"} <= names


def test_failed_trials_fires() -> None:
    failed = launch(1, status="failed", message="ended by SIGKILL\nTraceback")
    found = only(launch_checks.failed_trials, context(launch(), failed))
    assert (found.code, found.severity) == ("trial_failed", "doubt")
    assert found.evidence == "1 of 2 trials failed; first: ended by SIGKILL"
    assert "trial.json" in found.advice
    assert only(launch_checks.failed_trials, context(failed)).severity == "invalid"
    nothing = only(launch_checks.failed_trials, context())
    assert (nothing.code, nothing.severity) == ("nothing_measured", "invalid")
    assert "same command" in nothing.advice


def test_failed_trials_is_silent() -> None:
    assert list(launch_checks.failed_trials(context(launch()))) == []


def test_output_not_finite_fires() -> None:
    bad = launch(1, outputs=Outputs((math.nan,), finite=False))
    found = only(output_checks.output_not_finite, context(launch(), bad))
    assert (found.code, found.severity) == ("output_not_finite", "invalid")
    assert "1 of 2 trials holds NaN or infinity" in found.evidence


def test_output_not_finite_is_silent() -> None:
    assert list(output_checks.output_not_finite(context(launch(outputs=Outputs((1.0,)))))) == []


REFERENCE = facts(signature=Signature((0.0, 1.0, 2.0), "the lock"))


@pytest.mark.parametrize(
    ("values", "share"), [((0.0, 1.0, 2.2), "5.8%"), ((0.0, 1.0), "100.0%"), ((2.0, 1.0, 0.0), "81.6%")]
)
def test_output_mismatch_fires(values: tuple[float, ...], share: str) -> None:
    right = launch(outputs=Outputs((0.0, 1.0, 2.0)))
    found = only(output_checks.output_mismatch, context(right, launch(1, outputs=Outputs(values)), artifact=REFERENCE))
    assert (found.code, found.severity) == ("output_mismatch", "invalid")
    assert "(the lock)" in found.evidence
    assert f"by {share} of its range" in found.evidence


def test_output_mismatch_is_silent() -> None:
    near = launch(outputs=Outputs((0.0, 1.16, 2.0)))  # one of three values by 8 % of the range of 2: 4.6 % on the whole
    nan = launch(outputs=Outputs((math.nan,) * 3, finite=False))  # which has a finding of its own
    as_int8 = replace(context(near, artifact=REFERENCE), record=Record(replace(CASE, precision="int8"), (near,)))
    for record in (as_int8, context(near), context(nan, artifact=REFERENCE)):
        assert list(output_checks.output_mismatch(record)) == []


@pytest.mark.parametrize(("found", "wrong"), [(-17.154366, False), (-17.1, True)])
def test_a_single_value_is_held_against_its_own_size(found: float, wrong: bool) -> None:
    artifact = facts(signature=Signature((-17.154364,), "the lock"))
    fp32 = Record(replace(CASE, precision="fp32"), (launch(outputs=Outputs((found,))),))
    checked = replace(context(artifact=artifact), record=fp32)
    assert bool(list(output_checks.output_mismatch(checked))) == wrong


@pytest.mark.parametrize(
    ("precision", "tolerance"), [("fp32", 1e-3), ("scripted", 1e-3), ("fp16", 1e-2), ("int8", 0.05), ("w4a16", 0.05)]
)
def test_the_tolerance_is_the_precisions(precision: str, tolerance: float) -> None:
    """One of three values off by d: d / sqrt(3) as root mean square, of a range of 2."""
    for share, wrong in ((0.98, False), (1.02, True)):
        off = share * tolerance * 2 * math.sqrt(3)
        timed = launch(outputs=Outputs((0.0, 1.0 + off, 2.0)))
        checked = replace(context(artifact=REFERENCE), record=Record(replace(CASE, precision=precision), (timed,)))
        assert bool(list(output_checks.output_mismatch(checked))) == wrong


def test_another_fp32_model_of_half_a_percent_difference_is_a_mismatch() -> None:
    """Two variants of one suite were seen that close to each other."""
    other = Record(replace(CASE, precision="fp32"), (launch(outputs=Outputs((0.0, 1.0, 2.02))),))
    found = list(output_checks.output_mismatch(replace(context(artifact=REFERENCE), record=other)))
    assert [one.severity for one in found] == ["invalid"]


def test_output_not_checked_fires() -> None:
    computed = launch(outputs=Outputs((1.0,)))
    found = only(output_checks.output_not_checked, as_fp32(context(computed)))
    assert (found.code, found.severity) == ("output_not_checked", "note")
    assert "no reference output" in found.evidence
    silent = only(output_checks.output_not_checked, as_fp32(context(launch(), artifact=REFERENCE)))
    assert "1 launches gave no numbers" in silent.evidence


def test_output_not_checked_is_silent() -> None:
    assert list(output_checks.output_not_checked(clean())) == []
    assert list(output_checks.output_not_checked(as_fp32(context(artifact=REFERENCE)))) == []  # nothing was measured
    scripted = Record(replace(CASE, precision="scripted"), (launch(),))  # which computes nothing
    assert list(output_checks.output_not_checked(replace(context(), record=scripted))) == []


def as_fp32(found: Context) -> Context:
    return replace(found, record=replace(found.record, case=replace(CASE, precision="fp32")))


def measured(point: float, images: int = 10_000, method: str = "measured here on 10000 test images") -> Summary:
    return Summary("accuracy_top1", "1", images, point, point, point, method)


LOCKED = facts(accuracy=Accuracy(9300, 10_000, "cifar10"))


def test_accuracy_differs_fires() -> None:
    found = only(output_checks.accuracy_differs, context(launch(), artifact=LOCKED, accuracy=measured(0.9249)))
    assert (found.code, found.severity) == ("accuracy_differs", "invalid")
    assert found.evidence == "top-1 is 92.49% here and 93.00% in the lock, for the same bytes"


def test_accuracy_differs_is_silent() -> None:
    for accuracy in (measured(0.9251), measured(0.5, images=1000), measured(0.5, method="recorded"), None):
        assert list(output_checks.accuracy_differs(context(launch(), artifact=LOCKED, accuracy=accuracy))) == []
    assert list(output_checks.accuracy_differs(context(launch(), accuracy=measured(0.5)))) == []


RESTLESS = replace(WINDOW, warm_up_steady=False)


def test_not_steady_fires() -> None:
    most = context(launch(0, phases=RESTLESS), launch(1, phases=RESTLESS), launch(2))
    found = only(launch_checks.not_steady, most)
    assert (found.code, found.severity) == ("no_steady_state", "doubt")
    assert "2 of 3 launches did not reach a steady latency" in found.evidence
    half = context(launch(0, phases=RESTLESS), launch(1))
    assert only(launch_checks.not_steady, half).severity == "note"


def test_not_steady_is_silent() -> None:
    assert (
        list(launch_checks.not_steady(context(launch(), launch(1, phases=replace(WINDOW, warm_up_steady=None))))) == []
    )


def test_budget_spent_fires() -> None:
    found = only(launch_checks.budget_spent, context(launch(), launch(1, stop_reason="budget spent")))
    assert (found.code, found.severity) == ("too_short", "doubt")
    assert found.evidence == "1 launches stopped early (budget spent) with 20 inferences"
    assert "--budget" in found.advice


def test_budget_spent_is_silent() -> None:
    assert list(launch_checks.budget_spent(context(launch()))) == []


def test_launches_disagree_fires() -> None:
    slow = trial([0.00111] * 20, launch=1, phases=WINDOW)
    found = only(launch_checks.launches_disagree, context(launch(), slow))
    assert (found.code, found.severity) == ("launches_disagree", "doubt")
    assert found.evidence == "medians of the launches range from 1 to 1.11 ms"


def test_launches_disagree_is_silent() -> None:
    near = trial([0.00109] * 20, launch=1, phases=WINDOW)
    for record in (context(launch(), near), context(launch()), context(launch(), trial([], launch=1))):
        assert list(launch_checks.launches_disagree(record)) == []


def test_machine_busy_fires() -> None:
    busy = [launch(n, [counter("other_busy", rate)]) for n, rate in enumerate((0.1, 0.26, 0.9))]
    found = only(machine_checks.machine_busy, context(*busy))
    assert (found.code, found.severity) == ("machine_busy", "doubt")
    assert found.evidence == "other processes kept up to 0.90 cores busy in 2 of 3 launches (limit 0.2)"


@pytest.mark.parametrize(
    ("quiet", "busy", "severity"), [(5, 1, "note"), (3, 1, "note"), (2, 1, "doubt"), (4, 2, "doubt"), (0, 1, "doubt")]
)
def test_a_busy_machine_is_doubted_above_a_quarter_of_the_launches(quiet: int, busy: int, severity: str) -> None:
    rates = [launch(n, [counter("other_busy", rate)]) for n, rate in enumerate((0.1,) * quiet + (0.9,) * busy)]
    found = only(machine_checks.machine_busy, context(*rates))
    assert found.severity == severity
    assert f"in {busy} of {quiet + busy} launches" in found.evidence


def test_a_reading_that_failed_does_not_hide_a_busy_machine() -> None:
    torn = trace("others", "other_busy", [(T, 0), (T + 1, 0.9), (T + 1.5, math.nan)])
    (found,) = machine_checks.machine_busy(context(launch(traces=[torn])))
    assert found.evidence == "other processes kept up to 0.90 cores busy in 1 of 1 launches (limit 0.2)"


def test_machine_busy_is_silent() -> None:
    spike = launch(traces=[counter("other_busy", 0.9)])
    assert list(machine_checks.machine_busy(context(spike, other_load_cores=1.0))) == []
    assert list(machine_checks.machine_busy(clean())) == []


def test_a_load_that_was_not_read_is_said() -> None:
    once = launch(traces=[trace("others", "other_busy", [(T - 1, 0), (T + 1, 50), (T + 3, 100)])])
    for record in (context(launch()), context(once)):  # one reading in the steady part is no rate
        assert only(machine_checks.machine_busy, record).code == "load_not_checked"


def test_few_launches_fires() -> None:
    found = only(launch_checks.few_launches, context(*[launch(n) for n in range(5)]))
    assert (found.code, found.severity, found.evidence) == ("few_launches", "doubt", "5 launches; an interval needs 6")


def test_few_launches_is_silent() -> None:
    assert list(launch_checks.few_launches(clean())) == []
    assert list(launch_checks.few_launches(context())) == []  # which is nothing_measured


def fact(name: str, value: object) -> Environment:
    usual = environment()
    return replace(usual, facts={**usual.facts, name: value})


# A changed boot id means that the board was restarted between two launches.
SHARED = ("cpu", "machine", "kernel", "python", "cores_allowed", "governors", "boost", "versions")


@pytest.mark.parametrize("name", SHARED)
def test_conditions_differ_fires(name: str) -> None:
    record = context(launch(0, environment=fact(name, "a")), launch(1, environment=fact(name, "b")))
    found = only(machine_checks.conditions_differ, record)
    assert (found.code, found.severity) == ("conditions_differ", "doubt")
    assert found.evidence == f'the launches did not share their conditions ({name}: "a" and "b")'


def test_conditions_differ_is_silent() -> None:
    assert list(machine_checks.conditions_differ(clean())) == []
    free_memory = context(launch(0), launch(1, environment=fact("memory_available_bytes", 1)))
    assert list(machine_checks.conditions_differ(free_memory)) == []


def test_paging_fires() -> None:
    found = only(machine_checks.paging, context(launch(traces=[counter("major_faults", 30.0, "process")]), launch(1)))
    assert (found.code, found.severity) == ("paging", "doubt")
    assert found.evidence == "1 of 2 launches read memory back from a disk, up to 30/s"


def test_paging_is_silent() -> None:
    before = trace("process", "major_faults", [(T - 1, 0), (T, 50), (T + 2, 50), (T + 3, 90)])
    for read in ([counter("major_faults", 0.0, "process")], [before], []):
        assert list(machine_checks.paging(context(launch(traces=read)))) == []


def pinned(cores: str, sensors: list[int]) -> Environment:
    return Environment({}, {"affinity": cores}, {"sensors": {"cores": sensors}})


def test_cores_shared_fires() -> None:
    (found,) = machine_checks.cores_shared(context(launch(environment=pinned("0", [0]))))
    assert (found.code, found.severity) == ("sensors_share_core", "doubt")
    assert "measured core 0" in found.evidence
    settings = replace(CASE.settings, threads=4)
    crowded = Record(replace(CASE, settings=settings), (launch(environment=pinned("1", [0])),))
    (found,) = machine_checks.cores_shared(replace(context(), record=crowded))
    assert (found.code, found.evidence) == ("threads_share_cores", "4 threads ran on 1 cores")


def test_cores_shared_is_silent() -> None:
    settings = Settings(threads=2, affinity="none")
    unpinned = Record(replace(CASE, settings=settings), (launch(environment=pinned("0,1", [0, 1])),))
    apart = context(launch(environment=pinned("1", [0])))
    unknown = context(launch(environment=Environment()))
    for record in (apart, replace(context(), record=unpinned), unknown, context()):
        assert list(machine_checks.cores_shared(record)) == []


def test_time_stolen_fires() -> None:
    robbed = launch(1, [counter("cpu1_steal", 0.031, "cpu")])
    found = only(machine_checks.time_stolen, context(launch(), robbed))
    assert (found.code, found.severity) == ("time_stolen", "doubt")
    assert "took up to 3.1% of a measured core" in found.evidence


def test_time_stolen_is_silent() -> None:
    little = launch(traces=[counter("cpu1_steal", 0.019, "cpu")])
    elsewhere = launch(traces=[counter("cpu0_steal", 0.5, "cpu")])  # the model runs on core 1
    assert list(machine_checks.time_stolen(context(little, elsewhere))) == []


def test_clock_changed_fires() -> None:
    drop = [(T - 1, 1e9), (T, 1.8e9), (T + 1, 1.6e9), (T + 2, 1.8e9)]
    found = only(machine_checks.clock_changed, context(launch(), launch(3, [trace("cpu", "cpu1_clock", drop)])))
    assert (found.code, found.severity) == ("clock_changed", "doubt")
    assert found.evidence == "core 1 ran between 1.60 and 1.80 GHz in launch 3"


def test_clock_changed_is_silent() -> None:
    small = [(T - 1, 1e9), (T, 1.8e9), (T + 1, 1.72e9), (T + 1.5, math.nan)]  # before the steady part it may climb
    other = [(T, 1.8e9), (T + 1, 1.0e9)]
    traces = [trace("cpu", "cpu1_clock", small), trace("cpu", "cpu0_clock", other)]
    assert list(machine_checks.clock_changed(context(launch(traces=traces)))) == []


def test_too_hot_fires() -> None:
    zones = [trace("thermal", "gpu_0", [(T, 60), (T + 1, 85.4)]), trace("thermal", "cpu_1", [(T, 91.6), (T + 1, 80)])]
    found = only(machine_checks.too_hot, context(launch(traces=zones), temperature_c=85.0))
    assert (found.code, found.severity) == ("too_hot", "doubt")
    assert found.evidence == "zone cpu_1 reached 92 degC (limit 85)"


def test_too_hot_is_silent() -> None:
    readings = [(T - 1, 120.0), (T, 85.0), (T + 1, math.nan), (T + 3, 120.0)]
    zones = [trace("thermal", "cpu_0", readings), trace("others", "other_busy", [(T, 1000.0)])]
    assert list(machine_checks.too_hot(context(launch(traces=zones), temperature_c=85.0))) == []


def test_settings_refused_fires() -> None:
    refused = "nice -5 refused: it needs root"
    trials = [launch(n, environment=environment(problems=[refused])) for n in range(2)]
    found = only(machine_checks.settings_refused, context(*trials))
    assert (found.code, found.severity, found.evidence) == ("settings_refused", "doubt", refused)
    moved = launch(environment=environment(affinity="1", nice=0, at_end={"affinity": "0,1", "nice": 0}))
    found = only(machine_checks.settings_refused, context(moved))
    assert found.evidence == "affinity was 1 at the start and 0,1 at the end"


def test_settings_refused_is_silent() -> None:
    kept = environment(problems=[], nice=0, at_end={"affinity": "1", "nice": 0})
    for record in (context(launch(environment=kept)), context(launch(environment=environment(problems=[])))):
        assert list(machine_checks.settings_refused(record)) == []


def test_damaged_files_fires() -> None:
    record = Record(CASE, (launch(),), ("store/r/trials/000001-x: cannot be read", "another"))
    found = only(launch_checks.damaged_files, replace(context(), record=record))
    assert (found.code, found.severity) == ("trials_damaged", "doubt")
    assert found.evidence == "2 trial folders were left out: store/r/trials/000001-x: cannot be read"


def test_damaged_files_is_silent() -> None:
    assert list(launch_checks.damaged_files(context(launch()))) == []


def test_sensors_missing_fires() -> None:
    told = Environment(facts={"sensors": {"unavailable": {"thermal": "no zone", "cpu": "no /proc/stat"}}})
    found = list(machine_checks.sensors_missing(context(launch(environment=told), launch(1, environment=told))))
    assert [(one.code, one.severity) for one in found] == [("sensor_missing", "note")] * 2
    assert [one.evidence for one in found] == ["cpu: no /proc/stat", "thermal: no zone"]
    assert verdict_of(tuple(found)) == "valid"


def test_sensors_missing_is_silent() -> None:
    for sensors in ({"unavailable": {}}, None):
        told = Environment(facts={"sensors": sensors})
        assert list(machine_checks.sensors_missing(context(launch(environment=told)))) == []


def test_the_worst_severity_decides() -> None:
    note, doubt, invalid = (Finding("x", severity, "", "") for severity in ("note", "doubt", "invalid"))
    assert verdict_of((note,)) == "valid"
    assert verdict_of((note, doubt)) == "doubtful"
    assert verdict_of((doubt, invalid, note)) == "invalid"


def test_a_small_range_on_a_large_offset_is_judged_by_the_range() -> None:
    artifact = facts(signature=Signature((100.0, 100.5, 101.0), "the lock"))
    other = Record(replace(CASE, precision="fp32"), (launch(outputs=Outputs((100.0, 100.5, 100.9))),))
    assert [
        one.severity for one in output_checks.output_mismatch(replace(context(artifact=artifact), record=other))
    ] == ["invalid"]
