from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.agent import PROTOCOL, trials, wire
from harness.agent.host import Recalled
from harness.agent.steward import Steward as StewardItself
from harness.board import pack
from harness.errors import AgentError, BoardBusy, DeviceFileError, ReachError
from tests.support import steward_side
from tests.support.agent_side import ended, null_script, sha256, tree, working_below
from tests.support.steward_side import BOOT, PATIENCE_S, Bench, descriptors, gated, script, step


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with steward_side.bench(tmp_path) as made:
        yield made


def timed(tmp_path: Path, **rest: Any) -> list[dict[str, Any]]:
    artifact = null_script(tmp_path / "model.json", **rest)
    return script(artifact, sha256(artifact))


def names(played: dict[str, Any]) -> list[str]:
    return [reply["do"] for reply in played["replies"]]


def pid_of(played: dict[str, Any]) -> int:
    pid: int = played["replies"][0]["result"]["pid"]
    return pid


def test_a_trial_is_played_in_its_folder_and_kept(bench: Bench, tmp_path: Path) -> None:
    steward = bench.steward()
    played = steward.play("one", timed(tmp_path))
    assert names(played) == ["hello", "prepare", "load", "measure", "bye"]
    assert all(reply["ok"] for reply in played["replies"])
    assert (played["died"], played["state"], played["settled"]) == (None, None, None)
    folder = bench.trials / "run/one"
    assert (played["folder"], played["files"]) == (str(folder), ["errors-0", "samples"])
    assert len(wire.read_columns(folder / "samples")["samples.duration_s"]) >= 64
    assert json.loads((folder / trials.RESULT).read_text()) == played
    assert played["wall_s"] > 0
    assert pid_of(played) != steward.pid
    assert working_below(folder) == []


def test_a_trial_that_is_asked_for_twice_is_measured_once(bench: Bench, tmp_path: Path) -> None:
    steward = bench.steward()
    assert steward.play("one", timed(tmp_path)) == steward.play("one", timed(tmp_path))
    assert pid_of(steward.play("two", timed(tmp_path))) != pid_of(steward.play("one", timed(tmp_path)))


def test_what_is_not_as_expected_ends_a_trial_before_it_is_measured(bench: Bench, tmp_path: Path) -> None:
    artifact = null_script(tmp_path / "model.json")
    played = bench.steward().play("one", script(artifact, "f" * 64))
    assert names(played) == ["hello", "prepare", "load"]
    text = f"artifact_sha256 is {sha256(artifact)}, expected {'f' * 64}"
    assert played["replies"][-1]["error"] == {"type": "Unexpected", "text": text, "traceback": ""}
    assert (played["died"], played["files"]) == (None, ["errors-0"])


def test_a_step_that_fails_is_the_last(bench: Bench, tmp_path: Path) -> None:
    played = bench.steward().play("one", timed(tmp_path, fail={"at": 3, "how": "raise"}))
    assert names(played) == ["hello", "prepare", "load", "measure"]
    error = played["replies"][-1]["error"]
    assert (error["type"], error["text"]) == ("RuntimeError", "scripted failure at 3")
    assert "agent/backends/null.py" in error["traceback"]


def test_a_step_that_may_fail_is_not(bench: Bench, tmp_path: Path) -> None:
    whole = timed(tmp_path)
    whole.insert(4, {**step("profile", backend="tpu", artifact="", options={}, inputs=None), "may_fail": True})
    played = bench.steward().play("one", whole)
    assert names(played) == ["hello", "prepare", "load", "measure", "profile", "bye"]
    assert [reply["ok"] for reply in played["replies"]] == [True, True, True, True, False, True]


@pytest.mark.parametrize(
    ("fail", "kind", "text"),
    [
        (
            {"at": 3, "how": "kill"},
            "Killed",
            "was ended by SIGKILL; SIGKILL usually means that memory ran out (see dmesg)",
        ),
        ({"at": "load", "how": "exit", "status": 5}, "Exited", "ended by itself with status 5"),
    ],
)
def test_a_process_that_died_is_a_result_too(
    bench: Bench, tmp_path: Path, fail: dict[str, Any], kind: str, text: str
) -> None:
    steward = bench.steward()
    played = steward.play("one", timed(tmp_path, fail=fail))
    assert played["died"] == {"kind": kind, "text": text, "said": "", "arm": 0}
    assert played == steward.play("one", timed(tmp_path))
    assert working_below(bench.trials) == []


