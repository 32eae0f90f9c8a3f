from __future__ import annotations

import math
import os
import statistics
from array import array
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from harness.board.hold import Board, Hold
from harness.board.job import Job, Material
from harness.board.runner import Holder, examine, holder, probe, run_pair, run_trial
from harness.board.script import (
    OBSERVER_BLOCK_S,
    OBSERVER_PAIRS,
    SLACK_S,
    SLOWEST_INFERENCE_S,
    BlockOrder,
    block_order,
    script_of,
)
from harness.errors import UsageError
from harness.model.case import Case, PlannedTrial, TensorSpec
from harness.model.device import Settle, State
from harness.model.run import trial_id
from harness.model.trial import Trial
from harness.store import store
from tests.support import host_side, models
from tests.support.agent_side import (
    MILLI_S,
    STOP,
    WARM_UP,
    make_board,
    make_case,
    null_script,
    sha256,
    tree,
    working_below,
)

IMAGE = (TensorSpec("image", "float32", (1, 3, 8, 8)),)
# Nine of ten queries take 1/1024 s, the tenth takes eight times as long.
DURATIONS_S = [MILLI_S] * 9 + [8 * MILLI_S]


def job_of(artifact: str, mode: str = "performance", case: Case | None = None) -> Job:
    case = case or make_case()
    planned = PlannedTrial(case.id, mode, 2)  # type: ignore[arg-type]
    return Job("run", case, planned, 3, Material(artifact, sha256(artifact)))


def run(board: Board, artifact: str, mode: str = "performance", case: Case | None = None) -> Trial:
    return played(board, job_of(artifact, mode, case))


def played(board: Board, job: Job) -> Trial:
    """A trial of a run that is over afterwards: the same one is measured anew the next time."""
    with Hold(board, job.run) as hold:
        trial = run_trial(hold, job)
        hold.drop(None)
    return trial


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return make_board(tmp_path / "board")


def artifact(tmp_path: Path, **script: object) -> str:
    return null_script(tmp_path / "model.json", DURATIONS_S, output=[0.5, -1.0], **script)


def test_a_trial_holds_every_duration_exactly(board: Board, tmp_path: Path) -> None:
    trial = run(board, artifact(tmp_path, first_s=0.5))
    assert (trial.status, trial.message) == ("ok", "")
    warm, timed = trial.warm_up, trial.samples
    script = [DURATIONS_S[number % 10] for number in range(1 + len(warm) + len(timed))]
    assert trial.phases.first_inference_s == 0.5
    assert warm.duration_s.tolist() == script[1 : 1 + len(warm)]
    assert timed.duration_s.tolist() == script[1 + len(warm) :]
    assert trial.stop_reason == "minimum count and duration reached"
    # 17 ms for ten: 250 ms are 256 parts of 1/1024 s, so between 15 and 16 rounds of ten.
    assert 150 < len(timed) <= 160
    assert 0.25 <= sum(timed.duration_s) < 0.25 + 8 * MILLI_S


def test_quantiles_of_a_trial_are_those_of_the_script(board: Board, tmp_path: Path) -> None:
    timed = run(board, artifact(tmp_path)).samples
    assert statistics.median(timed.duration_s) == MILLI_S
    cuts = statistics.quantiles(timed.duration_s, n=100)
    assert (cuts[79], cuts[98]) == (MILLI_S, 8 * MILLI_S)


def test_a_trial_is_one_unbroken_timeline(board: Board, tmp_path: Path) -> None:
    trial = run(board, artifact(tmp_path))
    starts = [*trial.warm_up.start_s, *trial.samples.start_s]
    lasted = [*trial.warm_up.duration_s, *trial.samples.duration_s]
    assert all(start + duration == after for start, duration, after in zip(starts, lasted, starts[1:], strict=False))
    assert trial.phases.steady_start_s == trial.samples.start_s[0]
    assert trial.phases.steady_end_s == starts[-1] + lasted[-1]
    assert (trial.phases.warm_up_count, trial.phases.warm_up_s) == (len(trial.warm_up), sum(trial.warm_up.duration_s))
    assert trial.phases.warm_up_steady
    assert set(trial.samples.block) == {0.0}
    assert sorted(set(trial.warm_up.block)) == [float(number) for number in range(int(max(trial.warm_up.block)) + 1)]


