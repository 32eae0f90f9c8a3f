"""Power modes: what is in force is looked at, not believed; what fails leaves the board in the mode it had."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.agent.controls import nvpmodel, setting
from harness.agent.controls.power_mode import PowerMode
from tests.support.jetson import CONF, CPU, GPU, POLICY, Jetson


@pytest.fixture
def board(tmp_path: Path) -> Jetson:
    return Jetson(tmp_path)


def control(board: Jetson) -> PowerMode:
    return PowerMode(setting.machine(str(board.root), str(board.kept)))


def apply(board: Jetson, mode: str) -> dict[str, Any]:
    return setting.apply(setting.machine(str(board.root), str(board.kept)), {"power_mode": mode}, lambda _found: None)


def test_a_mode_goes_by_the_number_that_this_boards_file_gives_it(board: Jetson) -> None:
    board.write("etc/nvpmodel.conf", CONF.replace("NAME=5W ID=1", "NAME=MAXQ ID=1"))
    assert apply(board, "MAXQ")["in_force"] == {"power_mode": "MAXQ"}
    assert board.asked == ["nvpmodel -m 1"]


@pytest.mark.parametrize(
    ("how", "seen"),
    [
        ("silent", "and power mode MAXN: over ssh it may fail so"),
        ("half", "and cpu2 is online, not offline; cpu3 is online, not offline; CPU_A57 goes up to 1479000, not"),
        ("slow", "and CPU_A57 goes up to 1479000, not 918000: over ssh"),
    ],
)  # fmt: skip
def test_a_mode_that_fails_without_a_word_is_caught_and_taken_back(board: Jetson, how: str, seen: str) -> None:
    before = board.state()
    board.behaves("nvpmodel", how)
    done = apply(board, "5W")
    (problem,) = done["problems"]
    assert (problem["control"], problem["asked"], problem["in_force"]) == ("power_mode", "5W", "power mode MAXN")
    assert problem["reason"].startswith("nvpmodel -m 1 ended with 0 (no word), ")
    assert seen in problem["reason"]
    assert problem["reason"].endswith("sudo nvpmodel -m 1; the board is in MAXN")
    assert problem["grant"] == ""
    assert board.state() == before
    assert done["in_force"] == {"power_mode": "MAXN"}


@pytest.mark.parametrize("how", ["well", "half"])
def test_a_mode_that_needs_a_restart_is_told_and_not_left_half_set(board: Jetson, how: str) -> None:
    before = board.state()
    board.behaves("nvpmodel", how)
    (problem,) = apply(board, "7W")["problems"]
    assert problem["reason"] == (
        "power mode 7W needs a restart of the board: at the board, sudo nvpmodel -m 2, answer YES, and give the same "
        "command again once it is up; the board is in MAXN"
    )
    assert board.state() == before
    assert not (board.root / "restarted").exists()
    assert board.asked == ["nvpmodel -m 2"] + (["nvpmodel -m 0"] if how == "half" else [])


def test_a_board_that_cannot_be_brought_back_is_told_as_it_is(board: Jetson) -> None:
    def run(command: list[str], timeout_s: float = 20.0, as_root: bool = True) -> Any:
        answer = machine.run(command, timeout_s, as_root)
        if command[-2:] == ["-m", "1"]:
            board.behaves("nvpmodel", "silent")  # from now on
        return answer

    board.behaves("nvpmodel", "half")
    machine = setting.machine(str(board.root), str(board.kept))
    with pytest.raises(OSError, match=r"the board is in MAXN, but power mode 5W$"):
        PowerMode(machine._replace(run=run)).set("5W")


def test_the_present_mode_is_asked_as_root_where_others_are_not_told(board: Jetson) -> None:
    machine = setting.machine(str(board.root), str(board.kept))
    how: list[bool] = []

    def run(command: list[str], timeout_s: float = 20.0, as_root: bool = True) -> Any:
        how.append(as_root)
        return machine.run(command, timeout_s, as_root) if as_root else (1, "", "NVPM ERROR: root access required")

    assert PowerMode(machine._replace(run=run)).read() == "MAXN"
    assert how == [False, True]


def test_a_mode_without_a_number_goes_by_its_name(board: Jetson) -> None:
    machine = setting.machine(str(board.root), str(board.kept))
    for printed, mode in (("NV Power Mode: 5W\n", "5W"), ("NV Power Mode: 15W\n", None), ("", None)):
        told = machine._replace(run=lambda *_words, printed=printed, **_more: (0, printed, ""))
        assert PowerMode(told).read() == mode


def test_cores_do_not_count_where_others_are_asked_for_too(board: Jetson) -> None:
    board.write(f"{CPU}/cpu3/online", "0\n")
    mode = control(board)
    assert mode.differs("MAXN") == "cpu3 is offline, not online"
    mode.asked_too = frozenset(("power_mode", "cores"))
    assert mode.differs("MAXN") is None


@pytest.mark.parametrize(
    ("path", "text", "seen"),
    [
        (f"{POLICY}/scaling_max_freq", "1428000", None),  # of 1479000: firmware keeps the last step
        (f"{POLICY}/scaling_max_freq", "1224000", "CPU_A57 goes up to 1224000, not 1479000"),
        (f"{GPU}/max_freq", "640000000", "GPU goes up to 640000000, not 921600000"),
        (f"{POLICY}/scaling_available_frequencies", "", None),  # no table: nothing says how high it could go
        (f"{GPU}/max_freq", "asleep", None),
        (f"{CPU}/cpu2/online", "0", "cpu2 is offline, not online"),
    ],
)
def test_ceilings_and_cores_are_those_of_the_mode(board: Jetson, path: str, text: str, seen: str | None) -> None:
    board.write(path, text)
    assert control(board).differs("MAXN") == seen


def test_a_ceiling_may_stand_on_the_next_step_of_the_table(board: Jetson) -> None:
    """An Orin Nano shows 1510400 kHz in a mode of 1497600; with wide steps the next one is farther away."""
    conf = nvpmodel.parse(CONF.replace("918000", "1000000"))
    (mode,) = [mode for mode in conf.modes if mode.name == "5W"]
    board.write("mode", "1")
    for step, seen in (("918000", None), ("1132800", None), ("1224000", "CPU_A57 goes up to 1224000, not 1000000")):
        board.write(f"{POLICY}/scaling_max_freq", step)
        board.write(f"{GPU}/max_freq", "640000000")
        assert nvpmodel.out_of_force(str(board.root), conf, mode, cores=False) == seen


def test_the_file_of_modes_is_read_as_nvpmodel_does() -> None:
    conf = nvpmodel.parse(
        CONF + "\n# < POWER_MODEL ID=9 NAME=NONE >\n< POWER_MODEL ID=x NAME=BROKEN >\nA B 1\nA B C 1\n"
    )
    assert [(mode.id, mode.name) for mode in conf.modes] == [(0, "MAXN"), (1, "5W"), (2, "7W")]
    assert conf.modes[1].values["GPU", "MAX_FREQ"] == "640000000"
    assert conf.files["CPU_ONLINE"]["CORE_3"] == "/sys/devices/system/cpu/cpu3/online"
    assert nvpmodel.parse("").modes == []


def test_without_a_file_of_modes_it_says_where_it_belongs(board: Jetson) -> None:
    (board.root / "etc/nvpmodel.conf").unlink()
    reason = control(board).why_unavailable("5W")
    assert reason == f"{board.root}/etc/nvpmodel.conf names no mode: link it to this board's file in /etc/nvpmodel/"
