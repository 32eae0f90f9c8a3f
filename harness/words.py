"""Numbers as words of the command line: what each may be, and the message for what is none. For argparse."""

from __future__ import annotations

import argparse
import math


def seconds(text: str) -> float:
    """A time above 0."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
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