def test_a_trial_says_what_it_is(board: Board, tmp_path: Path) -> None:
    case, trial = make_case(), run(board, artifact(tmp_path))
    assert (trial.run, trial.case, trial.mode, trial.launch, trial.order) == ("run", case, "performance", 2, 3)
    assert trial.id == trial_id("run", PlannedTrial(case.id, "performance", 2))
    assert trial.dataset_sha256 is None
    assert (trial.outputs.signature, trial.outputs.finite) == ((0.5, -1.0), True)
    assert trial.environment.in_force["providers"] == ["null"]
    assert trial.environment.facts["python"]
    assert trial.environment.facts["state_end"]["memory_available_bytes"] > 0


def test_memory_is_read_between_the_phases(board: Board, tmp_path: Path) -> None:
    size, pages = 64 * 2**20, 2**20
    memory = run(board, artifact(tmp_path, memory_bytes=size)).memory
    assert memory["after_first_rss_bytes"] - memory["before_load_rss_bytes"] == pytest.approx(size, abs=pages)
    assert memory["end_peak_rss_bytes"] >= memory["before_load_rss_bytes"] + size - pages
    if "end_pss_bytes" in memory:  # the kernel keeps it since 4.14
        assert memory["after_first_pss_bytes"] - memory["before_load_pss_bytes"] == pytest.approx(size, abs=pages)


def test_trials_of_one_plan_have_different_ids() -> None:
    planned = PlannedTrial("case", "performance", 0)
    others = [replace(planned, launch=1), replace(planned, mode="observer"), replace(planned, case_id="other")]
    ids = [trial_id("run", one) for one in (planned, *others)] + [trial_id("another", planned)]
    assert len(set(ids)) == 5
    assert trial_id("run", PlannedTrial("case", "performance", 0)) == ids[0]


def test_sensors_run_where_they_can_and_as_often_as_asked(board: Board, tmp_path: Path) -> None:
    allowed = sorted(os.sched_getaffinity(0))
    trial = run(board, artifact(tmp_path))
    sensors = trial.environment.facts["sensors"]
    assert sensors["cores"] == (allowed[:-1] or allowed)
    assert trial.environment.in_force["affinity"] == str(allowed[-1])
    assert trial.environment.in_force["at_end"]["affinity"] == str(allowed[-1])
    assert sensors["reads"] >= 2
    channels = {(trace.channel.collector, trace.channel.name) for trace in trial.traces}
    assert {("process", "rss"), ("others", "other_busy")} <= channels
    assert not channels & {(name, "anything") for name in sensors["unavailable"]}
    assert max(len(trace.time_s) for trace in trial.traces) == sensors["reads"]
    for trace in trial.traces:
        assert len(trace.time_s) == len(trace.value)
        assert all(before < after for before, after in pairwise(trace.time_s))


def test_settings_are_recorded_as_asked_and_as_in_force(board: Board, tmp_path: Path) -> None:
    trial = run(board, artifact(tmp_path), case=make_case(affinity="100000"))
    requested = trial.environment.requested
    assert {name: requested[name] for name in ("threads", "affinity", "nice")} == {
        "threads": 1,
        "affinity": "100000",
        "nice": 0,
    }
    assert (requested["steady_min_duration_s"], requested["idle_s"]) == (STOP["min_duration_s"], 0.0)
    assert trial.environment.in_force["affinity"] == ",".join(map(str, sorted(os.sched_getaffinity(0))))
    (problem,) = trial.environment.in_force["problems"]
    assert problem.startswith("affinity '100000' refused")


