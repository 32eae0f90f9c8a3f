"""Files of `nvidia-smi --query-gpu=... --format=csv`: a header with units, a line per GPU and moment.

Column names and what they mean: `nvidia-smi --help-query-gpu`; bits of the throttle reasons: nvml.h.
"""

import re
from collections import namedtuple

from . import Decoded, Reading, wall_clock
from .repeats import told_apart

NAN = float("nan")

# title: as the header has it, without the unit. role: "value", "flag", "reasons", "time", "index", "id", "model",
# "label" (text that is no quantity) or "unknown". name: of the channel, behind the GPU's. printed: the header's unit.
Column = namedtuple("Column", "title role name printed")

# Printed unit -> SI unit, what to multiply by, what to divide by (so that 57 % is 0.57 and not the next double).
_UNITS = {
    "W": ("W", 1.0, 1.0),
    "mW": ("W", 1.0, 1000.0),
    "J": ("J", 1.0, 1.0),
    "mJ": ("J", 1.0, 1000.0),
    "MHz": ("Hz", 1e6, 1.0),
    "%": ("1", 1.0, 100.0),
    "KiB": ("B", 1024.0, 1.0),
    "MiB": ("B", 1024.0**2, 1.0),
    "GiB": ("B", 1024.0**3, 1.0),
    "C": ("degC", 1.0, 1.0),
    "us": ("s", 1.0, 1e6),
    "ms": ("s", 1.0, 1000.0),
    "s": ("s", 1.0, 1.0),
}
_SUFFIX = {"W": "power", "J": "energy", "Hz": "clock", "1": "load", "degC": "temperature"}
# Words of a title that its quantity already says.
_SAID = {
    "W": ("power", "draw"),
    "J": ("energy", "total", "consumption"),
    "Hz": ("clocks", "current"),
    "1": ("utilization", "gpu"),
    "degC": ("temperature", "gpu"),
}
# What is set, not read: a limit must never be taken for a power.
_SETTING = re.compile(r"limit|max|min|default|applications", re.ASCII)
_LABEL = re.compile(
    r"(?:driver_version|count|pstate|compute_cap|display_|persistence_mode|compute_mode|vbios_version|inforom|gom|"
    r"accounting|addressing_mode|ecc|mig|pcie|pci|retired_pages|remapped_rows|encoder|fabric|gsp|protected_memory|"
    r"driver_model|c2c|dramEncryption|platform|vgpu|hostname|board_id)[\w.]*$",
    re.ASCII | re.IGNORECASE,
)
_REASONS = re.compile(r"clocks_(?:throttle|event)_reasons\.(\w+)$", re.ASCII)
# Reason -> its bit in nvml.h and the start of its channel's name. The others (idle, a clock that a user set) slow
# nothing down on their own.
_SLOWING = {
    "sw_power_cap": (0x4, "frequency_capped"),
    "hw_slowdown": (0x8, "throttled"),
    "sw_thermal_slowdown": (0x20, "throttled"),
    "hw_thermal_slowdown": (0x40, "throttled"),
    "hw_power_brake_slowdown": (0x80, "throttled"),
}
_IDENTITY = {"index": "index", "uuid": "id", "gpu_uuid": "id", "pci.bus_id": "id", "gpu_bus_id": "id", "serial": "id"}
_IDENTITY.update({"gpu_serial": "id", "name": "model", "gpu_name": "model", "timestamp": "time"})
_TITLE = re.compile(r"([a-z][a-z0-9_]*(?:\.[a-z0-9_]+)*)(?: \[([^\]]{1,10})\])?$", re.ASCII)
_STAMP = re.compile(r"(\d{4})/(\d\d)/(\d\d) (\d\d):(\d\d):(\d\d(?:\.\d{1,9})?)$", re.ASCII)
_VALUE = re.compile(r"(-?\d{1,15}(?:\.\d{1,9})?)(?: ?([A-Za-z%]{1,5}))?$", re.ASCII)
_MISSING = re.compile(r"(?:\[[^\]]*\]|N/A|)$")
_MASK = re.compile(r"0x([0-9a-fA-F]{1,16})$", re.ASCII)


def read_header(line):
    """Columns of a header line, or None where the line is none."""
    titles = [_TITLE.match(cell) for cell in cells(line)]
    if not all(titles):
        return None
    return [_column(*title.groups()) for title in titles]


def guess_header(line):
    """Columns of a file without a header (`noheader`), from the units of one of its rows; None where it shows none.

    What such a column is cannot be known: it is called column1, column2, ... and never taken for a power draw. A whole
    number before a time stamp is the GPU's index.
    """
    row, columns = cells(line), []
    for number, cell in enumerate(row):
        value = _VALUE.match(cell)
        if _STAMP.match(cell):
            columns.append(Column("timestamp", "time", "", None))
        elif number == 0 and cell.isdigit() and len(row) > 1 and _STAMP.match(row[1]):
            columns.append(Column("index", "index", "", None))
        elif value and value.group(2) in _UNITS:
            name = "column{}".format(number + 1)
            columns.append(Column(name, "value", name, value.group(2)))
        else:
            columns.append(Column("column{}".format(number + 1), "label", "", None))
    return columns if any(column.role == "value" for column in columns) else None


