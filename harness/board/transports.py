"""Ways to reach a board. One line each: name -> "module:Class". Today: this machine, through the same packed agent."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import selectors
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness.board import pack
from harness.errors import AgentError
from harness.ports import Transport

TABLE = {"local": "harness.board.transports:LocalTransport"}


def connect(name: str, folder: Path, python: str) -> Transport:
    """The transport of that name; `folder` is its work folder, `python` the interpreter for the agent."""
    module, _, attribute = TABLE[name].partition(":")
    transport: Transport = getattr(importlib.import_module(module), attribute)(folder, python)
    return transport


class LocalTransport:
    """This machine as a board: files go to a work folder, the agent runs as a child process of its own session."""

    def __init__(self, folder: Path, python: str) -> None:
        self._folder, self._python = folder, python

    def put(self, source: Path, target: str) -> str:
        """Copy to the work folder under `target` (which carries the content hash), unless it lies there unaltered."""
        path = self._folder / target
        if not path.exists() or _sha256(path) != _sha256(source):
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
            shutil.copyfile(source, partial)
            partial.replace(path)
        return str(path)

    def get(self, source: str, target: Path) -> None:
        """Move a file out of the work folder."""
        shutil.move(source, target)

    def scratch(self, name: str) -> str:
        """A path on the board for a file that the agent will write."""
        folder = self._folder / "scratch"
        folder.mkdir(parents=True, exist_ok=True)
        return str(folder / name)

    def talk(self, arguments: Sequence[str]) -> LocalConversation:
        """Start the packed agent."""
        archive = pack.write(self._folder)
        return LocalConversation([self._python, str(archive), *arguments])


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class LocalConversation:
    """A child process spoken to in lines. It leads a session of its own, so a Ctrl-C reaches the host alone."""

    def __init__(self, command: Sequence[str]) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the conversation
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, start_new_session=True
        )
        self._pending = b""

    def send(self, line: str) -> None:
        """One line. AgentError when the agent is gone."""
        assert self._process.stdin is not None  # noqa: S101  # opened above
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._gone() from None

    def receive(self, timeout_s: float) -> str:
        """The next line; AgentError when the agent is gone, or silent for longer than `timeout_s`."""
        assert self._process.stdout is not None  # noqa: S101  # opened above
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._pending:
                if not selector.select(timeout_s):
                    self._kill()
                    raise AgentError("Silence", f"the agent did not answer within {timeout_s:.0f} s and was ended")
                chunk = os.read(self._process.stdout.fileno(), 1 << 16)
                if not chunk:
                    raise self._gone()
                self._pending += chunk
        line, _, self._pending = self._pending.partition(b"\n")
        return line.decode("utf-8", "replace")

    def close(self, *, at_once: bool = False) -> int | None:
        """End the agent: by closing its input and, if it lingers for 5 s or `at_once`, by force."""
        if at_once:
            self._kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._kill()
        finally:
            self._errors.close()
        return self._process.returncode

    def _kill(self) -> None:
        """The whole session at once, so that no sensor process is left behind."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _gone(self) -> AgentError:
        status = self._process.wait()
        self._kill()  # its sensor process would see the end of its input too, but perhaps within the next trial
        self._errors.seek(0)
        said = self._errors.read().decode("utf-8", "replace").strip()[-2000:]
        if status < 0:
            name = signal.Signals(-status).name
            hint = "; SIGKILL usually means that memory ran out (see dmesg)" if -status == signal.SIGKILL else ""
            return AgentError("Killed", f"the process under test was ended by {name}{hint}", said)
        return AgentError("Exited", f"the process under test ended by itself with status {status}", said)
