"""Sensor channels: the words they are described in, and one line per collector, name -> "module:Class".

A collector is made from a `Place` and read in the sensor process; a name as long as the source is its contract. Two
shapes exist: one that is asked (`read`), and one that tells by itself when there is something new (`wait`).
"""

from collections import namedtuple

TABLE = {
    "process": ".collectors.process:ProcessCollector",
    "cpu": ".collectors.cpu:CpuCollector",
    "thermal": ".collectors.thermal:ThermalCollector",
    "others": ".collectors.others:OthersCollector",
    # What slows a processor down on its own.
    "throttle": ".collectors.throttle:ThrottleCollector",
    # Power and energy.
    "ina": ".collectors.ina:InaCollector",
    "rapl": ".collectors.rapl:RaplCollector",
    "pyrapl": ".collectors.pyrapl:PyraplCollector",
    "nvml": ".collectors.nvml:NvmlCollector",
    "tegrastats": ".collectors.tegrastats:TegrastatsFeed",
    "jtop": ".collectors.jtop:JtopFeed",
    "raspberry": ".collectors.raspberry:RaspberryCollector",
    "battery": ".collectors.battery:BatteryCollector",
    "plug": ".collectors.plug:PlugCollector",
    "joulescope": ".collectors.joulescope:JoulescopeFeed",
    "replay": ".collectors.replay:ReplayFeed",
    # Counted work.
    "perf": ".collectors.perf:PerfCollector",
}

# What every collector is made from. root: replaces / for every file; target, own: process ids of the measured and of
# the sensor process; period_s: how often it will be asked; options: its own table in the device's file.
Place = namedtuple("Place", "root target own period_s options")

# kind: gauge or counter; scope: what the value covers; provenance: how it arises.
# Names of quantities: NAME_power (W), NAME_energy (J), NAME_voltage (V), NAME_current (A), NAME_temperature (degC),
# NAME_clock (Hz), NAME_load (1: a share), with NAME as the source prints it. What slows a processor down has the unit
# "flag" (gauge, 0 or 1 now) or "event" (counter) and a name that begins with throttled, under_voltage or
# frequency_capped.
Channel = namedtuple("Channel", "name unit kind scope provenance")

# Where a power or energy channel is read, as stated beside every figure; `rail` is a part of a total.
SCOPES = (
    "wall", "board input", "module input", "sum of rails", "PMIC rails", "package", "GPU", "battery", "rail"
)  # fmt: skip
# How a power or energy value arises. "replayed" is a recording, and neither it nor "modelled" counts as measured.
PROVENANCES = ("external meter", "board rail", "hardware counter", "modelled", "replayed")
NAN = float("nan")


def options_of(name, place, known=()):
    """The options that a device's file gives a collector. ValueError for one that it does not know."""
    options = dict(place.options or {})
    unknown = sorted(set(options) - set(known))
    if unknown:
        takes = "it takes {}".format(", ".join(known)) if known else "only period_s can be set"
        raise ValueError("{} has no option {}: {}".format(name, ", ".join(unknown), takes))
    return options
