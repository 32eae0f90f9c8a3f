"""A whole rig for faults: a board on loopback behind a real sshd, with a state that can be changed, and a log of every
trial process that started there. What a test does to it: stop a trial in its middle, kill anything, step its clock.

Owns what stands at the board's end (an interpreter in a mount namespace of its own, a sitecustomize) and how its state
is read; the harness itself is the real one, through its command line.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import harness
from tests.support import sshd
from tests.support.host_side import Answer, invoke, runs_of, spawn, trial_folders
from tests.support.models import tiny
from tests.support.scripted_suite import script, write_suite

T = TypeVar("T")
PATIENCE_S = 60.0  # only ever waited for when something is broken
GLANCE_S = 0.002
FOUND, ASKED = "schedutil", "performance"
_CPUFREQ = "/sys/devices/system/cpu/cpufreq"
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
# Each far-side Python sees the governor and the boot id of the rig in place of this machine's own.
_NAMESPACE = """\
#!/bin/sh
exec {unshare} sh -ec 'mount --bind {folder}/cpufreq {cpufreq}
mount --bind {folder}/boot_id {boot_id}
exec {python} "$@"' python "$@"
"""
# A trial's process is the agent without a mode, in the trial's folder. A clock that is set: what the board says of it.
_CUSTOMIZE = """\
import os
import time

FOLDER = {folder!r}