def test_a_captured_machine_is_measured_in_the_place_of_this_one(tmp_path: Path) -> None:
    zone = "sys/class/thermal/thermal_zone0"
    files = {f"{zone}/type": "CPU-therm\n", f"{zone}/temp": "71500\n", "proc/device-tree/model": b"Captured Board\0"}
    trial = run(make_board(tmp_path / "board", root=tree(tmp_path / "root", files)), artifact(tmp_path))
    assert trial.status == "ok"
    assert trial.environment.facts["cpu"] == "Captured Board"
    (trace,) = trial.traces
    assert (trace.channel.name, trace.channel.unit, set(trace.value)) == ("CPU-therm_0", "degC", {71.5})
    assert sorted(trial.environment.facts["sensors"]["unavailable"]) == ["cpu", "others", "process"]
    assert trial.memory == {}


def test_an_output_that_is_not_finite_is_a_fact_and_no_failure(board: Board, tmp_path: Path) -> None:
    trial = run(board, artifact(tmp_path, fail={"at": 50, "how": "nan"}))
    assert trial.status == "ok"
    assert not trial.outputs.finite
    assert [math.isnan(value) for value in trial.outputs.signature] == [True, True]


@pytest.mark.parametrize(
    ("fail", "words"),
    [
        ({"at": "load", "how": "kill"}, "SIGKILL"),
        ({"at": 0, "how": "kill"}, "SIGKILL"),
        ({"at": 40, "how": "kill"}, "SIGKILL usually means that memory ran out (see dmesg)"),
        ({"at": 40, "how": "exit", "status": 5}, "ended by itself with status 5"),
        ({"at": "load", "how": "raise"}, "load: RuntimeError: scripted failure at load\nTraceback"),
        ({"at": 40, "how": "raise"}, "measure: RuntimeError: scripted failure at 40\nTraceback"),
    ],
)
def test_a_failure_is_a_failed_trial_that_says_why(
    board: Board, tmp_path: Path, fail: dict[str, object], words: str
) -> None:
    trial = run(board, artifact(tmp_path, fail=fail))
    assert trial.status == "failed"
    assert words in trial.message
    assert len(trial.samples) == 0
    assert trial.environment.facts["sensors"]["cores"]
    assert working_below(tmp_path) == []


@pytest.mark.parametrize("mode", ["performance", "observer", "accuracy"])
def test_an_artifact_of_another_hash_is_a_failed_trial_that_names_it(board: Board, tmp_path: Path, mode: str) -> None:
    case, script = make_case(), artifact(tmp_path)
    job = Job("run", case, PlannedTrial(case.id, mode, 0), 0, Material(script, "f" * 64))  # type: ignore[arg-type]
    trial = played(board, job)
    found = f"artifact_sha256 is {sha256(script)}, expected {'f' * 64}"
    expected = f"the board's copy of {script} was altered: {found}; remove it there"
    assert (trial.status, trial.message) == ("failed", expected)
    assert (len(trial.samples), trial.outputs.signature, trial.phases.load_s, trial.arms) == (0, (), None, ())
    assert working_below(tmp_path) == []


@pytest.mark.parametrize("at", ["load", 0, 40])
def test_a_killed_trial_is_not_blamed_on_the_sensor_process(board: Board, tmp_path: Path, at: str | int) -> None:
    message = run(board, artifact(tmp_path, fail={"at": at, "how": "kill"})).message
    assert message.endswith("(see dmesg)")


def test_a_finished_trial_leaves_no_process(board: Board, tmp_path: Path) -> None:
    with Hold(board, "run") as hold:
        assert run_trial(hold, job_of(artifact(tmp_path))).status == "ok"
        # Of the trial, while its board is still held; of the steward and its guard, afterwards.
        assert working_below(tmp_path / "board/trials") == []
    assert working_below(tmp_path) == []


