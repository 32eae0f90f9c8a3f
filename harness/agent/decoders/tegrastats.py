"""One line of NVIDIA's tegrastats, of every release from R24 to R39, by one grammar of tokens.

Nothing here knows a board: rails, zones and engines are named as they stand. Grammar and meanings are in NVIDIA's
Tegrastats Utility guides and were checked on 301 captured lines of 24 boards and releases.

    line    := [MM-DD-YYYY HH:MM:SS] token...                         blanks between tokens may be several
    memory  := RAM U/TMB (lfb NxSMB) | SWAP U/TMB (cached CMB) | IRAM U/TkB(lfb SkB)
    cores   := CPU [P%@F,off,...] | cpu [P%,...]@F                    R28.2 and later | one clock for all before
    rail    := NAME i/a | NAME imW/amW | NAME imW/amW/mmW             now / mean since the start / maximum (R39)
    zone    := NAME@xC | NAME@xC/yC                                   now / maximum (R39)
    engine  := NAME P%@F | NAME P%@[F,F] | NAME @F | NAME @[F,F] | NAME P% | NAME F | NAME off
    others  := MTS fg P% bg P% | EDP limit F
"""

import re

from . import Decoded, Reading, wall_clock
from .repeats import told_apart

NAN = float("nan")
_BYTES = {"k": 1024.0, "M": 1024.0**2, "G": 1024.0**3}
# R28 to R32 print 100 for the power chip, later releases 50: constants of the driver, not temperatures.
_PMIC_CONSTANTS = (100.0, 50.0)
_POWERED_DOWN_C = -256.0

_STAMP = re.compile(r"\s*(\d\d)-(\d\d)-(\d{4})\s{1,40}(\d\d):(\d\d):(\d\d)(?=\s|$)", re.ASCII)
# Every part is bounded: no number leaves the range of a double, and what is remembered stays small. A number that
# stands alone means a clock only behind an engine that is known to print so: elsewhere it could be anything, above all
# where the line was cut. For the same reason memory without its unit is no rail.
_TOKEN = re.compile(
    r"""\s*(?:
    (?P<zone>   [A-Za-z][\w.-]{0,40}@-?\d{1,6}(?:\.\d{1,9})?C(?:/-?\d{1,6}(?:\.\d{1,9})?C)?)
    |(?P<rail>  (?!I?RAM\s|SWAP\s)[A-Za-z][\w.-]{0,40}\s{1,40}-?\d{1,12}(?:mW)?(?:/-?\d{1,12}(?:mW)?){1,2})
    |(?P<engine>[A-Z][A-Z0-9_]{0,40}\s{1,40}(?:\d{1,3}%(?:@(?:\d{1,9}|\[\d{1,9}(?:,\d{1,9}){0,15}\]))?
                |@(?:\d{1,9}|\[\d{1,9}(?:,\d{1,9}){0,15}\])|off))
    |(?P<cores> (?:CPU|cpu)\s{1,40}\[[^\],\s]+(?:,[^\],\s]+)*\](?:@\d{1,9})?)
    |(?P<memory>(?:RAM|SWAP|IRAM)\s{1,40}\d{1,12}/\d{1,12}[kMG]B
                (?:\s{0,40}\((?:lfb\s{1,40}(?:\d{1,9}x)?\d{1,9}[kMG]B|cached\s{1,40}\d{1,9}[kMG]B)\))?)
    |(?P<bare>  (?:APE|AVP|MSENC|NV(?:ENC|DEC|JPG|DLA)|OFA|PVA|SE|TSEC|VIC)\d{0,2}(?:_FREQ)?\s{1,40}\d{1,9})
    |(?P<mts>   MTS\s{1,40}fg\s{1,40}\d{1,3}%\s{1,40}bg\s{1,40}\d{1,3}%)
    |(?P<edp>   EDP\s{1,40}limit\s{1,40}\d{1,9})
    )(?=\s|$)""",
    re.ASCII | re.VERBOSE,
)
_WORD = re.compile(r"\s*(\S+)", re.ASCII)
_CORES = re.compile(r"(?<![^,])(?:(\d{1,3})%(?:@(\d{1,9}))?|off)(?:,|$)", re.ASCII)
_AMOUNTS = re.compile(r"(\w+)\s+(\d+)/(\d+)(.)B(?:\s*\((lfb|cached)\s+(?:(\d+)x)?(\d+)(.)B)?", re.ASCII)
_MEMORY = {}  # type: ignore[var-annotated]  # Python 3.6 takes no annotation here
_MOST_REMEMBERED = 4096
_NUMBERS = re.compile(r"\d+", re.ASCII)


