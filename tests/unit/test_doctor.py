"""Facts and probe answers to checks: each fires on one answer and is good on another, and says what to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.agent import collectors
from harness.agent.controls import TABLE as CONTROLS
from harness.agent.controls import setting
from harness.doctor import LOST, Check, examine
from harness.model.device import Device, Limits, Runtime, Settle, State
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
    "rights": True,
    "state": {},
    "disk_free_bytes": 2**33,
    "clock_offset_s": 0.01,
}


def checks(answer: dict[str, Any] | None = None, **facts: Any) -> dict[str, Check]:
    known = {key: value for key, value in {**FACTS, **facts}.items() if value is not ...}
    return {check.name: check for check in examine(DEVICE, {"facts": known, **ANSWER, **(answer or {})})}


def test_a_quiet_machine_is_good() -> None:
    found = checks()
    assert {name for name, check in found.items() if check.state != "good"} == {"energy", "heat", "throttling"}
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
        ({"swap_used_bytes": 2**20, "zram_bytes": 2**30}, "swap", "warning", "1 MiB in use; zram", "nvzramconfig"),
        (
            {"python": "3.5.2"},
            "python",
            "warning",
            "3.5.2 is older than 3.6, the agent's oldest",
            "name it as `python`",
        ),
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


def on(device: Device, answer: dict[str, Any] | None = None, **facts: Any) -> dict[str, Check]:
    """Checks of another device than the bench. An answer's ... takes its key away."""
    merged = {**ANSWER, **(answer or {})}
    known = {key: value for key, value in merged.items() if value is not ...}
    return {check.name: check for check in examine(device, {"facts": {**FACTS, **facts}, **known})}


BOARD = replace(
    DEVICE,
    title="A board",
    transport="ssh",
    backends=("onnxruntime-cuda", "onnxruntime", "null"),
    state=State(power_mode="15W", clocks="locked", fan=100),
    settle=Settle(deadline_s=300.0, start_below_c=60.0),
    limits=Limits(temperature_c=99.0, supply="ina:VDD_IN_voltage", supply_lowest_v=4.75),
    runtimes={
        "python": Runtime("3.8"),
        "onnxruntime-gpu": Runtime("1.12.1", "the wheel of the Zoo"),
        "onnxruntime": Runtime("1.10.0", "pip install onnxruntime"),
        "tensorrt": Runtime("8.2.1", "it comes with JetPack"),
    },
)


@pytest.mark.parametrize(
    ("key", "name"),
    [("rights", "rights"), ("state", "state"), ("disk_free_bytes", "disk"), ("clock_offset_s", "wall clock")],
)
def test_what_the_board_did_not_say_is_missing(key: str, name: str) -> None:
    check = on(BOARD, {key: ...})[name]
    assert (check.state, "the board did not say" in check.found) == ("missing", True)


@pytest.mark.parametrize(
    ("free", "state", "found"),
    [(2**30, "good", "1.0 GiB free"), (2**30 - 1, "warning", "1.00 GiB free"), (2**28, "warning", "0.25 GiB free")],
)
def test_room_in_the_boards_folder(free: int, state: str, found: str) -> None:
    check = on(BOARD, {"disk_free_bytes": free})["disk"]
    assert (check.state, found in check.found) == (state, True)
    assert ("harness devices clean" in check.fix) == (state == "warning")


@pytest.mark.parametrize(
    ("offset_s", "state", "found"),
    [
        (0.8, "good", "within 0.8 s"),
        (-0.8, "good", "within 0.8 s"),
        (1.25, "warning", "1.2 s ahead of this machine's"),
        (-86400.0, "warning", "86400.0 s behind this machine's"),
    ],
)
def test_the_boards_wall_clock_against_the_hosts(offset_s: float, state: str, found: str) -> None:
    check = on(BOARD, {"clock_offset_s": offset_s})["wall clock"]
    assert (check.state, found in check.found) == (state, True)
    assert ("timedatectl" in check.fix) == (state == "warning")


@pytest.mark.parametrize(
    ("device", "may", "state", "found"),
    [
        (BOARD, True, "good", "root without a password (sudo -n)"),
        (BOARD, False, "warning", "no root without a password: power mode, clocks, fan may stay as found"),
        (DEVICE, False, "good", "no root, and none is needed"),
    ],
)
def test_rights_are_needed_where_something_is_to_be_set(device: Device, may: bool, state: str, found: str) -> None:
    check = on(device, {"rights": may})["rights"]
    assert (check.state, found in check.found) == (state, True)
    assert ("/etc/sudoers.d/edge-harness" in check.fix) == (state == "warning")


