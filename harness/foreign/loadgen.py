"""MLPerf LoadGen: mlperf_log_summary.txt and mlperf_log_detail.txt. Checked against 6.0.17, all four scenarios.

Latency is what a query took from when it was issued; of Offline, where all are issued at once, that is no latency.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.errors import UsageError
from harness.foreign.checks import TRUNCATED, counted, parsed, positive
from harness.foreign.result import NO_PROCESSES, NO_SAMPLES, NO_STATE, ForeignCell, ForeignResult

KIND = "loadgen"
_PREFIX = ":::MLLOG "
_QUANTILES = {
    "50.00": "latency_p50_s", "90.00": "latency_p90_s", "95.00": "latency_p95_s", "99.00": "latency_p99_s",
    "99.90": "latency_p999_s",
}  # fmt: skip
_RATES = {
    "SingleStream": ("QPS w/ loadgen overhead", "result_qps_with_loadgen_overhead"),
    "MultiStream": (),
    "Server": ("Completed samples per second", "Scheduled samples per second", "result_completed_samples_per_sec"),
    "Offline": ("Samples per second", "result_samples_per_second"),
}
_EARLY = "its early stopping takes queries for independent and bounds one process alone"


def read(text: str, source: str) -> ForeignResult:
    """UsageError for what is neither, for an accuracy run, and where the end is missing."""
    return _detail(text, source) if _PREFIX.strip() in text else _summary(text, source)


def _summary(text: str, source: str) -> ForeignResult:
    told: dict[str, str] = {}
    for line in text.splitlines():
        name, separator, value = line.partition(":")
        if separator:
            told.setdefault(name.strip(), value.strip())
    if "MLPerf Results Summary" not in text.splitlines():
        raise UsageError(f"{source} is no mlperf_log_summary.txt nor mlperf_log_detail.txt: name one of them")
    if "Additional Stats" not in text or "Mean latency (ns)" not in told:
        raise UsageError(f"{source} has no additional stats: {TRUNCATED}")
    latencies = {of: told.get(f"{of} percentile latency (ns)") for of in _QUANTILES}
    return _result(source, told, latencies, told["Mean latency (ns)"], "")


def _detail(text: str, source: str) -> ForeignResult:
    told: dict[str, Any] = {}
    for place, line in enumerate(text.splitlines(), 1):
        if line.startswith(_PREFIX):
            row = parsed(line[len(_PREFIX) :], f"{source}: line {place}", KIND)
            if isinstance(row, dict) and "key" in row:
                told[str(row["key"])] = row.get("value")
    per_query = "result_mean_query_latency_ns" in told  # of MultiStream, whose query is several samples
    mean = told.get("result_mean_query_latency_ns" if per_query else "result_mean_latency_ns")
    if mean is None:
        raise UsageError(f"{source} has no result: {TRUNCATED}")
    middle = "percentile_per_query_latency_ns" if per_query else "percentile_latency_ns"
    latencies = {of: told.get(f"result_{of}_{middle}") for of in _QUANTILES}
    told["Scenario"] = told.get("effective_scenario", "")
    told["Mode"] = told.get("effective_test_mode", "")
    told["Result is"] = told.get("result_validity", "")
    told["SUT name"] = told.get("sut_name", "")
    told["samples_per_query"] = told.get("effective_samples_per_query", "")
    return _result(source, told, latencies, mean, str(told.get("loadgen_version") or ""))


def _result(
    source: str, told: Mapping[str, Any], latencies: Mapping[str, Any], mean: object, version: str
) -> ForeignResult:
    scenario, mode = str(told.get("Scenario", "")), str(told.get("Mode", ""))
    if mode != "PerformanceOnly":
        raise UsageError(f"{source} is of the mode {mode or 'unknown'}: only PerformanceOnly measures time")
    if scenario not in _RATES:
        raise UsageError(f"{source} is of the scenario {scenario or 'unknown'}; known: {', '.join(_RATES)}")
    metrics: dict[str, float] = {}
    missing: dict[str, str] = {}
    for name, value in (*((_QUANTILES[of], value) for of, value in latencies.items()), ("latency_mean_s", mean)):
        if scenario == "Offline":
            missing[name] = "all queries are issued at once, so their latency is their place in the queue"
        elif value is not None:
            metrics[name] = positive(value, f"{source}: {name}") / 1e9
    rate = next((told[key] for key in _RATES[scenario] if key in told), None)
    if rate is None:
        missing["throughput_per_s"] = f"LoadGen writes none of {scenario}"
    else:
        metrics["throughput_per_s"] = positive(rate, f"{source}: throughput")
    count = told.get("result_query_count")
    count = None if count is None else counted(count, f"{source}: queries")
    conditions = {
        "scenario": scenario, "samples of a query": str(told.get("samples_per_query", "")),
        "loadgen": version.partition(" ")[0],
    }  # fmt: skip
    if scenario == "Offline":  # one query of as many samples as the target rate asks for
        del conditions["samples of a query"]
    if scenario == "Server":
        conditions["target rate"] = str(told.get("target_qps") or told.get("effective_target_qps") or "")
    lacks = [NO_PROCESSES, NO_SAMPLES, _EARLY, "no model, runtime or machine", NO_STATE]
    cell = ForeignCell(str(told.get("SUT name") or "SUT"), metrics, count, missing=missing)
    return ForeignResult(
        KIND, (source,), f"LoadGen {version.partition(' ')[0]}".strip(), (cell,),
        {label: value for label, value in conditions.items() if value}, tuple(lacks), _notes(told),
        str(told.get("test_datetime") or ""),
    )  # fmt: skip


def _notes(told: Mapping[str, Any]) -> tuple[str, ...]:
    found = []
    if told.get("Result is") != "VALID":
        found.append(f"LoadGen calls this result {told.get('Result is') or 'nothing'} by its rules for submissions")
    errors = told.get("num_errors")
    if isinstance(errors, int) and errors:
        found.append(f"LoadGen met {errors} errors")
    return tuple(found)
