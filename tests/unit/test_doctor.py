"""Facts and probe answers to checks: each fires on one answer and is good on another, and says what to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.agent import collectors
from harness.doctor import LOST, Check, examine
from harness.model.power import Power, PowerTotal
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
}
UNSURVEYED = {"period_s": 0.05, "update_period_s": None, "read_s": None}
ANSWER = {
    "collectors": {"process": {**UNSURVEYED, "channels": [["rss", "B", "process", "kernel counter", 1.0]]}},
    "unavailable": {},
    "backends": {"onnxruntime": {"onnxruntime": "1.22"}, "null": {}},
    "backends_unavailable": {},
}


def checks(answer: dict[str, Any] | None = None, **facts: Any) -> dict[str, Check]:
    known = {key: value for key, value in {**FACTS, **facts}.items() if value is not ...}
    return {check.name: check for check in examine(DEVICE, {"facts": known, **ANSWER, **(answer or {})})}


def test_a_quiet_machine_is_good() -> None:
    found = checks()
    assert {name for name, check in found.items() if check.state != "good"} == {"energy", "throttling"}
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
        ({"emulated": "aarch64 on x86"}, "emulation", "warning", "aarch64 on x86", "on the processor itself"),
        ({"hypervisor": True}, "virtual machine", "warning", "a hypervisor shares", "bare metal"),
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


def sensed(*channels: tuple[str, str, float | None], update_period_s: float | None = None) -> dict[str, Any]:
    listed = [[name, unit, "rail", "board rail", value] for name, unit, value in channels]
    read_s = None if update_period_s is None else 0.0002
    return {"channels": listed, "period_s": 0.05, "update_period_s": update_period_s, "read_s": read_s}


def test_sensors_that_read_nothing_are_named() -> None:
    answer = {
        "collectors": {"thermal": sensed(("cpu_0", "degC", 50.0), ("gpu_1", "degC", None))},
        "unavailable": {"cpu": "/proc/stat lists no core: mount /proc"},
    }
    found = checks(answer)
    assert found["sensor thermal"].found == "2 channels; of them gpu_1 read nothing"
    lost = "/proc/stat lists no core; without it: stolen time and clocks"
    assert found["sensor cpu"] == Check("sensor cpu", "missing", lost, "mount /proc")


def test_the_update_period_of_a_power_sensor_is_shown_with_what_a_reading_costs() -> None:
    found = checks({"collectors": {"ina": sensed(("VDD_IN_power", "W", 5.0), update_period_s=0.013)}})
    assert found["sensor ina"].found == "1 channels, renewed every 13 ms, 200 us a reading, asked every 50 ms"


@pytest.mark.parametrize(
    ("flag", "state", "found"),
    [(0.0, "good", "none of 2 flags is raised"), (1.0, "warning", "under_voltage"), (None, "good", "none of 1 flags")],
)
def test_throttling_that_stands_now_is_a_warning(flag: float | None, state: str, found: str) -> None:
    flags = sensed(("throttled", "flag", 0.0), ("under_voltage", "flag", flag))
    check = checks({"collectors": {"raspberry": flags}})["throttling"]
    assert (check.state, found in check.found) == (state, True)


POWERED = replace(
    DEVICE,
    power=Power(
        (
            PowerTotal(("ina:VDD_IN_power",), "module input"),
            PowerTotal(("tegrastats:GPU_power", "tegrastats:CPU_power"), "sum of rails"),
        )
    ),
)


@pytest.mark.parametrize(
    ("read", "state", "found"),
    [
        ({"ina": sensed(("VDD_IN_power", "W", 5.0))}, "good", "ina:VDD_IN_power (module input): 5 W now"),
        (
            {"tegrastats": sensed(("GPU_power", "W", 1.5), ("CPU_power", "W", 2.0))},
            "good",
            "tegrastats:GPU_power + tegrastats:CPU_power (sum of rails): 3.5 W now",
        ),
        ({"tegrastats": sensed(("GPU_power", "W", 1.5))}, "missing", "no bus here"),
        ({}, "missing", "ina:VDD_IN_power (module input): no bus here"),
    ],
)
def test_the_total_that_energy_comes_from(read: dict[str, Any], state: str, found: str) -> None:
    answer = {**ANSWER, "facts": FACTS, "collectors": read, "unavailable": {"ina": "no bus here: load a driver"}}
    (check,) = [check for check in examine(POWERED, answer) if check.name == "energy"]
    assert (check.state, found in check.found) == (state, True)


def test_a_device_without_a_total_says_where_to_name_one() -> None:
    check = checks()["energy"]
    assert (check.state, check.found) == ("missing", "the device file of bench names no total")
    assert "[power]" in check.fix


def test_every_loss_that_is_named_is_that_of_a_collector() -> None:
    assert set(LOST) <= set(collectors.TABLE)


def test_a_runtime_that_is_not_installed_says_how_to_install_it() -> None:
    reason = "No module named 'onnxruntime'; on the board run: python3 -m pip install onnxruntime"
    found = checks({"backends": {}, "backends_unavailable": {"onnxruntime": reason}})["backend onnxruntime"]
    assert (found.state, found.found) == ("missing", "No module named 'onnxruntime'")
    assert found.fix == "on the board run: python3 -m pip install onnxruntime"


def test_another_board_is_told_apart() -> None:
    nano = replace(DEVICE, title="A Nano", identity=("*jetson nano*",))
    said = {**FACTS, "board_model": "Raspberry Pi 5"}
    (check,) = [check for check in examine(nano, {"facts": said, **ANSWER}) if check.name == "identity"]
    assert (check.state, check.found) == ("warning", "this machine says it is 'Raspberry Pi 5', which is no A Nano")
    assert "identity" not in checks()
