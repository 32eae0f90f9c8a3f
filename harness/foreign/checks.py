"""Numbers out of other tools' files, checked. Owns the messages for what cannot be one; knows no format."""

from __future__ import annotations

import json
import math
from reprlib import repr as shown
from typing import Any

from harness.errors import UsageError

# Of any unit that a tool may have: what is larger, or smaller and not 0, was not measured, and would be infinite or 0
# once it is scaled, averaged or divided by.
_MOST = 1e30
# Every message ends with what to do.
TRUNCATED = "it is of another kind, it is cut off, or the tool failed; give the tool's whole output"


def number(text: object, where: str, most: float = _MOST) -> float:
    """0, or a number from 1 / most to most. UsageError."""
    try:
        value = float(text)  # type: ignore[arg-type]  # what it cannot take is the error
    except (TypeError, ValueError):
        raise UsageError(f"{where} is {shown(text)}, which is no number: {TRUNCATED}") from None
    except OverflowError:  # of a whole number
        value = math.inf
    if not math.isfinite(value) or value < 0 or isinstance(text, bool):
        raise UsageError(f"{where} is {shown(text)}: it must be a number of 0 or more")
    if value and not 1 / most <= value <= most:
        raise UsageError(f"{where} is {shown(text)}, which nothing measures: {TRUNCATED}")
    return value


def counted(text: object, where: str) -> int:
    """A number of things. UsageError."""
    return int(number(text, where))


def positive(text: object, where: str) -> float:
    """A number above 0. UsageError."""
    value = number(text, where)
    if value == 0:
        raise UsageError(f"{where} is 0: the tool's clock or its rounding is too coarse for this model")
    return value


def parsed(text: str, source: str, kind: str) -> Any:
    """JSON. UsageError."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise UsageError(f"{source} is no {kind} JSON ({error}): {TRUNCATED}") from None


def table(value: object, where: str) -> dict[str, Any]:
    """A JSON object. UsageError."""
    if not isinstance(value, dict):
        raise UsageError(f"{where} is no table: is this a file of another kind?")
    return value
