from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from harness.agent import PROTOCOL, wire
from harness.board import pack
from harness.board.hold import (
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    LOSSES_MAX,
    REPLY_TIMEOUT_S,
    TELL_AFTER_S,
    TRIAL_TIMEOUT_S,
    Board,
    Hold,
    Patience,
)
from harness.board.transports import LocalConversation, LocalTransport
from harness.errors import AgentError, BoardBusy, DeviceFileError, LinkLost, ReachError
from harness.model.device import Settle, State
from tests.support import steward_side
from tests.support.agent_side import ended, make_board
from tests.support.steward_side import BOOT, Bench, gated, script

LOST = LinkLost("Link", "the link broke")
AWAY = ReachError("nothing listens there", passing=True)
SHUT = ReachError("it refuses the login")
PLAYED = {
    "replies": [], "died": None, "folder": "/trial", "files": [], "started_utc": "now", "wall_s": 1.0, "state": None,
    "settled": None,
}  # fmt: skip
ANSWERS = {
    "hello": {"protocol": PROTOCOL, "facts": {}},
    "take": {"told": [], "boot_id": "boot-1"},
    "control": {},
    "settle": {},
    "play": PLAYED,
    "drop": {},
    "leave": {"told": []},
}


@dataclass
class Stand:
    """A board whose steward answers from a table, where a test has not put something else in its way."""

    answers: dict[str, Any] = field(default_factory=lambda: dict(ANSWERS))
    # What happens at the next starts of a steward, and at the next requests of a kind: errors, or None.
    starts: list[Exception | None] = field(default_factory=list)
    mishaps: dict[str, list[BaseException | None]] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)
    beats: queue.Queue[str] = field(default_factory=queue.Queue)
    closed: int = 0
    files: dict[str, bytes] = field(default_factory=dict)

    folder, lease_folder = "/board", "/leases"

    def put(self, source: Path, target: str) -> str:
        return f"/board/{target}"

    def get(self, source: str, target: Path) -> None:
        target.write_bytes(self.files[source])

    def talk(self, arguments: Sequence[str]) -> Stand:
        assert list(arguments) == ["steward", "/board"]
        mishap = self.starts.pop(0) if self.starts else None
        if mishap is not None:
            raise mishap
        return self

    def send(self, line: str) -> None:
        if line:
            self.asked.append(json.loads(line))
        else:
            self.beats.put(line)

    def receive(self, timeout_s: float) -> str:
        request = self.asked[-1]
        mishaps = self.mishaps.get(request["do"], [])
        mishap = mishaps.pop(0) if mishaps else None
        if mishap is not None:
            raise mishap
        answer = self.answers[request["do"]]
        if isinstance(answer, list):
            answer = answer.pop(0)
        return json.dumps({"ok": True, "result": answer, "n": request["n"]})

    def close(self, *, at_once: bool = False) -> int | None:
        self.closed += 1
        return 0

    def requests(self) -> list[str]:
        """What was asked, in order."""
        return [request["do"] for request in self.asked]


