"""A run over SSH to a real sshd, of which something is killed again and again at a random moment: what must hold
whatever was killed, and when.

The choice of victims and of pauses follows from a seed; which line of the program a kill meets does not.
"""

from __future__ import annotations

import random
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import harness
from tests.support.faults import PATIENCE_S, Rig, rig, until
from tests.support.host_side import runs_of
from tests.support.sshd import end_processes

# At both ends of the link, and the link itself. Of each the processes that there are now.
VICTIMS: dict[str, Callable[[Rig, subprocess.Popen[str]], Sequence[int]]] = {
    "host": lambda _board, process: [process.pid],
    "client": lambda board, _process: board.clients(),
    "connection": lambda board, _process: board.server.connections(),
    "steward": lambda board, _process: board.processes("steward"),
    "guard": lambda board, _process: board.processes("guard"),
    "trial": lambda board, _process: board.trial_process(),
}
LONGEST_PAUSE_S = 1.0
# So many pauses in ten begin with the host's own start, and not once it holds the board: most of a run is the latter.
FROM_THE_START = 2
LAUNCHES = 10


@dataclass
class Count:
    """What was killed and what came of it."""

    kills: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    trials: int = 0
    failed: int = 0
    anew: int = 0
    gave_up: list[str] = field(default_factory=list)

    def text(self) -> str:
        """A summary of a few lines."""
        killed = ", ".join(f"{number} x {name}" for name, number in sorted(self.kills.items()))
        return f"""\
{self.kills.total()} kills ({killed}) in {self.runs} runs of {self.trials} trials.
None that was finished was lost or measured again; each was stored once, and whole.
{self.failed} are stored as failed: their own process was killed ({self.kills["trial"]} such kills).
{self.anew} began anew: their steward was killed ({self.kills["steward"]} such kills).
The host gave up {len(self.gave_up)} times, with one message each; the same command went on.
After every run the board was free, nothing ran there, and its state was as it was found."""


def soak(folder: Path, kills: int, seed: int, tell: Callable[[str], None], *, real: bool = True) -> Count:
    """That many kills in as many runs as it takes, each run to its end. AssertionError where something is lost.

    real: trials of onnxruntime, which last about a second; else scripted ones, which are over at once.
    """
    chance, count = random.Random(seed), Count()
    while count.kills.total() < kills:
        with rig(folder / f"run-{count.runs}", launches=LAUNCHES, real=real) as board:
            _one_run(board, kills - count.kills.total(), chance, count, tell)
    return count


def _one_run(board: Rig, kills: int, chance: random.Random, count: Count, tell: Callable[[str], None]) -> None:
    """The same command until it is done, with at most `kills` of them meanwhile."""
    killed: Counter[str] = Counter()
    seen: dict[str, int] = {}
    histories: list[dict[str, int]] = []
    code: int | None = None
    while code != 0:
        with board.started() as process:
            name = ""
            while name != "host" and killed.total() < kills and _goes_on(board, process, chance):
                histories.append(board.stored())
                _remember_finished(board, seen)
                name, pids = _kill(board, process, chance)
                if pids:
                    killed[name] += 1
                    there = f"{len(histories[-1])} trials stored, {len(board.kept())} kept there"
                    tell(f"{count.kills.total() + killed.total():4} {name:10} {list(pids)}; {there}")
            _, said = process.communicate(timeout=PATIENCE_S)
            code = process.returncode
        assert "Traceback" not in said, said
        assert code in (0, 2, 3, -signal.SIGKILL), said
        if code in (2, 3):
            (message,) = [line for line in said.splitlines() if line.startswith("harness: ")]
            count.gave_up.append(message)
            tell(f"     the host gave up with {code}: {message}")
    assert all(before.items() <= board.stored().items() for before in histories), "a stored trial was touched again"
    count.kills += killed
    _conclude(board, killed, seen, count)


def _goes_on(board: Rig, process: subprocess.Popen[str], chance: random.Random) -> bool:
    """After a pause of a random length: False where the host has ended."""
    if chance.randrange(10) >= FROM_THE_START:
        until(lambda: board.lease() or process.poll() is not None, "the host to hold the board")
    return not _ends(process, chance.uniform(0.0, LONGEST_PAUSE_S))


def _ends(process: subprocess.Popen[str], within_s: float) -> bool:
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        return False
    return True


def _kill(board: Rig, process: subprocess.Popen[str], chance: random.Random) -> tuple[str, Sequence[int]]:
    """One of VICTIMS, as soon as there is one; none where the host ends before."""
    name = chance.choice(sorted(VICTIMS))
    pids = until(lambda: VICTIMS[name](board, process) or _ends(process, 0.0), f"a {name}")
    if pids is True:
        return name, ()
    end_processes(pids)
    return name, pids


def _remember_finished(board: Rig, seen: dict[str, int]) -> None:
    """How often each trial that is finished was begun so far: it must stay so."""
    finished = board.kept() | board.ids()
    starts = board.starts()
    for trial in finished:
        seen.setdefault(trial, starts[trial])


def _conclude(board: Rig, killed: Counter[str], seen: dict[str, int], count: Count) -> None:
    board.assert_left_clean()
    (run,) = runs_of(board.host)
    loaded, starts = harness.load(run), board.starts()
    trials = loaded.trials
    assert loaded.damaged == ()
    assert trials["trial"].is_unique
    assert sorted(trials["order"]) == list(range(board.launches + 1))
    assert not list(board.files.glob("trials/*/*"))
    assert {trial: starts[trial] for trial in seen} == seen, "a finished trial was begun again"
    failed = int((trials["status"] == "failed").sum())
    anew = starts.total() - len(trials)
    assert failed <= killed["trial"], "a trial failed whose process was not killed"
    assert anew <= killed["steward"], "a trial was begun again although its steward lived"
    count.runs, count.trials = count.runs + 1, count.trials + len(trials)
    count.failed, count.anew = count.failed + failed, count.anew + anew
