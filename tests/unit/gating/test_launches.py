"""Trials of a pair: which of them support no verdict and why, and where energy cannot be had."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.board.script import block_order
from harness.gating import launches
from harness.gating.launches import Paused
from harness.model.case import Signature
from harness.model.device import Power
from harness.model.power import PowerTotal
from harness.model.trial import Environment, Outputs, Phases, Trial
from tests.support.host_side import DEVICE, facts, trial

PARTNER = "the process under test was ended with its partner: it died"
DEAD = "the process under test was ended by SIGKILL"
BOTH = facts(), facts()


def test_the_side_that_failed_by_itself_is_named() -> None:
    partner, dead = trial(status="failed", message=PARTNER), trial(status="failed", message=DEAD)
    assert launches.broken((partner, dead), BOTH, DEVICE) == f"the candidate failed: {DEAD}"
    assert launches.broken((dead, partner), BOTH, DEVICE) == f"the baseline failed: {DEAD}"
    assert launches.telling((partner, dead)) is dead
    good = trial()
    assert launches.broken((good, trial()), BOTH, DEVICE) == ""
    assert launches.telling((trial(), good)) is good


def test_a_side_that_computes_something_else_is_broken() -> None:
    expected = facts(signature=Signature((0.0, 1.0, 2.0), "the lock"))
    right, wrong = trial(outputs=Outputs((0.0, 1.0, 2.0))), trial(outputs=Outputs((2.0, 1.0, 0.0)))
    assert launches.broken((right, right), (expected, expected), DEVICE) == ""
    said = launches.broken((right, wrong), (expected, expected), DEVICE)
    assert said.startswith("the candidate: the timed run's output differs from the reference (the lock) by ")
    assert launches.broken((wrong, right), (expected, expected), DEVICE).startswith("the baseline: ")
    nan = trial(outputs=Outputs((0.0,), finite=False))
    assert "holds NaN or infinity" in launches.broken((nan, right), (facts(), expected), DEVICE)


def test_figures_of_a_launch_are_those_of_its_trials() -> None:
    before = trial(memory={"end_peak_rss_bytes": 100.0}, phases=Phases(load_s=0.5, first_inference_s=0.25))
    after = trial(memory={}, phases=Phases(load_s=0.75))
    order = block_order("a")
    launch = launches.launch_of((before, after), order, ("no sensor", "no sensor"))
    assert launch.baseline.figures["memory_peak_bytes"].value == 100.0
    assert launch.candidate.absent["memory_peak_bytes"] == "was not recorded by the agent"
    assert launch.candidate.figures["load_s"].value == 0.75
    assert launch.baseline.absent["energy_per_inference_j"] == "no sensor"
    assert launch.candidate_second == order.candidate_second


def test_energy_needs_a_total_that_the_board_really_reads() -> None:
    assert launches.why_no_energy(DEVICE, {}) == "no power sensor was read on this device"
    device = replace(DEVICE, power=Power(totals=(PowerTotal(("rapl:package-*_energy",), "package"),)))
    channel = ["package-0_energy", "J", "machine", "hardware counter", 1.0]
    assert launches.why_no_energy(device, {"collectors": {"rapl": {"channels": [channel]}}}) == ""
    silent = {"collectors": {"rapl": {"channels": [[*channel[:4], None]]}}}
    assert launches.why_no_energy(device, silent) == (
        "no total of power can be read here (rapl): `harness doctor` says why"
    )


def at(offset: float | None, boot: str = "a") -> Trial:
    told = {} if offset is None else {"epoch_minus_clock_s": offset}
    return trial(environment=Environment(facts={"boot_id": boot, **told}))


def facts_at(offset: float, boot: str = "a") -> dict[str, object]:
    return {"boot_id": boot, "epoch_minus_clock_s": offset}


def test_a_launch_in_which_the_clocks_came_apart_is_dropped() -> None:
    """A pause of 10 s, and a clock that was set back by 0.2 s after the first side had begun."""
    assert launches.paused((at(1e9), at(1e9 + 1e-5)), facts_at(1e9 + 10.0)) == Paused(pytest.approx(10.0))
    assert launches.paused((at(1e9 + 0.2), at(1e9)), facts_at(1e9)) == Paused(pytest.approx(-0.2))


def test_a_launch_with_steady_clocks_is_kept() -> None:
    for both, after in (
        ((at(1e9), at(1e9)), facts_at(1e9 + 0.09)),
        ((at(1e9), at(1e9)), facts_at(2e9, boot="b")),  # that clock begins anew with each boot
        ((at(None), at(None)), facts_at(1e9)),
        ((at(1e9), at(1e9)), {"boot_id": "a"}),
    ):
        assert launches.paused(both, after) is None
