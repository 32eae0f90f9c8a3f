"""A board on loopback: the system's own OpenSSH server with its own keys and port, and what a test does to it.

Owns the server, its files (all in one folder) and the processes it started; knows nothing of the agent but how it is
started: an archive's path, then a mode's word. Whoever runs the tests logs in as himself: no other account is touched.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pwd
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.model.site import SCHEMA, Site

HOST = "board"
PATIENCE_S = 20.0
SERVERS = ("/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd")
# Where a server that runs as root keeps its unprivileged half; a service's start makes it, and none starts here.
SEPARATION = Path("/run/sshd")
# Signals that a shell or CI job made this process ignore would be ignored on the board too, which no board does.
_START = """
import os, signal, sys
for number in range(1, signal.NSIG):
    if number not in (signal.SIGKILL, signal.SIGSTOP, 32, 33):
        try:
            signal.signal(number, signal.SIG_DFL)
        except (OSError, ValueError):
            pass
signal.pthread_sigmask(signal.SIG_SETMASK, [])
os.execv(sys.argv[1], sys.argv[1:])
"""


class Sshd:
    """A server that runs until `stop`. `port` stays the same over a change of the host's key."""

    def __init__(self, folder: Path, program: str, environment: Mapping[str, str]) -> None:
        self.folder, self.port, self.pid = folder, 0, 0
        self.ssh_config, self.known_hosts = folder / "ssh_config", folder / "known_hosts"
        self.home = folder / "home"
        # Where agents may have been left: `site` adds to it.
        self.boards = [folder]
        self._program, self._environment = program, {"HOME": str(self.home), **environment}
        self._process: subprocess.Popen[bytes] | None = None
        self._log = folder / "sshd.log"

    def start(self) -> None:
        """Make what is missing (keys, files, a port) and listen; AssertionError with the server's log if it cannot."""
        self.home.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            SEPARATION.mkdir(mode=0o755, exist_ok=True)
        for name in ("host_key", "user_key"):
            if not (self.folder / name).exists():
                make_key(self.folder / name)
        self.allow_logins()
        # Whoever takes a free port between our look and the server's is met once in a blue moon: look again.
        for attempt in range(1 if self.port else 5):
            port = self.port or free_port()
            if self._listens(port):
                write_client_files(self.folder, self.folder / "host_key.pub", port, pwd.getpwuid(os.geteuid()).pw_name)
                self.port = port
                return
            assert attempt < 4, self.said()
            assert "in use" in self.said(), self.said()

    def stop(self) -> None:
        """End the server and every connection; what the connections started stays, as on a board that lost its link."""
        if self._process is None:
            return
        connections = self.connections()
        end_processes([self.pid, *connections])
        self._process.wait()
        self._process, self.pid = None, 0

    def connections(self) -> list[int]:
        """The processes that hold a connection each (with their unprivileged halves), not what runs over them."""
        found, parents = [], {self.pid}
        table = processes()
        while parents:
            children = {pid for pid, (parent, name) in table.items() if parent in parents and name.startswith("sshd")}
            found += sorted(children)
            parents = children
        return found

    def kill_connections(self) -> int:
        """Kill them as they are, and wait until they are gone; the server listens on. Returns how many there were."""
        connections = self.connections()
        end_processes(connections)
        return len(connections)

    def change_host_key(self) -> None:
        """The same address, but not the machine that is known: as after a new image, or with someone in between."""
        self.stop()
        for path in (self.folder / "host_key", self.folder / "host_key.pub"):
            path.unlink()
        known = self.known_hosts.read_bytes()
        self.start()
        self.known_hosts.write_bytes(known)

    def refuse_logins(self) -> None:
        """From the next connection on; those that are open stay."""
        (self.folder / "authorized_keys").write_text("")

    def allow_logins(self) -> None:
        """As at the start."""
        shutil.copyfile(self.folder / "user_key.pub", self.folder / "authorized_keys")

    def ssh(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command on the board as its own connection, the host's key checked; never asks anything."""
        strict = ["-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes"]
        command = ["ssh", "-F", str(self.ssh_config), *strict, HOST, *words]
        return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)

    def said(self) -> str:
        """The server's log since it was last started."""
        return self._log.read_text(errors="replace")

    def _listens(self, port: int) -> bool:
        """Start the server and wait until it says that it listens; False if it ended instead."""
        config = self.folder / "sshd_config"
        lines = [f'{key} "{value}"' for key, value in self._settings(port).items()]
        lines.append("Subsystem sftp internal-sftp")
        # One line: a second would be ignored. A value with a double quote in it cannot be written at all.
        lines.append("SetEnv " + " ".join(f'"{key}={value}"' for key, value in self._environment.items()))
        config.write_text("\n".join(lines) + "\n")
        # Since 9.8 a server shuts out addresses that failed to log in: here that is every test after the first.
        with_limit = [*lines, "PerSourcePenalties no"]
        (self.folder / "sshd_config_9.8").write_text("\n".join(with_limit) + "\n")
        newer = [self._program, "-t", "-f", str(self.folder / "sshd_config_9.8")]
        if subprocess.run(newer, capture_output=True, check=False).returncode == 0:
            config = self.folder / "sshd_config_9.8"
        command = [sys.executable, "-I", "-S", "-c", _START, self._program, "-D", "-e", "-f", str(config)]
        with self._log.open("wb") as log:
            streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            process = subprocess.Popen(command, start_new_session=True, **streams)
        ready = wait_for(process.pid, lambda: f"listening on 127.0.0.1 port {port}" in self.said())
        if not ready:
            process.kill()
            process.wait()
            return False
        self._process, self.pid = process, process.pid
        return True

    def _settings(self, port: int) -> dict[str, str]:
        return {
            "ListenAddress": "127.0.0.1",
            "Port": str(port),
            "HostKey": str(self.folder / "host_key"),
            "AuthorizedKeysFile": str(self.folder / "authorized_keys"),
            "PidFile": "none",
            "UsePAM": "no",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "PermitRootLogin": "prohibit-password",
            # The folder's parents belong to the tests' machine; /tmp is writable for all.
            "StrictModes": "no",
            "MaxSessions": "200",
            "MaxStartups": "200:30:400",
            "UseDNS": "no",
            "PrintMotd": "no",
            "PrintLastLog": "no",
            "LogLevel": "VERBOSE",
        }


