"""A stored run to its result: what is said of an interruption, of damage, of the sensors' cost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.analysis.analyse import analyse, records
from harness.model.case import Case
from harness.model.metrics import REGISTRY
from harness.model.power import Power, PowerTotal
from harness.model.trial import Channel, Phases, Trace, Trial
from harness.model.verdict import RunResult
from tests.support.host_side import (
    CASE,
    STEADY_START_S,
    column,
    environment,
    facts,
    plan,
    samples,
    stored,
    trace,
    trial,
)

OTHER = replace(CASE, variant="other", artifact_sha256="b" * 64)


def test_trials_are_grouped_by_case_in_the_plans_order() -> None:
    trials = [trial(case=OTHER), trial(), trial(case=OTHER, launch=1)]
    grouped = records(stored(trials, plan((CASE, OTHER)), damaged=("torn",)))
    assert list(grouped) == [CASE.id, OTHER.id]
    assert [one.launch for one in grouped[OTHER.id].trials] == [0, 1]
    assert all(record.damaged == ("torn",) for record in grouped.values())


def test_a_result_has_every_case_and_says_what_ran() -> None:
    trials = [trial([0.002] * 20, environment=environment()), trial(launch=1, status="failed", message="killed")]
    result = analyse(stored(trials, plan((CASE, OTHER))))
    assert [(one.case.variant, one.verdict) for one in result.cases] == [("small", "doubtful"), ("other", "invalid")]
    assert result.cases[0].metrics["latency_p50_s"].point == 0.002
    assert set(result.cases[1].metrics) | set(result.cases[1].missing) == set(REGISTRY)
    assert {name: result.run[name] for name in ("trials_planned", "trials_done", "trials_failed")} == {
        "trials_planned": 4,
        "trials_done": 2,
        "trials_failed": 1,
    }
    assert result.run["command"] == ["harness", "run", "scripted"]
    assert result.environment["facts"] == {"cpu": "hand-made"}
    assert result.notes == ()


def test_the_environment_is_of_a_finished_timed_launch() -> None:
    failed = trial(status="failed", message="x", environment=environment(affinity="9"))
    assert analyse(stored([failed])).environment == {"requested": {}, "in_force": {}, "facts": {}}
    good = trial(launch=1, environment=environment(affinity="1"))
    assert analyse(stored([failed, good])).environment["in_force"] == {"affinity": "1"}


def test_an_interruption_is_said_with_what_is_there() -> None:
    result = analyse(stored([trial()], finished_utc=None))
    assert result.notes == ("This run was interrupted after 1 of 2 trials; the same command goes on with it.",)
    assert result.run["finished_utc"] is None


def test_damage_is_said_and_doubted() -> None:
    result = analyse(stored([trial([0.001] * 20, launch=n) for n in range(6)], damaged=("trials/000001-x: torn",)))
    assert result.notes == ("Left out: trials/000001-x: torn",)
    (one,) = result.cases
    assert one.verdict == "doubtful"
    assert [finding.code for finding in one.findings if finding.severity == "doubt"] == ["trials_damaged"]


READ = (trace("process", "rss", [(0.0, 1.0)]),)


def test_the_cost_of_the_sensors_is_a_note() -> None:
    durations, block, arms = [], [], []
    for number in range(12):
        arms.append("on" if number % 2 else "off")
        durations += [0.00103 if number % 2 else 0.001] * 10
        block += [number] * 10
    observer = trial(mode="observer", samples=samples(durations, block=block), arms=tuple(arms), traces=READ)
    (note,) = analyse(stored([trial([0.001] * 20), observer])).notes
    assert "measured in this run on small (6 interleaved pairs of blocks)" in note
    assert "changes the median by +3.00% [+3.00%, +3.00%]." in note
    failed = replace(observer, status="failed", message="x")
    assert analyse(stored([failed])).notes == ()


def test_the_cost_in_the_tail_has_no_interval() -> None:
    """Six pairs of 111 inferences: 666 an arm, where a p99 needs 662."""
    arms = ("on", "off") * 6
    durations = [{"on": 0.00103, "off": 0.001}[arm] for arm in arms for _ in range(111)]
    block = [number for number in range(12) for _ in range(111)]
    observer = trial(mode="observer", samples=samples(durations, block=block), arms=arms, traces=READ)
    (note,) = analyse(stored([observer])).notes
    assert note.endswith("[+3.00%, +3.00%], the pooled p99 by +3.00% (no interval).")
    assert analyse(stored([replace(observer, traces=())])).notes == ()


def test_the_artifact_is_the_plans() -> None:
    known = facts(parameters=7)
    (one,) = analyse(stored([trial()], plan(artifact=known))).cases
    assert one.artifact == known
    assert one.metrics["parameters"].point == 7


def test_cases_read_at_different_places_are_told_apart() -> None:
    """A rail for the one, a plug for the other; and one place for both where there is one."""
    times = [STEADY_START_S - 1 + 0.0503 * number for number in range(250)]
    window = Phases(steady_start_s=STEADY_START_S, steady_end_s=STEADY_START_S + 10)

    def read(case: Case, launch: int, **watts: float) -> Trial:
        traces = [
            Trace(
                Channel(name, f"{name}_power", "W", "gauge", "rail", "board rail"),
                column(times),
                column([one] * len(times)),
            )
            for name, one in watts.items()
        ]
        return trial([0.1] * 100, case=case, launch=launch, phases=window, traces=tuple(traces))

    totals = (PowerTotal(("plug:plug_power",), "wall"), PowerTotal(("ina:ina_power",), "module input"))
    planned = plan((CASE, OTHER))

    def result(*trials: Trial) -> RunResult:
        found = stored(trials, planned)
        device = replace(found.run.device, power=Power(totals))
        return analyse(replace(found, run=replace(found.run, device=device)))

    apart = result(read(CASE, 0, ina=5.0), read(OTHER, 0, plug=9.0))
    assert [case.metrics["energy_per_inference_j"].point for case in apart.cases] == pytest.approx([0.5, 0.9])
    (note,) = apart.notes
    assert note == (
        "Energy was read at different places, and only energies of one place compare: module input (ina:ina_power) for "
        "small (null, single-stream); wall (plug:plug_power) for other (null, single-stream)."
    )
    together = result(read(CASE, 0, ina=5.0), read(OTHER, 0, ina=6.0, plug=9.0))
    assert [case.metrics["energy_per_inference_j"].point for case in together.cases] == pytest.approx([0.5, 0.6])
    assert [note.split(" told ")[0] for note in together.notes] == ["plug:plug_power (wall)"]
