"""Facts and probe answers to checks: each fires on one answer and is good on another, and says what to do."""

from __future__ import annotations

from typing import Any

import pytest

from harness.doctor import Check, examine
from tests.support.host_side import DEVICE

FACTS = {
    "cpu": "A CPU",
    "machine": "x86_64",
    "distribution": "A Linux",
    "kernel": "6.1",
    "implementation": "CPython",
    "python": "3.11.7",
    "load_average_1min": 0.1,
    "cores_allowed": 4,
    "governors": ["performance"],
    "memory_available_bytes": 2**31,
    "rapl": ["package-0"],
}
ANSWER = {
    "collectors": {"process": [["rss", "B", 1.0]]},
    "unavailable": {},
    "backends": {"onnxruntime": {"onnxruntime": "1.22"}, "null": {}},
    "backends_unavailable": {},
}


def checks(answer: dict[str, Any] | None = None, **facts: Any) -> dict[str, Check]:
    known = {key: value for key, value in {**FACTS, **facts}.items() if value is not ...}
    return {check.name: check for check in examine(DEVICE, {"facts": known, **ANSWER, **(answer or {})})}


def test_a_quiet_machine_is_good() -> None:
    found = checks()
    assert {name for name, check in found.items() if check.state != "good"} == {"sensor power"}
    assert found["machine"].found == "A CPU, x86_64, A Linux, 6.1"
    assert found["backend onnxruntime"].found == "onnxruntime 1.22"
    assert found["backend null"].found == "needs nothing"
    assert found["sensor process"].found == "1 channels"


@pytest.mark.parametrize(
    ("facts", "name", "state", "found", "fix"),
    [
        ({"load_average_1min": 1.25}, "quiet", "warning", "load average 1.25", "close other programs"),
        ({"load_average_1min": ...}, "quiet", "missing", "no load average", ""),
        ({"swap_used_bytes": 5 * 2**20}, "swap", "warning", "5 MiB in use", "swapoff"),
        ({"cores_allowed": 1}, "pinned", "warning", "the sensors share it", "allow a second core"),
        ({"governors": ["powersave", "schedutil"]}, "clock", "warning", "powersave, schedutil", "scaling_governor"),
        ({"governors": ...}, "clock", "missing", "no cpufreq", "virtual machines"),
        ({"boost": True}, "boost", "warning", "on: the clock depends", "switch it off"),
        ({"memory_available_bytes": 2**28}, "memory", "warning", "0.2 GiB available", "close other programs"),
        ({"hypervisor": True}, "virtual machine", "warning", "a hypervisor shares", "bare metal"),
        ({"rapl": []}, "sensor power", "missing", "no RAPL zone", "modprobe intel_rapl_msr"),
        ({"rapl": "unreadable"}, "sensor power", "missing", "only root may read", "chmod a+r"),
        ({"rapl": ["package-0", "dram"]}, "sensor power", "missing", "package-0, dram are readable", ""),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_what_is_wrong_is_said_with_its_fix(facts: dict[str, Any], name: str, state: str, found: str, fix: str) -> None:
    check = checks(**facts)[name]
    assert check.state == state
    assert found in check.found
    assert fix in check.fix


def test_what_is_not_there_has_no_line() -> None:
    found = checks(swap_used_bytes=0, boost=False, hypervisor=False, memory_available_bytes=...)
    assert {"swap", "boost", "virtual machine", "memory"}.isdisjoint(found)


def test_sensors_that_read_nothing_are_named() -> None:
    answer = {
        "collectors": {"thermal": [["cpu_0", "degC", 50.0], ["gpu_1", "degC", None]]},
        "unavailable": {"cpu": "/proc/stat lists no core: mount /proc"},
    }
    found = checks(answer)
    assert found["sensor thermal"].found == "2 channels, of which gpu_1 read nothing"
    assert found["sensor cpu"] == Check("sensor cpu", "missing", "/proc/stat lists no core", "mount /proc")


def test_a_runtime_that_is_not_installed_says_how_to_install_it() -> None:
    reason = "No module named 'onnxruntime'; on the board run: python3 -m pip install onnxruntime"
    found = checks({"backends": {}, "backends_unavailable": {"onnxruntime": reason}})["backend onnxruntime"]
    assert (found.state, found.found) == ("missing", "No module named 'onnxruntime'")
    assert found.fix == "on the board run: python3 -m pip install onnxruntime"
