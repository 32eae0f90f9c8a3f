"""What a recipe's numbers and words may be. Each check raises UsageError with the name, the bounds and the value."""

from __future__ import annotations

import math
from typing import get_args

from harness.errors import UsageError


def one_of(what: str, value: str, choices: object) -> None:
    """One of the words of a Literal."""
    known = get_args(choices)
    if value not in known:
        raise UsageError(f"unknown {what} {value!r}; choose one of: {', '.join(known)}")


def whole(least: int, **values: float) -> None:
    """Whole numbers of at least `least`."""
    for name, value in values.items():
        if not isinstance(value, int) or value < least:
            raise UsageError(f"{name} is a whole number, {least} or more, not {value!r}; correct the recipe")


def shares(**values: float) -> None:
    """Shares from 0 to 1."""
    for name, value in values.items():
        if not 0 <= value <= 1:
            raise UsageError(f"{name} is a share from 0 to 1, not {value!r}; correct the recipe")


def part(**values: float) -> None:
    """Shares of which 1 would leave nothing."""
    for name, value in values.items():
        if not 0 <= value < 1:
            raise UsageError(f"{name} is a share from 0 to below 1, not {value!r}; correct the recipe")


def positive(**values: float) -> None:
    """Numbers above 0."""
    for name, value in values.items():
        if not 0 < value < math.inf:
            raise UsageError(f"{name} is a number above 0, not {value!r}; correct the recipe")


def not_negative(**values: float) -> None:
    """Numbers of 0 or more."""
    for name, value in values.items():
        if not 0 <= value < math.inf:
            raise UsageError(f"{name} is 0 or more, not {value!r}; correct the recipe")