def test_a_process_that_hangs_is_ended(bench: Bench, tmp_path: Path) -> None:
    whole = timed(tmp_path, fail={"at": 3, "how": "hang"})
    whole[3]["timeout_s"] = 0.001
    played = bench.steward().play("one", whole)
    assert played["died"]["kind"] == "Silence"
    assert names(played) == ["hello", "prepare", "load"]
    assert working_below(bench.trials) == []


def test_a_script_that_is_none_is_an_answer_and_leaves_no_result(bench: Bench, tmp_path: Path) -> None:
    steward, whole = bench.steward(), timed(tmp_path)
    broken = [*whole[:3], {"with": {}}]
    with pytest.raises(AgentError, match="play: KeyError: 'do'"):
        steward.play("one", broken)
    assert working_below(bench.trials) == []
    assert names(steward.play("one", whole))[-1] == "bye"


def test_the_rest_of_an_unfinished_trial_is_swept_away(bench: Bench, tmp_path: Path) -> None:
    rest = bench.trials / "run/one/rest"
    rest.parent.mkdir(parents=True)
    rest.write_text("of a trial that the power went out on")
    assert bench.steward().play("one", timed(tmp_path))["files"] == ["errors-0", "samples"]


def test_stored_trials_are_dropped(bench: Bench, tmp_path: Path) -> None:
    steward = bench.steward()
    for trial in ("one", "two"):
        steward.play(trial, timed(tmp_path))
    assert steward.ask("drop", trial="one")["disk_free_bytes"] > 0
    assert [path.name for path in (bench.trials / "run").iterdir()] == ["two"]
    steward.ask("drop", trial=None)
    assert list(bench.trials.iterdir()) == []


def test_the_state_is_set_told_to_trials_and_put_back(bench: Bench, tmp_path: Path) -> None:
    steward = bench.steward(governor="performance")
    assert bench.governor == "performance"
    state = steward.play("one", timed(tmp_path))["state"]
    assert (state["asked"], state["in_force"], state["problems"]) == (
        {"governor": "performance"},
        {"governor": "performance"},
        [],
    )
    assert steward.ask("leave") == {"told": []}
    assert bench.governor == "ondemand"


def test_each_trial_is_told_what_is_in_force_by_then(bench: Bench, tmp_path: Path) -> None:
    """A desktop's power daemon sets the governor again as it likes."""
    steward = bench.steward(governor="performance")
    bench.governor = "userspace"
    state = steward.play("one", timed(tmp_path))["state"]
    assert state["in_force"] == {"governor": "userspace"}
    (problem,) = state["problems"]
    assert (problem["control"], problem["in_force"]) == ("governor", "userspace")


def test_the_board_is_let_go_with_everything_that_was_started(bench: Bench) -> None:
    steward = bench.steward()
    guard = bench.guard()
    assert [entry["run"] for entry in bench.entries()] == ["run"]
    assert steward.ask("leave") == {"told": []}
    assert (bench.entries(), ended(guard), ended(steward.pid)) == ([], True, True)
    assert steward.conversation.close() == 0


def test_one_that_holds_nothing_leaves_nothing(bench: Bench) -> None:
    steward = bench.steward(None)
    assert steward.ask("leave") == {"told": []}
    assert not bench.leases.exists()


def test_what_cannot_be_put_back_is_said(bench: Bench) -> None:
    steward = bench.steward(governor="performance")
    for path in (bench.root / "sys/devices/system/cpu/cpufreq/policy0").iterdir():
        path.unlink()
    (told,) = steward.ask("leave")["told"]
    assert told.startswith("governor could not be put back: ")
    # It is kept for whoever takes the board next, also by the guard that comes after.
    assert ended(steward.pid)
    (entry,) = bench.entries()
    assert (entry["holder"], entry["found"]) == (None, {"governor": "ondemand"})
    tree(bench.root, {"sys/devices/system/cpu/cpufreq/policy0/scaling_governor": "performance\n"})
    assert bench.take(bench.steward(None), "another")["told"] == []
    assert bench.governor == "ondemand"


def test_what_a_steward_holds_open_does_not_grow(bench: Bench, tmp_path: Path) -> None:
    steward = bench.steward()
    before = descriptors(steward.pid)
    for trial in ("one", "two"):
        steward.play(trial, timed(tmp_path, fail={"at": 3, "how": "kill"}))
    assert descriptors(steward.pid) == before


def test_a_host_of_another_protocol_is_refused(bench: Bench) -> None:
    steward = bench.steward(None)
    with pytest.raises(AgentError, match=f"the host speaks protocol {PROTOCOL + 1}, this agent {PROTOCOL}"):
        steward.ask("hello", protocol=PROTOCOL + 1)


