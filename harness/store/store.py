"""Runs and trials on disk: append, list, read. Owns the folder layout; what was measured is never rewritten.

The layout, under the root of the store:

    ROOT/RUN/run.json                     the plan and who started it; written first
    ROOT/RUN/trials/ORDER-TRIAL/          one folder per finished trial, moved into place whole
        trial.json  samples.parquet  traces.parquet  outputs.parquet
    ROOT/RUN/finished.json                written last; its absence means interrupted
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import places
from harness.errors import StoreError, UsageError
from harness.model.case import PlannedTrial
from harness.model.codec import Json, from_json, to_json
from harness.model.run import Run, Stopped, trial_id
from harness.model.trial import Trial

if TYPE_CHECKING:
    from harness.store import encode

_PARTIAL = ".partial-"


@dataclass(frozen=True)
class StoredRun:
    """A run as read back. `damaged`: trial folders that could not be read, with the reason. stopped: by case, where the
    run ended when it was precise."""

    run: Run
    folder: Path
    trials: tuple[Trial, ...]
    damaged: tuple[str, ...]
    finished_utc: str | None
    stopped: Mapping[str, Stopped] = field(default_factory=dict)


def begin(root: Path, run: Run) -> Path:
    """Open a run's folder and write run.json. StoreError where the folder cannot be written."""
    folder = root / run.id
    try:
        (folder / "trials").mkdir(parents=True, exist_ok=True)
        _write_whole(folder / "run.json", _text(to_json(run)))
    except OSError as error:
        raise _unwritable(folder, error) from None
    return folder


def held(folder: Path) -> AbstractContextManager[None]:
    """Keep other harness processes from writing to this run. StoreError where one does."""
    return places.held(folder, f"{folder} is being written by another harness process; wait until it has ended")


def append(folder: Path, trial: Trial) -> Path:
    """Write one trial; it appears whole or not at all. StoreError when the disk is full or not writable."""
    import pyarrow.parquet as parquet  # heavy, and only those who write or read columns pay

    from harness.store import encode

    name = _trial_name(trial)
    target, partial = folder / "trials" / name, folder / "trials" / f"{_PARTIAL}{os.getpid()}-{name}"
    try:
        partial.mkdir()
        files = {}
        for stem, table in encode.tables_of(trial).items():
            # Times hardly ever repeat: a dictionary of them makes a file larger, and takes twice as long to read.
            parquet.write_table(
                table, partial / f"{stem}.parquet", compression="snappy", use_dictionary=False, write_statistics=False
            )
            files[f"{stem}.parquet"] = _sha256(partial / f"{stem}.parquet")
        _write_whole(partial / "trial.json", _text({**encode.facts_of(trial), "files": files}))
        partial.rename(target)
    except OSError as error:
        raise _unwritable(target, error) from None
    finally:  # after success it is gone; after a full disk or a Ctrl-C it is of no use
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _trial_name(trial: Trial) -> str:
    return f"{trial.order:06d}-{trial.id}"


def finish(
    folder: Path, finished_utc: str, done: int, failed: int, stopped: Mapping[str, Stopped] | None = None
) -> None:
    """Mark a run as complete. stopped: by case, why not all of its launches were started."""
    told = {"finished_utc": finished_utc, "trials_done": done, "trials_failed": failed}
    if stopped is not None:
        told["stopped"] = to_json(dict(stopped))
    try:
        _write_whole(folder / "finished.json", _text(told))
    except OSError as error:
        raise _unwritable(folder, error) from None


def resumable(root: Path, plan_id: str) -> Run | None:
    """The newest interrupted run of the same plan, or None. Unreadable runs are passed over: they can be of no use."""
    for folder in sorted(_run_folders(root), reverse=True):
        if not folder.name.endswith(plan_id[:8]):
            continue
        try:
            run = read_run(folder)
        except StoreError:
            continue
        # A finished run of which the user removed a damaged trial is interrupted again.
        stopped = _stopped(folder)
        wanted = (one for one in run.plan.trials if not _left_out(one, stopped))
        planned = {trial_id(run.id, trial) for trial in wanted}
        ended = (folder / "finished.json").exists() and planned <= finished_trials(folder)
        if run.plan_id == plan_id and not ended:
            return run
    return None


