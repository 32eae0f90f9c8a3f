"""What the machine says of itself: facts that a record needs to be understood later. Reads files; changes nothing."""

import os
import platform
import re
import sys
import time

from .collectors.files import read_text, under

# Instruction sets that decide which int8 and bf16 kernels a runtime picks.
_TELLING_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "asimd", "asimddp", "i8mm")


def machine_facts(root):
    """Static facts and the present state, as JSON values; what cannot be read is left out, never guessed."""
    cpuinfo = read_text(under(root, "proc/cpuinfo")) or ""
    found = {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "machine": platform.machine(),
        "system": platform.system(),
        "kernel": platform.release(),
        "cpu": _field(cpuinfo, "model name") or _board_model(root),
        "board_model": _board_model(root),
        "instruction_sets": [flag for flag in _TELLING_FLAGS if flag in _flags(cpuinfo)],
        "hypervisor": "hypervisor" in _flags(cpuinfo),
        "emulated": _emulated(root, platform.machine()),
        "cores": os.cpu_count(),
        "cores_allowed": len(os.sched_getaffinity(0)),
        "memory_bytes": _meminfo(root, "MemTotal"),
        "boot_id": read_text(under(root, "proc/sys/kernel/random/boot_id")),
        "distribution": _distribution(root),
        "byteorder": sys.byteorder,
        # Seconds since 1970 minus the clock that everything is timed with: by it a log of another tool finds its place.
        "epoch_minus_clock_s": time.time() - time.perf_counter(),
    }
    found.update(present_state(root))
    return {key: value for key, value in found.items() if value is not None}


def present_state(root):
    """What may change from trial to trial: governor, turbo, swap in use, load average, free memory."""
    load = (read_text(under(root, "proc/loadavg")) or "").split()
    turbo = read_text(under(root, "sys/devices/system/cpu/intel_pstate/no_turbo"))
    boost = read_text(under(root, "sys/devices/system/cpu/cpufreq/boost"))
    total, free = _meminfo(root, "SwapTotal"), _meminfo(root, "SwapFree")
    found = {
        "governors": _governors(root),
        "boost": turbo == "0" if turbo is not None else (boost == "1" if boost is not None else None),
        "load_average_1min": float(load[0]) if load else None,
        "memory_available_bytes": _meminfo(root, "MemAvailable"),
        "swap_used_bytes": total - free if total is not None and free is not None else None,
        "zram_bytes": _zram_bytes(root),
        "address_randomization": read_text(under(root, "proc/sys/kernel/randomize_va_space")),
    }
    return {key: value for key, value in found.items() if value is not None}


def _governors(root):
    folder = under(root, "sys/devices/system/cpu")
    found = set()
    for core in range(os.cpu_count() or 1):
        governor = read_text(os.path.join(folder, "cpu{}/cpufreq/scaling_governor".format(core)))
        if governor:
            found.add(governor)
    return sorted(found) or None


def _meminfo(root, key):
    match = re.search(r"^{}:\s+(\d+) kB".format(key), read_text(under(root, "proc/meminfo")) or "", re.MULTILINE)
    return int(match.group(1)) * 1024 if match else None


def _zram_bytes(root):
    """Swap that is compressed memory, as Jetsons have it by default; None where there is none."""
    sizes = re.findall(r"^/dev/zram\S*\s+\S+\s+(\d+)", read_text(under(root, "proc/swaps")) or "", re.MULTILINE)
    return sum(int(size) for size in sizes) * 1024 or None


def _emulated(root, machine):
    """What an emulated processor stands on, e.g. "aarch64 on x86"; None on a real one, or where nothing tells.

    User-mode emulators answer uname and /proc/cpuinfo for their guest and pass /sys through: the kernel's own name of
    the processor is then of another family.
    """
    alias = read_text(under(root, "sys/devices/system/cpu/modalias")) or ""
    match = re.match(r"cpu:type:([^:,]+)", alias)
    if match is None or _family(match.group(1)) == _family(machine):
        return None
    return "{} on {}".format(machine, match.group(1))


def _family(name):
    # A 32-bit process on a 64-bit kernel of its own family is no emulation.
    lowered = name.lower()
    if re.match(r"x86|i[3-6]86|amd64", lowered):
        return "x86"
    return "arm" if lowered.startswith(("arm", "aarch64")) else lowered


def _field(cpuinfo, key):
    match = re.search(r"^{}\s*:\s*(.+)$".format(key), cpuinfo, re.MULTILINE)
    return match.group(1).strip() if match else None


def _board_model(root):
    # Strings of the device tree end with a zero byte, which is no blank.
    return (read_text(under(root, "proc/device-tree/model")) or "").strip("\0") or None


def _flags(cpuinfo):
    return set((_field(cpuinfo, "flags") or _field(cpuinfo, "Features") or "").split())


def _distribution(root):
    match = re.search(r'^PRETTY_NAME="?([^"\n]+)', read_text(under(root, "etc/os-release")) or "", re.MULTILINE)
    return match.group(1) if match else None
