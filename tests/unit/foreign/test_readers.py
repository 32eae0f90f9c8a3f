"""Each tool's file to figures that stand in it; what it does not tell is named."""

from __future__ import annotations

import json

import pytest

from harness.foreign import loadgen, openvino, ort_perf, pytest_benchmark, trtexec
from harness.foreign.result import ForeignCell, ForeignResult
from tests.support import foreign_files as files

THOUSAND = [1e-3 + 1e-6 * i for i in range(1000)]


def one(result: ForeignResult) -> ForeignCell:
    (cell,) = result.cells
    return cell


def lacks(result: ForeignResult, words: str) -> bool:
    return any(words in lack for lack in result.lacks)


def test_pytest_benchmark_with_its_samples() -> None:
    found = pytest_benchmark.read(files.pytest_benchmark({"a": THOUSAND, "b": [2e-3, 3e-3, 4e-3]}), "f.json")
    first, second = found.cells
    assert (first.name, first.count, first.samples_s) == ("t.py::a", 1000, tuple(THOUSAND))
    assert first.metrics["latency_p50_s"] == pytest.approx(1.5e-3)
    assert first.metrics["latency_p99_s"] == pytest.approx(1e-3 + 1e-6 * 989.01)
    assert first.metrics["throughput_per_s"] == pytest.approx(1 / 1.4995e-3)
    assert first.metrics["latency_jitter_s"] == pytest.approx(1e-6)
    assert "latency_p999_s" not in first.metrics
    assert first.missing["latency_p999_s"] == "1000 samples; latency_p999_s needs 5000"
    assert set(second.metrics) == {
        "latency_p50_s", "latency_mean_s", "throughput_per_s", "latency_mad_s", "latency_jitter_s",
    }  # fmt: skip
    assert (found.tool, found.started_utc) == ("pytest-benchmark 5.3.1", "2026-11-21T10:00:00+00:00")
    assert found.conditions["board"] == "x86_64 A CPU"
    assert found.notes == ("commit abc and changes beside it",)
    assert lacks(found, "no process level")
    assert not lacks(found, "no raw samples")


def test_pytest_benchmark_without_samples_has_median_and_mean_alone() -> None:
    found = pytest_benchmark.read(files.pytest_benchmark({"a": THOUSAND}, data=False), "f.json")
    assert set(one(found).metrics) == {"latency_p50_s", "latency_mean_s", "throughput_per_s"}
    assert lacks(found, "no raw samples")


def test_rounds_of_several_iterations_have_no_tail() -> None:
    cell = one(pytest_benchmark.read(files.pytest_benchmark({"a": THOUSAND}, iterations=5), "f.json"))
    assert cell.count == 5000
    assert set(cell.metrics) == {"latency_p50_s", "latency_mean_s", "throughput_per_s"}
    assert "mean of several inferences" in cell.missing["latency_p90_s"]


def test_trtexec_prints_its_latency_and_not_its_copies() -> None:
    found = trtexec.read(files.trtexec(), "log")
    assert one(found) == ForeignCell(
        "net.v2",
        {
            "latency_mean_s": pytest.approx(1.1e-3), "latency_p50_s": pytest.approx(1e-3),
            "latency_p90_s": pytest.approx(1.3e-3), "latency_p95_s": pytest.approx(1.4e-3),
            "latency_p99_s": pytest.approx(1.9e-3), "throughput_per_s": 666.5,
        },
        2000,
    )  # fmt: skip
    assert found.conditions == {
        "runtime": "TensorRT 8.6.1", "board": "Orin", "precision": "FP32+FP16", "batch": "Explicit",
        "inputs": "image=1x3x32x32",
    }  # fmt: skip
    for words in ("no process level", "no raw samples", "CUDA events"):
        assert lacks(found, words)


@pytest.mark.parametrize(
    ("digits", "version"), [("7103", "7.1.3"), ("8601", "8.6.1"), ("100200", "10.2.0"), ("101300", "10.13.0")]
)
def test_the_version_of_tensorrt_is_read(digits: str, version: str) -> None:
    assert trtexec.read(files.trtexec(version=digits), "log").conditions["runtime"] == f"TensorRT {version}"


