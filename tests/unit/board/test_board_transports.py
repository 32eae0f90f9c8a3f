from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.agent import PROTOCOL, wire
from harness.board.link import Link
from harness.board.ssh import SshTransport
from harness.board.transports import LocalConversation, LocalTransport, connect
from harness.errors import AgentError
from harness.model.site import Site
from tests.support.agent_side import RecordingTransport, ended, living_members, null_script

PATIENCE_S = 60.0


@pytest.fixture
def transport(tmp_path: Path) -> RecordingTransport:
    return RecordingTransport(tmp_path / "board")


@pytest.fixture
def link(transport: RecordingTransport) -> Iterator[Link]:
    with Link(transport.talk([])) as opened:
        yield opened


@pytest.fixture
def load(link: Link, tmp_path: Path) -> Callable[..., object]:
    """Load a scripted model that fails as told."""

    def loaded(**script: object) -> object:
        artifact = null_script(tmp_path / "model.json", **script)
        return link.ask("load", PATIENCE_S, backend="null", artifact=artifact, options={})

    return loaded


def test_put_copies_once_and_leaves_nothing_half_done(transport: RecordingTransport, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"first")
    there = Path(transport.put(tmp_path / "model", "artifacts/abc/model"))
    assert there == tmp_path / "board/artifacts/abc/model"
    copied = there.stat().st_ino
    assert transport.put(tmp_path / "model", "artifacts/abc/model") == str(there)
    assert there.stat().st_ino == copied
    assert list(there.parent.iterdir()) == [there]


def test_a_file_that_was_altered_on_the_board_is_sent_again(transport: RecordingTransport, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"right")
    there = Path(transport.put(tmp_path / "model", "artifacts/abc/model"))
    there.write_bytes(b"wrong")
    transport.put(tmp_path / "model", "artifacts/abc/model")
    assert there.read_bytes() == b"right"


def test_get_fetches_and_leaves_it_there(transport: RecordingTransport, tmp_path: Path) -> None:
    path = Path(transport.folder) / "samples"
    path.parent.mkdir()
    path.write_bytes(b"columns")
    for _ in range(2):  # a link may break before it is stored
        transport.get(str(path), tmp_path / "here")
        assert (tmp_path / "here").read_bytes() == b"columns"


def test_the_folder_is_absolute_and_holds_the_leases_unless_they_have_another() -> None:
    transport = LocalTransport(Path("board"), sys.executable)
    assert transport.folder == str(Path.cwd() / "board")
    assert Path(transport.lease_folder).parent == Path(transport.folder)
    assert LocalTransport(Path("board"), sys.executable, Path("/leases")).lease_folder == "/leases"


def test_a_site_is_reached_by_ssh_and_this_machine_without(tmp_path: Path) -> None:
    site = Site("nano", "jetson@192.0.2.7", lease_folder="/leases")
    there, here = connect(site, tmp_path, sys.executable), connect(None, tmp_path, sys.executable)
    assert (type(there), there.lease_folder) == (SshTransport, "/leases")
    assert (type(here), here.folder) == (LocalTransport, str(tmp_path))
    there.close()
    assert list(tmp_path.iterdir()) == []  # nothing was opened


def test_each_talk_is_a_fresh_process_of_one_archive(transport: RecordingTransport, tmp_path: Path) -> None:
    pids = set()
    for _ in range(2):
        with Link(transport.talk([])) as link:
            pids.add(link.hello()["pid"])
    assert len(pids) == 2
    assert [conversation.close() for conversation in transport.started] == [0, 0]
    assert len(list((tmp_path / "board").glob("agent-*.pyz"))) == 1


def test_an_agent_that_loses_its_host_ends_by_itself(transport: RecordingTransport) -> None:
    conversation = transport.talk([])
    Link(conversation).hello()
    assert conversation.close() == 0


def test_an_agent_in_the_midst_of_its_work_can_be_ended_at_once(
    link: Link, transport: RecordingTransport, tmp_path: Path
) -> None:
    sensors = {"names": ["process"], "period_s": 0.01, "path": str(tmp_path / "traces")}
    link.ask("prepare", PATIENCE_S, affinity="none", nice=0, sensor_settings=sensors)
    (conversation,) = transport.started
    assert conversation.close(at_once=True) == -signal.SIGKILL
    assert living_members(conversation.pid) == []


def test_a_host_of_another_protocol_is_refused(link: Link) -> None:
    with pytest.raises(AgentError, match=f"the host speaks protocol {PROTOCOL + 1}, this agent {PROTOCOL}"):
        link.ask("hello", PATIENCE_S, protocol=PROTOCOL + 1)


def test_an_unknown_request_is_an_answer(link: Link) -> None:
    with pytest.raises(AgentError, match="KeyError: 'dance'"):
        link.ask("dance", PATIENCE_S)
    assert link.hello()["protocol"] == PROTOCOL


def test_an_unknown_backend_is_answered_with_the_known_ones(link: Link) -> None:
    with pytest.raises(AgentError, match="no backend is called 'tpu'; known: null, onnxruntime"):
        link.ask("load", PATIENCE_S, backend="tpu", artifact="", options={})


def test_the_remote_traceback_arrives_and_the_agent_lives_on(link: Link, load: Callable[..., object]) -> None:
    with pytest.raises(AgentError, match="load: RuntimeError: scripted failure at load") as caught:
        load(fail={"at": "load", "how": "raise"})
    assert "agent/backends/null.py" in caught.value.remote_traceback
    assert "in _misbehave" in caught.value.remote_traceback
    assert link.hello()["protocol"] == PROTOCOL


