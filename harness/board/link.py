"""The typed client of a conversation: request, reply, deadline, protocol check. Owns no measurement."""

from __future__ import annotations

from typing import Any

from harness.agent import PROTOCOL, wire
from harness.errors import AgentError, DeviceFileError
from harness.model.codec import Json
from harness.ports import Conversation

# The agent ends itself this long after the host's own deadline, so that a living host always speaks first.
GRACE_S = 30.0


class Link:
    """Requests to one agent. Use as a context manager: the agent is ended on the way out, whatever happened."""

    def __init__(self, conversation: Conversation, root: str = "/") -> None:
        self._conversation = conversation
        self._root = root

    def __enter__(self) -> Link:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # Whoever leaves early (an error, Ctrl-C) has no use for the answer that the agent may still be working on.
        self._conversation.close(at_once=kind is not None)

    def hello(self) -> dict[str, Json]:
        """Agree on the protocol; the machine's facts."""
        reply = self.ask("hello", 20.0, protocol=PROTOCOL, root=self._root)
        if reply["protocol"] != PROTOCOL:
            raise AgentError("Protocol", f"the agent speaks protocol {reply['protocol']}, this harness {PROTOCOL}")
        return reply

    def ask(self, request: str, timeout_s: float, **arguments: Any) -> dict[str, Json]:
        """One request and its result. AgentError with the remote type, text and traceback if it failed there;
        DeviceFileError where a collector refused what the device's file sets for it."""
        self._conversation.send(wire.encode({"do": request, "with": arguments, "deadline_s": timeout_s + GRACE_S}))
        line = self._conversation.receive(timeout_s)
        try:
            reply = wire.decode(line)
        except ValueError:
            raise AgentError("Protocol", f"the agent answered {line[:200]!r}, which is no message") from None
        if not reply.get("ok"):
            error = reply["error"]
            # As harness.agent.sensors.open_sources puts it: what a file got wrong is no fault of the board.
            if error["type"] == "ValueError" and error["text"].startswith("collector "):
                raise DeviceFileError(error["text"])
            raise AgentError(error["type"], f"{request}: {error['type']}: {error['text']}", error["traceback"])
        result: dict[str, Json] = reply["result"]
        return result
