"""A gate over two boards, on two real SSH servers: measured one after the other, judged as one family."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.model.gate import Policy
from tests.support import gate_side, sshd
from tests.support.faults import rig
from tests.support.gate_side import model, suite
from tests.support.host_side import invoke


def test_two_boards_share_alpha(tmp_path: Path) -> None:
    """The chance of a false alarm is promised for the gate as a whole, however many boards it is run on."""
    path = suite(tmp_path / "suite", {"small": model()})
    policy = gate_side.policy(tmp_path, f"looks = [3]\n{gate_side.P50_ALONE}")
    with rig(tmp_path / "left") as left, rig(tmp_path / "right") as right:
        sites = [
            sshd.site(one.server, one.board, name=name, device="bench.toml", python=one.python)
            for name, one in (("left", left), ("right", right))
        ]
        sshd.write_sites(left.host / "both.toml", *sites)
        boards = ("--device", "left", "--device", "right", "--sites", left.host / "both.toml")
        answer = invoke(left.host, "gate", path, "--baseline", path, *boards, "--policy", policy, "--json", "-")
    told = json.loads(answer.out)
    devices = told["facts"]["devices"]
    assert set(devices) == {"left", "right"}
    for one in devices.values():
        assert one["alpha"] == pytest.approx(Policy.alpha / 2)
        assert one["levels"]["first"] == pytest.approx(Policy.alpha / 2)
    assert {one["cell"] for one in told["decisions"]} == {"small on left", "small on right"}
    assert (answer.code, told["outcome"]) == (0, "pass"), answer.err
