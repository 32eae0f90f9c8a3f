"""Settling on a scripted machine: each sleep moves its clock, its zones and its load."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.agent.settling import settle
from harness.model.codec import to_json
from harness.model.device import Settle
from tests.support.agent_side import TICKS, tree

ZONES = "sys/class/thermal"


class Machine:
    """hottest(t) in degC and load(t) in cores, None for what it does not have; starts at 1000 s on its clock."""

    def __init__(
        self, root: Path, hottest: Callable[[float], float] | None, load: Callable[[float], float] | None
    ) -> None:
        self.root, self._hottest, self._load = root, hottest, load
        self.now_s, self.busy_s, self.slept = 1000.0, 50.0, []
        if hottest is not None:
            kinds = {
                f"{ZONES}/thermal_zone{number}/type": kind for number, kind in enumerate(("CPU", "GPU", "PMIC-Die"))
            }
            tree(root, {**kinds, f"{ZONES}/thermal_zone2/temp": "100000"})  # which is no temperature
        self._show()

    def clock(self) -> float:
        return self.now_s

    def sleep(self, duration_s: float) -> None:
        self.slept.append(duration_s)
        if self._load is not None:
            self.busy_s += self._load(self.now_s - 1000) * duration_s
        self.now_s += duration_s
        self._show()

    def settle(self, whole: bool = True, **rule: float) -> dict:
        return settle(to_json(Settle(**rule)), str(self.root), whole, self.clock, self.sleep)

    def _show(self) -> None:
        files = {}
        if self._hottest is not None:
            hottest = self._hottest(self.now_s - 1000)
            files[f"{ZONES}/thermal_zone0/temp"] = f"{(hottest - 5) * 1000:.0f}"
            files[f"{ZONES}/thermal_zone1/temp"] = f"{hottest * 1000:.0f}"
        if self._load is not None:
            files["proc/stat"] = f"cpu  {self.busy_s * TICKS:.0f} 0 0 4000 7 0 0 0 0 0\ncpu0 1 0 0 4000 7 0 0 0 0 0\n"
        tree(self.root, files)


def cooling(t_s: float) -> float:
    """60 degC at first, 0.05 less each second, still at 50 after 200 s."""
    return max(50.0, 60.0 - 0.05 * t_s)


def idle(_t_s: float) -> float:
    return 0.05


def test_a_first_trial_waits_until_the_temperature_stands(tmp_path: Path) -> None:
    machine = Machine(tmp_path, cooling, idle)
    told = machine.settle(deadline_s=600, window_s=60, slope_c=1.0)
    # 1 degC in 60 s: 20 s of the fall may lie in the window, so 40 s after the fall's end at 200 s.
    assert told == {
        "waited_s": 240.0,
        "calm": True,
        "reason": "",
        "temperature_c": 50.0,
        "load_cores": pytest.approx(0.05, abs=0.01),
        "unmet": [],
    }
    assert set(machine.slept) == {1.0}


def test_later_trials_wait_for_the_load_and_the_level_alone(tmp_path: Path) -> None:
    assert Machine(tmp_path / "a", cooling, idle).settle(whole=False, deadline_s=600)["waited_s"] == 2.0
    level = Machine(tmp_path / "b", cooling, idle).settle(whole=False, deadline_s=600, start_below_c=55.0)
    assert (level["waited_s"], level["temperature_c"], level["calm"]) == (100.0, 55.0, True)


def test_a_busy_machine_is_waited_for(tmp_path: Path) -> None:
    machine = Machine(tmp_path, lambda _t: 40.0, lambda t_s: 1.5 if t_s < 30 else 0.05)
    told = machine.settle(whole=False, deadline_s=600)
    assert (told["waited_s"], told["calm"]) == (32.0, True)  # the last 2 s are free of it
    assert told["load_cores"] == pytest.approx(0.05, abs=0.01)


def test_a_program_that_works_every_other_second_is_no_calm(tmp_path: Path) -> None:
    told = Machine(tmp_path, None, lambda t_s: float(int(t_s) % 2)).settle(deadline_s=20)
    assert (told["calm"], told["unmet"], told["load_cores"]) == (False, ["load"], 0.5)


@pytest.mark.parametrize(
    ("rule", "hottest", "load", "unmet", "reason"),
    [
        (
            {"start_below_c": 45.0, "window_s": 5.0},
            50.0,
            0.05,
            ["temperature"],
            "the hottest zone is at 50.0 degC, to start at 45",
        ),
        ({"window_s": 60.0}, 50.0, 0.05, ["slope"], "the hottest zone was watched for 10 of 60 s"),
        ({"window_s": 5.0}, 50.0, 0.9, ["load"], "other programs take 0.90 cores (limit 0.2)"),
        (
            {"start_below_c": 45.0, "window_s": 5.0},
            50.0,
            0.9,
            ["load", "temperature"],
            "the hottest zone is at 50.0 degC, to start at 45; other programs take 0.90 cores (limit 0.2)",
        ),
    ],
)
def test_at_the_deadline_it_says_what_is_unmet(
    tmp_path: Path, rule: dict[str, float], hottest: float, load: float, unmet: list[str], reason: str
) -> None:
    told = Machine(tmp_path, lambda _t: hottest, lambda _t: load).settle(deadline_s=10.0, **rule)
    assert (told["waited_s"], told["calm"], told["unmet"]) == (10.0, False, unmet)
    assert told["reason"] == reason


def test_a_temperature_that_moves_too_fast_is_told_with_its_span(tmp_path: Path) -> None:
    told = Machine(tmp_path, lambda t_s: 40 + 0.5 * t_s, idle).settle(deadline_s=30, window_s=10)
    assert told["reason"] == "the hottest zone moved by 5.0 degC in 10 s (limit 1)"


def test_the_last_sleep_ends_at_the_deadline(tmp_path: Path) -> None:
    machine = Machine(tmp_path, lambda _t: 50.0, idle)
    assert machine.settle(deadline_s=2.5, start_below_c=40.0)["waited_s"] == 2.5
    assert machine.slept == [1.0, 1.0, 0.5]


def test_with_no_deadline_nothing_is_waited_for(tmp_path: Path) -> None:
    machine = Machine(tmp_path, lambda _t: 61.5, idle)
    told = machine.settle(deadline_s=0)
    assert told == {
        "waited_s": 0.0,
        "calm": True,
        "reason": "",
        "temperature_c": 61.5,
        "load_cores": None,  # one look at a counter tells no load
        "unmet": [],
    }
    assert machine.slept == []
    hot = machine.settle(deadline_s=0, start_below_c=60)
    assert (hot["calm"], hot["unmet"], machine.slept) == (False, ["temperature"], [])


def test_a_machine_without_zones_settles_by_its_load(tmp_path: Path) -> None:
    told = Machine(tmp_path, None, idle).settle(deadline_s=60, start_below_c=40)
    assert (told["waited_s"], told["calm"], told["temperature_c"]) == (2.0, True, None)
    assert told["reason"] == "no thermal zone can be read: only the load was looked at"


def test_a_machine_that_shows_nothing_is_not_waited_for(tmp_path: Path) -> None:
    told = Machine(tmp_path, None, None).settle(deadline_s=60)
    assert (told["waited_s"], told["calm"], told["load_cores"]) == (0.0, True, None)
    assert told["reason"].endswith("/proc/stat cannot be read: the load was not looked at")
