"""Trees of /sys as each family of boards shows its power sensors, made from hardware.md sections 2 and 5.

Folders lie where the kernel puts them, and /sys/bus and /sys/class point at them by relative links. All numbers are
made up in the sensors' own steps; none was captured. Each board returns its root as the agent takes it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.agent_side import tree

# A rail: its name, millivolts, milliamperes.
Rail = tuple[str, int, int]
MICROJOULES_INTEL = 262_143_328_850  # max_energy_range_uj of Intel desktops, 262 kJ
MICROJOULES_AMD = 65_532_610_987  # of AMD, 65.5 kJ


def link(root: Path, place: str, target: str) -> None:
    """A relative link, as /sys has them."""
    path = root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(os.path.relpath(root / target, path.parent))


def i2c_chip(root: Path, address: str, kind: str) -> str:
    """A chip on a bus; returns its folder below the root."""
    bus = address.partition("-")[0]
    folder = f"sys/devices/platform/{bus}000.i2c/i2c-{bus}/{address}"
    tree(root, {f"{folder}/name": kind + "\n"})
    link(root, f"sys/bus/i2c/devices/{address}", folder)
    return folder


def hwmon(root: Path, number: int, name: str, files: Mapping[str, object], device: str | None = None) -> str:
    """A monitor, below a device where it has one; returns its folder below the root."""
    folder = f"{device}/hwmon/hwmon{number}" if device else f"sys/devices/virtual/hwmon/hwmon{number}"
    tree(root, {f"{folder}/{file}": f"{value}\n" for file, value in {"name": name, **files}.items()})
    link(root, f"sys/class/hwmon/hwmon{number}", folder)
    if device:
        link(root, f"{folder}/device", device)
    return folder


def ina_iio(root: Path, address: str, rails: Sequence[Rail], device: int = 0, kind: str = "ina3221x") -> str:
    """An INA3221 of kernel 4.9: power in milliwatts, cut off as its driver does."""
    folder = f"{i2c_chip(root, address, kind)}/iio:device{device}"
    files: dict[str, object] = {"name": kind}
    for number, (name, millivolts, milliamperes) in enumerate(rails):
        files[f"rail_name_{number}"] = name
        files[f"in_voltage{number}_input"] = millivolts
        files[f"in_current{number}_input"] = milliamperes
        files[f"in_power{number}_input"] = millivolts * milliamperes // 1000
        files[f"warn_current_limit_{number}"] = files[f"crit_current_limit_{number}"] = 32760
    tree(root, {f"{folder}/{file}": f"{value}\n" for file, value in files.items()})
    link(root, f"sys/bus/iio/devices/iio:device{device}", folder)
    return folder


def ina3221(root: Path, address: str, rails: Sequence[Rail], number: int = 0) -> str:
    """An INA3221 of kernel 5 and later: no power, three shunt voltages, and a sum that is no rail."""
    files: dict[str, object] = {"samples": 64, "update_interval": 538, "in7_label": "sum of shunt voltages"}
    files.update(in7_input=4, curr4_input=1000)
    for place, (name, millivolts, milliamperes) in enumerate(rails, 1):
        files[f"in{place}_label"], files[f"in{place}_enable"] = name, 1
        files[f"in{place}_input"], files[f"curr{place}_input"] = millivolts, milliamperes
        files[f"in{place + 3}_input"], files[f"shunt{place}_resistor"] = milliamperes // 200, 5000
        files[f"curr{place}_max"] = files[f"curr{place}_crit"] = 32760
    return hwmon(root, number, "ina3221", files, i2c_chip(root, address, "ina3221"))


def ina_single(
    root: Path, kind: str, address: str, microwatts: int, millivolts: int, milliamperes: int, number: int = 0
) -> str:
    """An INA226, INA219 or INA238: one rail with power; in0 is the shunt's voltage."""
    files = {"power1_input": microwatts, "in0_input": 3, "in1_input": millivolts, "curr1_input": milliamperes}
    return hwmon(root, number, kind, {**files, "shunt_resistor": 2000}, i2c_chip(root, address, kind))


def nano(root: Path) -> str:
    """Jetson Nano: the 5 V input, and the GPU's and the CPU's part of it."""
    ina_iio(root, "6-0040", [("POM_5V_IN", 4936, 520), ("POM_5V_GPU", 4928, 16), ("POM_5V_CPU", 4928, 120)])
    return str(root)


def tx1(root: Path) -> str:
    """Jetson TX1."""
    ina_iio(root, "6-0040", [("VDD_IN", 18960, 208), ("VDD_GPU", 18952, 24), ("VDD_CPU", 18952, 40)], device=3)
    return str(root)


