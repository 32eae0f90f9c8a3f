"""Device TOML is read with exact keys; every message names the file and the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.agent import backends, collectors, controls
from harness.agent.tables import resolve
from harness.board.offered import offered
from harness.errors import EXIT_USAGE, DeviceFileError, UsageError
from harness.model.case import Settings
from harness.model.device import (
    Limits,
    Offered,
    Runtime,
    Settle,
    State,
    check_device,
    parse_device,
    stranger,
    with_power_mode,
)
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
        ("title", "titel", r"board\.toml: unknown key 'titel'; did you mean title"),
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
        (
            "[limits]",
            "[state]\nclock = 'locked'\n[limits]",
            r"board\.toml: state: unknown key 'clock'; did you mean clocks\?",
        ),
        ("[limits]", "[state]\nclocks = 'fast'\n[limits]", r"board\.toml: state: clocks: 'fast' is not one of locked"),
        ("[limits]", "[state]\nfan = 101\n[limits]", r"board\.toml: state: fan is a duty of 0 to 100 percent, not 101"),
        (
            "[limits]",
            "[state]\ncores = '0-'\n[limits]",
            r"board\.toml: state: cores '0-' is neither all nor core numbers",
        ),
        (
            "[limits]",
            "[settle]\nwindow_s = 0\n[limits]",
            r"board\.toml: settle: deadline_s and window_s are times in s",
        ),
        ("[limits]", "[runtimes.python]\n[limits]", r"board\.toml: runtimes\.python: the key 'oldest' is missing"),
        (
            "[settings]",
            "power_modes = ['MAXN']\nstate = { power_mode = '5W' }\n[settings]",
            r"board\.toml: state: power_mode '5W' is none of power_modes",
        ),
        ("schema = 1", "schema = 2", r"board\.toml: schema 2 is not 1; this harness reads 1 only"),
        ("schema = 1", "schema = ", r"board\.toml: not valid TOML: .*line 1"),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(DeviceFileError, match=said) as caught:
        parse_device(GOOD.replace(old, new), "devices/board.toml")
    assert caught.value.exit_code == EXIT_USAGE


def test_the_newer_keys_arrive() -> None:
    text = """\
