"""A Jetson made of files and small programs: what nvpmodel, jetson_clocks, systemctl and sudo were seen to do on one.

Four cores, one clock for them all, a GPU, a fan. Modes: MAXN (0), 5W (1: two cores off, lower ceilings), 7W (2: asks
for a restart). `behaves` makes a program fail as a real one may. All that was asked of a program stands in `asked`.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.support.agent_side import tree

CPU = "sys/devices/system/cpu"
POLICY = f"{CPU}/cpufreq/policy0"
GPU = "sys/devices/57000000.gpu/devfreq/57000000.gpu"
FAN = "sys/class/hwmon/hwmon3/pwm1"
BOOT = "proc/sys/kernel/random/boot_id"

CONF = """# PARAM DEFINITIONS
< PARAM TYPE=FILE NAME=CPU_ONLINE >
CORE_0 /sys/devices/system/cpu/cpu0/online
CORE_1 /sys/devices/system/cpu/cpu1/online
CORE_2 /sys/devices/system/cpu/cpu2/online
CORE_3 /sys/devices/system/cpu/cpu3/online

< PARAM TYPE=CLOCK NAME=CPU_A57 >
FREQ_TABLE /sys/devices/system/cpu/cpu0/cpufreq/scaling_available_frequencies
MAX_FREQ /sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq
FREQ_TABLE_KNEXT /sys/devices/system/cpu/cpufreq/policy0/scaling_available_frequencies
MAX_FREQ_KNEXT /sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq

< PARAM TYPE=CLOCK NAME=GPU >
MAX_FREQ /sys/devices/57000000.gpu/devfreq/57000000.gpu/max_freq
FREQ_TABLE /sys/devices/57000000.gpu/devfreq/57000000.gpu/available_frequencies

< PARAM TYPE=CLOCK NAME=EMC >
MAX_FREQ /sys/kernel/nvpmodel_emc_cap/emc_iso_cap

# MAXN is the NONE power model to release all constraints
< POWER_MODEL ID=0 NAME=MAXN >
CPU_ONLINE CORE_0 1
CPU_ONLINE CORE_1 1
CPU_ONLINE CORE_2 1
CPU_ONLINE CORE_3 1
CPU_A57 MIN_FREQ 0
CPU_A57 MAX_FREQ -1
GPU MAX_FREQ -1
EMC MAX_FREQ 0

< POWER_MODEL NAME=5W ID=1 >
CPU_ONLINE CORE_0 1
CPU_ONLINE CORE_1 1
CPU_ONLINE CORE_2 0
CPU_ONLINE CORE_3 0
CPU_A57 MAX_FREQ 918000
GPU MAX_FREQ 640000000
EMC MAX_FREQ 1600000000

< POWER_MODEL ID=2 NAME=7W >
CPU_ONLINE CORE_0 1
CPU_ONLINE CORE_1 1
CPU_ONLINE CORE_2 1
CPU_ONLINE CORE_3 0
CPU_A57 MAX_FREQ 1132800

< PM_CONFIG DEFAULT=0 >
"""

NVPMODEL = """#!/bin/sh
root='{root}'; echo "nvpmodel $*" >> "$root/asked"
how=$(cat "$root/nvpmodel.behaves"); id=$(cat "$root/mode")
cpu="$root/{cpu}"; policy="$root/{policy}"; gpu="$root/{gpu}"
ceilings() {{ # cores 2 and 3, CPU, GPU
  for core in 2 3; do echo $1 > "$cpu/cpu$core/online"; done
  echo 102000 > "$policy/scaling_min_freq"; echo $2 > "$policy/scaling_max_freq"
  echo 76800000 > "$gpu/min_freq"; echo $3 > "$gpu/max_freq"
}}
case "$1" in
-q)
  case $id in 0) name=MAXN;; 1) name=5W;; 2) name=7W;; esac
  echo "NVPM WARN: fan mode is not set!"; echo "NV Power Mode: $name"; echo $id;;
-m)
  [ "$how" = silent ] && exit 0
  if [ "$2" = 2 ]; then
    echo "NVPM WARN: Reboot required for changing to this power mode: 2"
    echo "NVPM WARN: DO YOU WANT TO REBOOT NOW? enter YES/yes to confirm:"
    read -r answer || echo "NVPM ERROR: bad input!"
    case "$answer" in YES|yes) touch "$root/restarted";; esac
    [ "$how" = half ] && {{ echo 2 > "$root/mode"; echo 0 > "$cpu/cpu3/online"; }}
    echo "NVPM ERROR: optMask is 1, no request for power mode"; exit 255
  fi
  echo $2 > "$root/mode"
  [ "$how" = half ] && [ "$2" = 1 ] && exit 0
  [ "$how" = slow ] && [ "$2" = 1 ] && {{ ceilings 0 1479000 640000000; exit 0; }}
  if [ "$2" = 0 ]; then ceilings 1 1479000 921600000; else ceilings 0 918000 640000000; fi;;
esac
"""

JETSON_CLOCKS = """#!/bin/sh
root='{root}'; echo "jetson_clocks $*" >> "$root/asked"
how=$(cat "$root/jetson_clocks.behaves")
cpu="$root/{cpu}"; policy="$root/{policy}"; gpu="$root/{gpu}"
[ "$how" = early ] && {{ echo "Error: Please run the script after 30 Seconds"; exit 255; }}
case "$1" in
--show) exit 0;;
--store)
  [ -e "$2" ] && {{ echo "File $2 already exists. Can I overwrite it? Y/N:"; exit 1; }}
  for file in "$policy/scaling_min_freq" "$gpu/min_freq" "$cpu/cpu1/online" "$cpu/cpu2/online" "$cpu/cpu3/online"; do
    echo "$file:$(cat "$file")"
  done > "$2";;
