"""Made tests/schema/run-1 once: `python -m tests.schema.freeze NEW_FOLDER`. A released version's folder never changes.

A real run of scripted models, whose machine is replaced by a made-up one, and an accuracy trial written by hand.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from harness.model.trial import Environment, Outputs, Phases, Samples, Trial
from harness.store import store
from tests.support.host_side import column, invoke, runs_of
from tests.support.scripted_suite import script, write_device, write_suite

FACTS = {"cpu": "A CPU", "cores": 2, "kernel": "6.1", "machine": "x86_64", "python": "3.11.7"}


def main(target: Path) -> None:
    """Write the run into `target`, which is not there yet."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # The last case is the observer's; the other one dies while it is measured.
        scripts = {"dying": script(fail={"at": 30, "how": "kill"}), "steady": script()}
        suite = write_suite(folder, scripts, name="frozen", launches=2)
        assert invoke(folder, "run", suite, "--device", write_device(folder)).code == 0
        whole = store.read(runs_of(folder)[0])
    run_id = f"20260101T000000.000Z-{whole.run.plan_id[:8]}"
    command = ("harness", "run", "frozen.py", "--device", "bench.toml")
    run = replace(whole.run, id=run_id, started_utc="2026-01-01T00:00:00Z", command=command, commit="c" * 40)
    made = store.begin(target.parent, run)
    trials = [plain(trial, run_id) for trial in whole.trials]
    for trial in [*trials, accuracy(trials[-1])]:
        store.append(made, trial)
    store.finish(made, "2026-01-01T00:01:00Z", len(trials) + 1, 2)
    made.rename(target)


def plain(trial: Trial, run_id: str) -> Trial:
    """The same measurements on no machine in particular."""
    sensors = trial.environment.facts.get("sensors", {})
    facts = {**FACTS, "sensors": {"unavailable": sensors.get("unavailable", {})}}
    environment = replace(trial.environment, facts=facts)
    return replace(trial, run=run_id, started_utc=f"2026-01-01T00:00:{trial.order:02d}Z", environment=environment)


def accuracy(trial: Trial) -> Trial:
    """Four images of two classes, three of them right."""
    logits = column([0.5, 0.25, -1.0, 1.0, 0.125, 0.5, 2.0, -2.0])
    outputs = Outputs((), True, column([0, 1, 1, 0]), column([0, 1, 1, 1]), logits)
    return replace(
        trial, id="accuracy-by-hand", mode="accuracy", launch=0, order=trial.order + 1, outputs=outputs, arms=(),
        traces=(), warm_up=Samples(), samples=Samples(), phases=Phases(), memory={}, stop_reason="",
        environment=Environment(), dataset_sha256="d" * 64,
    )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]))
