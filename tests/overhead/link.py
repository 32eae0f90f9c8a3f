"""What a link over SSH costs, on loopback: against this machine without one, and against plain scp. Interleaved.

Asserts nothing: a busy machine would make it fail by weather.

usage: python -m tests.overhead.link [ROUNDS]
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from harness import registry, stages
from harness.artifacts import onnx_file
from harness.board import material, pack
from harness.board.hold import Board, Hold
from harness.board.job import Job, Material
from harness.board.runner import run_trial
from harness.board.ssh import SshTransport
from harness.model.case import PlannedTrial
from tests.overhead.fidelity import case_of, change
from tests.support import sshd

T = TypeVar("T")
ARTIFACT_BYTES = 47_000_000
SECONDS = 1.0


def main(rounds: int) -> None:
    """Measure and print."""
    print(f"the packed agent: {len(pack.archive()[0]) / 1e3:.1f} kB")  # noqa: T201
    with tempfile.TemporaryDirectory() as folder, sshd.running(Path(folder) / "sshd") as server:
        transport = SshTransport(sshd.site(server, Path(folder) / "there"))
        here = stages.board_of(registry.this_machine(), Path(folder) / "here")
        there = Board(here.device, transport)
        trials(here, there, rounds)
        collecting(there)
        sending(there, server, rounds)
        transport.close()


def trials(here: Board, there: Board, rounds: int) -> None:
    """The same trials on both ways, in a random order: what they cost around the trial, and what they measured."""
    model = registry.suite_path("cifar10").parent / "cifar10" / "fast-int8.onnx"
    case, files = case_of(model, SECONDS), onnx_file.inspect(model, {}).files
    boards = {"here": here, "ssh": there}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in boards}
    chance = random.Random(0)
    holds = {name: Hold(board, "link").__enter__() for name, board in boards.items()}
    try:
        sent = {
            name: Material(
                material.send_artifact(board, model.parent, files, case.artifact_sha256),
                case.artifact_sha256,
                material.send_inputs(board, case),
            )
            for name, board in boards.items()
        }
        for number in range(rounds):
            for name in chance.sample(sorted(boards), 2):
                job = Job("link", case, PlannedTrial(case.id, "performance", number), number, sent[name])
                took_s, trial = timed(lambda job=job, name=name: run_trial(holds[name], job))
                holds[name].drop(trial.id)
                durations = np.asarray(trial.samples.duration_s)
                found[name].append({"p50_s": float(np.median(durations)), "around_s": took_s - trial.wall_s})
    finally:
        for hold in holds.values():
            hold.__exit__(None, None, None)
    around = {name: float(np.median([one["around_s"] for one in ones])) for name, ones in found.items()}
    print(f"a trial costs around itself: {around['here']:.3f} s here, {around['ssh']:.3f} s over ssh")  # noqa: T201
    print(f"p50 over ssh against here, {rounds} rounds: {change(found['ssh'], found['here'], 'p50_s')}")  # noqa: T201


def collecting(there: Board) -> None:
    """A finished trial whose host was cut off: from a dead link to the trial in hand."""
    model = registry.suite_path("cifar10").parent / "cifar10" / "fast-int8.onnx"
    case, files = case_of(model, SECONDS), onnx_file.inspect(model, {}).files
    took = []
    for number in range(5):
        with Hold(there, "collect") as hold:
            artifact = material.send_artifact(there, model.parent, files, case.artifact_sha256)
            sent = Material(artifact, case.artifact_sha256, material.send_inputs(there, case))
            job = Job("collect", case, PlannedTrial(case.id, "performance", number), number, sent)
            first = run_trial(hold, job)
            # The whole connection, as a cable that is pulled takes it.
            there.transport.close()
            took_s, again = timed(lambda hold=hold, job=job: run_trial(hold, job))
            took.append(took_s)
            if again.started_utc != first.started_utc:
                raise SystemExit("it was measured twice")
            hold.drop(again.id)
    print(f"connecting again and collecting a finished trial: {np.median(took):.2f} s (of 5)")  # noqa: T201


def sending(there: Board, server: sshd.Sshd, rounds: int) -> None:
    """A large artifact, by the harness and by scp, each over a connection that is open or is not, as they come."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "model"
        source.write_bytes(os.urandom(ARTIFACT_BYTES))
        ours, scp = [], []
        for number in range(rounds):
            ours.append(timed(lambda number=number: there.transport.put(source, f"artifacts/{number}/model"))[0])
            target = f"board:{Path(folder) / 'copy'}"
            command = ["scp", "-q", "-F", str(server.ssh_config), str(source), target]
            scp.append(timed(lambda command=command: subprocess.run(command, check=True))[0])
    ratio = float(np.median(ours) / np.median(scp))
    words = f"sending {ARTIFACT_BYTES / 1e6:.0f} MB: {np.median(ours):.2f} s, scp {np.median(scp):.2f} s"
    print(f"{words}, ratio {ratio:.2f} (medians of {rounds})")  # noqa: T201


def timed(call: Callable[[], T]) -> tuple[float, T]:
    """How long it took, and what it returned."""
    begin = time.perf_counter()
    result = call()
    return time.perf_counter() - begin, result


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
