"""Results as other tools write them, small, made by hand after real ones: their shape, none of their content."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

TRT_LATENCY = "min = 0.9 ms, max = 2 ms, mean = 1.1 ms, median = {median} ms"
TRT_TAIL = ", percentile(90%) = 1.3 ms, percentile(95%) = 1.4 ms, percentile(99%) = 1.9 ms"


def pytest_benchmark(
    samples: Mapping[str, Sequence[float]], *, data: bool = True, iterations: int = 1, cpu: str = "A CPU"
) -> str:
    """A file of --benchmark-json, with or without the samples."""
    benchmarks = []
    for name, values in samples.items():
        ordered = sorted(values)
        stats: dict[str, Any] = {
            "min": ordered[0], "max": ordered[-1], "mean": sum(values) / len(values), "stddev": 0.0,
            "rounds": len(values), "median": ordered[len(values) // 2], "iqr": 0.0, "ops": 1.0,
            "iterations": iterations, "outliers": "0;0",
        }  # fmt: skip
        if data:
            stats["data"] = list(values)
        benchmarks.append({"group": None, "name": name, "fullname": f"t.py::{name}", "params": None, "stats": stats})
    return json.dumps({
        "machine_info": {
            "node": "n", "machine": "x86_64", "python_version": "3.11.7", "release": "6.1",
            "cpu": {"brand_raw": cpu, "count": 2},
        },
        "commit_info": {"id": "abc", "dirty": True},
        "benchmarks": benchmarks,
        "datetime": "2026-11-21T10:00:00+00:00",
        "version": "5.3.1",
    })  # fmt: skip


def trtexec(median: float = 1.0, *, tail: str = TRT_TAIL, version: str = "8601", device: str = "Orin") -> str:
    """A log of version 8 or later."""
    stamp = "[11/21/2026-10:00:00] [I] "
    lines = [
        f"&&&& RUNNING TensorRT.trtexec [TensorRT v{version}] # trtexec --onnx=models/net.v2.onnx --fp16",
        f"{stamp}=== Model Options ===", f"{stamp}Batch: Explicit", f"{stamp}Precision: FP32+FP16",
        f"{stamp}Input inference shape : image=1x3x32x32", f"{stamp}Selected Device: {device}",
        f"{stamp}Timing trace has 2000 queries over 3.00081 s", f"{stamp}", f"{stamp}=== Performance summary ===",
        f"{stamp}Throughput: 666.5 qps", f"{stamp}Latency: {TRT_LATENCY.format(median=median)}{tail}",
        f"{stamp}Enqueue Time: min = 0.1 ms, max = 1 ms, mean = 0.5 ms, median = 9 ms, percentile(99%) = 1 ms",
        f"{stamp}H2D Latency: min = 0.1 ms, max = 1 ms, mean = 0.5 ms, median = 8 ms, percentile(99%) = 1 ms",
        f"{stamp}GPU Compute Time: min = 0.1 ms, max = 1 ms, mean = 0.5 ms, median = 7 ms, percentile(99%) = 1 ms",
        f"{stamp}Total Host Walltime: 3.00081 s", "&&&& PASSED TensorRT.trtexec [TensorRT v8601] # trtexec ...",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


TRTEXEC_7 = """\
&&&& RUNNING TensorRT.trtexec # ./trtexec --onnx=net.onnx
[06/12/2022-22:34:00] [I] Average on 10 runs - GPU latency: 1.56 ms - Host latency: 1.65 ms (end to end 2.76 ms)
[06/12/2022-22:34:00] [I] Host Latency
[06/12/2022-22:34:00] [I] min: 1.64 ms (end to end 1.66 ms)
[06/12/2022-22:34:00] [I] max: 6.29 ms (end to end 7.65 ms)
[06/12/2022-22:34:00] [I] mean: 1.66 ms (end to end 3.00 ms)
[06/12/2022-22:34:00] [I] median: 1.65 ms (end to end 3.01 ms)
[06/12/2022-22:34:00] [I] percentile: 1.67 ms at 99% (end to end 3.03 ms at 99%)
[06/12/2022-22:34:00] [I] throughput: 0 qps
[06/12/2022-22:34:00] [I] walltime: 3.00 s
[06/12/2022-22:34:00] [I] Enqueue Time
[06/12/2022-22:34:00] [I] min: 0.5 ms
[06/12/2022-22:34:00] [I] median: 0.6 ms
[06/12/2022-22:34:00] [I] GPU Compute
[06/12/2022-22:34:00] [I] median: 1.5 ms
&&&& PASSED TensorRT.trtexec # ./trtexec --onnx=net.onnx
"""


def trt_times(latencies_ms: Sequence[float]) -> str:
    """The JSON of --exportTimes, back to back."""
    rows, now = [], 200.0
    for latency in latencies_ms:
        rows.append({
            "startEnqMs": now, "endEnqMs": now + 0.1, "startH2dMs": now, "endH2dMs": now + 0.1,
            "startComputeMs": now + 0.1, "endComputeMs": now + latency, "startD2hMs": now + latency,
            "endD2hMs": now + latency, "latencyMs": latency,
        })  # fmt: skip
        now += latency
    return "[\n  " + "\n, ".join(json.dumps(row) for row in rows) + "\n]\n"


OPENVINO_RESULTS = {
    "read model time (ms)": "4.00", "compile model time (ms)": "72.00", "first inference time (ms)": "3.11",
    "total execution time (ms)": "12.66", "total number of iterations": "200", "latency (ms)": "2.50",
    "avg latency": "2.60", "min latency": "2.00", "max latency": "4.00", "throughput": "800.00",
}  # fmt: skip


def openvino_csv(**changes: str | None) -> str:
    """benchmark_report.csv of the Python benchmark_app; None leaves a line out."""
    results = {**OPENVINO_RESULTS, **{key.replace("_", " "): value for key, value in changes.items()}}
    kept = "\n".join(f"{name};{value}" for name, value in results.items() if value is not None)
    return (
        "Command line parameters\n-m;/models/net.onnx\n-d;CPU\n\n"
        "Configuration setup\ntopology;Model1\ntarget device;CPU\nAPI;sync\nprecision;UNSPECIFIED\nbatch size;2\n"
        f"number of parallel infer requests;1\n\nExecution results\n{kept}\n\n"
    )


def openvino_json() -> str:
    """benchmark_report.json of the Python benchmark_app."""
    setup = {"topology": "Model1", "target device": "CPU", "API": "sync", "batch size": "2",
             "number of parallel infer requests": "1"}  # fmt: skip
    parts = {"cmd_options": {"-m": "net.onnx"}, "configuration_setup": setup, "execution_results": OPENVINO_RESULTS}
    return json.dumps(parts)


def openvino_cpp_json(percentile: int = 50) -> str:
    """benchmark_report.json of the C++ benchmark_app."""
    setup = {"topology": "net", "target_device": "GPU", "api": "async", "batch_size": 1, "nireq": 4, "precision": "f16"}
    results = {"read_network_time": 1.5, "compile_model_time": 100.25, "first_inference_time": 9.5,
               "execution_time": 1000.5, "iterations_num": 4000, "latency_median": 1.2345,
               "percentile_boundary": percentile, "latency_avg": 1.3, "latency_min": 1.0, "latency_max": 9.0,
               "throughput": 3998.0}  # fmt: skip
    return json.dumps({"cmd_options": {}, "configuration_setup": setup, "execution_results": results})


def openvino_console(latency: str = "Median:        20.46 us", average: str = "Average:       57.68 us") -> str:
    """What benchmark_app prints."""
    return f"""\
