"""Each check of the board's state fires on one hand-made record and is silent on another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.agent.controls import ORDER
from harness.analysis import state_checks
from harness.analysis.context import Context
from harness.model.device import Settle
from harness.model.trial import Environment, Phases, Record, Trial
from tests.support.host_side import CASE, DEVICE, STEADY_START_S, facts, only, trial

WINDOW = Phases(warm_up_steady=True, steady_start_s=STEADY_START_S, steady_end_s=STEADY_START_S + 2)
GRANT = "echo 'nano ALL=(root) NOPASSWD: /usr/sbin/nvpmodel -q' | sudo tee -a /etc/sudoers.d/edge-harness"


def launch(number: int = 0, status: str = "ok", **told: Any) -> Trial:
    return trial([0.001] * 20, phases=WINDOW, launch=number, status=status, environment=Environment({}, {}, told))


def context(*trials: Trial) -> Context:
    return Context(Record(CASE, trials), facts(), DEVICE, None)


def problem(control: str = "power_mode", **changes: Any) -> dict[str, Any]:
    refused = {"asked": "5W", "in_force": "power mode MAXN", "reason": "sudo: a password is required", "grant": GRANT}
    return {"control": control, **refused, **changes}


def test_every_check_is_tested_here() -> None:
    names = {name for name in globals() if name.startswith("test_")}
    for check in state_checks.CHECKS:
        assert {f"test_{check.__name__}_fires", f"test_{check.__name__}_is_silent"} <= names


def test_state_not_set_fires() -> None:
    found = only(state_checks.state_not_set, context(launch(), launch(1, state_problems=[problem()])))
    assert (found.code, found.severity, found.advice) == ("state_not_set", "doubt", GRANT)
    assert found.evidence == (
        "power_mode 5W was asked for and not in force in 1 of 2 launches (power mode MAXN instead): sudo: a password "
        "is required; cores and ceilings were another mode's: not comparable with runs in the mode asked for"
    )


def test_each_control_has_a_finding_of_its_own_weight() -> None:
    refused = launch(state_problems=[problem(name, asked="x", in_force=None, grant="") for name in ORDER])
    found = list(state_checks.state_not_set(context(refused, refused)))
    assert [one.severity for one in found] == ["doubt", "doubt", "note", "note", "note"]
    assert set(state_checks.LOST) == set(ORDER)
    for one, name in zip(found, ORDER, strict=True):
        assert one.evidence.startswith(f"{name} x was asked for and not in force in 2 of 2 launches: sudo")
        assert one.evidence.endswith(state_checks.LOST[name])
        assert one.advice == "set it by hand before the run, or take it out of the state asked for"


def test_state_not_set_is_silent() -> None:
    for seen in (launch(), launch(state_problems=[]), launch(status="failed", state_problems=[problem()])):
        assert list(state_checks.state_not_set(context(seen))) == []


def settled(unmet: list[str], **changes: Any) -> dict[str, Any]:
    told = {"waited_s": 600.2, "calm": not unmet, "reason": "the hottest zone is at 71.5 degC", "unmet": unmet}
    return {**told, "temperature_c": 71.5, "load_cores": 0.1, **changes}


@pytest.mark.parametrize(
    ("unmet", "severity"),
    [(["temperature"], "doubt"), (["slope"], "doubt"), (["load", "slope"], "doubt"), (["load"], "note")],
)
def test_not_settled_fires(unmet: list[str], severity: str) -> None:
    found = only(state_checks.not_settled, context(launch(settled=settled([])), launch(1, settled=settled(unmet))))
    assert (found.code, found.severity) == ("not_settled", severity)
    assert found.evidence == (
        "1 of 2 launches began before the board was calm: the hottest zone is at 71.5 degC, after 600 s"
    )
    assert "deadline_s" in found.advice


def test_heat_is_told_before_load() -> None:
    busy = launch(settled=settled(["load"], reason="other programs take 0.90 cores"))
    found = only(state_checks.not_settled, context(busy, launch(1, settled=settled(["temperature"]))))
    assert (found.severity, "2 of 2" in found.evidence, "71.5 degC" in found.evidence) == ("doubt", True, True)


def test_not_settled_is_silent() -> None:
    zoneless = settled([], reason="no thermal zone can be read: only the load was looked at", temperature_c=None)
    for seen in (launch(), launch(settled=zoneless), launch(status="failed", settled=settled(["load"]))):
        assert list(state_checks.not_settled(context(seen))) == []


def asking(*trials: Trial, **rule: Any) -> Context:
    """On a board whose file has a [settle]."""
    device = replace(DEVICE, settle=Settle(**{"deadline_s": 600.0, **rule}))
    return replace(context(*trials), device=device)


def test_not_looked_at_fires() -> None:
    found = only(state_checks.not_looked_at, asking(launch(settled=settled([])), launch(1)))
    assert (found.code, found.severity) == ("not_looked_at", "note")
    assert found.evidence == "[settle] asks for a calm board, and 1 of 2 launches did not wait for it"
    blind = launch(settled=settled([], temperature_c=None))
    found = only(state_checks.not_looked_at, asking(blind, launch(1, settled=settled([])), start_below_c=60.0))
    assert found.evidence == (
        "[settle] asks for a start below 60 degC, and no thermal zone could be read before 1 of 2 launches"
    )


def test_not_looked_at_is_silent() -> None:
    blind = launch(settled=settled([], temperature_c=None))
    for seen in (
        context(launch(), launch(1)),  # its file asks for nothing
        asking(launch(settled=settled([])), launch(1, settled=settled(["load"])), start_below_c=60.0),
        asking(blind),
        asking(),
    ):
        assert list(state_checks.not_looked_at(seen)) == []


def test_board_rebooted_fires() -> None:
    found = only(
        state_checks.board_rebooted, context(launch(boot_id="a"), launch(1, boot_id="b"), launch(2, boot_id="a"))
    )
    assert (found.code, found.severity) == ("board_rebooted", "note")
    assert found.evidence == "the launches ran under 2 boots of the board"


def test_board_rebooted_is_silent() -> None:
    for seen in (context(launch(boot_id="a"), launch(1, boot_id="a"), launch(2)), context(launch(), launch(1))):
        assert list(state_checks.board_rebooted(seen)) == []


def at(boot: str, epoch_s: float, number: int = 0) -> Trial:
    return launch(number, boot_id=boot, epoch_minus_clock_s=epoch_s)


def test_clock_step_fires() -> None:
    found = only(state_checks.clock_step, context(at("a", 1e9), at("a", 1e9 + 0.5, 1), at("a", 1e9 - 3.25, 2)))
    assert (found.code, found.severity) == ("clock_step", "note")
    assert found.evidence == (
        "the wall clock jumped by -3.75 s between two launches, against the clock that times them"
    )
    assert "log" in found.advice
    assert only(state_checks.clock_step, context(at("a", 1e9), at("b", 5e8, 1), at("a", 1e9 + 0.11, 2)))


def test_clock_step_is_silent() -> None:
    for seen in (
        context(at("a", 1e9), at("a", 1e9 + 0.09, 1), at("a", 1e9 + 0.18, 2)),
        context(at("a", 1e9), at("b", 1e9 + 500.0, 1)),  # that clock begins anew with each boot
        context(launch(boot_id="a"), at("a", 1e9, 1)),
        context(launch(epoch_minus_clock_s=1e9), launch(1, epoch_minus_clock_s=2e9)),
    ):
        assert list(state_checks.clock_step(seen)) == []
