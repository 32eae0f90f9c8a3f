"""Hand-made values of the host side, so that every number in a test can be worked out on paper; and the program itself.

`invoke` runs the real command line in this process, `spawn` in another one where signals matter.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness import cli
from harness.analysis.context import Context
from harness.analysis.validity import findings
from harness.model.case import ArtifactFacts, Case, Plan, PlannedTrial, Scenario, Settings, TensorSpec
from harness.model.device import Device
from harness.model.run import RUN_SCHEMA, Run
from harness.model.trial import Channel, Environment, Phases, Samples, Trace, Trial
from harness.model.verdict import Finding
from harness.store.store import StoredRun

ROOT = Path(__file__).resolve().parents[2]
STEADY_START_S = 100.0
CASE = Case(
    suite="scripted",
    variant="small",
    artifact_sha256="a" * 64,
    precision="fp32",
    backend="null",
    device="bench",
    scenario=Scenario(),
    settings=Settings(),
    inputs=(TensorSpec("image", "float32", (1, 3, 8, 8)),),
    input_seed=0,
)
DEVICE = Device(1, "bench", "A bench", "local", ("null",), ("process",))


def column(values: Sequence[float]) -> array[float]:
    """A column of doubles."""
    return array("d", [float(value) for value in values])


def samples(durations_s: Sequence[float], start_s: float = STEADY_START_S, block: Sequence[int] = ()) -> Samples:
    """Inferences back to back from `start_s`."""
    starts = [start_s + sum(durations_s[:index]) for index in range(len(durations_s))]
    return Samples(column(starts), column(durations_s), column(block or [0] * len(durations_s)))


def trial(durations_s: Sequence[float] = (0.001, 0.002, 0.003), **changes: Any) -> Trial:
    """A finished timed launch; its steady window is the durations' sum from 100 s on unless `phases` says otherwise."""
    given = {
        "id": f"{changes.get('mode', 'performance')}-{changes.get('launch', 0)}",
        "run": "20260101T000000Z-00000000",
        "case": CASE,
        "mode": "performance",
        "launch": 0,
        "order": changes.get("launch", 0),
        "started_utc": "2026-01-01T00:00:00Z",
        "status": "ok",
        "stop_reason": "minimum count and duration reached",
        "phases": Phases(steady_start_s=STEADY_START_S, steady_end_s=STEADY_START_S + sum(durations_s)),
        "samples": samples(durations_s),
        **changes,
    }
    return Trial(**given)


def trace(collector: str, name: str, readings: Sequence[tuple[float, float]], kind: str = "gauge") -> Trace:
    """A channel's (time, value) pairs; times as on the trial's clock."""
    channel = Channel(collector, name, "1", kind, "machine", "made by hand")  # type: ignore[arg-type]
    return Trace(channel, column([time for time, _ in readings]), column([value for _, value in readings]))


def facts(**changes: Any) -> ArtifactFacts:
    """What is known of the artifact of CASE: 1000 bytes and nothing else."""
    return replace(ArtifactFacts("small", "small.onnx", "a" * 64, 1000, "fp32"), **changes)


def environment(**in_force: Any) -> Environment:
    """An environment with these settings in force."""
    return Environment({"threads": 1}, {"affinity": "1", **in_force}, {"cpu": "hand-made"})


def plan(cases: Sequence[Case] = (CASE,), launches: int = 2, artifact: ArtifactFacts | None = None) -> Plan:
    """A plan of these cases, one after the other."""
    trials = [PlannedTrial(case.id, "performance", launch) for launch in range(launches) for case in cases]
    known = {case.id: artifact or facts() for case in cases}
    return Plan("scripted", "bench", 0, tuple(cases), (), tuple(trials), known, "0.0", "b" * 64, "d" * 16)


def run(planned: Plan | None = None, **changes: Any) -> Run:
    """A run of that plan on the first day of 2026."""
    planned = planned or plan()
    given = {
        "schema": RUN_SCHEMA,
        "id": f"20260101T000000Z-{planned.id[:8]}",
        "plan_id": planned.id,
        "plan": planned,
        "device": DEVICE,
        "started_utc": "2026-01-01T00:00:00Z",
        "command": ("harness", "run", "scripted"),
        **changes,
    }
    return Run(**given)


def stored(trials: Sequence[Trial], planned: Plan | None = None, **changes: Any) -> StoredRun:
    """A run as the store would read it back."""
    given = {"damaged": (), "finished_utc": "2026-01-01T00:01:00Z", **changes}
    return StoredRun(run(planned), Path("nowhere"), tuple(trials), **given)


@dataclass(frozen=True)
class Answer:
    """What the program said and how it ended."""

    code: int
    out: str
    err: str


def invoke(folder: Path, *arguments: str | Path) -> Answer:
    """The program in this process, with the store, the cache and this machine's lease under `folder`."""
    out, err = io.StringIO(), io.StringIO()
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGHUP)
    outside = os.environ.get("HARNESS_LEASES")
    os.environ["HARNESS_LEASES"] = str(leases_of(folder))
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = cli.main(command_line(folder, *arguments))
    except SystemExit as left:  # argparse, on a usage error
        code = int(left.code or 0)
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGHUP, before[1])
        os.environ.pop("HARNESS_LEASES")
        if outside is not None:
            os.environ["HARNESS_LEASES"] = outside
    return Answer(code, out.getvalue(), err.getvalue())


def spawn(folder: Path, *arguments: str | Path, **options: Any) -> subprocess.Popen[str]:
    """The program in a process of its own."""
    command = [sys.executable, "-m", "harness", *command_line(folder, *arguments)]
    # Buffered, as a user's shell runs it: what a closed pipe does depends on it.
    fixed = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": ""}
    settings = {**os.environ, **fixed, "HARNESS_LEASES": str(leases_of(folder))}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=settings, cwd=folder, **options)


def command_line(folder: Path, *arguments: str | Path) -> list[str]:
    """The arguments with the store and the cache under `folder`."""
    return [*map(str, arguments), "--results", str(store_of(folder)), "--cache", str(folder / "cache")]


def store_of(folder: Path) -> Path:
    """Where `invoke` and `spawn` keep runs."""
    return folder / "store"


def leases_of(folder: Path) -> Path:
    """Where `invoke` and `spawn` keep the lease of this machine: tests that run side by side must not wait."""
    return folder / "leases"


def runs_of(folder: Path) -> list[Path]:
    """Run folders, oldest first."""
    return sorted(path.parent for path in store_of(folder).glob("*/run.json"))


def trial_folders(run_folder: Path) -> list[Path]:
    """Whole trials of a run, in order."""
    return sorted((run_folder / "trials").glob("[!.]*"))


def only(check: Callable[[Context], Iterable[Finding]], seen: Context) -> Finding:
    """The one finding of this check, which is also among those of all checks."""
    (one,) = check(seen)
    assert one in findings(seen)
    return one