[Step 1/11] Parsing and validating input arguments
[ INFO ] Build ................................. 2026.4.1-22982-e213a147257-releases/2026/4
[ INFO ] Read model took 4.62 ms
[ INFO ] Model batch size: 1
[ INFO ] Compile model took 72.12 ms
[ INFO ]   NETWORK_NAME: net
[Step 10/11] Measuring performance (Start inference synchronously, limits: 200 iterations)
[ INFO ] First inference took 3.11 ms
[Step 11/11] Dumping statistics report
[ INFO ] Execution Devices:['CPU']
[ INFO ] Count:            200 iterations
[ INFO ] Duration:         12.66 ms
[ INFO ] Latency:
[ INFO ]    {latency}
[ INFO ]    {average}
[ INFO ]    Min:           15.72 us
[ INFO ]    Max:           2455.59 us
[ INFO ] Throughput:   15795.19 FPS
"""


ORT_CONSOLE = """\
Setting intra_op_num_threads to 1
using SpaceMITExecutionProvider
Session creation time cost: 0.0102016 s
First inference time cost: 2 ms
Total inference time cost: 0.185739 s
Total inference requests: 100
Average inference time cost total: 1.85739 ms
Total inference run time: 0.18581 s
Number of inferences per second: 538.184
Avg CPU usage: 96 %
Peak working set size: 36696064 bytes
Min Latency: 0.00183404 s
Max Latency: 0.00190312 s
P50 Latency: 0.00185674 s
P90 Latency: 0.00187215 s
P95 Latency: 0.00187393 s
P99 Latency: 0.00190312 s
P999 Latency: 0.00190312 s
"""
ORT_OLD_CONSOLE = """\
Total time cost: 58.8053
Total iterations: 1000
Average time cost: 58.8053 ms
Total run time: 58.8102 s
Min Latency is 0.0559777 sec
P50 Latency is 0.0587108 sec
P90 Latency is 0.0599845 sec
P99 Latency is 0.0619517 sec
"""


def ort_file(processes: Sequence[Sequence[float]], name: str = "net", *, columns: int = 5) -> str:
    """The result file of onnxruntime_perf_test, to which each process appends."""
    lines = []
    for latencies in processes:
        for run, latency in enumerate(latencies):
            submission = f"{latency / 10:.9g}," if columns == 6 else ""
            lines.append(f"{name},{submission}{latency:.9g},36696064,96,{run}")
        lines += ["", f"Min Latency: {min(latencies)} s", f"P50 Latency: {sorted(latencies)[len(latencies) // 2]} s"]
    return "\n".join(lines) + "\n"


def loadgen_summary(scenario: str = "SingleStream", *, valid: str = "VALID", mode: str = "PerformanceOnly") -> str:
    """mlperf_log_summary.txt."""
    rates = {
        "SingleStream": "QPS w/ loadgen overhead         : 1609.60\nQPS w/o loadgen overhead        : 1617.57\n\n",
        "Server": "Scheduled samples per second : 282.93\n", "Offline": "", "MultiStream": "Per-query latency:  \n",
    }  # fmt: skip
    head = {"Server": "Completed samples per second    : 282.54\n", "Offline": "Samples per second: 1685.93\n"}
    bar = "=" * 48
    return f"""\
{bar}
MLPerf Results Summary
{bar}
SUT name : PySUT
Scenario : {scenario}
Mode     : {mode}
{head.get(scenario, "90.0th percentile latency (ns) : 592183" + chr(10))}Result is : {valid}
  Min duration satisfied : Yes