def present(value: Any, why_unavailable: str | None = None) -> dict[str, Any]:
    return {"value": value, "why_unavailable": why_unavailable}


def test_the_state_now_stands_beside_what_is_asked() -> None:
    told = {
        "power_mode": present("MAXN"),
        "clocks": present(None, "jetson_clocks needs root: sudo visudo"),
        "governor": present({"0": "schedutil", "1": "schedutil"}),
        "cores": present(["0-3"]),
    }
    found = on(BOARD, {"state": told})
    assert found["power mode"] == Check("power mode", "good", "MAXN now; a run sets it to 15W and puts it back")
    lost = "cannot be read; locked is asked, and cannot be set: jetson_clocks needs root"
    assert found["clocks"] == Check("clocks", "warning", lost, "sudo visudo")
    assert found["governor"] == Check("governor", "good", "0 schedutil, 1 schedutil now, and stays so")
    assert found["cores"].found == "0-3 now, and stays so"
    assert found["fan"] == Check("fan", "missing", "100 is asked; the board did not say what it is")


def test_a_control_that_a_machine_does_not_have_and_nobody_asks_for_has_no_line() -> None:
    assert "fan" not in on(DEVICE, {"state": {"fan": present(None, "no fan: none")}})


def test_the_state_is_read_as_the_controls_tell_it(tmp_path: Any) -> None:
    """Below an empty root nothing can be set, and every line says why."""
    told = setting.present(setting.machine(str(tmp_path), str(tmp_path)))
    assert set(told) == set(CONTROLS)
    found = on(replace(BOARD, state=State("15W", "locked", "performance", 100, "all")), {"state": told})
    for name in ("power mode", "clocks", "governor", "fan", "cores"):
        assert (found[name].state, "cannot be set" in found[name].found) == ("warning", True)


def test_a_clock_that_a_run_sets_is_no_warning_of_its_own() -> None:
    assert "clock" not in on(BOARD, governors=["schedutil"])
    assert on(DEVICE, governors=["schedutil"])["clock"].state == "warning"


@pytest.mark.parametrize(
    ("volts", "state", "found"),
    [
        (4.75, "good", "4.75 V at ina:VDD_IN_voltage"),
        (4.62, "warning", "4.62 V at ina:VDD_IN_voltage, below 4.75 V"),
        (None, "missing", "ina:VDD_IN_voltage cannot be read"),
    ],
)
def test_a_weak_supply(volts: float | None, state: str, found: str) -> None:
    check = on(BOARD, {"collectors": {"ina": sensed(("VDD_IN_voltage", "V", volts))}})["supply"]
    assert (check.state, found in check.found) == (state, True)
    assert ("supply that the board is sold with" in check.fix) == (state == "warning")
    assert "supply" not in checks()


def test_a_supply_without_a_limit_is_shown() -> None:
    device = replace(BOARD, limits=Limits(supply="ina:VDD_IN_voltage"))
    check = on(device, {"collectors": {"ina": sensed(("VDD_IN_voltage", "V", 3.0))}})["supply"]
    assert (check.state, check.found) == ("good", "3.00 V at ina:VDD_IN_voltage")


@pytest.mark.parametrize(
    ("celsius", "state", "found", "fix"),
    [
        (55.0, "good", "gpu_1 has 55.0 degC, 44 below the limit of 99", ""),
        (60.5, "warning", "gpu_1 has 60.5 degC, 38 below the limit of 99", "waits for 60 degC, up to 300 s"),
        (99.0, "warning", "gpu_1 has 99.0 degC, at or above the limit of 99", "let it cool"),
    ],
)
def test_head_room_for_heat(celsius: float, state: str, found: str, fix: str) -> None:
    zones = sensed(("cpu_0", "degC", 50.0), ("gpu_1", "degC", celsius), ("tj_2", "degC", None))
    check = on(BOARD, {"collectors": {"thermal": zones}})["heat"]
    assert (check.state, check.found, fix in check.fix) == (state, found, True)


