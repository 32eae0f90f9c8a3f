"""The typed client of a conversation: request, reply, deadline, protocol check. Owns no measurement."""

from __future__ import annotations

import errno
from itertools import count
from time import monotonic
from typing import Any

from harness.agent import PROTOCOL, trials, wire
from harness.errors import AgentError, BoardBusy, DeviceFileError, HarnessError, ReachError
from harness.model.codec import Json
from harness.ports import Conversation

# As Linux says it through Python, whatever the board's language.
NO_ROOM = tuple(f"[Errno {number}]" for number in trials.NO_ROOM)
# What is wrong with a folder, or with who may write there.
REFUSED = tuple(
    f"[Errno {number}]"
    for number in (
        errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.ELOOP,
        errno.ENAMETOOLONG,
    )
)  # fmt: skip


class Link:
    """Requests to one agent or steward. As a context manager it ends the other side on the way out."""

    def __init__(self, conversation: Conversation, root: str = "/") -> None:
        self._conversation = conversation
        self._root = root
        self._numbers = count(1)

    def __enter__(self) -> Link:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # Whoever leaves early (an error, Ctrl-C) has no use for the answer that the agent may still be working on.
        self.close(at_once=kind is not None)

    def close(self, *, at_once: bool = False) -> None:
        """End the conversation; `at_once` without waiting for its end."""
        self._conversation.close(at_once=at_once)

    def hello(self) -> dict[str, Json]:
        """Agree on the protocol; the machine's facts."""
        reply = self.ask("hello", 20.0, protocol=PROTOCOL, root=self._root)
        if reply["protocol"] != PROTOCOL:
            raise AgentError("Protocol", f"the agent speaks protocol {reply['protocol']}, this harness {PROTOCOL}")
        return reply

    def beat(self) -> None:
        """Tell a steward that its host is there. Safe from another thread. AgentError where nobody hears it."""
        self._conversation.send("")

    def ask(self, request: str, timeout_s: float, **arguments: Any) -> dict[str, Json]:
        """One request and its result. AgentError with the remote type, text and traceback if it failed there;
        DeviceFileError where a collector or a control refused what the device's file sets for it, BoardBusy where
        another run has the board, ReachError where the board's disk is full or its lease cannot be kept."""
        number = next(self._numbers)
        self._conversation.send(wire.encode({**wire.request(request, arguments, timeout_s), "n": number}))
        reply = self._reply(number, monotonic() + timeout_s)
        if not reply.get("ok"):
            raise _failure(request, reply["error"])
        result: dict[str, Json] = reply["result"]
        return result

    def _reply(self, number: int, deadline: float) -> dict[str, Json]:
        """The reply of that number; one to an earlier request, which nobody waits for any more, is passed over."""
        while True:
            line = self._conversation.receive(max(0.0, deadline - monotonic()))
            try:
                reply: dict[str, Json] = wire.decode(line)
            except ValueError:
                raise AgentError("Protocol", f"the agent answered {line[:200]!r}, which is no message") from None
            if reply.get("n") == number:
                return reply


def _failure(request: str, error: dict[str, str]) -> HarnessError:
    # As harness.agent.sensors.open_sources puts it: what a file got wrong is no fault of the board.
    if error["type"] == "ValueError" and error["text"].startswith("collector "):
        return DeviceFileError(error["text"])
    # As harness.agent.controls.setting.apply refuses a value, before anything is changed.
    if error["type"] == "ValueError" and request == "control":
        return DeviceFileError(error["text"])
    if error["type"] == "Busy":
        return BoardBusy(error["text"])
    if error["type"] == "OSError" and error["text"].startswith(NO_ROOM):
        fix = "make room there (harness devices clean), and give the same command again"
        return ReachError(f"the board's disk is full ({request}: {error['text']}): {fix}; what was finished is kept")
    if request in ("take", "holder") and error["text"].startswith(REFUSED):
        return lease_refused(error["text"])
    return AgentError(error["type"], f"{request}: {error['type']}: {error['text']}", error["traceback"])


def lease_refused(text: str) -> ReachError:
    """Of a folder in which the board's lease cannot be kept."""
    fix = "name a folder there that every login may write in as `lease_folder` in sites.toml (here: HARNESS_LEASES)"
    return ReachError(f"the board's lease cannot be kept ({text}): {fix}")