@contextlib.contextmanager
def running(folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[Sshd]:
    """A server on 127.0.0.1 whose files lie in `folder`, with HOME in it and `environment` for what logs in.

    At the end everything is ended: the server, its connections, and every agent of its boards.
    Skips the test where there is no OpenSSH server.
    """
    program = next((path for path in SERVERS if Path(path).exists()), None)
    if program is None or shutil.which("ssh") is None:
        pytest.skip("no OpenSSH server and client here: apt install openssh-server openssh-client")
    folder.mkdir(parents=True, exist_ok=True)
    server = Sshd(folder.resolve(), program, environment or {})
    try:
        server.start()
        yield server
    finally:
        server.stop()
        for board in server.boards:
            end_processes(agents(board))


def site(sshd: Sshd, folder: Path, python: str = sys.executable, **changes: Any) -> Site:
    """The server as a site named "board", of this machine's kind, whose files and lease lie below `folder`."""
    sshd.boards.append(folder)
    given = {
        "name": HOST,
        "address": HOST,
        "device": "localhost",
        "python": python,
        "folder": str(folder / "files"),
        "lease_folder": str(folder / "lease"),
        "ssh_config": str(sshd.ssh_config),
    }
    return Site(**(given | changes))


def write_sites(path: Path, *sites: Site) -> Path:
    """A sites.toml with these; what a site leaves at its default is left out."""
    lines = [f"schema = {SCHEMA}"]
    for one in sites:
        # A string of JSON is one of TOML, as long as only what must be is escaped.
        lines.append(f"\n[{json.dumps(one.name, ensure_ascii=False)}]")
        for field in dataclasses.fields(Site):
            value = getattr(one, field.name)
            if field.name != "name" and value != field.default:
                lines.append(f"{field.name} = {json.dumps(value, ensure_ascii=False)}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def agents(folder: Path) -> dict[int, list[str]]:
    """Processes that run a packed agent (*.pyz) of a board below `folder`: the words after it, by process id.

    Such a process works below the folder, or names a path there: the archive itself is often named without one.
    """
    below = str(folder.resolve()) + "/"
    found = {}
    for pid, (_, name) in processes().items():
        # The link's own processes and the login's shell carry the agent's command too.
        if name.startswith(("ssh", "scp")) or name in {"sh", "bash", "dash", "zsh"}:
            continue
        words = _command(pid)
        archive = next((place for place, word in enumerate(words) if word.endswith(".pyz")), None)
        if archive is None:
            continue
        if any(path.startswith(below) for path in (f"{_work_folder(pid)}/", *words)):
            found[pid] = words[archive + 1 :]
    return found


def stewards(folder: Path, mode: str = "steward") -> list[int]:
    """Processes of the agent below `folder` that were started in that mode."""
    return [pid for pid, words in sorted(agents(folder).items()) if words[:1] == [mode]]


def wait_gone(pids: Iterable[int], patience_s: float = PATIENCE_S) -> list[int]:
    """Those that have not ended within `patience_s`."""
    return [pid for pid in pids if not _ended(pid, patience_s)]


def end_processes(pids: Iterable[int]) -> None:
    """Kill them and wait until they are gone; those that are gone already are what was wanted."""
    pids = list(pids)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    left = wait_gone(pids)
    assert not left, f"not even SIGKILL ended {left}"


def processes() -> dict[int, tuple[int, str]]:
    """Parent and name of every process by its id; those that ended and were not yet buried are left out."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                before, _, after = (entry / "stat").read_text(errors="replace").rpartition(")")
                state, parent = after.split()[:2]
                if state != "Z":
                    found[int(entry.name)] = (int(parent), before.partition("(")[2])
    return found


def wait_for(pid: int, is_so: Any) -> bool:
    """Look again and again, until it is so or the process ended: its end is noticed at once, without a pause."""
    ending = os.pidfd_open(pid)
    try:
        for _ in range(int(PATIENCE_S / 0.005)):
            if is_so():
                return True
            if select.select([ending], [], [], 0.005)[0]:
                return bool(is_so())
    finally:
        os.close(ending)
    return False


def write_client_files(folder: Path, host_key: Path, port: int, user: str) -> Path:
    """An ssh_config with the Host "board" for the key pair `user_key` in `folder`, and a known_hosts of that host."""
    kind, key = host_key.read_text().split()[:2]
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {kind} {key}\n")
    settings = {
        "HostName": "127.0.0.1",
        "Port": str(port),
        "User": user,
        "IdentityFile": str(folder / "user_key"),
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "UserKnownHostsFile": str(folder / "known_hosts"),
        "GlobalKnownHostsFile": "none",
    }
    lines = [f'  {key} "{value}"' for key, value in settings.items()]
    path = folder / "ssh_config"
    path.write_text("\n".join([f"Host {HOST}", *lines]) + "\n")
    return path


def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def make_key(path: Path) -> None:
    """A fresh key pair without a passphrase at `path` and `path`.pub."""
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "edge-harness tests", "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def _ended(pid: int, patience_s: float) -> bool:
    try:
        ending = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([ending], [], [], patience_s)[0])
    finally:
        os.close(ending)


def _command(pid: int) -> list[str]:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [os.fsdecode(word) for word in words]


def _work_folder(pid: int) -> str:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
        return str(Path(f"/proc/{pid}/cwd").readlink())
    return ""
