"""Setting a board's state: order, what is noted when, what is put back whatever happens on the way, who may."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.agent.controls import ORDER, TABLE, Machine, rights, setting
from harness.agent.tables import resolve
from harness.model.device import State
from tests.support.jetson import CPU, FAN, GPU, POLICY, Jetson

ALL = {"power_mode": "5W", "cores": "0-2", "governor": "performance", "clocks": "locked", "fan": 60}
FAN_FOUND = {"percent": 30, "pwm": [77], "steered": ["nvfancontrol", "thermal_zone8:step_wise"]}
FOUND = {"power_mode": "MAXN", "cores": "0-3", "governor": "schedutil", "clocks": "free", "fan": FAN_FOUND}


@pytest.fixture
def board(tmp_path: Path) -> Jetson:
    return Jetson(tmp_path)


def machine(board: Jetson, sudo: list[str] | None = None) -> Machine:
    return setting.machine(str(board.root), str(board.kept), [] if sudo is None else sudo)


def silent(_found: dict[str, Any]) -> None:
    """Nobody is told what was found."""


def test_there_is_a_control_for_every_part_of_a_state() -> None:
    assert set(ORDER) == set(TABLE) == set(State.__dataclass_fields__)


def test_everything_asked_is_set_in_order_and_read_back(board: Jetson) -> None:
    notes: list[tuple[list[str], int]] = []
    done = setting.apply(machine(board), ALL, lambda found: notes.append((list(found), len(board.asked))))
    assert done["problems"] == []
    assert done["in_force"] == {
        "power_mode": "5W",
        "cores": "0-2",
        "governor": "performance",
        "clocks": "locked",
        "fan": {"percent": 60, "pwm": [153], "steered": []},
    }
    assert done["found"] == FOUND
    # Each note came before its change: the mode, with what it moves, when nothing had been asked for.
    assert notes[0] == (["power_mode", "cores", "clocks"], 0)
    assert notes[1:4] == [
        (["power_mode", "cores", "clocks"], 1),
        (["power_mode", "cores", "clocks", "governor"], 1),
        (["power_mode", "cores", "clocks", "governor"], 1),
    ]
    assert notes[4][0] == list(done["found"])
    stored = f"jetson_clocks --store {board.kept}/jetson_clocks.store"
    assert board.asked == ["nvpmodel -m 1", stored, "jetson_clocks ", "systemctl stop nvfancontrol"]


def test_cores_that_the_clocks_brought_back_are_taken_away_again(board: Jetson) -> None:
    """jetson_clocks of a Nano brings every core online."""
    setting.apply(machine(board), {"cores": "0-1", "clocks": "locked"}, silent)
    assert [board.text(f"{CPU}/cpu{core}/online") for core in (1, 2, 3)] == ["1", "0", "0"]


def test_what_is_as_asked_already_is_left_alone_and_not_put_back(board: Jetson) -> None:
    setting.apply(machine(board), {**ALL, "cores": "0-1"}, silent)
    before, asked = board.state(), board.asked
    notes: list[dict[str, Any]] = []
    again = setting.apply(machine(board), {**ALL, "cores": "0-1"}, notes.append)
    assert (again["found"], again["problems"], notes) == ({}, [], [])
    assert (board.state(), board.asked) == (before, asked)


def test_what_is_not_asked_for_is_left_alone(board: Jetson) -> None:
    before = board.state()
    nothing = setting.apply(machine(board), dict.fromkeys(ORDER), silent)
    assert nothing == {"found": {}, "in_force": {}, "problems": []}
    assert (board.state(), board.asked) == (before, [])


def test_everything_is_put_back_and_a_second_time_does_nothing(board: Jetson) -> None:
    before = board.state()
    done = setting.apply(machine(board), ALL, silent)
    assert board.state() != before
    assert setting.restore(machine(board), done["found"]) == []
    assert board.state() == before
    assert list(board.kept.iterdir()) == []
    asked = board.asked
    assert setting.restore(machine(board), done["found"]) == []
    assert (board.state(), board.asked) == (before, asked)


def test_clocks_and_cores_found_set_by_hand_are_so_again_after_another_mode(board: Jetson) -> None:
    board.write(f"{CPU}/cpu3/online", "0\n")
    board.write(f"{POLICY}/scaling_min_freq", "1479000\n")
    board.write(f"{GPU}/min_freq", "921600000\n")
    before = board.state()
    done = setting.apply(machine(board), {"power_mode": "5W"}, silent)
    assert done["found"] == {"power_mode": "MAXN", "cores": "0-2", "clocks": "locked"}
    assert setting.restore(machine(board), done["found"]) == []
    assert board.state() == before


class Killed(BaseException):
    """The process ended here."""


def counted(board: Jetson, last: int) -> tuple[Machine, Callable[[], int]]:
    """A machine whose process is killed after so many changes."""
    real, count = machine(board), 0

    def step() -> None:
        nonlocal count
        if count == last:
            raise Killed
        count += 1

    def run(command: list[str], timeout_s: float = 20.0, as_root: bool = True) -> Any:
        if command[-1] != "-q":
            step()
        return real.run(command, timeout_s, as_root)

    def write(path: str, text: str) -> None:
        step()
        real.write(path, text)

    return real._replace(run=run, write=write), lambda: count


def test_killed_after_any_change_the_board_is_put_back(tmp_path: Path) -> None:
    whole = Jetson(tmp_path / "whole")
    killed_late, changes = counted(whole, 1000)
    setting.apply(killed_late, ALL, silent)
    assert changes() >= 8
    for last in range(changes()):
        board = Jetson(tmp_path / str(last))
        before, notes = board.state(), [{}]
        with pytest.raises(Killed):
            setting.apply(counted(board, last)[0], ALL, notes.append)
        assert setting.restore(machine(board), notes[-1]) == []
        assert board.state() == before
        assert list(board.kept.iterdir()) == []


def test_killed_while_putting_back_the_next_one_ends_it(tmp_path: Path) -> None:
    for last in range(6):
        board = Jetson(tmp_path / str(last))
        before = board.state()
        found = setting.apply(machine(board), ALL, silent)["found"]
        with pytest.raises(Killed):
            setting.restore(counted(board, last)[0], found)
        assert setting.restore(machine(board), found) == []
        assert board.state() == before


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"power_mode": "MAX"}, "power mode 'MAX' is not on this board; it has MAXN, "),
        ({"power_mode": "10W"}, "it has 5W, 7W, MAXN ("),
        ({"cores": "0-4"}, "cores '0-4': this board has 0-3"),
        ({"cores": "1-3"}, "cores '1-3': 0 cannot be switched off on this board"),
        ({"cores": "two"}, 'is neither "all" nor numbers as in "0-3,5"'),
        ({"cores": "3-1"}, "3-1 is no range of cores"),
        ({"governor": "perform"}, "governor 'perform' is not on this board; it has performance, "),
        ({"clocks": "free"}, 'only "locked" can be asked for'),
        ({"fan": 101}, "fan 101 is no duty from 0 to 100 percent"),
        ({"fan": True}, "fan True is no duty"),
        ({"voltage": 5}, "no control is called voltage; known: power_mode, cores"),
    ],
)
def test_a_value_that_the_board_does_not_have_is_refused_before_anything_is_changed(
    board: Jetson, asked: dict[str, Any], said: str
) -> None:
    before = board.state()
    with pytest.raises(ValueError, match=re.escape(said)):
        setting.apply(machine(board), {**ALL, **asked}, silent)
    assert (board.state(), board.asked) == (before, [])


def test_without_the_right_each_problem_has_the_command_that_grants_it(board: Jetson) -> None:
    refused = machine(board, board.allow())._replace(write=_refuse)
    done = setting.apply(refused, ALL, silent)
    assert done["in_force"]["power_mode"] == "MAXN"
    problems = {one["control"]: one for one in done["problems"]}
    assert list(problems) == list(ORDER)
    assert problems["power_mode"]["in_force"] == "power mode MAXN"
    assert problems["power_mode"]["reason"] == "sudo: a password is required"
    assert problems["governor"]["reason"] == "root's to write"
    nvpmodel = board.root / "usr/sbin/nvpmodel"
    assert f"{nvpmodel} -q, {nvpmodel} -m 0, {nvpmodel} -m 1, {nvpmodel} -m 2'" in problems["power_mode"]["grant"]
    clocks, store = board.root / "usr/bin/jetson_clocks", board.kept / "jetson_clocks.store"
    uses = f'{clocks} "", {clocks} --show, {clocks} --store {store}, {clocks} --restore {store}'
    assert uses in problems["clocks"]["grant"]
    assert f"{board.root}/usr/bin/tee {board.root}/{POLICY}/scaling_governor'" in problems["governor"]["grant"]
    for problem in problems.values():
        assert problem["grant"].startswith("echo '")
        assert problem["grant"].endswith("' | sudo tee -a /etc/sudoers.d/edge-harness")
        assert " ALL=(root) NOPASSWD: " in problem["grant"]


def _refuse(_path: str, _text: str) -> None:
    raise PermissionError("root's to write")


def test_a_control_that_fails_leaves_the_others_to_be_set(board: Jetson) -> None:
    before = board.state()
    done = setting.apply(machine(board, board.allow("jetson_clocks", "systemctl")), ALL, silent)
    assert [problem["control"] for problem in done["problems"]] == ["power_mode"]
    assert done["in_force"]["clocks"] == "locked"
    assert setting.restore(machine(board), done["found"]) == []
    assert board.state() == before


def test_nothing_is_changed_that_nobody_could_be_told_of(board: Jetson) -> None:
    def full(_found: dict[str, Any]) -> None:
        raise OSError(28, "No space left on device")

    before = board.state()
    done = setting.apply(machine(board), ALL, full)
    assert {problem["reason"] for problem in done["problems"]} == {"[Errno 28] No space left on device"}
    assert (board.state(), board.asked) == (before, [])


def test_verify_sees_what_was_lost_meanwhile_and_changes_nothing(board: Jetson) -> None:
    setting.apply(machine(board), ALL, silent)
    assert setting.verify(machine(board), ALL)["problems"] == []
    board.write(f"{POLICY}/scaling_governor", "schedutil\n")
    asked = board.asked
    seen = setting.verify(machine(board), ALL)
    assert seen["in_force"]["governor"] == "schedutil"
    (problem,) = seen["problems"]
    assert problem == {
        "control": "governor",
        "asked": "performance",
        "in_force": "schedutil",
        "reason": "something else set it again, or it took no effect",
        "grant": "",
    }
    assert board.asked == asked


def test_what_cannot_be_put_back_is_told(board: Jetson) -> None:
    done = setting.apply(machine(board), ALL, silent)
    board.behaves("nvpmodel", "silent")
    told = setting.restore(machine(board), done["found"])
    assert [(one["control"], one["asked"], one["in_force"]) for one in told] == [
        ("power_mode", "MAXN", "power mode 5W")
    ]
    assert "sudo nvpmodel -m 0" in told[0]["reason"]


def test_a_board_without_anything_says_of_each_what_it_takes(tmp_path: Path) -> None:
    bare = setting.machine(str(tmp_path), str(tmp_path))
    seen = setting.present(bare)
    assert list(seen) == list(ORDER)
    for name, told in seen.items():
        control = resolve(TABLE, "control", name)(bare)
        assert told["value"] is None
        assert control.read() is None
        assert ": " in told["why_unavailable"] == control.missing()
    done = setting.apply(bare, ALL, silent)
    assert [problem["control"] for problem in done["problems"]] == list(ORDER)
    assert (done["in_force"], done["found"]) == ({}, {})
    assert {problem["grant"] for problem in done["problems"]} == {""}
    gone = setting.restore(bare, FOUND)
    assert {problem["control"] for problem in gone} == set(ORDER)


def test_present_tells_values_and_rights_and_changes_nothing(board: Jetson) -> None:
    before = board.state()
    seen = setting.present(machine(board))
    assert {name: told["value"] for name, told in seen.items()} == FOUND
    assert {told["why_unavailable"] for told in seen.values()} == {None}
    refused = setting.present(machine(board, board.allow())._replace(write=_refuse))
    for name, told in refused.items():
        reason = "sudo: a password is required: echo " if name in ("power_mode", "clocks") else "root's to write: echo "
        assert told["why_unavailable"].startswith(reason)
    assert (board.state(), board.kept.exists(), list(board.kept.iterdir())) == (before, True, [])


def test_the_grant_is_literal() -> None:
    """To sudo some signs mean more than themselves, and a wildcard would let any further words through too."""
    grant = rights.granting([["/bin/x"], ["/bin/tee", "/sys/a:b/c,d=e*(f) g"]])
    assert '/bin/x "", /bin/tee /sys/a\\:b/c\\,d\\=e\\*(f)\\ g' in grant


def test_a_file_is_written_by_tee_where_sudo_lets_it(board: Jetson) -> None:
    sudo, path = board.allow("tee"), board.root / FAN
    rights.write_by_tee(sudo, str(board.root), str(path), "128")
    assert board.text(FAN) == "128"
    assert board.asked == [f"sudo -n {board.root}/usr/bin/tee {path}"]
    with pytest.raises(PermissionError, match="a password is required"):
        rights.write_by_tee(board.allow(), str(board.root), str(path), "0")
    with pytest.raises(OSError, match=r"could not be written: tee: .*: Is a directory"):
        rights.write_by_tee(board.allow("tee"), str(board.root), str(board.kept), "0")


def test_below_another_root_nothing_outside_is_written_and_nothing_created(board: Jetson) -> None:
    write = machine(board).write
    with pytest.raises(ValueError, match="is not below"):
        write(str(board.kept / "elsewhere"), "1")
    with pytest.raises(FileNotFoundError):
        write(str(board.root / CPU / "cpu9"), "1")


def test_a_program_that_hangs_is_given_up(board: Jetson) -> None:
    run = machine(board).run
    with pytest.raises(OSError, match=r"sleep 60 did not end within 0\.05 s"):
        run(["sleep", "60"], timeout_s=0.05)


def test_programs_get_no_input_and_the_plain_language(board: Jetson) -> None:
    status, out, err = machine(board).run(["sh", "-c", "read -r line || echo $LC_ALL; echo wrong >&2; exit 3"])
    assert (status, out, err) == (3, "C\n", "wrong\n")


def test_without_sudo_what_needs_root_is_refused() -> None:
    run = rights.runner(None)
    with pytest.raises(PermissionError, match="nvpmodel needs root, and there is no sudo"):
        run(["nvpmodel", "-m", "0"])
    assert run(["true"], as_root=False)[0] == 0
