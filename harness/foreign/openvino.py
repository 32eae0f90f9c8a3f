"""OpenVINO's benchmark_app: its statistics report (CSV or JSON, of the Python and the C++ one), and its console log.

Checked against 2026.4.1 (Python); the keys of the C++ one are those of samples/cpp/benchmark_app/main.cpp.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from harness.errors import UsageError
from harness.foreign.checks import TRUNCATED, counted, number, parsed, positive, table
from harness.foreign.result import NO_PROCESSES, NO_SAMPLES, NO_STATE, ForeignCell, ForeignResult

KIND = "openvino"
_QUANTILES = {"50": "latency_p50_s", "90": "latency_p90_s", "95": "latency_p95_s", "99": "latency_p99_s"}
# The report rounds milliseconds to two digits; so does the console, of microseconds where the mean is under 1 ms.
_REPORT_RESOLUTION_S = 1e-5
_SETTINGS = {
    "batch": ("batch size", "batch_size"),
    "parallel requests": ("number of parallel infer requests", "nireq"),
    "API": ("API", "api"),
    "precision": ("precision",),
    "provider in force": ("target device", "target_device"),
    "inference only": ("inference_only", "benchmark mode", "benchmark_mode"),
}
_LABEL = re.compile(r"latency \((\d+) percentile\) \(ms\)", re.IGNORECASE)
_INFO = re.compile(r"^\[ [A-Z]+ \] ?")
_BUILD = re.compile(r"Build \.+ (\S+)")
_LINE = re.compile(r"^\s*(Median|AVG|Average|(\d+) percentile):\s+([\d.eE+-]+) (ms|us)$", re.IGNORECASE)
# As cells and labels of the console's other lines.
_FACTS = {
    "read": re.compile(r"Read (?:model|network) took ([\d.]+) ms"),
    "compile": re.compile(r"(?:Compile model|Load network) took ([\d.]+) ms"),
    "first": re.compile(r"First inference took ([\d.]+) ms"),
    "batch": re.compile(r"Model batch size: (\d+)"),
    "count": re.compile(r"Count:\s+(\d+) iterations"),
    "throughput": re.compile(r"Throughput:\s+([\d.]+) FPS"),
    "requests": re.compile(r"asynchronously, (\d+) inference requests"),
    "sync": re.compile(r"Start inference (sync|async)hronously"),
    "device": re.compile(r"Execution Devices:\s*\[?'?([\w. ]+)'?\]?"),
    "network": re.compile(r"NETWORK_NAME: (.+)"),
}


def read(text: str, source: str) -> ForeignResult:
    """UsageError for what is none of the three."""
    start = text.lstrip()
    if start.startswith("{"):
        data = table(parsed(text, source, KIND), source)
        parts = [table(data.get(key), f"{source}: {key}") for key in ("configuration_setup", "execution_results")]
        return _report(parts[0], parts[1], data.get("cmd_options") or data.get("cmd_options_list") or {}, source)
    if start.startswith("[Step 1/") or "[Step 11/11]" in text:
        return _console(text, source)
    sections = _sections(text)
    if "Execution results" not in sections:
        raise UsageError(f"{source} has no execution results of benchmark_app: {TRUNCATED}")
    setup = sections.get("Configuration setup") or sections.get("Runtime configuration") or {}
    return _report(setup, sections["Execution results"], sections.get("Command line parameters", {}), source)


def _sections(text: str) -> dict[str, dict[str, str]]:
    """The CSV: a heading, lines of name;value, an empty line."""
    found: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for line in text.splitlines():
        name, separator, value = line.partition(";")
        if separator:
            current.setdefault(name.strip(), value.strip().strip(";"))
        elif name.strip():
            current = found.setdefault(name.strip(), {})
    return found


def _report(setup: Mapping[str, Any], results: Mapping[str, Any], given: object, source: str) -> ForeignResult:
    if "error" in results:
        raise UsageError(f"{source} is of a benchmark_app that failed: {str(results['error'])[:200]}")
    metrics, missing = _latencies(results, source)
    settings = {label: str(next((setup[key] for key in keys if key in setup), "")) for label, keys in _SETTINGS.items()}
    batch = number(settings["batch"] or 1, f"{source}: batch size") or 1
    throughput = _first(results, "throughput")
    if throughput is not None:
        metrics["throughput_per_s"] = positive(throughput, f"{source}: throughput") / batch
    parts = [_first(results, *keys) for keys in (
        ("read model time (ms)", "read_network_time", "read model time"),
        ("compile model time (ms)", "compile_model_time", "load network time (ms)", "load_model_time"),
    )]  # fmt: skip
    if parts[1] is not None:  # both make a session from a file
        metrics["load_s"] = sum(positive(part, f"{source}: load") for part in parts if part is not None) / 1e3
    first = _first(results, "first inference time (ms)", "first_inference_time")
    if first is not None and number(first, f"{source}: first inference"):
        metrics["first_inference_s"] = number(first, f"{source}: first inference") / 1e3
    count = _first(results, "total number of iterations", "iterations_num")
    options = given if isinstance(given, Mapping) else {}
    name = _stem(str(options.get("-m") or options.get("--path_to_model") or setup.get("topology") or "model"))
    rounded = _REPORT_RESOLUTION_S if _is_rounded(results) else 0.0
    cell = ForeignCell(
        name, metrics, None if count is None else counted(count, f"{source}: iterations"), (), rounded, missing
    )
    return _result(source, "", cell, settings)


def _latencies(results: Mapping[str, Any], source: str) -> tuple[dict[str, float], dict[str, str]]:
    metrics: dict[str, float] = {}
    missing: dict[str, str] = {}
    told = {"50": _first(results, "latency (ms)", "Median latency (ms)", "median latency (ms)")}
    if "latency_median" in results:  # the C++ one's JSON: of whichever percentile was asked for
        told = {str(results.get("percentile_boundary", 50)): results["latency_median"]}
    told.update({found[1]: value for key, value in results.items() if (found := _LABEL.fullmatch(key))})
    for of, value in told.items():
        if value is not None:
            _put_quantile(metrics, missing, of, positive(value, f"{source}: latency") / 1e3)
    mean = _first(results, "avg latency", "Average latency (ms)", "latency_avg", "AVG latency (ms)")
    if mean is not None:
        metrics["latency_mean_s"] = positive(mean, f"{source}: average latency") / 1e3
    if not metrics and not missing:
        raise UsageError(f"{source} has no latency (of several devices benchmark_app writes none): {TRUNCATED}")
    return metrics, missing


def _put_quantile(metrics: dict[str, float], missing: dict[str, str], of: str, value_s: float) -> None:
    if of in _QUANTILES:
        metrics[_QUANTILES[of]] = value_s
    else:
        missing[f"p{of}"] = "no metric here; -latency_percentile 50, 90, 95 or 99 are"


def _console(text: str, source: str) -> ForeignResult:
    lines = [_INFO.sub("", line) for line in text.splitlines()]
    metrics: dict[str, float] = {}
    missing: dict[str, str] = {}
    unit = "ms"
    if any(line.startswith("Latency for each data shape group") for line in lines):
        raise UsageError(f"{source} has several groups of shapes: run benchmark_app once for each shape")
    for line in lines:
        found = _LINE.match(line)
        if not found:
            continue
        unit = found[4]
        value_s = positive(found[3], f"{source}: latency") / (1e3 if unit == "ms" else 1e6)
        if found[1].lower() in ("avg", "average"):
            metrics["latency_mean_s"] = value_s
        else:
            _put_quantile(metrics, missing, found[2] or "50", value_s)
    facts = {
        name: next((found[1] for line in lines if (found := pattern.search(line))), "")
        for name, pattern in _FACTS.items()
    }
    if not metrics or not facts["throughput"]:
        raise UsageError(f"{source} has no statistics at its end: {TRUNCATED}")
    batch = number(facts["batch"] or 1, f"{source}: batch") or 1
    metrics["throughput_per_s"] = positive(facts["throughput"], f"{source}: throughput") / batch
    if facts["compile"]:
        metrics["load_s"] = (number(facts["read"] or 0, source) + positive(facts["compile"], source)) / 1e3
    if facts["first"] and number(facts["first"], source):
        metrics["first_inference_s"] = number(facts["first"], source) / 1e3
    build = next((found[1] for line in lines if (found := _BUILD.search(line))), "")
    settings = {
        "batch": facts["batch"], "API": facts["sync"], "provider in force": facts["device"].strip(),
        "parallel requests": facts["requests"] or ("1" if facts["sync"] == "sync" else ""),
    }  # fmt: skip
    rounded = 1e-5 if unit == "ms" else 1e-8
    cell = ForeignCell(
        facts["network"].strip() or "model",
        metrics,
        counted(facts["count"] or 0, f"{source}: count") or None,
        (),
        rounded,
        missing,
    )
    return _result(source, build, cell, settings)


def _result(source: str, build: str, cell: ForeignCell, settings: Mapping[str, str]) -> ForeignResult:
    conditions = {label: value for label, value in settings.items() if value}
    lacks = [NO_PROCESSES, NO_SAMPLES, NO_STATE]
    if build:
        conditions["runtime"] = f"OpenVINO {build.partition('-')[0]}"
    else:
        lacks.append("no version of the runtime")
    shortest = min(value for metric, value in cell.metrics.items() if metric.startswith("latency"))
    if cell.resolution_s / shortest > 1e-3:
        share = f"{cell.resolution_s / shortest:.2g} of the shortest"
        lacks.append(f"latencies are rounded to {cell.resolution_s * 1e3:g} ms, which is {share}")
    if settings.get("parallel requests", "1") not in ("", "1"):
        lacks.append(f"latency is of {settings['parallel requests']} requests at once")
    return ForeignResult(KIND, (source,), f"benchmark_app {build}".strip(), (cell,), conditions, tuple(lacks))


def _is_rounded(results: Mapping[str, Any]) -> bool:
    """The C++ one's JSON has numbers in full."""
    return not isinstance(results.get("latency_median"), float)


def _first(results: Mapping[str, Any], *keys: str) -> Any:
    return next((results[key] for key in keys if key in results), None)


def _stem(path: str) -> str:
    name = re.split(r"[/\\]", path)[-1]
    return name.rpartition(".")[0] or name
