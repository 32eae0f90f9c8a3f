"""Logs of an external meter as CSV: one header, one column of times, and power, voltage, current or energy.

    time_s,power_w                 times: seconds since 1970 (time, timestamp, time_s, time_ms, time_us) or ISO 8601
    1760000000.0,4.91              columns: [NAME_]power_mw, voltage_v, current_ma, energy_wh, ...; "Power (mW)" too

The separator is the first of comma, semicolon and tab that the header holds; the decimal sign is a point.
"""

import re
from collections import namedtuple

from . import Decoded, Reading, wall_clock
from .repeats import told_apart

NAN = float("nan")
SEPARATORS = ",;\t"

# role: "time" or "value" or "label"; name, unit, kind: of the channel; scale: (multiply, divide) from as printed to SI.
Column = namedtuple("Column", "title role name unit kind scale")
Header = namedtuple("Header", "columns separator")

_PREFIXES = {"": (1.0, 1.0), "m": (1.0, 1e3), "u": (1.0, 1e6), "k": (1e3, 1.0)}
_QUANTITIES = {
    "power": {"w": ("W", 1.0)},
    "voltage": {"v": ("V", 1.0)},
    "current": {"a": ("A", 1.0)},
    "energy": {"j": ("J", 1.0), "wh": ("J", 3600.0)},
}
_TITLE = re.compile(r"(?:(\w+)_)?(power|voltage|current|energy)_([muk]?)(wh|w|v|a|j)$", re.ASCII)
_TIMES = {"time": 1.0, "timestamp": 1.0, "time_s": 1.0, "timestamp_s": 1.0}
_TIMES.update({"time_ms": 1e3, "timestamp_ms": 1e3, "time_us": 1e6, "timestamp_us": 1e6})
_NUMBER = re.compile(r"[-+]?(?:\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(?:[eE][-+]?\d{1,2})?$", re.ASCII)
_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d(?:\.\d{1,9})?)\s?(?:(Z|UTC)|([-+])(\d\d):?(\d\d))?$", re.ASCII
)
_MISSING = frozenset(("", "nan", "n/a", "na", "null", "none", "-"))


def read_header(line):
    """The header of a log, or None where the line names no quantity of a meter."""
    separator = next((sign for sign in SEPARATORS if sign in line), ",")
    columns = [_column(title) for title in _cells(line, separator)]
    return Header(columns, separator) if any(column.role == "value" for column in columns) else None


def complaint(line, header):
    """What is wrong with a row, in words; None where all of it can be read."""
    row = _cells(line, header.separator)
    if len(row) != len(header.columns):
        return "{} cells stand where the header names {}".format(len(row), len(header.columns))
    for column, cell in zip(header.columns, row):
        if column.role == "time" and _time(cell, column) is None:
            return "{!r} in column {} is neither seconds since 1970 nor an ISO 8601 time".format(cell, column.title)
        if column.role == "value" and _value(cell, column) is None:
            return "{!r} in column {} is not a number".format(cell, column.title)
    return None


def decode(line, header):
    """Readings of a row: meter_power, meter_voltage, meter_current (W, V, A), meter_energy (J, a counter); with a name
    before the quantity in the header, that name instead of `meter`. An empty cell or "nan" is NaN; cells that cannot
    be read are unknown tokens, and a row with more or fewer cells than the header is one."""
    row = _cells(line, header.separator)
    if row == [""]:
        return Decoded([], [])
    if len(row) != len(header.columns):
        return Decoded([], [line.strip()])
    readings, unknown = [], []
    for column, cell in zip(header.columns, row):
        if column.role == "value":
            value = _value(cell, column)
            if value is None:
                unknown.append(cell)
            readings.append(Reading(column.name, column.unit, column.kind, NAN if value is None else value))
        elif column.role == "time" and _time(cell, column) is None:
            unknown.append(cell)
    return Decoded(told_apart(readings), unknown)


def time_s(line, header):
    """Seconds since 1970 of a row (a stamp without a zone is taken as UTC); NaN without one."""
    for column, cell in zip(header.columns, _cells(line, header.separator)):
        if column.role == "time":
            found = _time(cell, column)
            return NAN if found is None else found
    return NAN


def _cells(line, separator):
    return [cell.strip().strip('"').strip() for cell in line.split(separator)]


def _column(title):
    """By the title in its plainest form: that of "Power (mW)" and of "power [mW]" is power_mw."""
    plain = re.sub(r"[\s_\[\]()]+", "_", title.strip().lower()).strip("_")
    if plain in _TIMES:
        return Column(title, "time", "", "s", "gauge", (1.0, _TIMES[plain]))
    found = _TITLE.match(plain)
    if found is None or found.group(4) not in _QUANTITIES[found.group(2)]:
        return Column(title, "label", "", "", "", None)
    name, quantity, prefix, printed = found.groups()
    unit, factor = _QUANTITIES[quantity][printed]
    multiply, divide = _PREFIXES[prefix]
    kind = "counter" if quantity == "energy" else "gauge"
    return Column(title, "value", "{}_{}".format(name or "meter", quantity), unit, kind, (multiply * factor, divide))


def _value(cell, column):
    if cell.lower() in _MISSING:
        return NAN
    if not _NUMBER.match(cell):
        return None
    return float(cell) * column.scale[0] / column.scale[1]


def _time(cell, column):
    if _NUMBER.match(cell):
        return float(cell) / column.scale[1]
    stamp = _ISO.match(cell)
    if stamp is None:
        return None
    sign, hours, minutes = stamp.group(8, 9, 10)
    ahead_s = (int(hours) * 3600.0 + int(minutes) * 60.0) * (-1.0 if sign == "-" else 1.0) if sign else 0.0
    found = wall_clock.seconds(stamp.group(1, 2, 3), stamp.group(4, 5, 6), ahead_s)
    return found if found == found else None
