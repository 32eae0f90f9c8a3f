"""Device TOML is read with exact keys; every message names the file and the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.agent import backends, collectors
from harness.agent.tables import resolve
from harness.errors import EXIT_USAGE, DeviceFileError
from harness.model.case import Settings
from harness.model.device import Limits, parse_device, stranger
from harness.registry import device_names, load_device

GOOD = """\
schema = 1
name = "board"
title = "A board"
transport = "local"
backends = ["onnxruntime"]
collectors = ["process", "cpu"]
sensor_period_s = 0.1
[settings]
threads = 4
affinity = "2,3"
nice = -5
[limits]
temperature_c = 80
"""


def test_every_key_arrives() -> None:
    device = parse_device(GOOD, "board.toml")
    assert (device.name, device.title, device.transport, device.sensor_period_s) == ("board", "A board", "local", 0.1)
    assert (device.backends, device.collectors) == (("onnxruntime",), ("process", "cpu"))
    assert device.settings == Settings(4, "2,3", -5)
    assert device.limits == Limits(other_load_cores=0.2, temperature_c=80.0)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("title", "titel", r"board\.toml: unknown key 'titel'; did you mean title\?"),
        ("threads = 4", "thread = 4", r"board\.toml: settings: unknown key 'thread'; did you mean threads\?"),
        ("temperature_c", "temprature_c", r"board\.toml: limits: unknown key 'temprature_c'; did you mean temperature"),
        ('name = "board"\n', "", r"board\.toml: the key 'name' is missing"),
        ("threads = 4", 'threads = "4"', r"board\.toml: settings: threads: expected int, found '4'"),
        ('["onnxruntime"]', '"onnxruntime"', r"board\.toml: backends: expected a list, found 'onnxruntime'"),
        ('"cpu"]', "5]", r"board\.toml: collectors\[1\]: expected str, found 5"),
        ('"local"', '"carrier pigeon"', r"board\.toml: transport: 'carrier pigeon' is not one of local"),
        ('"2,3"', '"2-3"', r"affinity '2-3' is none of: last, none, or core numbers"),
        ("threads = 4", "threads = 0", r"threads must be 1 or more, not 0"),
        ("[settings]", "settings = 5\n[other]", r"board\.toml: unknown key 'other'"),
        (
            "[limits]",
            "[sensor.cpuu]\nperiod_s = 1.0\n[limits]",
            r"board\.toml: sensor: no collector of this device is called 'cpuu'; did you mean cpu\?",
        ),
        (
            "[limits]",
            "[sensor.plug]\nurl = 'http://x'\n[limits]",
            r"board\.toml: sensor: no collector .* 'plug'; .*nown: cpu, process",
        ),
        (
            "[limits]",
            "[sensor.cpu]\nperiod_s = 'soon'\n[limits]",
            r"sensor\.cpu: period_s is a time in s above 0, not 'soon'",
        ),
        ("[limits]", "[sensor.cpu]\nperiod_s = 0\n[limits]", r"sensor\.cpu: period_s is a time in s above 0, not 0"),
        ("[limits]", "[sensor.cpu]\nperiod_s = true\n[limits]", r"sensor\.cpu: period_s is a time in s .* not True"),
        ("schema = 1", "schema = 2", r"board\.toml: schema 2 is not 1; this harness reads 1 only"),
        ("schema = 1", "schema = ", r"board\.toml: not valid TOML: .*line 1"),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(DeviceFileError, match=said) as caught:
        parse_device(GOOD.replace(old, new), "devices/board.toml")
    assert caught.value.exit_code == EXIT_USAGE


BOARDS = {
    "coral-dev-board",
    "jetson-agx-orin",
    "jetson-agx-xavier",
    "jetson-nano",
    "jetson-orin-nano",
    "jetson-orin-nx",
    "jetson-thor",
    "jetson-tx1",
    "jetson-tx2",
    "jetson-xavier-nx",
    "localhost",
    "nvidia-gpu",
    "raspberry-pi-4",
    "raspberry-pi-5",
    "x86-rapl",
}
# What hardware.md, section 1.4, calls the total: channels of the first total that a sensor of the board itself gives.
TOTALS = {
    "jetson-nano": (("ina:POM_5V_IN_power",), "board input"),
    "jetson-tx1": (("ina:VDD_IN_power",), "module input"),
    "jetson-tx2": (("ina:VDD_IN_power",), "module input"),
    "jetson-xavier-nx": (("ina:VDD_IN_power",), "module input"),
    "jetson-orin-nano": (("ina:VDD_IN_power",), "module input"),
    "jetson-orin-nx": (("ina:VDD_IN_power",), "module input"),
    "jetson-agx-xavier": (
        tuple(f"ina:{rail}_power" for rail in ("GPU", "CPU", "SOC", "CV", "VDDRQ", "SYS5V")),
        "sum of rails",
    ),
    "jetson-agx-orin": (
        ("ina:VDD_GPU_SOC_power", "ina:VDD_CPU_CV_power", "ina:VIN_SYS_5V0_power"),
        "sum of rails",
    ),
    "jetson-thor": (("ina:ina238_*_power",), "board input"),
    "raspberry-pi-5": (("raspberry:pmic_power",), "PMIC rails"),
    "nvidia-gpu": (("nvml:gpu0_energy",), "GPU"),
}


def test_every_board_of_the_facts_has_a_file() -> None:
    assert set(device_names()) >= BOARDS


@pytest.mark.parametrize("name", sorted(BOARDS))
def test_a_built_in_file_is_whole(name: str) -> None:
    """Collectors that exist, totals that are read, options of collectors that are read, no part in any total."""
    device = load_device(name)
    assert device.name == name
    assert set(device.collectors) <= set(collectors.TABLE)
    assert set(device.backends) <= set(backends.TABLE)
    assert set(device.sensor) <= set(device.collectors)
    assert device.power.totals
    summed = [channel for total in device.power.totals for channel in total.channels]
    read = {channel.partition(":")[0] for channel in (*summed, *device.power.parts)}
    assert read <= set(device.collectors)
    assert not set(summed) & set(device.power.parts)


@pytest.mark.parametrize("name", sorted(BOARDS))
def test_its_collectors_know_their_options(name: str, tmp_path: Path) -> None:
    """On a machine that has nothing: each says why it cannot be read, or can be."""
    device = load_device(name)
    for collector in device.collectors:
        options = dict(device.sensor.get(collector, {}))
        period_s = float(options.pop("period_s", device.sensor_period_s))
        place = collectors.Place(str(tmp_path), 1, 1, period_s, options)
        assert resolve(collectors.TABLE, "collector", collector)(place).name == collector


@pytest.mark.parametrize("name", sorted(BOARDS))
def test_a_sum_names_what_it_sums(name: str) -> None:
    for total in load_device(name).power.totals:
        said = " ".join(total.caveats)
        for channel in total.channels if len(total.channels) > 1 else ():
            rail = channel.partition(":")[2].removesuffix("_power").removesuffix("_energy")
            assert rail in said, (channel, said)
        assert (total.scope == "sum of rails") <= (len(total.channels) > 1)


@pytest.mark.parametrize("name", sorted(TOTALS))
def test_the_total_is_the_one_of_the_facts(name: str) -> None:
    own = [total for total in load_device(name).power.totals if not total.channels[0].startswith("joulescope")]
    assert (own[0].channels, own[0].scope) == TOTALS[name]


@pytest.mark.parametrize(
    ("name", "step_w"),
    [("jetson-nano", 0.042), ("jetson-tx2", 0.038), ("jetson-orin-nx", 0.04), ("jetson-agx-orin", 0.4)],
)
def test_the_steps_of_a_sensor_are_those_of_the_captures(name: str, step_w: float) -> None:
    """hardware.md, section 1.5."""
    assert load_device(name).power.totals[0].step_w == step_w


@pytest.mark.parametrize("name", ["raspberry-pi-4", "coral-dev-board"])
def test_a_board_without_a_sensor_has_external_meters_alone(name: str) -> None:
    device = load_device(name)
    assert {channel.partition(":")[0] for total in device.power.totals for channel in total.channels} == {
        "joulescope",
        "plug",
    }
    assert any("only an external meter" in caveat for total in device.power.totals for caveat in total.caveats)


def test_tegrastats_stands_in_for_the_power_monitor_on_every_jetson() -> None:
    for name in sorted(one for one in BOARDS if one.startswith("jetson")):
        scopes = [(total.channels[0].partition(":")[0], total.scope) for total in load_device(name).power.totals]
        assert ("ina", scopes[0][1]) in scopes
        assert ("tegrastats", scopes[0][1]) in scopes
        assert scopes[-1] == ("plug", "wall")
        assert [place for place, _ in scopes].index("ina") < [place for place, _ in scopes].index("tegrastats")


@pytest.mark.parametrize(
    ("name", "facts", "said"),
    [
        ("jetson-nano", {"board_model": "NVIDIA Jetson Nano Developer Kit", "machine": "aarch64"}, None),
        (
            "jetson-nano",
            {"board_model": "NVIDIA Jetson Orin Nano Developer Kit"},
            "NVIDIA Jetson Orin Nano Developer Kit",
        ),
        (
            "jetson-orin-nano",
            {"board_model": "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super"},
            None,
        ),
        ("raspberry-pi-5", {"board_model": "Raspberry Pi 5 Model B Rev 1.0"}, None),
        ("raspberry-pi-4", {"board_model": "Raspberry Pi 5 Model B Rev 1.0"}, "Raspberry Pi 5 Model B Rev 1.0"),
        ("jetson-nano", {"machine": "x86_64", "cpu": "A CPU"}, "x86_64 A CPU"),
        ("x86-rapl", {"machine": "x86_64", "cpu": "A CPU"}, None),
        ("localhost", {}, None),
    ],
)
def test_a_board_is_known_by_what_it_says_of_itself(name: str, facts: dict[str, str], said: str | None) -> None:
    assert stranger(load_device(name), facts) == said


def test_every_board_but_this_machine_must_say_what_it_is() -> None:
    assert [name for name in device_names() if not load_device(name).identity] == ["localhost"]
