"""Waiting until a board is calm: its hottest zone cool enough and still, other programs quiet. Sets nothing.

Moves by the clock and sleep that it is given, so that a scripted machine settles the same way everywhere.
"""

import re

from .collectors import Place
from .collectors.cpu import busy_and_steal
from .collectors.files import read_text, ticks_per_second, under
from .collectors.thermal import ThermalCollector

_ALL = re.compile(r"^cpu +(.*)$", re.MULTILINE)
POLL_S = 1.0
# The load is that of the last 2 s: in one of them a program that works now and then could pause.
LOAD_WINDOW_S = 2.0


def settle(rule, root, whole, clock, sleep):
    """Wait for the conditions of `rule` (fields of harness.model.device.Settle), at most its deadline_s.

    whole: with the one on how fast the temperature moves, as before a first trial. clock() in s, sleep(s).
    Returns {"waited_s", "calm", "reason", "temperature_c" (hottest zone), "load_cores" (of all programs: whoever
    calls sleeps meanwhile), "unmet": of "temperature", "slope", "load"}; None for what could not be read. reason says
    what is unmet, or was not looked at. deadline_s 0: at once, with what is seen; only "temperature" can be unmet then.
    """
    begin, temperatures, loads = clock(), [], []
    zones = ThermalCollector(Place(root, 0, 0, POLL_S, None))
    zones.start()
    try:
        while True:
            now = clock()
            _keep(temperatures, now, _hottest(zones), rule["window_s"])
            _keep(loads, now, _busy_s(root), LOAD_WINDOW_S)
            left_s = rule["deadline_s"] - (now - begin)
            wishes = _unmet(rule, whole and rule["deadline_s"] > 0, temperatures, loads)
            if not wishes or left_s <= 0:
                return _report(now - begin, wishes, temperatures, loads)
            sleep(min(POLL_S, left_s))
    finally:
        zones.stop()


def _unmet(rule, whole, temperatures, loads):
    """What is still to be waited for, in words, by condition."""
    found = {}
    if temperatures:
        hottest, below = temperatures[-1][1], rule.get("start_below_c")
        if below is not None and hottest > below:
            found["temperature"] = "the hottest zone is at {:.1f} degC, to start at {:g}".format(hottest, below)
        if whole:
            found["slope"] = _restless(temperatures, rule["window_s"], rule["slope_c"])
    if loads and rule["deadline_s"] > 0:
        load = _load(loads)
        if _span(loads) < LOAD_WINDOW_S:
            found["load"] = "other programs were watched for {:.1f} of {:g} s".format(_span(loads), LOAD_WINDOW_S)
        elif load > rule["load_cores"]:
            found["load"] = "other programs take {:.2f} cores (limit {:g})".format(load, rule["load_cores"])
    return {condition: words for condition, words in found.items() if words is not None}


def _restless(temperatures, window_s, slope_c):
    values = [value for _, value in temperatures]
    moved = max(values) - min(values)
    if moved > slope_c:
        return "the hottest zone moved by {:.1f} degC in {:.0f} s (limit {:g})".format(
            moved, _span(temperatures), slope_c
        )
    if _span(temperatures) < window_s:
        return "the hottest zone was watched for {:.0f} of {:g} s".format(_span(temperatures), window_s)
    return None


def _report(waited_s, wishes, temperatures, loads):
    reasons = list(wishes.values())
    if not temperatures:
        reasons.append("no thermal zone can be read: only the load was looked at")
    if not loads:
        reasons.append("/proc/stat cannot be read: the load was not looked at")
    return {
        "waited_s": waited_s,
        "calm": not wishes,
        "reason": "; ".join(reasons),
        "temperature_c": temperatures[-1][1] if temperatures else None,
        "load_cores": _load(loads),
        "unmet": sorted(wishes),
    }


def _keep(readings, now, value, window_s):
    """Add one, and drop what is not needed to span the window."""
    if value is not None:
        readings.append((now, value))
    while len(readings) > 2 and readings[-1][0] - readings[1][0] >= window_s:
        del readings[0]


def _span(readings):
    return readings[-1][0] - readings[0][0]


def _load(loads):
    return (loads[-1][1] - loads[0][1]) / _span(loads) if loads and _span(loads) > 0 else None


def _hottest(zones):
    known = [value for value in zones.read() if value == value]  # NaN equals nothing
    return max(known) if known else None


def _busy_s(root):
    total = _ALL.search(read_text(under(root, "proc/stat")) or "")
    return None if total is None else busy_and_steal(total.group(1), float(ticks_per_second()))[0]
