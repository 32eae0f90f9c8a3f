from __future__ import annotations

import json
import platform
from pathlib import Path

import pytest

from harness.agent import facts
from tests.support.agent_side import tree

MEMINFO = """MemTotal:        4000 kB
MemFree:          100 kB
MemAvailable:    3000 kB
SwapTotal:       2000 kB
SwapFree:        1500 kB
"""
CPUINFO = """processor\t: 0
model name\t: Example CPU @ 2.00GHz
flags\t\t: fpu avx2 avx512_vnni hypervisor
vmx flags\t: vnmi avx512f

processor\t: 1
model name\t: Another CPU
"""


def test_facts_of_a_captured_machine(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "proc/cpuinfo": CPUINFO,
            "proc/meminfo": MEMINFO,
            "proc/loadavg": "0.25 0.10 0.05 1/100 4242\n",
            "proc/sys/kernel/random/boot_id": "6f1c\n",
            "proc/sys/kernel/randomize_va_space": "2\n",
            "etc/os-release": 'ID=debian\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance\n",
            "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor": "performance\n",
            "sys/devices/system/cpu/intel_pstate/no_turbo": "1\n",
        },
    )
    found = facts.machine_facts(root)
    expected = {
        "python": platform.python_version(),
        "cpu": "Example CPU @ 2.00GHz",
        "instruction_sets": ["avx2", "avx512_vnni"],
        "hypervisor": True,
        "memory_bytes": 4000 * 1024,
        "memory_available_bytes": 3000 * 1024,
        "swap_used_bytes": 500 * 1024,
        "load_average_1min": 0.25,
        "boot_id": "6f1c",
        "address_randomization": "2",
        "distribution": "Debian GNU/Linux 12 (bookworm)",
        "governors": ["performance"],
        "boost": False,
    }
    assert {key: found.get(key) for key in expected} == expected
    json.dumps(found, allow_nan=False)


def test_an_empty_machine_has_no_invented_facts(tmp_path: Path) -> None:
    found = facts.machine_facts(str(tmp_path))
    absent = {"cpu", "memory_bytes", "boot_id", "distribution", "governors", "boost", "load_average_1min"}
    assert not absent & set(found)
    assert None not in found.values()
    assert found["instruction_sets"] == []


def test_a_board_without_a_model_name_is_named_by_its_device_tree(tmp_path: Path) -> None:
    files = {
        "proc/cpuinfo": "processor\t: 0\nFeatures\t: fp asimd asimddp\n",
        "proc/device-tree/model": b"NVIDIA Jetson Nano Developer Kit\0",
    }
    found = facts.machine_facts(tree(tmp_path, files))
    assert found["cpu"] == "NVIDIA Jetson Nano Developer Kit"
    assert found["instruction_sets"] == ["asimd", "asimddp"]
    assert found["hypervisor"] is False


@pytest.mark.parametrize(
    ("file", "text", "boost"),
    [
        ("intel_pstate/no_turbo", "0\n", True),
        ("intel_pstate/no_turbo", "1\n", False),
        ("cpufreq/boost", "1\n", True),
        ("cpufreq/boost", "0\n", False),
    ],
)
def test_boost_by_either_driver(tmp_path: Path, file: str, text: str, boost: bool) -> None:
    root = tree(tmp_path, {f"sys/devices/system/cpu/{file}": text})
    assert facts.present_state(root) == {"boost": boost}


@pytest.mark.parametrize(
    ("alias", "machine", "emulated"),
    [
        ("cpu:type:x86,ven0000fam0006:feature:,0000", "x86_64", None),
        ("cpu:type:x86,ven0000fam0006:feature:,0000", "i686", None),
        ("cpu:type:aarch64:feature:,0000", "aarch64", None),
        ("cpu:type:aarch64:feature:,0000", "armv8l", None),  # a 32-bit system on a 64-bit kernel
        ("cpu:type:x86,ven0002fam001A:feature:,0000", "aarch64", "aarch64 on x86"),
        ("cpu:type:x86,ven0002fam001A:feature:,0000", "armv7l", "armv7l on x86"),
        ("garbage", "aarch64", None),
    ],
)
def test_an_emulated_processor_is_known_by_the_kernel_below(
    tmp_path: Path, alias: str, machine: str, emulated: str | None
) -> None:
    root = tree(tmp_path, {"sys/devices/system/cpu/modalias": alias + "\n"})
    assert facts._emulated(root, machine) == emulated


def test_this_machine_is_what_it_says() -> None:
    assert "emulated" not in facts.machine_facts("/")