def finished_trials(folder: Path) -> set[str]:
    """Ids of the trials of a run that lie whole in the store."""
    return {path.parent.name.partition("-")[2] for path in (folder / "trials").glob("[!.]*/trial.json")}


def read(folder: Path) -> StoredRun:
    """A run with every trial that can be read. Damage is listed, never hidden and never fatal."""
    run = read_run(folder)
    with _without_collector():
        trials, damaged = _read_trials(folder)
    planned = {case.id for case in run.plan.cases}
    strangers = [trial for trial in trials if trial.case.id not in planned or trial.run != run.id]
    damaged += [f"{folder}: trial {trial.id} is not one that this run planned; it is left out" for trial in strangers]
    own = sorted((trial for trial in trials if trial not in strangers), key=lambda trial: trial.order)
    return StoredRun(run, folder, tuple(own), tuple(damaged), _finished_utc(folder), _stopped(folder))


def _read_trials(folder: Path) -> tuple[list[Trial], list[str]]:
    """Those that can be read, and why the others cannot."""
    trials, damaged = [], []
    known: encode.Known = {}
    for path in _trial_folders(folder):
        try:
            trial = read_trial(path, known)
        except StoreError as error:
            damaged.append(str(error))
            continue
        if path.name == _trial_name(trial):
            trials.append(trial)
        else:  # a copy, which would count twice
            damaged.append(f"{path} holds the trial of {_trial_name(trial)}; it is left out")
    return trials, damaged


@contextmanager
def _without_collector() -> Iterator[None]:
    """Trials refer to each other in no circle: looking for one, again and again through all that was read so far, took
    a seventh of the time of 10,000."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def attached_name(source: Path) -> str:
    """What a copy of this file is called beside a run: alike for the same content under the same name."""
    return f"{_sha256(source)[:16]}-{source.name}"


def attach(folder: Path, source: Path, facts: Mapping[str, Json]) -> None:
    """Keep a copy of a file with a run, under its hash, with what is to be known of it. StoreError on a full disk."""
    name = attached_name(source)
    target = folder / "attached" / name
    try:
        target.parent.mkdir(exist_ok=True)
        partial = target.with_name(f".{os.getpid()}-{name}")
        shutil.copyfile(source, partial)
        partial.replace(target)
        _write_whole(target.with_name(f"{name}.json"), _text({**facts, "file": name, "sha256": _sha256(target)}))
    except OSError as error:
        raise _unwritable(target, error) from None


def attached(folder: Path) -> list[tuple[Path, dict[str, Json]]]:
    """Files that were attached to a run, with what is known of each. StoreError where one was altered since."""
    found = []
    for path in sorted((folder / "attached").glob("[!.]*.json")):
        try:
            facts = json.loads(path.read_text("utf-8"))
            file = path.with_name(str(facts["file"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"{path} cannot be read as JSON ({error!r}); remove it, and attach the log again"
            ) from None
        if not file.is_file() or _sha256(file) != facts["sha256"]:
            raise StoreError(f"{file} is not what was attached to the run; remove {path}, and attach the log again")
        found.append((file, facts))
    return found


def _finished_utc(folder: Path) -> str | None:
    """None where the run was interrupted, or where the mark of its end cannot be read."""
    try:
        return str(_load_json(folder / "finished.json")["finished_utc"])
    except (StoreError, KeyError, TypeError):
        return None


def _stopped(folder: Path) -> Mapping[str, Stopped]:
    """Empty where the run was interrupted or had its number of launches fixed."""
    try:
        told = _load_json(folder / "finished.json").get("stopped", {})
        return {case: from_json(Stopped, one, case) for case, one in told.items()}
    except (StoreError, UsageError, AttributeError):
        return {}


def _left_out(planned: PlannedTrial, stopped: Mapping[str, Stopped]) -> bool:
    one = stopped.get(planned.case_id)
    return one is not None and planned.mode == "performance" and planned.launch >= one.rounds


def read_run(folder: Path) -> Run:
    """The run's own facts. StoreError, NewerSchema."""
    from harness.store import encode

    path = folder / "run.json"
    facts = _load_json(path)
    encode.check_schema(facts, str(path))
    try:
        return from_json(Run, facts, str(path))
    except UsageError as error:
        raise StoreError(str(error)) from None


