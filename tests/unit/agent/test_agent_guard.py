from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.agent import lease, trials
from harness.board import pack
from tests.support import steward_side
from tests.support.agent_side import ended
from tests.support.steward_side import Bench, gated


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with steward_side.bench(tmp_path) as made:
        yield made


def test_what_a_killed_steward_left_is_put_right(bench: Bench) -> None:
    steward = bench.steward(governor="performance")
    gate, whole = gated(bench)
    steward.send("play", trial="one", script=whole)
    gate.reached()
    trial, guard = bench.trial_pid(), bench.guard()
    assert bench.governor == "performance"
    os.kill(steward.pid, signal.SIGKILL)
    assert (ended(steward.pid), ended(guard)) == (True, True)
    # By the time that the guard is gone, all of it is done.
    assert (ended(trial, 0.0), bench.governor, bench.entries()) == (True, "ondemand", [])
    # Nothing finished lies there: a later steward plays the trial anew.
    assert [path.name for path in (bench.trials / "run/one").iterdir()] == [trials.errors_of(0)]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_what_ends_others_does_not_distract_it(bench: Bench, number: signal.Signals) -> None:
    steward = bench.steward(governor="performance")
    guard = bench.guard()
    os.kill(guard, number)
    os.kill(steward.pid, signal.SIGKILL)
    assert ended(guard)
    assert (bench.governor, bench.entries()) == ("ondemand", [])


def test_one_that_comes_after_it_was_all_done_does_nothing(bench: Bench, tmp_path: Path) -> None:
    held, _ = lease.take(str(bench.leases), str(bench.root), "run", "me@here", str(tmp_path))
    held.note(found={"governor": "ondemand"})
    command = [sys.executable, str(pack.write(tmp_path)), "guard", held.path, str(bench.root)]
    governors = []
    for _ in range(2):
        bench.governor = "performance"
        subprocess.run(command, stdin=subprocess.DEVNULL, check=True)
        governors.append(bench.governor)
    assert governors == ["ondemand", "performance"]
