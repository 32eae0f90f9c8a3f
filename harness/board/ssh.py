"""A board over the system's OpenSSH client: its configuration, keys, jump hosts and known hosts are the user's own.

One connection carries everything (a control socket). Host keys are always checked. Files travel through `cat` on the
board and are hashed there; nothing but a shell, coreutils and Python is needed at the other end.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from harness.board import pack
from harness.board.transports import LocalConversation, sha256_of
from harness.errors import AgentError, LinkLost, ReachError
from harness.model.site import Site

CONNECT_TIMEOUT_S = 15
# A cable that was pulled is noticed after three of these.
ALIVE_S = 5
# After the last command the connection stays so long, and then ends by itself even if the harness was killed.
PERSIST_S = 60
SSH_FAILED = 255
NOT_FOUND = 127
# A gigabyte over a slow link.
TRANSFER_TIMEOUT_S = 3600.0
COMMAND_TIMEOUT_S = 60.0
# A socket's path has room for 107 bytes; ssh adds 17 of its own to "/eh-XXXXXXXX/c" while it makes one.
SOCKET_FOLDER_BYTES = 75
_FOLDER = "edge-harness folder: "
_ALTERED = shlex.quote("what was sent arrived altered")

# What ssh says, why, what to do, and whether it may answer a little later. The first that fits.
_SSH_SAYS = (
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        (
            "its host key is not the known one: another machine answers there, or it was set up anew; make sure which, "
            "then remove the old key (ssh-keygen -R)"
        ),
        False,
    ),
    (
        "Host key verification failed",
        "its host key is unknown: log in once by hand (ssh {address}), and compare the fingerprint",
        False,
    ),
    (
        # With the ways in that were tried: what is not permitted on the board itself says it without.
        "Permission denied (",
        "it refuses the login: the harness asks for no password; install a key (ssh-copy-id {address})",
        False,
    ),
    ("Bad configuration option", "the ssh configuration has a mistake ({last})", False),
    # A name that the board itself gives out, such as nano.local, is unknown while it restarts.
    ("Could not resolve hostname", "its name is unknown: check the address, or add it to ~/.ssh/config", True),
    ("Connection refused", "nothing listens there: is it on, and does sshd run (port)?", True),
    ("No route to host", "no route leads there: is it on, and on this network?", True),
    ("Network is unreachable", "no route leads there: is this machine on a network?", True),
    ("timed out", "it does not answer: is it on, and on this network?", True),
)
# The same of commands on the board, in English by LC_ALL.
_BOARD_SAYS = (
    (
        "No space left on device",
        "its disk is full: make room there (harness devices clean), and give the command again",
        False,
    ),
    (
        "Permission denied",
        "a folder there belongs to another login ({last}); name one of this login as `folder` in sites.toml",
        False,
    ),
    (
        "Read-only file system",
        "its disk can only be read ({last}); make it writable, or name a folder elsewhere as `folder` in sites.toml",
        False,
    ),
    (
        "No such file or directory",
        "what should be there is not ({last}); name another `folder` in sites.toml, or give the command again",
        False,
    ),
    ("Not a directory", "a file is where a folder should be ({last}); name another `folder` in sites.toml", False),
    ("File exists", "a file is where a folder should be ({last}); name another `folder` in sites.toml", False),
)


class SshTransport:
    """One board at one site. Nothing is opened before the first use."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.lease_folder = site.lease_folder
        self._has_agent = False
        self._sockets = ""

    @cached_property
    def folder(self) -> str:
        """The board's folder, as an absolute path there. ReachError where the board cannot be reached."""
        named = shlex.quote(self._site.folder.removeprefix("~/"))
        said = self._shell(f'mkdir -p {named} && cd {named} && echo {shlex.quote(_FOLDER)}"$(pwd -P)"')
        before, mark, path = said.partition(_FOLDER)
        if before or not mark:
            raise _chatty(self._site, before)
        return path.removesuffix("\n")

    def put(self, source: Path, target: str) -> str:
        """Copy to the board's folder under `target`, unless it lies there unaltered."""
        path, sha256 = f"{self.folder}/{target}", sha256_of(source)
        there, parent = shlex.quote(path), shlex.quote(path.rpartition("/")[0])
        if self._shell(f"if [ -f {there} ]; then sha256sum < {there}; fi").startswith(sha256):
            return path
        # Two hosts may send the same file at once: each writes one of its own.
        partial = f"{there}.$$.partial"
        same = f'[ "$(sha256sum < {partial} | cut -c 1-64)" = {sha256} ]'
        check = f"{{ {same} || {{ echo {_ALTERED} >&2; false; }}; }}"
        script = f"mkdir -p {parent} && cat > {partial} && {check} && mv -f {partial} {there}"
        with source.open("rb") as content:
            self._shell(f"{script} || {{ rm -f {partial}; exit 1; }}", content, TRANSFER_TIMEOUT_S)
        return path

    def get(self, source: str, target: Path) -> None:
        """Copy a file of the board."""
        with target.open("wb") as output:
            self._run(f"exec cat {shlex.quote(source)}", None, output, TRANSFER_TIMEOUT_S)

    def talk(self, arguments: Sequence[str]) -> SshConversation:
        """Start the packed agent, in the board's folder."""
        archive, sha256 = pack.archive()
        name = pack.name_of(sha256)
        if not self._has_agent:
            with tempfile.TemporaryDirectory() as folder:
                (Path(folder) / name).write_bytes(archive)
                self.put(Path(folder) / name, name)
            self._has_agent = True
        command = f"cd {shlex.quote(self.folder)} && exec {self._site.python} {shlex.join([name, *arguments])}"
        return SshConversation(self._command(command), self._site)

    def close(self) -> None:
        """End the connection."""
        if not self._sockets:
            return
        with suppress(FileNotFoundError):  # no ssh here, and so no connection
            # No answer is wanted: there may be no connection, or nobody at its other end.
            subprocess.run([*self._base, "-O", "exit", self._site.address], capture_output=True, check=False)
        shutil.rmtree(self._sockets, ignore_errors=True)
        self._sockets = ""

    def _shell(self, script: str, content: BinaryIO | None = None, timeout_s: float = COMMAND_TIMEOUT_S) -> str:
        with tempfile.TemporaryFile() as output:
            self._run(script, content, output, timeout_s)
            output.seek(0)
            return output.read().decode("utf-8", "replace")

    def _run(self, script: str, content: BinaryIO | None, output: BinaryIO, timeout_s: float) -> None:
        """A command on the board. Its stderr goes to a file: the connection that it may leave behind keeps it open."""
        with tempfile.TemporaryFile() as errors:
            try:
                status = subprocess.run(
                    self._command(f"LC_ALL=C; export LC_ALL; {script}"),
                    stdin=content or subprocess.DEVNULL,
                    stdout=output,
                    stderr=errors,
                    timeout=timeout_s,
                    check=False,
                    start_new_session=True,
                ).returncode
            except subprocess.TimeoutExpired:
                raise ReachError(f"{self._site.name} did not answer within {timeout_s:.0f} s", passing=True) from None
            except FileNotFoundError:
                raise ReachError("there is no ssh here; install OpenSSH's client (openssh-client)") from None
            errors.seek(0)
            if status:
                # A client that was killed is a link that broke: the next one may get through.
                failed = SSH_FAILED if status < 0 else status
                raise reach_error(self._site, failed, errors.read().decode("utf-8", "replace"))

    def _command(self, script: str) -> list[str]:
        return [*self._base, "-T", self._site.address, f"exec sh -c {shlex.quote(script)}"]

    @property
    def _base(self) -> list[str]:
        if not self._sockets:
            self._sockets = tempfile.mkdtemp(prefix="eh-", dir=short_folder(tempfile.gettempdir()))
        options = {
            "BatchMode": "yes",
            "StrictHostKeyChecking": "yes",
            "ControlMaster": "auto",
            "ControlPath": f"{self._sockets}/c",
            "ControlPersist": str(PERSIST_S),
            "ConnectTimeout": str(CONNECT_TIMEOUT_S),
            "ServerAliveInterval": str(ALIVE_S),
            "ServerAliveCountMax": "3",
        }
        command = ["ssh", *(part for name, value in options.items() for part in ("-o", f"{name}={value}"))]
        if self._site.port:
            command += ["-p", str(self._site.port)]
        if self._site.ssh_config:
            command += ["-F", self._site.ssh_config]
        return command