def test_a_core_that_is_not_there_is_recorded_as_a_problem(board: Board, tmp_path: Path) -> None:
    trial = run(board, artifact(tmp_path), case=make_case(affinity="9999"))
    assert trial.status == "ok"
    assert "affinity '9999' refused" in trial.environment.in_force["problems"][0]
    assert trial.environment.in_force["affinity"] != "9999"


def test_an_affinity_that_means_nothing_is_refused_before_any_trial() -> None:
    with pytest.raises(UsageError, match="'first' is none of: last, none, or core numbers"):
        make_case(affinity="first")


def test_observer_blocks_alternate_in_balanced_pairs(board: Board, tmp_path: Path) -> None:
    trial = run(board, null_script(tmp_path / "model.json", [8 * MILLI_S]), "observer")
    assert (trial.status, trial.stop_reason) == ("ok", "all blocks done")
    assert len(trial.arms) == 2 * OBSERVER_PAIRS
    assert all(sorted(trial.arms[first : first + 2]) == ["off", "on"] for first in range(0, len(trial.arms), 2))
    assert set(trial.arms[::2]) == {"on", "off"}
    # 0.1 s of 8/1024 s each are 13 inferences.
    per_block = math.ceil(OBSERVER_BLOCK_S / (8 * MILLI_S))
    assert trial.samples.block.tolist() == [float(block) for block in range(len(trial.arms)) for _ in range(per_block)]
    assert set(trial.samples.duration_s) == {8 * MILLI_S}


def test_the_order_of_the_arms_depends_on_the_launch_alone(board: Board, tmp_path: Path) -> None:
    script, case = null_script(tmp_path / "model.json", [64 * MILLI_S]), make_case()
    arms = []
    for launch in (0, 0, 1):
        job = Job("run", case, PlannedTrial(case.id, "observer", launch), 0, Material(script, sha256(script)))
        arms.append(played(board, job).arms)
    assert arms[0] == arms[1] != arms[2]


def patience_s(board: Board, job: Job, request: str) -> float:
    """How long the answer to a request of the trial may take."""
    (waited_s,) = [step["timeout_s"] for step in script_of(job, board) if step["do"] == request]
    return float(waited_s)


def test_the_deadline_of_the_observer_allows_for_a_slow_model(board: Board, tmp_path: Path) -> None:
    # Half a second an inference: eight of them in each of 48 blocks take 192 s, on the scripted clock.
    script = null_script(tmp_path / "model.json", [0.5])
    trial = run(board, script, "observer")
    assert trial.status == "ok"
    assert trial.phases.steady_end_s - trial.phases.steady_start_s == 192.0
    # Of as many arms as the trial had.
    (observing_s,) = [
        step["timeout_s"]
        for step in script_of(job_of(script, "observer"), board, trial.arms)
        if step["do"] == "observe"
    ]
    assert observing_s > WARM_UP["max_duration_s"] + 192.0


def test_the_deadline_of_a_timed_run_allows_for_the_five_blocks_of_a_slow_model(board: Board, tmp_path: Path) -> None:
    """What ends a hang must not end a model that never becomes steady: its five blocks take what they take."""
    growing = [SLOWEST_INFERENCE_S / 4 * 1.03**number for number in range(40)]
    script = null_script(tmp_path / "model.json", growing)
    trial = run(board, script)
    assert (trial.status, trial.phases.warm_up_count, trial.phases.warm_up_steady) == ("ok", 15, False)
    measuring_s = patience_s(board, job_of(script), "measure")
    idle_s = 2 * board.device.power.idle_s
    assert measuring_s == WARM_UP["max_duration_s"] + STOP["budget_s"] + SLACK_S + 15 * SLOWEST_INFERENCE_S + idle_s
    needed_s = trial.phases.first_inference_s + trial.phases.warm_up_s + sum(trial.samples.duration_s)
    assert WARM_UP["max_duration_s"] + STOP["budget_s"] + SLACK_S < needed_s < measuring_s


