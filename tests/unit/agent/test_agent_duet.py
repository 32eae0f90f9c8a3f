"""Two processes that take turns, as a real steward plays them."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.agent import PROTOCOL, steward, trials, wire
from tests.support import steward_side
from tests.support.agent_side import MILLI_S, SCENARIO, Gate, ended, null_script, sha256, working_below
from tests.support.steward_side import Bench, descriptors, step

BLOCK_S = 2.0**-5  # 32 scripted milliseconds
ORDER = (0, 1, 1, 0, 0, 1)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with steward_side.bench(tmp_path) as made:
        yield made


def duet(*artifacts: str, **hello: Any) -> list[dict[str, Any]]:
    """Three pairs of blocks."""
    found = [step("hello", protocol=PROTOCOL, root="/") | {"arm": arm} | hello for arm in (0, 1)]
    found += [step("prepare", affinity="none", nice=0, sensor_settings=None) | {"arm": arm} for arm in (0, 1)]
    found += [
        step("load", backend="null", artifact=str(path), options={}) | {"arm": arm}
        for arm, path in enumerate(artifacts)
    ]
    asked = {"scenario": SCENARIO, "inputs": None, "blocks": 3, "block_s": BLOCK_S}
    found += [step("duet", **asked) | {"arm": arm} for arm in (0, 1)]
    found += [step("block") | {"arm": arm} for arm in ORDER]
    for arm in (0, 1):
        found += [step("close", path=f"samples-{arm}") | {"arm": arm}, step("bye") | {"arm": arm}]
    return found


def pair(tmp_path: Path, **second: Any) -> list[dict[str, Any]]:
    """The second takes twice as long."""
    return duet(
        null_script(tmp_path / "a.json", output=[1.0]),
        null_script(tmp_path / "b.json", [2 * MILLI_S], output=[2.0], **second),
    )


def asked(played: dict[str, Any]) -> list[tuple[str, int]]:
    return [(reply["do"], reply["arm"]) for reply in played["replies"]]


def test_both_take_turns_in_the_order_of_the_script(bench: Bench, tmp_path: Path) -> None:
    script = pair(tmp_path)
    played = bench.steward().play("one", script)
    assert played["died"] is None
    assert all(reply["ok"] for reply in played["replies"])
    assert asked(played) == [(one["do"], one["arm"]) for one in script]
    assert played["files"] == [trials.errors_of(0), trials.errors_of(1), "samples-0", "samples-1"]
    sides = [wire.read_columns(f"{played['folder']}/samples-{arm}") for arm in (0, 1)]
    assert [list(side["samples.block"]) for side in sides] == [
        [float(block) for block in range(3) for _ in range(32)],
        [float(block) for block in range(3) for _ in range(16)],
    ]
    assert [set(side["samples.duration_s"]) for side in sides] == [{MILLI_S}, {2 * MILLI_S}]
    replies = [reply["result"] for reply in played["replies"]]
    assert replies[0]["pid"] != replies[1]["pid"]
    assert [one["signature"] for one in replies if "stop_reason" in one] == [[1.0], [2.0]]


class Listed:
    """A process's place in a script: notes what is sent to it and heard of it."""

    def __init__(self, arm: int, events: list[tuple[str, int]]) -> None:
        self._arm, self._events = arm, events

    def send(self, _line: str) -> None:
        self._events.append(("asked", self._arm))

    def receive(self, _timeout_s: float, _others: object) -> str:
        self._events.append(("answered", self._arm))
        return wire.encode({"ok": True, "result": {}})


class Silent:
    """A host that says nothing meanwhile."""

    def meanwhile(self) -> dict[int, object]:
        return {}


def test_nobody_is_asked_before_the_other_has_answered() -> None:
    """So only one of them computes at any time."""
    events: list[tuple[str, int]] = []
    script = [step("block") | {"arm": arm} for arm in ORDER]
    replies: list[dict[str, Any]] = []
    assert steward._play([Listed(arm, events) for arm in (0, 1)], script, replies, Silent()) is None
    assert events == [(what, arm) for arm in ORDER for what in ("asked", "answered")]
    assert [reply["arm"] for reply in replies] == list(ORDER)


def test_a_finished_duet_is_collected_and_not_measured_again(bench: Bench, tmp_path: Path) -> None:
    held = bench.steward()
    first = held.play("one", pair(tmp_path))
    assert held.play("one", pair(tmp_path)) == first
    held.ask("leave")
    assert bench.steward().play("one", pair(tmp_path)) == first
    assert json.loads((bench.trials / "run/one" / trials.RESULT).read_text()) == first