power_modes = ["MAXN", "5W"]
thermal_zones = ["CPU*"]
runtimes = { python = { oldest = "3.6.9" }, tensorrt = { oldest = "8.2.1", install = "it is there" } }
state = { power_mode = "5W", clocks = "locked", fan = 100, cores = "0-1,3" }
settle = { deadline_s = 300, start_below_c = 60 }
"""
    device = parse_device(GOOD.replace("[settings]", f"{text}[settings]"), "board.toml")
    assert (device.power_modes, device.thermal_zones) == (("MAXN", "5W"), ("CPU*",))
    assert device.runtimes == {"python": Runtime("3.6.9"), "tensorrt": Runtime("8.2.1", "it is there")}
    assert device.state == State("5W", "locked", None, 100, "0-1,3")
    assert device.state.asked() == {"power_mode": "5W", "clocks": "locked", "fan": 100, "cores": "0-1,3"}
    assert device.settle == Settle(300.0, 60.0, 1.0, 60.0, 0.2)
    assert State().asked() == {}


def test_another_power_mode_is_one_of_those_listed() -> None:
    device = parse_device(GOOD.replace("[settings]", 'power_modes = ["MAXN", "5W"]\n[settings]'), "board.toml")
    assert with_power_mode(device, "5W").state == State(power_mode="5W")
    with pytest.raises(UsageError, match="no power mode of board is called '10W'; known: 5W, MAXN"):
        with_power_mode(device, "10W")


CHECKED = Offered(("onnxruntime",), ("process", "cpu"), ("governor",))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            '["onnxruntime"]',
            '["onnxruntme"]',
            r"b\.toml: the agent has no backend 'onnxruntme'; did you mean onnxruntime",
        ),
        ('"cpu"]', '"cup"]', r"b\.toml: the agent has no collector 'cup'; did you mean cpu"),
        ("[limits]", "[state]\nfan = 5\n[limits]", r"b\.toml: the agent has no control 'fan'; known: governor"),
        (
            "[limits]",
            "[[power.totals]]\nchannels = ['ina:VDD_IN_power']\nscope = 'module input'\n[limits]",
            r"b\.toml: power: totals\[0\]: ina:VDD_IN_power is read by none of its collectors; list 'ina' there",
        ),
        (
            "[limits]",
            "[power]\nparts = ['ina:GPU_power']\n[limits]",
            r"b\.toml: power: parts: ina:GPU_power is read by none",
        ),
        ("[limits]", "[limits]\nsupply = 'ina:IN_voltage'", r"b\.toml: limits: supply: ina:IN_voltage is read by none"),
        ('"local"', '"ssh"', r"b\.toml: identity is empty, so that any machine would pass for this board; write"),
    ],
)
def test_what_only_a_check_finds_is_named(old: str, new: str, said: str) -> None:
    check_device(parse_device(GOOD, "b.toml"), CHECKED, "b.toml")
    with pytest.raises(DeviceFileError, match=said):
        check_device(parse_device(GOOD.replace(old, new), "b.toml"), CHECKED, "b.toml")


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
    assert set(device_names()) == BOARDS | {"emulated-aarch64"}


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


def test_what_is_offered_is_what_the_agent_has() -> None:
    assert offered() == Offered(tuple(backends.TABLE), tuple(collectors.TABLE), tuple(controls.TABLE))


@pytest.mark.parametrize("name", device_names())
def test_a_built_in_file_passes_the_check(name: str) -> None:
    device = load_device(name)
    check_device(device, offered(), name)
    assert device.transport == ("local" if name in LOCAL else "ssh")
    assert all(runtime.oldest[0].isdigit() for runtime in device.runtimes.values())


LOCAL = {"localhost", "nvidia-gpu", "x86-rapl"}
# hardware.md, section 8.
OLDEST = {
    "jetson-nano": {"python": "3.6.9", "onnxruntime-gpu": "1.11.0", "tensorrt": "8.2.1"},
    "jetson-tx2": {"python": "3.6.9", "onnxruntime-gpu": "1.11.0", "tensorrt": "8.2.1"},
    "jetson-agx-orin": {"python": "3.8", "onnxruntime-gpu": "1.12.1", "tensorrt": "8.4"},
    "jetson-thor": {"python": "3.12", "tensorrt": "10.13.3"},
    "raspberry-pi-5": {"python": "3.11"},
}


@pytest.mark.parametrize("name", sorted(OLDEST))
def test_the_oldest_runtimes_are_those_of_the_facts(name: str) -> None:
    runtimes = load_device(name).runtimes
    assert {key: runtimes[key].oldest for key in OLDEST[name]} == OLDEST[name]


def test_what_is_set_and_waited_for() -> None:
    """Boards alone: this machine is left as it is, and an emulated one has only its host's."""
    for name in device_names():
        device = load_device(name)
        jetson = name.startswith("jetson")
        assert device.state.clocks == ("locked" if jetson else None)
        governed = name in {"raspberry-pi-4", "raspberry-pi-5", "coral-dev-board", "x86-rapl", "nvidia-gpu"}
        assert device.state.governor == ("performance" if governed else None)
        board = name not in LOCAL | {"emulated-aarch64"}
        assert device.settle.deadline_s == (300.0 if board else 0.0)
        assert (device.settle.start_below_c is not None) == board
        assert device.settle.start_below_c is None or device.settle.start_below_c <= device.limits.temperature_c - 15
    # The kit is sold without one; asking would be a finding on each.
    assert [name for name in device_names() if name.startswith("jetson") and load_device(name).state.fan is None] == [
        "jetson-nano"
    ]


def test_only_a_jetson_has_power_modes() -> None:
    """TX1: none were found in public."""
    listed = {name for name in device_names() if load_device(name).power_modes}
    assert listed == {name for name in device_names() if name.startswith("jetson")} - {"jetson-tx1"}


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
        ("emulated-aarch64", {"machine": "aarch64", "emulated": "aarch64 on x86"}, None),
        ("emulated-aarch64", {"machine": "aarch64"}, "aarch64"),
        ("x86-rapl", {"machine": "x86_64", "emulated": "x86_64 on arm"}, "emulated x86_64 on arm"),
        (
            "jetson-nano",
            {"board_model": "NVIDIA Jetson Nano", "emulated": "aarch64 on x86"},
            "emulated aarch64 on x86",
        ),
    ],
)
def test_a_board_is_known_by_what_it_says_of_itself(name: str, facts: dict[str, str], said: str | None) -> None:
    assert stranger(load_device(name), facts) == said


def test_every_board_but_this_machine_must_say_what_it_is() -> None:
    assert [name for name in device_names() if not load_device(name).identity] == ["localhost"]