def test_little_head_room_is_a_warning_where_nothing_is_waited_for() -> None:
    zones = {"collectors": {"thermal": sensed(("cpu_0", "degC", 86.0))}}
    assert on(DEVICE, zones)["heat"].state == "warning"  # 9 below 95
    assert on(replace(DEVICE, limits=Limits(temperature_c=96.0)), zones)["heat"].state == "good"


def test_zones_that_throttling_does_not_follow_do_not_count() -> None:
    zones = sensed(("CPU-therm_0", "degC", 40.0), ("Tboard_tegra_1", "degC", 70.0))
    device = replace(BOARD, thermal_zones=("cpu*",))
    assert on(device, {"collectors": {"thermal": zones}})["heat"].found.startswith("CPU-therm_0 has 40.0 degC")
    other = replace(BOARD, thermal_zones=("gpu*",))  # of which there is none: better all than nothing
    assert on(other, {"collectors": {"thermal": zones}})["heat"].found.startswith("Tboard_tegra_1 has 70.0 degC")


def test_no_temperature_is_missing() -> None:
    assert checks()["heat"].state == "missing"


@pytest.mark.parametrize(
    ("name", "installed", "state", "found"),
    [
        ("python", {}, "good", "3.11.7, 3.8 or later is wanted"),
        (
            "onnxruntime-gpu",
            {"onnxruntime-cuda": {"onnxruntime": "1.12.1"}},
            "good",
            "1.12.1, 1.12.1 or later is wanted",
        ),
        ("onnxruntime-gpu", {"onnxruntime-cuda": {"onnxruntime": "1.9.0"}}, "warning", "1.9.0 is older than 1.12.1"),
        ("onnxruntime-gpu", {"onnxruntime": {"onnxruntime": "1.19.2"}}, "missing", "not found; from 1.12.1 on"),
        ("onnxruntime", {"onnxruntime": {"onnxruntime": "1.10"}}, "good", "1.10, 1.10.0 or later is wanted"),
        ("tensorrt", {"tensorrt": {"tensorrt": "10.3.0"}}, "good", "10.3.0, 8.2.1 or later is wanted"),
        ("tensorrt", {"tensorrt-fp16": {"tensorrt": "8.2.0.6"}}, "warning", "8.2.0.6 is older than 8.2.1"),
        ("tensorrt", {}, "missing", "not found; from 8.2.1 on it suits this board"),
    ],
)
def test_a_runtime_against_the_oldest_for_its_board(
    name: str, installed: dict[str, Any], state: str, found: str
) -> None:
    check = on(BOARD, {"backends": installed})[f"runtime {name}"]
    assert (check.state, found in check.found) == (state, True)
    assert check.fix == ("" if state == "good" else BOARD.runtimes[name].install)


def test_a_python_that_is_older_than_the_boards_is_a_warning() -> None:
    assert on(BOARD, python="3.7.3")["runtime python"].state == "warning"


def test_a_version_of_a_build_goes_by_its_leading_numbers() -> None:
    device = replace(BOARD, runtimes={"torch": Runtime("2.5")})
    build = {"backends": {"torch-cuda": {"torch": "2.5.0a0+872d972e41.nv24.08"}}}
    assert on(device, build)["runtime torch"].state == "good"


@pytest.mark.parametrize(
    ("there", "state", "found"),
    [
        (("onnxruntime-cuda",), "good", "CUDAExecutionProvider"),
        (("onnxruntime",), "missing", "onnxruntime lacks CUDAExecutionProvider"),
    ],
)
def test_a_build_without_the_boards_gpu_is_told(there: tuple[str, ...], state: str, found: str) -> None:
    check = on(BOARD, {"backends": {name: {} for name in there}})["providers"]
    assert (check.state, check.found, check.fix) == (state, found, "" if state == "good" else "the wheel of the Zoo")
    assert "providers" not in checks()


def test_one_provider_of_two_is_a_warning() -> None:
    device = replace(BOARD, backends=("onnxruntime-cuda", "onnxruntime-tensorrt"), runtimes={})
    check = on(device, {"backends": {"onnxruntime-cuda": {}}})["providers"]
    assert (check.state, check.found) == ("warning", "onnxruntime lacks TensorrtExecutionProvider")
    assert check.fix == "install a build of onnxruntime that was made for this board"
