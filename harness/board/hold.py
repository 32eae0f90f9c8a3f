"""A board held for one run: its lease, its state, and trials that survive the link. The host's end of the steward.

Whatever breaks in between (a cable, sshd, the steward, the board's power), it connects again and asks for the same
trial: what was finished there is kept there, and what was not is begun anew. Stores nothing itself.
"""

from __future__ import annotations

import getpass
import socket
import tempfile
import threading
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from harness.agent import wire
from harness.board.link import Link
from harness.errors import AgentError, BoardBusy, DeviceFileError, LinkLost, ReachError
from harness.model.codec import Json, to_json
from harness.model.device import Device
from harness.ports import Transport

T = TypeVar("T")
# The steward gives a silent host up after harness.agent.host.HOST_PATIENCE_S; this is well within it.
BEAT_S = 10.0
REPLY_TIMEOUT_S = 30.0
# Setting a power mode or waking a fan takes a board some seconds each.
STATE_TIMEOUT_S = 180.0
# The trial that the last steward of this run is still in: at most as long as a trial may take.
TRIAL_TIMEOUT_S = 7200.0
# So long the last steward may take to let go before whoever watches is told what is waited for.
TELL_AFTER_S = 5.0
# A trial that is lost so often by a link that otherwise works is not lost by accident.
LOSSES_MAX = 30
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 15.0


@dataclass(frozen=True)
class Board:
    """A device within reach. `root` replaces / for every file that the agent reads, for captured trees."""

    device: Device
    transport: Transport
    root: str = "/"


@dataclass(frozen=True)
class Played:
    """What a trial left: replies in the order of its script, how its process died if it did, and its columns by file.

    started_utc: by the board's clock; wall_s: from there to its end.
    state: what was asked of the board's and what was in force, as harness.agent.controls.setting says it; settled: as
    harness.agent.settling does. None where nothing was asked.
    """

    replies: tuple[Mapping[str, Json], ...]
    died: Mapping[str, str] | None
    columns: Mapping[str, Mapping[str, array[float]]]
    started_utc: str
    wall_s: float
    state: Mapping[str, Json] | None = None
    settled: Mapping[str, Json] | None = None


@dataclass(frozen=True)
class Patience:
    """How long a lost board is waited for, by which clock; `tell` says what happens to whoever watches.

    beat_s: how often the board is told that its host is there.
    """

    lost_s: float = 600.0
    beat_s: float = BEAT_S
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    tell: Callable[[str], None] = lambda _text: None


