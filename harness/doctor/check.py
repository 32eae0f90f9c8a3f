"""One line of the doctor's answer, and what its checks share: channels by address, words for times and sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from harness.model.codec import Json

State = Literal["good", "warning", "missing"]
GIB = 2**30


@dataclass(frozen=True)
class Check:
    """One line: what was looked at, what was found, what to do ("" where nothing)."""

    name: str
    state: State
    found: str
    fix: str = ""


def value_of(answer: Mapping[str, Json], address: str) -> float | None:
    """The present value of a "collector:channel", which may be a pattern; None unless exactly one channel fits."""
    collector, _, pattern = address.partition(":")
    channels = answer["collectors"].get(collector, {"channels": []})["channels"]
    matching = [value for channel, *_, value in channels if fnmatchcase(channel, pattern)]
    return matching[0] if len(matching) == 1 else None


def split(reason: str) -> tuple[str, str]:
    """What is wrong and its remedy, of the agent's "reason: remedy"."""
    what, _, fix = reason.partition(": ")
    return what, fix


def shown_time(seconds: float) -> str:
    """A short time in words."""
    if seconds >= 1:
        return f"{seconds:.3g} s"
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} us"
