"""What is no result, is cut off, or holds numbers that cannot be: a message that names the file, and no figure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.foreign.reading import READERS, read
from harness.options import RESULT_KINDS
from tests.support import foreign_files as files
from tests.support.host_side import invoke

WHOLE = {
    "pytest-benchmark": files.pytest_benchmark({"a": [1e-3, 2e-3, 3e-3]}),
    "trtexec": files.trtexec(),
    "openvino": files.openvino_csv(),
    "ort-perf": files.ORT_CONSOLE,
    "loadgen": files.loadgen_summary(),
}
MORE = {
    "trtexec": [files.trt_times([1.0, 2.0]), files.TRTEXEC_7],
    "openvino": [files.openvino_json(), files.openvino_cpp_json(), files.openvino_console()],
    "ort-perf": [files.ort_file([[1e-3, 2e-3]]), files.ort_file([[1e-3, 2e-3]], columns=6), files.ORT_OLD_CONSOLE],
    "loadgen": [files.loadgen_detail()],
}
ALL = [(kind, text) for kind in WHOLE for text in (WHOLE[kind], *MORE.get(kind, []))]
PROSE = "Benchmarks of the year\nall is well, 3, 4\n"


def refused(kind: str, text: str) -> str:
    with pytest.raises(UsageError) as caught:
        READERS[kind](text, "the/file")
    message = str(caught.value)
    assert message.startswith("the/file")
    return message


def test_the_kinds_of_the_command_line_are_those_that_can_be_read() -> None:
    assert tuple(READERS) == RESULT_KINDS


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("other", [*READERS, "prose", "empty list", "number"])
def test_a_file_of_another_kind_is_refused(kind: str, other: str) -> None:
    if other == kind:
        return
    text = WHOLE.get(other) or {"prose": PROSE, "empty list": "[]", "number": "7"}[other]
    assert len(refused(kind, text)) > len("the/file ")


@pytest.mark.parametrize(("kind", "text"), ALL)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.7])
def test_a_file_that_is_cut_off_is_refused_or_holds_only_what_stood_in_it(kind: str, text: str, share: float) -> None:
    """Of every file the beginning: never a figure that the whole file does not have. A log of rows may end anywhere."""
    whole = READERS[kind](text, "the/file").cells[0]
    try:
        found = READERS[kind](text[: int(len(text) * share)], "the/file")
    except UsageError as error:
        assert str(error).startswith("the/file")  # noqa: PT017  # both ends are lawful
        return
    assert set(found.cells[0].metrics) <= set(whole.metrics)
    if found.cells[0].samples_s:
        assert found.cells[0].samples_s == whole.samples_s[: len(found.cells[0].samples_s)]
    else:
        assert found.cells[0].metrics.items() <= whole.metrics.items()


@pytest.mark.parametrize(("kind", "change", "words"), [
    ("pytest-benchmark", ('"rounds": 3', '"rounds": 4'), "3 samples of 4 rounds"),
    ("pytest-benchmark", ('"median": 0.002', '"median": -1'), "must be a number of 0 or more"),
    ("pytest-benchmark", ('"median": 0.002', '"median": NaN'), "must be a number of 0 or more"),
    ("pytest-benchmark", ('"median": 0.002', '"median": null'), "is no number"),
    ("pytest-benchmark", ('"median": 0.002', '"median": true'), "must be a number of 0 or more"),
    ("pytest-benchmark", ("[0.001, 0.002", "[0, 0.002"), "data[0] is 0"),
    ("pytest-benchmark", ('"median": 0.002', f'"median": {10**400}'), "0 or more"),
    ("pytest-benchmark", ('"median": 0.002', f'"median": {"9" * 5000}'), "JSON"),
    ("pytest-benchmark", ("[0.001, 0.002", "[1e308, 0.002"), "data[0] is 1e+308, which nothing measures"),
    ("pytest-benchmark", ("[0.001, 0.002", "[5e-324, 0.002"), "data[0] is 5e-324, which nothing measures"),
    ("pytest-benchmark", ('"mean": 0.002', '"mean": 5e-324'), "mean is 5e-324, which nothing measures"),
    ("trtexec", ("has 2000 queries", f"has {'9' * 5000} queries"), "0 or more"),
    ("trtexec", ("median = 1.0 ms", "median = 5e-324 ms"), "nothing measures"),
    ("trtexec", ("median = 1.0 ms", "median = inf ms"), "must be a number of 0 or more"),
    ("trtexec", ("median = 1.0 ms", "median = -3 ms"), "must be a number of 0 or more"),
    ("trtexec", ("&&&& PASSED", "&&&& FAILED"), "trtexec that failed"),
    ("trtexec", ("Latency: min", "Latency: nim"), "no performance summary"),
    ("openvino", ("latency (ms);2.50", "latency (ms);0.00"), "rounding is too coarse"),
    ("openvino", ("throughput;800.00", "throughput;many"), "is no number"),
    ("openvino", ("latency (ms);2.50", "error;out of memory"), "that failed: out of memory"),
    ("ort-perf", ("P50 Latency: 0.00185674", "P50 Latency: 0"), "is 0"),
    ("ort-perf", ("Average inference time cost", "Average"), "no average inference time"),
    ("loadgen", ("Mode     : PerformanceOnly", "Mode     : AccuracyOnly"), "only PerformanceOnly"),
    ("loadgen", ("Scenario : SingleStream", "Scenario : Burst"), "scenario Burst"),
    ("loadgen", ("50.00 percentile latency (ns)   : 581707", "50.00 percentile latency (ns)   : -4"), "0 or more"),
])  # fmt: skip
def test_what_cannot_be_is_named(kind: str, change: tuple[str, str], words: str) -> None:
    assert change[0] in WHOLE[kind]
    assert words in refused(kind, WHOLE[kind].replace(*change))


def test_files_that_hold_several_runs_are_not_one() -> None:
    assert "2 runs of trtexec" in refused("trtexec", files.trtexec() * 2)
    assert "2 runs of onnxruntime_perf_test" in refused("ort-perf", files.ORT_CONSOLE * 2)
    data = json.loads(WHOLE["pytest-benchmark"])
    data["benchmarks"] *= 2
    assert "twice" in refused("pytest-benchmark", json.dumps(data))
    data["benchmarks"] = []
    assert "holds no benchmark" in refused("pytest-benchmark", json.dumps(data))


def test_several_groups_of_shapes_are_not_one() -> None:
    text = files.openvino_console() + "[ INFO ] Latency for each data shape group:\n"
    assert "once for each shape" in refused("openvino", text)


def test_a_broken_row_of_loadgen_names_its_line() -> None:
    text = files.loadgen_detail()
    assert "line 2" in refused(
        "loadgen", text.replace(':::MLLOG {"key": "test_datetime"', ':::MLLOG {"key" "test_datetime"')
    )


@pytest.mark.parametrize(("content", "words"), [
    (b"", "is empty"), (b" \n\n", "is empty"), (b"\x7fELF\0\0\0", "binary file"), (None, "cannot read"),
])  # fmt: skip
def test_files_that_cannot_be_read(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "result"
    if content is not None:
        path.write_bytes(content)
    said = invoke(tmp_path, "import", "trtexec", path)
    assert (said.code, said.out) == (2, "")
    assert words in said.err
    assert str(path) in said.err


def test_a_file_that_a_windows_shell_redirected_is_read(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(WHOLE["trtexec"].encode("utf-16"))
    assert read("trtexec", [path]).cells[0].metrics["latency_p50_s"] == pytest.approx(1e-3)
    path.write_bytes(b"\xef\xbb\xbf" + WHOLE["pytest-benchmark"].encode())
    assert len(read("pytest-benchmark", [path]).cells) == 1


@pytest.mark.parametrize("junk", [3, {"stats": {}}, {"name": "a", "stats": {"rounds": 3, "data": "x"}}])
def test_json_of_the_wrong_shape(junk: Any) -> None:
    refused("pytest-benchmark", json.dumps({"benchmarks": [junk], "machine_info": {}}))


def test_an_unknown_kind_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    said = invoke(tmp_path, "import", "pytest_benchmark", tmp_path / "f")
    assert said.code == 2
    assert "did you mean pytest-benchmark" in said.err
    assert "tegrastats" in said.err


@pytest.mark.parametrize("depth", [800, 100_000])
def test_what_is_nested_too_deeply_is_refused(tmp_path: Path, depth: int) -> None:
    deep = "[" * depth + "]" * depth
    path = tmp_path / "deep.json"
    for kind, text in (
        ("pytest-benchmark", f'{{"benchmarks": {deep}, "machine_info": {{}}}}'),
        ("openvino", f'{{"configuration_setup": {{}}, "execution_results": {{"latency_median": {deep}}}}}'),
        ("loadgen", f':::MLLOG {{"key": "a", "value": {deep}}}'),
    ):
        path.write_text(text)
        said = invoke(tmp_path, "import", kind, path)
        assert (said.code, said.out) == (2, "")
        assert "Traceback" not in said.err
        assert str(path) in said.err
    for text in (deep, f'{{"schema": "harness.foreign/1", "kind": {deep}}}'):
        path.write_text(text)
        said = invoke(tmp_path, "compare", path, path)
        assert (said.code, said.out) == (2, "")
        assert "Traceback" not in said.err


@pytest.mark.parametrize("value", ["1e308", "5e-324", "NaN", "Infinity", "-1", "1" + "0" * 400])
def test_a_kept_figure_that_cannot_be_is_refused(tmp_path: Path, value: str) -> None:
    (tmp_path / "log").write_text(files.trtexec())
    kept = tmp_path / "kept.json"
    assert invoke(tmp_path, "import", "trtexec", tmp_path / "log", "--json", kept).code == 0
    text = kept.read_text()
    assert '"latency_p50_s": 0.001' in text
    kept.write_text(text.replace('"latency_p50_s": 0.001', f'"latency_p50_s": {value}'))
    said = invoke(tmp_path, "compare", kept, kept)
    assert (said.code, said.out) == (2, "")
    assert "Traceback" not in said.err
    assert str(kept) in said.err
