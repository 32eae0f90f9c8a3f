"""Blessed baselines on disk: made from a stored run and its like, written, read, listed. Judges no one.

results/baselines/NAME.json, beside the store. Tracked by git, so small and the same every time.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness.analysis import places
from harness.analysis.cells import Cell, cells_of
from harness.analysis.fingerprint import differing, fingerprint
from harness.analysis.summaries import launch_values
from harness.errors import NewerSchema, NothingMeasured, StoreError, UsageError
from harness.gating import placement
from harness.model.baseline import BASELINE_SCHEMA, SCHEMA, Baseline, BlessedCell, Kept
from harness.model.codec import Json, from_json, to_json
from harness.model.gate import FEWEST_LAUNCHES
from harness.model.metrics import REGISTRY
from harness.model.verdict import CaseResult
from harness.store import store
from harness.store.store import StoredRun

FOLDER = "baselines"
# What a gate may judge of a run; diagnostics and what is counted are not here.
METRICS = (
    "latency_p50_s", "latency_p90_s", "latency_p95_s", "latency_p99_s", "latency_mean_s", "throughput_per_s", "load_s",
    "first_inference_s", "memory_peak_bytes", "memory_added_bytes", places.ENERGY, places.NET, places.POWER,
)  # fmt: skip
# Older sessions say less of the machine as it is, and each costs reading a run.
MOST_SESSIONS = 30
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# A number of few digits: any longer one was written by nobody.
_SCHEMA = re.compile(re.escape(BASELINE_SCHEMA.partition("/")[0]) + "/([0-9]{1,9})")
_TOO_GREAT = 2.0**63


def bless(stored: StoredRun, root: Path, name: str | None = None, *, counts: bool = False) -> Baseline:
    """The baseline of a run, with the sessions of the store `root` that are its like. NothingMeasured where no case of
    it is valid or doubtful, UsageError for a name that is no file's. counts: without what belongs to one machine, for
    design counted on any; one launch of a case is enough then."""
    run = stored.run
    name = name or f"{run.plan.suite}-{run.device.name}"
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name for a baseline: letters, digits, and . _ - after the first")
    cells = cells_of(stored)
    told = {cell.record.case.id: why_not(cell, 1 if counts else FEWEST_LAUNCHES) for cell in cells}
    usable = [cell for cell in cells if not told[cell.record.case.id]]
    if not usable:
        reasons = "; ".join(f"{cell.key[0]}: {told[cell.record.case.id]}" for cell in cells) or "its plan is empty"
        raise NothingMeasured(f"nothing of run {run.id} can be blessed: {reasons}")
    sessions = {cell.record.case.id: (cell,) for cell in usable} if counts else sessions_of(usable, root)
    return Baseline(
        BASELINE_SCHEMA, name, run.id, run.started_utc, run.plan.suite, run.device.name, run.command, run.commit,
        run.commit_dirty, tuple(_blessed(cell, sessions[cell.record.case.id], counts) for cell in usable),
    )  # fmt: skip


def judgeable(cell: Cell) -> bool:
    """Whether its figures may stand in a gate."""
    return not why_not(cell)


def why_not(cell: Cell, fewest: int = FEWEST_LAUNCHES) -> str:
    """Why the figures of a cell may not stand in a gate; empty where they may."""
    bad = next((one for one in cell.result.findings if one.severity == "invalid"), None)
    if bad is not None:
        return f"{bad.code}: {bad.evidence}"
    if len(cell.timed) < fewest:
        some = "launch" if len(cell.timed) == 1 else "launches"
        return f"{len(cell.timed)} {some}; a session is {fewest} at least"
    return ""


def sessions_of(cells: Sequence[Cell], root: Path) -> dict[str, tuple[Cell, ...]]:
    """By case id: the cells of all runs of the store that ran exactly this case on this machine and software, each
    cell itself among them; oldest first."""
    found: dict[str, list[Cell]] = {cell.record.case.id: [cell] for cell in cells}
    prints = {cell.record.case.id: fingerprint(cell.timed) for cell in cells}
    own = {cell.run for cell in cells}
    for other in _like(found, root, own):
        known = prints.get(other.record.case.id)
        if known is not None and judgeable(other) and not differing(known, fingerprint(other.timed)):
            found[other.record.case.id].append(other)
    return {key: tuple(sorted(some, key=lambda one: one.run)) for key, some in found.items()}


def session_value(result: CaseResult, metric: str) -> float | None:
    """What a run says of a metric; None where it says nothing."""
    summary = result.metrics.get(metric)
    return None if summary is None else _rounded(summary.point)


def folder_of(results: Path) -> Path:
    """Where baselines lie, beside the store."""
    return results.parent / FOLDER


def path_of(given: str, results: Path) -> Path | None:
    """The file that a user names by its path or by its name; None where it is none."""
    if given.endswith(".json"):
        return Path(given)
    path = folder_of(results) / f"{given}.json"
    return path if _NAME.fullmatch(given) and path.is_file() else None


def read(path: Path) -> Baseline:
    """UsageError where it is no baseline, NewerSchema where a later harness wrote it."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the baseline {path} cannot be read: {error}") from None
    try:
        data = json.loads(text, parse_int=_whole, parse_float=_finite, parse_constant=_finite)
        _check_schema(data, path)
        found = from_json(Baseline, data, str(path))
        for cell in found.cells:
            cell.case.id  # noqa: B018  # asked for everywhere; made here, where options nested too deeply have a name
    except ValueError as error:
        raise UsageError(f"{path} is not valid JSON ({error}); restore it from git, or bless a run again") from None
    except RecursionError:
        raise UsageError(f"{path} is nested too deeply; restore it from git, or bless a run again") from None
    for cell in found.cells:
        for kept in cell.metrics:
            _check(kept, cell, f"{path}: {cell.case.variant}")
    return found