class SshConversation(LocalConversation):
    """The ssh client that leads to a process on the board."""

    def __init__(self, command: Sequence[str], site: Site) -> None:
        super().__init__(command)
        self._site = site

    def receive(self, timeout_s: float) -> str:
        """The next line. ReachError where the agent could not be started there; LinkLost where the link broke."""
        try:
            return super().receive(timeout_s)
        except AgentError as error:
            raise self._explained(error) from None

    def send(self, line: str) -> None:
        """One line; as `receive`."""
        try:
            super().send(line)
        except AgentError as error:
            raise self._explained(error) from None

    def _explained(self, error: AgentError) -> AgentError | ReachError:
        python = self._site.python
        if error.kind == "Exited" and error.status == pack.TOO_OLD:
            fix = "name a newer one as `python` in sites.toml"
            return ReachError(f"{self._site.name}: {python} there is older than 3.6, the agent's oldest; {fix}")
        if error.kind == "Exited" and error.status == NOT_FOUND:
            fix = "install Python 3.6 or later there, or name it as `python` in sites.toml"
            return ReachError(f"{self._site.name} has no {python}; {fix}")
        said = error.remote_traceback
        if error.status == SSH_FAILED or error.kind == "Killed":
            reason, passing = _reason(self._site, SSH_FAILED, said)
            if reason is not None and not passing:
                return reach_error(self._site, SSH_FAILED, said)
            if not said.strip():
                # So ssh ends when the process at its other end was killed, or when it was killed itself.
                lost = f"the link to {self._site.name} broke, or the agent there was killed: ssh ended without a word"
                return LinkLost("Link", lost)
            return LinkLost("Link", f"the link to {self._site.name} broke: {reason or _last_line(said)}", said)
        return error