class Hold:
    """Use as a context manager: inside, the board is this run's alone; on the way out its state is put back.

    Raises on entry ReachError, BoardBusy, AgentError.
    """

    def __init__(self, board: Board, run: str, patience: Patience = Patience()) -> None:
        self.board, self._run, self._patience = board, run, patience
        self._link: Link | None = None
        self._beating: threading.Event | None = None
        self._boot_id: str | None = None
        # Whether the trials of this run wait for a calm board; whether a new link has left that undone.
        self._settles = self._restless = False

    def __enter__(self) -> Hold:
        try:
            self._connect_at_first()
        except BaseException:
            self._hang_up()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        try:
            if self._link is not None:
                self._say_all(self._link.ask("leave", STATE_TIMEOUT_S)["told"])
        except (AgentError, ReachError) as lost:
            if not _is_loss(lost) and kind is None:
                raise
            name = self.board.device.name
            self._patience.tell(f"{name} cannot be asked to put its state back ({lost}); it does so by itself")
        finally:
            self._hang_up()

    def play(self, trial: str, script: Sequence[Mapping[str, Json]], files: Sequence[str]) -> Played:
        """Run a trial's script, or collect it where it was finished before. LinkLost where the board stays away.

        files: names of column files that the script writes; those that were not written are left out.
        """
        timeout_s = REPLY_TIMEOUT_S + sum(step["timeout_s"] for step in script)
        played: Played = self._persistently(lambda link: self._play(link, trial, script, files, timeout_s))
        return played

    def facts(self) -> Mapping[str, Json]:
        """What the board says of itself now: its boot and its two clocks among it. Costs it some milliseconds."""
        found: Mapping[str, Json] = self._persistently(lambda link: link.hello()["facts"])
        return found

    def sending(self, do: Callable[[Board], T]) -> T:
        """Whatever moves files to the board; where the link breaks, again: what is there is not sent twice."""
        result: T = self._persistently(lambda _link: do(self.board))
        return result

    def drop(self, trial: str | None) -> None:
        """The trial is stored here and need not be kept there; None: the run is over, which tells for all of it.

        Nobody is waited for: all is stored, and what stays there costs some room.
        """
        name, link = self.board.device.name, self._link
        try:
            if link is None and trial is None:
                link = self._connect()
            if link is not None:
                link.ask("drop", REPLY_TIMEOUT_S, trial=trial)
        except (AgentError, ReachError, BoardBusy) as error:
            if isinstance(error, AgentError) and not _is_loss(error):
                raise
            self._hang_up()
            left = "" if trial is not None else f"; {name} keeps what is left of this run until {_CLEAN}"
            self._patience.tell(f"{error}{left}")

    def calm(self, *, whole: bool = False) -> None:
        """Wait until the board is fit for a trial; what was waited for stands in the trials that follow."""
        if self.board.device.settle.deadline_s > 0:
            self._settles = True
            self._persistently(lambda link: self._settle(link, whole=whole or self._restless))

    def _settle(self, link: Link, *, whole: bool) -> None:
        rule = self.board.device.settle
        timeout_s = rule.deadline_s + rule.window_s + REPLY_TIMEOUT_S
        link.ask("settle", timeout_s, rule=to_json(rule), whole=whole)
        self._restless = False

    def _play(
        self, link: Link, trial: str, script: Sequence[Mapping[str, Json]], files: Sequence[str], timeout_s: float
    ) -> Played:
        if self._restless:
            limit_s = self.board.device.settle.deadline_s
            self._patience.tell(f"{self.board.device.name} is left to become calm again, for {limit_s:.0f} s at most")
            self._settle(link, whole=True)
        answer = link.ask("play", timeout_s, trial=trial, script=list(script))
        columns = {name: self._fetch(f"{answer['folder']}/{name}") for name in files if name in answer["files"]}
        told = {name: answer[name] for name in ("died", "started_utc", "wall_s", "state", "settled")}
        return Played(replies=tuple(answer["replies"]), columns=columns, **told)

    def _fetch(self, path: str) -> Mapping[str, array[float]]:
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder) / "columns"
            self.board.transport.get(path, local)
            try:
                columns: Mapping[str, array[float]] = wire.read_columns(str(local))
            except ValueError as error:
                raise AgentError("Columns", f"the agent's columns did not arrive whole: {error}") from None
            return columns

    def _persistently(self, do: Callable[[Link], Json]) -> Json:
        """Do it over the link; where that breaks, over the next one."""
        for _ in range(LOSSES_MAX):
            link = self._link or self._connect_again()
            try:
                return do(link)
            except (AgentError, ReachError) as error:
                if not _is_loss(error):
                    raise
                self._patience.tell(f"{error}; connecting again")
                self._hang_up()
        raise LinkLost("Link", f"the link to {self.board.device.name} broke {LOSSES_MAX} times in one trial{_KEPT}")

    def _connect_at_first(self) -> None:
        """Whoever asks for a board has just heard of it: a link that breaks now is one that breaks."""
        try:
            self._connect()
        except (AgentError, ReachError) as error:
            if not _is_loss(error):
                raise
            self._patience.tell(f"{error}; connecting again")
            self._hang_up()
            self._connect_again()

    def _connect_again(self) -> Link:
        """A new link, for as long as patience lasts. ReachError at once where waiting cannot help."""
        patience, pause_s = self._patience, FIRST_PAUSE_S
        deadline, boot_id = patience.clock() + patience.lost_s, self._boot_id
        while True:
            try:
                link = self._connect()
            except (AgentError, ReachError) as error:
                self._hang_up()
                if not _is_loss(error):
                    raise
                if patience.clock() > deadline:
                    gone = f"{self.board.device.name} was not seen for {patience.lost_s:.0f} s"
                    raise LinkLost("Link", f"{error}; {gone}{_KEPT}") from None
                patience.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                continue
            if boot_id not in (None, self._boot_id):
                patience.tell(f"{self.board.device.name} was restarted meanwhile; the trial that it was in begins anew")
            return link

    def _connect(self) -> Link:
        transport, device = self.board.transport, self.board.device
        link = self._link = Link(transport.talk(["steward", transport.folder]), self.board.root)
        self._beat(link)
        link.hello()
        try:
            taken = self._take(link)
        except BoardBusy as busy:
            raise BoardBusy(f"{device.name}: {busy}; wait until it has ended") from None
        self._say_all(taken["told"])
        self._boot_id, self._restless = taken["boot_id"], self._settles
        asked = {name: value for name, value in to_json(device.state).items() if value is not None}
        if asked:
            try:
                link.ask("control", STATE_TIMEOUT_S, asked=asked)
            except DeviceFileError as error:
                raise DeviceFileError(f"device {device.name}: {error}; change [state] in its file") from None
        return link

    def _take(self, link: Link) -> dict[str, Json]:
        """The lease. The last steward of this run may have it still, for as long as its trial takes."""
        asked = {"run": self._run, "who": f"{getpass.getuser()}@{socket.gethostname()}"}
        asked["lease_folder"] = self.board.transport.lease_folder
        taken = link.ask("take", TELL_AFTER_S + REPLY_TIMEOUT_S, wait_s=TELL_AFTER_S, **asked)
        if "waits_for" in taken:
            self._say_all([f"{taken['waits_for']}: that trial of this run is waited for, and collected"])
            taken = link.ask("take", TRIAL_TIMEOUT_S, wait_s=TRIAL_TIMEOUT_S - REPLY_TIMEOUT_S, **asked)
        if "waits_for" in taken:
            raise BoardBusy(str(taken["waits_for"]))
        return taken

    def _beat(self, link: Link) -> None:
        """Heartbeats in a thread of their own: whatever the host is busy with, it is there."""
        ended = self._beating = threading.Event()

        def beats() -> None:
            while not ended.wait(self._patience.beat_s):
                try:
                    link.beat()
                except (AgentError, ReachError, ValueError, OSError):
                    return  # the next request says it

        threading.Thread(target=beats, name="heartbeat", daemon=True).start()

    def _hang_up(self) -> None:
        if self._beating is not None:
            self._beating.set()
        link, self._link = self._link, None
        if link is not None:
            link.close(at_once=True)

    def _say_all(self, told: Sequence[str]) -> None:
        for text in told:
            self._patience.tell(f"{self.board.device.name}: {text}")


_CLEAN = "`harness devices clean --trials`"
_KEPT = "; what was finished is kept here and there, and the same command goes on"


def _is_loss(error: AgentError | ReachError) -> bool:
    """Whether another connection may mend it: the link broke, the steward was killed or fell silent."""
    if isinstance(error, ReachError):
        return error.passing
    return isinstance(error, LinkLost) or error.kind in ("Killed", "Silence")
