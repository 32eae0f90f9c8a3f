from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from harness.board import pack
from harness.board.ssh import (
    NOT_FOUND,
    SOCKET_FOLDER_BYTES,
    SSH_FAILED,
    SshConversation,
    SshTransport,
    reach_error,
    short_folder,
)
from harness.errors import EXIT_NOTHING_VALID, EXIT_USAGE, AgentError, LinkLost, ReachError
from harness.model.site import Site

PATIENCE_S = 60.0
SITE = Site("nano", "jetson@192.0.2.7")
FAILED = "Host key verification failed.\n"
CHANGED = "@@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n@@@@\n" + FAILED
UNKNOWN = "No ED25519 host key is known for 192.0.2.7 and you have requested strict checking.\n" + FAILED


@pytest.mark.parametrize(
    ("said", "words", "passing"),
    [
        (CHANGED, "its host key is not the known one", False),
        (UNKNOWN, "log in once by hand (ssh jetson@192.0.2.7), and compare the fingerprint", False),
        ("jetson@192.0.2.7: Permission denied (publickey,password).", "(ssh-copy-id jetson@192.0.2.7)", False),
        (
            "/home/me/.ssh/config: line 3: Bad configuration option: foo",
            "has a mistake (/home/me/.ssh/config: line 3",
            False,
        ),
        ("ssh: Could not resolve hostname nano: Name or service not known", "its name is unknown", True),
        ("ssh: connect to host 192.0.2.7 port 22: Connection refused", "nothing listens there", True),
        ("ssh: connect to host 192.0.2.7 port 22: No route to host", "is it on, and on this network?", True),
        ("ssh: connect to host 192.0.2.7 port 22: Network is unreachable", "is this machine on a network?", True),
        ("ssh: connect to host 192.0.2.7 port 22: Connection timed out", "it does not answer", True),
        ("Connection closed by 192.0.2.7 port 22", "ssh ended with status 255: Connection closed by 192.0.2.7", True),
        ("", "ssh ended with status 255: it said nothing", True),
    ],
)
def test_what_ssh_says_becomes_a_reason_with_its_fix(said: str, words: str, passing: bool) -> None:
    error = reach_error(SITE, SSH_FAILED, said)
    assert str(error).startswith("nano (jetson@192.0.2.7): ")
    assert words in str(error)
    assert (error.passing, error.exit_code) == (passing, EXIT_USAGE)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("cat: write error: No space left on device", "make room there (harness devices clean)"),
        (
            "mkdir: cannot create directory '/opt/x': Permission denied",
            "belongs to another login (mkdir: cannot create",
        ),
        ("mkdir: cannot create directory 'x': Read-only file system", "its disk can only be read (mkdir: cannot"),
        ("mkdir: cannot create directory 'x': Not a directory", "is where a folder should be (mkdir: cannot"),
        ("mkdir: cannot create directory 'x': File exists", "name another `folder` in sites.toml"),
        ("cat: /x/y: No such file or directory", "what should be there is not (cat: /x/y: No such file"),
        # What a command says is no word of ssh's, and a link that works needs no patience.
        ("connection timed out", "its shell ended with status 1: connection timed out"),
        ("", "its shell ended with status 1: it said nothing"),
    ],
)
def test_what_a_command_on_the_board_says_is_no_word_of_sshs(said: str, words: str) -> None:
    error = reach_error(SITE, 1, said)
    assert words in str(error)
    assert not error.passing
    assert "ssh-copy-id" not in str(error)


def ending(said: str, status: int) -> SshConversation:
    """One that ends like this."""
    program = f"import sys; sys.stdin.readline(); sys.stderr.write({said!r}); sys.exit({status})"
    return SshConversation([sys.executable, "-c", program], SITE)


def heard(conversation: SshConversation) -> Exception:
    """What whoever waits for an answer is told."""
    conversation.send("")
    with pytest.raises((AgentError, ReachError)) as caught:
        conversation.receive(PATIENCE_S)
    conversation.close()
    return caught.value


def test_a_link_that_broke_is_a_loss() -> None:
    error = heard(ending("client_loop: send disconnect: Broken pipe\n", SSH_FAILED))
    assert isinstance(error, LinkLost)
    assert str(error) == "the link to nano broke: client_loop: send disconnect: Broken pipe"
    assert error.exit_code == EXIT_NOTHING_VALID


def test_a_board_that_does_not_answer_now_is_a_loss_too() -> None:
    error = heard(ending("ssh: connect to host nano port 22: Connection refused\n", SSH_FAILED))
    assert isinstance(error, LinkLost)
    assert "nothing listens there" in str(error)


def test_a_board_that_refuses_is_not_lost_but_closed() -> None:
    error = heard(ending("jetson@nano: Permission denied (publickey).\n", SSH_FAILED))
    assert isinstance(error, ReachError)
    assert not error.passing
    assert "ssh-copy-id" in str(error)


def test_what_the_board_may_not_do_is_no_refused_login() -> None:
    """The steward's own words come by the same way as those of ssh."""
    said = "PermissionError: [Errno 13] Permission denied: '/sys/x'\nclient_loop: send disconnect: Broken pipe\n"
    assert isinstance(heard(ending(said, SSH_FAILED)), LinkLost)