def write(baseline: Baseline, results: Path) -> Path:
    """Replace the file as a whole. StoreError."""
    path = folder_of(results) / f"{baseline.name}.json"
    # One line for each list of numbers: a change of the file is then readable in a review.
    text = json.dumps(_told(baseline), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    text = re.sub(r"\[\s+((?:[-+.\deE]+|null)(?:,\s+(?:[-+.\deE]+|null))*)\s+\]", _one_line, text)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        partial.write_text(text, "utf-8")
        partial.replace(path)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror or error}") from None
    return path


def listed(results: Path) -> Iterator[tuple[Path, Baseline | str]]:
    """All of the folder by name; why one cannot be read."""
    for path in sorted(folder_of(results).glob("*.json")):
        try:
            yield path, read(path)
        except (UsageError, StoreError) as error:
            yield path, str(error)


def _check_schema(data: Json, path: Path) -> None:
    schema = data.get("schema") if isinstance(data, dict) else None
    number = _SCHEMA.fullmatch(schema) if isinstance(schema, str) else None
    if number is None:
        told = repr(schema) if len(repr(schema)) < 80 else f"{repr(schema)[:80]}..."
        raise UsageError(f"{path} is no blessed baseline: its schema is {told}, expected {BASELINE_SCHEMA!r}")
    if int(number[1]) > SCHEMA:
        raise NewerSchema(
            f"{path}: written with schema {schema}, this harness reads up to {BASELINE_SCHEMA}; upgrade it"
        )


def _whole(text: str) -> int:
    """ValueError from 2**63 on: no count is so great, and figures made of it would overflow."""
    _finite(text)
    return int(text)


def _finite(text: str) -> float:
    """Likewise, and for what is no number."""
    value = float(text)
    if not abs(value) < _TOO_GREAT:
        raise ValueError(f"{text[:30]}{'...' if len(text) > 30 else ''} is no number below 2**63")
    return value


def _told(baseline: Baseline) -> Json:
    """As JSON, without what an artifact has and no baseline keeps."""
    told = to_json(baseline)
    for cell in told["cells"]:
        if not cell["artifact"]["composition"]:
            del cell["artifact"]["composition"]
    return told


def _check(kept: Kept, cell: BlessedCell, where: str) -> None:
    if kept.metric not in REGISTRY:
        raise UsageError(f"{where}: no metric is called {kept.metric!r}; bless the run again")
    if len(kept.sessions) != len(cell.sessions):
        counts = f"{len(kept.sessions)} values for {len(cell.sessions)} sessions"
        raise UsageError(f"{where}: {kept.metric} has {counts}; restore the file from git")


def _one_line(found: re.Match[str]) -> str:
    return "[" + re.sub(r"\s+", " ", found.group(1)) + "]"


def _blessed(cell: Cell, sessions: Sequence[Cell], counts: bool) -> BlessedCell:
    result = cell.result
    values = _launches(cell)
    metrics = tuple(
        Kept(metric, REGISTRY[metric].unit, values[metric], _over(sessions, metric))
        for metric in (() if counts else METRICS)
        if metric in result.metrics and values.get(metric)  # of a pooled figure no launch has a value
    )
    # The reference output is many numbers, and computed anew where it is needed; no gate asks what a file's bytes hold.
    artifact = dataclasses.replace(result.artifact, signature=None, versions={}, build_s=None, composition=())
    print_of = fingerprint(cell.timed)
    return BlessedCell(
        cell.record.case,
        artifact,
        print_of,
        tuple(one.run for one in sessions),
        metrics,
        placement.of_trials(cell.timed),
    )


def _over(sessions: Sequence[Cell], metric: str) -> tuple[float | None, ...]:
    return tuple(session_value(one.result, metric) for one in sessions)


def _launches(cell: Cell) -> dict[str, tuple[float, ...]]:
    found: dict[str, tuple[float, ...]] = {}
    known: Mapping[str, Sequence[float | None]] = launch_values(cell.timed)
    for metric, values in known.items():
        found[metric] = tuple(_rounded(value) for value in values if value is not None)
    for metric, told in places.figures(cell.timed, cell.device).items():
        if not isinstance(told, str):
            found[metric] = tuple(map(_rounded, told.values))
    return found


def _rounded(value: float) -> float:
    return float(f"{value:.6g}") if math.isfinite(value) else value


def _like(cases: Mapping[str, object], root: Path, own: set[str]) -> Iterator[Cell]:
    """Cells of the newest other runs that planned any of these cases; runs that cannot be read are of no use here."""
    read_so_far = 0
    try:
        folders = store.find_runs(root)
    except StoreError:
        return
    for folder in reversed(folders):
        try:
            run = store.read_run(folder)
        except StoreError:
            continue
        if run.id in own or not any(case.id in cases for case in run.plan.cases):
            continue
        yield from cells_of(store.read(folder))
        read_so_far += 1
        if read_so_far == MOST_SESSIONS:
            return
