"""Cores, governor, clocks and fan, each on boards that do not answer as the first one does."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.agent.controls import Machine, setting
from harness.agent.controls.clocks import Clocks
from harness.agent.controls.cores import Cores, listing, numbers
from harness.agent.controls.fan import Fan
from harness.agent.controls.governor import Governor
from tests.support.agent_side import tree
from tests.support.jetson import BOOT, CPU, FAN, GPU, POLICY, Jetson


@pytest.fixture
def board(tmp_path: Path) -> Jetson:
    return Jetson(tmp_path)


def machine(board: Jetson) -> Machine:
    return setting.machine(str(board.root), str(board.kept))


def below(root: Path) -> Machine:
    return setting.machine(str(root), str(root))


def test_cores_are_listed_as_the_kernel_lists_them() -> None:
    for text, cores in (("0", {0}), ("0-3,5", {0, 1, 2, 3, 5}), ("0,2,4-5", {0, 2, 4, 5})):
        assert numbers(text) == cores
        assert listing(cores) == text
    assert numbers("0, 1 ,2") == {0, 1, 2}
    for wrong in ("", "0-", "a", "0-9999999", "-1", "1;2"):
        with pytest.raises(ValueError, match="cores"):
            numbers(wrong)


def test_all_cores_are_brought_online_and_taken_away_again(board: Jetson) -> None:
    board.write(f"{CPU}/cpu2/online", "0\n")
    cores = Cores(machine(board))
    assert cores.read() == "0-1,3"
    assert cores.differs("all") == "cores 0-1,3"
    cores.set("all")
    assert (cores.read(), cores.differs("all"), cores.differs("0-3")) == ("0-3", None, None)
    cores.restore("0-1,3")
    assert board.text(f"{CPU}/cpu2/online") == "0"


def test_cores_go_on_before_others_go_off(board: Jetson) -> None:
    for core in (2, 3):
        board.write(f"{CPU}/cpu{core}/online", "0\n")
    real, written = machine(board), []
    watched = real._replace(write=lambda path, text: written.append((Path(path).parent.name, text)))
    Cores(watched).set("0,2-3")
    assert written == [("cpu2", "1"), ("cpu3", "1"), ("cpu1", "0")]


def test_a_board_whose_cores_have_no_switch_says_so(tmp_path: Path) -> None:
    root = tree(tmp_path, {f"{CPU}/cpu0/topology/core_id": "0"})
    reason = Cores(below(Path(root))).why_unavailable("all")
    assert reason == f"no core of {root}/{CPU} can be switched off: use affinity to choose among them"


def test_governors_of_two_policies_are_told_and_put_back_one_by_one(tmp_path: Path) -> None:
    little, big = (f"{CPU}/cpufreq/policy{first}/scaling_governor" for first in (0, 4))
    root = Path(tree(tmp_path, {little: "schedutil\n", big: "ondemand\n"}))
    governor = Governor(below(root))
    found = governor.read()
    assert found == {"policy0": "schedutil", "policy4": "ondemand"}
    assert governor.differs("performance") == "policy0 schedutil, policy4 ondemand"
    governor.set("performance")
    assert (governor.read(), governor.differs("performance")) == ("performance", None)
    assert governor.astray(found) == "performance"
    governor.restore(found)
    assert (governor.read(), governor.astray(found)) == (found, None)


def test_a_policy_whose_cores_are_off_is_passed_over(tmp_path: Path) -> None:
    root = Path(tree(tmp_path, {f"{CPU}/cpufreq/policy{first}/scaling_governor": "ondemand" for first in (0, 4)}))
    governor, gone = Governor(below(root)), root / CPU / "cpufreq/policy4/scaling_governor"
    gone.write_text("")
    governor.set("performance")
    assert gone.read_text() == ""
    assert governor.astray({"policy0": "performance", "policy4": "ondemand"}) is None


def test_governors_of_an_old_kernel_are_found_core_by_core(tmp_path: Path) -> None:
    root = Path(tree(tmp_path, {f"{CPU}/cpu{core}/cpufreq/scaling_governor": "interactive" for core in (0, 1)}))
    Governor(below(root)).set("performance")
    assert (root / CPU / "cpu1/cpufreq/scaling_governor").read_text() == "performance"


def held(board: Jetson, cpu: bool, gpu: bool) -> None:
    board.write(f"{POLICY}/scaling_min_freq", "1479000" if cpu else "102000")
    board.write(f"{GPU}/min_freq", "921600000" if gpu else "76800000")


@pytest.mark.parametrize(
    ("cpu", "gpu", "value"), [(True, True, "locked"), (False, False, "free"), (True, False, "partly")]
)
def test_clocks_are_held_where_lowest_and_highest_are_one(board: Jetson, cpu: bool, gpu: bool, value: str) -> None:
    held(board, cpu, gpu)
    clocks = Clocks(machine(board))
    assert clocks.read() == value
    assert clocks.differs("locked") == (None if value == "locked" else value)


def test_a_board_that_is_locked_is_never_stored(board: Jetson) -> None:
    held(board, True, True)
    Clocks(machine(board)).set("locked")
    assert board.asked == []
    assert list(board.kept.iterdir()) == []


def test_cut_short_in_the_middle_the_first_store_stands(board: Jetson) -> None:
    clocks, before = Clocks(machine(board)), board.state()
    clocks.set("locked")
    held(board, True, False)  # as where the program was killed half way
    clocks.set("locked")
    assert len([line for line in board.asked if "--store" in line]) == 1
    clocks.restore("free")
    assert board.state() == before


def test_a_store_of_another_boot_or_a_broken_one_is_not_used(board: Jetson) -> None:
    clocks = Clocks(machine(board))
    clocks.set("locked")
    board.write(BOOT, "7a2d\n")
    with pytest.raises(OSError, match="restart the board, which frees them"):
        clocks.restore("free")
    held(board, False, False)  # as a restart leaves it
    clocks.restore("free")
    assert list(board.kept.iterdir()) == []
    assert not [line for line in board.asked if "--restore" in line]
    (board.kept / "jetson_clocks.store").write_text("of a --store that was killed")
    clocks.set("locked")
    assert clocks.read() == "locked"
    clocks.restore("free")
    assert clocks.read() == "free"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("idle", "jetson_clocks ended well, yet the clocks are free"),
        ("partly", "jetson_clocks ended well, yet the clocks are partly"),
        ("early", r"jetson_clocks --store .* ended with 255: Error: Please run the script after 30 Seconds"),
    ],
)
def test_clocks_that_were_not_locked_are_put_back_and_told(board: Jetson, how: str, said: str) -> None:
    before = board.state()
    board.behaves("jetson_clocks", how)
    with pytest.raises(OSError, match=said):
        Clocks(machine(board)).set("locked")
    assert board.state() == before
    assert list(board.kept.iterdir()) == []


def test_clocks_elsewhere_are_a_governors(tmp_path: Path) -> None:
    assert 'governor = "performance"' in Clocks(below(tmp_path)).why_unavailable("locked")


def test_the_fan_is_taken_from_whoever_steers_it_and_given_back(board: Jetson) -> None:
    fan, before = Fan(machine(board)), board.state()
    found = fan.read()
    assert fan.differs(30) == "30 % steered by nvfancontrol, thermal_zone8:step_wise"
    fan.set(100)
    assert (board.text(FAN), fan.differs(100)) == ("255", None)
    assert board.text("sys/class/thermal/thermal_zone8/policy") == "user_space"
    # It holds back clocks too, so it stays with its governor.
    assert board.text("sys/class/thermal/thermal_zone9/policy") == "step_wise"
    assert board.text("sys/class/hwmon/hwmon4/pwm1") == "40"  # a graphics card's
    fan.restore(found)
    assert board.state() == before
    assert board.asked == ["systemctl stop nvfancontrol", "systemctl start nvfancontrol"]


def test_a_steered_fan_that_turns_otherwise_is_as_it_was_found(board: Jetson) -> None:
    fan = Fan(machine(board))
    found = fan.read()
    board.write(FAN, "120\n")
    assert fan.astray(found) is None


def test_an_old_boards_fan_is_held_by_its_own_files(tmp_path: Path) -> None:
    old = "sys/devices/pwm-fan"
    root = Path(tree(tmp_path, {f"{old}/target_pwm": "0\n", f"{old}/temp_control": "1\n"}))
    fan = Fan(below(root))
    found = fan.read()
    assert found == {"percent": 0, "pwm": [0], "steered": ["temp_control"]}
    fan.set(50)
    assert fan.read() == {"percent": 50, "pwm": [128], "steered": []}
    assert [words[1:] for words in fan.needs(50)] == [
        [f"{root}/{old}/{name}"] for name in ("target_pwm", "temp_control")
    ]
    fan.restore(found)
    assert fan.read() == found


def test_a_fan_that_cannot_be_set_goes_back_to_who_steered_it(board: Jetson) -> None:
    real, before = machine(board), board.state()

    def write(path: str, text: str) -> None:
        if path.endswith("pwm1") and text == "128":
            raise OSError("it sticks")
        real.write(path, text)

    with pytest.raises(OSError, match="it sticks"):
        Fan(real._replace(write=write)).set(50)
    assert board.state() == before


def test_a_service_that_nothing_stops_is_told(board: Jetson) -> None:
    (board.root / "usr/bin/systemctl").unlink()
    with pytest.raises(OSError, match="nvfancontrol steers the fan, and there is no systemctl to stop it"):
        Fan(machine(board)).set(50)


def test_each_percent_is_read_back_as_itself(board: Jetson) -> None:
    fan = Fan(machine(board))
    fan.set(1)
    for percent in range(101):
        fan.set(percent)
        assert (fan.read()["percent"], fan.differs(percent)) == (percent, None)
