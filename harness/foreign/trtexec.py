"""trtexec: its log (TensorRT 7 to 10), and the JSON of --exportTimes. Formats: samples/common/sampleReporting.cpp.

Its latency is H2D + compute + D2H by CUDA events, not by the host's clock: it holds no time of the caller's.
"""

from __future__ import annotations

import re

from harness.errors import UsageError
from harness.foreign.checks import TRUNCATED, counted, number, parsed, positive, table
from harness.foreign.result import NO_PROCESSES, NO_SAMPLES, NO_STATE, ForeignCell, ForeignResult
from harness.foreign.samples import figures

KIND = "trtexec"
EVENTS = "latency is of CUDA events (copy, compute, copy back), without the host's time"
_STAMP = re.compile(r"^\[[^\]]*\] \[[A-Z]\] ?")
_RUNNING = re.compile(r"&&&& RUNNING TensorRT\.trtexec(?: \[TensorRT v(\d{1,9})\])?(?: \[b\d+\])? # (.*)")
# 8.x on: "Latency: min = 1 ms, max = 2 ms, mean = 1 ms, median = 1 ms, percentile(99%) = 2 ms"
_LATENCY = re.compile(r"^(?:Host )?Latency: (min = .*)")
_PART = re.compile(r"(mean|median|percentile\(([\d.]+)%\)) = ([^ ,]+) ms")
# 7.x: a heading, and a line for each figure.
_OLD_HEADING = "Host Latency"
_OLD = re.compile(r"^(mean|median): ([^ ]+) ms|^percentile: ([^ ]+) ms at ([\d.]+)%")
_COUNT = re.compile(r"^Timing trace has (\d+) queries over ([^ ]+) s")
_THROUGHPUT = re.compile(r"^[Tt]hroughput: ([^ ]+) qps")
_CONDITIONS = {
    "board": re.compile(r"^Selected Device: (.+)"),
    "precision": re.compile(r"^Precision: (.+)"),
    "batch": re.compile(r"^Batch: (.+)"),
    "streams": re.compile(r"^(?:Inference Streams|Streams): (.+)"),
}
_QUANTILES = {"90": "latency_p90_s", "95": "latency_p95_s", "99": "latency_p99_s", "99.9": "latency_p999_s"}


def read(text: str, source: str) -> ForeignResult:
    """A log, or the JSON of --exportTimes. UsageError for anything else."""
    return _times(text, source) if text.lstrip().startswith("[") and _is_json(text) else _log(text, source)


def _is_json(text: str) -> bool:
    """A log's line begins with a bracket too, but no brace follows it."""
    return bool(re.match(r"\s*\[\s*(\{|\]|$)", text))


def _log(text: str, source: str) -> ForeignResult:
    lines = [_STAMP.sub("", line).strip() for line in text.splitlines()]
    running = [found for line in lines if (found := _RUNNING.search(line))]
    if len(running) > 1:
        raise UsageError(f"{source} holds {len(running)} runs of trtexec: give each a file of its own")
    if any(line.startswith("&&&& FAILED") for line in lines):
        raise UsageError(f"{source} is of a trtexec that failed: mend what it says, and run it again")
    metrics = _latencies(lines, source)
    if "latency_p50_s" not in metrics:
        what = "no performance summary" if running else "nothing of trtexec"
        raise UsageError(f"{source} holds {what}: {TRUNCATED}")
    throughput = next((found[1] for line in lines if (found := _THROUGHPUT.match(line))), "0")
    if number(throughput, f"{source}: throughput"):  # version 7 prints 0 for an explicit batch
        metrics["throughput_per_s"] = number(throughput, f"{source}: throughput")
    count = next((counted(found[1], f"{source}: queries") for line in lines if (found := _COUNT.match(line))), None)
    version, command = (running[0][1] or "", running[0][2]) if running else ("", "")
    conditions = _conditions(lines, version)
    lacks = (NO_PROCESSES, NO_SAMPLES, EVENTS, NO_STATE)
    cell = ForeignCell(_model(command) or "model", metrics, count)
    return ForeignResult(KIND, (source,), f"trtexec {_version(version)}".strip(), (cell,), conditions, lacks)


def _latencies(lines: list[str], source: str) -> dict[str, float]:
    found: dict[str, float] = {}
    old = False
    for line in lines:
        new = _LATENCY.match(line)
        if new:
            for part in _PART.finditer(new[1]):
                _put(found, part[1].partition("(")[0], part[2] or "", part[3], source)
        elif line == _OLD_HEADING:
            old = True
        elif old and (row := _OLD.match(line)):
            _put(found, row[1] or "percentile", row[4] or "", row[2] or row[3], source)
        elif old and line in ("Enqueue Time", "GPU Compute"):
            old = False
    return found


def _put(found: dict[str, float], what: str, of: str, text: str, source: str) -> None:
    names = {"mean": "latency_mean_s", "median": "latency_p50_s"}
    metric = names.get(what) or _QUANTILES.get(of)
    if metric:
        found[metric] = positive(text, f"{source}: latency, {what} {of}".rstrip()) / 1e3


def _conditions(lines: list[str], version: str) -> dict[str, str]:
    found = {"runtime": f"TensorRT {_version(version)}"} if version else {}
    for label, pattern in _CONDITIONS.items():
        told = next((match[1].strip() for line in lines if (match := pattern.match(line))), "")
        if told:
            found[label] = told
    shapes = [line.partition(":")[2].strip() for line in lines if line.startswith("Input inference shape")]
    return {**found, **({"inputs": ", ".join(shapes)} if shapes else {})}


def _version(digits: str) -> str:
    """8601 is 8.6.1 and 100200 is 10.2.0: two digits for each part but the first, one in the older form."""
    if len(digits) == 4:
        return ".".join(str(int(part)) for part in (digits[0], digits[1], digits[2:]))
    if len(digits) >= 5:
        return ".".join(str(int(part)) for part in (digits[:-4], digits[-4:-2], digits[-2:]))
    return digits


def _model(command: str) -> str:
    """The file's name without its ending, as a cell is called."""
    found = re.search(r"--(?:onnx|loadEngine|uff|deploy)=(\S+)", command)
    return re.split(r"[/\\]", found[1])[-1].rpartition(".")[0] or found[1] if found else ""


def _times(text: str, source: str) -> ForeignResult:
    trace = parsed(text, source, KIND)
    if not isinstance(trace, list) or not trace:
        raise UsageError(f"{source} holds no query: {TRUNCATED}")
    rows = [table(row, f"{source}: [{i}]") for i, row in enumerate(trace)]
    if not all("latencyMs" in row for row in rows):
        raise UsageError(f"{source} has no latencyMs: name the file of trtexec --exportTimes")
    samples = tuple(positive(row["latencyMs"], f"{source}: [{i}] latencyMs") / 1e3 for i, row in enumerate(rows))
    metrics, missing = figures(samples)
    ends = [
        number(row[key], f"{source}: {key}")
        for row, key in ((rows[0], "startH2dMs"), (rows[-1], "endD2hMs"))
        if key in row
    ]
    if len(ends) == 2 and ends[1] > ends[0]:
        metrics["throughput_per_s"] = len(samples) / (ends[1] - ends[0]) * 1e3
    cell = ForeignCell("model", metrics, len(samples), samples, missing=missing)
    lacks = (
        NO_PROCESSES,
        EVENTS,
        "older versions write their warm-up among the samples",
        "no version, device or model",
        NO_STATE,
    )
    return ForeignResult(KIND, (source,), KIND, (cell,), {}, lacks)