def test_an_unknown_request_is_an_answer(bench: Bench) -> None:
    steward = bench.steward(None)
    with pytest.raises(AgentError, match="KeyError: 'dance'"):
        steward.ask("dance")
    assert steward.link.hello()["protocol"] == PROTOCOL


def test_a_value_that_the_board_does_not_have_is_refused_before_anything_is_set(bench: Bench) -> None:
    steward = bench.steward()
    with pytest.raises(DeviceFileError, match="governor 'fast' is not on this board; it has "):
        steward.ask("control", asked={"governor": "fast"})
    assert bench.governor == "ondemand"


def test_a_lease_that_cannot_be_written_is_an_answer(bench: Bench) -> None:
    bench.leases.parent.mkdir(exist_ok=True)
    bench.leases.write_text("no folder")
    steward = bench.steward(None)
    with pytest.raises(ReachError, match=r"lease cannot be kept \(.*leases.*\): name a folder .*`lease_folder`"):
        bench.take(steward)
    assert steward.ask("leave") == {"told": []}


def test_another_run_is_refused_at_once(bench: Bench) -> None:
    bench.steward("run")
    with pytest.raises(BoardBusy, match=r"me@here has been measuring on it since .* \(run run\)"):
        bench.take(bench.steward(None), "another")
    assert [entry["run"] for entry in bench.entries()] == ["run"]


def test_a_host_that_leaves_in_the_middle_of_a_trial_is_let_go_at_once(bench: Bench) -> None:
    steward = bench.steward(governor="performance")
    gate, whole = gated(bench)
    steward.send("play", trial="one", script=whole)
    gate.reached()
    trial = bench.trial_pid()
    number = steward.send("leave")
    assert steward.answer() == {"ok": True, "result": {"told": []}, "n": number}
    assert ended(steward.pid)
    assert (ended(trial), list((bench.trials / "run").iterdir())) == (True, [])
    assert (bench.entries(), bench.governor) == ([], "ondemand")


def test_a_board_that_goes_down_gives_the_trial_up(bench: Bench) -> None:
    steward = bench.steward(governor="performance")
    gate, whole = gated(bench)
    steward.send("play", trial="one", script=whole)
    gate.reached()
    trial = bench.trial_pid()
    os.kill(steward.pid, signal.SIGTERM)
    assert (ended(steward.pid), ended(trial)) == (True, True)
    assert (bench.entries(), bench.governor, list((bench.trials / "run").iterdir())) == ([], "ondemand", [])
    assert steward.conversation.close() == 0


def test_a_trial_that_ends_because_the_board_goes_down_did_not_fail(bench: Bench) -> None:
    """All processes are told to end, in any order: here the trial is the first to hear of it."""
    steward = bench.steward()
    gate, whole = gated(bench)
    steward.send("play", trial="one", script=whole)
    gate.reached()
    trial = bench.trial_pid()
    os.kill(steward.pid, signal.SIGSTOP)
    for pid, number in ((trial, signal.SIGTERM), (steward.pid, signal.SIGTERM), (steward.pid, signal.SIGCONT)):
        os.kill(pid, number)
    assert ended(steward.pid)
    assert list((bench.trials / "run").iterdir()) == []


class GoingDown:
    """A host's end that hears of the board's end only after the trial's process has ended."""

    def __init__(self) -> None:
        self.heeded = 0

    def meanwhile(self) -> dict[int, Any]:
        return {}

    def heed(self, patience_s: float) -> None:
        assert patience_s > 0
        self.heeded += 1
        raise Recalled


@pytest.mark.parametrize(
    ("fail", "kept"),
    [({}, True), ({"at": 3, "how": "kill"}, False), ({"at": 3, "how": "raise"}, False)],
)
def test_a_failure_is_not_kept_before_it_is_clear_that_the_board_stays(
    bench: Bench, tmp_path: Path, fail: dict[str, Any], kept: bool
) -> None:
    """What was measured to its end is, whatever becomes of the board."""
    host = GoingDown()
    launch = [sys.executable, str(pack.write(tmp_path))]
    steward = StewardItself(launch, bench.transport.folder, host)
    steward.take("run", "me@here", str(bench.leases), 0.0)
    try:
        with contextlib.suppress(Recalled):
            steward.play("one", timed(tmp_path, fail=fail))
    finally:
        steward.leave()
    assert host.heeded == (0 if kept else 1)
    assert (bench.trials / "run/one" / trials.RESULT).exists() == kept
    assert working_below(bench.trials) == []