--restore)
  [ -e "$2" ] || {{ echo "Error: $2 file not found !"; exit 1; }}
  while IFS=: read -r file value; do echo "$value" > "$file"; done < "$2";;
"")
  [ "$how" = idle ] && exit 0
  for core in 1 2 3; do echo 1 > "$cpu/cpu$core/online"; done
  cat "$policy/scaling_max_freq" > "$policy/scaling_min_freq"
  [ "$how" = partly ] || cat "$gpu/max_freq" > "$gpu/min_freq";;
esac
"""

SYSTEMCTL = """#!/bin/sh
root='{root}'; echo "systemctl $*" >> "$root/asked"
case "$1" in
stop) rm -rf "$root/proc/77";;
start) mkdir -p "$root/proc/77"; echo nvfancontrol > "$root/proc/77/comm";;
esac
"""

# Lets through what is named in `allowed`; -n first, as it must be.
SUDO = """#!/bin/sh
root='{root}'; echo "sudo $*" >> "$root/asked"
[ "$1" = -n ] || {{ echo "Password:"; exit 9; }}
shift
grep -qx "$(basename "$1")" "$root/allowed" || {{ echo "sudo: a password is required" >&2; exit 1; }}
exec "$@"
"""
PROGRAMS = {
    "usr/sbin/nvpmodel": NVPMODEL,
    "usr/bin/jetson_clocks": JETSON_CLOCKS,
    "usr/bin/systemctl": SYSTEMCTL,
    "usr/bin/sudo": SUDO,
    "usr/bin/tee": '#!/bin/sh\nexec tee "$@"\n',
}


class Jetson:
    """The board below a folder; `kept` is where its controls may keep files."""

    def __init__(self, folder: Path) -> None:
        self.root, self.kept = folder / "root", folder / "kept"
        self.kept.mkdir(parents=True)
        programs = {
            path: text.format(root=self.root, cpu=CPU, policy=POLICY, gpu=GPU) for path, text in PROGRAMS.items()
        }
        tree(self.root, {**STATE, **programs})
        for path in programs:
            (self.root / path).chmod(0o755)
        for link, target in ((f"{CPU}/cpu0/cpufreq", "../cpufreq/policy0"), (LINK, f"../../../{GPU}")):
            (self.root / link).parent.mkdir(parents=True, exist_ok=True)
            (self.root / link).symlink_to(target)

    def write(self, path: str, text: str) -> None:
        """One file of it."""
        tree(self.root, {path: text})

    def text(self, path: str) -> str:
        """What a file of it says."""
        return (self.root / path).read_text().strip()

    def behaves(self, program: str, how: str) -> None:
        """Make nvpmodel (silent, half, slow) or jetson_clocks (early, idle, partly) fail so."""
        self.write(f"{program}.behaves", how)

    def allow(self, *programs: str) -> list[str]:
        """Words of a sudo that lets these through."""
        self.write("allowed", "".join(f"{one}\n" for one in programs))
        return [str(self.root / "usr/bin/sudo"), "-n"]

    @property
    def asked(self) -> list[str]:
        """What was asked of its programs, but for questions."""
        lines = (self.root / "asked").read_text().splitlines()
        return [line for line in lines if not line.endswith(("-q", "--show"))]

    def state(self) -> dict[str, str]:
        """All that a control may change."""
        paths = [path for path in STATE if path.startswith(("sys/", "mode"))] + ["proc/77/comm"]
        return {path: self.text(path) for path in paths if os.path.lexists(self.root / path)}


LINK = "sys/class/devfreq/57000000.gpu"
STATE = {
    "asked": "",
    "allowed": "",
    "mode": "0\n",
    "nvpmodel.behaves": "well",
    "jetson_clocks.behaves": "well",
    "etc/nvpmodel.conf": CONF,
    BOOT: "6f1c\n",
    "proc/77/comm": "nvfancontrol\n",
    f"{CPU}/cpu0/topology/core_id": "0\n",  # the first core has no switch
    f"{CPU}/cpu1/online": "1\n",
    f"{CPU}/cpu2/online": "1\n",
    f"{CPU}/cpu3/online": "1\n",
    f"{POLICY}/scaling_governor": "schedutil\n",
    f"{POLICY}/scaling_available_governors": "conservative ondemand userspace powersave performance schedutil\n",
    f"{POLICY}/scaling_available_frequencies": "102000 204000 918000 1132800 1224000 1428000 1479000\n",
    f"{POLICY}/scaling_min_freq": "102000\n",
    f"{POLICY}/scaling_max_freq": "1479000\n",
    f"{GPU}/available_frequencies": "76800000 640000000 921600000\n",
    f"{GPU}/min_freq": "76800000\n",
    f"{GPU}/max_freq": "921600000\n",
    "sys/class/hwmon/hwmon3/name": "pwmfan\n",
    FAN: "77\n",
    "sys/class/hwmon/hwmon4/name": "amdgpu\n",
    "sys/class/hwmon/hwmon4/pwm1": "40\n",
    "sys/class/thermal/thermal_zone8/policy": "step_wise\n",
    "sys/class/thermal/thermal_zone8/available_policies": "step_wise user_space\n",
    "sys/class/thermal/thermal_zone8/cdev0/type": "pwm-fan\n",
    "sys/class/thermal/thermal_zone9/policy": "step_wise\n",
    "sys/class/thermal/thermal_zone9/available_policies": "step_wise user_space\n",
    "sys/class/thermal/thermal_zone9/cdev0/type": "pwm-fan\n",
    "sys/class/thermal/thermal_zone9/cdev1/type": "thermal-cpufreq-0\n",
}
