"""Sensor channels. One line each: name -> "module:Class", relative to the agent; each takes (root, target, own pid)."""

from collections import namedtuple

TABLE = {
    "process": ".collectors.process:ProcessCollector",
    "cpu": ".collectors.cpu:CpuCollector",
    "thermal": ".collectors.thermal:ThermalCollector",
    "others": ".collectors.others:OthersCollector",
}

# kind: gauge or counter; scope: what the value covers; provenance: how it arises.
Channel = namedtuple("Channel", "name unit kind scope provenance")
NAN = float("nan")