def read_trial(folder: Path, known: encode.Known | None = None) -> Trial:
    """One trial folder, its columns checked against their hashes. known: as of `encode.trial_from`."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    from harness.store import encode

    facts = _load_json(folder / "trial.json")
    encode.check_schema(facts, str(folder / "trial.json"))
    files = facts.get("files")
    if not isinstance(files, dict):  # without it the columns would be taken for empty
        raise StoreError(f"{folder / 'trial.json'}: the key 'files' is missing; the file is not a whole trial")
    tables = {}
    for name, sha256 in files.items():
        path = folder / Path(name).name
        try:
            content = path.read_bytes()
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}; the trial is incomplete and left out") from None
        if hashlib.sha256(content).hexdigest() != sha256:
            raise StoreError(f"{path}: its content is not what was written; the trial is left out")
        # Of one small file, read_table spends most of its time on what only a data set of many files needs.
        tables[path.stem] = parquet.ParquetFile(pa.BufferReader(content)).read(use_threads=False)
    return encode.trial_from(facts, tables, str(folder / "trial.json"), known)


def find_runs(path: Path) -> list[Path]:
    """Run folders at or under `path`, oldest first: a run folder itself, or a store. StoreError if there is none."""
    if (path / "run.json").is_file():
        return [path]
    found = sorted(_run_folders(path))
    if not found:
        raise StoreError(f"{path} holds no run; `harness run` makes one, --results names another folder")
    return found


def find_run(root: Path, name: str) -> Path:
    """A run by id, by the start of its id, by path, or "last". UsageError if that is none or more than one."""
    if (Path(name) / "run.json").is_file():
        return Path(name)
    runs = find_runs(root)
    if name == "last":  # by its last trial: a run that was gone on with is newer than its name
        return max(runs, key=lambda run: ((run / "trials").stat().st_mtime_ns if (run / "trials").exists() else 0, run))
    matching = [run for run in runs if run.name.startswith(name)]
    if len(matching) != 1:
        listed = ", ".join(run.name for run in (matching or runs)[-5:])
        count = "no run" if not matching else f"{len(matching)} runs"
        raise UsageError(f"{count} in {root} match {name!r}; the latest: {listed}")
    return matching[0]


def _run_folders(root: Path) -> Iterator[Path]:
    return (path.parent for path in root.glob("*/run.json"))


def _trial_folders(folder: Path) -> list[Path]:
    return sorted((folder / "trials").glob("[!.]*"))


def _load_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise StoreError(f"{path} is missing; the folder is not whole") from None
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read as JSON ({error}); it is left out") from None


def _write_whole(path: Path, text: str) -> None:
    partial = path.with_name(f"{_PARTIAL}{os.getpid()}-{path.name}")
    with partial.open("w", encoding="utf-8") as target:
        target.write(text)
        target.flush()
        os.fsync(target.fileno())
    partial.replace(path)


def _text(value: Json) -> str:
    return json.dumps(value, indent=1, allow_nan=False) + "\n"


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _unwritable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"cannot write {path}: {error.strerror or error}. Everything stored before is whole; make room or name another "
        "folder with --results, then give the same command again to go on"
    )
