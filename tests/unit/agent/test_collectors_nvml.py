"""The NVML collector against a small library with the functions, codes and answers of nvml.h."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from harness.agent.collectors import Channel, Place
from harness.agent.collectors.nvml import NvmlCollector
from tests.support.agent_side import readings

NOT_SUPPORTED, NO_PERMISSION, DRIVER_NOT_LOADED, NOT_FOUND, FUNCTION_NOT_FOUND, UNKNOWN = 3, 4, 9, 12, 13, 999


class NVMLError(Exception):
    def __init__(self, value: int) -> None:
        super().__init__(f"NVML error {value}")
        self.value = value


class Library:
    """NVML of some GPUs. `codes`: the error that a function answers with in place of its value."""

    NVMLError = NVMLError

    def __init__(self, gpus: int = 1, capability: tuple[int, int] = (9, 0), name: Any = "NVIDIA H100 PCIe") -> None:
        self.gpus, self.capability, self.name = gpus, capability, name
        self.codes: dict[str, int] = {}
        self.fields = {186: (0, 1, 91_500), 185: (0, 1, 90_250)}  # by id: (return code, value type, value)
        self.unknown: set[str] = set()
        self.reasons = 0
        self.energy_mj = 5_000_500
        self.open = 0

    def _check(self, function: str) -> None:
        if function in self.codes:
            raise NVMLError(self.codes[function])
        if not self.open:
            raise NVMLError(1)

    def nvmlInit(self) -> None:  # noqa: N802
        if "nvmlInit" in self.codes:
            raise NVMLError(self.codes["nvmlInit"])
        self.open += 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        self._check("nvmlShutdown")
        self.open -= 1

    def nvmlDeviceGetFieldValues(self, handle: int, fields: list[int]) -> list[Any]:  # noqa: N802
        self._check("nvmlDeviceGetFieldValues")
        names = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")
        found = []
        for field in fields:
            code, kind, value = self.fields[field]
            union = SimpleNamespace(**{name: value if place == kind else -1 for place, name in enumerate(names)})
            found.append(SimpleNamespace(fieldId=field, nvmlReturn=code, valueType=kind, value=union))
        return found

    def __getattr__(self, function: str) -> Callable[..., Any]:
        answers: dict[str, Callable[..., Any]] = {
            "nvmlSystemGetDriverVersion": lambda: b"550.54",
            "nvmlDeviceGetCount": lambda: self.gpus,
            "nvmlDeviceGetHandleByIndex": lambda index: index,
            "nvmlDeviceGetUUID": lambda handle: f"GPU-{handle}{handle}",
            "nvmlDeviceGetName": lambda _: self.name,
            "nvmlDeviceGetPersistenceMode": lambda _: 1,
            "nvmlDeviceGetCudaComputeCapability": lambda _: self.capability,
            "nvmlDeviceGetTotalEnergyConsumption": lambda handle: self.energy_mj + handle,
            "nvmlDeviceGetPowerUsage": lambda handle: 90_000 + 1000 * handle,
            "nvmlDeviceGetClockInfo": lambda _, kind: {1: 1755, 2: 2619}[kind],
            "nvmlDeviceGetTemperature": lambda _, sensor: {0: 41}[sensor],
            "nvmlDeviceGetUtilizationRates": lambda _: SimpleNamespace(gpu=75, memory=20),
            "nvmlDeviceGetCurrentClocksEventReasons": lambda _: self.reasons,
            "nvmlDeviceGetCurrentClocksThrottleReasons": lambda _: self.reasons,
        }
        if function not in answers or function in self.unknown:
            raise AttributeError(function)

        def call(*arguments: Any) -> Any:
            self._check(function)
            return answers[function](*arguments)

        return call


def nvml(library: Library, **options: Any) -> NvmlCollector:
    return NvmlCollector(Place("/", 1, 1, 0.1, options), load=lambda: library)


def test_all_of_a_gpu_in_si_units() -> None:
    library = Library()
    assert readings(nvml(library)) == {
        "gpu0_energy": 5000.5,
        "gpu0_power": 90.0,
        "gpu0_instant_power": 91.5,
        "gpu0_average_power": 90.25,
        "gpu0_sm_clock": 1.755e9,
        "gpu0_memory_clock": 2.619e9,
        "gpu0_temperature": 41.0,
        "gpu0_load": 0.75,
        "gpu0_memory_load": 0.2,
        "frequency_capped_gpu0_sw_power_cap": 0.0,
        "throttled_gpu0_hw_slowdown": 0.0,
        "throttled_gpu0_sw_thermal_slowdown": 0.0,
        "throttled_gpu0_hw_thermal_slowdown": 0.0,
        "throttled_gpu0_hw_power_brake_slowdown": 0.0,
    }
    assert library.open == 0


def test_power_and_energy_are_hardware_counters_of_the_gpu() -> None:
    channels = nvml(Library()).channels()
    assert channels[:4] == [
        Channel("gpu0_energy", "J", "counter", "GPU", "hardware counter"),
        Channel("gpu0_power", "W", "gauge", "GPU", "hardware counter"),
        Channel("gpu0_instant_power", "W", "gauge", "GPU", "hardware counter"),
        Channel("gpu0_average_power", "W", "gauge", "GPU", "hardware counter"),
    ]
    assert channels[-1] == Channel("throttled_gpu0_hw_power_brake_slowdown", "flag", "gauge", "GPU", "nvml")


@pytest.mark.parametrize(
    ("bits", "raised"),
    [
        (0x1, set()),  # idle
        (0x2, set()),  # clocks that the user set
        (0x110, set()),  # of a group, of a display
        (0x4, {"frequency_capped_gpu0_sw_power_cap"}),
        (0x20, {"throttled_gpu0_sw_thermal_slowdown"}),
        (0x48, {"throttled_gpu0_hw_slowdown", "throttled_gpu0_hw_thermal_slowdown"}),
        (0x88, {"throttled_gpu0_hw_slowdown", "throttled_gpu0_hw_power_brake_slowdown"}),
        (
            0x1FF,
            {
                "frequency_capped_gpu0_sw_power_cap",
                "throttled_gpu0_hw_slowdown",
                "throttled_gpu0_sw_thermal_slowdown",
                "throttled_gpu0_hw_thermal_slowdown",
                "throttled_gpu0_hw_power_brake_slowdown",
            },
        ),
    ],
)
def test_reasons_that_slow_a_gpu_down_are_flags(bits: int, raised: set[str]) -> None:
    library = Library()
    library.reasons = bits
    flags = {
        name: value
        for name, value in readings(nvml(library)).items()
        if name.startswith(("throttled", "frequency_capped"))
    }
    assert {name for name, value in flags.items() if value == 1.0} == raised
    assert set(flags.values()) <= {0.0, 1.0}


def test_an_old_driver_tells_the_reasons_by_the_old_name() -> None:
    library = Library()
    library.codes["nvmlDeviceGetCurrentClocksEventReasons"] = FUNCTION_NOT_FOUND
    library.reasons = 0x4
    assert readings(nvml(library))["frequency_capped_gpu0_sw_power_cap"] == 1.0


def test_an_old_package_lacks_some_questions() -> None:
    library = Library()
    library.unknown = {"nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetUtilizationRates"}
    library.unknown |= {"nvmlDeviceGetCudaComputeCapability"}
    library.reasons = 0x4
    collector = nvml(library)
    found = readings(collector)
    assert found["frequency_capped_gpu0_sw_power_cap"] == 1.0
    assert "gpu0_load" not in found
    assert collector.facts()["gpus"]["gpu0"]["power_is"] is None


@pytest.mark.parametrize("kind", range(7))
def test_field_values_of_every_type(kind: int) -> None:
    library = Library()
    library.fields[186] = (0, kind, 123_000)
    assert readings(nvml(library))["gpu0_instant_power"] == 123.0


def test_a_field_that_fails_is_left_out_and_the_other_kept() -> None:
    library = Library()
    library.fields[185] = (NOT_SUPPORTED, 1, 77_000)
    found = readings(nvml(library))
    assert "gpu0_average_power" not in found
    assert found["gpu0_instant_power"] == 91.5


def test_what_a_gpu_does_not_support_is_left_out() -> None:
    library = Library()
    library.codes = dict.fromkeys(["nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetFieldValues"], NOT_SUPPORTED)
    names = list(readings(nvml(library)))
    assert names[:3] == ["gpu0_power", "gpu0_sm_clock", "gpu0_memory_clock"]


def test_what_fails_for_once_is_missing_for_once() -> None:
    library = Library()
    collector = nvml(library)
    collector.start()
    library.codes = dict.fromkeys(["nvmlDeviceGetPowerUsage", "nvmlDeviceGetFieldValues"], UNKNOWN)
    library.fields[186] = (UNKNOWN, 1, 0)
    failed = collector.read()
    library.codes = {}
    again = collector.read()
    collector.stop()
    assert [math.isnan(value) for value in failed] == [False, True, True, True] + [False] * 10
    assert again[1] == 90.0
    assert math.isnan(again[2])
    assert again[3] == 90.25


def test_a_reading_after_the_stop_is_none_at_all() -> None:
    library = Library()
    collector = nvml(library)
    collector.start()
    collector.stop()
    collector.stop()
    assert library.open == 0
    with pytest.raises(OSError, match="not started"):
        collector.read()


def test_two_gpus_are_told_apart_and_one_can_be_chosen() -> None:
    library = Library(gpus=2)
    found = readings(nvml(library))
    assert (found["gpu0_power"], found["gpu1_power"]) == (90.0, 91.0)
    assert found["gpu1_energy"] == 5000.501
    for chosen in (1, "1", "GPU-11"):
        names = [re.sub("^(throttled|frequency_capped)_", "", name) for name in readings(nvml(library, gpu=chosen))]
        assert {name[:4] for name in names} == {"gpu1"}
    assert nvml(library, gpu=2).why_unavailable() == (
        "NVML does not see the GPU 2, but 0 (GPU-00), 1 (GPU-11): check the option gpu of nvml"
    )
    assert library.open == 0


def test_jetson_boards_that_answer_nothing_are_unavailable() -> None:
    library = Library(name="Orin (nvgpu)")
    silent = (
        "nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetPowerUsage", "nvmlDeviceGetFieldValues",
        "nvmlDeviceGetClockInfo", "nvmlDeviceGetTemperature", "nvmlDeviceGetUtilizationRates",
        "nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons",
        "nvmlDeviceGetPersistenceMode",
    )  # fmt: skip
    library.codes = dict.fromkeys(silent, NOT_SUPPORTED)
    reason = nvml(library).why_unavailable()
    assert reason is not None
    assert "NotSupported to every question, as on Jetson boards before Thor: read the board's own sensors" in reason
    assert nvml(library).channels() == []
    assert library.open == 0


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (DRIVER_NOT_LOADED, "sudo modprobe nvidia"),
        (NOT_FOUND, "install NVIDIA's driver; in a container, start it with --gpus all"),
        (NO_PERMISSION, "/dev/nvidia"),
        (UNKNOWN, "until nvidia-smi lists the GPU"),
    ],
)
def test_nvml_that_does_not_start_says_why_and_what_to_do(code: int, said: str) -> None:
    library = Library()
    library.codes["nvmlInit"] = code
    reason = nvml(library).why_unavailable()
    assert reason is not None
    assert reason.startswith(f"NVML does not start (NVML error {code}): ")
    assert said in reason


def test_a_machine_without_a_gpu_or_the_package_is_unavailable() -> None:
    library = Library(gpus=0)
    assert "does not see any GPU, but none" in str(nvml(library).why_unavailable())

    def missing() -> Any:
        raise ImportError("No module named 'pynvml'")

    collector = NvmlCollector(Place("/", 1, 1, 0.1, None), load=missing)
    assert collector.why_unavailable() == (
        "the package nvidia-ml-py is missing (No module named 'pynvml'): python3 -m pip install nvidia-ml-py"
    )


def test_gpus_that_cannot_be_listed_leave_nvml_shut() -> None:
    library = Library()
    library.codes["nvmlDeviceGetHandleByIndex"] = NO_PERMISSION
    assert "does not list its GPUs (NVML error 4)" in str(nvml(library).why_unavailable())
    assert library.open == 0


@pytest.mark.parametrize(
    ("capability", "name", "power_is", "energy_covers", "scope"),
    [
        ((7, 0), "Tesla V100", "instantaneous", "GPU", "GPU"),
        ((8, 0), b"NVIDIA A100-SXM4-40GB", "instantaneous", "GPU", "GPU"),
        ((8, 6), "NVIDIA GeForce RTX 3090", "mean of 1 s", "GPU", "GPU"),
        ((9, 0), "NVIDIA GH200 480GB", "mean of 1 s", "module", "module input"),
    ],
)
def test_facts_tell_what_the_figures_are(
    capability: tuple[int, int], name: Any, power_is: str, energy_covers: str, scope: str
) -> None:
    collector = nvml(Library(capability=capability, name=name))
    assert collector.channels()[0].scope == scope
    assert collector.channels()[1].scope == "GPU"
    assert collector.facts() == {
        "driver": "550.54",
        "gpus": {
            "gpu0": {
                "name": name.decode() if isinstance(name, bytes) else name,
                "uuid": "GPU-00",
                "persistence_mode": True,
                "compute_capability": list(capability),
                "power_is": power_is,
                "energy_covers": energy_covers,
            }
        },
    }


def test_facts_that_are_not_told_are_none() -> None:
    library = Library()
    library.codes = dict.fromkeys(
        ["nvmlDeviceGetName", "nvmlDeviceGetCudaComputeCapability", "nvmlDeviceGetPersistenceMode"], NOT_SUPPORTED
    )
    collector = nvml(library)
    assert collector.why_unavailable() is None
    gpu = collector.facts()["gpus"]["gpu0"]
    assert (gpu["name"], gpu["power_is"], gpu["persistence_mode"]) == (None, None, None)


def test_wrong_options_are_refused() -> None:
    with pytest.raises(ValueError, match="no option device: it takes gpu"):
        nvml(Library(), device=0)