def decode(line):
    """Readings of a line in the order of its text: W, degC, B, Hz and shares. A leading stamp is no reading.

    Names: NAME_power (the first number alone: the second is a mean over the process's life), NAME_temperature,
    NAME_load, NAME_clock (several clocks: NAME_clock#2, ...), cpuN_load, cpuN_clock, ram_used, ram_total,
    ram_largest_block (B) and ram_largest_blocks (how many of them are free), swap_*, iram_*, swap_cached.
    NaN: a zone that sleeps, the power chip's constant, a core or an engine that is off, an EMC load without privilege.
    """
    stamp = _STAMP.match(line)
    position = stamp.end() if stamp else 0
    readings, unknown = [], []
    while True:
        token = _TOKEN.match(line, position)
        if token is None:
            token = _WORD.match(line, position)
            if token is None:
                break
            unknown.append(token.group(1))
        else:
            kind = token.lastgroup
            text = token.group(kind)
            readings += _read_cores(text, unknown) if kind == "cores" else _read_token(kind, text)
        position = token.end()
    return Decoded(told_apart(readings), unknown)


def stamp_s(line):
    """The line's own stamp in whole seconds since 1970, as if its clock were on UTC; NaN without one."""
    stamp = _STAMP.match(line)
    if stamp is None:
        return NAN
    month, day, year, hour, minute, second = stamp.groups()
    return wall_clock.seconds((year, month, day), (hour, minute, second))


def _read_token(kind, text):
    """Readings of a token. Most tokens come again line after line, which the memory makes twice as fast."""
    found = _MEMORY.get(text)
    if found is None:
        if len(_MEMORY) >= _MOST_REMEMBERED:
            _MEMORY.clear()
        found = _MEMORY[text] = _RULES[kind](text)
    return found


def _read_cores(text, unknown):
    """Load and clock of each core. Their values seldom come again, so they are not remembered, and read at one go."""
    listed, _, shared = text[text.index("[") + 1 :].partition("]")
    cores = _CORES.findall(listed)
    if len(cores) != listed.count(",") + 1:
        cores = [_read_core(core, unknown) for core in listed.split(",")]
    readings = []
    for number, (percent, clock) in enumerate(cores):
        # Of R24 to R28.1 the one clock stands behind the list.
        clock = clock or (percent and shared[1:])
        readings.append(_load("cpu{}".format(number), int(percent) / 100.0 if percent else NAN))
        readings.append(_clock("cpu{}".format(number), int(clock) * 1e6 if clock else NAN))
    return readings


def _read_core(text, unknown):
    """One core of a list that holds something new: what is not known keeps its place, without values."""
    found = _CORES.match(text)
    if found is None:
        unknown.append(text)
    return found.groups() if found else ("", "")


def _zone(text):
    name, _, rest = text.partition("@")
    value = float(rest.partition("C")[0])
    asleep = value == _POWERED_DOWN_C or (name == "PMIC" and value in _PMIC_CONSTANTS)
    return (Reading(name + "_temperature", "degC", "gauge", NAN if asleep else value),)


def _rail(text):
    name, numbers = text.split(None, 1)
    milliwatts = numbers.partition("/")[0]
    return (Reading(name + "_power", "W", "gauge", float(milliwatts.replace("mW", "")) / 1000.0),)


def _engine(text):
    name, rest = text.split(None, 1)
    if rest == "off":
        return _load(name, NAN), _clock(name, NAN)
    percent, at, clocks = rest.partition("@")
    readings = []
    if percent:
        # Without privilege tegrastats prints this constant, whatever the memory does (103 of 103 captured lines).
        hidden = name in ("EMC", "EMC_FREQ") and percent == "0%" and not at
        readings.append(_load(name, NAN if hidden else int(percent[:-1]) / 100.0))
    if at:
        readings += [_clock(name, int(clock) * 1e6) for clock in clocks.strip("[]").split(",")]
    return tuple(readings)


def _bare(text):
    name, clock = text.split()
    return (_clock(name, int(clock) * 1e6),)


def _memory(text):
    name, used, total, unit, what, count, size, size_unit = _AMOUNTS.match(text).groups()
    name = name.lower()
    readings = [_bytes(name + "_used", used, unit), _bytes(name + "_total", total, unit)]
    if what == "cached":
        readings.append(_bytes(name + "_cached", size, size_unit))
    elif what == "lfb":
        readings.append(_bytes(name + "_largest_block", size, size_unit))
        if count is not None:
            readings.append(Reading(name + "_largest_blocks", "count", "gauge", float(count)))
    return tuple(readings)


def _mts(text):
    foreground, background = _NUMBERS.findall(text)
    return _load("MTS_fg", int(foreground) / 100.0), _load("MTS_bg", int(background) / 100.0)


def _edp(text):
    return (_clock("EDP_limit", int(_NUMBERS.findall(text)[0]) * 1e6),)


def _load(name, value):
    return Reading(name + "_load", "1", "gauge", value)


def _clock(name, value):
    return Reading(name + "_clock", "Hz", "gauge", value)


def _bytes(name, number, unit):
    return Reading(name, "B", "gauge", int(number) * _BYTES[unit])


_RULES = {
    "memory": _memory,
    "zone": _zone,
    "rail": _rail,
    "engine": _engine,
    "bare": _bare,
    "mts": _mts,
    "edp": _edp,
}
