"""What `harness run` reports against a bare loop and against MLPerf LoadGen, interleaved in one run.

Two tables. The loops together in one process over one session, in short blocks: this prices the loop alone, to a few
tenths of a percent. Then whole trials against fresh bare processes, each round starting every arm once in a seeded
random order: this prices everything else, as well as launches of this machine repeat. Ratios are paired within rounds,
so that drift cancels. Asserts nothing: a busy machine would make it fail by weather.

usage: python -m tests.overhead.fidelity [ROUNDS [SECONDS]]
"""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness import registry, stages
from harness.analysis import stats
from harness.artifacts import onnx_file
from harness.board import material
from harness.board.hold import Board, Hold
from harness.board.job import Job, Material
from harness.board.runner import run_trial
from harness.model.case import Case, PlannedTrial, Scenario, StopRule
from harness.plan import INPUT_SEED

ARMS = ("bare", "harness", "harness, no sensors", "loadgen")
Measured = dict[str, list[dict[str, float]]]


def main(rounds: int, seconds: float) -> None:
    """Measure and print."""
    model = registry.suite_path("cifar10").parent / "cifar10" / "fast-int8.onnx"
    loops = process_arm("together", model, seconds * 4)
    print(f"\n{model.name}: the loops in one process, {len(loops['bare'])} interleaved blocks each")  # noqa: T201
    for loop in ("agent", "loadgen"):
        print(f"  {loop:<20} against bare: {both(loops[loop], loops['bare'])}")  # noqa: T201
    with tempfile.TemporaryDirectory() as folder:
        measured = measure(model, rounds, seconds, Path(folder))
    table(measured, model.name)


def measure(model: Path, rounds: int, seconds: float, folder: Path) -> Measured:
    """All arms, interleaved."""
    board = stages.board_of(registry.this_machine(), folder)
    bare_of_sensors = Board(replace(board.device, collectors=()), board.transport)
    case = case_of(model, seconds)
    files = onnx_file.inspect(model, {}).files
    sent = Material(
        material.send_artifact(board, model.parent, files, case.artifact_sha256),
        case.artifact_sha256,
        material.send_inputs(board, case),
    )
    chance, measured = random.Random(0), {arm: [] for arm in ARMS}
    for number in range(rounds):
        for arm in chance.sample(ARMS, len(ARMS)):
            if arm.startswith("harness"):
                on = board if arm == "harness" else bare_of_sensors
                measured[arm].append(harness_arm(on, case, sent, number))
            else:
                measured[arm].append(process_arm(arm, model, seconds))
        sys.stderr.write(f"round {number + 1} of {rounds}\n")
    return measured


def case_of(model: Path, seconds: float) -> Case:
    """The case that `harness run` would make, with the given duration."""
    found = onnx_file.inspect(model, {})
    device = registry.load_device("localhost")
    scenario = Scenario(stop=StopRule(min_count=64, min_duration_s=seconds, budget_s=60))
    return Case(
        "overhead", model.stem, found.sha256, found.precision, "onnxruntime", device.name, scenario, device.settings,
        found.inputs, INPUT_SEED,
    )  # fmt: skip


def harness_arm(board: Board, case: Case, sent: Material, number: int) -> dict[str, float]:
    """One trial, as `harness run` does it."""
    with Hold(board, "overhead") as hold:
        trial = run_trial(hold, Job("overhead", case, PlannedTrial(case.id, "performance", number), number, sent))
        hold.drop(trial.id)
    if trial.status != "ok":
        raise SystemExit(trial.message)
    durations = np.asarray(trial.samples.duration_s)
    phases = trial.phases
    known = (phases.import_s, phases.load_s, phases.first_inference_s, phases.warm_up_s)
    steady = (phases.steady_end_s or 0) - (phases.steady_start_s or 0)
    cost = (trial.wall_s or 0) - steady - sum(value or 0 for value in known)
    return {
        "p50_s": stats.quantile(durations, 0.5),
        "p90_s": stats.quantile(durations, 0.9),
        "p99_s": stats.quantile(durations, 0.99),
        "trial_cost_s": cost,
    }


def process_arm(arm: str, model: Path, seconds: float) -> Any:
    """One of tests.overhead.arms in a fresh process."""
    command = [sys.executable, "-m", "tests.overhead.arms", arm, str(model.resolve()), str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def table(measured: Measured, model: str) -> None:
    """Paired ratios to the bare loop with 95 % intervals (Student's t on log ratios over rounds)."""
    count = len(measured["bare"])
    bare_ms = float(np.median([one["p50_s"] for one in measured["bare"]])) * 1e3
    print(f"\n{model}: whole processes, {count} interleaved rounds; bare p50 {bare_ms:.4f} ms")  # noqa: T201
    for arm in ARMS[1:]:
        print(f"  {arm:<20} against bare: {both(measured[arm], measured['bare'])}")  # noqa: T201
    cells = [f"{k[:3]} {change(measured['harness'], measured[ARMS[2]], k)}" for k in ("p50_s", "p90_s", "p99_s")]
    print(f"  sensors on against off: {'   '.join(cells)}")  # noqa: T201
    costs = [one["trial_cost_s"] for one in measured["harness"]]
    print(f"  a trial beyond import, load, warm-up and measured time: median {np.median(costs):.3f} s")  # noqa: T201


def change(arm: Sequence[dict[str, float]], base: Sequence[dict[str, float]], key: str) -> str:
    """Median of paired changes, and the t interval of their mean."""
    logs = [math.log(one[key] / other[key]) for one, other in zip(arm, base, strict=True)]
    _, low, high = stats.paired_change(logs)
    return f"{math.expm1(float(np.median(logs))):+.2%} [{low:+.2%}, {high:+.2%}]"


def both(arm: Sequence[dict[str, float]], base: Sequence[dict[str, float]]) -> str:
    """p50 and p90 in one line."""
    return "   ".join(f"{key[:3]} {change(arm, base, key)}" for key in ("p50_s", "p90_s"))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15, float(sys.argv[2]) if len(sys.argv) > 2 else 1.5)
