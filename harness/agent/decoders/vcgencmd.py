"""Answers of the Raspberry Pi's vcgencmd, each known by its own form: pmic_read_adc, get_throttled, measure_*.

Forms and bits: Raspberry Pi documentation, "vcgencmd"; the forms of pmic_read_adc were checked on captures of a Pi 5.
"""

import re

from . import Decoded, Reading
from .repeats import told_apart

# Where each line is one value; `\d` of ASCII alone, and bounded, so that every number is a finite double.
_ADC = re.compile(r"(\S{1,40})_([AV])\s+(current|volt)\(\d{1,3}\)=(-?\d{1,9}(?:\.\d{1,12})?)([AV])$", re.ASCII)
_TEMPERATURE = re.compile(r"temp=(-?\d{1,6}(?:\.\d{1,6})?)'C$", re.ASCII)
_VOLTS = re.compile(r"volt=(-?\d{1,6}(?:\.\d{1,9})?)V$", re.ASCII)
_CLOCK = re.compile(r"frequency\((\d{1,3})\)=(\d{1,12})$", re.ASCII)
_THROTTLED = re.compile(r"throttled=0x([0-9a-fA-F]{1,8})$", re.ASCII)
_FLAGS = ("under_voltage", "frequency_capped", "throttled", "throttled_soft_temperature")
_SINCE_BOOT_BIT = 16
_KNOWN_BITS = 0xF | 0xF << _SINCE_BOOT_BIT
_FORMS = {"A": ("current", "current"), "V": ("volt", "voltage")}
NAN = float("nan")
# The sum of all rails behind the power chip, which no line of an answer gives.
SUM = "pmic_power"


def decode(answer, asked=None):
    """Readings of one answer, or of several one after the other, in the order of the text; a line not known is one
    unknown token.

    pmic_read_adc: NAME_current, NAME_voltage, and behind the later of the two NAME_power, their product, where both
    are given (EXT5V and BATT have a voltage alone). get_throttled: flags as they are now, and NAME_since_boot, which
    never goes back to 0. measure_temp, measure_volts, measure_clock do not say what was asked: it is `asked` ("arm"
    gives arm_clock), else what the command takes by itself (soc_temperature, core_voltage), else the number of the
    clock (frequency48_clock). Clocks are rounded to MHz: they are counted over 1 ms, so the rest is noise.
    """
    readings, unknown, halves = [], [], {}
    for line in answer.splitlines():
        line = line.strip()
        if not line:
            continue
        found = _adc(line, halves) or _throttled(line) or _measured(line, asked)
        if found is None:
            unknown.append(line)
        else:
            readings += found
    return Decoded(told_apart(readings), unknown)


def adc_name(line):
    """NAME_A or NAME_V of a line of pmic_read_adc, else None: where a name comes again, another answer has begun."""
    found = _ADC.match(line.strip())
    return "{}_{}".format(found.group(1), found.group(2)) if found else None


def rails(readings):
    """Names of the powers in an answer of pmic_read_adc: one of each rail whose current and voltage are both there."""
    return [one.name for one in readings if one.unit == "W" and one.name != SUM]


def rails_sum(readings, names):
    """pmic_power of an answer: the sum of these powers. NaN with one missing: a smaller sum would pass for a saving."""
    powers = {one.name: one.value for one in readings}
    return Reading(SUM, "W", "gauge", sum(powers.get(name, NAN) for name in names))


def _adc(line, halves):
    """A current or a voltage; with the second of a pair, whichever it is, the power. The index is no line number and
    the currents come first, so the pair is joined by name."""
    found = _ADC.match(line)
    if found is None or _FORMS[found.group(2)][0] != found.group(3) or found.group(2) != found.group(5):
        return None
    name, letter, value = found.group(1), found.group(2), float(found.group(4))
    readings = [Reading("{}_{}".format(name, _FORMS[letter][1]), letter, "gauge", value)]
    other = halves.pop((name, "V" if letter == "A" else "A"), None)
    if other is None:
        halves[name, letter] = value
    else:
        readings.append(Reading(name + "_power", "W", "gauge", value * other))
    return readings


def _throttled(line):
    found = _THROTTLED.match(line)
    if found is None:
        return None
    bits = int(found.group(1), 16)
    if bits & ~_KNOWN_BITS:
        return None
    now = [_flag(name, bits >> bit) for bit, name in enumerate(_FLAGS)]
    return now + [_flag(name + "_since_boot", bits >> _SINCE_BOOT_BIT + bit) for bit, name in enumerate(_FLAGS)]


def _flag(name, bits):
    return Reading(name, "flag", "gauge", float(bits & 1))


def _measured(line, asked):
    found = _TEMPERATURE.match(line)
    if found:
        return [Reading((asked or "soc") + "_temperature", "degC", "gauge", float(found.group(1)))]
    found = _VOLTS.match(line)
    if found:
        return [Reading((asked or "core") + "_voltage", "V", "gauge", float(found.group(1)))]
    found = _CLOCK.match(line)
    if found:
        megahertz = round(int(found.group(2)) / 1e6)
        return [Reading((asked or "frequency" + found.group(1)) + "_clock", "Hz", "gauge", megahertz * 1e6)]
    return None
