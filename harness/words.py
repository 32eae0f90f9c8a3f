"""Numbers as words of the command line: what each may be, and the message for what is none. For argparse."""

from __future__ import annotations

import argparse
import math

# The first minute is burst, the last one sustained performance: one of each is needed.
LEAST_SUSTAINED_S = 120.0


def seconds(text: str) -> float:
    """A time above 0."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return found


def long_time(text: str) -> float:
    """Seconds, as 600, 600s, 10m or 1h; two minutes are the least that has a first and a last one."""
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    digits, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1.0)
    try:
        found = float(digits) * unit
    except ValueError:
        found = math.nan
    if not LEAST_SUSTAINED_S <= found < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration of two minutes or more, such as 10m, 600s or 1h")
    return found


def share(text: str) -> float:
    """Between 0 and 1, as 1% or 0.01."""
    try:
        found = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        found = 0.0
    if not 0 < found < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share between 0 and 1, such as 1% or 0.01")
    return found


def number(text: str) -> float:
    """A time of either sign."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return found