@pytest.mark.parametrize("arm", [0, 1])
def test_where_one_dies_it_is_named_and_the_other_is_ended(bench: Bench, tmp_path: Path, arm: int) -> None:
    """In the middle of its second block: the warm-up takes 160 steps or so, a block 32."""
    good, bad = null_script(tmp_path / "a.json"), null_script(tmp_path / "b.json", fail={"at": 200, "how": "kill"})
    held = bench.steward()
    before = descriptors(held.pid)
    played = held.play("one", duet(*((good, bad) if arm else (bad, good))))
    assert (played["died"]["kind"], played["died"]["arm"]) == ("Killed", arm)
    assert "block" in [name for name, _ in asked(played)]
    assert "close" not in [name for name, _ in asked(played)]
    assert working_below(bench.trials) == []
    assert [entry["children"] for entry in bench.entries()] == [[]]
    assert descriptors(held.pid) == before


def test_where_one_fails_the_other_is_ended_too(bench: Bench, tmp_path: Path) -> None:
    played = bench.steward().play("one", pair(tmp_path, fail={"at": "load", "how": "raise"}))
    assert asked(played)[-1] == ("load", 1)
    assert played["replies"][-1]["error"]["text"] == "scripted failure at load"
    assert (played["died"], working_below(bench.trials)) == (None, [])


def test_one_that_hangs_is_ended_with_its_partner(bench: Bench, tmp_path: Path) -> None:
    whole = pair(tmp_path, fail={"at": "load", "how": "hang"})
    (hanging,) = (one for one in whole if (one["do"], one["arm"]) == ("load", 1))
    hanging["timeout_s"] = 0.001
    played = bench.steward().play("one", whole)
    assert (played["died"]["kind"], played["died"]["arm"]) == ("Silence", 1)
    assert working_below(bench.trials) == []


def test_a_host_that_leaves_in_the_middle_is_let_go_and_both_are_ended(bench: Bench, tmp_path: Path) -> None:
    held = bench.steward(governor="performance")
    gate = Gate(bench.gate)
    held.send("play", trial="one", script=duet(null_script(tmp_path / "a.json"), str(gate.path)))
    gate.reached()
    both = bench.trial_pids()
    number = held.send("leave")
    assert held.answer() == {"ok": True, "result": {"told": []}, "n": number}
    assert (len(both), [ended(pid) for pid in both]) == (2, [True, True])
    assert (bench.entries(), bench.governor, list((bench.trials / "run").iterdir())) == ([], "ondemand", [])


def test_a_killed_steward_leaves_neither_behind(bench: Bench, tmp_path: Path) -> None:
    held = bench.steward()
    gate = Gate(bench.gate)
    held.send("play", trial="one", script=duet(null_script(tmp_path / "a.json"), str(gate.path)))
    gate.reached()
    both, guard = bench.trial_pids(), bench.guard()
    os.kill(held.pid, signal.SIGKILL)
    assert ended(guard)
    assert [ended(pid, 0.0) for pid in both] == [True, True]
    assert trials.result_of(str(bench.trials / "run/one")) is None


def test_a_lost_hosts_duet_is_finished_and_kept_for_it(bench: Bench, tmp_path: Path) -> None:
    first = bench.steward()
    gate = Gate(bench.gate)
    script = duet(null_script(tmp_path / "a.json"), str(gate.path))
    first.send("play", trial="one", script=script)
    gate.reached()
    both = bench.trial_pids()
    first.hang_up()
    gate.open()
    assert ended(first.pid, steward_side.PATIENCE_S)
    played = bench.steward().play("one", script)
    assert [reply["result"]["pid"] for reply in played["replies"] if reply["do"] == "hello"] == both
    assert played["died"] is None


def test_the_environment_is_padded_for_both_alike_and_only_for_them(bench: Bench, tmp_path: Path) -> None:
    gate = Gate(bench.gate)
    held = bench.steward()
    script = duet(null_script(tmp_path / "a.json"), str(gate.path), padding=1234)
    held.send("play", trial="one", script=script)
    gate.reached()
    assert [_padding(pid) for pid in bench.trial_pids()] == [1234, 1234]
    gate.open()
    assert held.answer()["ok"]
    gated = Gate(bench.gate.with_name("other.json"))
    held.send("play", trial="two", script=steward_side.script(gated.path, sha256(gated._file)))
    gated.reached()
    assert [_padding(pid) for pid in bench.trial_pids()] == [0]
    gated.open()
    assert held.answer()["ok"]


def _padding(pid: int) -> int:
    found = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return sum(len(one.partition(b"=")[2]) for one in found if one.startswith(b"HARNESS_PADDING="))
