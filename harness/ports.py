"""The plug points as Protocols: types only. The agent's classes satisfy theirs by shape, so it imports nothing here.

Each plug point has one literal table, name -> "module:Class", imported on first use: harness.agent.backends.TABLE,
harness.agent.collectors.TABLE, harness.agent.scenarios.TABLE, harness.board.transports.TABLE, harness.report.TABLE.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from harness.model.trial import Record
from harness.model.verdict import RunResult


class Session(Protocol):
    """A loaded model in the agent. `clock` is the one its steps are timed with.

    One whose device keeps time also has `device_s() -> float`: seconds that the device took for the last step, by its
    own events; asked after the step was timed.
    """

    clock: Callable[[], float]

    def input_names(self) -> Sequence[str]:
        """Names that `bind` takes."""

    def bind(self, arrays: Mapping[str, Any]) -> None:
        """Take the inputs once; `step` uses these same arrays every time."""

    def step(self) -> None:
        """One inference; returns only when the device is idle again."""

    def outputs(self) -> Sequence[Any]:
        """The outputs of the last step, as arrays."""

    def facts(self) -> Mapping[str, Any]:
        """What really ran: providers, options in force."""

    def close(self) -> None:
        """Release what the session holds."""


class Backend(Protocol):
    """A runtime in the agent.

    One that keeps an account also has `profile(artifact, options, arrays)`; one that builds what it runs also has
    `prepare(artifact, options) -> bool`, which does so where it is not done and says whether it did.
    """

    name: str

    def why_unavailable(self) -> str | None:
        """None where usable, else the reason and the fix."""

    def versions(self) -> Mapping[str, str]:
        """Versions of everything this backend runs on."""

    def load(self, artifact: str, options: Mapping[str, Any]) -> Session:
        """Make a session from a file."""


class Collector(Protocol):
    """A group of sensor channels that is asked at a steady rate, in a thread of its own in the sensor process.

    Made from one harness.agent.collectors.Place; ValueError there for options that it does not know. One that has more
    to tell than its channels also has `facts() -> dict`, asked at the end.
    """

    name: str

    def why_unavailable(self) -> str | None:
        """None where readable, else the reason and the remedy, as "reason: remedy"."""

    def channels(self) -> Sequence[Any]:
        """Channels in the order of `read`; fixed once `start` has returned."""

    def start(self) -> None:
        """Open what stays open."""

    def read(self) -> Sequence[float]:
        """One reading per channel; NaN where it failed. OSError, ValueError, IndexError: all failed, this once."""

    def stop(self) -> None:
        """Close what was opened; also called after a failed read, and from another thread than `read`."""


class Feed(Protocol):
    """A group of sensor channels that come when the source sends them: a child's lines, a recording, a stream.

    All of Collector, but `wait` in place of `read`; with `pause(paused)` where its source can be halted meanwhile.
    """

    name: str

    def why_unavailable(self) -> str | None:
        """As of Collector."""

    def channels(self) -> Sequence[Any]:
        """As of Collector."""

    def start(self) -> None:
        """As of Collector; starts the source, and returns when its channels are known."""

    def wait(self) -> tuple[float, Sequence[float]]:
        """Block until the next reading; its time on time.perf_counter's clock, and one value per channel.

        EOFError when there will be none any more, with the reason.
        """

    def stop(self) -> None:
        """End the source; a `wait` in another thread then returns or raises EOFError."""


class Conversation(Protocol):
    """A running agent at the other end of a pipe of lines."""

    def send(self, line: str) -> None:
        """One line, without its end."""

    def receive(self, timeout_s: float) -> str:
        """The next line. AgentError when the other side is gone or silent for longer."""

    def close(self, *, at_once: bool = False) -> int | None:
        """End it, killing it if it lingers or `at_once`; the exit status where known."""


class Transport(Protocol):
    """How the host reaches a board. All raise ReachError where they cannot; nothing is opened before the first use.

    folder: where files are kept there, absolute; lease_folder: where the board's lease lies.
    """

    @property
    def folder(self) -> str:
        """The board's folder, as a path there."""

    lease_folder: str

    def put(self, source: Path, target: str) -> str:
        """Copy a file to the board unless it is there; returns its path on the board. Targets carry content hashes."""

    def get(self, source: str, target: Path) -> None:
        """Fetch a file from the board."""

    def talk(self, arguments: Sequence[str]) -> Conversation:
        """Start the agent archive with these arguments."""

    def close(self) -> None:
        """End the connection, where there is one."""


class Reporter(Protocol):
    """A run result as a file."""

    name: str
    suffix: str

    def render(self, result: RunResult, records: Mapping[str, Record]) -> bytes:
        """Pure: the same result and records (by case id) give the same bytes."""
