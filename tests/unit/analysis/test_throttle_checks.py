"""Each check of throttling fires on one hand-made record and is silent on another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from harness.agent.collectors import nvml
from harness.analysis import throttle_checks
from harness.analysis.context import Context
from harness.model.trial import Channel, Environment, Phases, Record, Trace, Trial
from tests.support.host_side import CASE, DEVICE, STEADY_START_S, column, facts, only, trial

T = STEADY_START_S
WINDOW = Phases(warm_up_steady=True, steady_start_s=T, steady_end_s=T + 2)
# One reading well before, one just before, three in and one after the steady part of two seconds.
TIMES = (T - 3, T - 0.5, T + 0.2, T + 1, T + 1.8, T + 2.5)


def signal(name: str, values: Sequence[float], unit: str = "flag", provenance: str = "firmware") -> Trace:
    collector, _, channel = name.partition(":")
    kind = "counter" if unit == "event" else "gauge"
    described = Channel(collector, channel, unit, kind, "board", provenance)  # type: ignore[arg-type]
    return Trace(described, column(TIMES), column(values))


def launch(*traces: Trace, number: int = 0, **in_force) -> Trial:
    return trial([0.001] * 20, phases=WINDOW, launch=number, traces=traces, environment=Environment({}, in_force, {}))


def context(*trials: Trial, backend: str = "onnxruntime") -> Context:
    case = replace(CASE, backend=backend)
    return Context(Record(case, tuple(replace(one, case=case) for one in trials)), facts(), DEVICE, None)


def test_every_check_is_tested_here() -> None:
    names = {name for name in globals() if name.startswith("test_")}
    for check in throttle_checks.CHECKS:
        assert {f"test_{check.__name__}_fires", f"test_{check.__name__}_is_silent"} <= names


@pytest.mark.parametrize(
    "fired",
    [
        signal("throttle:throttled", [0, 0, 0, 1, 0, 0]),
        signal("throttle:throttled_thermal-cpufreq-0", [0, 0, math.nan, 1, 1, 1]),
        signal("throttle:throttled_core1", [7, 7, 7, 8, 8, 8], "event"),
        signal("throttle:throttled_oc1", [math.nan, 7, 8, 8, 8, 8], "event"),
        signal("nvml:throttled_gpu0_thermal_hw", [0, 0, 0, 0, 1, 0], provenance="nvml"),
        # A latch that closed: the present bits missed what happened in between.
        signal("throttle:throttled_since_boot", [0, 0, 0, 1, 1, 1], "event"),
        signal("raspberry:throttled_since_boot", [0, 0, 0, 0, 1, 1]),
    ],
)
def test_throttled_fires(fired: Trace) -> None:
    found = only(throttle_checks.throttled, context(launch(), launch(fired, number=1)))
    assert (found.code, found.severity) == ("throttled", "invalid")
    name = f"{fired.channel.collector}:{fired.channel.name}"
    assert found.evidence == f"{name} in 1 launches of 2: the processor was held back while it was timed"


def test_throttled_is_silent() -> None:
    for quiet in (
        signal("throttle:throttled", [1, 1, 0, 0, 0, 1]),  # before and after only
        signal("throttle:throttled_core1", [5, 7, 7, 7, 7, 9], "event"),
        signal("throttle:throttled_since_boot", [1, 1, 1, 1, 1, 1]),  # which has a check of its own
        signal("throttle:throttled", [math.nan] * 6),
        signal("jtop:throttled_load", [1] * 6, "1"),
    ):
        assert list(throttle_checks.throttled(context(launch(quiet)))) == []


def of_nvml(bit: int, values: Sequence[float]) -> Trace:
    """The collector's own channel of this reason."""
    (name,) = [pattern.format("gpu0") for pattern, known in nvml.REASONS if known == bit]
    return signal(f"nvml:{name}", values, provenance="nvml")


POWER_CAP, THERMAL = 0x4, 0x20


@pytest.mark.parametrize("values", [(0, 1, 1, 1, 1, 0), (1, 1, 1, 1, 1, 1), (0, 0, 1, 0, 1, 0)])
def test_power_capped_fires(values: Sequence[float]) -> None:
    """And no other check of capped clocks does."""
    seen = context(launch(of_nvml(POWER_CAP, values)))
    found = only(throttle_checks.power_capped, seen)
    assert (found.code, found.severity) == ("power_capped", "note")
    assert found.evidence == (
        "nvml:frequency_capped_gpu0_sw_power_cap in 1 launches of 1: the GPU ran at its power limit"
    )
    assert list(throttle_checks.frequency_capped(seen)) == []
    assert list(throttle_checks.throttled(seen)) == []


def test_power_capped_is_silent() -> None:
    for quiet in (
        of_nvml(POWER_CAP, (1, 1, 0, 0, 0, 1)),
        of_nvml(THERMAL, (1,) * 6),
        signal("throttle:frequency_capped", (1,) * 6),
    ):
        assert list(throttle_checks.power_capped(context(launch(quiet)))) == []


def test_every_other_reason_of_a_gpu_to_slow_down_is_throttling() -> None:
    for _, bit in nvml.REASONS:
        if bit != POWER_CAP:
            seen = context(launch(of_nvml(bit, (0, 0, 1, 0, 0, 0))))
            assert only(throttle_checks.throttled, seen).severity == "invalid"


