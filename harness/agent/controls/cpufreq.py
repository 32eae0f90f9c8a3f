"""Where the kernel keeps the clocks of CPU and GPU: folders of files, below a root that tests replace. Sets nothing."""

import os
import re

from ..collectors.files import listed, number_in, read_text, under

# Nano 57000000.gpu, TX2 17000000.gp10b, Xavier gv11b, Orin ga10b or gpu, Thor gpu-gpc-0; no memory, no video engine.
_GPU = re.compile(r"gpu|\bg[apv]\d+b\b", re.IGNORECASE)
_CORE = re.compile(r"cpu(\d+)\Z", re.ASCII)
_POLICY = re.compile(r"policy(\d+)\Z", re.ASCII)


def cores(root):
    """Numbers of all cores there are, online or not."""
    folder = under(root, "sys/devices/system/cpu")
    return sorted(int(match.group(1)) for match in map(_CORE.match, listed(folder)) if match)


def policies(root):
    """Folders in which a clock of one or more cores is steered, by name; those of cores that are off are left out."""
    folder = under(root, "sys/devices/system/cpu/cpufreq")
    found = {name: under(folder, name) for name in listed(folder) if _POLICY.match(name)}
    if not found:  # before Linux 4.3 each core had a folder of its own, and no other
        found = {"cpu{}".format(core): under(root, "sys/devices/system/cpu/cpu{}/cpufreq".format(core)) for core in
                 cores(root)}  # fmt: skip
    # What belongs to no online core answers with an error, or is not there.
    return {name: path for name, path in found.items() if read_text(os.path.join(path, "scaling_governor"))}


def gpus(root):
    """Folders of devfreq that steer a GPU's clock."""
    folder = under(root, "sys/class/devfreq")
    return {name: under(folder, name) for name in listed(folder) if _GPU.search(name)}


def limits(root):
    """(lowest, highest) that each clock may take now, by name, in the unit of its files (CPU kHz, GPU Hz)."""
    files = [(name, path, "scaling_{}_freq") for name, path in policies(root).items()]
    files += [(name, path, "{}_freq") for name, path in gpus(root).items()]
    found = {}
    for name, path, pattern in files:
        low, high = (number_in(read_text(os.path.join(path, pattern.format(end)))) for end in ("min", "max"))
        if low == low and high == high:  # NaN equals nothing
            found[name] = (low, high)
    return found