def test_a_missing_model_is_named(link: Link, tmp_path: Path) -> None:
    with pytest.raises(AgentError, match=r"FileNotFoundError: .*absent\.json"):
        link.ask("load", PATIENCE_S, backend="null", artifact=str(tmp_path / "absent.json"), options={})


def test_an_agent_that_was_killed_says_by_what(load: Callable[..., object]) -> None:
    with pytest.raises(AgentError, match="ended by SIGKILL; SIGKILL usually means that memory ran out") as caught:
        load(fail={"at": "load", "how": "kill"})
    assert caught.value.kind == "Killed"


def test_an_agent_that_exits_says_with_what(load: Callable[..., object]) -> None:
    with pytest.raises(AgentError, match="ended by itself with status 5") as caught:
        load(fail={"at": "load", "how": "exit", "status": 5})
    assert caught.value.kind == "Exited"


def test_the_last_words_of_an_agent_arrive(tmp_path: Path) -> None:
    broken = tmp_path / "agent.py"
    broken.write_text("raise SystemExit('no room on the card')")
    conversation = LocalConversation([sys.executable, str(broken)])
    with pytest.raises(AgentError, match="ended by itself with status 1") as caught:
        conversation.receive(PATIENCE_S)
    conversation.close()
    assert (caught.value.remote_traceback, caught.value.status) == ("no room on the card", 1)


def test_an_agent_that_died_between_requests_is_noticed(link: Link, transport: RecordingTransport) -> None:
    link.hello()
    os.kill(transport.started[0].pid, signal.SIGTERM)
    assert ended(transport.started[0].pid)
    with pytest.raises(AgentError, match=r"ended by SIGTERM$"):
        link.hello()


def test_an_agent_that_hangs_is_ended_at_the_deadline(
    link: Link, transport: RecordingTransport, tmp_path: Path
) -> None:
    artifact = null_script(tmp_path / "model.json", fail={"at": "load", "how": "hang"})
    with pytest.raises(AgentError, match="did not answer within 0 s and was ended") as caught:
        link.ask("load", 0.001, backend="null", artifact=artifact, options={})
    assert caught.value.kind == "Silence"
    assert transport.started[0].close() == -signal.SIGKILL


@pytest.mark.parametrize("end", ["by force", "at the deadline", "by itself"])
def test_whatever_an_agent_started_ends_with_it(tmp_path: Path, end: str) -> None:
    lasting = [sys.executable, "-c", "import signal; signal.pause()"]
    program = tmp_path / "agent.py"
    program.write_text(
        f"import subprocess\nsubprocess.Popen({lasting!r}, stdout=2)\nprint('up', flush=True)\ninput()\n"
    )
    conversation = LocalConversation([sys.executable, str(program)])
    assert conversation.receive(PATIENCE_S) == "up"
    if end == "by itself":
        conversation.send("")
    if end != "by force":
        with pytest.raises(AgentError):
            conversation.receive(PATIENCE_S if end == "by itself" else 0.001)
    else:
        conversation.close(at_once=True)
    assert living_members(conversation.pid) == []
    conversation.close()


def test_a_hanging_agent_takes_its_sensors_along(link: Link, transport: RecordingTransport, tmp_path: Path) -> None:
    sensors = {"names": ["process"], "period_s": 0.01, "path": str(tmp_path / "traces")}
    link.ask("prepare", PATIENCE_S, affinity="none", nice=0, sensor_settings=sensors)
    artifact = null_script(tmp_path / "model.json", fail={"at": "load", "how": "hang"})
    with pytest.raises(AgentError, match="did not answer"):
        link.ask("load", 0.001, backend="null", artifact=artifact, options={})
    assert living_members(transport.started[0].pid) == []


def test_an_agent_whose_host_was_killed_ends_a_hanging_request_by_itself(
    transport: RecordingTransport, tmp_path: Path
) -> None:
    artifact = null_script(tmp_path / "model.json", fail={"at": "load", "how": "hang"})
    conversation = transport.talk([])
    arguments = {"backend": "null", "artifact": artifact, "options": {}}
    conversation.send(wire.encode({"do": "load", "with": arguments, "deadline_s": 1.0}))
    with pytest.raises(AgentError, match="ended by SIGALRM"):
        conversation.receive(PATIENCE_S)
    conversation.close()


def test_what_a_library_prints_does_not_reach_the_protocol(
    transport: RecordingTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    libraries = tmp_path / "libraries"
    libraries.mkdir()
    (libraries / "numpy.py").write_text("__version__ = '1'\nprint('{\"ok\": true, \"result\": {}}')\n")
    (libraries / "onnxruntime.py").write_text(
        "import os\n__version__ = '2'\nos.write(1, b'not through Python\\n')\n"
        "def get_available_providers():\n    print('{}')\n    return ['CPUExecutionProvider']\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(libraries))
    with Link(transport.talk([])) as link:
        found = link.ask("probe", PATIENCE_S, collectors=[], runtimes=["onnxruntime"], options={}, period_s=1.0)
        assert found["backends"] == {"onnxruntime": {"onnxruntime": "2", "numpy": "1"}}
        assert link.hello()["protocol"] == PROTOCOL


def test_a_library_that_is_missing_is_a_reason_with_its_remedy(
    transport: RecordingTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('libonnxruntime.so.1 is missing')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Link(transport.talk([])) as link:
        found = link.ask("probe", PATIENCE_S, collectors=[], runtimes=["onnxruntime"], options={}, period_s=1.0)
        reason = "libonnxruntime.so.1 is missing; on the board run: python3 -m pip install onnxruntime"
        assert found["backends_unavailable"] == {"onnxruntime": reason}
        with pytest.raises(AgentError, match="backend onnxruntime cannot be used: libonnxruntime"):
            link.ask("load", PATIENCE_S, backend="onnxruntime", artifact="", options={})