def test_a_cap_that_stood_for_the_whole_steady_part_did_not_move() -> None:
    """Off before and after, as a daemon caps a clock under load."""
    capped = signal("throttle:frequency_capped_cpu0", (0, 0, 1, 1, 1, 0), provenance="cpufreq")
    assert only(throttle_checks.frequency_capped, context(launch(capped))).severity == "note"


@pytest.mark.parametrize(
    "fired",
    [
        signal("throttle:under_voltage", [0, 0, 1, 0, 0, 0]),
        signal("throttle:under_voltage_rpi_volt", [0, 0, 0, 0, 1, 0]),
        signal("throttle:under_voltage_since_boot", [1, 1, 1, 2, 2, 2], "event"),
    ],
)
def test_under_voltage_fires(fired: Trace) -> None:
    found = only(throttle_checks.under_voltage, context(launch(fired)))
    assert (found.code, found.severity) == ("under_voltage", "invalid")
    assert f"throttle:{fired.channel.name} in 1 launches of 1" in found.evidence


def test_under_voltage_is_silent() -> None:
    for quiet in (signal("throttle:under_voltage", [1, 1, 0, 0, 0, 1]), signal("throttle:throttled", [1] * 6)):
        assert list(throttle_checks.under_voltage(context(launch(quiet)))) == []


@pytest.mark.parametrize(
    ("fired", "severity", "said"),
    [
        (signal("throttle:frequency_capped", [0, 0, 1, 0, 0, 0]), "invalid", "the firmware capped the clock"),
        (
            signal("throttle:frequency_capped_cpu0", [0, 0, 0, 1, 1, 1], provenance="cpufreq"),
            "doubt",
            "the limit of the clock changed during a launch",
        ),
        (
            signal("throttle:frequency_capped_cpu0", [1] * 6, provenance="cpufreq"),
            "note",
            "the clock was limited below the processor's maximum throughout",
        ),
    ],
)
def test_frequency_capped_fires(fired: Trace, severity: str, said: str) -> None:
    found = only(throttle_checks.frequency_capped, context(launch(fired)))
    assert (found.code, found.severity) == ("frequency_capped", severity)
    assert found.evidence == f"throttle:{fired.channel.name} in 1 launches of 1: {said}"


def test_frequency_capped_is_silent() -> None:
    quiet = signal("throttle:frequency_capped_cpu0", [1, 0, 0, 0, 0, 1], provenance="cpufreq")
    assert list(throttle_checks.frequency_capped(context(launch(quiet)))) == []


@pytest.mark.parametrize(
    "latched",
    [
        signal("raspberry:throttled_since_boot", [1] * 6),
        signal("throttle:throttled_since_boot", [0, 1, 1, 1, 1, 1], "event"),  # during warm-up
        signal("throttle:throttled_since_boot", [math.nan, math.nan, 1, 1, 1, 1], "event"),
    ],
)
def test_latched_before_fires(latched: Trace) -> None:
    found = only(throttle_checks.latched_before, context(launch(latched)))
    assert (found.code, found.severity) == ("latched_before", "doubt")
    assert found.evidence == ("throttled had happened since boot, before the steady part: a clean claim is refused")
    assert "restart the board" in found.advice


def test_latched_before_is_silent() -> None:
    for quiet in (
        signal("raspberry:throttled_since_boot", [0] * 6),
        signal("raspberry:throttled_since_boot", [0, 0, 0, 1, 1, 1]),  # which is throttled
        signal("throttle:throttled", [1] * 6),
    ):
        assert list(throttle_checks.latched_before(context(launch(quiet)))) == []


FELL = (1.8e9, 1.8e9, 1.8e9, 1.6e9, 1.8e9, 1.8e9)


@pytest.mark.parametrize(
    ("name", "providers", "backend"),
    [
        ("tegrastats:GR3D_clock", ["CUDAExecutionProvider", "CPUExecutionProvider"], "onnxruntime"),
        ("nvml:gpu0_sm_clock", [], "tensorrt"),
        ("raspberry:arm_clock", ["CPUExecutionProvider"], "onnxruntime"),
    ],
)
def test_accelerator_clock_changed_fires(name: str, providers: list[str], backend: str) -> None:
    timed = launch(signal(name, FELL, "Hz"), number=4, providers=providers)
    found = only(throttle_checks.accelerator_clock_changed, context(launch(), timed, backend=backend))
    assert (found.code, found.severity) == ("clock_changed", "doubt")
    assert found.evidence == f"{name} ran between 1.60 and 1.80 GHz in launch 4"


@pytest.mark.parametrize(
    ("name", "values", "providers"),
    [
        ("tegrastats:GR3D_clock", FELL, ["CPUExecutionProvider"]),  # a GPU that is not in use may rest
        ("nvml:gpu0_mem_clock", FELL, ["CUDAExecutionProvider"]),
        ("tegrastats:EMC_clock", FELL, ["CUDAExecutionProvider"]),
        ("tegrastats:GR3D_clock", (1e9, 1e9, 1.8e9, 1.75e9, 1.8e9, 1e9), ["CUDAExecutionProvider"]),
    ],
)
def test_accelerator_clock_changed_is_silent(name: str, values: Sequence[float], providers: list[str]) -> None:
    timed = launch(signal(name, values, "Hz"), providers=providers)
    assert list(throttle_checks.accelerator_clock_changed(context(timed))) == []
