"""What is kept on a board between runs, as the agent there lists it, and its removal. Decides nothing: verbs do."""

from __future__ import annotations

import getpass
import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from harness.agent import wire
from harness.board.link import lease_refused
from harness.errors import AgentError, BoardBusy
from harness.model.codec import Json
from harness.ports import Conversation, Transport

# Folders of many trials are walked file by file, on an SD card.
TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Kept:
    """One entry, by its path below the board's folder. finished: of a run, how many trials have a result; else None."""

    name: str
    kind: str
    size_bytes: int
    age_s: float
    finished: int | None = None


def listing(transport: Transport) -> tuple[Kept, ...]:
    """Everything that is kept there, oldest first. AgentError, ReachError."""
    with_agent = transport.talk(["kept", transport.folder])
    try:
        return _listed(with_agent)
    finally:
        with_agent.close()


def remove(transport: Transport, names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Remove entries by name; those that could not be, with the reason. BoardBusy while a run has the board,
    ReachError where its lease cannot be taken."""
    who = f"{getpass.getuser()}@{socket.gethostname()}"
    with_agent = transport.talk(["kept", transport.folder, transport.lease_folder, who])
    try:
        _listed(with_agent)
        with_agent.send(json.dumps(list(names)))
        answer = _line(with_agent)
    finally:
        with_agent.close()
    if "busy" in answer:
        raise BoardBusy(f"{answer['busy']}: nothing was removed; wait until it has ended")
    if "refused" in answer:
        raise lease_refused(answer["refused"])
    return tuple((str(name), str(reason)) for name, reason in answer["failed"])


def _listed(conversation: Conversation) -> tuple[Kept, ...]:
    return tuple(
        Kept(one["name"], one["kind"], one["bytes"], one["age_s"], one["finished"])
        for one in _line(conversation)["kept"]
    )


def _line(conversation: Conversation) -> dict[str, Json]:
    line = conversation.receive(TIMEOUT_S)
    try:
        answer: dict[str, Json] = wire.decode(line)
    except ValueError:
        raise AgentError("Protocol", f"the agent answered {line[:200]!r}, which is no message") from None
    return answer