def tx2(root: Path) -> str:
    """Jetson TX2: two chips on the module, two on the carrier, in no order of their device numbers."""
    ina_iio(root, "0-0043", [("VDD_3V3_IO_SLP", 3344, 8), ("VDD_1V8_IO", 1816, 48), ("VDD_3V3_SYS_M2", 3352, 0)], 0)
    ina_iio(root, "0-0042", [("VDD_MUX", 19152, 312), ("VDD_5V0_IO_SYS", 5008, 96), ("VDD_3V3_SYS", 3352, 64)], 1)
    ina_iio(root, "0-0041", [("VDD_IN", 19136, 200), ("VDD_SYS_CPU", 19136, 32), ("VDD_SYS_DDR", 4792, 72)], 2)
    ina_iio(root, "0-0040", [("VDD_SYS_GPU", 19136, 12), ("VDD_SYS_SOC", 19136, 40), ("VDD_4V0_WIFI", 4792, 4)], 3)
    return str(root)


def agx_xavier(root: Path) -> str:
    """Jetson AGX Xavier: six rails and no total."""
    ina_iio(root, "1-0040", [("GPU", 19120, 20), ("CPU", 19120, 44), ("SOC", 19120, 80)], 0)
    ina_iio(root, "1-0041", [("CV", 19112, 0), ("VDDRQ", 19112, 16), ("SYS5V", 5016, 320)], 1)
    return str(root)


XAVIER_NX = [("VDD_IN", 4960, 560), ("VDD_CPU_GPU_CV", 4960, 88), ("VDD_SOC", 4952, 184)]


def xavier_nx_iio(root: Path) -> str:
    """Jetson Xavier NX below kernel 4.9."""
    ina_iio(root, "7-0040", XAVIER_NX)
    return str(root)


def xavier_nx(root: Path) -> str:
    """Jetson Xavier NX below kernel 5.10."""
    ina3221(root, "7-0040", XAVIER_NX, number=4)
    return str(root)


def orin_nano(root: Path) -> str:
    """Jetson Orin Nano; the Orin NX shows the same rails."""
    ina3221(root, "1-0040", [("VDD_IN", 5032, 936), ("VDD_CPU_GPU_CV", 5024, 152), ("VDD_SOC", 5024, 288)], number=1)
    return str(root)


def agx_orin(root: Path) -> str:
    """Jetson AGX Orin: two chips, of which the second has two inputs that are not connected."""
    ina3221(root, "1-0041", [("NC", 0, 0), ("VDDQ_VDD2_1V8AO", 19888, 40), ("NC", 0, 0)], number=3)
    rails = [("VDD_GPU_SOC", 19896, 160), ("VDD_CPU_CV", 19896, 20), ("VIN_SYS_5V0", 5016, 600)]
    ina3221(root, "1-0040", rails, number=5)
    return str(root)


def thor(root: Path) -> str:
    """Jetson AGX Thor: three rails of the module, and an INA238 at the input of the carrier."""
    ina_single(root, "ina238", "2-0044", 28_750_000, 20_125, 1_429, number=2)
    rails = [("VDD_GPU", 19992, 320), ("VDD_CPU_SOC_MSS", 19992, 480), ("VIN_SYS_5V0", 5008, 1240)]
    ina3221(root, "2-0040", rails, number=6)
    return str(root)


def external(root: Path, kind: str = "ina226", label: str | None = None) -> str:
    """A breakout before the supply of any board, e.g. a Raspberry Pi 4."""
    folder = ina_single(root, kind, "1-0045", 3_275_000, 5_095, 643)
    if label is not None:
        tree(root, {f"{folder}/label": label + "\n"})
    return str(root)


def zone(root: Path, entry: str, name: str, microjoules: int, range_uj: int, limits_uw: Sequence[int] = ()) -> str:
    """A powercap zone, e.g. intel-rapl:0:1; returns its folder below the root."""
    control, *numbers = entry.split(":")
    parts = [control] + [":".join([control, *numbers[: place + 1]]) for place in range(len(numbers))]
    folder = "/".join(["sys/devices/virtual/powercap", *parts])
    files = {"name": name, "energy_uj": microjoules, "max_energy_range_uj": range_uj, "enabled": 1}
    for number, limit in enumerate(limits_uw):
        files[f"constraint_{number}_power_limit_uw"] = limit
    tree(root, {f"{folder}/{file}": f"{value}\n" for file, value in files.items()})
    link(root, f"sys/class/powercap/{entry}", folder)
    if not (root / "sys/class/powercap" / control).exists():
        link(root, f"sys/class/powercap/{control}", f"sys/devices/virtual/powercap/{control}")
    return folder