class Time:
    """A clock that only its own sleep moves."""

    def __init__(self) -> None:
        self.now_s, self.slept_s = 0.0, list[float]()

    def clock(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.now_s += seconds


@pytest.fixture
def told() -> list[str]:
    """What whoever watches was told."""
    return []


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def patience(time: Time, told: list[str]) -> Patience:
    return Patience(lost_s=60.0, clock=time.clock, sleep=time.sleep, tell=told.append)


@pytest.fixture
def stand() -> Stand:
    return Stand()


@pytest.fixture
def board(stand: Stand, tmp_path: Path) -> Board:
    return replace(make_board(tmp_path / "board"), transport=stand)


def play(hold: Hold) -> Any:
    return hold.play("one", [{"do": "bye", "timeout_s": 5.0, "with": {}}], ("samples", "traces"))


def test_it_takes_the_board_and_lets_it_go(board: Board, stand: Stand, patience: Patience) -> None:
    with Hold(board, "run", patience) as hold:
        play(hold)
        hold.drop("one")
    assert stand.requests() == ["hello", "take", "play", "drop", "leave"]
    taken = stand.asked[1]["with"]
    assert (taken["run"], taken["lease_folder"]) == ("run", "/leases")
    assert "@" in taken["who"]
    assert stand.asked[2]["with"]["trial"] == "one"
    assert stand.asked[3]["with"] == {"trial": "one"}
    assert stand.closed == 1


def test_only_what_is_asked_of_a_state_is_set(board: Board, stand: Stand, patience: Patience) -> None:
    device = replace(board.device, state=State(governor="performance", fan=0))
    with Hold(replace(board, device=device), "run", patience):
        pass
    assert stand.requests() == ["hello", "take", "control", "leave"]
    assert stand.asked[2]["with"] == {"asked": {"governor": "performance", "fan": 0}}


def test_nothing_is_waited_for_unless_the_device_asks_for_it(board: Board, stand: Stand, patience: Patience) -> None:
    calm = replace(board.device, settle=Settle(deadline_s=90.0, window_s=30.0))
    for device in (board.device, calm):
        with Hold(replace(board, device=device), "run", patience) as hold:
            hold.calm(whole=True)
    assert stand.requests() == ["hello", "take", "leave", "hello", "take", "settle", "leave"]
    (asked,) = [request for request in stand.asked if request["do"] == "settle"]
    assert (asked["with"]["rule"]["deadline_s"], asked["with"]["whole"]) == (90.0, True)
    assert asked["deadline_s"] > 120.0


def test_a_board_is_asked_again_what_it_says_of_itself(board: Board, stand: Stand, patience: Patience) -> None:
    """Over a new link where the first one broke meanwhile."""
    told = {"boot_id": "boot-1", "epoch_minus_clock_s": 1e9}
    stand.answers["hello"] = {"protocol": PROTOCOL, "facts": told}
    stand.mishaps["hello"] = [None, None, LOST]
    with Hold(board, "run", patience) as hold:
        assert (hold.facts(), hold.facts()) == (told, told)
    assert stand.requests() == ["hello", "take", "hello", "hello", "hello", "take", "hello", "leave"]


def test_columns_that_were_written_are_fetched(board: Board, stand: Stand, patience: Patience, tmp_path: Path) -> None:
    wire.write_columns(tmp_path / "samples", [("samples.duration_s", array("d", [0.5]))])
    stand.files = {"/trial/samples": (tmp_path / "samples").read_bytes()}
    stand.answers["play"] = {**PLAYED, "files": ["errors", "samples"]}
    with Hold(board, "run", patience) as hold:
        played = play(hold)
    assert {name: dict(columns) for name, columns in played.columns.items()} == {
        "samples": {"samples.duration_s": array("d", [0.5])}
    }
    assert (played.started_utc, played.wall_s, played.replies) == ("now", 1.0, ())


def test_columns_that_did_not_arrive_whole_are_no_columns(board: Board, stand: Stand, patience: Patience) -> None:
    stand.files = {"/trial/samples": b'{"columns": [["x", 9]]}\n'}
    stand.answers["play"] = {**PLAYED, "files": ["samples"]}
    with pytest.raises(AgentError, match="did not arrive whole"), Hold(board, "run", patience) as hold:
        play(hold)


@pytest.mark.parametrize(
    "lost", [LOST, AgentError("Killed", "ended by SIGKILL"), AgentError("Silence", "no answer"), AWAY]
)
def test_a_link_that_broke_is_replaced_and_the_same_is_asked_again(
    board: Board, stand: Stand, patience: Patience, told: list[str], lost: Exception
) -> None:
    stand.mishaps["play"] = [lost]
    with Hold(board, "run", patience) as hold:
        assert play(hold).wall_s == 1.0
    assert stand.requests() == ["hello", "take", "play", "hello", "take", "play", "leave"]
    assert told == [f"{lost}; connecting again"]
    assert stand.closed == 2


def test_what_no_new_link_can_mend_is_raised_at_once(
    board: Board, stand: Stand, patience: Patience, time: Time
) -> None:
    stand.mishaps["play"] = [AgentError("KeyError", "play: KeyError: 'do'")]
    with pytest.raises(AgentError, match="KeyError"), Hold(board, "run", patience) as hold:
        play(hold)
    assert stand.requests() == ["hello", "take", "play", "leave"]
    assert time.slept_s == []


def test_a_board_that_comes_back_is_waited_for(board: Board, stand: Stand, patience: Patience, time: Time) -> None:
    with Hold(board, "run", patience) as hold:
        stand.mishaps["play"], stand.starts = [LOST], [AWAY] * 4
        play(hold)
    assert time.slept_s == [FIRST_PAUSE_S * 2**number for number in range(4)]


def test_a_board_that_stays_away_is_waited_for_as_long_as_patience_lasts(
    board: Board, stand: Stand, patience: Patience, time: Time, told: list[str]
) -> None:
    stand.mishaps["play"], stand.starts = [LOST], [None] + [AWAY] * 1000
    with pytest.raises(LinkLost) as caught, Hold(board, "run", patience) as hold:
        play(hold)
    message = str(caught.value)
    assert message.startswith("nothing listens there; here was not seen for 60 s")
    assert message.endswith("the same command goes on")
    assert 60.0 < time.now_s <= 60.0 + LONGEST_PAUSE_S
    assert max(time.slept_s) == LONGEST_PAUSE_S
    # Once, and not once more for each loss that may be.
    assert told == ["the link broke; connecting again"]


@pytest.mark.parametrize("at", ["the start", "the greeting"])
def test_a_board_that_refuses_is_not_waited_for(
    board: Board, stand: Stand, patience: Patience, time: Time, at: str
) -> None:
    stand.mishaps["play"] = [LOST]
    if at == "the start":
        stand.starts = [None, SHUT]
    else:
        stand.mishaps["hello"] = [None, SHUT]
    with pytest.raises(ReachError, match="refuses the login"), Hold(board, "run", patience) as hold:
        play(hold)
    assert time.slept_s == []


def test_a_trial_that_is_lost_again_and_again_is_given_up(board: Board, stand: Stand, patience: Patience) -> None:
    stand.mishaps["play"] = [LOST] * 1000
    with pytest.raises(LinkLost) as caught, Hold(board, "run", patience) as hold:
        play(hold)
    assert str(caught.value).startswith(f"the link to here broke {LOSSES_MAX} times in one trial")
    assert stand.requests().count("play") == LOSSES_MAX


def test_files_are_sent_until_they_are_there(board: Board, stand: Stand, patience: Patience) -> None:
    mishaps: list[Exception] = [AWAY, LOST]

    def send(to: Board) -> str:
        if mishaps:
            raise mishaps.pop()
        return to.transport.put(Path("model"), "model")

    with Hold(board, "run", patience) as hold:
        assert hold.sending(send) == "/board/model"
    assert stand.requests() == ["hello", "take"] * 3 + ["leave"]


def test_a_trial_that_cannot_be_dropped_costs_room_and_no_more(
    board: Board, stand: Stand, patience: Patience, time: Time, told: list[str]
) -> None:
    """Nobody is waited for, and the run that goes on needs no other reason to connect."""
    with Hold(board, "run", patience) as hold:
        stand.mishaps["drop"] = [LOST]
        hold.drop("one")
        hold.drop("two")
        play(hold)
        hold.drop(None)
    assert stand.requests() == ["hello", "take", "drop", "hello", "take", "play", "drop", "leave"]
    assert (time.slept_s, told) == ([], ["the link broke"])


@pytest.mark.parametrize("error", [AWAY, SHUT, LOST, BoardBusy("me@there has been measuring on it")])
def test_at_the_end_of_a_run_a_board_is_sought_once(
    board: Board, stand: Stand, patience: Patience, time: Time, told: list[str], error: Exception
) -> None:
    """Everything is stored: neither is it waited for, nor has the run failed."""
    with Hold(board, "run", patience) as hold:
        stand.mishaps["drop"] = [LOST]
        hold.drop("one")
        stand.starts = [error]
        hold.drop(None)
    assert stand.requests() == ["hello", "take", "drop"]
    assert time.slept_s == []
    kept = "here keeps what is left of this run until `harness devices clean --trials`"
    assert told == ["the link broke", f"{error}; {kept}"]


def test_at_the_end_of_a_run_a_board_that_is_back_forgets_it(board: Board, stand: Stand, patience: Patience) -> None:
    with Hold(board, "run", patience) as hold:
        stand.mishaps["drop"] = [LOST]
        hold.drop("one")
        hold.drop(None)
    assert stand.requests() == ["hello", "take", "drop", "hello", "take", "drop", "leave"]
    assert stand.asked[5]["with"] == {"trial": None}


def test_a_drop_that_the_board_cannot_do_is_an_error(board: Board, stand: Stand, patience: Patience) -> None:
    stand.mishaps["drop"] = [AgentError("OSError", "drop: OSError: no")]
    with pytest.raises(AgentError, match="drop: OSError"), Hold(board, "run", patience) as hold:
        hold.drop("one")


def test_a_trial_over_a_new_link_waits_for_a_calm_board_as_the_first_did(
    board: Board, stand: Stand, patience: Patience, told: list[str]
) -> None:
    """Who restarted may be hot or busy, and the new steward has waited for nothing."""
    device = replace(board.device, settle=Settle(deadline_s=90.0, window_s=30.0))
    stand.mishaps["play"] = [LOST]
    with Hold(replace(board, device=device), "run", patience) as hold:
        hold.calm(whole=True)
        hold.calm()
        play(hold)
        hold.calm()
        play(hold)
    asked = [(one["do"], one["with"].get("whole")) for one in stand.asked if one["do"] in ("take", "settle", "play")]
    first = [("take", None), ("settle", True), ("settle", False), ("play", None)]
    again = [("take", None), ("settle", True), ("play", None), ("settle", False), ("play", None)]
    assert asked == first + again
    assert told == ["the link broke; connecting again", "here is left to become calm again, for 90 s at most"]


def test_a_link_that_breaks_between_trials_makes_the_next_wait_whole(
    board: Board, stand: Stand, patience: Patience
) -> None:
    device = replace(board.device, settle=Settle(deadline_s=90.0))
    stand.mishaps["settle"] = [None, LOST, LOST]
    with Hold(replace(board, device=device), "run", patience) as hold:
        hold.calm(whole=True)
        hold.calm()
        play(hold)
    whole = [one["with"]["whole"] for one in stand.asked if one["do"] == "settle"]
    assert whole == [True, False, True, True]
    assert stand.requests()[-3:] == ["settle", "play", "leave"]


def test_a_run_that_waits_for_no_calm_does_not_over_a_new_link(board: Board, stand: Stand, patience: Patience) -> None:
    device = replace(board.device, settle=Settle(deadline_s=90.0))
    stand.mishaps["play"] = [LOST]
    with Hold(replace(board, device=device), "run", patience) as hold:
        play(hold)
    assert "settle" not in stand.requests()


def test_whoever_waits_for_the_last_steward_is_told(
    board: Board, stand: Stand, patience: Patience, told: list[str]
) -> None:
    text = "me@here has been measuring on it since 10:00 (run run)"
    stand.answers["take"] = [{"waits_for": text}, ANSWERS["take"]]
    with Hold(board, "run", patience):
        pass
    assert stand.requests() == ["hello", "take", "take", "leave"]
    waits_s = [one["with"]["wait_s"] for one in stand.asked if one["do"] == "take"]
    assert waits_s == [TELL_AFTER_S, TRIAL_TIMEOUT_S - REPLY_TIMEOUT_S]
    assert told == [f"here: {text}: that trial of this run is waited for, and collected"]


def test_the_last_steward_is_not_waited_for_for_ever(board: Board, stand: Stand) -> None:
    stand.answers["take"] = {"waits_for": "me@here has been measuring on it"}
    with pytest.raises(BoardBusy, match=r"^here: me@here has been measuring on it; wait until"), Hold(board, "run"):
        pytest.fail("it is not held")
    assert stand.requests() == ["hello", "take", "take"]


def test_a_state_that_a_board_lacks_names_the_device(board: Board, stand: Stand, patience: Patience) -> None:
    stand.mishaps["control"] = [DeviceFileError("governor 'fast' is not on this board; it has ondemand")]
    device = replace(board.device, state=State(governor="fast"))
    with pytest.raises(DeviceFileError) as caught, Hold(replace(board, device=device), "run", patience):
        pytest.fail("it is not held")
    said = "device here: governor 'fast' is not on this board; it has ondemand; change [state] in its file"
    assert (str(caught.value), stand.closed) == (said, 1)


def test_a_restart_is_told(board: Board, stand: Stand, patience: Patience, told: list[str]) -> None:
    with Hold(board, "run", patience) as hold:
        stand.mishaps["play"] = [LOST]
        stand.answers["take"] = {"told": [], "boot_id": "boot-2"}
        play(hold)
        stand.mishaps["play"] = [LOST]
        play(hold)
    assert told == [
        "the link broke; connecting again",
        "here was restarted meanwhile; the trial that it was in begins anew",
        "the link broke; connecting again",
    ]


def test_what_others_left_and_what_cannot_be_put_back_is_told(
    board: Board, stand: Stand, patience: Patience, told: list[str]
) -> None:
    stand.answers["take"] = {"told": ["governor could not be put back"], "boot_id": None}
    stand.answers["leave"] = {"told": ["fan could not be put back"]}
    with Hold(board, "run", patience):
        pass
    assert told == ["here: governor could not be put back", "here: fan could not be put back"]


@pytest.mark.parametrize("lost", [AWAY, LOST])
def test_a_link_that_breaks_at_first_is_one_that_breaks(
    board: Board, stand: Stand, patience: Patience, time: Time, told: list[str], lost: Exception
) -> None:
    """The board has just answered, as it was asked what it has."""
    stand.mishaps["take"], stand.starts = [lost], [None, AWAY]
    with Hold(board, "run", patience) as hold:
        play(hold)
    assert time.slept_s == [FIRST_PAUSE_S]
    assert told == [f"{lost}; connecting again"]  # and it was not restarted, as far as anyone knows
    assert stand.closed == 2


@pytest.mark.parametrize("error", [SHUT, AgentError("ValueError", "take: ValueError: no")])
def test_a_board_that_refuses_at_first_is_not_waited_for(
    board: Board, stand: Stand, patience: Patience, time: Time, error: Exception
) -> None:
    stand.mishaps["take"] = [error]
    with pytest.raises(type(error)), Hold(board, "run", patience):
        pytest.fail("it is not held")
    assert (stand.closed, time.slept_s) == (1, [])


def test_a_busy_board_says_who_has_it(board: Board, stand: Stand, patience: Patience) -> None:
    busy = BoardBusy("me@there has been measuring on it since 10:00 (run x)")
    stand.mishaps["take"] = [busy]
    with pytest.raises(BoardBusy) as caught, Hold(board, "run", patience):
        pytest.fail("it is not held")
    assert str(caught.value) == f"here: {busy}; wait until it has ended"
    assert stand.closed == 1


def test_a_board_that_another_took_meanwhile_is_busy(board: Board, stand: Stand, patience: Patience) -> None:
    stand.mishaps = {"play": [LOST], "take": [None, BoardBusy("me@there has been measuring on it")]}
    with pytest.raises(BoardBusy, match="me@there"), Hold(board, "run", patience) as hold:
        play(hold)
    assert stand.closed == 2


@pytest.mark.parametrize("lost", [LOST, AWAY, AgentError("Silence", "no answer")])
def test_a_board_that_is_gone_at_the_end_puts_its_state_back_by_itself(
    board: Board, stand: Stand, patience: Patience, told: list[str], lost: Exception
) -> None:
    stand.mishaps["leave"] = [lost]
    with Hold(board, "run", patience):
        pass
    assert told == [f"here cannot be asked to put its state back ({lost}); it does so by itself"]


@pytest.mark.parametrize("leaving", [None, LOST, AgentError("OSError", "leave: OSError: no")])
def test_what_went_wrong_inside_is_what_is_raised(
    board: Board, stand: Stand, patience: Patience, leaving: Exception | None
) -> None:
    stand.mishaps["leave"] = [leaving]
    with pytest.raises(KeyboardInterrupt), Hold(board, "run", patience):
        raise KeyboardInterrupt
    assert (stand.requests()[-1], stand.closed) == ("leave", 1)


def test_a_ctrl_c_in_the_middle_of_a_trial_lets_the_board_go(board: Board, stand: Stand, patience: Patience) -> None:
    stand.mishaps["play"] = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt), Hold(board, "run", patience) as hold:
        play(hold)
    assert stand.requests() == ["hello", "take", "play", "leave"]