def test_older_and_later_forms_of_trtexec() -> None:
    old = trtexec.read(files.TRTEXEC_7, "log")
    assert one(old).metrics == pytest.approx(
        {"latency_mean_s": 1.66e-3, "latency_p50_s": 1.65e-3, "latency_p99_s": 1.67e-3}
    )
    assert (one(old).name, one(old).count) == ("net", None)
    later = files.trtexec(version="101300").replace("[TensorRT v101300] #", "[TensorRT v101300] [b35] #")
    assert trtexec.read(later, "log").conditions["runtime"] == "TensorRT 10.13.0"
    only99 = trtexec.read(files.trtexec(tail=", percentile(99%) = 1.9 ms"), "log")
    assert set(one(only99).metrics) == {"latency_mean_s", "latency_p50_s", "latency_p99_s", "throughput_per_s"}


def test_exported_times_are_samples() -> None:
    found = trtexec.read(files.trt_times([1.0, 2.0, 3.0, 4.0] * 30), "times.json")
    cell = one(found)
    assert (len(cell.samples_s), cell.count) == (120, 120)
    assert cell.metrics["latency_p50_s"] == pytest.approx(2.5e-3)
    assert cell.metrics["latency_p95_s"] == pytest.approx(4e-3)
    assert cell.metrics["throughput_per_s"] == pytest.approx(400.0)
    assert lacks(found, "warm-up among the samples")


@pytest.mark.parametrize("text", [files.openvino_csv(), files.openvino_json()], ids=["csv", "json"])
def test_openvino_report_in_either_form(text: str) -> None:
    found = openvino.read(text, "report")
    cell = one(found)
    assert cell.metrics == pytest.approx({
        "latency_p50_s": 2.5e-3, "latency_mean_s": 2.6e-3, "throughput_per_s": 400.0, "load_s": 0.076,
        "first_inference_s": 3.11e-3,
    })  # fmt: skip
    assert (cell.name, cell.count, cell.resolution_s) == ("net", 200, 1e-5)
    assert lacks(found, "rounded to 0.01 ms, which is 0.004 of the shortest")
    assert lacks(found, "no version of the runtime")


@pytest.mark.parametrize(
    ("percentile", "metric"), [(50, "latency_p50_s"), (90, "latency_p90_s"), (99, "latency_p99_s")]
)
def test_openvino_of_cpp_names_its_percentile(percentile: int, metric: str) -> None:
    found = openvino.read(files.openvino_cpp_json(percentile), "report")
    cell = one(found)
    assert cell.metrics[metric] == pytest.approx(1.2345e-3)
    assert {name for name in cell.metrics if name.startswith("latency")} == {metric, "latency_mean_s"}
    assert (cell.resolution_s, cell.count, cell.name) == (0.0, 4000, "net")
    assert lacks(found, "latency is of 4 requests at once")
    assert found.conditions["provider in force"] == "GPU"


def test_a_percentile_that_is_no_metric_is_named() -> None:
    text = files.openvino_csv().replace("latency (ms);", "latency (97 percentile) (ms);")
    cell = one(openvino.read(text, "report"))
    assert "latency_p50_s" not in cell.metrics
    assert "no metric here" in cell.missing["p97"]


@pytest.mark.parametrize(("latency", "average", "median_s"), [
    ("Median:        20.46 us", "Average:       57.68 us", 20.46e-6),
    ("Median:        2.46 ms", "Average:       5.77 ms", 2.46e-3),
    ("Median:     2.46 ms", "AVG:        5.77 ms", 2.46e-3),
])  # fmt: skip
def test_openvino_console(latency: str, average: str, median_s: float) -> None:
    found = openvino.read(files.openvino_console(latency, average), "log")
    cell = one(found)
    assert cell.metrics["latency_p50_s"] == pytest.approx(median_s)
    assert cell.metrics["load_s"] == pytest.approx(76.74e-3)
    assert (cell.name, cell.count) == ("net", 200)
    assert found.conditions["runtime"] == "OpenVINO 2026.4.1"
    assert found.conditions["parallel requests"] == "1"
    assert cell.resolution_s == (1e-8 if "us" in latency else 1e-5)


def test_onnxruntime_perf_test_console_of_now_and_then() -> None:
    found = ort_perf.read(files.ORT_CONSOLE, "log")
    cell = one(found)
    assert cell.metrics == pytest.approx({
        "latency_p50_s": 1.85674e-3, "latency_p90_s": 1.87215e-3, "latency_p95_s": 1.87393e-3,
        "latency_p99_s": 1.90312e-3, "latency_p999_s": 1.90312e-3, "latency_mean_s": 1.85739e-3, "load_s": 0.0102016,
        "first_inference_s": 2e-3, "throughput_per_s": 538.184, "memory_peak_bytes": 36696064,
    })  # fmt: skip
    assert cell.count == 100
    assert found.conditions == {"provider in force": "SpaceMITExecutionProvider", "threads": "1"}
    old = one(ort_perf.read(files.ORT_OLD_CONSOLE, "log"))
    assert (old.metrics["latency_p50_s"], old.metrics["latency_mean_s"], old.count) == pytest.approx(
        (0.0587108, 0.0588053, 1000)
    )