def _note():
    place = os.getcwd().split(os.sep)
    with open("/proc/self/cmdline", "rb") as source:
        words = source.read().split(b"\\0")[:-1]
    if place[-3:-2] == ["trials"] and words[-1].endswith(b".pyz"):
        log = os.open(os.path.join(FOLDER, "starts"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(log, (place[-1] + "\\n").encode())
        os.close(log)


def _offset_s():
    try:
        with open(os.path.join(FOLDER, "clock")) as source:
            return float(source.read())
    except IOError:
        return 0.0


def _shifted(real, now):
    def told(seconds=None):
        return real(now() if seconds is None else seconds)

    return told


_real = time.time
time.time = lambda: _real() + _offset_s()
time.gmtime, time.localtime = _shifted(time.gmtime, time.time), _shifted(time.localtime, time.time)
try:
    _note()
except (IOError, OSError):
    pass
"""
_REAL_SUITE = """\
from harness.model.case import Scenario, StopRule, Suite, Variant, WarmUp

SUITE = Suite(
    name="real",
    title="A real runtime",
    variants=(Variant(name="tiny", title="Tiny", role="demo", precision="fp32", file="tiny.onnx"),),
    backends=("onnxruntime",),
    scenarios=(Scenario(warm_up=WarmUp(), stop=StopRule(min_count=12, min_duration_s=0.5, budget_s=5.0)),),
    launches={launches},
)
"""
_DEVICE = """\
schema = 1
name = "board"
title = "A board on loopback"
transport = "ssh"
backends = ["onnxruntime", "null"]
collectors = {collectors}
sensor_period_s = 0.05
identity = [{identity}]
settings = {{ affinity = "none" }}
{state}
"""


def until(look: Callable[[], T], wanted: str, process: subprocess.Popen[str] | None = None) -> T:
    """What `look` returns once that is something; AssertionError with `wanted` after PATIENCE_S, or at the end of
    `process`, with what it said."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = look()
        if found:
            return found
        assert process is None or process.poll() is None, f"{wanted}: {process.communicate()}"  # type: ignore[union-attr]
        assert time.monotonic() < deadline, f"{wanted}: not within {PATIENCE_S:.0f} s"
        select.select([], [], [], GLANCE_S)


def namespace() -> str | None:
    """The command that gives a process mounts of its own; None where this machine lets nobody."""
    for command in ("unshare -m", "unshare -rm"):
        attempt = f"mount --bind {_CPUFREQ} {_CPUFREQ} && mount --bind {_BOOT_ID} {_BOOT_ID}"
        words = [*command.split(), "sh", "-ec", attempt]
        if shutil.which("unshare") and subprocess.run(words, capture_output=True, check=False).returncode == 0:
            return command
    return None


@dataclass(frozen=True)
class Caught:
    """A trial's process, stopped in the middle. `folder`: the trial's on the board; `entry`: the lease then."""

    pid: int
    folder: Path
    entry: dict[str, Any]

    @property
    def trial(self) -> str:
        """Its id."""
        return self.folder.name

    @property
    def finished(self) -> bool:
        """Whether its result lies on the board."""
        return (self.folder / "result.json").exists()

    def go_on(self) -> None:
        """Let it continue."""
        os.kill(self.pid, signal.SIGCONT)


@dataclass
class Rig:
    """One board and what is to be measured on it. `real`: a small network on onnxruntime for half a second, no script.
    `stands_in`: whether the board's state and boot id are the rig's own."""

    folder: Path
    server: sshd.Sshd
    python: str = sys.executable
    launches: int = 2
    real: bool = False
    stands_in: bool = False
    board: Path = field(init=False)
    host: Path = field(init=False)

    def __post_init__(self) -> None:
        self.board, self.host = self.folder / "board", self.folder / "host"
        self.host.mkdir()
        self.board.mkdir()
        (self.folder / "cpufreq" / "policy0").mkdir(parents=True)
        policy = self.folder / "cpufreq" / "policy0"
        policy.joinpath("scaling_governor").write_text(FOUND)
        policy.joinpath("scaling_available_governors").write_text(f"{FOUND} {ASKED}\n")
        self.set_boot_id("11111111-1111-4111-8111-111111111111")
        customize = self.folder / "customize"
        customize.mkdir()
        customize.joinpath("sitecustomize.py").write_text(_CUSTOMIZE.format(folder=str(self.folder)))
        command = namespace()
        self.stands_in = command is not None
        if command is not None:
            self.python = str(self._wrapper(command))
        self.suite = (
            self._real_suite() if self.real else write_suite(self.host, {"a": script()}, launches=self.launches)
        )
        self.write_device()
        self.write_site()

    def _real_suite(self) -> Path:
        path = self.host / "real.py"
        tiny(self.host / "tiny.onnx", (1, 3, 8, 8))
        path.write_text(_REAL_SUITE.format(launches=self.launches))
        return path

    def _wrapper(self, command: str) -> Path:
        path = self.folder / "python"
        places = {"folder": self.folder, "cpufreq": _CPUFREQ, "boot_id": _BOOT_ID}
        path.write_text(_NAMESPACE.format(unshare=command, python=self.python, **places))
        path.chmod(0o755)
        return path

    def write_device(self, collectors: Sequence[str] = ("process",), identity: str = "*") -> None:
        """What the harness knows of the board."""
        state = f'[state]\ngovernor = "{ASKED}"\n' if self.stands_in else ""
        given = {"collectors": json.dumps(list(collectors)), "identity": json.dumps(identity)}
        (self.host / "bench.toml").write_text(_DEVICE.format(state=state, **given))

    def write_site(self, **changes: Any) -> None:
        """Where the harness finds it."""
        given = {"device": "bench.toml", "python": self.python, **changes}
        sshd.write_sites(self.host / "sites.toml", sshd.site(self.server, self.board, **given))

    @property
    def command(self) -> tuple[str | Path, ...]:
        """The command line that measures it."""
        return ("run", self.suite, "--device", "board", "--sites", self.host / "sites.toml")

    def invoke(self, *more: str | Path) -> Answer:
        """That command, to its end."""
        return invoke(self.host, *self.command, *more)

    @contextlib.contextmanager
    def started(self, *more: str | Path) -> Iterator[subprocess.Popen[str]]:
        """That command in a process of its own, which is killed at the end if it is still there."""
        process = spawn(self.host, *self.command, *more)
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    # The board, as it lies there.

    @property
    def files(self) -> Path:
        """The folder of all that the harness keeps on the board."""
        return self.board / "files"

    def governor(self) -> str:
        """The board's state."""
        return (self.folder / "cpufreq" / "policy0" / "scaling_governor").read_text().strip()

    def set_boot_id(self, text: str) -> None:
        """As after a restart. In place: a mounted file stays the same one."""
        with (self.folder / "boot_id").open("w") as target:
            target.write(text + "\n")

    def step_clock(self, offset_s: float) -> None:
        """Every clock of the board that shows a date is moved by so much, at once."""
        partial = self.folder / "clock.partial"
        partial.write_text(repr(offset_s))
        partial.replace(self.folder / "clock")

    def starts(self) -> Counter[str]:
        """How often a process of each trial was started."""
        log = self.folder / "starts"
        return Counter(log.read_text().split()) if log.exists() else Counter()

    def lease(self) -> dict[str, Any] | None:
        """The board's lease, if there is one."""
        for path in sorted((self.board / "lease").glob("*.lease.json")):
            with contextlib.suppress(FileNotFoundError):
                entry: dict[str, Any] = json.loads(path.read_text())
                return entry
        return None

    def kept(self) -> set[str]:
        """Trials that lie finished on the board."""
        return {path.parent.name for path in self.files.glob("trials/*/*/result.json")}

    def catch(self, process: subprocess.Popen[str] | None = None, *, stored: int = 1, loaded: bool = True) -> Caught:
        """Stop the next trial's process in its middle, once the host has `stored` so many trials.

        loaded False: before it has read the model.
        """
        until(lambda: len(self.stored()) >= stored, f"{stored} trials to be stored", process)

        def look() -> Caught | None:
            entry = self.lease()
            if entry is None or not entry["children"]:
                return None
            pid = entry["children"][0]["pid"]
            try:
                folder = Path(f"/proc/{pid}/cwd").readlink()
                if folder.parent.parent.name != "trials" or (loaded and not _has_sensors(pid)):
                    return None
                os.kill(pid, signal.SIGSTOP)
                caught = Caught(pid, folder, entry)
                if _state(pid) == "T" and not caught.finished and (loaded or not _has_sensors(pid)):
                    return caught
                os.kill(pid, signal.SIGCONT)
            except (FileNotFoundError, ProcessLookupError):
                pass
            return None

        return until(look, "a trial in its middle", process)

    def processes(self, mode: str) -> list[int]:
        """The agent's processes of that mode: steward, guard, sensors; "" for trials."""
        found = sshd.agents(self.board)
        return [pid for pid, words in sorted(found.items()) if words[:1] == ([mode] if mode else [])]

    def trial_process(self) -> list[int]:
        """The one that a steward plays a trial to now, if there is one."""
        entry = self.lease()
        named = [child["pid"] for child in entry["children"]] if entry is not None else []
        return [pid for pid in self.processes("") if pid in named]

    def clients(self) -> list[int]:
        """The host's ssh processes that lead to this board: conversations, and the connection that they share."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                words = path.read_bytes().split(b"\0")
                name = (path.parent / "comm").read_text().strip()
                shared = words[0].startswith(b"ssh: ") and b"[mux]" in words[0]
                if name == "ssh" and (str(self.server.ssh_config).encode() in words or shared):
                    found.append(int(path.parent.name))
        return found

    def wait_deserted(self) -> None:
        """Until no process of the agent is left on the board."""
        until(lambda: not sshd.agents(self.board), "every agent to end")

    # The host, as it lies here.

    def run_folder(self) -> Path:
        """Of the one run."""
        (folder,) = runs_of(self.host)
        return folder

    def stored(self) -> dict[str, int]:
        """Trials in the store, with the time at which their facts were written."""
        folders = [path for run in runs_of(self.host) for path in trial_folders(run)]
        return {path.name: (path / "trial.json").stat().st_mtime_ns for path in folders}

    def ids(self) -> set[str]:
        """Ids of the trials in the store."""
        return {name.partition("-")[2] for name in self.stored()}

    def assert_left_clean(self) -> None:
        """Nothing runs there, nobody holds it, and its state is as it was found."""
        self.wait_deserted()
        assert self.lease() is None
        assert self.governor() == FOUND

    def assert_whole(self, again: Sequence[str] = ()) -> None:
        """The run is complete, each trial in it once, and measured once but for those that had to begin `again`."""
        loaded = harness.load(self.run_folder())
        count = self.launches + 1  # the observer trial
        assert loaded.damaged == ()
        assert loaded.trials["trial"].is_unique
        assert sorted(loaded.trials["order"]) == list(range(count))
        assert self.starts() == Counter(loaded.trials["trial"]) + Counter(again)
        assert not list(self.files.glob("trials/*/*")), "what the host has stored need not be kept there"

    def assert_asked(self) -> None:
        """Every stored trial ran under the state that was asked for, where the rig has one."""
        for path in self.run_folder().glob("trials/*/trial.json"):
            environment = json.loads(path.read_text())["environment"]
            assert not self.stands_in or environment["in_force"]["state"] == {"governor": ASKED}


@contextlib.contextmanager
def rig(folder: Path, python: str = sys.executable, launches: int = 2, *, real: bool = False) -> Iterator[Rig]:
    """A board on loopback and a suite of one model for it; everything is ended at the end."""
    folder = folder.resolve()
    environment = {"PYTHONPATH": str(folder / "customize"), "PYTHONDONTWRITEBYTECODE": "1"}
    with sshd.running(folder / "sshd", environment) as server:
        yield Rig(folder, server, python, launches, real)


def _has_sensors(pid: int) -> bool:
    """A trial's process starts those first, and reads the model when they are ready."""
    return bool(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def _state(pid: int) -> str:
    """One letter, as of ps; "X" for one that is gone. Waits until a stop has been taken."""

    def look() -> str:
        try:
            letter = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return "X"
        return letter if letter in "TXZ" else ""

    return until(look, f"process {pid} to stop")