def test_a_lost_hosts_trial_is_finished_and_kept_for_it(bench: Bench) -> None:
    first = bench.steward(governor="performance")
    gate, whole = gated(bench)
    first.send("play", trial="one", script=whole)
    gate.reached()
    trial = bench.trial_pid()
    first.hang_up()
    gate.open()
    assert ended(first.pid, PATIENCE_S)
    assert (bench.entries(), bench.governor) == ([], "ondemand")
    again = bench.steward()
    played = again.play("one", whole)
    assert (pid_of(played), names(played)[-1]) == (trial, "bye")
    assert played["state"]["in_force"] == {"governor": "performance"}
    assert wire.read_columns(f"{played['folder']}/samples")


def test_the_last_steward_of_the_same_run_is_told_and_waited_for(bench: Bench) -> None:
    """Its link may be broken without an end to it: a cable that was pulled closes nothing."""
    first = bench.steward(governor="performance")
    gate, whole = gated(bench)
    first.send("play", trial="one", script=whole)
    gate.reached()
    trial = bench.trial_pid()
    second = bench.steward(None)
    second.send("take", run="run", who="me@here", lease_folder=str(bench.leases), wait_s=PATIENCE_S)
    gate.open()
    assert second.answer()["ok"]
    assert ended(first.pid)
    assert bench.governor == "ondemand"
    assert pid_of(second.play("one", whole)) == trial
    assert [entry["holder"]["pid"] for entry in bench.entries()] == [second.pid]


def test_the_last_steward_of_the_same_run_is_not_waited_for_for_ever(bench: Bench) -> None:
    first = bench.steward()
    gate, whole = gated(bench)
    first.send("play", trial="one", script=whole)
    gate.reached()
    second = bench.steward(None)
    (said,) = bench.take(second, wait_s=0.001).values()
    assert said.startswith("me@here has been measuring on it since ")
    assert second.ask("leave") == {"told": []}
    assert [entry["holder"]["pid"] for entry in bench.entries()] == [first.pid]
    gate.open()
    assert ended(first.pid, PATIENCE_S)


def test_whoever_waits_for_the_last_steward_may_leave(bench: Bench) -> None:
    first = bench.steward()
    gate, whole = gated(bench)
    first.send("play", trial="one", script=whole)
    gate.reached()
    second = bench.steward(None)
    second.send("take", run="run", who="me@here", lease_folder=str(bench.leases), wait_s=PATIENCE_S)
    number = second.send("leave")
    assert second.answer() == {"ok": True, "result": {"told": []}, "n": number}
    assert ended(second.pid)
    gate.open()
    assert ended(first.pid, PATIENCE_S)
    assert bench.entries() == []


def test_whoever_waits_for_a_calm_board_may_leave(bench: Bench) -> None:
    zone = bench.root / "sys/class/thermal/thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "type").write_text("cpu\n")
    (zone / "temp").write_text("90000\n")
    rule = {"deadline_s": 3600.0, "window_s": 60.0, "slope_c": 1.0, "start_below_c": 40.0, "load_cores": 100.0}
    steward = bench.steward()
    steward.send("settle", rule=rule, whole=False)
    number = steward.send("leave")
    assert steward.answer() == {"ok": True, "result": {"told": []}, "n": number}
    assert ended(steward.pid)


def test_what_was_waited_for_is_told_to_the_trials_that_follow(bench: Bench, tmp_path: Path) -> None:
    steward = bench.steward()
    rule = {"deadline_s": 0.0, "window_s": 60.0, "slope_c": 1.0, "start_below_c": None, "load_cores": 100.0}
    settled = steward.ask("settle", rule=rule, whole=True)
    assert settled["calm"]
    assert steward.play("one", timed(tmp_path))["settled"] == settled


def test_what_a_dead_steward_of_another_boot_left_is_put_right(bench: Bench) -> None:
    steward = bench.steward(governor="performance")
    guard = bench.guard()
    # As a board that loses its power: nobody puts anything back.
    for pid in (guard, steward.pid):
        os.kill(pid, signal.SIGKILL)
    assert (ended(steward.pid), ended(guard), bench.governor) == (True, True, "performance")
    (bench.root / BOOT).write_text("boot-2\n")
    again = bench.steward(None)
    assert bench.take(again, "another") == {"told": [], "boot_id": "boot-2"}
    assert bench.governor == "ondemand"