Early Stopping Result:
 * Processed at least 64 queries (806).

{bar}
Additional Stats
{bar}
{rates[scenario]}Min latency (ns)                : 522279
Max latency (ns)                : 9071700
Mean latency (ns)               : 618211
50.00 percentile latency (ns)   : 581707
90.00 percentile latency (ns)   : 592183
95.00 percentile latency (ns)   : 601266
97.00 percentile latency (ns)   : 642728
99.00 percentile latency (ns)   : 1576932
99.90 percentile latency (ns)   : 9071700

{bar}
Test Parameters Used
{bar}
samples_per_query : 1
target_qps : 300
"""


def loadgen_detail(**changes: Any) -> str:
    """mlperf_log_detail.txt of a single stream; None leaves a key out."""
    told = {
        "loadgen_version": "6.0.17 @ d6147c7eb7", "test_datetime": "2026-11-21T12:07:31Z", "sut_name": "PySUT",
        "effective_scenario": "SingleStream", "effective_test_mode": "PerformanceOnly",
        "effective_samples_per_query": 1, "effective_target_qps": 300,
        "result_validity": "VALID", "result_query_count": 806,
        "result_qps_with_loadgen_overhead": 1609.6, "result_mean_latency_ns": 618211,
        "result_50.00_percentile_latency_ns": 581707, "result_90.00_percentile_latency_ns": 592183,
        "result_99.00_percentile_latency_ns": 1576932, "num_errors": 0, **changes,
    }  # fmt: skip
    rows = [
        {"key": key, "value": value, "time_ms": 0.1, "metadata": {}} for key, value in told.items() if value is not None
    ]
    return "".join(f":::MLLOG {json.dumps(row)}\n" for row in rows)
