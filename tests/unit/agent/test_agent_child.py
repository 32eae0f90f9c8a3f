from __future__ import annotations

import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from harness.agent.child import SAID_BYTES, Child, Gone, kill_session
from tests.support.agent_side import ended, living_members

PATIENCE_S = 60.0
ECHO = "import sys\nfor line in sys.stdin: print('heard ' + line.strip(), flush=True)"
LASTING = [sys.executable, "-c", "import signal; signal.pause()"]


def start(program: str, **given: Any) -> Child:
    """A Python program as a child; what it says to stderr is kept."""
    return Child([sys.executable, "-c", program], tempfile.TemporaryFile(), **given)


def test_it_is_spoken_to_in_lines() -> None:
    child = start(ECHO)
    child.send("one\ntwo")
    assert [child.receive(PATIENCE_S) for _ in range(2)] == ["heard one", "heard two"]
    child.send("ü")
    assert child.receive(PATIENCE_S) == "heard ü"
    assert (child.close(), child.close()) == (0, 0)


def test_it_works_in_its_folder_and_leads_a_session_of_its_own(tmp_path: Path) -> None:
    child = start("import os; print(os.getcwd(), os.getsid(0) == os.getpid(), flush=True)", folder=str(tmp_path))
    assert child.receive(PATIENCE_S) == f"{tmp_path.resolve()} True"
    child.close()


def test_what_it_said_last_is_kept_when_it_ends() -> None:
    child = start("import sys; sys.stderr.write('x' * 5000 + ' no room\\n'); sys.exit(5)")
    with pytest.raises(Gone, match=r"^ended by itself with status 5$") as caught:
        child.receive(PATIENCE_S)
    assert (caught.value.kind, caught.value.status) == ("Exited", 5)
    assert caught.value.said.endswith("x no room")
    assert len(caught.value.said) == SAID_BYTES - 1  # and the end of the line
    assert child.close() == 5


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (signal.SIGTERM, "was ended by SIGTERM"),
        (signal.SIGKILL, "was ended by SIGKILL; SIGKILL usually means that memory ran out (see dmesg)"),
    ],
)
def test_a_signal_that_ended_it_is_named(number: signal.Signals, text: str) -> None:
    child = start(ECHO)
    os.kill(child.pid, number)
    with pytest.raises(Gone) as caught:
        child.receive(PATIENCE_S)
    assert (caught.value.kind, caught.value.text, caught.value.status) == ("Killed", text, -number)
    child.close()


def test_whoever_is_gone_cannot_be_spoken_to() -> None:
    child = start("raise SystemExit(3)")
    assert ended(child.pid)
    with pytest.raises(Gone, match="status 3"):
        child.send("anyone?")
    assert child.close() == 3


def test_silence_ends_it() -> None:
    child = start("import signal; signal.pause()")
    with pytest.raises(Gone, match=r"^did not answer within 0 s and was ended$") as caught:
        child.receive(0.001)
    assert caught.value.kind == "Silence"
    assert child.close() == -signal.SIGKILL


def test_half_a_line_is_no_answer() -> None:
    child = start("print('half', end='')")
    with pytest.raises(Gone, match="status 0"):
        child.receive(PATIENCE_S)
    child.close()


def test_others_are_heard_while_it_is_waited_for() -> None:
    """The function of a descriptor is called each time, until it says that it has heard enough."""
    child, heard = start(ECHO), []
    reading, writing = os.pipe()
    os.write(writing, b"abc")

    def hear() -> bool | None:
        heard.append(os.read(reading, 1))
        if len(heard) < 2:
            return None
        child.send("go")
        return False

    assert child.receive(PATIENCE_S, {reading: hear}) == "heard go"
    assert heard == [b"a", b"b"]
    child.close()
    os.close(reading)
    os.close(writing)


def test_whom_another_recalls_is_not_waited_for() -> None:
    child = start(ECHO)
    reading, writing = os.pipe()
    os.close(writing)

    def recall() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        child.receive(PATIENCE_S, {reading: recall})
    child.send("still there")
    assert child.receive(PATIENCE_S) == "heard still there"
    child.close()
    os.close(reading)


@pytest.mark.parametrize("end", ["closed", "at once", "by itself", "silent"])
def test_whatever_it_started_ends_with_it(end: str) -> None:
    child = start(f"import subprocess; subprocess.Popen({LASTING!r}, stdout=2)\nprint('up', flush=True)\ninput()")
    assert child.receive(PATIENCE_S) == "up"
    if end == "by itself":
        child.send("")
    if end in ("by itself", "silent"):
        with pytest.raises(Gone):
            child.receive(PATIENCE_S if end == "by itself" else 0.001)
    child.close(at_once=end == "at once")
    assert living_members(child.pid) == []


def test_one_that_lingers_is_ended_by_force() -> None:
    child = start("import signal; print('up', flush=True); signal.pause()", ending_s=0.001)
    assert child.receive(PATIENCE_S) == "up"
    assert child.close() == -signal.SIGKILL


def test_one_that_hangs_after_its_last_word_is_not_waited_for() -> None:
    """As a runtime that hangs while it is unloaded: nothing more can come, and the board must not hang with it."""
    child = start("import os, signal; os.close(1); signal.pause()", ending_s=0.001)
    with pytest.raises(Gone, match="ended by SIGKILL"):
        child.receive(PATIENCE_S)
    child.close()


def test_what_cannot_be_started_leaves_nothing_open() -> None:
    errors = tempfile.TemporaryFile()  # noqa: SIM115  # whether it is closed is the question
    with pytest.raises(FileNotFoundError, match="no-such-python"):
        Child(["/no-such-python"], errors)
    assert errors.closed


@pytest.mark.parametrize("at_once", [True, False])
def test_no_descriptor_is_left(at_once: bool) -> None:
    before = open_descriptors()
    child = start(ECHO)
    child.send("one")
    child.receive(PATIENCE_S)
    child.close(at_once=at_once)
    assert open_descriptors() == before


def open_descriptors() -> list[str]:
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


def test_a_session_that_is_gone_is_what_was_wanted() -> None:
    child = start("")
    assert child.close() == 0
    assert kill_session(child.pid) is None
