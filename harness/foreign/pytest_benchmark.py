"""pytest-benchmark's JSON (--benchmark-json, --benchmark-save). Checked against 5.3.1; schema of 3.x to 5.x.

A round is one sample; with iterations above 1 it is a mean of them. The process is pytest's own, one for all.
"""

from __future__ import annotations

from typing import Any

from harness.errors import UsageError
from harness.foreign.checks import counted, parsed, positive, table
from harness.foreign.result import NO_PROCESSES, NO_SAMPLES, NO_STATE, ForeignCell, ForeignResult
from harness.foreign.samples import figures

KIND = "pytest-benchmark"


def read(text: str, source: str) -> ForeignResult:
    """UsageError for what is no such file."""
    data = table(parsed(text, source, KIND), source)
    if not isinstance(data.get("benchmarks"), list) or "machine_info" not in data:
        raise UsageError(f"{source} has no benchmarks and machine_info: name a file of pytest --benchmark-json")
    if not data["benchmarks"]:
        raise UsageError(f"{source} holds no benchmark: every test was skipped or failed")
    cells = [_cell(one, f"{source}: benchmarks[{i}]") for i, one in enumerate(data["benchmarks"])]
    twice = next((cell.name for cell in cells if sum(other.name == cell.name for other in cells) > 1), None)
    if twice is not None:
        raise UsageError(f"{source} holds {twice!r} twice: it is no file of one pytest run")
    lacks = [NO_PROCESSES, NO_STATE, "blocks are not interleaved with another variant's"]
    if not all(cell.samples_s for cell in cells):
        lacks.insert(1, f"{NO_SAMPLES} (--benchmark-save-data keeps them)")
    return ForeignResult(
        KIND, (source,), f"{KIND} {data.get('version', '')}".strip(), tuple(cells),
        _conditions(data), tuple(lacks), _notes(data), str(data.get("datetime") or ""),
    )  # fmt: skip


def _cell(one: Any, where: str) -> ForeignCell:
    told = table(one, where)
    name, stats = told.get("fullname") or told.get("name"), table(told.get("stats"), f"{where}: stats")
    if not isinstance(name, str):
        raise UsageError(f"{where} has no name: is this a file of {KIND}?")
    iterations = counted(stats.get("iterations", 1), f"{where}: iterations") or 1
    rounds = int(positive(stats.get("rounds"), f"{where}: rounds"))
    data = stats.get("data") or []
    if not isinstance(data, list):
        raise UsageError(f"{where}: data is no list: is this a file of {KIND}?")
    samples = tuple(positive(value, f"{where}: data[{i}]") for i, value in enumerate(data))
    if samples and len(samples) != rounds:
        raise UsageError(f"{where}: {len(samples)} samples of {rounds} rounds: the file is cut off or was edited")
    metrics, missing = figures(samples, single=iterations == 1) if samples else ({}, {})
    metrics["latency_p50_s"] = positive(stats.get("median"), f"{where}: median")
    metrics["latency_mean_s"] = positive(stats.get("mean"), f"{where}: mean")
    metrics["throughput_per_s"] = 1 / metrics["latency_mean_s"]
    return ForeignCell(name, metrics, rounds * iterations, samples, missing=missing)


def _conditions(data: dict[str, Any]) -> dict[str, str]:
    machine = _inner(data, "machine_info")
    cpu = _inner(machine, "cpu")
    told = {
        "board": " ".join(
            str(part) for part in (machine.get("machine"), cpu.get("brand_raw") or cpu.get("brand")) if part
        ),
        "number of cores": cpu.get("count"),
        "kernel": machine.get("release"),
        "Python": machine.get("python_version"),
    }
    return {label: str(value) for label, value in told.items() if value}


def _notes(data: dict[str, Any]) -> tuple[str, ...]:
    """The commit, where the tests ran in a repository."""
    commit = _inner(data, "commit_info")
    known = commit.get("id") not in (None, "unversioned")
    return (f"commit {commit['id']}{' and changes beside it' if commit.get('dirty') else ''}",) if known else ()


def _inner(data: dict[str, Any], key: str) -> dict[str, Any]:
    """A table within, empty where there is none."""
    found = data.get(key)
    return found if isinstance(found, dict) else {}
