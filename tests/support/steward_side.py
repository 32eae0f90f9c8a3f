"""A board with one control, and a real steward on it that a test speaks to: for tests of what holds a board.

The board is a tree of files with a governor in it; its agent is the packed one, in processes of its own.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.agent import PROTOCOL, wire
from harness.agent.lease import SUFFIX
from harness.board.link import Link
from harness.board.transports import LocalConversation, LocalTransport
from tests.support import sshd
from tests.support.agent_side import SCENARIO, Gate, tree

PATIENCE_S = 60.0
BOOT = "proc/sys/kernel/random/boot_id"
_POLICY = "sys/devices/system/cpu/cpufreq/policy0"
_GOVERNOR = f"{_POLICY}/scaling_governor"


@contextlib.contextmanager
def bench(folder: Path, python: str = sys.executable) -> Iterator[Bench]:
    """A board below `folder`; whatever was started on it and still runs is ended with it."""
    made = Bench(folder, python)
    try:
        yield made
    finally:
        for steward in made.stewards:
            steward.conversation.close(at_once=True)
        # Guards and trials carry the folder in their command, or work in it.
        sshd.end_processes(sshd.agents(folder))


class Bench:
    """A board below a folder, with the stewards that were started on it."""

    def __init__(self, folder: Path, python: str) -> None:
        self.root, self.stewards = folder / "root", list[Steward]()
        known = {f"{_POLICY}/scaling_available_governors": "ondemand performance userspace\n"}
        tree(self.root, {BOOT: "boot-1\n", _GOVERNOR: "ondemand\n", **known})
        self.transport = LocalTransport(folder / "board", python)
        self.leases, self.trials = Path(self.transport.lease_folder), folder / "board/trials"
        self.gate = folder / "gate.json"

    @property
    def governor(self) -> str:
        """What is in force."""
        return (self.root / _GOVERNOR).read_text().strip()

    @governor.setter
    def governor(self, name: str) -> None:
        (self.root / _GOVERNOR).write_text(name)

    def steward(self, run: str | None = "run", **state: Any) -> Steward:
        """A steward that was greeted; with the board in its hands for `run`, set to `state`."""
        steward = Steward(self.transport.talk(["steward", self.transport.folder]), str(self.root))
        self.stewards.append(steward)
        steward.link.hello()
        if run is not None:
            self.take(steward, run)
        if state:
            steward.ask("control", asked=state)
        return steward

    def take(self, steward: Steward, run: str = "run", wait_s: float = PATIENCE_S) -> dict[str, Any]:
        """Hold the board."""
        return steward.ask("take", run=run, who="me@here", lease_folder=str(self.leases), wait_s=wait_s)

    def guard(self) -> int:
        """The one guard that watches here."""
        (pid,) = sshd.stewards(self.leases.parent, "guard")
        return pid

    def entries(self) -> list[dict[str, Any]]:
        """The board's leases."""
        return [json.loads(path.read_text()) for path in sorted(self.leases.glob(f"*{SUFFIX}"))]

    def trial_pid(self) -> int:
        """The one trial process that the board's one lease names."""
        (pid,) = self.trial_pids()
        return pid

    def trial_pids(self) -> list[int]:
        """The trial processes that the board's one lease names."""
        (entry,) = self.entries()
        return [child["pid"] for child in entry["children"]]


class Steward:
    """The host's end of one."""

    def __init__(self, conversation: LocalConversation, root: str) -> None:
        self.conversation, self.pid = conversation, conversation.pid
        self.link = Link(conversation, root)
        self._number = 1000

    def ask(self, request: str, **arguments: Any) -> dict[str, Any]:
        """A request and its result."""
        return self.link.ask(request, PATIENCE_S, **arguments)

    def send(self, request: str, **arguments: Any) -> int:
        """A request whose answer is not waited for now; its number."""
        self._number += 1
        message = {"do": request, "with": arguments, "n": self._number}
        self.conversation.send(wire.encode(message))
        return self._number

    def answer(self) -> dict[str, Any]:
        """The next reply, whatever it belongs to."""
        reply: dict[str, Any] = wire.decode(self.conversation.receive(PATIENCE_S))
        return reply

    def play(self, trial: str, script: list[dict[str, Any]]) -> dict[str, Any]:
        """A trial's result."""
        return self.ask("play", trial=trial, script=script)

    def hang_up(self) -> None:
        """As a link that breaks: its input ends, and nobody hears it any more."""
        process = self.conversation._child._process
        process.stdin.close()
        process.stdout.close()


def step(request: str, timeout_s: float = PATIENCE_S, **arguments: Any) -> dict[str, Any]:
    """A request of a script."""
    return {"do": request, "timeout_s": timeout_s, "with": arguments}


def script(artifact: str | Path, sha256: str, root: str = "/") -> list[dict[str, Any]]:
    """A timed trial of the null backend, without sensors."""
    power = {"totals": [], "asked_s": {}, "idle_s": 0.0}
    load = step("load", backend="null", artifact=str(artifact), options={})
    return [
        step("hello", protocol=PROTOCOL, root=root),
        step("prepare", affinity="none", nice=0, sensor_settings=None),
        {**load, "expect": {"artifact_sha256": sha256}},
        step("measure", scenario=SCENARIO, inputs=None, path="samples", power=power),
        step("bye"),
    ]


def gated(bench: Bench, **rest: Any) -> tuple[Gate, list[dict[str, Any]]]:
    """A trial that waits at a gate until the test lets it go on."""
    gate = Gate(bench.gate, **rest)
    return gate, script(gate.path, gate.sha256)


def descriptors(pid: int) -> list[str]:
    """What a process holds open."""
    return sorted(str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir())