def test_accuracy_mode_returns_logits_of_every_image(board: Board, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    model = models.tiny(tmp_path / "tiny.onnx")
    images = np.random.default_rng(1).integers(0, 256, (40, 3, 8, 8), np.uint8)
    np.save(tmp_path / "images.npy", images)
    case = replace(make_case("onnxruntime"), inputs=IMAGE)
    labels = array("d", [number % 2 for number in range(37)])
    sent = Material(
        str(model), sha256(model), images=str(tmp_path / "images.npy"), labels=labels, dataset_sha256="d" * 64
    )
    trial = played(board, Job("run", case, PlannedTrial(case.id, "accuracy", 0), 0, sent))
    assert (trial.status, trial.message) == ("ok", "")
    assert trial.dataset_sha256 == "d" * 64
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    logits = session.run(None, {"image": images[:37].astype(np.float32) / 255})[0]
    assert trial.outputs.top1.tolist() == logits.argmax(axis=1).tolist()
    assert np.array(trial.outputs.logits).reshape(37, 2) == pytest.approx(logits, abs=1e-6)
    assert trial.outputs.label == labels
    assert (len(trial.samples), trial.traces) == (0, ())


def test_probe_tells_what_works_here_and_why_the_rest_does_not(tmp_path: Path) -> None:
    zone = "sys/class/thermal/thermal_zone0"
    root = tree(tmp_path / "root", {f"{zone}/type": "cpu\n", f"{zone}/temp": "asleep\n"})
    found = probe(make_board(tmp_path / "board", root=root))
    assert found["collectors"] == {
        "thermal": {
            "channels": [["cpu_0", "degC", "zone", "thermal zone", None]],
            "period_s": 0.01,
            "update_period_s": None,
            "read_s": None,
        }
    }
    assert sorted(found["unavailable"]) == ["cpu", "others", "process"]
    assert found["backends"]["null"] == {}
    assert found["facts"]["cores_allowed"] >= 1


def test_a_trial_that_was_finished_before_is_collected_and_not_measured_again(board: Board, tmp_path: Path) -> None:
    script = artifact(tmp_path)
    with Hold(board, "run") as hold:
        first, again = (run_trial(hold, job_of(script)) for _ in range(2))
    with Hold(board, "run") as hold:
        later = run_trial(hold, job_of(script))
    assert again == later == first
    assert first.samples.start_s == later.samples.start_s


def test_what_the_runtime_executed_is_asked_of_the_first_launch_alone(board: Board, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    model, case = models.tiny(tmp_path / "tiny.onnx"), replace(make_case("onnxruntime"), inputs=IMAGE)
    board_inputs = str(tmp_path / "inputs.npz")
    np.savez(board_inputs, image=np.zeros((1, 3, 8, 8), np.float32))
    known = []
    for launch in (0, 1):
        planned = PlannedTrial(case.id, "performance", launch)
        trial = played(board, Job("run", case, planned, 0, Material(str(model), sha256(model), board_inputs)))
        assert trial.status == "ok", trial.message
        known.append(trial.environment.facts.get("operators"))
    assert known[1] is None
    assert {one["provider"] for one in known[0]} == {"CPUExecutionProvider"}


def test_the_state_of_the_board_stands_in_the_trial(tmp_path: Path) -> None:
    policy = "sys/devices/system/cpu/cpufreq/policy0"
    governor = {
        f"{policy}/scaling_governor": "ondemand",
        f"{policy}/scaling_available_governors": "ondemand performance",
    }
    made = make_board(tmp_path / "board", root=tree(tmp_path / "root", governor))
    state = State(governor="performance", fan=80)
    device = replace(made.device, state=state, settle=Settle(deadline_s=2.0, load_cores=100.0))
    script = artifact(tmp_path)
    with Hold(replace(made, device=device), "run") as hold:
        hold.calm()
        trial = run_trial(hold, job_of(script))
    assert trial.environment.requested["state"] == {"governor": "performance", "fan": 80}
    assert trial.environment.in_force["state"] == {"governor": "performance"}
    (problem,) = trial.environment.facts["state_problems"]
    assert (problem["control"], problem["asked"], problem["in_force"]) == ("fan", 80, None)
    assert trial.environment.facts["settled"]["calm"]


def test_a_board_that_is_left_as_it_is_says_nothing_of_its_state(board: Board, tmp_path: Path) -> None:
    trial = run(board, artifact(tmp_path))
    assert "state" not in trial.environment.requested
    assert "state" not in trial.environment.in_force
    assert not {"state_problems", "settled"} & set(trial.environment.facts)


def test_who_has_a_board_is_asked_without_taking_it(board: Board) -> None:
    assert holder(board) is None
    with Hold(board, "run"):
        found = holder(board)
    assert found == Holder(found.who, found.since_utc, "run")
    assert ("@" in found.who, found.since_utc[-1]) == (True, "Z")
    assert holder(board) is None


def test_a_board_is_examined_for_what_a_doctor_asks(tmp_path: Path) -> None:
    found = examine(make_board(tmp_path / "board"))
    assert found["backends"]["null"] == {}
    assert found["disk_free_bytes"] > 0
    assert abs(found["clock_offset_s"]) < 60.0  # the same machine
    assert {"governor", "clocks", "fan", "cores", "power_mode"} == set(found["state"])
    assert "rights" in found


ORDER = BlockOrder((1, 0), (True, False, False, True), 100)
PLACES = (("first", "second", "second", "first"), ("second", "first", "first", "second"))


def sides(tmp_path: Path, *scripts: dict[str, object], launch: int = 4) -> list[Job]:
    """One job per script, each of another variant; the second takes twice as long."""
    found = []
    for arm, script in enumerate(scripts or ({}, {})):
        path = null_script(tmp_path / f"{arm}.json", [(arm + 1) * MILLI_S], output=[float(arm)], **script)
        case = replace(make_case(), variant=f"v{arm}", artifact_sha256=sha256(path))
        found.append(Job("run", case, PlannedTrial(case.id, "paired", launch), launch, Material(path, sha256(path))))
    return found


def paired(board: Board, jobs: list[Job], order: BlockOrder = ORDER) -> tuple[Trial, Trial]:
    with Hold(board, "run") as hold:
        both = run_pair(hold, jobs[0], jobs[1], order)
        hold.drop(None)
    return both


def test_a_pair_is_two_trials_whose_blocks_belong_together(board: Board, tmp_path: Path) -> None:
    jobs = sides(tmp_path)
    both = paired(board, jobs)
    for arm, trial in enumerate(both):
        assert (trial.status, trial.message, trial.stop_reason) == ("ok", "", "all blocks done")
        assert (trial.id, trial.case, trial.mode, trial.launch) == (jobs[arm].trial_id, jobs[arm].case, "paired", 4)
        assert (trial.arms, trial.traces) == (PLACES[arm], ())
        assert trial.outputs.signature == (float(arm),)
        per_block = (20, 10)[arm] + 1  # 20 ms are 20.48 of 1/1024 s
        assert trial.samples.block.tolist() == [float(block) for block in range(4) for _ in range(per_block)]
        assert set(trial.samples.duration_s) == {(arm + 1) * MILLI_S}
        assert trial.phases.warm_up_count == len(trial.warm_up)
        assert trial.phases.warm_up_s == sum(trial.warm_up.duration_s)
        assert trial.phases.steady_start_s == trial.samples.start_s[0]
        assert trial.phases.load_s is not None
        assert trial.phases.first_inference_s == (arm + 1) * MILLI_S
        assert {"before_load_rss_bytes", "after_first_rss_bytes", "end_peak_rss_bytes"} <= set(trial.memory)
        asked = trial.environment.requested
        assert (asked["started"], asked["padding_bytes"]) == (("second", "first")[arm], 100)
        assert asked["threads"] == 1
        assert trial.environment.in_force["providers"] == ["null"]
        assert trial.environment.facts["state_end"]
    assert both[0].environment.facts["boot_id"] == both[1].environment.facts["boot_id"]


def test_both_trials_of_a_pair_are_stored_and_read_back_equal(board: Board, tmp_path: Path) -> None:
    both = paired(board, sides(tmp_path), block_order("seed"))
    for trial in both:
        folder = store.append(store.begin(tmp_path / f"store-{trial.id}", host_side.run()), trial)
        assert store.read_trial(folder) == trial


def test_exchanged_sides_give_exchanged_trials(board: Board, tmp_path: Path) -> None:
    jobs = sides(tmp_path)
    exchanged = BlockOrder((0, 1), tuple(not second for second in ORDER.candidate_second), ORDER.padding)
    for one, other in zip(paired(board, jobs), reversed(paired(board, jobs[::-1], exchanged)), strict=True):
        assert (one.id, one.arms) == (other.id, other.arms)
        assert one.samples.duration_s == other.samples.duration_s
        assert one.environment.requested == other.environment.requested


@pytest.mark.parametrize("arm", [0, 1])
def test_where_one_of_a_pair_dies_both_failed_and_say_which(board: Board, tmp_path: Path, arm: int) -> None:
    scripts: list[dict[str, object]] = [{}, {}]
    scripts[arm] = {"fail": {"at": (180, 90)[arm], "how": "kill"}}  # in one of its blocks
    both = paired(board, sides(tmp_path, *scripts))
    assert [trial.status for trial in both] == ["failed", "failed"]
    assert both[arm].message.startswith("the process under test was ended by SIGKILL")
    other = both[1 - arm].message
    assert other.startswith("the process under test was ended with its partner of the duet: was ended by SIGKILL")
    assert [len(trial.samples) for trial in both] == [0, 0]
    assert both[1 - arm].phases.load_s is not None  # what is known of it is kept
    assert working_below(Path(board.transport.folder)) == []


def test_where_one_of_a_pair_is_refused_both_failed_with_the_reason(board: Board, tmp_path: Path) -> None:
    both = paired(board, sides(tmp_path, {}, {"fail": {"at": "load", "how": "raise"}}))
    assert [trial.status for trial in both] == ["failed", "failed"]
    assert both[1].message.startswith("load: RuntimeError: scripted failure at load\n")
    assert both[0].message.endswith("was ended with its partner of the duet: scripted failure at load")


def test_an_altered_artifact_of_one_side_stops_both(board: Board, tmp_path: Path) -> None:
    jobs = sides(tmp_path)
    jobs[0] = replace(jobs[0], material=replace(jobs[0].material, sha256="0" * 64))
    both = paired(board, jobs)
    assert "was altered" in both[0].message
    assert "partner" in both[1].message


def test_a_pair_that_was_finished_before_is_collected(board: Board, tmp_path: Path) -> None:
    jobs = sides(tmp_path)
    with Hold(board, "run") as hold:
        first = run_pair(hold, jobs[0], jobs[1], ORDER)
    with Hold(board, "run") as hold:
        again = run_pair(hold, jobs[0], jobs[1], ORDER)
        hold.drop(jobs[0].trial_id)
        assert not list((Path(board.transport.folder) / "trials/run").iterdir())
        hold.drop(None)
    assert again == first


def test_a_duet_with_itself_needs_two_names(board: Board, tmp_path: Path) -> None:
    job = sides(tmp_path)[0]
    with Hold(board, "run") as hold, pytest.raises(UsageError, match="a duet of v0 with itself: give one of the two"):
        run_pair(hold, job, job, ORDER)