def decode(line, columns, gpu="gpu0"):
    """Readings of a row; `gpu` begins their names: gpu0_power, gpu0_average_power (power.draw.average),
    gpu0_instant_power, gpu0_sm_clock, gpu0_load, gpu0_memory_load, gpu0_memory_used, gpu0_temperature,
    throttled_gpu0_hw_slowdown, ... "[N/A]", "[Not Supported]" and the like are NaN.

    A row with more or fewer cells than columns is one unknown token: nobody can tell which cell is which.
    """
    row = cells(line)
    if row == [""]:
        return Decoded([], [])
    if len(row) != len(columns):
        return Decoded([], [line.strip()])
    readings, unknown = [], []
    for column, cell in zip(columns, row):
        found = _RULES[column.role](column, cell, gpu) if column.role in _RULES else []
        if found is None:
            unknown.append(cell)
        else:
            readings += found
    return Decoded(told_apart(readings), unknown)


def stamp_s(line, columns):
    """The row's time stamp in seconds since 1970, as if its clock were on UTC; NaN without one."""
    for column, cell in zip(columns, cells(line)):
        stamp = _STAMP.match(cell) if column.role == "time" else None
        if stamp:
            return wall_clock.seconds(stamp.groups()[:3], stamp.groups()[3:])
    return NAN


def identity(line, columns):
    """What tells the row's GPU from others, as (role, text), the surest first: index, id, model; None without any."""
    row = dict(zip((column.role for column in columns), cells(line)))
    for role in ("index", "id", "model"):
        if row.get(role):
            return role, row[role]
    return None


def cells(line):
    """The row's cells; nvidia-smi quotes nothing."""
    return [cell.strip() for cell in line.split(",")]


def _column(title, printed):
    reason = _REASONS.match(title)
    if title in _IDENTITY:
        return Column(title, _IDENTITY[title], "", None)
    if reason:
        role = "reasons" if reason.group(1) == "active" else "flag" if reason.group(1) in _SLOWING else "label"
        return Column(title, role, reason.group(1), None)
    if printed is None and title.startswith("temperature."):
        printed = "C"  # the one quantity that nvidia-smi prints without its unit
    if printed in _UNITS:
        return Column(title, "value", _name(title, _UNITS[printed][0]), printed)
    return Column(title, "label" if printed is None and _LABEL.match(title) else "unknown", "", printed)


def _name(title, unit):
    """power.draw.instant -> instant_power; utilization.gpu -> load; memory.used -> memory_used."""
    plain = title.replace(".", "_")
    if unit not in _SUFFIX or _SETTING.search(title) or (unit == "1" and not title.startswith("utilization.")):
        return plain
    words = [word for word in title.split(".") if word not in _SAID[unit]]
    return "_".join(words + [_SUFFIX[unit]])


def _value(column, cell, gpu):
    unit, kind = _UNITS[column.printed][0], "counter" if column.name.endswith("energy") else "gauge"
    name = "{}_{}".format(gpu, column.name)
    if _MISSING.match(cell):
        return [Reading(name, unit, kind, NAN)]
    found = _VALUE.match(cell)
    own = _UNITS.get(found.group(2) or column.printed) if found else None  # with nounits the header alone has it
    if own is None or own[0] != unit:
        return None
    return [Reading(name, unit, kind, float(found.group(1)) * own[1] / own[2])]


def _flag(column, cell, gpu):
    if cell not in ("Active", "Not Active") and not _MISSING.match(cell):
        return None
    value = NAN if _MISSING.match(cell) else float(cell == "Active")
    return [_reason(column.name, gpu, value)]


def _reasons(_column, cell, gpu):
    mask = _MASK.match(cell)
    if mask is None and not _MISSING.match(cell):
        return None
    bits = int(mask.group(1), 16) if mask else None
    return [
        _reason(reason, gpu, NAN if bits is None else float(bool(bits & bit)))
        for reason, (bit, _) in sorted(_SLOWING.items(), key=lambda item: item[1])
    ]


def _reason(reason, gpu, value):
    return Reading("{}_{}_{}".format(_SLOWING[reason][1], gpu, reason), "flag", "gauge", value)


def _time(_column, cell, _gpu):
    return [] if _STAMP.match(cell) or _MISSING.match(cell) else None


_RULES = {"value": _value, "flag": _flag, "reasons": _reasons, "time": _time}
