"""Which stored run a word of a gate means. Owns what "last" is there: never a run that a gate itself made."""

from __future__ import annotations

from pathlib import Path

from harness.errors import UsageError
from harness.store import store


def find_run(root: Path, name: str) -> Path:
    """As store.find_run, but "last" is the newest run that `harness run` made: one of a gate holds duets, or launches
    too short to time, of both of its sides. UsageError where there is none."""
    if name != "last" or (Path(name) / "run.json").is_file():
        return store.find_run(root, name)
    runs = sorted(store.find_runs(root), key=_newest_trial, reverse=True)
    found = next((folder for folder in runs if not of_gate(folder)), None)
    if found is None:
        count = f"all {len(runs)} runs in {root} are" if len(runs) > 1 else f"the only run in {root} is"
        raise UsageError(f"{count} of gates, which measure pairs: make one with `harness run`")
    return found


def of_gate(folder: Path) -> bool:
    """Whether a gate made it: a gate decides while it goes on what is measured, so its plan holds no trials."""
    return not store.read_run(folder).plan.trials


def refuse_itself(baseline: str, candidate: str) -> None:
    """UsageError where two runs are one, by their ids: it is never worse than itself."""
    if baseline == candidate:
        raise UsageError(
            f"the candidate is the baseline itself (run {baseline}): run the suite again, or name another --candidate"
        )


def _newest_trial(folder: Path) -> tuple[int, Path]:
    """A run that was gone on with is newer than its name."""
    trials = folder / "trials"
    return (trials.stat().st_mtime_ns if trials.exists() else 0), folder