def intel_desktop(root: Path) -> str:
    """One package with all its children, psys, and the package again through mmio."""
    zone(root, "intel-rapl:0", "package-0", 12_000_000, MICROJOULES_INTEL, (125_000_000, 136_000_000))
    zone(root, "intel-rapl:0:0", "core", 7_000_000, MICROJOULES_INTEL, (0,))
    zone(root, "intel-rapl:0:1", "uncore", 500_000, MICROJOULES_INTEL)
    zone(root, "intel-rapl:0:2", "dram", 2_000_000, MICROJOULES_INTEL, (3_408_250_000,))
    zone(root, "intel-rapl:1", "psys", 40_000_000, MICROJOULES_INTEL, (0, 0))
    zone(root, "intel-rapl-mmio:0", "package-0", 12_000_000, MICROJOULES_INTEL, (125_000_000,))
    return str(root)


def intel_server(root: Path) -> str:
    """Two sockets of two dies; zone numbers are not in the order of the packages."""
    names = ["package-1-die-0", "package-0-die-1", "package-0-die-0", "package-1-die-1"]
    for number, name in enumerate(names):
        zone(root, f"intel-rapl:{number}", name, 1_000_000 * number, MICROJOULES_INTEL, (205_000_000,))
        zone(root, f"intel-rapl:{number}:0", "dram", 100_000 * number, MICROJOULES_INTEL // 4)
    return str(root)


def amd(root: Path) -> str:
    """Zen: package and core under Intel's names, a short range, no limits."""
    zone(root, "intel-rapl:0", "package-0", MICROJOULES_AMD - 1_000_000, MICROJOULES_AMD)
    zone(root, "intel-rapl:0:0", "core", 3_000_000, MICROJOULES_AMD)
    return str(root)


def supply(root: Path, name: str, kind: str, files: Mapping[str, object]) -> str:
    """A power supply; returns its folder below the root."""
    folder = f"sys/devices/platform/supplies/power_supply/{name}"
    tree(root, {f"{folder}/{file}": f"{value}\n" for file, value in {"type": kind, **files}.items()})
    link(root, f"sys/class/power_supply/{name}", folder)
    return folder


def laptop(root: Path, status: str = "Discharging") -> str:
    """One battery that tells power, its charger, and the battery of a mouse."""
    supply(root, "AC", "Mains", {"online": int(status != "Discharging")})
    gauge = {"status": status, "power_now": 8_412_000, "voltage_now": 11_870_000, "current_now": 709_000}
    supply(root, "BAT0", "Battery", gauge)
    supply(root, "hidpp_battery_0", "Battery", {"scope": "Device", "status": "Discharging", "voltage_now": 3_900_000})
    return str(root)


def orin_throttle(root: Path) -> str:
    """Tegra: over-current alarms, of which the third is not armed, and cooling devices of every kind."""
    counts = {"oc1_event_cnt": 4, "oc1_throt_en": 1, "oc2_event_cnt": 0, "oc2_throt_en": 1}
    hwmon(root, 9, "soctherm_oc", {**counts, "oc3_event_cnt": 77, "oc3_throt_en": 0})
    coolers = ["pwm-fan", "cpu-throttle-alert", "hot-surface-alert", "thermal-devfreq-0", "gpu-throttle-alert"]
    for number, kind in enumerate(coolers):
        folder = f"sys/devices/virtual/thermal/cooling_device{number}"
        tree(root, {f"{folder}/type": f"{kind}\n", f"{folder}/cur_state": f"{int(number < 2)}\n"})
        link(root, f"sys/class/thermal/cooling_device{number}", folder)
    policies(root, {0: (1_728_000, 1_728_000), 4: (1_113_600, 1_728_000)})
    return str(root)


def policies(root: Path, clocks: Mapping[int, tuple[int, int]]) -> str:
    """Policies of cpufreq by their first core: scaling_max_freq and cpuinfo_max_freq in kHz."""
    for core, (allowed, possible) in clocks.items():
        folder = f"sys/devices/system/cpu/cpufreq/policy{core}"
        tree(root, {f"{folder}/scaling_max_freq": f"{allowed}\n", f"{folder}/cpuinfo_max_freq": f"{possible}\n"})
    return str(root)


def intel_throttle(root: Path) -> str:
    """Two packages of two cores with the counters of x86."""
    for core in range(4):
        folder = f"sys/devices/system/cpu/cpu{core}"
        counts = {"core": 10 + core, "package": 100 + core // 2}
        files = {f"thermal_throttle/{name}_throttle_count": count for name, count in counts.items()}
        files["topology/physical_package_id"] = core // 2
        tree(root, {f"{folder}/{file}": f"{value}\n" for file, value in files.items()})
    return str(root)


def raspberry_throttle(root: Path, bits: str = "50005") -> str:
    """The firmware's file, in hex without 0x, and the monitor of the supply."""
    tree(root, {"sys/devices/platform/soc/soc:firmware/get_throttled": bits + "\n"})
    hwmon(root, 1, "rpi_volt", {"in0_lcrit_alarm": 0})
    return str(root)
