"""onnxruntime_perf_test: what it prints, and its result file (-o, or the last argument).

Formats: onnxruntime/test/perftest/performance_runner.cc, of 1.3 to 1.24. The result file is appended to, so one file
may hold several processes: each begins with run 0.
"""

from __future__ import annotations

import re

from harness.errors import UsageError
from harness.foreign.checks import TRUNCATED, counted, number, positive
from harness.foreign.result import NO_PROCESSES, NO_SAMPLES, NO_STATE, ForeignCell, ForeignResult
from harness.foreign.samples import figures

KIND = "ort-perf"
_QUANTILE = re.compile(r"^P(50|90|95|99|999) Latency(?: is|:) (\S+) s(?:ec)?\s*$", re.MULTILINE)
_METRICS = {
    "load_s": (re.compile(r"^Session creation time cost: ?(\S+) s", re.MULTILINE), 1.0),
    # Whole milliseconds; of a model that is faster it prints 0.
    "first_inference_s": (re.compile(r"^First inference time cost: ?(\S+) ms", re.MULTILINE), 1e-3),
    "latency_mean_s": (
        re.compile(r"^Average (?:inference )?time cost(?: total)?: ?(\S+) ms", re.MULTILINE), 1e-3,
    ),
    "throughput_per_s": (re.compile(r"^Number of inferences per second: ?(\S+)", re.MULTILINE), 1.0),
    "memory_peak_bytes": (re.compile(r"^Peak working set size: ?(\d+)", re.MULTILINE), 1.0),
}  # fmt: skip
_COUNT = re.compile(r"^(?:Total inference requests|Total iterations|Runs): ?(\d+)", re.MULTILINE)
_PROVIDER = re.compile(r"^using (\S+ExecutionProvider)", re.MULTILINE | re.IGNORECASE)
_THREADS = re.compile(r"^Setting intra_op_num_threads to (\d+)", re.MULTILINE)
_ROW = re.compile(r",[\d.eE+-]+,\d+,\d+,\d+$")
_STATISTIC = re.compile(r"(?:Min|Max|P\d+) Latency")
# Versions before 1.0 wrote nanoseconds as whole numbers; no inference took a thousand seconds.
_NANOSECONDS_FROM = 1e3


def read(text: str, source: str) -> ForeignResult:
    """UsageError for what is neither."""
    return _file(text, source) if _has_rows(text) else _console(text, source)


def _has_rows(text: str) -> bool:
    return any(_ROW.search(line) for line in text.splitlines())


def _console(text: str, source: str) -> ForeignResult:
    runs = len(_METRICS["latency_mean_s"][0].findall(text))
    if runs > 1:
        raise UsageError(f"{source} holds {runs} runs of onnxruntime_perf_test: give each a file of its own")
    metrics: dict[str, float] = {}
    for of, value in _QUANTILE.findall(text):
        metrics[f"latency_p{of}_s"] = positive(value, f"{source}: P{of} latency")
    for metric, (pattern, scale) in _METRICS.items():
        found = pattern.search(text)
        if found and number(found[1], f"{source}: {metric}"):
            metrics[metric] = number(found[1], f"{source}: {metric}") * scale
    if "latency_mean_s" not in metrics:
        raise UsageError(f"{source} has no average inference time of onnxruntime_perf_test: {TRUNCATED}")
    notes = () if "latency_p50_s" in metrics else ("it has no quantiles: -s prints them",)
    count = _COUNT.search(text)
    told = {}
    for label, pattern in (("provider in force", _PROVIDER), ("threads", _THREADS)):
        found = pattern.search(text)
        if found:
            told[label] = found[1]
    cell = ForeignCell("model", metrics, counted(count[1], f"{source}: runs") if count else None)
    lacks = (NO_PROCESSES, NO_SAMPLES, "no model, version or machine", NO_STATE)
    return ForeignResult(KIND, (source,), "onnxruntime_perf_test", (cell,), told, lacks, notes)


def _file(text: str, source: str) -> ForeignResult:
    """name,seconds,peak,cpu,run; since 1.24 name,submission,total,peak,cpu,run."""
    processes: list[list[tuple[str, float, float]]] = []
    for place, line in enumerate(text.splitlines(), 1):
        if not line.strip() or _STATISTIC.match(line):
            continue
        where = f"{source}: line {place}"
        # From the right, as a folder's name may hold a comma.
        parts = line.rsplit(",", 5) if _columns(line) == 6 else line.rsplit(",", 4)
        if len(parts) < 5:
            raise UsageError(f"{where} is no row of onnxruntime_perf_test: {TRUNCATED}")
        latency = positive(parts[-4], f"{where}: latency")
        latency /= 1e9 if latency >= _NANOSECONDS_FROM and "." not in parts[-4] else 1
        if number(parts[-1], f"{where}: run") == 0 or not processes:
            processes.append([])
        processes[-1].append((parts[0], latency, positive(parts[-3], f"{where}: peak")))
    if not processes:
        raise UsageError(f"{source} holds no run: {TRUNCATED}")
    cells = tuple(_cell(rows) for rows in processes)
    lacks = [NO_STATE, "no model beyond its folder's name, version or machine"]
    if len(cells) == 1:
        lacks.insert(0, NO_PROCESSES)
    return ForeignResult(KIND, (source,), "onnxruntime_perf_test", cells, {}, tuple(lacks))


def _columns(line: str) -> int:
    """Six where the four numbers before the last are numbers too; else five."""
    parts = line.split(",")
    if len(parts) < 6:
        return 5
    return 6 if all(re.fullmatch(r"[\d.eE+-]+", part) for part in parts[-5:]) else 5


def _cell(rows: list[tuple[str, float, float]]) -> ForeignCell:
    samples = tuple(latency for _, latency, _ in rows)
    metrics, missing = figures(samples)
    metrics["memory_peak_bytes"] = max(peak for _, _, peak in rows)
    missing["throughput_per_s"] = "no time of the whole run is in the file"
    return ForeignCell(rows[0][0] or "model", metrics, len(samples), samples, missing=missing)
