"""Ways to reach a board: this machine, through the same packed agent, and OpenSSH (harness.board.ssh).

One line each: name -> "module:Class". Files on a board lie in one folder, under names that carry their content's hash.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness.agent.child import Child, Gone
from harness.board import pack
from harness.errors import AgentError
from harness.model.site import Site
from harness.ports import Transport

TABLE = {"local": "harness.board.transports:LocalTransport", "ssh": "harness.board.ssh:SshTransport"}


def connect(site: Site | None, folder: Path, python: str, leases: Path | None = None) -> Transport:
    """The way to a site; None: this machine, with `folder` as the board's, `python` as the agent's interpreter and
    `leases` as the place of its lease."""
    module, _, attribute = TABLE["local" if site is None else "ssh"].partition(":")
    kind = getattr(importlib.import_module(module), attribute)
    transport: Transport = kind(folder, python, leases) if site is None else kind(site)
    return transport


class LocalTransport:
    """This machine as a board: files go to a work folder, the agent runs as a child process of its own session.

    leases: that of the whole machine, as another work folder is no other board; None: below the work folder, for a
    board that nobody else can have.
    """

    def __init__(self, folder: Path, python: str, leases: Path | None = None) -> None:
        self._folder, self._python = folder.absolute(), python
        self.lease_folder = str((leases or self._folder / "leases").absolute())

    @property
    def folder(self) -> str:
        """The work folder."""
        return str(self._folder)

    def put(self, source: Path, target: str) -> str:
        """Copy to the work folder under `target` (which carries the content hash), unless it lies there unaltered."""
        path = self._folder / target
        if not path.exists() or sha256_of(path) != sha256_of(source):
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
            shutil.copyfile(source, partial)
            partial.replace(path)
        return str(path)

    def get(self, source: str, target: Path) -> None:
        """Copy a file out of the work folder."""
        shutil.copyfile(source, target)

    def talk(self, arguments: Sequence[str]) -> LocalConversation:
        """Start the packed agent."""
        archive = pack.write(self._folder)
        return LocalConversation([self._python, str(archive), *arguments])

    def close(self) -> None:
        """Nothing stays open."""


def sha256_of(path: Path) -> str:
    """The hash of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class LocalConversation:
    """A child process spoken to in lines: the agent, or the ssh client that leads to it. Its end is an AgentError."""

    def __init__(self, command: Sequence[str]) -> None:
        self._child = Child(list(command), tempfile.TemporaryFile())  # noqa: SIM115  # the child closes it

    @property
    def pid(self) -> int:
        """The process, which leads a session of its own."""
        pid: int = self._child.pid
        return pid

    def send(self, line: str) -> None:
        """One line. AgentError when the agent is gone."""
        try:
            self._child.send(line)
        except Gone as gone:
            raise self._error(gone) from None

    def receive(self, timeout_s: float) -> str:
        """The next line; AgentError when the agent is gone, or silent for longer than `timeout_s`."""
        try:
            line: str = self._child.receive(timeout_s)
        except Gone as gone:
            raise self._error(gone) from None
        return line

    def close(self, *, at_once: bool = False) -> int | None:
        """End the agent: by closing its input and, if it lingers for 5 s or `at_once`, by force."""
        status: int | None = self._child.close(at_once)
        return status

    def _error(self, gone: Gone) -> AgentError:
        return AgentError(gone.kind, f"the agent {gone.text}", gone.said, gone.status)