def test_an_ssh_that_was_killed_is_a_broken_link() -> None:
    conversation = SshConversation([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], SITE)
    with pytest.raises(
        LinkLost, match="the link to nano broke, or the agent there was killed: ssh ended without a word"
    ):
        conversation.receive(PATIENCE_S)
    conversation.close()


def test_a_steward_that_was_killed_is_not_only_a_broken_link() -> None:
    assert str(heard(ending("", SSH_FAILED))).startswith("the link to nano broke, or the agent there was killed: ")


def test_whoever_speaks_into_a_broken_link_is_told_the_same() -> None:
    conversation = ending("Connection reset by peer\n", SSH_FAILED)
    conversation.send("")
    os.waitid(os.P_PID, conversation.pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(LinkLost, match="the link to nano broke: Connection reset by peer"):
        conversation.send("anyone?")
    conversation.close()


def test_a_python_that_is_too_old_is_named_with_the_fix() -> None:
    error = heard(ending("Python 2.7 is too old for the agent\n", pack.TOO_OLD))
    assert isinstance(error, ReachError)
    assert str(error) == (
        "nano: python3 there is older than 3.6, the agent's oldest; name a newer one as `python` in sites.toml"
    )


def test_a_python_that_is_not_there_is_named_with_the_fix() -> None:
    error = heard(ending("sh: 1: exec: python3: not found\n", NOT_FOUND))
    assert isinstance(error, ReachError)
    assert str(error).startswith("nano has no python3; install Python 3.6 or later there, or name it")


def test_an_agent_that_failed_is_what_it_is() -> None:
    error = heard(ending("Traceback: agent/main.py\n", 1))
    assert type(error) is AgentError
    assert (error.kind, error.status, error.remote_traceback) == ("Exited", 1, "Traceback: agent/main.py")


# An ssh that is none: it notes its words, and does as told on this machine.


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs that comes first; its ssh runs the last of its words in a home of its own."""
    programs, home = tmp_path / "programs", tmp_path / "home"
    for folder in (programs, home):
        folder.mkdir()
    write_ssh(programs, 'exec sh -c "$command"')
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return programs


def write_ssh(programs: Path, do: str) -> None:
    """A shell program; `$command` is what is to be done on the board."""
    asked, home = programs / "asked", programs.parent / "home"
    lines = [
        "#!/bin/sh",
        f'printf "%s\\n" "$@" > {asked}.$$; mv {asked}.$$ {asked}',
        'for command in "$@"; do :; done',
        '[ "$command" = jetson@192.0.2.7 ] && exit 0',  # -O exit
        f"cd {home}",
        do,
    ]
    (programs / "ssh").write_text("\n".join(lines) + "\n")
    (programs / "ssh").chmod(0o755)


def asked(programs: Path) -> list[str]:
    """The words of the last call."""
    return (programs / "asked").read_text().splitlines()


def test_ssh_is_asked_to_check_and_never_to_ask(ssh: Path) -> None:
    transport = SshTransport(Site("nano", "jetson@192.0.2.7", port=2222, ssh_config="/my/config"))
    assert transport.folder == str(ssh.parent / "home/.cache/edge-harness")
    words = asked(ssh)
    options = {words[place + 1] for place, word in enumerate(words) if word == "-o"}
    assert {"BatchMode=yes", "StrictHostKeyChecking=yes", "ControlMaster=auto"} <= options
    assert not [option for option in options if "KnownHosts" in option]
    assert words[words.index("-p") + 1] == "2222"
    assert words[words.index("-F") + 1] == "/my/config"
    assert words[-2] == "jetson@192.0.2.7"
    transport.close()


def test_what_the_users_configuration_says_is_left_to_it(ssh: Path) -> None:
    transport = SshTransport(SITE)
    assert transport.folder
    assert not {"-p", "-F", "-l", "-i"} & set(asked(ssh))
    transport.close()


@pytest.mark.parametrize("folder", ["~/my boards", "my boards", "./my boards"])
def test_a_folder_is_below_the_logins_home_and_made_when_it_is_needed(ssh: Path, folder: str) -> None:
    transport = SshTransport(Site("nano", "jetson@192.0.2.7", folder=folder))
    assert not (ssh / "asked").exists()
    assert transport.folder == str(ssh.parent / "home/my boards")
    assert Path(transport.folder).is_dir()
    transport.close()


def test_one_that_was_never_used_leaves_nothing(ssh: Path, tmp_path: Path) -> None:
    before = sorted(Path(tmp_path).iterdir())
    transport = SshTransport(SITE)
    transport.close()
    assert not (ssh / "asked").exists()
    assert sorted(Path(tmp_path).iterdir()) == before


def test_a_login_that_prints_is_refused_with_the_fix(ssh: Path) -> None:
    write_ssh(ssh, 'echo; echo "Welcome to nano"; exec sh -c "$command"')
    transport = SshTransport(SITE)
    with pytest.raises(ReachError) as caught:
        _ = transport.folder
    assert str(caught.value) == (
        "nano (jetson@192.0.2.7): its login shell prints 'Welcome to nano' of its own, which would be taken for an "
        "answer; let ~/.bashrc there begin with: case $- in *i*) ;; *) return ;; esac"
    )
    assert not caught.value.passing
    transport.close()


def test_a_login_that_runs_something_else_is_no_board(ssh: Path) -> None:
    write_ssh(ssh, "echo This account is not available.")
    transport = SshTransport(SITE)
    with pytest.raises(ReachError, match=r"prints 'This account is not available\.' of its own"):
        _ = transport.folder
    transport.close()


def test_commands_speak_english_whatever_the_boards_language(ssh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    mkdir = (
        '#!/bin/sh\n[ "$LC_ALL" = C ] && echo "mkdir: x: Read-only file system" >&2 || echo nur lesbar >&2\nexit 1\n'
    )
    (ssh / "mkdir").write_text(mkdir)
    (ssh / "mkdir").chmod(0o755)
    transport = SshTransport(SITE)
    with pytest.raises(ReachError, match=r"its disk can only be read \(mkdir: x: Read-only file system\)"):
        _ = transport.folder
    transport.close()


def test_a_socket_lies_where_its_path_is_short() -> None:
    shared = "/tmp"  # noqa: S108  # of every machine
    longest = "/" + "x" * (SOCKET_FOLDER_BYTES - 1)
    assert short_folder("/mine") == "/mine"
    assert short_folder(longest) == longest
    assert short_folder(longest + "x") == shared
    assert short_folder("/" + "\u00e9" * 40) == shared  # of two bytes each
    # sun_path has 108, with the zero at its end.
    assert len(f"{longest}/eh-XXXXXXXX/c" + "." + "X" * 16) < 108


def test_the_connections_folder_goes_with_it(ssh: Path) -> None:
    transport = SshTransport(SITE)
    assert transport.folder
    (path,) = [word.partition("=")[2] for word in asked(ssh) if word.startswith("ControlPath=")]
    assert Path(path).parent.is_dir()
    assert len(path) < 80  # a socket's path has room for some 100 bytes, and ssh adds 17 of its own
    transport.close()
    assert asked(ssh)[-3:-1] == ["-O", "exit"]
    assert not Path(path).parent.exists()


def test_what_arrived_altered_is_not_kept(ssh: Path, tmp_path: Path) -> None:
    transport = SshTransport(SITE)
    (tmp_path / "model").write_bytes(b"aaaa")
    assert transport.folder
    write_ssh(ssh, 'tr a b | sh -c "$command"')
    with pytest.raises(ReachError, match="its shell ended with status 1: what was sent arrived altered"):
        transport.put(tmp_path / "model", "artifacts/model")
    assert list((Path(transport.folder) / "artifacts").iterdir()) == []
    transport.close()


def test_a_board_without_room_says_so(ssh: Path, tmp_path: Path) -> None:
    transport = SshTransport(SITE)
    (tmp_path / "model").write_bytes(b"aaaa")
    assert transport.folder
    # As `cat > FILE` does on a full disk.
    (ssh / "cat").write_text("#!/bin/sh\necho 'cat: write error: No space left on device' >&2\nexit 1\n")
    (ssh / "cat").chmod(0o755)
    with pytest.raises(ReachError, match=r"^nano .*: its disk is full: make room there") as caught:
        transport.put(tmp_path / "model", "artifacts/model")
    assert not caught.value.passing
    assert list((Path(transport.folder) / "artifacts").iterdir()) == []
    transport.close()


def test_a_link_that_breaks_while_a_file_is_sent_leaves_no_half_of_it(ssh: Path, tmp_path: Path) -> None:
    transport = SshTransport(SITE)
    (tmp_path / "model").write_bytes(b"a" * 100_000)
    assert transport.folder
    breaks = 'head -c 50000 | sh -c "$command" 2>/dev/null; echo "client_loop: send disconnect" >&2; exit 255'
    write_ssh(ssh, f'case "$command" in *"cat >"*) {breaks};; *) exec sh -c "$command";; esac')
    with pytest.raises(ReachError, match="ssh ended with status 255: client_loop: send disconnect") as caught:
        transport.put(tmp_path / "model", "artifacts/model")
    assert caught.value.passing
    assert list((Path(transport.folder) / "artifacts").iterdir()) == []
    transport.close()


def test_the_agent_is_sent_once_and_started_in_the_boards_folder(ssh: Path) -> None:
    transport = SshTransport(Site("nano", "jetson@192.0.2.7", python=sys.executable))
    for _ in range(2):
        conversation = transport.talk(["steward", "it's a folder"])
        assert conversation.close() == 0
        assert asked(ssh)[-1].startswith("exec sh -c ")
    (agent,) = Path(transport.folder).iterdir()
    assert agent.read_bytes() == pack.archive()[0]
    transport.close()


def test_a_machine_without_ssh_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    transport = SshTransport(SITE)
    with pytest.raises(ReachError, match=r"there is no ssh here; install OpenSSH's client \(openssh-client\)"):
        _ = transport.folder
    transport.close()
