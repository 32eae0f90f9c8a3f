from __future__ import annotations

import json

import pytest

from harness.agent import PROTOCOL
from harness.agent.wire import GRACE_S
from harness.board.link import Link
from harness.errors import EXIT_USAGE, AgentError, BoardBusy, DeviceFileError, ReachError


class Scripted:
    """A conversation with an agent whose answers are written down beforehand; each is to the request made last."""

    def __init__(self, *answers: object) -> None:
        self._answers = list(answers)
        self.sent: list[object] = []
        self.timeouts_s: list[float] = []
        self.closed: list[bool] = []  # whether at once

    def send(self, line: str) -> None:
        self.sent.append(json.loads(line) if line else line)

    def receive(self, timeout_s: float) -> str:
        self.timeouts_s.append(timeout_s)
        answer = self._answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer if isinstance(answer, str) else json.dumps({"n": len(self.sent), **answer})

    def close(self, *, at_once: bool = False) -> int | None:
        self.closed.append(at_once)
        return 0


def test_a_request_and_its_result() -> None:
    conversation = Scripted({"ok": True, "result": {"load_s": 0.5}})
    assert Link(conversation).ask("load", 7.0, backend="null") == {"load_s": 0.5}
    assert conversation.sent == [{"do": "load", "with": {"backend": "null"}, "deadline_s": 7.0 + GRACE_S, "n": 1}]
    assert conversation.timeouts_s == [pytest.approx(7.0, abs=1.0)]


def test_an_answer_that_nobody_waits_for_any_more_is_passed_over() -> None:
    """Of a request that a Ctrl-C cut off, before the one to leave."""
    late = {"ok": True, "result": {"load_s": 0.5}, "n": 1}
    conversation = Scripted(KeyboardInterrupt(), late, {"ok": True, "result": {"told": []}})
    link = Link(conversation)
    with pytest.raises(KeyboardInterrupt):
        link.ask("load", 7.0)
    assert link.ask("leave", 5.0) == {"told": []}
    # Both lines together have no longer than the one that was asked for.
    _, first_s, second_s = conversation.timeouts_s
    assert 5.0 >= first_s >= second_s


def test_a_heartbeat_is_an_empty_line() -> None:
    conversation = Scripted()
    Link(conversation).beat()
    assert conversation.sent == [""]


def test_hello_carries_the_protocol_and_the_root() -> None:
    conversation = Scripted({"ok": True, "result": {"protocol": PROTOCOL, "facts": {"cores": 4}}})
    assert Link(conversation, "/captured").hello()["facts"] == {"cores": 4}
    assert conversation.sent[0]["do"] == "hello"
    assert conversation.sent[0]["with"] == {"protocol": PROTOCOL, "root": "/captured"}


def test_an_agent_of_another_protocol_is_refused() -> None:
    conversation = Scripted({"ok": True, "result": {"protocol": PROTOCOL + 1, "facts": {}}})
    with pytest.raises(AgentError, match=f"speaks protocol {PROTOCOL + 1}, this harness {PROTOCOL}"):
        Link(conversation).hello()


def test_a_remote_failure_comes_with_type_text_and_traceback() -> None:
    failure = {"type": "MemoryError", "text": "no room", "traceback": "Traceback: agent/main.py"}
    with pytest.raises(AgentError, match=r"^load: MemoryError: no room$") as caught:
        Link(Scripted({"ok": False, "error": failure})).ask("load", 1.0)
    assert (caught.value.kind, caught.value.remote_traceback) == ("MemoryError", "Traceback: agent/main.py")


@pytest.mark.parametrize("line", ["Illegal instruction", "[]", '"ok"', ""])
def test_an_answer_that_is_no_message_is_shown(line: str) -> None:
    with pytest.raises(AgentError) as caught:
        Link(Scripted(line)).ask("load", 1.0)
    assert caught.value.kind == "Protocol"
    assert repr(line) in str(caught.value)


def test_the_agent_may_finish_what_was_asked_of_it() -> None:
    conversation = Scripted()
    with Link(conversation):
        assert conversation.closed == []
    assert conversation.closed == [False]


@pytest.mark.parametrize("error", [KeyboardInterrupt, AgentError("Silence", "said nothing")])
def test_the_agent_is_ended_at_once_when_its_answer_is_no_longer_wanted(error: BaseException) -> None:
    conversation = Scripted()
    with pytest.raises((KeyboardInterrupt, AgentError)), Link(conversation):
        raise error
    assert conversation.closed == [True]


def test_options_that_a_collector_refuses_are_the_device_files_fault() -> None:
    """Not the board's: exit code 2, and no trial that failed."""
    failure = {"type": "ValueError", "text": "collector plug: plug has no option urll", "traceback": ""}
    with pytest.raises(DeviceFileError, match=r"^collector plug: plug has no option urll$") as caught:
        Link(Scripted({"ok": False, "error": failure})).ask("probe", 1.0)
    assert caught.value.exit_code == EXIT_USAGE
    other = {**failure, "text": "the host speaks protocol 9, this agent 8"}
    with pytest.raises(AgentError, match=r"^hello: ValueError: the host"):
        Link(Scripted({"ok": False, "error": other})).ask("hello", 1.0)


def test_a_board_that_another_run_has_is_no_broken_one() -> None:
    failure = {"type": "Busy", "text": "me@here has been measuring on it", "traceback": ""}
    with pytest.raises(BoardBusy, match=r"^me@here has been measuring on it$") as caught:
        Link(Scripted({"ok": False, "error": failure})).ask("take", 1.0)
    assert caught.value.exit_code == EXIT_USAGE


def test_a_value_that_a_board_lacks_is_the_device_files_fault() -> None:
    failure = {"type": "ValueError", "text": "governor 'fast' is not on this board", "traceback": ""}
    with pytest.raises(DeviceFileError, match=r"^governor 'fast' is not on this board$"):
        Link(Scripted({"ok": False, "error": failure})).ask("control", 1.0)
    with pytest.raises(AgentError, match="load: ValueError"):
        Link(Scripted({"ok": False, "error": failure})).ask("load", 1.0)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("PermissionError", "[Errno 13] Permission denied: '/var/tmp/x/a.partial'"),
        ("OSError", "[Errno 30] Read-only file system: '/var/tmp/x'"),
        ("NotADirectoryError", "[Errno 20] Not a directory: '/var/tmp/x'"),
    ],
)
def test_a_lease_that_cannot_be_kept_names_what_to_change(kind: str, text: str) -> None:
    failure = {"type": kind, "text": text, "traceback": "Traceback"}
    for request in ("take", "holder"):
        with pytest.raises(ReachError, match=r"`lease_folder` in sites.toml") as caught:
            Link(Scripted({"ok": False, "error": failure})).ask(request, 1.0)
        assert text in str(caught.value)
        assert (caught.value.exit_code, caught.value.passing) == (EXIT_USAGE, False)
    with pytest.raises(AgentError):
        Link(Scripted({"ok": False, "error": failure})).ask("play", 1.0)


def test_a_board_without_memory_is_not_told_to_change_its_lease() -> None:
    failure = {"type": "OSError", "text": "[Errno 12] Cannot allocate memory", "traceback": ""}
    with pytest.raises(AgentError, match="take: OSError"):
        Link(Scripted({"ok": False, "error": failure})).ask("take", 1.0)
