"""Doubles and material for tests of the agent: a scripted clock, trees of /proc and /sys, boards, old interpreters.

Scripted durations are sums of powers of two, so that differences of clock readings are exact.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import select
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.agent.collectors import Place
from harness.board.hold import Board
from harness.board.transports import LocalConversation, LocalTransport
from harness.model.case import Case, Scenario, Settings, StopRule, WarmUp
from harness.model.device import Device

MILLI_S = 2.0**-10  # the scripted millisecond
COLLECTORS = ("process", "cpu", "thermal", "others")
WARM_UP = {"min_duration_s": 0.125, "max_duration_s": 2.0, "tolerance": 0.02}
STOP = {"min_count": 64, "min_duration_s": 0.25, "budget_s": 4.0}
SCENARIO = {"kind": "single-stream", "warm_up": WARM_UP, "stop": STOP}
TICKS = os.sysconf("SC_CLK_TCK")


class Script:
    """Steps that move their own clock by scripted durations, the last of which repeats."""

    def __init__(self, *durations_s: float, start_s: float = 0.0) -> None:
        self._durations_s = durations_s
        self.now_s, self.count = start_s, 0

    def clock(self) -> float:
        """Scripted time."""
        return self.now_s

    def step(self) -> None:
        """One inference."""
        self.now_s += self._durations_s[min(self.count, len(self._durations_s) - 1)]
        self.count += 1


def tree(root: Path, files: Mapping[str, str | bytes]) -> str:
    """Write files below `root`, as /proc and /sys show them; returns the root as the agent takes it."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(root)


def place(
    root: str | Path,
    target: int | None = None,
    own: int | None = None,
    period_s: float = 0.05,
    options: Mapping[str, Any] | None = None,
) -> Place:
    """What a collector is made from; target and own are this process where nothing else is said."""
    here = os.getpid()
    return Place(
        str(root), here if target is None else target, here if own is None else own, period_s, dict(options or {})
    )


def process_stat(pid: int, name: str, **fields: int) -> str:
    """A line of /proc/PID/stat with the fields minor_faults, major_faults, user and system; all else is 0."""
    places = {"minor_faults": 10, "major_faults": 12, "user": 14, "system": 15}
    values = ["0"] * 50
    for key, number in fields.items():
        values[places[key] - 3] = str(number)  # numbered from 1 by the manual page; two stand before the bracket's end
    values[0] = "S"
    return f"{pid} ({name}) {' '.join(values)}\n"


def null_script(path: Path, durations_s: Sequence[float] = (MILLI_S,), **rest: Any) -> str:
    """A script of the null backend."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"durations_s": list(durations_s), **rest}))
    return str(path)


def sha256(path: str | Path) -> str:
    """The hash of a file, in hex."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


class RecordingTransport(LocalTransport):
    """The local transport, which also keeps what it started."""

    def __init__(self, folder: Path, python: str = sys.executable) -> None:
        super().__init__(folder, python)
        self.started: list[LocalConversation] = []

    def talk(self, arguments: Sequence[str]) -> LocalConversation:
        """Start the packed agent, and remember the conversation."""
        self.started.append(super().talk(arguments))
        return self.started[-1]


def make_board(folder: Path, collectors: tuple[str, ...] = COLLECTORS, root: str = "/") -> Board:
    """This machine as a board with all of the collectors, polled 100 times a second."""
    device = Device(
        schema=1,
        name="here",
        title="This machine",
        transport="local",
        backends=("null", "onnxruntime"),
        collectors=collectors,
        sensor_period_s=0.01,
    )
    return Board(device, RecordingTransport(folder), root)


def make_case(backend: str = "null", affinity: str = "last") -> Case:
    """A cell of the scripted model, under the rules of SCENARIO."""
    return Case(
        suite="test",
        variant="scripted",
        artifact_sha256="0" * 64,
        precision="scripted",
        backend=backend,
        device="here",
        scenario=Scenario(warm_up=WarmUp(**WARM_UP), stop=StopRule(**STOP)),
        settings=Settings(affinity=affinity),
        inputs=(),
        input_seed=0,
    )


def living_members(session: int, patience_s: float = 10.0) -> list[int]:
    """Processes of a session that do not end within `patience_s`; those that are about to end are waited for."""
    return [pid for pid in _living(lambda entry: _session(entry) == session) if not ended(pid, patience_s)]


def working_below(folder: Path, patience_s: float = 10.0) -> list[int]:
    """As `living_members`, of the processes whose working folder is this one or below it: trials and their sensors."""
    place = str(folder.resolve())
    below = _living(lambda entry: f"{(entry / 'cwd').readlink()}/".startswith(f"{place}/"))
    return [pid for pid in below if not ended(pid, patience_s)]


def ended(pid: int, patience_s: float = 10.0) -> bool:
    """Whether a process ends within `patience_s`, or has done so already."""
    try:
        ending = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([ending], [], [], patience_s)[0])
    finally:
        os.close(ending)


def _living(wanted: Callable[[Path], bool]) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        # Those that end while we look are no longer living; those that are hidden from us are none of ours.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            if entry.name.isdigit() and _state(entry) != "Z" and wanted(entry):
                found.append(int(entry.name))
    return found


def _state(entry: Path) -> str:
    return (entry / "stat").read_text().rpartition(")")[2].split()[0]


def _session(entry: Path) -> int:
    return int((entry / "stat").read_text().rpartition(")")[2].split()[3])


class Gate:
    """A model file of the null backend that the first trial to load it waits at: a pipe until then, a file afterwards.

    So a test knows that a trial is under way, does what it likes, and lets it go on.
    """

    def __init__(self, path: Path, durations_s: Sequence[float] = (MILLI_S,), **rest: Any) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(path)
        self.path, self._opened = path, -1
        self._file = Path(null_script(path.with_name(path.name + ".open"), durations_s, **rest))
        self.sha256 = sha256(self._file)

    def reached(self, patience_s: float = 60.0) -> None:
        """Wait until a trial stands before it."""

        def wait() -> None:
            self._opened = os.open(self.path, os.O_WRONLY)

        waiting = threading.Thread(target=wait, daemon=True)
        waiting.start()
        waiting.join(patience_s)
        assert self._opened >= 0, f"no trial came to {self.path}"

    def open(self) -> None:
        """Let it go on, and whoever comes later pass; one that was killed meanwhile does neither."""
        content = self._file.read_bytes()
        self._file.replace(self.path)
        with contextlib.suppress(BrokenPipeError), os.fdopen(self._opened, "wb") as target:
            target.write(content)


def interpreter(version: str) -> str | None:
    """A Python of that version that really starts (pyenv's shims exist for versions that do not), or None."""
    candidates = [shutil.which(f"python{version}")]
    candidates += [str(path) for path in sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))]
    say = "import sys; print('%d.%d' % sys.version_info[:2])"
    for candidate in candidates:
        if candidate is None:
            continue
        said = subprocess.run([candidate, "-c", say], capture_output=True, text=True, check=False)
        if said.returncode == 0 and said.stdout.strip() == version:
            return candidate
    return None


def readings(collector: Any) -> dict[str, float]:
    """One row of a collector by channel name, from start to stop."""
    assert collector.why_unavailable() is None
    collector.start()
    try:
        names = [channel.name for channel in collector.channels()]
        return dict(zip(names, collector.read(), strict=True))
    finally:
        collector.stop()