def test_a_first_inference_of_less_than_a_millisecond_is_absent_not_zero() -> None:
    text = files.ORT_CONSOLE.replace("First inference time cost: 2 ms", "First inference time cost: 0 ms")
    assert "first_inference_s" not in one(ort_perf.read(text, "log")).metrics


@pytest.mark.parametrize("columns", [5, 6])
def test_the_result_file_holds_a_process_for_each_run_0(columns: int) -> None:
    found = ort_perf.read(files.ort_file([[1e-3, 2e-3, 3e-3], [2e-3] * 60], columns=columns), "out")
    assert [len(cell.samples_s) for cell in found.cells] == [3, 60]
    assert found.cells[0].metrics["latency_p50_s"] == pytest.approx(2e-3)
    assert found.cells[0].metrics["memory_peak_bytes"] == 36696064
    assert "throughput_per_s" in found.cells[0].missing
    assert not lacks(found, "no process level")
    assert lacks(ort_perf.read(files.ort_file([[1e-3, 2e-3]], columns=columns), "out"), "no process level")


def test_a_comma_in_a_folder_and_nanoseconds_of_old() -> None:
    cell = one(ort_perf.read(files.ort_file([[1e-3, 3e-3]], name="net, the second"), "out"))
    assert (cell.name, cell.metrics["latency_p50_s"]) == ("net, the second", pytest.approx(2e-3))
    cell = one(ort_perf.read("net,58803000,36696064,96,0\nnet,58805000,36696064,96,1\n", "out"))
    assert cell.metrics["latency_p50_s"] == pytest.approx(0.058804)


def test_loadgen_summary_and_detail_agree() -> None:
    summary, detail = loadgen.read(files.loadgen_summary(), "s.txt"), loadgen.read(files.loadgen_detail(), "d.txt")
    shared = ("latency_p50_s", "latency_p90_s", "latency_p99_s", "latency_mean_s", "throughput_per_s")
    for name in shared:
        assert one(summary).metrics[name] == pytest.approx(one(detail).metrics[name])
    assert one(summary).metrics["latency_p999_s"] == pytest.approx(9.0717e-3)
    assert (one(summary).count, one(detail).count) == (None, 806)
    assert (detail.tool, detail.started_utc) == ("LoadGen 6.0.17", "2026-11-21T12:07:31Z")
    assert lacks(summary, "early stopping")
    assert summary.notes == ()


def test_loadgen_scenarios_keep_their_meaning() -> None:
    offline = loadgen.read(files.loadgen_summary("Offline", valid="INVALID"), "s.txt")
    assert one(offline).metrics == {"throughput_per_s": 1685.93}
    assert "place in the queue" in one(offline).missing["latency_p50_s"]
    assert offline.notes == ("LoadGen calls this result INVALID by its rules for submissions",)
    server = loadgen.read(files.loadgen_summary("Server"), "s.txt")
    assert one(server).metrics["throughput_per_s"] == 282.54
    assert server.conditions["target rate"] == "300"
    several = loadgen.read(files.loadgen_summary("MultiStream"), "s.txt")
    assert "throughput_per_s" in one(several).missing
    per_query = {"result_mean_query_latency_ns": 2e6, "result_50.00_percentile_per_query_latency_ns": 1.9e6}
    detail = loadgen.read(files.loadgen_detail(effective_scenario="MultiStream", **per_query), "d.txt")
    assert one(detail).metrics["latency_p50_s"] == pytest.approx(1.9e-3)
    assert one(detail).metrics["latency_mean_s"] == pytest.approx(2e-3)


def test_errors_that_loadgen_met_are_told() -> None:
    assert "LoadGen met 3 errors" in loadgen.read(files.loadgen_detail(num_errors=3), "d.txt").notes


def test_a_pytest_file_without_machine_details_still_reads() -> None:
    data = json.loads(files.pytest_benchmark({"a": THOUSAND}))
    data.update(machine_info={}, commit_info=None)
    assert pytest_benchmark.read(json.dumps(data), "f").conditions == {}