def test_a_failure_to_let_go_is_raised_where_nothing_else_is(board: Board, stand: Stand, patience: Patience) -> None:
    stand.mishaps["leave"] = [AgentError("OSError", "leave: OSError: no")]
    with pytest.raises(AgentError, match="leave: OSError"), Hold(board, "run", patience):
        pass


def test_the_board_hears_that_its_host_is_there(board: Board, stand: Stand, patience: Patience) -> None:
    with Hold(board, "run", replace(patience, beat_s=0.001)):
        assert [stand.beats.get(timeout=60.0) for _ in range(3)] == [""] * 3
    assert not [thread for thread in threading.enumerate() if thread.name == "heartbeat" and _lasts(thread)]


def _lasts(thread: threading.Thread) -> bool:
    thread.join(60.0)
    return thread.is_alive()


# Real stewards from here on.


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with steward_side.bench(tmp_path) as made:
        yield made


class Relayed(LocalTransport):
    """This machine behind a process that passes lines on: as the ssh client, it can be killed without the steward."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, sys.executable)
        self.relays: list[LocalConversation] = []

    def talk(self, arguments: Sequence[str]) -> LocalConversation:
        agent = [sys.executable, str(pack.write(Path(self.folder))), *arguments]
        # In a session of its own, so that it does not end with what leads to it.
        relay = ["sh", "-c", 'cat | setsid "$@" | cat', "relay", *agent]
        self.relays.append(LocalConversation(relay))
        return self.relays[-1]


def held(bench: Bench, transport: LocalTransport, **state: Any) -> Board:
    device = replace(make_board(bench.root).device, state=State(**state))
    return Board(device, transport, str(bench.root))


def meanwhile(do: Callable[[], None]) -> threading.Thread:
    """Done in another thread, while this one waits for a trial."""
    thread = threading.Thread(target=do)
    thread.start()
    return thread


def test_a_trial_survives_the_link_that_it_was_asked_over(bench: Bench, told: list[str]) -> None:
    """Finished on the board, collected over the next link, and measured once."""
    transport, pids = Relayed(Path(bench.transport.folder)), list[int]()
    gate, whole = gated(bench)

    def cut() -> None:
        gate.reached()
        pids.append(bench.trial_pid())
        os.killpg(transport.relays[0].pid, signal.SIGKILL)
        gate.open()

    with Hold(held(bench, transport, governor="performance"), "run", Patience(tell=told.append)) as hold:
        other = meanwhile(cut)
        played = hold.play("one", whole, ("samples",))
        assert bench.governor == "performance"
    other.join()
    assert [reply["result"].get("pid") for reply in played.replies][:1] == pids
    assert (played.died, len(played.columns["samples"]["samples.duration_s"]) >= 64) == (None, True)
    assert played.state["in_force"] == {"governor": "performance"}
    assert len(transport.relays) == 2
    assert [text.endswith("connecting again") for text in told] == [True]
    assert (bench.governor, bench.entries()) == ("ondemand", [])


def test_a_trial_whose_steward_was_killed_is_begun_anew(bench: Bench, told: list[str]) -> None:
    gate, whole = gated(bench)
    pids: list[int] = []

    def kill() -> None:
        gate.reached()
        pids.append(bench.trial_pid())
        (entry,) = bench.entries()
        os.kill(entry["holder"]["pid"], signal.SIGKILL)
        assert ended(pids[0])
        gate.open()

    with Hold(held(bench, bench.transport, governor="performance"), "run", Patience(tell=told.append)) as hold:
        other = meanwhile(kill)
        played = hold.play("one", whole, ("samples",))
    other.join()
    assert played.died is None
    assert played.replies[0]["result"]["pid"] not in pids
    assert len(told) == 1
    assert (bench.governor, bench.entries()) == ("ondemand", [])


def test_a_board_that_was_restarted_is_put_right_and_goes_on(bench: Bench, told: list[str]) -> None:
    gate, whole = gated(bench)

    def restart() -> None:
        gate.reached()
        (entry,) = bench.entries()
        # All processes end at once, nothing is put back, and the kernel gives the boot another name.
        for pid in (bench.guard(), entry["holder"]["pid"], bench.trial_pid()):
            os.kill(pid, signal.SIGKILL)
        (bench.root / BOOT).write_text("boot-2\n")
        gate.open()

    with Hold(held(bench, bench.transport, governor="performance"), "run", Patience(tell=told.append)) as hold:
        other = meanwhile(restart)
        assert hold.play("one", whole, ("samples",)).died is None
        assert bench.governor == "performance"
    other.join()
    assert told[-1] == "here was restarted meanwhile; the trial that it was in begins anew"
    assert (bench.governor, bench.entries()) == ("ondemand", [])


def test_a_second_host_is_refused_and_disturbs_nobody(bench: Bench, tmp_path: Path) -> None:
    artifact = steward_side.Gate(tmp_path / "model.json")
    board = held(bench, bench.transport)
    with Hold(board, "run") as hold:
        other = meanwhile(lambda: (artifact.reached(), artifact.open()))  # type: ignore[func-returns-value]
        with pytest.raises(BoardBusy, match=r"here: .*\(run run\); wait until it has ended"), Hold(board, "another"):
            pytest.fail("it is not held")
        assert hold.play("one", script(artifact.path, artifact.sha256), ()).died is None
        other.join()


def test_a_run_goes_on_where_a_killed_host_left_it(bench: Bench) -> None:
    """Whose steward noticed the end of its input, finished the trial and let the board go."""
    gate, whole = gated(bench)
    first = bench.steward(governor="performance")
    first.send("play", trial="one", script=whole)
    gate.reached()
    pid = bench.trial_pid()
    first.hang_up()
    other = meanwhile(gate.open)
    with Hold(held(bench, bench.transport), "run") as hold:
        assert hold.play("one", whole, ("samples",)).replies[0]["result"]["pid"] == pid
    other.join()


def test_settling_is_told_to_the_trials(bench: Bench) -> None:
    gate, whole = gated(bench)
    board = held(bench, bench.transport)
    device = replace(board.device, settle=Settle(deadline_s=0.001, load_cores=100.0))
    with Hold(replace(board, device=device), "run") as hold:
        hold.calm()
        other = meanwhile(lambda: (gate.reached(), gate.open()))  # type: ignore[func-returns-value]
        played = hold.play("one", whole, ())
        other.join()
    assert isinstance(played.settled, Mapping)
    assert played.settled["waited_s"] >= 0.0
