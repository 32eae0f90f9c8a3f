from __future__ import annotations

import math
from pathlib import Path

import pytest

from harness.agent.backends.null import Null
from tests.support.agent_side import null_script


def test_steps_move_the_clock_by_the_script(tmp_path: Path) -> None:
    session = Null().load(null_script(tmp_path / "m.json", [0.5, 0.25], first_s=2.0, output=[1.0, 2.0]), {})
    lasted = []
    for _ in range(4):
        before = session.clock()
        session.step()
        lasted.append(session.clock() - before)
    assert lasted == [2.0, 0.25, 0.5, 0.25]
    assert [list(one) for one in session.outputs()] == [[1.0, 2.0]]


@pytest.mark.parametrize("at", [0, 3])
def test_a_scripted_failure_comes_at_its_step_and_not_before(tmp_path: Path, at: int) -> None:
    session = Null().load(null_script(tmp_path / "m.json", fail={"at": at, "how": "raise"}), {})
    for _ in range(at):
        session.step()
    with pytest.raises(RuntimeError, match=f"scripted failure at {at}"):
        session.step()


def test_a_scripted_failure_can_come_with_the_loading(tmp_path: Path) -> None:
    script = null_script(tmp_path / "m.json", fail={"at": "load", "how": "raise"})
    with pytest.raises(RuntimeError, match="scripted failure at load"):
        Null().load(script, {})


def test_a_scripted_nan_spoils_the_output(tmp_path: Path) -> None:
    session = Null().load(null_script(tmp_path / "m.json", output=[1.0, 2.0], fail={"at": 1, "how": "nan"}), {})
    session.step()
    assert list(session.outputs()[0]) == [1.0, 2.0]
    session.step()
    assert all(math.isnan(value) for value in session.outputs()[0])


def test_jitter_makes_a_process_slower_or_faster_by_at_most_so_much(tmp_path: Path) -> None:
    session = Null().load(null_script(tmp_path / "m.json", [0.5, 0.25], jitter=0.01), {})
    lasted = []
    for _ in range(2):
        before = session.clock()
        session.step()
        lasted.append(session.clock() - before)
    factor = lasted[0] / 0.5
    assert 0.99 <= factor <= 1.01
    assert factor != 1.0
    assert lasted[1] / 0.25 == pytest.approx(factor, rel=1e-9)  # one factor for the whole process