def reach_error(site: Site, status: int, said: str) -> ReachError:
    """What ssh said, as a sentence with its fix. `status`: 255 is ssh's own, else that of the command on the board."""
    reason, passing = _reason(site, status, said)
    where = "ssh" if status == SSH_FAILED else "its shell"
    because = reason or f"{where} ended with status {status}: {_last_line(said)}"
    return ReachError(f"{site.name} ({site.address}): {because}", passing=passing)


def short_folder(temporary: str) -> str:
    """Where a socket can be made: the folder for temporary files, or /tmp where that one's path is too long."""
    return temporary if len(os.fsencode(temporary)) <= SOCKET_FOLDER_BYTES else "/tmp"  # noqa: S108  # mkdtemp's inside


def _chatty(site: Site, printed: str) -> ReachError:
    first = next((line.strip() for line in printed.splitlines() if line.strip()), printed)
    fix = "let ~/.bashrc there begin with: case $- in *i*) ;; *) return ;; esac"
    said = f"its login shell prints {first!r} of its own, which would be taken for an answer; {fix}"
    return ReachError(f"{site.name} ({site.address}): {said}")


def _reason(site: Site, status: int, said: str) -> tuple[str | None, bool]:
    """Why, in words, where it is known; and whether it may answer a little later."""
    for sign, reason, passing in _SSH_SAYS if status == SSH_FAILED else _BOARD_SAYS:
        if sign in said:
            return reason.format(address=site.address, last=_last_line(said)), passing
    return None, status == SSH_FAILED


def _last_line(said: str) -> str:
    lines = said.strip().splitlines()
    return lines[-1].strip() if lines else "it said nothing"
